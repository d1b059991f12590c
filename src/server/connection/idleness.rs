//! The wait for the next request.

use crate::server::config::Timeouts;
use crate::server::protocol::Protocol;
use crate::world::Files;
use std::time::{Duration, Instant};

/// A connection that is idle for this long gives back all memory that it can do without, at the price of a few
/// microseconds for the next request: longer than the pauses of a client at work, and short enough that a crowd's
/// memory is soon free.
const SHRINK_AFTER: Duration = Duration::from_secs(1);

/// A wait for the next request: none is open, and all output is sent.
pub(super) struct Idleness {
    since: Instant,
    /// Requests when the wait began: a later request begins a new one, a PING does not.
    requests: u32,
    memory: Memory,
}

/// The memory of an idle connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// More than it needs, for the next request.
    Spare,
    /// No more than it needs.
    Least,
}

impl Idleness {
    /// A wait that begins now.
    pub(super) fn begin<F: Files>(now: Instant, protocol: &mut Protocol<F>) -> Self {
        let requests = protocol.requests();
        // After a first request it is unknown whether a second follows. Given back at once, the memory serves the
        // next newcomer's first request, instead of leaving a hole for each of thousands.
        if requests <= 1 {
            protocol.trim();
        }
        Idleness {
            since: now,
            requests,
            memory: Memory::Spare,
        }
    }

    /// True if no request has come since it began.
    pub(super) fn goes_on<F: Files>(&self, protocol: &Protocol<F>) -> bool {
        self.requests == protocol.requests()
    }

    /// True if the connection is to hold no more than it needs, whatever comes but a request: acknowledgements and
    /// PINGs do. Behind a first request that is so at once, for the reason above.
    pub(super) fn is_frugal(&self) -> bool {
        self.requests == 1 || self.memory == Memory::Least
    }

    /// The time at which the wait has to be looked at.
    pub(super) fn deadline(&self, timeouts: &Timeouts) -> Instant {
        self.since
            + match self.memory {
                Memory::Spare => SHRINK_AFTER.min(timeouts.idle),
                Memory::Least => timeouts.idle,
            }
    }

    /// Gives back the memory that a long wait does without, once it is time for that; true if it was.
    pub(super) fn give_back<F: Files>(&mut self, now: Instant, protocol: &mut Protocol<F>) -> bool {
        let is_time = self.memory == Memory::Spare && self.since + SHRINK_AFTER <= now;
        if is_time {
            self.memory = Memory::Least;
            protocol.shrink();
        }
        is_time
    }

    /// True if the wait has lasted so long that the connection is to end.
    pub(super) fn is_over(&self, now: Instant, timeouts: &Timeouts) -> bool {
        self.since + timeouts.idle <= now
    }
}
