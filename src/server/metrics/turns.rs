//! Turns of the event loop: how many, how long, and how many polls slept between them.

use std::time::{Duration, Instant};

use crate::telemetry::metrics::Histogram;
use crate::telemetry::metrics::exposition::{Exposition, FamilyKind};

/// Upper bounds of the length of a turn, in microseconds: most are a few microseconds long, and all peers feel one of
/// more than 10 ms.
const LENGTHS: &[u64] = &[
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000,
];

/// Time for which the longest turn is remembered, at least; at most it is twice that. Prometheus asks
/// every minute or more often, so no long turn is missed.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Counts of turns.
#[derive(Debug)]
pub struct TurnCounts {
    lengths: Histogram,
    sleeps: u64,
    /// Time of turns that were not counted.
    uncounted: Duration,
    /// The longest turn of this minute and of the one before.
    longest: [Duration; 2],
    /// The beginning of this minute.
    minute: Option<Instant>,
}

impl Default for TurnCounts {
    fn default() -> Self {
        TurnCounts {
            lengths: Histogram::new(LENGTHS),
            sleeps: 0,
            uncounted: Duration::ZERO,
            longest: [Duration::ZERO; 2],
            minute: None,
        }
    }
}

impl TurnCounts {
    /// Counts a turn that ends at `now`.
    pub fn add(&mut self, length: Duration, now: Instant) {
        self.lengths.add(length);
        let minute = *self.minute.get_or_insert(now);
        let [present, before] = &mut self.longest;
        if now.saturating_duration_since(minute) >= REMEMBERED {
            self.minute = Some(now);
            *before = std::mem::take(present);
        }
        *present = length.max(*present);
    }

    /// Adds the time of a turn that is not counted.
    pub fn pass(&mut self, length: Duration) {
        self.uncounted += length;
    }

    /// Counts a poll that may sleep.
    pub fn add_sleep(&mut self) {
        self.sleeps += 1;
    }

    /// Time of all turns together, without their sleeps.
    #[cfg(feature = "panel")]
    pub fn busy(&self) -> Duration {
        self.lengths.sum() + self.uncounted
    }

    /// Writes all counts.
    pub(super) fn write(&self, text: &mut Exposition) {
        text.family(
            FamilyKind::Histogram,
            "calmd_loop_turn_seconds",
            "Time of a turn of the event loop, without its sleep.",
        );
        text.histogram(&[], &self.lengths);
        text.single(
            FamilyKind::Gauge,
            "calmd_loop_longest_turn_seconds",
            "The longest turn of the last one or two minutes.",
            self.longest.into_iter().max().unwrap_or_default(),
        );
        text.single(
            FamilyKind::Counter,
            "calmd_loop_sleeps",
            "Polls that waited for something to do.",
            self.sleeps,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_turn_is_remembered_for_a_minute_and_forgotten_after_two() {
        let start = Instant::now();
        let mut turns = TurnCounts::default();
        let (long, short) = (Duration::from_millis(80), Duration::from_micros(20));
        turns.add(long, start);
        for (after, longest) in [(59, long), (61, long), (100, long), (122, short)] {
            turns.add(short, start + Duration::from_secs(after));
            assert_eq!(turns.longest.iter().max(), Some(&longest), "{after}");
        }
        assert_eq!(turns.lengths.count(), 5);
    }
}
