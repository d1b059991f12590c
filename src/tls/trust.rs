//! Trust in servers, for connections that are dialled: the machine's certificate authorities, those of a file, and
//! servers with just such a certificate; or all servers.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Takes certificates of trusted servers. The handshake's signature is checked for all servers: without that, the
/// agreed key could be that of an attacker in between.
#[derive(Debug)]
pub struct Trusted {
    provider: Arc<CryptoProvider>,
    authorities: Option<Authorities>,
}

/// Vouches for certificates, and takes those of a file themselves.
#[derive(Debug)]
struct Authorities {
    verifier: Arc<WebPkiServerVerifier>,
    /// The certificates of the file. One may be the server's own, as `openssl req -x509` makes it: an
    /// authority and a server in one, which webpki takes for no server. It is taken as curl takes it.
    given: Vec<CertificateDer<'static>>,
}

/// The reason for which no server can be trusted.
#[derive(Debug)]
pub enum TrustError {
    /// The machine has no authorities, and no file was given.
    NoRoots,
    /// The file's certificates cannot be used.
    File(PathBuf, String),
    /// The cryptography cannot be used.
    Unusable(rustls::Error),
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustError::NoRoots => {
                f.write_str("the machine has no certificate authorities (install ca-certificates)")
            }
            TrustError::File(path, reason) => {
                write!(f, "'{}' cannot be used: {reason}", path.display())
            }
            TrustError::Unusable(error) => write!(f, "TLS cannot be used: {error}"),
        }
    }
}

impl Trusted {
    /// Trust in the machine's authorities, and in the certificates of `file`.
    pub fn new(file: Option<&Path>, provider: Arc<CryptoProvider>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        // One certificate that cannot be read is no reason to do without the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let mut given = Vec::new();
        if let Some(path) = file {
            let unusable = |reason| TrustError::File(path.into(), reason);
            given = read_file(path).map_err(unusable)?;
            for certificate in &given {
                let added = roots.add(certificate.clone());
                added.map_err(|error| unusable(error.to_string()))?;
            }
        }
        if roots.is_empty() {
            return Err(TrustError::NoRoots);
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| TrustError::Unusable(rustls::Error::General(error.to_string())))?;
        Ok(Trusted {
            provider,
            authorities: Some(Authorities { verifier, given }),
        })
    }

    /// Trust in all servers, whatever their certificates.
    pub fn everybody(provider: Arc<CryptoProvider>) -> Self {
        Trusted {
            provider,
            authorities: None,
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let certificates = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        Err("there is no certificate in it".into())
    } else {
        Ok(certificates)
    }
}

/// True if only an authority is missing that vouches for the certificate. webpki has then found that
/// the time is within its validity, which it looks at first.
fn lacks_authority(error: &rustls::Error) -> bool {
    use CertificateError::{BadSignature, Other, UnknownIssuer};
    match error {
        rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) => true,
        // The type is webpki's, which rustls does not give away; its text is the variant's name.
        rustls::Error::InvalidCertificate(Other(OtherError(error))) => {
            error.to_string() == "CaUsedAsEndEntity"
        }
        _ => false,
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = authorities.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            Err(error) if lacks_authority(&error) && authorities.given.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
