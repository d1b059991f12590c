//! The server's certificate, and the clients' trust in it.
//!
//! The key is Ed25519, whose signatures all have one length. So a seed repeats the lengths of all
//! messages, though TLS draws its own random numbers.

use calmd::tls::Certificate;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate in files, which are removed when the value is dropped.
pub struct Identity {
    directory: TempDir,
    certificate: CertificateDer<'static>,
}

impl Identity {
    pub fn new() -> Self {
        // The suites of TLS are made once for all, which no run is to be charged with.
        drop(calmd::tls::provider());
        let directory = tempfile::tempdir().expect("a temporary directory");
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let params = CertificateParams::new(["sim".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        fs::write(directory.path().join("chain"), certificate.pem()).expect("a file");
        fs::write(directory.path().join("key"), key.serialize_pem()).expect("a file");
        Identity {
            directory,
            certificate: certificate.into(),
        }
    }

    /// The configuration that names the server's certificate.
    pub fn files(&self) -> Certificate {
        let chain = self.directory.path().join("chain");
        let key = self.directory.path().join("key");
        Certificate::Files { chain, key }
    }

    /// The file of the certificate.
    pub fn chain(&self) -> PathBuf {
        self.directory.path().join("chain")
    }

    /// The TLS configuration that the clients of one run share, including the tickets of their
    /// sessions.
    pub fn trust(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a root");
        Arc::new(
            ClientConfig::builder()
                .with_root_certificates(roots)
                .with_no_client_auth(),
        )
    }
}
