//! The configuration of the program: listeners, hosts, and the configurations of the rooms below.
//!
//! Each room owns its numbers, with the reason beside each: [`h1::Config`](crate::h1::Config),
//! [`h2::Config`](crate::h2::Config), [`server::Config`] with its limits and timeouts, [`site::Config`],
//! [`Certificate`], [`AccessLogConfig`]. [`Config`] composes them, and no room below imports it.

pub mod file;
mod inherited;
pub mod settings;

pub use inherited::{InheritedSocket, SocketPurpose};
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::hosts::HostPattern;
use crate::http::Scheme;
#[cfg(feature = "panel")]
use crate::inspect::TraceConfig;
#[cfg(feature = "panel")]
use crate::panel;
#[cfg(feature = "proxy")]
use crate::proxy::{ProxyRule, UpstreamAddress};
use crate::sandbox::{DialRights, Rights, SiteRights};
use crate::telemetry::AccessLogConfig;
use crate::telemetry::notify::ManagerConfig;
use crate::tls::{Certificate, ClientAuth, HostCertificates};
#[cfg(feature = "upload")]
use crate::upload::{UploadLimits, UploadRule};
use crate::world::{ListenAddress, PeerSet, User};
use crate::{rules, server, site};

/// Everything that the program is told at its start as a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The settings file, if there is one: it is never served.
    pub settings_file: Option<PathBuf>,
    /// Cleartext listeners: HTTP/1.1, and HTTP/2 with prior knowledge.
    pub listen: Vec<ListenAddress>,
    /// TLS listeners: HTTP/2 and HTTP/1.1 by ALPN.
    pub listen_tls: Vec<ListenAddress>,
    /// Listeners whose connections begin with the PROXY header of one of these balancers.
    pub balancers: Vec<(ListenAddress, PeerSet)>,
    /// Listeners for metrics and health checks alone, in the clear.
    pub metrics: Vec<ListenAddress>,
    /// Sockets that were handed down to the process, in the order of their descriptors.
    pub inherited: Vec<InheritedSocket>,
    /// The service manager that wants to be told, if there is one.
    pub manager: Option<ManagerConfig>,
    /// The name of the socket by which a newer process takes the listeners over.
    pub control: Option<PathBuf>,
    /// Let other processes listen on the same TCP ports.
    pub reuse_port: bool,
    /// The site that is served, and the certificate that names it.
    pub host: HostConfig,
    /// The hosts that are served in its place, the default one first; none where it answers for all.
    pub hosts: Vec<NamedHost>,
    /// The event loop and the protocols: bounds and timeouts.
    pub server: server::Config,
    /// The access log.
    pub access_log: Option<AccessLogConfig>,
    /// The least important messages that reach standard error.
    pub log_level: log::LevelFilter,
    /// The user that the process becomes after listening; `None` stays who started it.
    pub user: Option<User>,
    /// Shut the process in before it serves.
    pub sandbox: bool,
    /// Directories that the sandbox leaves readable beside those that the site needs today: where
    /// deployments will put what it needs next.
    pub sandbox_read: Vec<PathBuf>,
    /// The limits of each directory for uploads.
    #[cfg(feature = "upload")]
    pub upload_limits: UploadLimits,
    /// Answer an upload when it is on the disk.
    #[cfg(feature = "upload")]
    pub upload_sync: bool,
    /// The panel.
    #[cfg(feature = "panel")]
    pub panel: panel::Config,
    /// The authorities that are trusted beside the machine's where an upstream has TLS.
    #[cfg(feature = "proxy")]
    pub proxy_ca: Option<PathBuf>,
    /// The trace of connections, if one is wanted.
    #[cfg(feature = "panel")]
    pub qlog: Option<TraceConfig>,
    /// Start a process that waits for disks and hashes files. Off, because it is of use where disks are slow,
    /// and takes memory everywhere.
    pub helper: bool,
}

/// A site and its certificate.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The certificates that TLS listeners show, one for each kind of key.
    pub certificates: Vec<Certificate>,
    /// The wish for certificates of clients, if there is one.
    pub client_auth: Option<ClientAuth>,
    /// The file of the key of session tickets that several processes share; `None` is a key of the process's
    /// own.
    pub ticket_key: Option<PathBuf>,
    /// The file that secrets of TLS are appended to.
    pub key_log: Option<PathBuf>,
    /// Read certificate and keys again when they have changed. Off, because a signal is how most are told.
    pub watch_certificates: bool,
    /// The directory that is served, and how.
    pub site: site::Config,
    /// The rules for requests and for the fields of answers.
    pub rules: rules::Config,
    /// The paths whose requests are forwarded, each with a server that takes them.
    #[cfg(feature = "proxy")]
    pub proxies: Vec<ProxyRule>,
    /// Paths that take uploads.
    #[cfg(feature = "upload")]
    pub uploads: Vec<UploadRule>,
}

