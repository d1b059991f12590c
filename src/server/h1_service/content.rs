//! The open response, step by step: the head of an exchange, then content, spliced or copied.

use super::{H1Service, length_of};
use crate::content::{Progress, Slice};
use crate::exchange::{
    ActiveRequest, Failure, Head, LoginOutcome, Opening, Reception, RequestKey, Waits, WakeCause,
};
use crate::h1::{self, BodyLength, FieldLines};
use crate::http::Scheme;
use crate::link::{self, Layout, MOST_SPLICED, Wanted};
use crate::server::answering::Accepted;
use crate::server::fault::Fault;
use crate::server::services::Services;
use crate::server::turn::Turn;
use crate::world::Files;

impl<F: Files> H1Service<F> {
    /// Makes one step with the open response; false when there is nothing to do.
    pub(super) fn produce(&mut self, limit: usize, turn: &mut Turn<'_, F>) -> Result<bool, Fault> {
        let Some(active) = &mut self.active else {
            return Ok(false);
        };
        if active.wait() != Waits::Not {
            return Ok(false);
        }
        if !active.has_head() {
            return Ok(self.open(turn));
        }
        if active.has_ended() {
            if !active.outlasts_response(turn.services.now) {
                self.end_tunnel(turn.services);
            }
            return Ok(false);
        }
        let before = self.core.output().len();
        let room = limit.saturating_sub(before + turn.splices.len() + h1::CHUNK_OVERHEAD);
        if room == 0 {
            return Ok(false);
        }
        let (max, least) = match turn.scheme {
            Scheme::Http => (MOST_SPLICED, link::CLEAR),
            Scheme::Https => (room, link::TLS_FRAMES),
        };
        if let Some(slice) = active.next_slice(max as u64, least, turn.services.now) {
            return match splice(slice, before, room, turn) {
                Ok(Some(len)) => {
                    turn.moved += len;
                    let end = active.count_sent(len) == Progress::End;
                    self.core
                        .commit_elsewhere(len as u64, end, turn.services.now);
                    if end {
                        self.complete(turn.services);
                    }
                    Ok(true)
                }
                Ok(None) => {
                    self.await_disk(turn);
                    Ok(false)
                }
                Err(failure) => Err(self.cut_short(&failure, turn.services)),
            };
        }
        let output = self.core.begin_data(room);
        let progress = active.read(
            turn.services.routes.reads(),
            output,
            room,
            &turn.services.means,
        );
        turn.moved += output.len() - before;
        match progress {
            Ok(Progress::End) => {
                match active.take_trailers() {
                    Some(fields) => self.core.commit_trailers(fields.iter(), turn.services.now),
                    None => self.core.commit(true, turn.services.now),
                }
                let goes_on = self.core.has_ended_tunnel();
                if !(goes_on && active.outlasts_response(turn.services.now)) {
                    self.end_tunnel(turn.services);
                }
                Ok(true)
            }
            Ok(Progress::More | Progress::Waiting) => {
                self.core.commit(false, turn.services.now);
                // A listing can take long and give little.
                Ok(self.core.output().len() > before && !turn.is_out_of_file_effort())
            }
            Ok(Progress::Cold) => {
                self.core.commit(false, turn.services.now);
                self.await_disk(turn);
                Ok(false)
            }
            Ok(Progress::Unfinished) => {
                self.core.commit(false, turn.services.now);
                if self.suspend() {
                    turn.await_another(self.key());
                }
                Ok(false)
            }
            Err(failure) => Err(self.cut_short(&failure, turn.services)),
        }
    }

    /// The response has ended, and nothing more of the request is wanted.
    fn end_tunnel(&mut self, services: &mut Services<F>) {
        self.complete(services);
        if self.core.has_ended_tunnel() {
            self.core.abort();
        }
    }

    /// The rest of the response cannot be had.
    pub(super) fn cut_short(&mut self, failure: &Failure, services: &mut Services<F>) -> Fault {
        services.report_cut(self.peer, failure);
        self.cut_off(failure.reason(), services)
    }

    pub(super) fn cut_off(&mut self, reason: &'static str, services: &mut Services<F>) -> Fault {
        self.core.abort();
        if let Some(mut active) = self.active.take() {
            active.abandon(&mut services.log, Some(reason), &services.means);
        }
        Fault
    }

    fn await_disk(&mut self, turn: &mut Turn<'_, F>) {
        if self.suspend() {
            turn.await_disk(self.key());
        }
    }

    /// Has the request wait for its content. False if there is none.
    fn suspend(&mut self) -> bool {
        let Some(active) = &mut self.active else {
            return false;
        };
        active.await_content();
        true
    }

    /// The request can go on.
    pub fn wake(&mut self, request: RequestKey, cause: WakeCause) {
        let key = self.key();
        if let Some(active) = &mut self.active
            && request == key
        {
            active.wake(cause);
        }
    }

