//! The loop's own time, by which everybody's deadlines are kept: the world's clock without our absences.
//!
//! While the process is stopped, the machine is suspended or a call waits for a disk, time passes that the peers do
//! not have: their bytes have come, and are not read. Every other part of the server takes the time from here and
//! need not know. The two clocks are never mixed: what files and logs are stamped with is the world's.
//!
//! ```text
//!   world  ──work──┬─sleep─┬──work──┬──────── stopped ────────┬──work──
//!   own    ──work──┴─sleep─┴──work──┴─┬──work──
//!                                     ABSENCE
//! ```

use crate::world::Sleep;
use std::time::{Duration, Instant};

/// The most time in one step of the clock that counts as time; a longer step is an absence. 100 ms is
/// longer than any turn takes by its budgets, and shorter than any deadline of a peer. The first 100 ms
/// of an absence count, so time goes on even if every turn is an absence, and no deadline is put off
/// for ever.
const ABSENCE: Duration = Duration::from_millis(100);

/// The last reading of the world's clock, and the absences that are subtracted from it.
pub struct OwnTime {
    world: Instant,
    absent: Duration,
}

impl OwnTime {
    /// A time that begins at `now`, without absence.
    pub fn new(now: Instant) -> Self {
        OwnTime {
            world: now,
            absent: Duration::ZERO,
        }
    }

    /// The time by which deadlines are kept.
    pub fn now(&self) -> Instant {
        // The subtraction cannot underflow, because the absences lie between the beginning and `world`.
        self.world - self.absent
    }

    /// The last reading of the world's clock.
    pub fn world(&self) -> Instant {
        self.world
    }

    /// Adds the time that the loop has worked since the clock was last read.
    pub fn work(&mut self, until: Instant) {
        self.pass(until, Duration::ZERO);
    }

    /// Adds the time that the loop has slept since the clock was last read. It asked to sleep for
    /// `timeout` at most.
    pub fn sleep(&mut self, until: Instant, timeout: Option<Duration>, sleep: Sleep) {
        let allowed = match sleep {
            Sleep::Undisturbed => timeout.unwrap_or(Duration::MAX),
            // The process was most likely stopped and continued, at unknown times.
            Sleep::Interrupted => Duration::ZERO,
        };
        self.pass(until, allowed);
    }

    fn pass(&mut self, until: Instant, allowed: Duration) {
        let passed = until.saturating_duration_since(self.world);
        self.world += passed;
        if passed > allowed.saturating_add(ABSENCE) {
            self.absent += passed - ABSENCE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn passed(act: impl FnOnce(&mut OwnTime, Instant)) -> Duration {
        let start = Instant::now();
        let mut time = OwnTime::new(start);
        act(&mut time, start);
        time.now() - start
    }

    #[test]
    fn work_and_sleep_are_time() {
        let time = passed(|time, start| {
            time.work(start + ABSENCE);
            time.sleep(start + SECOND * 9, Some(SECOND * 9), Sleep::Undisturbed);
            time.sleep(start + SECOND * 99, None, Sleep::Undisturbed);
        });
        assert_eq!(time, SECOND * 99);
    }

    #[test]
    fn a_long_turn_and_a_sleep_that_is_longer_than_wanted_are_hardly_any() {
        let slow_disk = passed(|time, start| time.work(start + SECOND * 10));
        assert_eq!(slow_disk, ABSENCE);
        let lid = passed(|time, start| {
            time.sleep(start + SECOND * 600, Some(SECOND), Sleep::Undisturbed);
        });
        assert_eq!(lid, ABSENCE);
    }

    #[test]
    fn a_sleep_that_was_interrupted_is_hardly_any_however_long_it_was_to_be() {
        let stopped = passed(|time, start| {
            time.sleep(start + SECOND * 9, Some(SECOND * 10), Sleep::Interrupted);
        });
        assert_eq!(stopped, ABSENCE);
        let signal = passed(|time, start| {
            time.sleep(start + ABSENCE / 2, Some(SECOND), Sleep::Interrupted);
        });
        assert_eq!(signal, ABSENCE / 2);
    }

    #[test]
    fn time_goes_on_though_every_turn_is_an_absence() {
        let time = passed(|time, start| {
            for turn in 1..=100 {
                time.work(start + SECOND * turn);
            }
        });
        assert_eq!(time, SECOND * 10);
    }

    #[test]
    fn a_clock_that_goes_back_stands_still() {
        let time = passed(|time, start| {
            time.work(start + ABSENCE);
            time.work(start);
            time.sleep(start + ABSENCE * 2, Some(SECOND), Sleep::Undisturbed);
        });
        assert_eq!(time, ABSENCE * 2);
    }
}
