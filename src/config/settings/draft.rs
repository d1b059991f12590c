//! A configuration that is being put together: settings that make sense together only wait for each other.

use std::path::{Path, PathBuf};

use super::SettingOrigin;
use super::listen::{self, AddressWithOptions};
use crate::config::{Config, HostConfig};
#[cfg(feature = "proxy")]
use crate::proxy::{ProxyRule, UpstreamAddress};
use crate::telemetry::{AccessLogConfig, LogFormat};
use crate::tls::{Certificate, ClientAuth, ClientDemand};
#[cfg(feature = "upload")]
use crate::upload::UploadRule;
use crate::world::ListenAddress;
use crate::{h1, h2, server, site};

/// A configuration to which settings are added.
#[derive(Debug)]
pub struct ConfigDraft {
    /// The settings that stand for themselves.
    pub(super) config: Config,
    /// Cleartext listeners. With one of either kind, none of the defaults is left.
    pub(super) listen: Vec<ListenAddress>,
    /// TLS listeners.
    pub(super) listen_tls: Vec<ListenAddress>,
    /// The certificate chains, each of which needs its key.
    pub(super) cert: Vec<PathBuf>,
    /// The private keys, one for each chain.
    pub(super) key: Vec<PathBuf>,
    /// The demand for certificates of clients, which needs their authorities; `None` within is none.
    pub(super) client_demand: Option<Option<ClientDemand>>,
    /// The authorities of clients' certificates.
    pub(super) client_ca: Option<PathBuf>,
    /// True once an index was named, which replaces the default one.
    pub(super) has_index: bool,
    /// The access log; `-` is standard output.
    pub(super) access_log: Option<PathBuf>,
    /// The form of the access log, which is of use only where there is one.
    pub(super) log_format: LogFormat,
    /// The directory that relative paths are beneath; empty for the one that the program was started in.
    directory: PathBuf,
}

/// Settings that need another one.
#[derive(Debug)]
pub(super) struct Incomplete {
    /// Their names.
    pub names: &'static [&'static str],
    /// The rest of a sentence that begins with them.
    pub needs: &'static str,
}

impl ConfigDraft {
    /// A draft that begins as this configuration.
    pub(super) fn new(base: Config) -> Self {
        ConfigDraft {
            config: base,
            listen: Vec::new(),
            listen_tls: Vec::new(),
            cert: Vec::new(),
            key: Vec::new(),
            client_demand: None,
            client_ca: None,
            has_index: false,
            access_log: None,
            log_format: LogFormat::default(),
            directory: PathBuf::new(),
        }
    }

    /// Has the paths to come read as those of this origin: a settings file's are beneath its directory.
    pub(super) fn set_directory(&mut self, origin: &SettingOrigin) {
        self.directory = match origin {
            SettingOrigin::File(place) => place.file.parent().map(Into::into).unwrap_or_default(),
            SettingOrigin::CommandLine | SettingOrigin::Environment | SettingOrigin::Profile => {
                PathBuf::new()
            }
        };
    }

