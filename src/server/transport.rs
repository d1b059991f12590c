//! What lies between a socket's bytes and a protocol's: nothing, or TLS records.

use crate::tls::records;
use rustls::ProtocolVersion;
use rustls::server::UnbufferedServerConnection;

pub use records::{Opened, WireBuffer};

/// The server's side of a TLS session.
pub type Tls = records::Tls<UnbufferedServerConnection>;

/// The layer under the protocol.
pub enum Transport {
    /// Cleartext: the socket's bytes are the protocol's.
    Plain,
    /// TLS 1.2 or 1.3.
    Tls(Box<Tls>),
}

impl Transport {
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
