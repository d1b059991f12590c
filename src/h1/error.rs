//! Reasons for ending a connection. Each has the status code that tells the client.

use std::fmt;

/// Error of a peer that ends the connection.
///
/// Wrong framing leaves the beginning of the next request uncertain, so no connection goes on after an
/// error (RFC 9112 §11.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A line feed without the carriage return before it (RFC 9112 §2.2 lets a server refuse it).
    BareLineFeed,
    /// A carriage return without the line feed behind it (RFC 9112 §2.2).
    BareCarriageReturn,
    /// NUL, another control character, or DEL in a head (RFC 9110 §5.5).
    ControlCharacter,
    /// More empty lines before a request than any client sends by mistake (RFC 9112 §2.2).
    EmptyLines,
    /// The text in the place of the method is no token (RFC 9110 §9.1), so the input is hardly HTTP.
    Method,
    /// The request line is not `method SP target SP version` (RFC 9112 §3).
    RequestLine,
    /// A target that fits none of the four forms, or not the method (RFC 9112 §3.2).
    Target,
    /// A target with user information in its authority (RFC 9110 §4.2.4).
    UserInformation,
    /// A field line that has no valid name directly before its colon, or that continues the line
    /// before it (RFC 9112 §5.1, §5.2).
    FieldLine,
    /// No Host, several, or a malformed one (RFC 9112 §3.2).
    Host,
    /// `Content-Length` that is not one decimal number that fits 64 bits (RFC 9112 §6.3).
    ContentLength,
    /// `Transfer-Encoding` from which the body's length does not follow for certain (RFC 9112 §6.1).
    TransferEncoding,
    /// `Transfer-Encoding` together with `Content-Length` (RFC 9112 §6.1).
    ConflictingLengths,
    /// A chunk that is not framed as RFC 9112 §7.1 says.
    Chunk,
    /// More chunk extensions than the limit (RFC 9112 §7.1.1).
    ChunkExtensions,
    /// The peer ended its side in the middle of a request (RFC 9112 §8).
    Incomplete,
    /// The head did not come within its time.
    HeadTimeout,
    /// The body came too slowly.
    BodyTimeout,
    /// A method that needs a body, in HTTP/1.0, without `Content-Length` (RFC 9110 §15.5.12).
    LengthRequired,
    /// The request line is longer than the limit (RFC 9110 §15.5.15).
    RequestLineTooLong,
    /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
    Expectation,
    /// A target of scheme `https` on a connection that is not secured (RFC 9110 §7.4).
    Misdirected,
    /// The head or the trailer section is larger than the limit (RFC 6585 §5).
    HeadTooLarge,
    /// The head or the trailer section has more fields than the limit.
    TooManyFields,
    /// A method longer than any that exists (RFC 9112 §3).
    MethodTooLong,
    /// CONNECT, which only a proxy answers (RFC 9110 §9.3.6).
    Connect,
    /// A transfer coding other than `chunked` (RFC 9112 §6.1).
    TransferCoding,
    /// A version that is neither HTTP/1.1 nor HTTP/1.0 (RFC 9110 §15.6.6).
    Version,
}

impl Error {
    /// The status code of the response that the error is answered with.
    pub const fn status(self) -> u16 {
        match self {
            Error::BareLineFeed
            | Error::BareCarriageReturn
            | Error::ControlCharacter
            | Error::EmptyLines
            | Error::Method
            | Error::RequestLine
            | Error::Target
            | Error::UserInformation
            | Error::FieldLine
            | Error::Host
            | Error::ContentLength
            | Error::TransferEncoding
            | Error::ConflictingLengths
            | Error::Chunk
            | Error::ChunkExtensions
            | Error::Incomplete => 400,
            Error::HeadTimeout | Error::BodyTimeout => 408,
            Error::LengthRequired => 411,
            Error::RequestLineTooLong => 414,
            Error::Expectation => 417,
            Error::Misdirected => 421,
            Error::HeadTooLarge | Error::TooManyFields => 431,
            Error::MethodTooLong | Error::Connect | Error::TransferCoding => 501,
            Error::Version => 505,
        }
    }

    /// The fault in a few words, for a person who debugs a client.
    pub const fn reason(self) -> &'static str {
        match self {
            Error::BareLineFeed => "line feed without a carriage return",
            Error::BareCarriageReturn => "carriage return without a line feed",
            Error::ControlCharacter => "control character in the head",
            Error::EmptyLines => "too many empty lines before the request",
            Error::Method => "the method is not a token",
            Error::RequestLine => "malformed request line",
            Error::Target => "malformed request target",
            Error::UserInformation => "user information in the request target",
            Error::FieldLine => "malformed field line",
            Error::Host => "not exactly one valid Host",
            Error::ContentLength => "malformed or repeated Content-Length",
            Error::TransferEncoding => "malformed Transfer-Encoding",
            Error::ConflictingLengths => "Transfer-Encoding together with Content-Length",
            Error::Chunk => "malformed chunk",
            Error::ChunkExtensions => "too many chunk extensions",
            Error::Incomplete => "the request ended too early",
            Error::HeadTimeout => "the head of the request took too long",
            Error::BodyTimeout => "the body of the request came too slowly",
            Error::LengthRequired => "a request with a body needs Content-Length",
            Error::RequestLineTooLong => "the request line is too long",
            Error::Expectation => "unknown expectation",
            Error::Misdirected => "https target on a connection without TLS",
            Error::HeadTooLarge => "the fields are too large",
            Error::TooManyFields => "too many fields",
            Error::MethodTooLong => "unknown method",
            Error::Connect => "this is not a proxy",
            Error::TransferCoding => "unknown transfer coding",
            Error::Version => "unknown version of HTTP",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason(), self.status())
    }
}

impl std::error::Error for Error {}
