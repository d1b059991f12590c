//! Upstreams of the configuration: their names resolved, their handlers mounted.

use std::net::ToSocketAddrs;

use super::metrics::host_names;
use crate::config::Config;
use crate::proxy::{
    DialAddress, ProxyHandler, ProxyRule, Upstream, UpstreamAddress, UpstreamServer, UpstreamTrust,
    group,
};
use crate::routes::{Host, Routes};
use crate::world::Files;
use crate::world::files::Root;

/// Descriptors kept for upstream connections: an eighth of all at most, because each forwarded request has a
/// client's connection as well, and most clients are idle.
const SHARE: u64 = 8;

/// Looks the names of all upstreams up. They are asked for once, because asking waits; a name that means
/// another address later takes a restart.
pub(super) fn resolve(config: &Config) -> Result<Vec<ResolvedUpstream>, String> {
    let mut resolved = Vec::new();
    let trust = trust(config)?;
    let hosts = host_names(config);
    for (host, config) in config.host_configs().enumerate() {
        for rules in group(&config.proxies) {
            let servers = rules.iter().map(|rule| server(rule, trust.as_ref()));
            let servers = servers.collect::<Result<Vec<_>, String>>()?;
            if let Some(first) = rules.first() {
                if let Some(other) = rules.iter().find(|rule| rule.scheme != first.scheme) {
                    return Err(format!(
                        "{first} and {other} are servers of one path (--proxy), and speak two protocols; write one scheme for both"
                    ));
                }
                resolved.push(ResolvedUpstream {
                    host,
                    rule: (*first).clone(),
                    upstream: Upstream {
                        host: hosts.get(host).cloned().unwrap_or_default(),
                        mount: mount_name(first),
                        servers: told_apart(servers),
                    },
                });
            }
        }
    }
    Ok(resolved)
}

/// The path of a rule as metrics name it.
fn mount_name(rule: &ProxyRule) -> String {
    match rule.path.as_str() {
        "" => "/".into(),
        path => path.into(),
    }
}

/// Servers by names of their own: one that is named twice, to have twice as much to do, has a number.
fn told_apart(mut servers: Vec<UpstreamServer>) -> Vec<UpstreamServer> {
    let names: Vec<String> = servers.iter().map(|server| server.name.clone()).collect();
    for (place, server) in servers.iter_mut().enumerate() {
        let before = names.iter().take(place);
        let before = before.filter(|name| **name == server.name).count();
        if before > 0 {
            server.name = format!("{}#{}", server.name, before + 1);
        }
    }
    servers
}

/// An upstream whose names are looked up.
pub(super) struct ResolvedUpstream {
    /// The number of the host whose requests it takes.
    host: usize,
    rule: ProxyRule,
    upstream: Upstream,
}

/// The trusted authorities, where an upstream has TLS: nothing is read of them otherwise.
fn trust(config: &Config) -> Result<Option<UpstreamTrust>, String> {
    let mut rules = config.host_configs().flat_map(|host| &host.proxies);
    if !rules.any(|rule| rule.scheme.is_secure()) {
        return Ok(None);
    }
    let file = config.proxy_ca.as_deref();
    let trust = UpstreamTrust::new(file);
    let trust = trust.map_err(|error| format!("upstreams cannot be trusted (--proxy-ca): {error}"));
    trust.map(Some)
}

fn server(rule: &ProxyRule, trust: Option<&UpstreamTrust>) -> Result<UpstreamServer, String> {
    let tls = match (&rule.address, trust) {
        (UpstreamAddress::Host(host, _), Some(trust)) if rule.scheme.is_secure() => {
            let tls = trust.server(rule.scheme, host);
            Some(tls.ok_or_else(|| format!("no certificate can be for '{host}' (--proxy)"))?)
        }
        _ => None,
    };
    let addresses = match &rule.address {
        UpstreamAddress::Unix(path) => vec![DialAddress::Unix(path.clone())],
        UpstreamAddress::Host(host, port) => {
            let found = (host.as_str(), *port).to_socket_addrs().map_err(|error| {
                format!("cannot find the upstream {rule} (--proxy): {error}; name an address, or a host that has one")
            })?;
            let mut addresses = Vec::new();
            for found in found.map(DialAddress::Tcp) {
                if !addresses.contains(&found) {
                    addresses.push(found);
                }
            }
            addresses
        }
    };
    Ok(UpstreamServer {
        name: rule.to_string(),
        scheme: rule.scheme,
        tls,
        addresses,
    })
}

/// Mounts a handler for each upstream, and returns the upstreams by their numbers.
pub(super) fn mount<F: Files>(
    resolved: Vec<ResolvedUpstream>,
    mut routes: Routes<F>,
) -> (Routes<F>, Vec<Upstream>) {
    let mut upstreams = Vec::new();
    for ResolvedUpstream {
        host,
        rule,
        upstream,
    } in resolved
    {
        if let Some(host) = routes.host(host) {
            let handler = ProxyHandler::new(upstreams.len(), &rule, host.site().common_fields());
            host.mount(&rule.path, Box::new(handler));
        }
        upstreams.push(upstream);
    }
    (routes, upstreams)
}

/// The upstreams of a running server: their names are looked up, and the sandbox lets their ports be dialled.
pub(super) struct KnownUpstreams(Vec<Vec<String>>);

/// A place for a handler of an upstream.
pub(super) struct UpstreamMount {
    /// The number of the host.
    pub host: usize,
    pub rule: ProxyRule,
    /// The number of the upstream.
    upstream: usize,
}

impl KnownUpstreams {
    /// The upstreams of a configuration, in the order in which [`resolve`] has them.
    pub fn of(config: &Config) -> Self {
        let hosts = config.host_configs();
        let groups = hosts.flat_map(|host| group(&host.proxies));
        KnownUpstreams(groups.map(|rules| urls(&rules)).collect())
    }

    /// The handlers of another configuration. The error names the first upstream that is not known.
    pub fn mounts(&self, config: &Config) -> Result<Vec<UpstreamMount>, String> {
        let mut mounts = Vec::new();
        for (host, config) in config.host_configs().enumerate() {
            for rules in group(&config.proxies) {
                let Some(rule) = rules.first() else {
                    continue;
                };
                let servers = urls(&rules);
                let upstream = self.0.iter().position(|known| *known == servers);
                let upstream = upstream.ok_or_else(|| {
                    format!(
                        "the upstream {} of '{}/' is none of those at the start: restart needed",
                        servers.join(" and "),
                        rule.path
                    )
                })?;
                mounts.push(UpstreamMount {
                    host,
                    rule: (*rule).clone(),
                    upstream,
                });
            }
        }
        Ok(mounts)
    }
}

impl UpstreamMount {
    /// Mounts the handler on its host.
    pub fn mount(&self, host: &mut Host<Root>) {
        let common = host.site().common_fields();
        let handler = ProxyHandler::new(self.upstream, &self.rule, common);
        host.mount(&self.rule.path, Box::new(handler));
    }
}

fn urls(rules: &[&ProxyRule]) -> Vec<String> {
    rules.iter().map(ToString::to_string).collect()
}

/// Of `limit` descriptors, those that upstream connections leave to others.
pub(super) fn left_of(limit: Option<u64>, config: &Config) -> Option<u64> {
    let wanted = wanted(config) as u64;
    limit.map(|limit| limit - wanted.min(limit / SHARE))
}

/// Upstream connections that there may be.
pub(super) fn wanted(config: &Config) -> usize {
    let servers: usize = config.host_configs().map(|host| host.proxies.len()).sum();
    servers.saturating_mul(config.server.upstreams.connections)
}
