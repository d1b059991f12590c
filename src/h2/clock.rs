//! Deadlines in four bytes: sixteenths of a second since the connection began.
//!
//! Nothing reads a clock here; every [`Instant`] came from the caller. A connection keeps one of them
//! and several of these, exact enough for timeouts of seconds and good for eight years.

use std::time::{Duration, Instant};

/// A sixteenth of a second.
const UNIT: Duration = Duration::from_micros(62_500);
const UNITS_PER_SECOND: u64 = 16;

/// Where a connection's time begins.
#[derive(Clone, Copy, Debug)]
pub struct TickClock(Instant);

/// A point in a connection's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(u32);

impl Tick {
    /// So many ticks later.
    pub fn later(self, ticks: u32) -> Tick {
        Tick(self.0.saturating_add(ticks))
    }

    /// Whole seconds since the connection began.
    pub fn second(self) -> u32 {
        self.0 / UNITS_PER_SECOND as u32
    }
}

impl TickClock {
    /// Time begins now.
    pub fn new(now: Instant) -> Self {
        TickClock(now)
    }

    /// The tick that `now` falls into.
    pub fn tick(self, now: Instant) -> Tick {
        let elapsed = now.saturating_duration_since(self.0);
        let part = elapsed.subsec_micros() / UNIT.subsec_micros();
        let units = elapsed.as_secs().saturating_mul(UNITS_PER_SECOND) + u64::from(part);
        Tick(u32::try_from(units).unwrap_or(u32::MAX))
    }

    /// The first tick that is certainly `timeout` after `now`, or `None` for a timeout beyond all
    /// reason, which means never.
    pub fn after(self, now: Instant, timeout: Duration) -> Option<Tick> {
        let units = timeout.as_micros().div_ceil(UNIT.as_micros()) + 1;
        let units = u32::try_from(units).ok()?;
        self.tick(now).0.checked_add(units).map(Tick)
    }

    /// When a tick begins.
    pub fn instant(self, tick: Tick) -> Instant {
        self.0 + UNIT * tick.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_at_its_instant_and_never_early() {
        let begin = Instant::now();
        let clock = TickClock::new(begin);
        for micros in [0, 1, 62_499, 62_500, 999_999, 1_000_000, 86_400_000_001] {
            let now = begin + Duration::from_micros(micros);
            let timeout = Duration::from_millis(250);
            let deadline = clock.after(now, timeout).unwrap();
            let instant = clock.instant(deadline);
            assert!(instant >= now + timeout && instant <= now + timeout + 2 * UNIT);
            assert_eq!(clock.tick(instant), deadline);
            assert!(clock.tick(instant - Duration::from_nanos(1)) < deadline);
        }
    }

    #[test]
    fn an_endless_timeout_has_no_deadline() {
        let clock = TickClock::new(Instant::now());
        assert_eq!(clock.after(clock.0, Duration::MAX), None);
    }
}
