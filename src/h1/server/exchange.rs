//! The states of a connection and of the request and response that are open on it; the module's
//! documentation draws them.

use super::refusal::WrittenRefusal;
use crate::h1::body::BodyDecoder;
use crate::h1::encode::ContentPresence;
use crate::h1::message::Version;
use crate::h1::output::Outgoing;
use crate::h1::scan::Scan;

/// State of a connection.
#[derive(Debug)]
pub(super) enum ConnectionState {
    /// Before or in the head of a request.
    Head(HeadProgress),
    /// A request was received and its exchange is not over.
    Exchange(OpenExchange),
    /// Nothing more is read or written. Holds the last response, if it was written here and was not
    /// completed.
    Closed(Option<WrittenRefusal>),
    /// The connection speaks HTTP/2 now, and belongs to another core.
    Switched,
}

impl ConnectionState {
    /// The content of the response that is being sent, if it is.
    pub(super) fn outgoing(&self) -> Option<Outgoing> {
        match self {
            ConnectionState::Exchange(OpenExchange {
                response: ResponseHalf::Sending(outgoing),
                ..
            }) => Some(*outgoing),
            _ => None,
        }
    }
}

/// Progress of a head that is incomplete.
#[derive(Debug, Default)]
pub(super) struct HeadProgress {
    pub(super) scan: Scan,
    /// Number of empty lines before the head, which are skipped (RFC 9112 §2.2).
    pub(super) empty_lines: u8,
}

/// A request and its response.
#[derive(Debug)]
pub(super) struct OpenExchange {
    pub(super) request: RequestHalf,
    pub(super) response: ResponseHalf,
    pub(super) version: Version,
    pub(super) content: ContentPresence,
    pub(super) expectation: Expectation,
}

/// The part of a request that is still to come.
#[derive(Debug)]
pub(super) enum RequestHalf {
    /// A body that is read.
    Body(BodyDecoder),
    /// A body that is thrown away, up to so many bytes more.
    Draining { body: BodyDecoder, budget: u64 },
    /// A body that is neither read nor thrown away: the connection closes after the response.
    Abandoned,
    /// The bytes of another protocol, up to the end of the connection.
    Tunnel,
    /// Nothing.
    Done,
}

/// The part of a response that is still to be sent.
#[derive(Debug)]
pub(super) enum ResponseHalf {
    /// All of it.
    Awaiting,
    /// Content.
    Sending(Outgoing),
    /// Nothing.
    Done,
}

/// Expectation of `100 Continue` by the client (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    /// The client waits for it before it sends the body.
    Pending,
    /// The client does not wait for it, or no longer.
    None,
}

/// Handling of an offer of h2c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum H2c {
    /// The offer is ignored.
    Ignored,
    /// The offer is reported.
    Reported,
}
