//! The end of a connection (RFC 9113 §5.4.1, §6.8).

use std::time::Instant;

use super::{Connection, Leaving, PeerPhase};
use crate::h2::error::{ConnectionError, ErrorCode};
use crate::h2::frame::{MAX_STREAM_ID, encode};
use crate::h2::scheduler::Scheduler;
use crate::h2::settings::Role;
use crate::h2::store::Store;

/// The payload of the PING between the two GOAWAY frames: when it comes back, every request that the
/// peer had sent before it saw the first one has come too.
const SHUTDOWN_PING: [u8; 8] = *b"leaving?";

impl Connection {
    /// Leaves gracefully: nothing new is taken, what is under way is finished, then
    /// [`is_drained`](Self::is_drained).
    ///
    /// A server does it in two steps, so that no request that is already on its way is lost: GOAWAY
    /// with the highest identifier of all and PING; when that is answered, or `shutdown_grace` has
    /// passed, or at the next call, GOAWAY with the last stream that counts.
    pub fn shutdown(&mut self, now: Instant) {
        if self.phase == PeerPhase::Closed {
            return;
        }
        match (self.leaving, self.role) {
            (Leaving::Staying, Role::Server) => {
                self.leaving = Leaving::Announced;
                encode::goaway(&mut self.output, MAX_STREAM_ID, ErrorCode::NO_ERROR, b"");
                self.send_ping(SHUTDOWN_PING, now);
                let deadline = self.clock.after(now, self.config.shutdown_grace);
                match deadline {
                    Some(_) => self.rare().leave_at = deadline,
                    None => self.leave(),
                }
            }
            (Leaving::Staying, Role::Client) | (Leaving::Announced, _) => self.leave(),
            (Leaving::Left { .. }, _) => {}
        }
    }

    /// The GOAWAY that counts.
    pub(super) fn leave(&mut self) {
        if let Some(rare) = self.rare.as_mut() {
            rare.leave_at = None;
            rare.pings.retain(|&(payload, _)| payload != SHUTDOWN_PING);
        }
        self.tidy();
        let last = self.last_peer_stream();
        self.leaving = Leaving::Left { last };
        encode::goaway(&mut self.output, last, ErrorCode::NO_ERROR, b"");
    }

    pub(super) fn is_shutdown_ping(&self, payload: [u8; 8]) -> bool {
        payload == SHUTDOWN_PING
    }

    /// Ends the connection at once: GOAWAY, and nothing after it. All streams are gone.
    pub fn close(&mut self, code: ErrorCode, last_stream_id: Option<u32>, debug: &[u8]) {
        if self.phase == PeerPhase::Closed {
            return;
        }
        let highest = self.last_peer_stream();
        // What a GOAWAY before said cannot be taken back (§6.8).
        let last = match self.leaving {
            Leaving::Left { last } => last_stream_id.unwrap_or(highest).min(last),
            _ => last_stream_id.unwrap_or(highest).min(MAX_STREAM_ID),
        };
        // The peer takes frames of this size whatever its SETTINGS say; more is no help to anybody.
        let debug = debug.get(..1024).unwrap_or(debug);
        encode::goaway(&mut self.output, last, code, debug);
        self.phase = PeerPhase::Closed;
        self.store = Store::default();
        self.scheduler = Scheduler::default();
        (self.peer_streams, self.own_streams) = (0, 0);
        self.block = None;
        self.stall_check = None;
    }

    /// RFC 9113 §5.4.1.
    pub(super) fn fail(&mut self, error: ConnectionError) -> ConnectionError {
        self.close(error.code, None, error.reason.as_bytes());
        error
    }

    /// Whether everything is said: one side has sent GOAWAY for good and no stream is left, or the
    /// connection was closed. What is in the output can still be sent; then the transport is closed.
    pub fn is_drained(&self) -> bool {
        let leaving = matches!(self.leaving, Leaving::Left { .. }) || self.peer_last.is_some();
        self.is_closed() || leaving && self.store.is_empty()
    }
}
