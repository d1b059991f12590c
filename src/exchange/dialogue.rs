//! The side of an answer that takes its time: an exchange is given the parts of its request, and asked
//! for the steps of its response.

use std::time::{Duration, Instant};

use super::desk::{Desk, Room};
use super::failure::Failure;
use super::response::Head;
use crate::content::Slice;
use crate::http::Fields;
use crate::world::Files;

/// One request and its response.
///
/// It may be polled at any time, and says each time where it stands. It is dropped when the response
/// is complete, and behind [`Part::Gone`].
pub trait Exchange<F: Files> {
    /// Takes a part of the request. An exchange that has no use for the request drops it.
    fn receive(&mut self, part: Part<'_>, desk: &mut Desk<'_>) {
        let _ = (part, desk);
    }

    /// Bytes of the request's content that are still held. Their flow-control window is given back
    /// only when they are not held any more, so that a slow reader of the response slows the sender of
    /// the request.
    fn held(&self) -> usize {
        0
    }

    /// Makes the next step of the response.
    ///
    /// Before the head the room is empty, and it may be later: then nothing can be written, but the end
    /// or a wait can be told.
    fn poll(&mut self, room: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure>;

    /// Takes the content that comes next, if it can be sent from where it is, and is no more than `most` bytes. Asked
    /// behind a head that tells the length of the content, before the exchange is polled. In this way, content in
    /// memory that is needed again soon is sent without a copy.
    fn take_slice(&mut self, most: u64) -> Option<Slice<F>> {
        let _ = most;
        None
    }

    /// The most content of the request that it takes, in bytes, else 413; `None` is the server's limit.
    /// Asked once, at the beginning.
    fn content_limit(&self) -> Option<u64> {
        None
    }

    /// The time that it has for its head, after which the answer is 504; `None` is the server's
    /// `Timeouts::handler`. An exchange that has deadlines of its own, with reasons of its own, says more.
    /// Asked at each wait.
    fn head_timeout(&self) -> Option<Duration> {
        None
    }

    /// True if an upstream makes the response, so that a wait is for the upstream. Asked when the operator looks into
    /// the connection.
    fn is_forwarded(&self) -> bool {
        false
    }

    /// Time that an upstream took for the head of its response, once that has come: for the line of the log.
    fn upstream_time(&self) -> Option<Duration> {
        None
    }

    /// True while bytes of another protocol go both ways, each up to an end of its own: the end of the response
    /// leaves the request open, and that of the request the response. Asked at either end, and behind that of the
    /// response at each wake.
    fn is_tunnel(&self) -> bool {
        false
    }

    /// True if it stands before a request that will be asked for again: all parts of the request are kept
    /// for the exchange that follows, within the peer's window, and none are given to this one. No
    /// `100 Continue` is sent for it. Asked once, at the beginning.
    fn asks_again(&self) -> bool {
        false
    }

    /// The time behind the head in which content, or a part of the request, must come, after which the response is
    /// cut off; `None` is the server's time for a head. A wake alone is no step, nor is a time that has come. A
    /// stream of events or a tunnel may have nothing to say for long, and returns that time here. Asked at each wait.
    fn idle_timeout(&self) -> Option<Duration> {
        None
    }
}

/// A part of a request.
#[derive(Debug)]
pub enum Part<'a> {
    /// Content, at least a byte.
    Data(&'a [u8]),
    /// The fields behind the content.
    Trailers(&'a Fields),
    /// Nothing more will come.
    End,
    /// The peer has reset the request or has disconnected, or the server has given it up: nothing that
    /// the exchange makes would be sent.
    Gone,
}

/// A step of a response.
pub enum Step<F: Files> {
    /// An informational response (1xx) before the head. It is not sent to HTTP/1.0.
    Informational(Head),
    /// The head. Fields that frame the message or concern the connection are left out, `content-length`
    /// is added where the length is known, and a field that no response can carry is answered with 500.
    Head(Head),
    /// The head of a response that has nothing else, and tells only the length that its fields tell. Only HTTP/2
    /// has it: an error of gRPC is such a head.
    Only(Head),
    /// The head of `101 Switching Protocols`, of which `upgrade` names the protocol. Behind it, content of both
    /// sides is that protocol's bytes: the request goes on with [`Part::Data`], up to [`Part::End`] or
    /// [`Part::Gone`]. Only HTTP/1.1 has it, for a request that offers the protocol.
    Switch(Head),
    /// Content that is sent from where it is, but for its first bytes, which are copied where there is
    /// room for them: at least a byte.
    Content(Slice<F>),
    /// Content was written into the room, or there was no room, and more is to come.
    Written,
    /// The end of the response, with the fields behind its content, if any. HTTP/1.1 sends them where
    /// the length of the content was not known before.
    End(Option<Fields>),
    /// Nothing before something has happened.
    Wait(Until),
    /// The rules of the host and the handlers are asked for the request again, instead of a head. Only for an
    /// exchange that [`Exchange::asks_again`].
    AskAgain(LoginOutcome),
}

/// The reason for which a request is asked for again: the outcome of a look at its credentials. One that waited for
/// something else has passed that look, if there was any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The credentials are right, or none are needed.
    Granted,
    /// They are wrong.
    Refused,
    /// It could not be told.
    Unknown,
}

/// The event before which an exchange has nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The next part of the request. The time is the peer's while little is held of what came: less than
    /// half the window of a stream, or than 64 KiB of HTTP/1.1. Beyond that it is the exchange's.
    Request,
    /// A disk has had a few milliseconds.
    Disk,
    /// A [`Waker`](super::Waker) was called.
    Woken,
    /// A time, by the clock of [`Desk::now`].
    Time(Instant),
    /// A time, before which a rule does not let content be sent. It is no time of the exchange's that passes, and a
    /// peer that has closed its side of the connection is still sent the rest.
    Pace(Instant),
}
