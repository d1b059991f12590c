//! What lies between a socket's bytes and a protocol's: nothing, or TLS records.

use crate::tls::records;
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
