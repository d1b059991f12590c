//! The end of a connection (RFC 9113 §5.4.1, §6.8).

use std::time::Instant;

use super::Connection;
use super::departure::Leaving;
use super::inbound::PeerPhase;
use crate::h2::error::{ConnectionError, ErrorCode};
use crate::h2::frame::MAX_STREAM_ID;
use crate::h2::settings::Role;

/// The payload of the PING between the two GOAWAY frames: when it comes back, every request that the
/// peer had sent before it saw the first one has come too.
pub(super) const SHUTDOWN_PING: [u8; 8] = *b"leaving?";

impl Connection {
    /// Leaves gracefully: nothing new is taken, what is under way is finished, then
    /// [`is_drained`](Self::is_drained).
    ///
    /// A server does it in two steps, so that no request that is already on its way is lost: GOAWAY
    /// with the highest identifier of all and PING; when that is answered, or `shutdown_grace` has
    /// passed, or at the next call, GOAWAY with the last stream that counts.
    pub fn shutdown(&mut self, now: Instant) {
        if self.inbound.phase() == PeerPhase::Closed {
            return;
        }
        match (self.departure.ours(), self.role()) {
            (Leaving::Staying, Role::Server) => {
                let ping = SHUTDOWN_PING;
                self.outbound
                    .goaway(MAX_STREAM_ID, ErrorCode::NO_ERROR, b"");
                self.outbound.ping(0, ping);
                self.waiting.push_ping(ping, now);
                match self.timing.after(now, self.config.shutdown_grace) {
                    Some(due) => self.departure.announce(due),
                    None => self.leave(),
                }
            }
            (Leaving::Staying, Role::Client) | (Leaving::Announced { .. }, _) => self.leave(),
            (Leaving::Left { .. }, _) => {}
        }
    }

    /// The GOAWAY that counts.
    pub(super) fn leave(&mut self) {
        self.waiting.forget_pings(SHUTDOWN_PING);
        let last = self.last_peer_stream();
        self.departure.leave(last);
        self.outbound.goaway(last, ErrorCode::NO_ERROR, b"");
    }

    /// The last stream of the peer's that a GOAWAY of ours may name.
    fn last_peer_stream(&self) -> u32 {
        let highest = self.streams.highest(self.role().peer());
        self.departure.last_of(highest)
    }

    /// Ends the connection at once: GOAWAY, and nothing after it. All streams are gone.
    pub fn close(&mut self, code: ErrorCode, last_stream_id: Option<u32>, debug: &[u8]) {
        if self.inbound.phase() == PeerPhase::Closed {
            return;
        }
        let highest = self.last_peer_stream();
        // What a GOAWAY before said cannot be taken back (§6.8).
        let last = last_stream_id.unwrap_or(highest).min(MAX_STREAM_ID);
        let last = self.departure.last_of(last);
        // The peer takes frames of this size whatever its SETTINGS say; more would not help to debug.
        let debug = debug.get(..1024).unwrap_or(debug);
        self.outbound.goaway(last, code, debug);
        self.inbound.enter(PeerPhase::Closed);
        self.streams.clear();
        self.inbound.take_block();
        self.timing.disarm_stall_check();
    }

    /// RFC 9113 §5.4.1.
    pub(super) fn fail(&mut self, error: ConnectionError) -> ConnectionError {
        self.close(error.code, None, error.reason.as_bytes());
        error
    }

    /// Says that everything is said: one side has sent GOAWAY for good and no stream is left, or the
    /// connection was closed. What is in the output can still be sent; then the transport is closed.
    pub fn is_drained(&self) -> bool {
        self.is_closed() || self.departure.is_leaving() && self.streams.is_empty()
    }
}
