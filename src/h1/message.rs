//! Properties of a message in both roles: its version, its scheme, the length of its content.

/// How the connection is secured, which is the scheme of its requests' targets (RFC 9112 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Cleartext.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The value of `:scheme`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// The version of a request (RFC 9112 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, and a connection ends after the response unless both sides ask
    /// for more.
    Http10,
    /// HTTP/1.1
    Http11,
}

impl Version {
    /// The version as a request line has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

/// How many bytes of content follow the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// None at all. For HEAD and 304 a `content-length` among the fields is sent as it is, since it
    /// speaks of what GET would have got (RFC 9110 §8.6).
    None,
    /// As many as this.
    Known(u64),
    /// Nobody knows yet: chunked, or until the connection closes for HTTP/1.0.
    Unknown,
}

/// Whether a message may follow the current exchange on its connection (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It may.
    KeepAlive,
    /// The connection ends with the current exchange.
    Close,
}
