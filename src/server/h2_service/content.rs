//! The scheduler's grants become DATA: spliced from the cache, read as frames of a piece, or copied.

use super::H2Service;
use crate::h2::frame::HEADER_LEN;
use crate::h2::{ErrorCode, Grant, StreamKey};
use crate::server::context::{Context, Layer};
use crate::server::piece::Wanted;
use crate::server::splices::{self, MOST_SPLICED};
use crate::site::{BodyError, Progress, Slice, Taken};
use crate::world::{Files, World};
use std::io;

impl<F: Files> H2Service<F> {
    /// Fills the output with DATA, in the order of the scheduler: up to `limit` bytes, and those that
    /// are spliced into it.
    pub fn produce<W: World<Files = F>>(&mut self, limit: usize, cx: &mut Context<W>) {
        loop {
            // Which of the two the next stream needs is not known yet.
            let output = limit.saturating_sub(self.core.output().len() + cx.splices.framed());
            let spliced = (MOST_SPLICED + HEADER_LEN).saturating_sub(cx.splices.len());
            let room = output.min(spliced);
            let Some(grant) = self.core.poll_grant(room) else {
                return;
            };
            self.fill(grant, cx);
        }
    }

    fn fill<W: World<Files = F>>(&mut self, grant: Grant, cx: &mut Context<W>) {
        let stream = grant.stream;
        let Some(active) = self.active.get_mut(stream.index()).and_then(Option::as_mut) else {
            self.core.abort(grant);
            self.core.reset(stream, ErrorCode::INTERNAL_ERROR);
            return;
        };
        let least = match cx.layer {
            Layer::Clear => splices::CLEAR_FRAMES,
            Layer::Tls => splices::TLS_FRAMES,
        };
        let range = match active.take_range(cx.site.files(), grant.max_len.into(), least, cx.now) {
            Ok(Taken::Range(range)) => range,
            Ok(Taken::Unfit) => return self.fill_by_reading(grant, cx),
            Ok(Taken::Cold) => {
                let _ = self.core.begin_data(&grant);
                self.core.commit(grant, false);
                self.cold.push(stream);
                return;
            }
            Err(error) => return self.cut_short(stream, &error, cx),
        };
        let end = active.remaining() == Some(0);
        cx.moved += range.len() as usize;
        if let Err(error) = self.splice(grant, range, end, cx) {
            return self.cut_short(stream, &error.into(), cx);
        }
        if end && let Some(active) = self.take(stream) {
            self.complete(stream, active, cx);
        }
    }

    /// Sends a range as one frame: memory from where it is, a file's bytes from where they are read to.
    fn splice<W: World<Files = F>>(
        &mut self,
        grant: Grant,
        range: Slice<F>,
        end: bool,
        cx: &mut Context<W>,
    ) -> io::Result<()> {
        let len = range.len() as u32;
        let Slice::File {
            ref file, start, ..
        } = range
        else {
            self.core.commit_elsewhere(grant, len, end);
            cx.splices.push(self.core.output().len(), range);
            return Ok(());
        };
        let wanted = Wanted {
            file,
            offset: start,
            header: HEADER_LEN,
            len: len as usize,
            run: self.core.run(&grant) as usize,
        };
        let at = self.core.output().len();
        let frame = cx.splices.push_frame(at, cx.site.files(), &wanted)?;
        let header = self.core.commit_apart(grant, len, end);
        frame[..HEADER_LEN].copy_from_slice(&header);
        Ok(())
    }

    fn fill_by_reading<W: World<Files = F>>(&mut self, grant: Grant, cx: &mut Context<W>) {
        let stream = grant.stream;
        let Some(active) = self.active.get_mut(stream.index()).and_then(Option::as_mut) else {
            return;
        };
        let max = grant.max_len as usize;
        let output = self.core.begin_data(&grant);
        let before = output.len();
        let progress = active.read(cx.site.files(), output, max, cx.now);
        cx.moved += output.len() - before;
        let releasable = active.releasable();
        match progress {
            Ok(Progress::More | Progress::Waiting) => self.core.commit(grant, false),
            Ok(Progress::Cold) => {
                self.core.commit(grant, false);
                self.cold.push(stream);
            }
            Ok(Progress::End) => {
                self.core.commit(grant, true);
                if let Some(active) = self.take(stream) {
                    self.complete(stream, active, cx);
                }
            }
            Err(error) => {
                self.core.abort(grant);
                self.cut_short(stream, &error, cx);
            }
        }
        self.core.release(stream, releasable);
    }

    /// The rest of a response cannot be had.
    fn cut_short<W: World>(&mut self, stream: StreamKey, error: &BodyError, cx: &mut Context<W>) {
        log::warn!("{}: a response was cut short: {error}", self.peer);
        self.core.reset(stream, ErrorCode::INTERNAL_ERROR);
        self.remove(stream, cx);
    }

    /// Whether streams wait for a disk.
    pub fn is_cold(&self) -> bool {
        !self.cold.is_empty()
    }

    /// Lets the streams that wait for a disk try again.
    pub fn retry_cold(&mut self) {
        for stream in std::mem::take(&mut self.cold) {
            if let Some(active) = self.active.get(stream.index()).and_then(Option::as_ref) {
                self.core.set_ready(stream, active.remaining());
            }
        }
    }
}
