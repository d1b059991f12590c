//! DATA of the client becomes content of a request, and its bytes are given back to the windows as the
//! handler passes them on.

use super::H2Service;
use crate::h2::{Connection, ErrorCode, StreamKey};
use crate::server::answering::TOO_LARGE;
use crate::server::limit_log::Limit;
use crate::server::turn::Turn;
use crate::world::Files;

impl<F: Files> H2Service<F> {
    /// Gives back at once the bytes of a frame that no handler gets.
    pub(super) fn release_padding(&mut self, stream: StreamKey, data: &[u8], whole: u32) {
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        release(&mut self.core, stream, whole.saturating_sub(len));
    }

    /// Content came; its handler goes on behind the input, with all frames that came together.
    pub(super) fn data(
        &mut self,
        stream: StreamKey,
        data: &[u8],
        end_stream: bool,
        turn: &mut Turn<'_, F>,
    ) {
        let Some(active) = self.open.get_mut(stream) else {
            release(
                &mut self.core,
                stream,
                u32::try_from(data.len()).unwrap_or(u32::MAX),
            );
            return;
        };
        turn.moved += data.len();
        turn.content += data.len();
        let most = turn.services.limits.request_body_bytes;
        if active.receive(data, most, &turn.services.means).is_err() {
            self.refuse_body(stream, turn);
            return;
        }
        if end_stream {
            active.finish_request(&turn.services.means);
        }
        self.open.push_pending(stream);
    }

    /// The body is larger than anything that we take: 413, or the end of a response under way.
    fn refuse_body(&mut self, stream: StreamKey, turn: &mut Turn<'_, F>) {
        let Some(mut active) = self.open.take(stream) else {
            return;
        };
        if active.has_head() {
            let reason = Some(TOO_LARGE);
            active.abandon(&mut turn.services.log, reason, &turn.services.means);
            self.core.reset(stream, ErrorCode::CANCEL);
            turn.services.report(Limit::BodySize, self.peer, TOO_LARGE);
        } else {
            let (response, entry) = turn.services.refuse_content(active, self.peer);
            self.respond(stream, response, entry, turn);
        }
    }
}

/// Gives content back to the windows that was passed on.
pub(super) fn release(core: &mut Connection, stream: StreamKey, len: u32) {
    if len > 0 {
        let released = core.release(stream, len);
        debug_assert_eq!(released, Ok(()), "a byte is released once");
    }
}
