//! Hosts as they were given, and the configurations that they make.

use super::{ConfigDraft, FilePlace, GivenSettings, Mistake, Scope, Setting, all};
use crate::config::{Config, NamedHost};
use crate::hosts::HostPattern;

/// The least memory for hot files of a host that does not say how much it has: a few pages with their
/// styles.
const LEAST_CACHE: usize = 64 << 10;

/// One host, with the settings that it has for itself.
#[derive(Clone, Debug)]
pub struct GivenHost {
    /// The place where it stands.
    pub place: FilePlace,
    /// Its names.
    pub names: Vec<HostPattern>,
    /// Its part among the hosts.
    pub role: HostRole,
    /// The settings that it does not have from the top level.
    pub settings: GivenSettings,
}

/// The part of a host among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRole {
    /// It has the requests for names that no host has.
    Default,
    /// It has the requests for its names.
    Other,
}

impl GivenHost {
    /// A host without settings.
    pub fn new(place: FilePlace, names: Vec<HostPattern>, role: HostRole) -> Self {
        GivenHost {
            place,
            names,
            role,
            settings: GivenSettings::default(),
        }
    }

    /// True if the host has a setting of the top level. Certificates and keys are pairs, so a host has
    /// both from there or none.
    pub(super) fn inherits(&self, setting: &Setting) -> bool {
        if ["cert", "key"].contains(&setting.name) {
            let mut pair = ["cert", "key"].into_iter();
            return pair.all(|name| self.settings.values(name).is_none());
        }
        self.settings.values(setting.name).is_none()
    }
}

/// The memory for hot files of each of so many hosts that do not say how much they have.
pub(super) fn cache_share(memory: usize, hosts: usize) -> usize {
    (memory / hosts).max(LEAST_CACHE.min(memory))
}

/// The hosts, the default one first. A setting that a host does not have is that of the top level, which
/// `given` has; one that neither has is that of `base`. `program` has the listeners.
pub(super) fn resolve(
    given: &GivenSettings,
    base: &Config,
    program: &Config,
) -> Result<Vec<NamedHost>, Mistake> {
    let mut hosts = Vec::with_capacity(given.hosts.len());
    for host in &given.hosts {
        let mut draft = ConfigDraft::new(base.clone());
        draft.config.host.rules = host.settings.rules.clone();
        for setting in all().filter(|setting| setting.scope == Scope::Host) {
            let own = host.settings.entry(setting.name);
            let inherited = || given.entry(setting.name).filter(|_| host.inherits(setting));
            if let Some(entry) = own.or_else(inherited) {
                entry.put_into(&mut draft)?;
            }
        }
        let config = draft.finish_host(program);
        let mut config = config.map_err(|missing| host.settings.incomplete(missing))?;
        if host.settings.values("cache-memory").is_none() {
            // The memory that is given at the top level is that of all hosts.
            config.site.cache_memory = cache_share(config.site.cache_memory, given.hosts.len());
        }
        let named = NamedHost {
            names: host.names.clone(),
            host: config,
        };
        match host.role {
            HostRole::Default => hosts.insert(0, named),
            HostRole::Other => hosts.push(named),
        }
    }
    Ok(hosts)
}
