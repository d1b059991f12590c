//! Deadlines in four bytes: sixteenths of a second since the connection began.
//!
//! Nothing reads a clock here; every [`Instant`] came from the caller. A connection keeps one of them
//! and several ticks, exact enough for timeouts of seconds. Ticks wrap around every 8.5 years, so they
//! are compared by their distance, as TCP's sequence numbers are: right as long as a deadline is less
//! than four years from the time that the caller tells.

use std::time::{Duration, Instant};

/// A sixteenth of a second.
const UNIT: Duration = Duration::from_micros(62_500);
const UNITS_PER_SECOND: u64 = 16;

/// The time in which ticks wrap around: whole seconds, so that they begin anew at an instant of their
/// own.
const ERA: Duration = Duration::from_secs((1 << 32) / UNITS_PER_SECOND);

/// The longest timeout that is a deadline, two years: half of the distance that can be told from the
/// past, so that the caller may be as late again. A longer one means never.
const LONGEST: u128 = 1 << 30;

/// The beginning of a connection's time, or of its era.
#[derive(Clone, Copy, Debug)]
pub struct TickClock {
    /// The time of the tick 0 before the one that was heard last.
    base: Instant,
}

/// A point in a connection's time. Points are ordered by their distance, so there is no order of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick(u32);

impl Tick {
    /// The tick this many ticks later.
    pub fn later(self, ticks: u32) -> Tick {
        Tick(self.0.wrapping_add(ticks))
    }

    /// Whole seconds, for telling one from the next.
    pub fn second(self) -> u32 {
        self.0 / UNITS_PER_SECOND as u32
    }

    /// The first tick that is certainly `timeout` after an instant within this one, or `None` for a
    /// timeout beyond all reason, which means never.
    pub fn after(self, timeout: Duration) -> Option<Tick> {
        let units = timeout.as_micros().div_ceil(UNIT.as_micros()) + 1;
        (units <= LONGEST).then(|| self.later(units as u32))
    }

    /// Says that a deadline has come.
    pub fn is_due(self, now: Tick) -> bool {
        now.since(self) >= 0
    }

    /// The earlier of two deadlines.
    pub fn earlier(self, other: Tick) -> Tick {
        if self.is_due(other) { self } else { other }
    }

    /// The distance from `earlier`, in ticks.
    fn since(self, earlier: Tick) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

impl TickClock {
    /// Time begins now.
    pub fn new(now: Instant) -> Self {
        TickClock { base: now }
    }

    /// The caller tells the time. Gives the tick that `now` falls into.
    pub fn hear(&mut self, now: Instant) -> Tick {
        let mut units = self.units(now);
        while units > u64::from(u32::MAX) {
            self.base += ERA;
            units = self.units(now);
        }
        Tick(units as u32)
    }

    fn units(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.base);
        let part = elapsed.subsec_micros() / UNIT.subsec_micros();
        elapsed.as_secs().saturating_mul(UNITS_PER_SECOND) + u64::from(part)
    }

    /// The time at which a tick begins, given the tick that was heard last.
    pub fn instant(&self, tick: Tick, heard: Tick) -> Instant {
        let units = i64::from(heard.0) + i64::from(tick.since(heard));
        // A deadline of before this era is overdue: its beginning does as well.
        let units = u64::try_from(units).unwrap_or(0);
        self.base + Duration::from_micros(units * UNIT.as_micros() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    #[test]
    fn a_deadline_is_reached_at_its_instant_and_never_early() {
        let begin = Instant::now();
        let mut clock = TickClock::new(begin);
        let era = ERA.as_micros() as u64;
        let times = [0, 1, 62_499, 62_500, 999_999, 1_000_000, 86_400_000_001];
        let around_the_end = [
            era - 300_000,
            era - 62_500,
            era - 1,
            era,
            era + 1,
            3 * era - 1,
        ];
        for micros in times.into_iter().chain(around_the_end) {
            let now = begin + Duration::from_micros(micros);
            let timeout = Duration::from_millis(250);
            let deadline = clock.hear(now).after(timeout).unwrap();
            let heard = clock.hear(now);
            let instant = clock.instant(deadline, heard);
            assert!(instant >= now + timeout && instant <= now + timeout + 2 * UNIT);
            assert!(!deadline.is_due(clock.hear(now)));
            assert!(!deadline.is_due(clock.hear(instant - Duration::from_nanos(1))));
            let later = clock.hear(now + timeout);
            assert_eq!(clock.instant(deadline, later), instant);
            assert_eq!(clock.hear(instant), deadline);
            assert!(deadline.is_due(clock.hear(instant)));
        }
    }

    #[test]
    fn deadlines_keep_their_order_where_ticks_wrap_around() {
        let begin = Instant::now();
        let mut clock = TickClock::new(begin);
        let now = begin + ERA - Duration::from_secs(1);
        let soon = clock.hear(now).after(Duration::from_millis(500)).unwrap();
        let late = clock.hear(now).after(Duration::from_secs(5)).unwrap();
        assert_eq!((soon.earlier(late), late.earlier(soon)), (soon, soon));
        assert!(soon.second() != late.second());
        let between = clock.hear(now + Duration::from_secs(2));
        assert!(soon.is_due(between) && !late.is_due(between));
    }

    #[test]
    fn a_caller_that_was_silent_for_years_is_told_the_right_time() {
        let begin = Instant::now();
        let mut clock = TickClock::new(begin);
        for years in [1, 9, 30] {
            let now = begin + YEAR * years;
            let heard = clock.hear(now);
            let deadline = heard.after(Duration::from_secs(10)).unwrap();
            let left = clock.instant(deadline, heard) - now;
            assert!(left >= Duration::from_secs(10) && left < Duration::from_secs(11));
        }
    }

    #[test]
    fn an_overdue_deadline_of_the_era_before_is_an_instant_of_the_past() {
        let begin = Instant::now();
        let mut clock = TickClock::new(begin);
        let before = begin + ERA - Duration::from_secs(20);
        let deadline = clock.hear(before).after(Duration::from_secs(1)).unwrap();
        let now = begin + ERA + Duration::from_secs(20);
        let heard = clock.hear(now);
        assert!(deadline.is_due(heard));
        assert!(clock.instant(deadline, heard) <= now);
    }

    #[test]
    fn an_endless_timeout_has_no_deadline() {
        let now = TickClock::new(Instant::now()).hear(Instant::now());
        assert_eq!(now.after(Duration::MAX), None);
        assert_eq!(now.after(YEAR * 3), None);
        assert!(now.after(YEAR).is_some());
    }
}
