//! The configuration of a running server, read again: first everything that may fail, then the change, which
//! cannot.

use std::error::Error;
use std::time::Instant;

#[cfg(feature = "upload")]
use super::uploads::{self, KnownUploads};
#[cfg(feature = "proxy")]
use super::upstreams::KnownUpstreams;
use super::{hosts, metrics};
use crate::config::Config;
use crate::routes::RenewedHost;
use crate::server::{Reload, Renewing};
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
    /// The directories that are open now.
    #[cfg(feature = "upload")]
    uploads: KnownUploads,
}

impl SettingsReloader {
    /// A reloader of a server that started with this configuration.
    pub fn new(config: &Config, read: ReadSettings) -> Self {
        SettingsReloader {
            read,
            verifies_passwords: has_logins(config),
            #[cfg(feature = "proxy")]
            upstreams: KnownUpstreams::of(config),
            #[cfg(feature = "upload")]
            uploads: KnownUploads::of(config),
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
        #[cfg(feature = "upload")]
        let moves = self.uploads.moves(&config)?;
        let mut opened = hosts::open_each(&config, Some(&*routes.site()))?;
        // From here on nothing fails.
        #[cfg(feature = "upload")]
        uploads::move_all(&moves, &config, routes, &mut opened);
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
        #[cfg(feature = "upload")]
        {
            self.uploads = KnownUploads::of(&config);
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
