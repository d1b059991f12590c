//! The states of a connection and of the request and response that are open on it; the module's
//! documentation draws them.

use super::refusal::WrittenRefusal;
use crate::h1::body::Body;
use crate::h1::encode::Content;
use crate::h1::message::Version;
use crate::h1::output::Outgoing;
use crate::h1::scan::Scan;

/// Where a connection is.
#[derive(Debug)]
pub(super) enum State {
    /// Before or in the head of a request.
    Head(HeadProgress),
    /// A request was received and its exchange is not over.
    Exchange(Exchange),
    /// Nothing more is read or written. The last response, if it was written here and nobody has
    /// completed it.
    Closed(Option<WrittenRefusal>),
    /// The connection is HTTP/2 now, and somebody else's.
    Switched,
}

impl State {
    /// The content of the response that is being sent, if it is.
    pub(super) fn outgoing(&self) -> Option<Outgoing> {
        match self {
            State::Exchange(Exchange {
                response: ResponseHalf::Sending(outgoing),
                ..
            }) => Some(*outgoing),
            _ => None,
        }
    }
}

/// What was seen of a head that is incomplete.
#[derive(Debug, Default)]
pub(super) struct HeadProgress {
    pub(super) scan: Scan,
    /// Empty lines before it, which are skipped (RFC 9112 §2.2).
    pub(super) empty_lines: u8,
}

/// A request and its response.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) request: RequestHalf,
    pub(super) response: ResponseHalf,
    pub(super) version: Version,
    pub(super) content: Content,
    pub(super) expectation: Expectation,
}

/// What is still to come of a request.
#[derive(Debug)]
pub(super) enum RequestHalf {
    /// A body that is read.
    Body(Body),
    /// A body that is thrown away, up to so many bytes more.
    Draining { body: Body, budget: u64 },
    /// A body that is neither read nor thrown away: the connection closes after the response.
    Abandoned,
    /// Nothing.
    Done,
}

/// What is still to be sent of a response.
#[derive(Debug)]
pub(super) enum ResponseHalf {
    /// All of it.
    Awaiting,
    /// Content.
    Sending(Outgoing),
    /// Nothing.
    Done,
}

/// Whether the client waits for `100 Continue` (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    /// It does, before it sends the body.
    Pending,
    /// It does not, or not any more.
    None,
}

/// The input beyond what was consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// The caller may have more of it.
    Flowing,
    /// The last call was given all there was, and wanted more.
    Starved,
    /// Nothing comes beyond what the caller has: the peer ended its side.
    Finished,
}

/// Whether an offer of h2c is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum H2c {
    /// It is not: the offer is ignored.
    Ignored,
    /// It is.
    Reported,
}
