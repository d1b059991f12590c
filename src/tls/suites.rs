//! The order of cipher suites. AES-128-GCM comes first, because its handshakes take SHA-256, which processors have in
//! hardware, instead of SHA-384, and its records take less time than those of AES-256-GCM. A client that names
//! ChaCha20-Poly1305 before AES has no AES in hardware: it gets what it wants, and so does every client where this
//! processor has none.
//!
//! The suites are looked for in the first bytes of a connection alone: once the session has seen any, it cannot begin
//! anew. Clients send them in one piece, as they stand at the front of the ClientHello.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::UnbufferedServerConnection;
use rustls::{CipherSuite, ServerConfig};

use super::hello;
use super::records::Tls;

/// One configuration in two orders of cipher suites.
pub(super) struct SuiteOrders {
    /// The order of the server.
    pub(super) usual: Arc<ServerConfig>,
    /// The order of the client.
    asked: Arc<ServerConfig>,
}

impl SuiteOrders {
    /// Both orders of this configuration.
    pub(super) fn new(mut config: ServerConfig) -> Self {
        config.ignore_client_order = false;
        let asked = Arc::new(config.clone());
        config.ignore_client_order = has_aes();
        SuiteOrders {
            usual: Arc::new(config),
            asked,
        }
    }

    /// Has a session that has seen no byte yet take the order of its client, if that has no AES in hardware.
    /// `records` are the first bytes that came.
    pub(super) fn suit(&self, session: &mut Tls<UnbufferedServerConnection>, records: &[u8]) {
        if session.is_untouched() && hello::prefers_chacha(records) {
            session.replace(&self.asked);
        }
    }
}

/// The cryptography with AES-128-GCM first.
pub(super) fn ordered(provider: &CryptoProvider) -> CryptoProvider {
    let mut provider = provider.clone();
    provider
        .cipher_suites
        .sort_by_key(|suite| !is_aes_128(suite.suite()));
    provider
}

fn is_aes_128(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

/// True if this processor has AES in hardware.
pub(super) fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("aes")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("aes")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}
