//! A configuration that is read again at random moments: the hosts are made anew, a second one comes and goes, and
//! some readings fail.

use super::files::SimFiles;
use super::late;
use super::outside::Outside;
use calmd::hosts::HostPattern;
use calmd::routes::{Host, RenewedHost};
use calmd::server::{Reload, Renewing};
use calmd::site::{self, Site};
use calmd::tls::{Certificate, HostCertificates};
use calmd::world::memory_files::MemoryFiles;
use std::cell::RefCell;
use std::rc::Rc;

/// The reader of the configuration.
pub struct SimReloader {
    pub tree: MemoryFiles,
    pub outside: Rc<RefCell<Outside>>,
    pub site: site::Config,
    pub certificate: Certificate,
    /// The number of readings so far.
    pub readings: u32,
}

impl Reload<SimFiles> for SimReloader {
    fn reload(&mut self, parts: Renewing<'_, SimFiles>) -> Result<(), String> {
        self.readings += 1;
        if self.readings.is_multiple_of(3) {
            return Err("a mistake".into());
        }
        let files = || SimFiles::new(self.tree.clone(), self.outside.clone());
        let tls = parts.tls.expect("there is a listener for TLS");
        let certificates = tls.load(&[HostCertificates {
            names: &[],
            certificates: std::slice::from_ref(&self.certificate),
            client_auth: None,
        }]);
        let site = Site::instead_of(parts.routes.site(), files(), &self.site).expect("a site");
        let beside = Site::beside(&site, files(), &self.site).expect("a site");
        let mut host = Host::from(site);
        let late = parts.routes.unmount(&[], late::PATH);
        host.mount(late::PATH, late.expect("a handler that outlives its host"));
        let named = |host, name: &str| RenewedHost {
            host,
            names: vec![HostPattern::parse(name).expect("a name")],
            series: 0,
        };
        let mut hosts = vec![named(host, "sim")];
        if self.readings.is_multiple_of(2) {
            hosts.push(named(Host::from(beside), "other"));
        }
        parts.routes.renew(hosts);
        tls.renew(certificates.map_err(|error| error.to_string())?);
        Ok(())
    }
}
