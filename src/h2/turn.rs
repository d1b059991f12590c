//! The part that a stream has in sending: its place in a ring of the scheduler.

/// The place of a stream that is known to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSlot(pub(super) u16);

impl StreamSlot {
    /// No stream: the end of a list.
    pub const NONE: StreamSlot = StreamSlot(u16::MAX);
}

/// The part that a stream has in sending, and its neighbours where it waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendTurn {
    /// The event that it waits for.
    pub state: SendState,
    /// The bytes that are left, if they are known.
    remaining: u64,
    /// The stream before it in its ring.
    pub(super) previous: StreamSlot,
    /// The stream behind it in its ring.
    pub(super) next: StreamSlot,
}

/// The event that a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendState {
    /// Its user: there is nothing to send.
    Resting,
    /// Its turn: it is in a list.
    Ready,
    /// The peer: its own window is used up, or too small to be worth a frame.
    Blocked,
}

/// Stands for a number of bytes that nobody knows; no transfer reaches it.
const UNKNOWN: u64 = u64::MAX;

impl Default for SendTurn {
    fn default() -> Self {
        SendTurn {
            state: SendState::Resting,
            remaining: UNKNOWN,
            previous: StreamSlot::NONE,
            next: StreamSlot::NONE,
        }
    }
}

impl SendTurn {
    /// Notes how many bytes are left to send, if that is known.
    pub fn set_remaining(&mut self, remaining: Option<u64>) {
        self.remaining = remaining.unwrap_or(UNKNOWN);
    }

    /// The bytes that are left; more than any window where it is not known.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The bytes that are left, if that is known.
    pub fn known_remaining(&self) -> Option<u64> {
        (self.remaining != UNKNOWN).then_some(self.remaining)
    }

    /// Notes that bytes were sent.
    pub fn sent(&mut self, len: u32) {
        if self.remaining != UNKNOWN {
            self.remaining = self.remaining.saturating_sub(len.into());
        }
    }
}
