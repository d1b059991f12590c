//! Properties of a message in both roles: its version, the length of its content.

/// The version of a request (RFC 9112 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, and a connection ends after the response unless both sides ask
    /// for more.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// The version in the form of a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

/// Number of bytes of content behind a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// No content. For HEAD and 304 a `content-length` among the fields is sent unchanged, because it
    /// is the length that GET would have got (RFC 9110 §8.6).
    None,
    /// A known number of bytes.
    Known(u64),
    /// An unknown number: the content is chunked, or ends with the connection for HTTP/1.0.
    Unknown,
}

/// Fate of a connection after the current exchange (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// Another message may follow.
    KeepAlive,
    /// The connection ends with the current exchange.
    Close,
}

/// The bearing of a connection's end on the content of its last response (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEnd {
    /// None: a length or a last chunk tells the end of the content.
    Told,
    /// The end of the connection is the end of the content, all of which is in the output.
    ByClose,
    /// The end of the connection would be taken for the end of the content, of which a part is missing.
    Missing,
}

/// The input beyond what was consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// The caller may have more input.
    Flowing,
    /// The last call was given all input, and wanted more.
    Starved,
    /// The peer ended its side: no input comes beyond that of the caller.
    Finished,
}
