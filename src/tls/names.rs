//! The names of the certificate in use, compared with the name that a client asked for and with the
//! authority of each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::subject_names::SubjectNames;

/// Names that requests on a connection may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Any name. The connection has no TLS, or the client asked for no name, or it asked for a name
    /// that the certificate lacks, which only a client that does not verify certificates does.
    Any,
    /// The names of the certificate, because the client asked for one of them.
    Certificate,
}

/// Gives every client the one certificate, and notes if the client asked for a name of that
/// certificate.
#[derive(Debug)]
pub(super) struct Resolver {
    key: Arc<CertifiedKey>,
    names: Arc<SubjectNames>,
    noted: Arc<Note>,
}

impl Resolver {
    pub(super) fn new(key: Arc<CertifiedKey>, names: Arc<SubjectNames>, noted: Arc<Note>) -> Self {
        Resolver { key, names, noted }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        if name.is_some_and(|name| self.names.covers(host(name.as_bytes()))) {
            self.noted.0.store(true, Ordering::Relaxed);
        }
        Some(self.key.clone())
    }
}

/// Note of the resolver: the client asked for a name of the certificate. rustls does not give out that
/// name in unbuffered use, so the resolver notes it in passing, and the note is taken before another
/// session is touched.
#[derive(Debug, Default)]
pub(super) struct Note(AtomicBool);

impl Note {
    pub(super) fn take(&self) -> Names {
        if self.0.swap(false, Ordering::Relaxed) {
            Names::Certificate
        } else {
            Names::Any
        }
    }
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
