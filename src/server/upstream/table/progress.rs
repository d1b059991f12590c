//! The assertion of progress of upstream connections, in debug builds, as `server::connection::progress` has it
//! for those that were accepted.
//!
//! | Wish behind the turn | Condition |
//! |---|---|
//! | another turn at once | bytes were read or written, or the stage has changed; a few turns in a row may do without |
//! | to wait | a deadline ends the wait, or the exchange of its call; input that could be taken is not left to an edge that never comes; output that the socket does not take has an end of its time |
//!
//! A connection that stands in the queue may wish for nothing: its turn comes.

use std::fmt;
use std::time::Instant;

use super::{Carrier, UpstreamTable};
use crate::server::upstream::connection::UpstreamWish;
use crate::server::upstream::shared::SharedWish;
use crate::world::{Files, Token};

/// The outlook of a connection behind its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It has another turn at once.
    GoesOn,
    /// It has one when something happens.
    Waits,
    /// It is closed.
    Ends,
}

impl From<UpstreamWish> for Outlook {
    fn from(wish: UpstreamWish) -> Self {
        match wish {
            UpstreamWish::Again => Outlook::GoesOn,
            UpstreamWish::Wait | UpstreamWish::Idle => Outlook::Waits,
            UpstreamWish::Close(_) => Outlook::Ends,
        }
    }
}

impl From<SharedWish> for Outlook {
    fn from(wish: SharedWish) -> Self {
        match wish {
            SharedWish::Again => Outlook::GoesOn,
            SharedWish::Wait => Outlook::Waits,
            SharedWish::Close(_) => Outlook::Ends,
        }
    }
}

impl<K, F: Files> UpstreamTable<K, F> {
    /// Asserts that a turn has made progress, or that its connection will have another one.
    pub(super) fn assert_progress(&mut self, token: Token, outlook: Outlook) {
        let is_queued = self.connections.is_queued(token);
        let Some(connection) = self.connections.value(token) else {
            return;
        };
        match outlook {
            Outlook::Ends => {}
            Outlook::Waits if is_queued => {}
            Outlook::Waits => {
                connection.channel().watch.sleeps();
                let waiting = connection.waiting();
                if let Some(fault) = waiting.forgotten() {
                    panic!("an upstream connection: {fault}: {waiting}");
                }
            }
            Outlook::GoesOn => {
                assert!(
                    connection.channel().goes_on(),
                    "an upstream connection: turn after turn without progress: {}",
                    connection.waiting()
                );
            }
        }
    }
}

impl<K, F: Files> Carrier<K, F> {
    /// The state in which it waits.
    fn waiting(&mut self) -> UpstreamWait {
        let deadline = self.next_deadline();
        let (wants_input, has_call) = match self {
            Carrier::Single(connection) => (connection.wants_input(), connection.has_call()),
            Carrier::Shared(connection) => (connection.wants_input(), !connection.is_idle()),
        };
        let channel = self.channel();
        UpstreamWait {
            stage: channel.stage(),
            deadline,
            has_call,
            may_read: channel.is_open() && wants_input && channel.has_input(),
            unsent: channel.unsent(),
            write_deadline: channel.next_deadline(),
            has_ended: channel.has_ended(),
        }
    }
}

/// The state of a connection that waits.
#[derive(Clone, Copy)]
struct UpstreamWait {
    stage: &'static str,
    deadline: Option<Instant>,
    has_call: bool,
    /// There may be input, which the protocol has use for.
    may_read: bool,
    unsent: usize,
    /// The end of the time in which the socket must take a byte, or be connected.
    write_deadline: Option<Instant>,
    has_ended: bool,
}

impl fmt::Display for UpstreamWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, deadline: {:?}, has a call: {}, may read: {}, {} unsent until {:?}, ended: {}",
            self.stage,
            self.deadline,
            self.has_call,
            self.may_read,
            self.unsent,
            self.write_deadline,
            self.has_ended
        )
    }
}

impl UpstreamWait {
    /// Something that nothing will remind the connection of.
    fn forgotten(&self) -> Option<&'static str> {
        if self.deadline.is_none() && !self.has_call {
            Some("a wait without a deadline and without a call")
        } else if self.may_read {
            Some("a wait for an edge while there may be input")
        } else if self.unsent > 0 && self.write_deadline.is_none() {
            Some("a wait for room in the socket without an end")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_that_nothing_ends_is_a_defect() {
        let until = Some(Instant::now());
        let idle = UpstreamWait {
            stage: "open",
            deadline: until,
            has_call: false,
            may_read: false,
            unsent: 0,
            write_deadline: None,
            has_ended: false,
        };
        let begins = |waiting: UpstreamWait, expected: &str| {
            let fault = waiting.forgotten().unwrap_or_default();
            assert_eq!(fault, expected, "{waiting}");
        };
        begins(idle, "");
        begins(
            UpstreamWait {
                deadline: None,
                ..idle
            },
            "a wait without a deadline and without a call",
        );
        begins(
            UpstreamWait {
                deadline: None,
                has_call: true,
                ..idle
            },
            "",
        );
        begins(
            UpstreamWait {
                may_read: true,
                ..idle
            },
            "a wait for an edge while there may be input",
        );
        begins(
            UpstreamWait { unsent: 1, ..idle },
            "a wait for room in the socket without an end",
        );
        begins(
            UpstreamWait {
                unsent: 1,
                write_deadline: until,
                ..idle
            },
            "",
        );
    }
}
