//! Errors of the client's role: faults of a server, and requests that a caller cannot send.

use crate::h1::error::Error;
use std::fmt;

/// A fault of the server, which ends the connection.
///
/// No connection goes on after an error: if the framing is wrong, the beginning of the next response is
/// unknown (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// A head, a chunk or a trailer section that breaks a rule of requests and responses alike.
    Malformed(Error),
    /// The first line is not `version SP status [SP reason]` (RFC 9112 §4): hardly HTTP at all.
    StatusLine,
    /// A version that is neither HTTP/1.1 nor HTTP/1.0 (RFC 9110 §2.5).
    Version,
    /// More informational responses than the limit.
    TooManyInformational,
    /// 101 without a protocol that the request's `Upgrade` offered, or before the request was complete
    /// (RFC 9110 §7.8).
    UnaskedSwitch,
    /// The server ended its side before the first byte of a response. It may have closed before it saw
    /// the request: one that can be repeated may be sent again on another connection (RFC 9112 §9.3.1).
    NoResponse,
    /// The server ended its side in the middle of a response (RFC 9112 §8).
    Incomplete,
    /// Bytes that answer no request (RFC 9112 §9.2). The response before them is whole.
    Unsolicited,
    /// No response began within its time.
    ResponseTimeout,
    /// The head did not come within its time.
    HeadTimeout,
    /// The content stopped coming.
    ContentTimeout,
}

impl ResponseError {
    /// The status code that a gateway sends to its own client.
    pub const fn status(self) -> u16 {
        match self {
            ResponseError::ResponseTimeout
            | ResponseError::HeadTimeout
            | ResponseError::ContentTimeout => 504,
            _ => 502,
        }
    }

    /// The fault in a few words.
    pub const fn reason(self) -> &'static str {
        match self {
            ResponseError::Malformed(error) => error.reason(),
            ResponseError::StatusLine => "malformed status line",
            ResponseError::Version => "unknown version of HTTP",
            ResponseError::TooManyInformational => "too many informational responses",
            ResponseError::UnaskedSwitch => "a switch of protocols that nobody asked for",
            ResponseError::NoResponse => "the connection ended without a response",
            ResponseError::Incomplete => "the response ended too early",
            ResponseError::Unsolicited => "bytes that answer no request",
            ResponseError::ResponseTimeout => "the response took too long",
            ResponseError::HeadTimeout => "the head of the response took too long",
            ResponseError::ContentTimeout => "the content of the response stopped coming",
        }
    }
}

impl From<Error> for ResponseError {
    fn from(error: Error) -> Self {
        ResponseError::Malformed(error)
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for ResponseError {}

/// Reason why a request or a trailer section is not sent: a server would read another one than the
/// caller means, or none can be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsendable {
    /// A request is open, or the connection is closed.
    NotIdle,
    /// The method is missing or no token.
    Method,
    /// The target fits neither the method nor a line (RFC 9112 §3.2).
    Target,
    /// The authority is malformed, or CONNECT has none with a port (RFC 9110 §9.3.6).
    Authority,
    /// A field whose name is no token or whose value does not fit into its line (RFC 9110 §5.5).
    Field,
    /// Content for CONNECT or TRACE, which have none (RFC 9110 §9.3.6, §9.3.8), or of unknown length for a
    /// server of HTTP/1.0, which knows no chunks (RFC 9112 §6.1).
    Content,
    /// Trailers, which only chunked content can have (RFC 9112 §7.1.2).
    Trailers,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsendable::NotIdle => "no request can be sent on the connection now",
            Unsendable::Method => "the method is not a token",
            Unsendable::Target => "malformed request target",
            Unsendable::Authority => "malformed authority",
            Unsendable::Field => "a field that does not fit into its line",
            Unsendable::Content => "content that the server cannot take",
            Unsendable::Trailers => "trailers without chunked content",
        })
    }
}

impl std::error::Error for Unsendable {}