    /// A path as it was written, beneath the directory of its origin. `-` is a standard stream.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        if path.as_os_str() == "-" {
            return path.into();
        }
        self.directory.join(path)
    }

    /// The listeners of a text, with the paths of sockets beneath the directory of its origin.
    pub(super) fn addresses(&mut self, text: &str) -> Result<Vec<ListenAddress>, String> {
        let mut addresses = Vec::new();
        for mut listener in listen::parse(text)? {
            if let ListenAddress::Unix(socket) = &mut listener.address {
                socket.path = self.path(&socket.path);
            }
            addresses.push(listener.address.clone());
            if !listener.balancers.is_empty() {
                let introduced = (listener.address, listener.balancers);
                self.config.balancers.push(introduced);
            }
        }
        Ok(addresses)
    }

    /// The listeners of the panel. It takes no balancer's word for who its user is.
    #[cfg(feature = "panel")]
    pub(super) fn panel_addresses(&mut self, text: &str) -> Result<Vec<ListenAddress>, String> {
        let listeners = listen::parse(text)?;
        if listeners.iter().any(|it| !it.balancers.is_empty()) {
            return Err(
                "the panel takes no PROXY header, write the address without 'proxy'".into(),
            );
        }
        self.addresses(text)
    }

    /// The rule of a text, with the path of a socket beneath the directory of its origin.
    #[cfg(feature = "proxy")]
    pub(super) fn proxy_rule(&self, text: &str) -> Result<ProxyRule, String> {
        let mut rule = ProxyRule::parse(text)?;
        if let UpstreamAddress::Unix(path) = &mut rule.address {
            *path = self.path(path);
        }
        Ok(rule)
    }

    #[cfg(feature = "proxy")]
    pub(super) fn upstreams(&mut self) -> &mut server::UpstreamLimits {
        &mut self.config.server.upstreams
    }

    /// The name of the control socket, which has no rights to choose.
    pub(super) fn control(&mut self, text: &str) -> Result<PathBuf, String> {
        match listen::parse(text)?.as_slice() {
            [listener] if !listener.balancers.is_empty() => {
                Err("a newer process sends no PROXY header, write unix:PATH without 'proxy'".into())
            }
            [
                AddressWithOptions {
                    address: ListenAddress::Unix(socket),
                    ..
                },
            ] if socket.mode.is_none() && socket.owner.is_none() => Ok(self.path(&socket.path)),
            _ => Err("write unix:PATH alone; its mode is 0600".into()),
        }
    }

    /// The rule of a text, with its directory beneath the directory of its origin.
    #[cfg(feature = "upload")]
    pub(super) fn upload_rule(&self, text: &str) -> Result<UploadRule, String> {
        let mut rule = UploadRule::parse(text)?;
        rule.directory = self.path(&rule.directory);
        Ok(rule)
    }

    pub(super) fn site(&mut self) -> &mut site::Config {
        &mut self.config.host.site
    }

    pub(super) fn http1(&mut self) -> &mut h1::Config {
        &mut self.config.server.http1
    }

    pub(super) fn http2(&mut self) -> &mut h2::Config {
        &mut self.config.server.http2
    }

    pub(super) fn limits(&mut self) -> &mut server::Limits {
        &mut self.config.server.limits
    }

    pub(super) fn timeouts(&mut self) -> &mut server::Timeouts {
        &mut self.config.server.timeouts
    }

    /// Adds addresses to a list, except those that it has: an address that is named twice is bound once.
    pub(super) fn add_addresses(list: &mut Vec<ListenAddress>, found: Vec<ListenAddress>) {
        for address in found {
            if !list.contains(&address) {
                list.push(address);
            }
        }
    }

    /// The configuration of a host in a program with these listeners.
    pub(super) fn finish_host(self, program: &Config) -> Result<HostConfig, Incomplete> {
        let mut host = self.config.host;
        host.client_auth = client_auth(self.client_demand, self.client_ca, program.has_tls())?;
        if let Some(pairs) = pairs(self.cert, self.key, program.has_tls())? {
            host.certificates = pairs;
        }
        name_tls_port(&mut host, &program.listen_tls);
        Ok(host)
    }

    /// The configuration, if nothing is missing.
    pub(super) fn finish(self) -> Result<Config, Incomplete> {
        let mut config = self.config;
        if !(self.listen.is_empty() && self.listen_tls.is_empty()) {
            config.listen = self.listen;
            config.listen_tls = self.listen_tls;
        }
        let has_tls = config.has_tls();
        config.host.client_auth = client_auth(self.client_demand, self.client_ca, has_tls)?;
        if let Some(pairs) = pairs(self.cert, self.key, has_tls)? {
            config.host.certificates = pairs;
        }
        #[cfg(feature = "panel")]
        if let Some(mistake) = config.panel.mistake() {
            return Err(Incomplete {
                names: mistake.names,
                needs: mistake.needs,
            });
        }
        let mut sockets: Vec<&Path> = config
            .listen_addresses()
            .filter_map(|address| match address {
                ListenAddress::Unix(socket) => Some(socket.path.as_path()),
                _ => None,
            })
            .collect();
        sockets.sort();
        if sockets.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Incomplete {
                names: &["listen", "listen-tls"],
                needs: "name one Unix socket twice; write each unix:PATH once, with its options",
            });
        }
        if config.reuse_port && !sockets.is_empty() {
            return Err(Incomplete {
                names: &["reuse-port"],
                needs: "needs TCP addresses, since one process alone can have a Unix socket; leave out unix:PATH",
            });
        }
        if config.host.ticket_key.is_some() && !config.has_tls() {
            return Err(Incomplete {
                names: &["ticket-key"],
                needs: "needs a TLS address, add --listen-tls ADDR",
            });
        }
        if config.host.key_log.is_some() && !config.has_tls() {
            return Err(Incomplete {
                names: &["tls-key-log"],
                needs: "needs a TLS address, add --listen-tls ADDR",
            });
        }
        name_tls_port(&mut config.host, &config.listen_tls);
        config.access_log = self.access_log.map(|path| AccessLogConfig {
            file: (path.as_os_str() != "-").then_some(path),
            format: self.log_format,
        });
        Ok(config)
    }
}

