//! The leaving of both sides (RFC 9113 §6.8).
//!
//! ```text
//!   Staying ----------------> Announced -----------------------> Left
//!            shutdown()                   PING ack, time, shutdown()
//! ```

use crate::h2::clock::Tick;

/// The stage that we have reached in leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// No GOAWAY was sent.
    Staying,
    /// GOAWAY with the highest identifier of all was sent: streams may still arrive. At `due` the next
    /// one goes without an answer to the PING behind the first.
    Announced { due: Tick },
    /// GOAWAY with the last stream that counts was sent.
    Left { last: u32 },
}

/// Our leaving and the peer's.
pub(super) struct Departure {
    ours: Leaving,
    /// The last stream of the lowest GOAWAY that came.
    peer_last: Option<u32>,
}

impl Departure {
    pub(super) fn new() -> Self {
        Departure {
            ours: Leaving::Staying,
            peer_last: None,
        }
    }

    /// The stage that we have reached.
    pub(super) fn ours(&self) -> Leaving {
        self.ours
    }

    /// Says that the GOAWAY that counts was sent.
    pub(super) fn has_left(&self) -> bool {
        matches!(self.ours, Leaving::Left { .. })
    }

    /// Says that neither side has sent a GOAWAY.
    pub(super) fn is_staying(&self) -> bool {
        self.ours == Leaving::Staying && self.peer_last.is_none()
    }

    /// Says that one side has sent a GOAWAY for good.
    pub(super) fn is_leaving(&self) -> bool {
        self.has_left() || self.peer_last.is_some()
    }

    /// The first GOAWAY was sent.
    pub(super) fn announce(&mut self, due: Tick) {
        self.ours = Leaving::Announced { due };
    }

    /// The time of the second GOAWAY.
    pub(super) fn due(&self) -> Option<Tick> {
        match self.ours {
            Leaving::Announced { due } => Some(due),
            Leaving::Staying | Leaving::Left { .. } => None,
        }
    }

    /// The GOAWAY that counts was sent.
    pub(super) fn leave(&mut self, last: u32) {
        self.ours = Leaving::Left { last };
    }

    /// The last stream that a GOAWAY may name, where `highest` is the peer's highest: what one before
    /// said cannot be taken back.
    pub(super) fn last_of(&self, highest: u32) -> u32 {
        match self.ours {
            Leaving::Left { last } => last.min(highest),
            Leaving::Staying | Leaving::Announced { .. } => highest,
        }
    }

    /// The peer's GOAWAY came; false where it names a higher stream than one before.
    pub(super) fn peer_leaves(&mut self, last: u32) -> bool {
        if self.peer_last.is_some_and(|before| last > before) {
            return false;
        }
        self.peer_last = Some(last);
        true
    }
}
