//! The panel: its listeners, and the way in.

use std::error::Error;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::config::Config;
use crate::http::Scheme;
use crate::panel::{Door, OneTimeToken, Panel, is_public, read_users};
use crate::routes::Routes;
use crate::rules::Users;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::recent_lines::RecentRequests;
use crate::telemetry::standard_error;
use crate::world::files::Root;
use crate::world::os::OsWorld;
use crate::world::os::inherited::InheritedListener;
use crate::world::{ListenAddress, World};

/// The reason for which nothing secret can be made.
const NO_RANDOM_NUMBERS: &str = "the panel needs random numbers, and the system gives none";

/// A panel, and its URLs for a person.
pub(super) type OpenPanel = (Panel, Vec<String>);

/// The schemes of the panel's listeners, in their order.
pub(super) fn schemes(config: &Config) -> Vec<Scheme> {
    let http = config.panel.listen.iter().map(|_| Scheme::Http);
    let https = config.panel.listen_tls.iter().map(|_| Scheme::Https);
    let inherited = std::iter::repeat_n(Scheme::Http, config.panel.inherited);
    http.chain(https).chain(inherited).collect()
}

/// The access log as one whose last lines the panel has, and those lines.
pub(super) fn keep_lines(
    config: &Config,
    log: Option<AccessLog>,
) -> (Option<AccessLog>, Rc<RecentRequests>) {
    let recent = Rc::new(RecentRequests::default());
    if config.panel.is_off() {
        return (log, recent);
    }
    standard_error::keep_recent();
    (
        log.map(|log| log.keeping(recent.clone()).sampling()),
        recent,
    )
}

/// Opens the panel's listeners, behind all others, and the panel. Those that were handed down come last.
pub(super) fn open(
    config: &Config,
    inherited: Vec<InheritedListener>,
    world: &mut OsWorld<Root>,
    routes: &Routes<Root>,
    requests: Rc<RecentRequests>,
) -> Result<Option<OpenPanel>, Box<dyn Error>> {
    if config.panel.is_off() {
        return Ok(None);
    }
    let limits = &config.server.limits;
    let mut bound = Vec::new();
    for (address, scheme) in config.panel.addresses().zip(schemes(config)) {
        let unsent_bytes = match scheme {
            Scheme::Http => limits.unsent_bytes,
            Scheme::Https => limits.unsent_tls_bytes,
        };
        let address = world.listen(address, limits.unsent(unsent_bytes))?;
        bound.push((scheme, address));
    }
    for listener in inherited {
        let address = world.adopt(listener, limits.unsent(limits.unsent_bytes))?;
        if is_public(&address) {
            return Err(format!(
                "the inherited socket 'admin' listens on {address}, which others can reach, and passwords would go \
                 there in the clear; write ListenStream=127.0.0.1:9000 or a path in its socket unit"
            )
            .into());
        }
        bound.push((Scheme::Http, address));
    }
    let mut urls: Vec<String> = bound
        .iter()
        .map(|(scheme, address)| panel_url(*scheme, address))
        .collect();
    let door = match (&config.panel.users, routes.logins()) {
        (Some(file), Some(logins)) => Door::Users(Arc::new(users(file)?), logins),
        _ => {
            let token = OneTimeToken::new(browser_url(&bound)).ok_or(NO_RANDOM_NUMBERS)?;
            urls.push(format!("log in once: {}", token.link()));
            Door::Token(token)
        }
    };
    let panel = Panel::new(&config.panel, door, requests, world.now()).ok_or(NO_RANDOM_NUMBERS)?;
    Ok(Some((panel, urls)))
}

/// The users of a file, with warnings of what is a danger.
fn users(file: &Path) -> Result<Users, String> {
    let users = read_users(file)?;
    users
        .warnings
        .iter()
        .for_each(|warning| log::warn!("{warning}"));
    Ok(users)
}

/// Reads the users as a start would, and tells the addresses of the panel.
pub(super) fn check(config: &Config) -> Result<Vec<String>, String> {
    if let Some(file) = &config.panel.users {
        users(file)?;
    }
    let addresses = config.panel.addresses().zip(schemes(config));
    let urls = addresses.map(|(address, scheme)| panel_url(scheme, address));
    Ok(urls.collect())
}

fn panel_url(scheme: Scheme, address: &ListenAddress) -> String {
    format!("{} (the panel)", super::listeners::url(scheme, address))
}

/// The URL by which a browser on this machine reaches the first listener with a port. A Unix socket has no
/// URL: `ssh -L` gives it a port.
fn browser_url(bound: &[(Scheme, ListenAddress)]) -> String {
    let url = bound.iter().find_map(|(scheme, address)| match address {
        ListenAddress::Tcp(address) => Some(format!("{}://{address}", scheme.as_str())),
        ListenAddress::Unix(_) => None,
    });
    url.unwrap_or_else(|| "http://localhost:9000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_comes_with_an_address_that_a_browser_has() {
        let tcp = |text: &str| ListenAddress::Tcp(text.parse().unwrap());
        let socket = || ListenAddress::Unix("/run/panel".into());
        let both = [
            (Scheme::Http, socket()),
            (Scheme::Https, tcp("127.0.0.1:9443")),
        ];
        assert_eq!(browser_url(&both), "https://127.0.0.1:9443");
        let alone = [(Scheme::Http, socket())];
        assert_eq!(browser_url(&alone), "http://localhost:9000");
    }
}
