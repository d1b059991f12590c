//! One stream: its state (RFC 9113 §5.1), its windows, and what is owed on it.
//!
//! ```text
//!                              +--------+
//!                      send PP |        | recv PP
//!                     ,--------+  idle  +--------.
//!                    /         |        |         \
//!                   v          +--------+          v
//!            +----------+          |           +----------+
//!            |          |          | send H /  |          |
//!     ,------+ reserved |          | recv H    | reserved +------.
//!     |      | (local)  |          |           | (remote) |      |
//!     |      +---+------+          v           +------+---+      |
//!     |          |             +--------+             |          |
//!     |          |     recv ES |        | send ES     |          |
//!     |   send H |     ,-------+  open  +-------.     | recv H   |
//!     |          |    /        |        |        \    |          |
//!     |          v   v         +---+----+         v   v          |
//!     |      +----------+          |           +----------+      |
//!     |      |   half-  |          |           |   half-  |      |
//!     |      |  closed  |          | send R /  |  closed  |      |
//!     |      | (remote) |          | recv R    | (local)  |      |
//!     |      +----+-----+          |           +-----+----+      |
//!     |           | send ES /      v       recv ES / |           |
//!     |           | send R /   +--------+  recv R /  |           |
//!     `-----------+----------->| closed |<-----------+-----------'
//!                   recv R     +--------+   send R
//! ```
//!
//! A half that is open also knows whether its head has passed, since that decides what HEADERS means
//! on it: any number of informational heads, one final head, then DATA, then trailers that end it
//! (§8.1). A request is its half's head, so only responses ever wait for one.
//!
//! A closed stream is not kept: [`super::ids`] remembers what its late frames have to be told.

use super::flow::{ReceiveWindow, Window};
use super::priority::Priority;
use super::turn::SendTurn;

/// The progress of an open half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The final head is still to come.
    Head,
    /// The head has passed: DATA and trailers may come.
    Body,
}

/// The state of a stream (RFC 9113 §5.1). Idle streams exist only as the start of a transition, closed ones only as
/// its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// Nothing was sent or received.
    Idle,
    /// We promised it.
    ReservedLocal,
    /// The peer promised it.
    ReservedRemote,
    /// Both may send.
    Open {
        /// Our half.
        local: Half,
        /// The peer's half.
        remote: Half,
    },
    /// We have ended our half.
    HalfClosedLocal {
        /// The peer's half.
        remote: Half,
    },
    /// The peer has ended its half.
    HalfClosedRemote {
        /// Our half.
        local: Half,
    },
    /// Over.
    Closed,
}

impl StreamState {
    /// The name of the state, as RFC 9113 §5.1 has it, in lower case with hyphens.
    pub fn name(self) -> &'static str {
        match self {
            StreamState::Idle => "idle",
            StreamState::ReservedLocal => "reserved-local",
            StreamState::ReservedRemote => "reserved-remote",
            StreamState::Open { .. } => "open",
            StreamState::HalfClosedLocal { .. } => "half-closed-local",
            StreamState::HalfClosedRemote { .. } => "half-closed-remote",
            StreamState::Closed => "closed",
        }
    }
}

/// The side that causes a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We sent the frame.
    Local,
    /// We received it.
    Remote,
}

/// A frame that passes on a stream, as far as its state cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// HEADERS with a 1xx status (§8.1).
    Informational,
    /// HEADERS of a request or of a final response.
    Head {
        /// END_STREAM
        end_stream: bool,
    },
    /// HEADERS behind DATA; always with END_STREAM (§8.1).
    Trailers,
    /// DATA
    Data {
        /// END_STREAM
        end_stream: bool,
    },
    /// PUSH_PROMISE that names this stream as the promised one.
    Promise,
    /// RST_STREAM
    Reset,
}

/// Reason why a transition is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitionError {
    /// This half has ended: STREAM_CLOSED (§5.1).
    Closed,
    /// Not in this state: PROTOCOL_ERROR.
    OutOfOrder,
}

impl Half {
    /// `None` is the end of the half.
    fn pass(self, passage: Passage) -> Result<Option<Half>, TransitionError> {
        match (self, passage) {
            (Half::Head, Passage::Informational) => Ok(Some(Half::Head)),
            (Half::Head, Passage::Head { end_stream: false })
            | (Half::Body, Passage::Data { end_stream: false }) => Ok(Some(Half::Body)),
            (Half::Head, Passage::Head { end_stream: true })
            | (Half::Body, Passage::Data { end_stream: true } | Passage::Trailers) => Ok(None),
            _ => Err(TransitionError::OutOfOrder),
        }
    }
}