    /// True if the response waits for its content.
    #[cfg(debug_assertions)]
    pub fn waits_for_content(&self) -> bool {
        let active = self.active.as_ref();
        active.is_some_and(|active| active.wait() == Waits::Content)
    }

    /// True if the response goes on without its peer.
    pub fn goes_on_alone(&self) -> bool {
        let active = self.active.as_ref();
        active.is_some_and(|active| active.goes_on_alone() || active.is_tunnel())
    }

    /// True if the client has ended its side of a tunnel, and the exchange can be told of that now.
    pub fn hears_end(&self) -> bool {
        self.core.has_unheard_end() && self.wants_input()
    }

    /// True if a handler alone is waited for, and nothing is read until it has answered.
    pub fn waits_for_handler(&self) -> bool {
        let active = self.active.as_ref();
        active.is_some_and(ActiveRequest::waits_for_exchange) && !self.core.wants_input()
    }

    /// Makes one step towards a handler's head: what has come of the content was received first.
    fn open(&mut self, turn: &mut Turn<'_, F>) -> bool {
        let Some(active) = &mut self.active else {
            return false;
        };
        match active.open(turn.services.routes.reads(), &turn.services.means) {
            Ok(Opening::Nothing) => return false,
            Ok(Opening::Cold) => {
                turn.await_disk(self.key());
                return false;
            }
            Ok(Opening::Continue) => self.core.send_continue(),
            Ok(Opening::Informational(head)) => {
                self.trace_response(head.status, head.fields.iter());
                self.core
                    .send_head(head.status, head.fields.iter(), BodyLength::None);
            }
            Ok(Opening::Head(head, size)) => {
                turn.services.routes.turn_to(active.host());
                let length = length_of(size);
                self.trace_response(head.status, head.fields.iter());
                self.send_made_head(&head, length, turn);
                if length == BodyLength::None {
                    self.complete(turn.services);
                }
            }
            Ok(Opening::Switch(head)) => {
                self.trace_response(head.status, head.fields.iter());
                self.core.begin_tunnel(head.fields.iter());
            }
            Ok(Opening::AskAgain(admission)) => self.ask_again(admission, turn),
            Err(failure) => self.fail_open(&failure, turn),
        }
        true
    }

    /// Sends the head of an exchange, which may be that of the last one.
    fn send_made_head(&mut self, head: &Head, length: BodyLength, turn: &mut Turn<'_, F>) {
        let known = &mut turn.services.exchange_lines;
        known.note(&head.fields, |fields| Some(FieldLines::new(fields.iter())));
        let last = turn.last_fields();
        match turn.services.exchange_lines.get(&head.fields) {
            // Without content the fields tell its length.
            Some(lines) if length != BodyLength::None => {
                self.core
                    .send_head_of_lines(head.status, lines, last, length);
            }
            _ => {
                let fields = head.fields.iter().chain(last);
                self.core.send_head(head.status, fields, length);
            }
        }
    }

    /// Asks for the open request again.
    fn ask_again(&mut self, admission: LoginOutcome, turn: &mut Turn<'_, F>) {
        let Some((kept, entry)) = self.active.take().and_then(ActiveRequest::into_kept) else {
            return;
        };
        match turn.accept_again(&kept, self.peer, self.key(), admission, entry) {
            Accepted::Response(response, entry) => {
                if kept.arrival == Reception::Open {
                    self.core.discard_body();
                }
                self.respond(response, entry, turn);
            }
            Accepted::Exchange(active) => self.active = Some(active),
        }
    }

    /// The exchange has failed before its head.
    pub(super) fn fail_open(&mut self, failure: &Failure, turn: &mut Turn<'_, F>) {
        if let Some(active) = self.active.take() {
            self.core.discard_body();
            let (response, entry) = turn.services.answer_failure(active, failure, self.peer);
            self.respond(response, entry, turn);
        }
    }
}

/// Puts the slice's next bytes behind the first `at` bytes of the output: from where they are, or as one
/// frame without a header, for which there is room. Under TLS, no file is sent from where it is; nor is
/// one that a disk has to bring, as sending it would wait. Returns how many bytes they are; `None` before
/// the disk has brought them.
fn splice<F: Files>(
    slice: &mut Slice<F>,
    at: usize,
    room: usize,
    turn: &mut Turn<'_, F>,
) -> Result<Option<usize>, Failure> {
    let reads = turn.services.routes.reads();
    Ok(match slice {
        Slice::File(file) if turn.scheme == Scheme::Https || file.is_cold() => {
            let wanted = Wanted {
                header: 0,
                payload: room,
                run: room,
                layout: Layout::Dense,
            };
            let frame = turn.splices.push_frame(at, reads, file, &wanted)?;
            frame.map(|frame| frame.len())
        }
        slice => slice.take(reads, MOST_SPLICED as u64)?.map(|range| {
            let len = range.len() as usize;
            turn.splices.push(at, range);
            len
        }),
    })
}
