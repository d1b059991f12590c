//! Time: the waits for the server, and the deadline of each.
//!
//! | Waiting for | Until | Then |
//! |---|---|---|
//! | `100 Continue` | `continue_timeout` from the head of the request | the content may be sent |
//! | the first byte of a head | `response_timeout` from the end of the request, or from an informational response | an error |
//! | the end of a head | `header_timeout` from its first byte, or from the end of the request | an error |
//! | content | `content_timeout` from the bytes before, or from the end of the request | an error |
//! | the next request | `idle_timeout` | closed without a word |
//!
//! No deadline runs while the content of the request is sent, whose progress the caller sees, or while
//! the caller does not read.

use super::connection::ClientConnection;
use super::error::ResponseError;
use super::state::{ClientState, Hundred, Reply, RequestContent};
use crate::h1::timer::Timer;
use std::time::Instant;

impl ClientConnection {
    /// The time at which [`ClientConnection::handle_timeout`] is due, if the server or the next request is
    /// waited for.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timer.deadline()
    }

    /// Handles the time that has passed. Without an error, [`ClientConnection::wants_close`] may have
    /// become true, or [`ClientConnection::awaits_continue`] false.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ResponseError> {
        self.now = now;
        if self.timer.deadline().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        let error = match &mut self.state {
            ClientState::Open(open) => match &open.reply {
                Reply::Head(scan) if scan.is_fresh() && open.hundred == Hundred::Awaited => {
                    open.hundred = Hundred::GivenUp;
                    self.await_reply();
                    return Ok(());
                }
                Reply::Head(scan) if scan.is_fresh() => ResponseError::ResponseTimeout,
                Reply::Head(_) => ResponseError::HeadTimeout,
                Reply::Body(_) | Reply::UntilClose | Reply::Done => ResponseError::ContentTimeout,
            },
            ClientState::Idle | ClientState::Tunnel | ClientState::Closed => {
                self.close();
                return Ok(());
            }
        };
        self.close();
        Err(error)
    }

    /// Stops the clock while the caller does not read, because its own output waits. The server is not
    /// to blame for that. The clock goes on at the next [`ClientConnection::receive`], which is due,
    /// with or without new bytes, as soon as reading goes on.
    pub fn pause_input(&mut self, now: Instant) {
        self.now = now;
        self.timer.hold(now);
    }

    /// Gives the server the time for the part of the response that is awaited. None runs while the
    /// content of the request is sent, but for the waits that keep that content back.
    pub(super) fn await_reply(&mut self) {
        let ClientState::Open(open) = &self.state else {
            return;
        };
        let config = &self.config;
        let timeout = match (open.content, &open.reply, open.hundred) {
            (RequestContent::Sending(_), Reply::Head(scan), Hundred::Awaited)
                if scan.is_fresh() =>
            {
                config.continue_timeout
            }
            (RequestContent::Sending(_), _, Hundred::NotAwaited | Hundred::GivenUp)
            | (_, Reply::Done, _) => {
                self.timer = Timer::Off;
                return;
            }
            (_, Reply::Head(scan), _) if scan.is_fresh() => config.response_timeout,
            (_, Reply::Head(_), _) => config.header_timeout,
            (_, Reply::Body(_) | Reply::UntilClose, _) => config.content_timeout,
        };
        self.timer = Timer::after(self.now, timeout);
    }
}