impl StreamState {
    /// The one transition function: the state after `passage` by `side`, or why it is refused.
    pub fn pass(self, side: Side, passage: Passage) -> Result<StreamState, TransitionError> {
        use StreamState::{
            Closed, HalfClosedLocal, HalfClosedRemote, Idle, Open, ReservedLocal, ReservedRemote,
        };
        match (self, side, passage) {
            (Closed, _, _) => Err(TransitionError::Closed),
            (Idle, Side::Local, Passage::Promise) => Ok(ReservedLocal),
            (Idle, Side::Remote, Passage::Promise) => Ok(ReservedRemote),
            // The side that opens a stream sends its request: that half has its head, the other waits.
            (Idle, Side::Local, Passage::Head { end_stream }) => Ok(if end_stream {
                HalfClosedLocal { remote: Half::Head }
            } else {
                Open {
                    local: Half::Body,
                    remote: Half::Head,
                }
            }),
            (Idle, Side::Remote, Passage::Head { end_stream }) => Ok(if end_stream {
                HalfClosedRemote { local: Half::Head }
            } else {
                Open {
                    local: Half::Head,
                    remote: Half::Body,
                }
            }),
            (Idle, _, _) => Err(TransitionError::OutOfOrder),
            (_, _, Passage::Reset) => Ok(Closed),
            (ReservedLocal, Side::Local, _) => Ok(half_closed_remote(Half::Head.pass(passage)?)),
            (ReservedRemote, Side::Remote, _) => Ok(half_closed_local(Half::Head.pass(passage)?)),
            (ReservedLocal | ReservedRemote, _, _) => Err(TransitionError::OutOfOrder),
            (Open { local, remote }, Side::Local, _) => Ok(match local.pass(passage)? {
                Some(local) => Open { local, remote },
                None => HalfClosedLocal { remote },
            }),
            (Open { local, remote }, Side::Remote, _) => Ok(match remote.pass(passage)? {
                Some(remote) => Open { local, remote },
                None => HalfClosedRemote { local },
            }),
            (HalfClosedRemote { local }, Side::Local, _) => {
                Ok(half_closed_remote(local.pass(passage)?))
            }
            (HalfClosedLocal { remote }, Side::Remote, _) => {
                Ok(half_closed_local(remote.pass(passage)?))
            }
            (HalfClosedLocal { .. }, Side::Local, _)
            | (HalfClosedRemote { .. }, Side::Remote, _) => Err(TransitionError::Closed),
        }
    }

    /// Our half, while it is open.
    pub fn local(self) -> Option<Half> {
        match self {
            StreamState::Open { local, .. } | StreamState::HalfClosedRemote { local } => {
                Some(local)
            }
            StreamState::ReservedLocal => Some(Half::Head),
            _ => None,
        }
    }

    /// The peer's half, while it is open.
    pub fn remote(self) -> Option<Half> {
        match self {
            StreamState::Open { remote, .. } | StreamState::HalfClosedLocal { remote } => {
                Some(remote)
            }
            StreamState::ReservedRemote => Some(Half::Head),
            _ => None,
        }
    }

    /// Says that the stream counts as concurrent: reserved ones do not (§5.1.2).
    pub fn is_active(self) -> bool {
        !matches!(
            self,
            StreamState::Idle
                | StreamState::ReservedLocal
                | StreamState::ReservedRemote
                | StreamState::Closed
        )
    }
}

fn half_closed_remote(local: Option<Half>) -> StreamState {
    match local {
        Some(local) => StreamState::HalfClosedRemote { local },
        None => StreamState::Closed,
    }
}

fn half_closed_local(remote: Option<Half>) -> StreamState {
    match remote {
        Some(remote) => StreamState::HalfClosedLocal { remote },
        None => StreamState::Closed,
    }
}

/// The meaning of a request's method for its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// Any other method.
    Ordinary,
    /// HEAD: a content-length of the response is not its body's (RFC 9110 §8.6).
    Head,
    /// CONNECT, extended or not: bytes of a tunnel both ways (RFC 9113 §8.5, RFC 8441).
    Tunnel,
}

