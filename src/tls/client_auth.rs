//! Certificates of clients: the hosts that want one, and the authorities that may have issued it.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::error::TlsError;
use super::file::read_file;

/// The wish of a host for certificates of its clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientAuth {
    /// The answer to a client without one.
    pub demand: ClientDemand,
    /// The file of the authorities that may have issued it, PEM.
    pub authorities: PathBuf,
}

/// The answer to a client without a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientDemand {
    /// It is served all the same.
    Optional,
    /// Its handshake fails.
    Required,
}

/// A verifier of the certificates of one set's clients.
pub(super) type SetVerifier = Arc<dyn ClientCertVerifier>;

/// Tests the file of authorities of a wish.
pub fn check_client_auth(wish: &ClientAuth) -> Result<(), TlsError> {
    verifier(wish, &Arc::new(super::provider())).map(drop)
}

/// The verifier for this wish. The file of authorities is read now.
pub(super) fn verifier(
    wish: &ClientAuth,
    provider: &Arc<CryptoProvider>,
) -> Result<SetVerifier, TlsError> {
    let unusable = |reason: String| TlsError::Authorities {
        path: wish.authorities.clone(),
        reason,
    };
    let content = read_file(&wish.authorities)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&content) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        let added = roots.add(certificate);
        added.map_err(|error| unusable(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = match wish.demand {
        ClientDemand::Required => builder,
        ClientDemand::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| unusable(error.to_string()))
}
