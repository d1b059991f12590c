//! The one clock of a connection.

use std::time::{Duration, Instant};

/// Time that the peer has for the awaited bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The peer is not waited for.
    Off,
    /// The time is up at an instant.
    Until(Instant),
    /// The clock stands still, with so many milliseconds left. A `Duration` would make every connection
    /// larger by eight bytes.
    Held(u32),
}

impl Timer {
    /// Time begins now; a timeout beyond all reason means never.
    pub(super) fn after(now: Instant, timeout: Duration) -> Timer {
        now.checked_add(timeout).map_or(Timer::Off, Timer::Until)
    }

    /// Time at which the time is up, if it is running.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Timer::Until(deadline) => Some(deadline),
            Timer::Off | Timer::Held(_) => None,
        }
    }

    /// Stops the clock and keeps the rest of the time.
    pub(super) fn hold(&mut self, now: Instant) {
        if let Timer::Until(deadline) = *self {
            let left = deadline.saturating_duration_since(now).as_millis();
            *self = Timer::Held(u32::try_from(left).unwrap_or(u32::MAX));
        }
    }

    /// Lets a stopped clock run on.
    pub(super) fn resume(&mut self, now: Instant) {
        if let Timer::Held(left) = *self {
            *self = Timer::after(now, Duration::from_millis(u64::from(left)));
        }
    }
}
