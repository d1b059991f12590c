//! Whom we trust: the machine's certificate authorities, those of `--cacert`, or with `--insecure`
//! everybody.

use super::Options;
use super::error::Error;
use super::url::Url;
use crate::tls;
use crate::tls::records::Tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// What TLS connections are made with.
pub struct Security {
    config: Arc<ClientConfig>,
}

impl Security {
    /// As the options have it.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let provider = Arc::new(tls::provider());
        let unusable = |error| Error::Tls("this machine".into(), error);
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let mut config = match options.insecure {
            true => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
                .with_no_client_auth(),
            false => config
                .with_root_certificates(roots(options.cacert.as_deref())?)
                .with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A run makes one connection to an origin, rarely two.
        config.resumption = Resumption::disabled();
        Ok(Security {
            config: Arc::new(config),
        })
    }

    /// A session with the URL's host.
    pub fn session(&self, url: &Url) -> Result<Tls<UnbufferedClientConnection>, Error> {
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|_| Error::ServerName(url.host().into()))?;
        Tls::connect(Arc::clone(&self.config), name)
            .map_err(|error| Error::Tls(url.authority(), error))
    }
}

fn roots(cacert: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // One certificate that cannot be read is no reason to do without the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = cacert {
        add_file(path, &mut roots).map_err(|reason| Error::CaCert(path.into(), reason))?;
    }
    match roots.is_empty() {
        true => Err(Error::NoRoots),
        false => Ok(roots),
    }
}

fn add_file(path: &Path, roots: &mut RootCertStore) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        added += 1;
    }
    match added {
        0 => Err("there is no certificate in it".into()),
        _ => Ok(()),
    }
}

/// Takes every certificate. The handshake's signatures are still checked: without them the key that
/// is agreed on would be nobody's.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
