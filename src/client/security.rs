//! Trust in servers: the machine's certificate authorities, those of `--cacert` and servers with just such a
//! certificate, or with `--insecure` all servers.

use super::GetOptions;
use super::error::Error;
use super::url::Url;
use crate::tls::records::Tls;
use crate::tls::{self, KeyLogLines, TrustError, Trusted};
use rustls::ClientConfig;
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
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
        let trusted = if options.insecure {
            Trusted::everybody(provider)
        } else {
            let trusted = Trusted::new(options.cacert.as_deref(), provider);
            trusted.map_err(|error| match error {
                TrustError::NoRoots => Error::NoRoots,
                TrustError::File(path, reason) => Error::CaCert(path, reason),
                TrustError::Unusable(error) => unusable(error),
            })?
        };
        let mut config = config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trusted))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A run makes one connection to an origin, rarely two.
        config.resumption = Resumption::disabled();
        if let Some(path) = &options.key_log {
            let log = KeyLogLines::open(path);
            let log = log.map_err(|error| Error::Output(Some(path.clone()), error))?;
            config.key_log = Arc::new(log);
        }
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
