//! The work of one turn of the loop, and the share of it that each kind of work has.

use super::turn::worth;
use std::time::Instant;

/// Effort of one turn of the loop for connections that are ready, in bytes: a millisecond and a half. Those
/// behind them are late, and wait for the next turns: so a connection that becomes ready meanwhile does
/// not wait for all that were ready at once.
const READY_EFFORT: usize = 2 << 20;

/// Effort of one turn of the loop, in bytes, that late connections, wakes and deadlines have each for themselves, and
/// together with what is left of [`READY_EFFORT`]: 0.4 ms. None of them waits for ever while others are ready, and no
/// ready connection waits for all of them.
const SHARE_EFFORT: usize = READY_EFFORT / 4;

/// Effort in bytes after which the clock is read: 50 µs, in which nothing is felt of a reading. Work that takes longer
/// than its effort tells, on a slow machine or by an unforeseen cost, is charged with its time.
const CLOCKED_EFFORT: usize = 64 << 10;

/// The effort of one turn of the loop so far, in bytes.
pub(super) struct LoopEffort {
    /// The beginning of the turn by the machine's clock: the server's own stood still while it was absent.
    began: Instant,
    so_far: usize,
    /// The effort at which the clock is read again.
    clocked_at: usize,
}

impl LoopEffort {
    /// The effort at the beginning of a turn.
    pub(super) fn new(began: Instant) -> Self {
        LoopEffort {
            began,
            so_far: 0,
            clocked_at: CLOCKED_EFFORT,
        }
    }

    /// Adds the effort of a connection, and from time to time the time that passed. `clock` reads the machine's clock.
    pub(super) fn charge(&mut self, effort: usize, clock: impl FnOnce() -> Instant) {
        self.so_far += effort;
        if self.so_far >= self.clocked_at {
            let took = clock().saturating_duration_since(self.began);
            self.so_far = self.so_far.max(worth(took));
            self.clocked_at = self.so_far + CLOCKED_EFFORT;
        }
    }

    /// True if connections that are ready have had their share.
    pub(super) fn is_spent(&self) -> bool {
        self.so_far >= READY_EFFORT
    }

    /// True if so much is done that others may be waiting: from here on connections of which nothing is known yet come
    /// behind all others, and only those in the queue of the heavy ones have long turns.
    pub(super) fn is_begun(&self) -> bool {
        self.so_far >= SHARE_EFFORT
    }

    /// The effort at which the next kind of work has had its share.
    pub(super) fn share_end(&self) -> usize {
        self.so_far.max(READY_EFFORT) + SHARE_EFFORT
    }

    /// The effort at which half a share is used up.
    pub(super) fn half_share_end(&self) -> usize {
        self.so_far.max(READY_EFFORT) + SHARE_EFFORT / 2
    }

    /// The effort at which a share from here on is used up, whatever is left of the turn's.
    #[cfg(feature = "proxy")]
    pub(super) fn share_from_here(&self) -> usize {
        self.so_far + SHARE_EFFORT
    }

    /// True as long as the share that ends there is not used up.
    pub(super) fn is_before(&self, end: usize) -> bool {
        self.so_far < end
    }
}
