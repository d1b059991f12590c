//! `calmd check`: everything that starting would open, without listening and without leaving a trace.

use std::error::Error;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Instant;

use super::listeners::{metrics_url, url};
use super::{announcement, hosts};
use crate::config::Config;
use crate::http::Scheme;
use crate::routes::Routes;
use crate::rules::SiteRules;
use crate::tls::{self, Certificate, CertificateOrigin, TlsContext};
use crate::world::files::{Root, absolute};

/// Opens the site, the certificate, the ticket key and the log as a start would, warns as a start would, and tells what
/// would be served: by the rules of the settings file, whose table is given, and by those of the sites. Ports are not
/// tried, because the server may hold them, and no file is made.
pub fn check(config: &Config, rules: &str) -> Result<String, Box<dyn Error>> {
    let mut routes = hosts::open(config)?;
    #[cfg(feature = "upload")]
    super::uploads::check(config)?;
    let certificate = certificate(config)?;
    if let Some(key) = &config.host.ticket_key {
        tls::check_ticket_key(key)?;
    }
    let log = config.access_log.as_ref();
    if let Some(path) = log.and_then(|log| log.file.as_ref()) {
        writable(path).map_err(|reason| {
            format!(
                "the access log '{}' cannot be written: {reason}",
                path.display()
            )
        })?;
    }
    #[cfg(feature = "proxy")]
    super::upstreams::resolve(config)?;
    hosts::keep_private(routes.sites(), config);
    routes.follow_rule_files(Instant::now());
    hosts::warn(routes.sites(), config);
    let cleartext = config
        .listen
        .iter()
        .map(|address| url(Scheme::Http, address));
    let tls = config
        .listen_tls
        .iter()
        .map(|address| url(Scheme::Https, address));
    let metrics = config.metrics.iter().map(metrics_url);
    let urls = cleartext.chain(tls).chain(metrics);
    #[cfg(feature = "panel")]
    let urls = urls.chain(super::panel::check(config)?);
    let urls: Vec<String> = urls.collect();
    let told = announcement("would serve", config, &urls, certificate.as_ref());
    let of_sites = rules_of_sites(&mut routes, config);
    Ok(told + rules + &of_sites + "The settings are right.\n")
}

/// The rules that sites bring along, and the lines of theirs that are left out.
fn rules_of_sites(routes: &mut Routes<Root>, config: &Config) -> String {
    let mut text = String::new();
    for (site, config) in routes.sites().zip(config.sites()) {
        let texts = site.rule_texts();
        for (name, lines) in SiteRules::lines(&texts.redirects, &texts.headers) {
            if lines.is_empty() {
                continue;
            }
            text.push_str(&format!("  {}\n", config.root.join(name).display()));
            for line in lines {
                text.push_str(&format!("    {line}\n"));
            }
        }
    }
    text
}

/// The origin of the default host's certificate. One of our own is made at the first start, and not for a
/// check.
fn certificate(config: &Config) -> Result<Option<CertificateOrigin>, Box<dyn Error>> {
    if !config.has_tls() {
        return Ok(None);
    }
    let hosts = config.hosts_certificates();
    let given = |certificate: &&Certificate| matches!(certificate, Certificate::Files { .. });
    for certificate in hosts
        .iter()
        .flat_map(|host| host.certificates)
        .filter(given)
    {
        TlsContext::open(certificate)?;
    }
    for wish in hosts.iter().filter_map(|host| host.client_auth) {
        tls::check_client_auth(wish)?;
    }
    let first = hosts.first().and_then(|host| host.certificates.first());
    Ok(first.map(|first| match first {
        Certificate::Files { .. } => CertificateOrigin::Given,
        Certificate::SelfSigned { directory: None } => CertificateOrigin::Memory,
        Certificate::SelfSigned {
            directory: Some(directory),
        } => {
            let path = directory.join("localhost.pem");
            if path.exists() {
                CertificateOrigin::Kept(path)
            } else {
                CertificateOrigin::Made(path)
            }
        }
    }))
}

/// An error if a file cannot be appended to, or could not be made.
fn writable(path: &Path) -> io::Result<()> {
    match path.metadata() {
        // A FIFO or a device waits for its reader, so it is not opened.
        Ok(kind) if kind.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        Ok(kind) if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = absolute(path);
            let directory = path.parent().ok_or(io::ErrorKind::NotFound)?;
            directory.metadata().map(drop)
        }
        Err(error) => Err(error),
    }
}
