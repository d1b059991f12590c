//! The time, and the looks at what does not progress.

use std::time::{Duration, Instant};

use crate::h2::clock::{Tick, TickClock};
use crate::h2::config::Config;
use crate::h2::stream::Movement;
use crate::http::Patience;

/// The clock of a connection, and its stall check.
pub(super) struct Timing {
    clock: TickClock,
    /// The time as the caller told it last.
    heard: Tick,
    /// The time of the next look.
    stall_check: Option<Tick>,
    /// DATA that was sent on any stream while one was ready.
    sent: Movement,
    patience: Patience,
}

impl Timing {
    pub(super) fn new(now: Instant) -> Self {
        Timing {
            clock: TickClock::new(now),
            heard: Tick::default(),
            stall_check: None,
            sent: Movement::default(),
            patience: Patience::Short,
        }
    }

    /// The caller tells the time.
    #[inline]
    pub(super) fn hear(&mut self, now: Instant) -> Tick {
        self.heard = self.clock.hear(now);
        self.heard
    }

    /// The time that the caller told last.
    pub(super) fn heard(&self) -> Tick {
        self.heard
    }

    /// The first tick that is certainly `timeout` after `now`; `None` is never.
    pub(super) fn after(&mut self, now: Instant, timeout: Duration) -> Option<Tick> {
        self.hear(now).after(timeout)
    }

    /// The time at which a tick begins.
    pub(super) fn instant(&self, tick: Tick) -> Instant {
        self.clock.instant(tick, self.heard)
    }
}

/// # The stall check
impl Timing {
    /// The time of the next look.
    pub(super) fn stall_check(&self) -> Option<Tick> {
        self.stall_check
    }

    /// The next look comes a whole interval after `now`.
    pub(super) fn arm_stall_check(&mut self, config: &Config, now: Instant) {
        self.stall_check = self.after(now, check_interval(config));
    }

    /// No look comes until one is armed.
    pub(super) fn disarm_stall_check(&mut self) {
        self.stall_check = None;
    }

    /// Sets the time for which what does not progress is put up with, from the next look on.
    pub(super) fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Looks without progress that are put up with.
    pub(super) fn patient_checks(&self, config: &Config) -> u16 {
        let interval = check_interval(config).as_millis().max(1);
        let ample = config.slow_timeout.as_millis() / interval;
        match self.patience {
            Patience::Short => Movement::CHECKS_PER_PERIOD,
            // One less than could be counted to.
            Patience::Ample => u16::try_from(ample).unwrap_or(u16::MAX).min(u16::MAX - 1),
        }
    }

    /// DATA was sent, of which `enough` keep the connection alive for a period.
    pub(super) fn count_sent(&mut self, len: u32) {
        self.sent.count(len);
    }

    /// A look at the connection as a whole. Says that streams are ready to send and that it sends too
    /// little.
    pub(super) fn is_starved(&mut self, any_ready: bool, enough: u32, checks: u16) -> bool {
        if !any_ready {
            self.sent.restart();
            return false;
        }
        self.sent.is_stalled(enough, checks)
    }
}

/// Four looks in every `stall_timeout`.
fn check_interval(config: &Config) -> Duration {
    config.stall_timeout / u32::from(Movement::CHECKS_PER_PERIOD)
}
