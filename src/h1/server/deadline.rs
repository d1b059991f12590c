//! Time: the waits for the peer, and the deadline of each.
//!
//! | Waiting for | Until | Then |
//! |---|---|---|
//! | the first byte of a head | `preface_timeout` at first, then `keep_alive_timeout` | closed without a word |
//! | the end of a head | `header_timeout` from its first byte | 408 |
//! | a body | `stall_bytes` in each `stall_timeout`, or `slow_timeout` as patience goes, unless it is excused | 408, or closed if the response has begun |
//!
//! Only progress extends a deadline: a byte that is no step towards a request does not. No deadline
//! runs while the response is made, or while the caller does not read.

use super::connection::Connection;
use super::exchange::ConnectionState;
use crate::h1::error::Error;
use crate::h1::timer::Timer;
use crate::http::Patience;
use std::time::Instant;

impl Connection {
    /// Time at which [`Connection::handle_timeout`] is due, if the peer is waited for.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timer.deadline()
    }

    /// Handles the time that has passed. After an error the output has the last message for the peer,
    /// as for [`Connection::receive`]. Without one, [`Connection::wants_close`] may have become true.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.now = now;
        if self.timer.deadline().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        let error = match &self.state {
            ConnectionState::Head(progress) if progress.scan.is_fresh() => {
                self.close();
                return Ok(());
            }
            ConnectionState::Head(_) => Error::HeadTimeout,
            _ => {
                if self.may_body_go_on() {
                    return Ok(());
                } else {
                    Error::BodyTimeout
                }
            }
        };
        self.fail(error, &[]);
        Err(error)
    }

    /// Sets the patience with a slow body, from the next deadline on. It is short at first.
    pub fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Does not hold the past silence of the peer against it, which owes a body: the caller waits for something
    /// else, and watches over the time itself. To be called before each [`Connection::handle_timeout`] for as
    /// long as that lasts.
    pub fn excuse_body(&mut self) {
        self.progress = self.progress.max(self.config.stall_bytes);
    }

    /// Handles the end of a stall period of a body. Returns true if there may be one more.
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

    /// Stops the clock while the caller does not read, because output or content waits. The peer is not
    /// to blame for that. The clock goes on at the next [`Connection::receive`], which is due, with or
    /// without new bytes, as soon as reading goes on.
    pub fn pause_input(&mut self, now: Instant) {
        self.now = now;
        self.timer.hold(now);
    }

    /// Starts the time for more of the body.
    pub(super) fn await_body(&mut self) {
        self.progress = 0;
        self.periods = 0;
        self.timer = Timer::after(self.now, self.config.stall_timeout);
    }

    /// Notes that bytes of a body have come.
    pub(super) fn note_progress(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.progress = self.progress.saturating_add(bytes);
    }
}