/// Tells a host that sends clients to TLS where that is.
fn name_tls_port(host: &mut HostConfig, listeners: &[ListenAddress]) {
    let origin = &mut host.rules.origin;
    if origin.https {
        origin.https_port = tls_port(listeners);
    }
}

/// The port of TLS as clients know it, if it is not 443, which URLs leave out.
fn tls_port(listeners: &[ListenAddress]) -> Option<u16> {
    let ports = listeners.iter().filter_map(|address| match address {
        ListenAddress::Tcp(address) => Some(address.port()),
        ListenAddress::Unix(_) => None,
    });
    let ports: Vec<u16> = ports.collect();
    // Port 0 is chosen by the kernel, and not known here.
    let first = ports.first().copied().filter(|port| *port != 0);
    first.filter(|_| !ports.contains(&443))
}

/// The wish for certificates of clients, if there is one.
fn client_auth(
    demand: Option<Option<ClientDemand>>,
    authorities: Option<PathBuf>,
    has_tls: bool,
) -> Result<Option<ClientAuth>, Incomplete> {
    let incomplete = |names, needs| Err(Incomplete { names, needs });
    match (demand, authorities) {
        (None, None) | (Some(None), _) => Ok(None),
        (None, Some(_)) => incomplete(&["client-ca"], "needs --client-auth, required or optional"),
        (Some(Some(_)), None) => incomplete(
            &["client-auth"],
            "needs the authorities that issue the certificates, add --client-ca FILE",
        ),
        (Some(Some(_)), Some(_)) if !has_tls => incomplete(
            &["client-auth"],
            "needs a TLS address, add --listen-tls ADDR",
        ),
        (Some(Some(demand)), Some(authorities)) => Ok(Some(ClientAuth {
            demand,
            authorities,
        })),
    }
}

/// The certificates with their keys, in the order of both; `None` where there are none.
fn pairs(
    chains: Vec<PathBuf>,
    keys: Vec<PathBuf>,
    has_tls: bool,
) -> Result<Option<Vec<Certificate>>, Incomplete> {
    let incomplete = |names, needs| Err(Incomplete { names, needs });
    match (chains.len(), keys.len()) {
        (0, 0) => return Ok(None),
        (_, 0) => return incomplete(&["cert"], "needs its private key, add --key FILE"),
        (0, _) => return incomplete(&["key"], "needs its certificate, add --cert FILE"),
        (chains, keys) if chains != keys => {
            let needs = "are pairs in their order, give as many of the one as of the other";
            return incomplete(&["cert", "key"], needs);
        }
        _ if !has_tls => {
            let needs = "need a TLS address, add --listen-tls ADDR";
            return incomplete(&["cert", "key"], needs);
        }
        _ => {}
    }
    let pairs = chains.into_iter().zip(keys);
    let pair = |(chain, key)| Certificate::Files { chain, key };
    Ok(Some(pairs.map(pair).collect()))
}
