//! The states of a client's connection and of the request that is open on it; the module's documentation
//! draws them.

use crate::h1::body::BodyDecoder;
use crate::h1::message::BodyLength;
use crate::h1::output::Outgoing;
use crate::h1::scan::Scan;

/// The state of a connection.
#[derive(Debug)]
pub(super) enum ClientState {
    /// No request is open.
    Idle,
    /// A request was sent, or is being sent, and its exchange is not over.
    Open(OpenRequest),
    /// Another protocol has the connection.
    Tunnel,
    /// Nothing more is read or written.
    Closed,
}

impl ClientState {
    /// The content of the request that is being sent, if it is.
    pub(super) fn outgoing(&self) -> Option<Outgoing> {
        match self {
            ClientState::Open(OpenRequest {
                content: RequestContent::Sending(outgoing),
                ..
            }) => Some(*outgoing),
            _ => None,
        }
    }
}

/// A request whose exchange is not over.
#[derive(Debug)]
pub(super) struct OpenRequest {
    pub(super) content: RequestContent,
    pub(super) reply: Reply,
    pub(super) asked: Asked,
    pub(super) upgrade: Upgrade,
    pub(super) hundred: Hundred,
    /// Informational responses so far.
    pub(super) informational: u16,
}

/// The content of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestContent {
    /// Still to be sent.
    Sending(Outgoing),
    /// Sent whole, or there is none.
    Done,
    /// Neither sent whole nor going to be: the connection closes after the response.
    Abandoned,
}

impl RequestContent {
    /// Content of this length, behind a head that was sent.
    pub(super) fn of(length: BodyLength) -> RequestContent {
        match length {
            BodyLength::None | BodyLength::Known(0) => RequestContent::Done,
            BodyLength::Known(length) => RequestContent::Sending(Outgoing::Length(length)),
            BodyLength::Unknown => RequestContent::Sending(Outgoing::Chunked),
        }
    }
}

/// The part of the response that is awaited.
#[derive(Debug)]
pub(super) enum Reply {
    /// A head, of an informational or the final response.
    Head(Scan),
    /// Content that ends by itself.
    Body(BodyDecoder),
    /// Content up to the end of the connection.
    UntilClose,
    /// None: the response is complete.
    Done,
}

/// The kind of response that the method calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// One with content.
    Content,
    /// HEAD: the head alone (RFC 9110 §9.3.2).
    HeadAlone,
    /// CONNECT: a tunnel behind the head (RFC 9110 §9.3.6).
    Tunnel,
}

impl Asked {
    pub(super) fn by(method: &[u8]) -> Asked {
        match method {
            b"HEAD" => Asked::HeadAlone,
            b"CONNECT" => Asked::Tunnel,
            _ => Asked::Content,
        }
    }
}

/// Other protocols that the request offers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// None: 101 is an error.
    NotOffered,
    /// The protocols of the request's `Upgrade` field, as it lists them.
    Offered(Box<[u8]>),
}

/// The `100 Continue` that a request asks for (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hundred {
    /// Awaited, before the content is sent.
    Awaited,
    /// Never asked for, or received, or without meaning any more.
    NotAwaited,
    /// Not awaited any more, though it never came: the content is sent without it, and the server may
    /// answer without reading it.
    GivenUp,
}
