//! The tick of the instant that was asked for last. Connections that have a turn one after another have one time and,
//! most of them, one deadline, and a comparison takes an eighth of the arithmetic.

use std::time::Instant;

/// An instant and its tick.
pub struct LastTick {
    at: Instant,
    tick: u64,
}

impl LastTick {
    /// The tick of the start, from which ticks are counted.
    pub fn new(start: Instant) -> Self {
        LastTick { at: start, tick: 0 }
    }

    /// The tick of an instant, which `count` tells if it is another one than the last.
    pub fn of(&mut self, at: Instant, count: impl FnOnce(Instant) -> u64) -> u64 {
        if self.at != at {
            *self = LastTick {
                at,
                tick: count(at),
            };
        }
        self.tick
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_instant_is_counted_once_in_a_row() {
        let start = Instant::now();
        let mut last = LastTick::new(start);
        let mut counted = Vec::new();
        let ticks = [0, 3, 3, 5, 3].map(|tick| {
            let count = |_| {
                counted.push(tick);
                tick
            };
            last.of(start + Duration::from_secs(tick), count)
        });
        assert_eq!(ticks, [0, 3, 3, 5, 3]);
        assert_eq!(counted, [3, 5, 3]);
    }
}
