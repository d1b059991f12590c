//! The scheduler's grants become DATA: spliced from the cache, read as frames of a piece, or copied. Short content
//! that is in memory follows its head at once, where the scheduler has no choice.

use super::receiving::release;
use super::{H2Service, UNSENDABLE, key_of};
use crate::content::{Progress, Slice};
use crate::exchange::{ActiveRequest, Failure};
use crate::h2::frame::HEADER_LEN;
use crate::h2::{ErrorCode, Grant, StreamKey};
use crate::http::Scheme;
use crate::link::{self, Layout, MOST_SPLICED, Wanted};
use crate::server::services::Services;
use crate::server::turn::Turn;
use crate::world::Files;

/// The longest content that follows its head at once. More is worth a place in the order of the scheduler, because a more
/// urgent request may be in the input behind it.
pub(super) const SHORT: u64 = 2 << 10;

impl<F: Files> H2Service<F> {
    /// Sends all content of a response behind its head, if it is short and at hand. False, and nothing is sent, where
    /// it has to wait for a grant.
    pub(super) fn send_whole(
        &mut self,
        stream: StreamKey,
        active: &mut ActiveRequest<F>,
        turn: &mut Turn<'_, F>,
    ) -> bool {
        let end = self.core.output().len() + HEADER_LEN + SHORT as usize;
        if end > turn.content_end {
            return false;
        }
        let short = active.len_in_memory().filter(|len| *len <= SHORT);
        let grant = short.and_then(|len| self.core.grant_whole(stream, len as u32));
        let Some(grant) = grant else {
            return false;
        };
        let max = grant.max_len as usize;
        let services = &mut *turn.services;
        let output = self.core.begin_data(&grant);
        match active.read(services.routes.reads(), output, max, &services.means) {
            Ok(Progress::End) => {
                turn.moved += max;
                self.core.commit(grant, true);
                true
            }
            // Nothing was read: the file has changed, which the next try tells.
            _ => {
                self.core.abort(grant);
                false
            }
        }
    }

    /// Fills the output with DATA, in the order of the scheduler: up to `limit` bytes, and those that
    /// are spliced into it.
    pub fn produce(&mut self, limit: usize, turn: &mut Turn<'_, F>) {
        loop {
            // Which of the two the next stream needs is not known yet.
            let output = limit.saturating_sub(self.core.output().len() + turn.splices.framed());
            let spliced = (MOST_SPLICED + HEADER_LEN).saturating_sub(turn.splices.len());
            let room = output.min(spliced);
            let Some(grant) = self.core.poll_grant(room) else {
                return;
            };
            self.fill(grant, room, turn);
            // A listing can take long for each of many streams, and give little.
            if turn.is_out_of_file_effort() {
                return;
            }
        }
    }

    /// Uses the grant; there is room for so many bytes.
    fn fill(&mut self, grant: Grant, room: usize, turn: &mut Turn<'_, F>) {
        let stream = grant.stream;
        match self.send(grant, room, turn) {
            Ok(Progress::More) => {}
            Ok(Progress::Waiting) => {
                let active = self.open.get(stream);
                self.open.note_due(active.and_then(ActiveRequest::due));
            }
            Ok(Progress::Cold) => {
                if self.suspend(stream) {
                    turn.await_disk(key_of(stream));
                }
            }
            Ok(Progress::Unfinished) => {
                if self.suspend(stream) {
                    turn.await_another(key_of(stream));
                }
            }
            Ok(Progress::End) => {
                let now = turn.services.now;
                let active = self.open.get_mut(stream);
                if active.is_some_and(|active| active.outlasts_response(now)) {
                    return;
                }
                if let Some(active) = self.open.take(stream) {
                    self.complete(stream, active, turn.services);
                }
            }
            Err(error) => self.cut_short(stream, &error, turn.services),
        }
    }

