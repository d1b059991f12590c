//! The watch over output that the socket does not take.

use std::time::{Duration, Instant};

/// The progress of output that waits for room in the socket: by when it must have taken enough, and how many
/// such periods it has not.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    deadline: Instant,
    taken: u32,
    periods: u16,
}

/// The progress that a socket has to make.
#[derive(Clone, Copy, Debug)]
pub struct StallRule {
    /// The length of a period.
    pub period: Duration,
    /// Bytes that have to be taken within a period.
    pub bytes: u32,
    /// The time without progress that is allowed; one period at least.
    pub allowed: Duration,
}

impl Stall {
    /// A watch over output that begins to wait now.
    pub fn begin(now: Instant, period: Duration) -> Self {
        Stall {
            deadline: now + period,
            taken: 0,
            periods: 0,
        }
    }

    /// Counts bytes that the socket took.
    pub fn count(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes as u32);
    }

    /// The end of the period.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Looks at what was taken, if it is time for that. True if it was too little for too long.
    pub fn judge(&mut self, now: Instant, rule: StallRule) -> bool {
        if self.deadline > now {
            return false;
        }
        if self.taken >= rule.bytes {
            self.periods = 0;
            self.taken = 0;
        } else {
            self.periods = self.periods.saturating_add(1);
        }
        self.deadline = now + rule.period;
        self.periods > 0 && rule.period * u32::from(self.periods) >= rule.allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    fn rule(allowed: u64) -> StallRule {
        StallRule {
            period: PERIOD,
            bytes: 100,
            allowed: Duration::from_secs(allowed),
        }
    }

    #[test]
    fn too_little_in_one_period_is_a_stall_where_no_more_is_allowed() {
        let now = Instant::now();
        let mut stall = Stall::begin(now, PERIOD);
        stall.count(99);
        assert!(!stall.judge(now + PERIOD / 2, rule(0)));
        assert!(stall.judge(now + PERIOD, rule(0)));
    }

    #[test]
    fn periods_without_progress_add_up_until_enough_is_taken() {
        let now = Instant::now();
        let mut stall = Stall::begin(now, PERIOD);
        for period in 1..=2 {
            assert!(!stall.judge(now + PERIOD * period, rule(30)), "{period}");
        }
        stall.count(100);
        assert!(!stall.judge(now + PERIOD * 3, rule(30)));
        for period in 4..=5 {
            assert!(!stall.judge(now + PERIOD * period, rule(30)), "{period}");
        }
        assert!(stall.judge(now + PERIOD * 6, rule(30)));
    }
}
