//! The hosts of a configuration, opened: a tree of files and a site for each, with their names.

use std::error::Error;
use std::rc::Rc;

use super::own_files;
use crate::config::{Config, HostConfig, NamedHost};
use crate::routes::{Host, Routes};
use crate::rules::Rules;
use crate::site::Site;
use crate::world::files::Root;

/// Opens the sites of all hosts.
pub(super) fn open(config: &Config) -> Result<Routes<Root>, Box<dyn Error>> {
    let site = |config: &NamedHost| -> Result<_, Box<dyn Error>> {
        let files = Root::open(&config.host.site.root);
        files.map_err(|error| of_host(config, error.into()))
    };
    match config.hosts.split_first() {
        None => {
            let files = Root::open(&config.host.site.root)?;
            let site = Site::new(files, &config.host.site)?;
            Ok(Routes::from(host(site, &config.host)))
        }
        Some((default, others)) => {
            let opened = Site::new(site(default)?, &default.host.site);
            let opened = opened.map_err(|error| of_host(default, error.into()))?;
            let mut routes = Routes::from(host(opened, &default.host));
            routes.name_default(&default.names);
            for other in others {
                let opened = Site::beside(routes.site(), site(other)?, &other.host.site);
                let opened = opened.map_err(|error| of_host(other, error.into()))?;
                routes.add_host(host(opened, &other.host), &other.names);
            }
            Ok(routes)
        }
    }
}

/// A host over its site.
fn host(mut site: Site<Root>, config: &HostConfig) -> Host<Root> {
    if config.rules.serves_rule_files {
        site.serve_rule_files();
    }
    Host::from(site).with_rules(Rules::new(&config.rules))
}

/// Has no site serve the server's own files, which are there by now.
pub(super) fn keep_private(routes: &mut Routes<Root>, config: &Config) {
    let own: Rc<[_]> = own_files::own_files(config).into();
    for site in routes.sites() {
        site.tree().keep_private(own.clone());
    }
}

/// Warns of files in a state that the operator can hardly want.
pub(super) fn warn(routes: &mut Routes<Root>, config: &Config) {
    for warning in config.host_configs().flat_map(|host| host.rules.warnings()) {
        log::warn!("{warning}");
    }
    let mut roots = config.sites().map(|site| &site.root);
    for site in routes.sites() {
        site.tree().warn_of_private();
        let complaints = roots.next().map(|root| site.complaints(root));
        for complaint in complaints.into_iter().flatten() {
            log::warn!("{complaint}");
        }
    }
}

/// The most hosts that are told one by one at the start.
const MOST_TOLD: usize = 20;

/// The directory that is served, or the number of hosts.
pub(super) fn summary(config: &Config) -> String {
    match config.hosts.as_slice() {
        [] => config.host.site.root.display().to_string(),
        [_] => "one host".into(),
        hosts => format!("{} hosts", hosts.len()),
    }
}

/// A line for each of the first hosts: its names and its directory.
pub(super) fn lines(config: &Config) -> Vec<String> {
    let line = |(at, named): (usize, &NamedHost)| {
        let names: Vec<_> = named.names.iter().map(ToString::to_string).collect();
        let root = named.host.site.root.display();
        let names = names.join(" ");
        match at {
            0 if config.hosts.len() > 1 => format!("  {names} and all others: {root}\n"),
            _ => format!("  {names}: {root}\n"),
        }
    };
    let told = config.hosts.iter().enumerate().take(MOST_TOLD);
    let mut lines: Vec<_> = told.map(line).collect();
    let rest = config.hosts.len().saturating_sub(MOST_TOLD);
    if rest > 0 {
        lines.push(format!("  and {rest} more\n"));
    }
    lines
}

/// An error with the name of the host that it is about.
fn of_host(host: &NamedHost, error: Box<dyn Error>) -> Box<dyn Error> {
    match host.names.first() {
        Some(name) => format!("the host {name}: {error}").into(),
        None => error,
    }
}
