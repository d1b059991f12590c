//! The hosts of a configuration, opened: a tree of files and a site for each, with their names.

use std::error::Error;

use super::own_files;
use crate::config::{Config, HostConfig, NamedHost};
use crate::hosts::HostPattern;
use crate::routes::{Host, Routes};
use crate::rules::Rules;
use crate::site::Site;
use crate::world::files::{OwnFiles, Root};

/// Opens the sites of all hosts.
pub(super) fn open(config: &Config) -> Result<Routes<Root>, Box<dyn Error>> {
    let mut hosts = open_each(config, None)?.into_iter();
    // There is one at least.
    let (names, default) = hosts.next().ok_or("there is no host")?;
    let mut routes = Routes::from(default);
    if let Some(names) = names {
        routes.name_default(names);
    }
    for (names, host) in hosts {
        routes.add_host(host, names.unwrap_or_default());
    }
    Ok(routes)
}

/// The names of a host, none for a host that is alone, and its site with its rules.
pub(super) type OpenedHost<'c> = (Option<&'c [HostPattern]>, Host<Root>);

/// Opens the sites of all hosts, beside those of a running server in a sandbox, if its first one is given.
pub(super) fn open_each<'c>(
    config: &'c Config,
    running: Option<&Site<Root>>,
) -> Result<Vec<OpenedHost<'c>>, Box<dyn Error>> {
    let alone = config.hosts.is_empty().then_some((None, &config.host));
    let named = config.hosts.iter();
    let named = named.map(|named| (Some(named.names.as_slice()), &named.host));
    let mut hosts: Vec<OpenedHost<'c>> = Vec::with_capacity(config.hosts.len().max(1));
    for (names, config) in alone.into_iter().chain(named) {
        let first = hosts.first_mut().map(|(_, first)| &*first.site());
        let opened = open_site(config, first, running);
        let site = opened.map_err(|error| of_host(names.unwrap_or_default(), error))?;
        hosts.push((names, host(site, config)));
    }
    Ok(hosts)
}

fn open_site(
    config: &HostConfig,
    first: Option<&Site<Root>>,
    running: Option<&Site<Root>>,
) -> Result<Site<Root>, Box<dyn Error>> {
    let files = Root::open(&config.site.root)?;
    if running.is_some() {
        files.check_sandbox()?;
    }
    Ok(match (first, running) {
        (Some(first), _) => Site::beside(first, files, &config.site)?,
        (None, Some(running)) => Site::instead_of(running, files, &config.site)?,
        (None, None) => Site::new(files, &config.site)?,
    })
}

/// A host over its site.
fn host(mut site: Site<Root>, config: &HostConfig) -> Host<Root> {
    if config.rules.serves_rule_files {
        site.serve_rule_files();
    }
    Host::from(site).with_rules(Rules::new(&config.rules))
}

/// Has no site serve the server's own files, which are there by now.
pub(super) fn keep_private<'s>(sites: impl Iterator<Item = &'s mut Site<Root>>, config: &Config) {
    let own = OwnFiles::from(own_files::own_files(config));
    for site in sites {
        site.tree().keep_private(own.clone());
    }
}

/// Warns of files in a state that the operator can hardly want. The sites are in the order of the configuration.
pub(super) fn warn<'s>(sites: impl Iterator<Item = &'s mut Site<Root>>, config: &Config) {
    for warning in config.host_configs().flat_map(|host| host.rules.warnings()) {
        log::warn!("{warning}");
    }
    for (site, config) in sites.zip(config.sites()) {
        site.tree().warn_of_private();
        for complaint in site.complaints(&config.root) {
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
fn of_host(names: &[HostPattern], error: Box<dyn Error>) -> Box<dyn Error> {
    match names.first() {
        Some(name) => format!("the host {name}: {error}").into(),
        None => error,
    }
}
