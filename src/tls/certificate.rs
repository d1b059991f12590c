//! The place of a certificate and its private key.

use std::path::PathBuf;

/// Origin of the certificate that TLS listeners show.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Certificate {
    /// Made for localhost.
    SelfSigned {
        /// Keeps `localhost.pem` and `localhost.key` from the first start on. Without it, each start
        /// makes another pair, in memory.
        directory: Option<PathBuf>,
    },
    /// Given by the operator, PEM.
    Files {
        /// The chain, leaf first.
        chain: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

impl Default for Certificate {
    fn default() -> Self {
        Certificate::SelfSigned { directory: None }
    }
}
