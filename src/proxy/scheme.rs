//! Schemes of upstreams: the version of HTTP that they speak, and the layer below it.

/// The protocol of an upstream server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamScheme {
    /// HTTP/1.1, which has one request at a time on a connection.
    #[default]
    Http,
    /// HTTP/1.1 in TLS.
    Https,
    /// HTTP/2 in the clear from the first byte, with many requests on a connection.
    H2c,
    /// HTTP/2 in TLS.
    H2,
}

/// The version of HTTP that an upstream server is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl UpstreamScheme {
    /// All of them, by their names in URLs.
    pub(super) const ALL: [(&str, UpstreamScheme); 4] = [
        ("http", UpstreamScheme::Http),
        ("https", UpstreamScheme::Https),
        ("h2c", UpstreamScheme::H2c),
        ("h2", UpstreamScheme::H2),
    ];

    /// The scheme's name in URLs.
    pub(super) fn name(self) -> &'static str {
        let is_own = |(_, scheme): &&(&str, UpstreamScheme)| *scheme == self;
        Self::ALL
            .iter()
            .find(is_own)
            .map_or("http", |(name, _)| name)
    }

    /// The port where a URL names none.
    pub(super) fn port(self) -> u16 {
        if self.is_secure() { 443 } else { 80 }
    }

    /// True if there is TLS between.
    pub fn is_secure(self) -> bool {
        matches!(self, UpstreamScheme::Https | UpstreamScheme::H2)
    }

    /// The version of HTTP.
    pub fn version(self) -> UpstreamVersion {
        match self {
            UpstreamScheme::Http | UpstreamScheme::Https => UpstreamVersion::Http1,
            UpstreamScheme::H2c | UpstreamScheme::H2 => UpstreamVersion::Http2,
        }
    }
}
