//! Trust in servers: the machine's certificate authorities, those of `--cacert` and servers with just such
//! a certificate, or with `--insecure` everybody.

use super::GetOptions;
use super::error::Error;
use super::url::Url;
use crate::tls;
use crate::tls::records::Tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    Resumption, UnbufferedClientConnection, WebPkiServerVerifier, verify_server_name,
};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use std::path::Path;
use std::sync::Arc;

/// The configuration that TLS connections are made with.
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// As the options have it.
    pub fn new(options: &GetOptions) -> Result<Self, Error> {
        let provider = Arc::new(tls::provider());
        let unusable = |error| Error::Tls("this machine".into(), error);
        let config =
            ClientConfig::builder_with_details(Arc::clone(&provider), Arc::new(tls::TlsClock))
                .with_safe_default_protocol_versions()
                .map_err(unusable)?;
        let verifier: Arc<dyn ServerCertVerifier> = if options.insecure {
            Arc::new(Anybody(provider))
        } else {
            Arc::new(Trusted::new(options.cacert.as_deref(), provider)?)
        };
        let mut config = config
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A run makes one connection to an origin, rarely two.
        config.resumption = Resumption::disabled();
        Ok(ClientTls {
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

/// Takes certificates that a trusted authority vouches for, and those of `--cacert` themselves.
#[derive(Debug)]
struct Trusted {
    authorities: Arc<WebPkiServerVerifier>,
    /// The certificates of `--cacert`. One may be the server's own, as `openssl req -x509` makes it: an
    /// authority and a server in one, which webpki takes for no server. It is taken as curl takes it.
    given: Vec<CertificateDer<'static>>,
}

impl Trusted {
    fn new(cacert: Option<&Path>, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        // One certificate that cannot be read is no reason to do without the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let mut given = Vec::new();
        if let Some(path) = cacert {
            let unusable = |reason| Error::CaCert(path.into(), reason);
            given = read_file(path).map_err(unusable)?;
            for certificate in &given {
                let added = roots.add(certificate.clone());
                added.map_err(|error| unusable(error.to_string()))?;
            }
        }
        if roots.is_empty() {
            return Err(Error::NoRoots);
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| {
                let error = rustls::Error::General(error.to_string());
                Error::Tls("this machine".into(), error)
            })?;
        Ok(Trusted { authorities, given })
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
        let verified = self.authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            Err(error) if lacks_authority(&error) && self.given.contains(end_entity) => {
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
        self.authorities.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
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