/// The bytes of content that a content-length still promises (RFC 9113 §8.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromisedContent(u64);

/// Content and content-length differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthMismatch;

impl PromisedContent {
    /// No content-length came. The largest number stands for it: no transfer reaches it.
    pub const UNKNOWN: PromisedContent = PromisedContent(u64::MAX);

    /// A content-length came.
    pub fn new(length: Option<u64>) -> Self {
        length.map_or(Self::UNKNOWN, PromisedContent)
    }

    /// DATA came.
    pub fn receive(&mut self, len: usize) -> Result<(), LengthMismatch> {
        if *self != Self::UNKNOWN {
            self.0 = self.0.checked_sub(len as u64).ok_or(LengthMismatch)?;
        }
        Ok(())
    }

    /// The content has ended.
    pub fn finish(self) -> Result<(), LengthMismatch> {
        match self {
            Self::UNKNOWN | PromisedContent(0) => Ok(()),
            _ => Err(LengthMismatch),
        }
    }
}

/// Movement of bytes as the stall check sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Movement {
    /// Bytes since the last check that was content.
    bytes: u32,
    /// Checks since then.
    checks: u16,
    /// Enough for one check has moved at once.
    substantial: bool,
}

impl Movement {
    /// Checks in the shortest time in which enough bytes have to move.
    pub const CHECKS_PER_PERIOD: u16 = 4;

    /// Counts bytes that moved, of which `enough` keep a stream alive for a period.
    pub fn add(&mut self, len: u32, enough: u32) {
        self.bytes = self.bytes.saturating_add(len);
        self.substantial |= self.bytes >= enough;
    }

    /// Counts bytes that moved, where it is never asked if they were enough once.
    pub fn count(&mut self, len: u32) {
        self.bytes = self.bytes.saturating_add(len);
    }

    /// Says that enough bytes to keep a stream alive have moved once.
    pub fn is_substantial(&self) -> bool {
        self.substantial
    }

    /// A check, while something waits. Says that too little has moved for longer than `checks` of them:
    /// one more, since it began to wait somewhere between two.
    pub fn is_stalled(&mut self, enough: u32, checks: u16) -> bool {
        if self.bytes >= enough {
            // The next check is of a whole interval.
            (self.bytes, self.checks) = (0, 1);
            return false;
        }
        self.checks = self.checks.saturating_add(1);
        self.checks > checks
    }

    /// Nothing is being waited for.
    pub fn restart(&mut self) {
        self.bytes = 0;
        self.checks = 0;
    }
}

/// Signals of priority that a client makes use of for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    /// No PRIORITY_UPDATE came: a PRIORITY frame is heard.
    Any,
    /// PRIORITY_UPDATE (RFC 9218 §7.1) came, which wins.
    Rfc9218,
}

/// A stream that lives: neither idle nor closed.
#[derive(Debug)]
pub struct Stream {
    /// Its identifier.
    pub id: u32,
    /// The state.
    pub state: StreamState,
    /// The meaning of its request's method.
    pub request_kind: RequestKind,
    /// Its priority.
    pub priority: Priority,
    /// The signal that its priority may still be changed by.
    pub signals: Signals,
    /// Its part in sending.
    pub turn: SendTurn,
    /// Bytes of DATA that we may send.
    pub send_window: Window,
    /// Bytes of DATA that the peer may send.
    pub receive_window: ReceiveWindow,
    /// Content that the peer's content-length promises.
    pub content: PromisedContent,
    /// The bytes of content that are still taken, if nobody reads them.
    pub discards: Option<u32>,
    /// DATA that we sent.
    pub sent: Movement,
    /// DATA that came.
    pub received: Movement,
    /// The input batch that the stream began in: a reset in that batch came in the same breath.
    pub born: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_small() {
        assert!(size_of::<Stream>() <= 80, "{}", size_of::<Stream>());
    }

    #[test]
    fn content_knows_what_is_missing() {
        let mut content = PromisedContent::new(Some(5));
        content.receive(3).unwrap();
        assert_eq!(content.finish(), Err(LengthMismatch));
        content.receive(2).unwrap();
        assert_eq!(content.finish(), Ok(()));
        assert_eq!(content.receive(1), Err(LengthMismatch));
        let mut content = PromisedContent::new(None);
        content.receive(usize::MAX).unwrap();
        assert_eq!(content.finish(), Ok(()));
    }
}