impl Default for HostConfig {
    fn default() -> Self {
        HostConfig {
            certificates: vec![Certificate::default()],
            client_auth: None,
            ticket_key: None,
            key_log: None,
            watch_certificates: false,
            site: site::Config::default(),
            rules: rules::Config::default(),
            #[cfg(feature = "proxy")]
            proxies: Vec::new(),
            #[cfg(feature = "upload")]
            uploads: Vec::new(),
        }
    }
}

/// A host with the names that it answers to.
#[derive(Clone, Debug)]
pub struct NamedHost {
    /// The names.
    pub names: Vec<HostPattern>,
    /// The site and its certificate.
    pub host: HostConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            settings_file: None,
            listen: vec![ListenAddress::Tcp(SocketAddr::from(([0u16; 8], 8080)))],
            listen_tls: vec![ListenAddress::Tcp(SocketAddr::from(([0u16; 8], 8443)))],
            balancers: Vec::new(),
            metrics: Vec::new(),
            inherited: Vec::new(),
            manager: None,
            control: None,
            reuse_port: false,
            host: HostConfig::default(),
            hosts: Vec::new(),
            server: server::Config::default(),
            access_log: None,
            log_level: log::LevelFilter::Info,
            user: None,
            sandbox: true,
            sandbox_read: Vec::new(),
            #[cfg(feature = "upload")]
            upload_limits: UploadLimits::default(),
            #[cfg(feature = "upload")]
            upload_sync: false,
            #[cfg(feature = "panel")]
            panel: panel::Config::default(),
            #[cfg(feature = "proxy")]
            proxy_ca: None,
            #[cfg(feature = "panel")]
            qlog: None,
            helper: false,
        }
    }
}

impl Config {
    /// Puts sockets for the site that were handed down in the place of the default listeners.
    pub fn inherit(&mut self, sockets: Vec<InheritedSocket>) {
        let is_of_site = |socket: &&InheritedSocket| socket.purpose == SocketPurpose::Site;
        let of_site = sockets.iter().filter(is_of_site).count();
        if of_site > 0 {
            self.listen.clear();
            self.listen_tls.clear();
        }
        #[cfg(feature = "panel")]
        {
            self.panel.inherited = sockets.len() - of_site;
        }
        self.inherited = sockets;
    }

    /// The hosts that are served, the default one first.
    pub fn host_configs(&self) -> impl Iterator<Item = &HostConfig> {
        let alone = self.hosts.is_empty().then_some(&self.host);
        let hosts = self.hosts.iter().map(|named| &named.host);
        alone.into_iter().chain(hosts)
    }

    /// The sites of the hosts, in their order.
    pub fn sites(&self) -> impl Iterator<Item = &site::Config> {
        self.host_configs().map(|host| &host.site)
    }

