//! The layer between a socket's bytes and a protocol's: nothing, or TLS records.

use crate::tls::records::{Session, Tls};
use rustls::ProtocolVersion;

/// The layer under the protocol, with the session of one side of TLS.
pub enum Transport<S> {
    /// Cleartext: the socket's bytes are the protocol's.
    Plain,
    /// TLS 1.2 or 1.3.
    Tls(Box<Tls<S>>),
}

impl<S: Session> Transport<S> {
    /// The version of TLS, as access logs have it; `None` in the clear.
    pub fn tls_version(&self) -> Option<&'static str> {
        let Transport::Tls(tls) = self else {
            return None;
        };
        match tls.common().protocol_version()? {
            ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            _ => Some("TLSv1.2"),
        }
    }

    /// The certificate that the peer has shown, DER.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        let Transport::Tls(tls) = self else {
            return None;
        };
        let chain = tls.common().peer_certificates()?;
        chain.first().map(|first| first.as_ref())
    }

    /// The layer's name, for logs.
    pub fn name(&self) -> &'static str {
        let Transport::Tls(tls) = self else {
            return "cleartext";
        };
        match tls.common().protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        }
    }
}
