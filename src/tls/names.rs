//! The names that a connection may be used for, by the name that its client asked for.

/// Names that requests on a connection may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Any name. The connection has no TLS, or the client asked for no name, or there is one certificate
    /// and it lacks the name, which only a client that does not verify certificates asks for.
    Any,
    /// The hosts with this set of certificates, which lacks the name that the client asked for.
    Set(u16),
    /// The names in this set of certificates, because the client asked for one of them.
    Certificate(u16),
}

/// The host of an authority, without port, without the brackets of an IPv6 address (RFC 3986 §3.2), and
/// without the dot that some clients write behind the last label.
pub(super) fn host(authority: &[u8]) -> &[u8] {
    if let Some(rest) = authority.strip_prefix(b"[") {
        return rest.split(|byte| *byte == b']').next().unwrap_or_default();
    }
    let host = authority.split(|byte| *byte == b':').next();
    let host = host.unwrap_or_default();
    host.strip_suffix(b".").unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_authority_without_what_stands_around_it() {
        for (authority, expected) in [
            ("localhost", "localhost"),
            ("localhost:8443", "localhost"),
            ("localhost.:8443", "localhost"),
            ("[::1]:8443", "::1"),
            ("[::1]", "::1"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("", ""),
            ("[", ""),
            (":", ""),
        ] {
            let found = host(authority.as_bytes());
            assert_eq!(found, expected.as_bytes(), "{authority}");
        }
    }
}