    /// The names and the certificates of all hosts, the default one first.
    pub fn hosts_certificates(&self) -> Vec<HostCertificates<'_>> {
        let alone = self.hosts.is_empty().then_some((&[][..], &self.host));
        let hosts = self.hosts.iter();
        let hosts = hosts.map(|named| (named.names.as_slice(), &named.host));
        let all = alone.into_iter().chain(hosts);
        all.map(|(names, host)| HostCertificates {
            names,
            certificates: &host.certificates,
            client_auth: host.client_auth.as_ref(),
        })
        .collect()
    }

    /// The balancers of the listener of this address; empty where clients come by themselves.
    pub fn balancers_of(&self, address: &ListenAddress) -> PeerSet {
        let mut balancers = self.balancers.iter();
        let found = balancers.find(|(listener, _)| listener == address);
        found.map(|(_, peers)| peers.clone()).unwrap_or_default()
    }

    /// True if a listener takes TLS connections.
    pub fn has_tls(&self) -> bool {
        let mut inherited = self.inherited.iter();
        let has_panel = {
            #[cfg(feature = "panel")]
            {
                !self.panel.listen_tls.is_empty()
            }
            #[cfg(not(feature = "panel"))]
            false
        };
        let is_tls = |socket: &InheritedSocket| socket.scheme == Scheme::Https;
        !self.listen_tls.is_empty() || has_panel || inherited.any(is_tls)
    }

    /// The addresses of all listeners.
    pub fn listen_addresses(&self) -> impl Iterator<Item = &ListenAddress> {
        let listeners = self.listen.iter().chain(&self.listen_tls);
        let listeners = listeners.chain(&self.metrics);
        #[cfg(feature = "panel")]
        let listeners = listeners.chain(self.panel.addresses());
        listeners
    }

    /// True if there is a listener whose readers want numbers.
    pub fn wants_metrics(&self) -> bool {
        #[cfg(feature = "panel")]
        if !self.panel.is_off() {
            return true;
        }
        !self.metrics.is_empty()
    }

    /// The rights that serving takes, for the sandbox to leave.
    pub fn rights(&self) -> Rights {
        let log = self.access_log.as_ref().and_then(|log| log.file.clone());
        let sockets = self.listen_addresses().filter_map(|address| match address {
            ListenAddress::Unix(socket) => Some(socket.path.clone()),
            ListenAddress::Tcp(_) => None,
        });
        Rights {
            user: self.user.clone(),
            sandbox: self.sandbox,
            sites: self.sites().map(rights_of).collect(),
            read: self.sandbox_read.clone(),
            certificates: if self.has_tls() {
                self.hosts_certificates()
                    .iter()
                    .flat_map(|host| host.certificates.to_vec())
                    .collect()
            } else {
                Vec::new()
            },
            ticket_keys: self.host.ticket_key.iter().cloned().collect(),
            settings: self.settings_files(),
            logs: log.into_iter().collect(),
            uploads: self.upload_directories(),
            scratch: Vec::new(),
            sockets: sockets.chain(self.control.clone()).collect(),
            helpers: Vec::new(),
            dials: self.dials(),
            succession: self.control.is_some(),
        }
    }

    /// The settings file, and the files of users and of authorities that are read again with it.
    fn settings_files(&self) -> Vec<PathBuf> {
        let mut logins = self.host_configs().flat_map(|host| &host.rules.logins);
        let mut files: Vec<PathBuf> = self.settings_file.iter().cloned().collect();
        for login in &mut logins {
            if !files.contains(&login.users.file) {
                files.push(login.users.file.clone());
            }
        }
        #[cfg(feature = "panel")]
        files.extend(self.panel.users.clone());
        let wishes = self
            .host_configs()
            .filter_map(|host| host.client_auth.as_ref());
        for wish in wishes {
            if !files.contains(&wish.authorities) {
                files.push(wish.authorities.clone());
            }
        }
        files
    }

    /// The paths that take uploads, with the names of the host that they are on: none for the first host. Those of the
    /// top level are on the first host alone, because a directory is seldom meant for all.
    #[cfg(feature = "upload")]
    pub fn uploads(&self) -> impl Iterator<Item = (&[HostPattern], &[UploadRule])> {
        let hosts = self.host_configs().enumerate();
        hosts.map(|(number, host)| match number {
            0 => (&[][..], &host.uploads[..]),
            _ => {
                let names = self.hosts.get(number).map_or(&[][..], |named| &named.names);
                let is_own = host.uploads != self.host.uploads;
                (names, if is_own { &host.uploads[..] } else { &[] })
            }
        })
    }

    /// The directories that uploads are written to.
    #[cfg(feature = "upload")]
    fn upload_directories(&self) -> Vec<PathBuf> {
        let rules = self.uploads();
        let directories = rules.flat_map(|(_, rules)| rules);
        directories.map(|rule| rule.directory.clone()).collect()
    }

    /// None, because nothing is uploaded.
    #[cfg(not(feature = "upload"))]
    fn upload_directories(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The sockets of upstreams.
    #[cfg(feature = "proxy")]
    fn dials(&self) -> DialRights {
        let mut dials = DialRights::default();
        for rule in self.host_configs().flat_map(|host| &host.proxies) {
            match &rule.address {
                UpstreamAddress::Host(_, port) => dials.ports.push(*port),
                UpstreamAddress::Unix(_) => dials.unix = true,
            }
        }
        dials
    }

    /// None, because nothing is dialled.
    #[cfg(not(feature = "proxy"))]
    fn dials(&self) -> DialRights {
        DialRights::default()
    }
}

/// The right to read a site.
fn rights_of(site: &site::Config) -> SiteRights {
    SiteRights {
        root: site.root.clone(),
        listing: site.listing,
    }
}
