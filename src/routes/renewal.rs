//! Hosts that take the place of all hosts, while requests of the old ones are open.
//!
//! An exchange knows its host by a [`HostKey`], for the fields of a head that is made late. A host that has one of
//! its names in both configurations keeps its number, and a number that is free is given away a renewal later, so no
//! late head has the fields of another host.

use super::{Host, Routes};
use crate::exchange::{Handler, HostKey};
use crate::hosts::{HostPattern, HostTable};
use crate::world::Files;

/// A host of the new configuration.
pub struct RenewedHost<F: Files> {
    /// The host. The first one's site was made by [`Site::instead_of`](crate::site::Site::instead_of) the default
    /// host's, those of the others by [`Site::beside`](crate::site::Site::beside) the first one's.
    pub host: Host<F>,
    /// Its names; none where it is the only host.
    pub names: Vec<HostPattern>,
    /// The number by which its requests are counted.
    pub series: u16,
}

impl<F: Files> Routes<F> {
    /// Takes a handler off the host with one of these names, or off the default one where there are none, to mount
    /// it anew on the next host.
    pub fn unmount(&mut self, names: &[HostPattern], path: &str) -> Option<Box<dyn Handler<F>>> {
        let table = self.table.as_ref();
        let key = match names {
            [] => HostKey::Default,
            names => names.iter().find_map(|name| table?.value(name))?,
        };
        match key {
            HostKey::Default => self.default.unmount(path),
            HostKey::Other(number) => self
                .others
                .get_mut(number as usize)?
                .as_mut()?
                .unmount(path),
        }
    }

    /// Has these hosts in the place of all, the default one first. Requests that are open finish under what they
    /// began with. A host goes on with what was known of its files, and counted for its rules, where both are the
    /// same as before.
    pub fn renew(&mut self, hosts: Vec<RenewedHost<F>>) {
        self.take_reads_back();
        let mut hosts = hosts.into_iter();
        let Some(default) = hosts.next() else {
            return;
        };
        let table = self.table.take().unwrap_or_default();
        let free: Vec<bool> = self.others.iter().map(Option::is_none).collect();
        self.working.clear();
        (self.asked, self.ruled) = (HostKey::Default, false);
        if !default.names.is_empty() {
            self.enter(&default.names, HostKey::Default);
        }
        let mut site = default.host.numbered(default.series);
        site.site.swap_reads(&mut self.default.site);
        let others = self.others.iter_mut().map(Option::take).collect();
        let mut former = FormerHosts {
            table,
            default: Some(std::mem::replace(&mut self.default, site)),
            others,
        };
        let known = match default.names.as_slice() {
            [] => Some(HostKey::Default),
            names => former.key(names),
        };
        if let Some(known) = known.and_then(|known| former.take(known)) {
            self.default.follow(known);
        }
        self.default.site.lead();
        self.ruled |= self.default.has_rules();
        let (known, new): (Vec<_>, Vec<_>) = hosts
            .map(|host| (former.number(&host.names), host))
            .partition(|(number, _)| number.is_some());
        let mut new: Vec<_> = new.into_iter().map(|(_, host)| host).collect();
        for (number, host) in known {
            let place = number.filter(|number| matches!(self.others.get(*number), Some(None)));
            match place {
                Some(place) => self.put(place, host, &mut former),
                // Two hosts have names of the same old one.
                None => new.push(host),
            }
        }
        let mut places = free.iter().enumerate().filter(|(_, is_free)| **is_free);
        for host in new {
            let place = places.next().map_or(self.others.len(), |(at, _)| at);
            self.put(place, host, &mut former);
        }
    }

    fn put(&mut self, place: usize, renewed: RenewedHost<F>, former: &mut FormerHosts<F>) {
        let number = u32::try_from(place).unwrap_or(u32::MAX);
        self.enter(&renewed.names, HostKey::Other(number));
        let mut host = renewed.host.numbered(renewed.series);
        let known = former.key(&renewed.names);
        if let Some(known) = known.and_then(|known| former.take(known)) {
            host.follow(known);
        }
        host.site.join(&self.default.site);
        self.ruled |= host.has_rules();
        match self.others.get_mut(place) {
            Some(free) => *free = Some(host),
            None => self.others.push(Some(host)),
        }
        self.note_work(number);
    }
}

/// The hosts before a renewal.
struct FormerHosts<F: Files> {
    table: Box<HostTable<HostKey>>,
    default: Option<Host<F>>,
    others: Vec<Option<Host<F>>>,
}

impl<F: Files> FormerHosts<F> {
    /// The host with one of these names.
    fn key(&self, names: &[HostPattern]) -> Option<HostKey> {
        names.iter().find_map(|name| self.table.value(name))
    }

    /// The number of the host with one of these names.
    fn number(&self, names: &[HostPattern]) -> Option<usize> {
        names.iter().find_map(|name| match self.table.value(name)? {
            HostKey::Default => None,
            HostKey::Other(number) => Some(number as usize),
        })
    }

    /// The host itself, once.
    fn take(&mut self, key: HostKey) -> Option<Host<F>> {
        match key {
            HostKey::Default => self.default.take(),
            HostKey::Other(number) => self.others.get_mut(number as usize)?.take(),
        }
    }
}
