//! TLS with upstream servers: the authorities that are trusted, the name that a certificate must be for.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;

use super::scheme::{UpstreamScheme, UpstreamVersion};
use crate::tls::records::Tls;
use crate::tls::{self, TrustError, Trusted};
use crate::world::files::refuse_pipe;

/// The means of TLS with one server.
#[derive(Clone)]
pub struct UpstreamTls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// The configurations of TLS for all upstreams, which share their trusted authorities.
pub struct UpstreamTrust {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl UpstreamTrust {
    /// Trust in the machine's authorities, and in those of a file.
    pub fn new(file: Option<&Path>) -> Result<Self, TrustError> {
        if let Some(path) = file {
            let unusable = |error: io::Error| TrustError::File(path.into(), error.to_string());
            refuse_pipe(path).map_err(unusable)?;
        }
        let provider = Arc::new(tls::provider());
        let trusted = Arc::new(Trusted::new(file, provider.clone())?);
        let config = ClientConfig::builder_with_details(provider, Arc::new(tls::TlsClock))
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Unusable)?
            .dangerous()
            .with_custom_certificate_verifier(trusted)
            .with_no_client_auth();
        let speaking = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        Ok(UpstreamTrust {
            http1: speaking(b"http/1.1"),
            http2: speaking(b"h2"),
        })
    }

    /// The means for a server of this scheme, whose certificate must be for `host`; none where the host can
    /// have no certificate.
    pub fn server(&self, scheme: UpstreamScheme, host: &str) -> Option<UpstreamTls> {
        Some(UpstreamTls {
            config: match scheme.version() {
                UpstreamVersion::Http1 => self.http1.clone(),
                UpstreamVersion::Http2 => self.http2.clone(),
            },
            name: ServerName::try_from(host.to_owned()).ok()?,
        })
    }
}

impl UpstreamTls {
    /// A session with the server.
    pub(crate) fn session(&self) -> Result<Tls<UnbufferedClientConnection>, rustls::Error> {
        Tls::connect(self.config.clone(), self.name.clone())
    }
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
