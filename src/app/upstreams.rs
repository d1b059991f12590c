//! Upstreams of the configuration: their names resolved, their handlers mounted.

use std::net::ToSocketAddrs;

use crate::config::Config;
use crate::proxy::{
    DialAddress, ProxyHandler, ProxyRule, Upstream, UpstreamAddress, UpstreamServer, group,
};
use crate::routes::Routes;
use crate::world::Files;

/// Descriptors kept for upstream connections: an eighth of all at most, because each forwarded request has a
/// client's connection as well, and most clients are idle.
const SHARE: u64 = 8;

/// Looks the names of all upstreams up. They are asked for once, because asking waits; a name that means
/// another address later takes a restart.
pub(super) fn resolve(config: &Config) -> Result<Vec<ResolvedUpstream>, String> {
    let mut resolved = Vec::new();
    for (host, config) in config.host_configs().enumerate() {
        for rules in group(&config.proxies) {
            let servers = rules.iter().map(|rule| server(&rule.address));
            let servers = servers.collect::<Result<Vec<_>, String>>()?;
            if let Some(first) = rules.first() {
                resolved.push(ResolvedUpstream {
                    host,
                    rule: (*first).clone(),
                    upstream: Upstream { servers },
                });
            }
        }
    }
    Ok(resolved)
}

/// An upstream whose names are looked up.
pub(super) struct ResolvedUpstream {
    /// The number of the host whose requests it takes.
    host: usize,
    rule: ProxyRule,
    upstream: Upstream,
}

fn server(address: &UpstreamAddress) -> Result<UpstreamServer, String> {
    let addresses = match address {
        UpstreamAddress::Unix(path) => vec![DialAddress::Unix(path.clone())],
        UpstreamAddress::Host(host, port) => {
            let found = (host.as_str(), *port).to_socket_addrs().map_err(|error| {
                format!("cannot find the upstream {address} (--proxy): {error}; name an address, or a host that has one")
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
        name: address.to_string(),
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
