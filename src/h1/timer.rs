//! The one clock of a connection.

use std::time::{Duration, Instant};

/// How long the peer has for what is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The peer is not waited for.
    Off,
    /// Until then.
    Until(Instant),
    /// The time that is left once we read again.
    Held(Duration),
}

impl Timer {
    /// When the time is up, if it is running.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Timer::Until(deadline) => Some(deadline),
            Timer::Off | Timer::Held(_) => None,
        }
    }

    /// Stops the clock and keeps what is left.
    pub(super) fn hold(&mut self, now: Instant) {
        if let Timer::Until(deadline) = *self {
            *self = Timer::Held(deadline.saturating_duration_since(now));
        }
    }

    /// Lets a clock that was held run on.
    pub(super) fn resume(&mut self, now: Instant) {
        if let Timer::Held(left) = *self {
            *self = Timer::Until(now + left);
        }
    }
}