    /// Sends content as one frame. What is worth it is sent from where it is, if that is memory, or read
    /// to where its frame is made; the rest is copied into the output.
    fn send(
        &mut self,
        grant: Grant,
        room: usize,
        turn: &mut Turn<'_, F>,
    ) -> Result<Progress, Failure> {
        let stream = grant.stream;
        let Some(active) = self.open.get_mut(stream) else {
            self.core.abort(grant);
            self.core.reset(stream, ErrorCode::INTERNAL_ERROR);
            return Ok(Progress::Waiting);
        };
        let (least, layout) = match turn.scheme {
            Scheme::Http => (link::CLEAR_FRAMES, Layout::Aligned),
            Scheme::Https => (link::TLS_FRAMES, Layout::Dense),
        };
        let max = u64::from(grant.max_len);
        match active.next_slice(max, least, turn.services.now) {
            None => self.copy(grant, turn),
            Some(Slice::File(file)) => {
                let wanted = Wanted {
                    header: HEADER_LEN,
                    payload: grant.max_len as usize,
                    run: room.min(self.core.run(&grant) as usize),
                    layout,
                };
                let at = self.core.output().len();
                let pushed =
                    turn.splices
                        .push_frame(at, turn.services.routes.reads(), file, &wanted)?;
                let Some(frame) = pushed else {
                    return Ok(self.rest(grant));
                };
                let len = frame.len() - HEADER_LEN;
                turn.moved += len;
                let progress = active.count_sent(len);
                let end = progress == Progress::End;
                let header = self.core.commit_apart(grant, len as u32, end);
                if let Some(place) = frame.first_chunk_mut() {
                    *place = header;
                }
                Ok(progress)
            }
            Some(memory) => {
                let Some(range) = memory.take(turn.services.routes.reads(), max)? else {
                    return Ok(self.rest(grant));
                };
                let len = range.len() as usize;
                turn.moved += len;
                let progress = active.count_sent(len);
                let end = progress == Progress::End;
                self.core.commit_elsewhere(grant, len as u32, end);
                turn.splices.push(self.core.output().len(), range);
                Ok(progress)
            }
        }
    }

    /// Copies content into the output, as one frame.
    fn copy(&mut self, grant: Grant, turn: &mut Turn<'_, F>) -> Result<Progress, Failure> {
        let stream = grant.stream;
        let Some(active) = self.open.get_mut(stream) else {
            return Ok(self.rest(grant));
        };
        let max = grant.max_len as usize;
        let output = self.core.begin_data(&grant);
        let before = output.len();
        let progress = active.read(
            turn.services.routes.reads(),
            output,
            max,
            &turn.services.means,
        );
        turn.moved += output.len() - before;
        let releasable = active.releasable();
        let mut trailers = None;
        match &progress {
            Ok(Progress::End) => {
                trailers = active.take_trailers();
                self.core.commit(grant, trailers.is_none());
            }
            Ok(_) => self.core.commit(grant, false),
            Err(_) => self.core.abort(grant),
        }
        if let Some(fields) = trailers {
            let sent = self.core.send_headers(stream, fields.iter(), true);
            if let Err(misuse) = sent {
                log::error!("{}: trailers were not sent: {misuse}", self.peer);
                self.core.reset(stream, ErrorCode::INTERNAL_ERROR);
                self.remove(stream, Some(UNSENDABLE), turn.services);
                return Ok(Progress::Waiting);
            }
        }
        release(&mut self.core, stream, releasable);
        progress
    }

    /// Sends nothing before the disk has brought it.
    fn rest(&mut self, grant: Grant) -> Progress {
        self.core.rest(grant);
        Progress::Cold
    }

    /// Has a request wait for its content. False if there is no such request.
    fn suspend(&mut self, stream: StreamKey) -> bool {
        let Some(active) = self.open.get_mut(stream) else {
            return false;
        };
        active.await_content();
        let due = active.due();
        self.open.note_due(due);
        true
    }

    /// The rest of a response cannot be had.
    pub(super) fn cut_short(
        &mut self,
        stream: StreamKey,
        failure: &Failure,
        services: &mut Services<F>,
    ) {
        services.report_cut(self.peer, failure);
        self.core.reset(stream, ErrorCode::INTERNAL_ERROR);
        self.remove(stream, Some(failure.reason()), services);
    }
}
