//! Time: what the peer is waited for, and for how long.
//!
//! | Waiting for | Until | Then |
//! |---|---|---|
//! | the first byte of a head | `preface_timeout` at first, then `keep_alive_timeout` | closed without a word |
//! | the end of a head | `header_timeout` from its first byte | 408 |
//! | a body | `stall_bytes` in each `stall_timeout`, or `slow_timeout` as patience goes | 408, or closed if the response has begun |
//!
//! Every one is set on progress: no byte that is not a step towards a request extends it. Nothing is
//! waited for while the response is made, or while the caller does not read.

use super::connection::Connection;
use super::exchange::State;
use crate::h1::error::Error;
use crate::h1::timer::Timer;
use crate::http::Patience;
use std::time::Instant;

impl Connection {
    /// When [`Connection::handle_timeout`] is due, if the peer is waited for.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timer.deadline()
    }

    /// Deals with the time that has passed. On an error the output has what there is to say, as for
    /// [`Connection::receive`]; without one, [`Connection::wants_close`] may have become true.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.now = now;
        if self.timer.deadline().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        let error = match &self.state {
            State::Head(progress) if progress.scan.is_fresh() => {
                self.close();
                return Ok(());
            }
            State::Head(_) => Error::HeadTimeout,
            _ => match self.may_body_go_on() {
                true => return Ok(()),
                false => Error::BodyTimeout,
            },
        };
        self.fail(error, &[]);
        Err(error)
    }

    /// Says how long a slow body is put up with, from the next deadline on; for a short time as long as
    /// this was not called.
    pub fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// A period of a body has passed; says whether there may be one more.
    fn may_body_go_on(&mut self) -> bool {
        if self.progress >= self.config.stall_bytes {
            self.await_body();
            return true;
        }
        self.periods = self.periods.saturating_add(1);
        self.timer = Timer::after(self.now, self.config.stall_timeout);
        let passed = self.config.stall_timeout * u32::from(self.periods);
        self.patience == Patience::Ample && passed < self.config.slow_timeout
    }

    /// The caller does not read for a while, because of output or content that waits: this is not
    /// for the peer to answer for, so the clock stands still until the next [`Connection::receive`],
    /// which is due, with or without new bytes, as soon as reading goes on.
    pub fn pause_input(&mut self, now: Instant) {
        self.now = now;
        self.timer.hold(now);
    }

    /// Gives the peer the time for some more of the body.
    pub(super) fn await_body(&mut self) {
        self.progress = 0;
        self.periods = 0;
        self.timer = Timer::after(self.now, self.config.stall_timeout);
    }

    /// Bytes of a body have come.
    pub(super) fn note_progress(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.progress = self.progress.saturating_add(bytes);
    }
}
