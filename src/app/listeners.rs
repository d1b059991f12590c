//! The listeners of a configuration, opened: those that were handed down, those of the sites, those for metrics.

use std::error::Error;

use crate::config::Config;
#[cfg(feature = "panel")]
use crate::config::SocketPurpose;
use crate::http::Scheme;
use crate::world::files::Root;
use crate::world::os::OsWorld;
use crate::world::os::inherited::InheritedListener;
use crate::world::{ListenAddress, PeerSet};

/// Listeners that a world has, in the order of their numbers: those of the sites, then those for metrics.
#[derive(Default)]
pub(super) struct OpenListeners {
    /// The URL of each for a person.
    pub urls: Vec<String>,
    /// The schemes of those of the sites.
    pub schemes: Vec<Scheme>,
    /// Balancers that introduce clients, each set with the number of its listener.
    pub balancers: Vec<(usize, PeerSet)>,
    /// Listeners that were handed down for the panel. They are not open in the world yet.
    #[cfg(feature = "panel")]
    pub for_panel: Vec<InheritedListener>,
}

/// Opens the listeners, but for those of the panel. `inherited` are those that were handed down, in the order of the
/// configuration.
pub(super) fn open(
    config: &Config,
    inherited: Vec<InheritedListener>,
    world: &mut OsWorld<Root>,
) -> Result<OpenListeners, Box<dyn Error>> {
    let mut opened = OpenListeners::default();
    adopt(config, inherited, world, &mut opened)?;
    let limits = &config.server.limits;
    for (scheme, addresses, unsent_bytes) in [
        (Scheme::Http, &config.listen, limits.unsent_bytes),
        (Scheme::Https, &config.listen_tls, limits.unsent_tls_bytes),
    ] {
        for address in addresses {
            let bound = world.listen(address, limits.unsent(unsent_bytes))?;
            let number = opened.schemes.len();
            opened
                .balancers
                .push((number, config.balancers_of(address)));
            opened.urls.push(url(scheme, &bound));
            opened.schemes.push(scheme);
        }
    }
    for (address, number) in config.metrics.iter().zip(opened.schemes.len()..) {
        let bound = world.listen(address, limits.unsent(limits.unsent_bytes))?;
        opened
            .balancers
            .push((number, config.balancers_of(address)));
        opened.urls.push(metrics_url(&bound));
    }
    Ok(opened)
}

/// Takes over the listeners that were handed down.
fn adopt(
    config: &Config,
    inherited: Vec<InheritedListener>,
    world: &mut OsWorld<Root>,
    opened: &mut OpenListeners,
) -> Result<(), Box<dyn Error>> {
    let limits = &config.server.limits;
    for (socket, listener) in config.inherited.iter().zip(inherited) {
        #[cfg(feature = "panel")]
        if socket.purpose == SocketPurpose::Panel {
            opened.for_panel.push(listener);
            continue;
        }
        let unsent_bytes = match socket.scheme {
            Scheme::Http => limits.unsent_bytes,
            Scheme::Https => limits.unsent_tls_bytes,
        };
        let bound = world.adopt(listener, limits.unsent(unsent_bytes));
        let bound = bound.map_err(|error| {
            format!(
                "cannot listen on the inherited socket '{}': {error}",
                socket.name
            )
        })?;
        opened.urls.push(url(socket.scheme, &bound));
        opened.schemes.push(socket.scheme);
    }
    Ok(())
}

/// The name of a listener for a browser on this machine, and the addresses that reach it.
pub(super) fn url(scheme: Scheme, address: &ListenAddress) -> String {
    let scheme = scheme.as_str();
    match address {
        ListenAddress::Tcp(address) if address.ip().is_unspecified() => {
            let reach = if address.is_ipv4() {
                "all IPv4 addresses"
            } else {
                "all addresses"
            };
            format!("{scheme}://localhost:{} ({reach})", address.port())
        }
        ListenAddress::Tcp(address) => format!("{scheme}://{address}"),
        ListenAddress::Unix(socket) => format!("{scheme} on unix:{}", socket.path.display()),
    }
}

/// The name of a listener for metrics, for a person.
pub(super) fn metrics_url(address: &ListenAddress) -> String {
    let url = url(Scheme::Http, address);
    match url.split_once(" (") {
        Some((url, reach)) => format!("{url}/metrics ({reach}"),
        None if url.contains("://") => format!("{url}/metrics"),
        None => format!("{url}: metrics"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_for_metrics_is_told_with_its_path() {
        let tcp = |text: &str| metrics_url(&ListenAddress::Tcp(text.parse().unwrap()));
        assert_eq!(tcp("127.0.0.1:9100"), "http://127.0.0.1:9100/metrics");
        assert_eq!(
            tcp("[::]:9100"),
            "http://localhost:9100/metrics (all addresses)"
        );
        let socket = ListenAddress::Unix("/run/calmd-metrics".into());
        assert_eq!(
            metrics_url(&socket),
            "http on unix:/run/calmd-metrics: metrics"
        );
    }
}
