//! Content of requests on its way to an upstream, and all other output of the connection.

use std::time::Instant;

use super::{SharedConnection, SharedFlow};
use crate::h2::{ErrorCode, Grant};
use crate::server::lent::Buffers;
use crate::server::upstream::config::UpstreamLimits;
use crate::world::{Files, Outside};

/// Output that is made at once, in bytes.
const PIECE: usize = 64 << 10;

impl<K, F: Files> SharedConnection<K, F> {
    /// Makes content of requests where the socket has room, and writes what there is.
    pub(super) fn write(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> SharedFlow {
        let before = self.core.output().len();
        if self.channel.is_flushed() {
            self.fill(limits, now);
        }
        let is_fruitful = self.core.output().len() > before;
        self.flush(world, buffers, limits, now);
        if is_fruitful && self.channel.is_flushed() {
            SharedFlow::More
        } else {
            SharedFlow::Paused
        }
    }

    fn fill(&mut self, limits: &UpstreamLimits, now: Instant) {
        loop {
            let room = PIECE.saturating_sub(self.core.output().len());
            let Some(grant) = self.core.poll_grant(room) else {
                return;
            };
            self.send(grant, limits, now);
        }
    }

    /// Sends the next content of one request.
    fn send(&mut self, grant: Grant, limits: &UpstreamLimits, now: Instant) {
        let stream = grant.stream;
        let carried = self.calls.get_mut(stream.index()).and_then(Option::as_mut);
        let Some(carried) = carried.filter(|carried| carried.stream == stream) else {
            self.core.abort(grant);
            return self.core.reset(stream, ErrorCode::CANCEL);
        };
        let most = usize::try_from(grant.max_len).unwrap_or(PIECE);
        let taken = carried
            .call
            .take_content(self.core.begin_data(&grant), most);
        let trailers = carried.call.trailers().filter(|_| taken.is_last);
        self.core.commit(grant, taken.is_last && trailers.is_none());
        if let Some(trailers) = trailers {
            // The stream lives, and its head was sent.
            let _ = self.core.send_headers(stream, trailers.iter(), true);
        }
        if !taken.is_last {
            carried.note_sent(now + limits.idle_timeout);
            return carried.make_ready(&mut self.core);
        }
        carried.complete_request(now + limits.response_timeout);
        if carried.is_over() {
            if !carried.call.is_answered() {
                self.core.reset(stream, ErrorCode::CANCEL);
            }
            self.finish(stream);
        }
    }

    pub(super) fn flush(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) {
        let mut output = std::mem::take(self.core.output());
        if !(output.is_empty() && self.channel.is_flushed()) {
            let patience = limits.idle_timeout;
            let wire = &mut buffers.wire;
            let written = self.channel.write(world, wire, &mut output, patience, now);
            if written.is_err() {
                self.channel.give_up_writing();
            }
        }
        *self.core.output() = output;
    }
}
