//! The configuration of a running server, read again: first everything that may fail, then the change, which
//! cannot.

use std::error::Error;
#[cfg(feature = "upload")]
use std::path::PathBuf;
use std::time::Instant;

#[cfg(feature = "upload")]
use super::hosts::OpenedHost;
#[cfg(feature = "proxy")]
use super::upstreams::KnownUpstreams;
use super::{hosts, metrics};
use crate::config::Config;
use crate::routes::RenewedHost;
#[cfg(feature = "upload")]
use crate::routes::Routes;
use crate::server::{Reload, Renewing};
#[cfg(feature = "upload")]
use crate::upload::UploadRule;
use crate::world::files::Root;

/// A reader of the settings: it makes the next configuration of the one in force.
type ReadSettings = Box<dyn FnMut(&Config) -> Result<Config, String>>;

/// The settings of a server, and the parts of its start that later ones cannot change.
pub(super) struct SettingsReloader {
    read: ReadSettings,
    /// The configuration in force, without its hosts: each reading has all of them anew.
    config: Config,
    /// A process verifies passwords, which cannot be started any more.
    verifies_passwords: bool,
    #[cfg(feature = "proxy")]
    upstreams: KnownUpstreams,
}

impl SettingsReloader {
    /// A reloader of a server that started with this configuration.
    pub fn new(config: &Config, read: ReadSettings) -> Self {
        SettingsReloader {
            read,
            verifies_passwords: has_logins(config),
            #[cfg(feature = "proxy")]
            upstreams: KnownUpstreams::of(config),
            config: without_hosts(config),
        }
    }

    fn renew(&mut self, parts: Renewing<'_, Root>) -> Result<(), Box<dyn Error>> {
        let Renewing { routes, tls, log } = parts;
        let config = (self.read)(&self.config)?;
        if has_logins(&config) && !self.verifies_passwords {
            return Err(
                "basic-auth is new, and no process verifies passwords: restart needed".into(),
            );
        }
        let certificates = match &tls {
            Some(tls) => Some(tls.load(&config.hosts_certificates())?),
            None => None,
        };
        #[cfg(feature = "proxy")]
        let mounts = self.upstreams.mounts(&config)?;
        let mut opened = hosts::open_each(&config, Some(&*routes.site()))?;
        // From here on nothing fails.
        #[cfg(feature = "upload")]
        move_uploads(&config, routes, &mut opened);
        #[cfg(feature = "proxy")]
        for mount in mounts {
            if let Some((_, host)) = opened.get_mut(mount.host) {
                mount.mount(host);
            }
        }
        hosts::keep_private(opened.iter_mut().map(|(_, host)| host.site()), &config);
        hosts::warn(opened.iter_mut().map(|(_, host)| host.site()), &config);
        let series = log.map(|log| log.follow_hosts(|| metrics::host_names(&config)));
        let mut series = series.unwrap_or_default().into_iter();
        let renewed = opened.into_iter().map(|(names, host)| RenewedHost {
            host,
            names: names.unwrap_or_default().to_vec(),
            series: series.next().unwrap_or_default(),
        });
        routes.renew(renewed.collect());
        routes.follow_rule_files(Instant::now());
        if let (Some(tls), Some(certificates)) = (tls, certificates) {
            tls.renew(certificates);
        }
        self.config = without_hosts(&config);
        Ok(())
    }
}

impl Reload<Root> for SettingsReloader {
    fn reload(&mut self, parts: Renewing<'_, Root>) -> Result<(), String> {
        self.renew(parts).map_err(|error| error.to_string())
    }
}

/// A configuration of the whole program alone.
fn without_hosts(config: &Config) -> Config {
    Config {
        hosts: Vec::new(),
        ..config.clone()
    }
}

fn has_logins(config: &Config) -> bool {
    let mut hosts = config.host_configs();
    hosts.any(|host| !host.rules.logins.is_empty())
}

/// Moves the directories for uploads to the next hosts, with the uploads that are open: those of the
/// configuration to the first host, that of a demo to the host with one of its names. A demo that is new has none.
#[cfg(feature = "upload")]
fn move_uploads(config: &Config, routes: &mut Routes<Root>, hosts: &mut [OpenedHost<'_>]) {
    let demo = UploadRule::demo(PathBuf::new()).path;
    for (number, ((names, host), site)) in hosts.iter_mut().zip(config.sites()).enumerate() {
        let rules = if number == 0 {
            &config.uploads[..]
        } else {
            &[]
        };
        let rules = rules.iter().map(|rule| &rule.path);
        let names = if number == 0 {
            &[]
        } else {
            names.unwrap_or_default()
        };
        for path in rules.chain(site.demo.then_some(&demo)) {
            if let Some(handler) = routes.unmount(names, path) {
                host.mount(path, handler);
            }
        }
    }
}
