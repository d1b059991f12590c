//! The way from a request to what answers it: from its host to that host's handlers, and from its path to
//! one of these.
//!
//! ```text
//! request ─▶ HostTable: the host of :authority or Host ─▶ Host: handlers by path ─▶ the host's site
//! ```
//!
//! A handler is mounted at a path, and is asked for that path and for all beneath it, in the order of
//! mounting, until one does not pass the request on. Behind all of them is the site. A server of one site
//! has one host, which answers whatever host a request is for.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod host;
mod renewal;

pub use host::Host;
pub(crate) use host::RuledArrival;
pub use renewal::RenewedHost;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

#[cfg(any(feature = "proxy", feature = "upload"))]
use crate::content::DescriptorSupply;
use crate::content::Supply;
use crate::exchange::{Answer, Desk, FieldChanges, Handler, HostKey, Request, Response};
use crate::hosts::{HostPattern, HostTable};
use crate::http::{Field, Fields};
use crate::rules::LoginQueue;
use crate::site::{AnswerTrust, Site};
use crate::telemetry::metrics::Exposition;
use crate::world::{Files, HelpAnswer};

/// A function that adds families of metrics to an exposition.
pub type MetricsWriter = Box<dyn Fn(&mut Exposition)>;

/// The hosts of a server.
pub struct Routes<F: Files> {
    /// The host of requests for no other one. Its site keeps what the event loop has once: the reads of
    /// open files, the spare descriptors.
    default: Host<F>,
    /// The other hosts, by their numbers. A number without a host had one before the hosts were read again.
    others: Vec<Option<Host<F>>>,
    /// The names of all hosts; `None` where the default one is alone.
    table: Option<Box<HostTable<HostKey>>>,
    /// The host that was asked last.
    asked: HostKey,
    /// Hosts other than the default one whose sites have background work to do.
    working: Vec<u32>,
    /// The host that the reads of the event loop are lent to.
    lent: Option<u32>,
    /// Rules of one host at least.
    ruled: bool,
    /// Passwords that are being verified, where a host has basic authentication.
    logins: Option<Rc<RefCell<LoginQueue>>>,
    /// Calls of handlers that have sockets of their own.
    tended: Vec<Box<dyn FnMut()>>,
    /// Metrics of handlers.
    counted: Vec<MetricsWriter>,
}

impl<F: Files> From<Host<F>> for Routes<F> {
    /// One host for all requests.
    fn from(host: Host<F>) -> Self {
        Routes {
            ruled: host.has_rules(),
            default: host,
            others: Vec::new(),
            table: None,
            asked: HostKey::Default,
            working: Vec::new(),
            lent: None,
            logins: None,
            tended: Vec::new(),
            counted: Vec::new(),
        }
    }
}

impl<F: Files> From<Site<F>> for Routes<F> {
    /// A site, and the handlers that it brings, for all requests.
    fn from(site: Site<F>) -> Self {
        Routes::from(Host::from(site))
    }
}

impl<F: Files> Routes<F> {
    /// Names the default host, so that no wildcard of another one takes its requests.
    pub fn name_default(&mut self, names: &[HostPattern]) {
        self.enter(names, HostKey::Default);
    }

    /// Adds a host, made by [`Site::beside`] the default host's site, for the hosts of these names.
    pub fn add_host(&mut self, mut host: Host<F>, names: &[HostPattern]) {
        let number = u32::try_from(self.others.len()).unwrap_or(u32::MAX);
        self.enter(names, HostKey::Other(number));
        self.ruled |= host.has_rules();
        host.series = u16::try_from(number).map_or(u16::MAX, |it| it.saturating_add(1));
        self.others.push(Some(host));
    }

    fn enter(&mut self, names: &[HostPattern], host: HostKey) {
        let table = self.table.get_or_insert_default();
        for name in names {
            table.add(name, host);
        }
    }

    /// Mounts a handler on the default host; see [`Host::mount`].
    pub fn mount(&mut self, path: &str, handler: Box<dyn Handler<F>>) {
        self.default.mount(path, handler);
    }

    /// True if a host has rules: requests go through [`Routes::accept_ruled`].
    pub(crate) fn has_rules(&self) -> bool {
        self.ruled
    }

    /// Follows `_redirects` and `_headers` of all sites, before the first request.
    pub(crate) fn follow_rule_files(&mut self, now: Instant) {
        let others = self.others.iter_mut().flatten();
        for host in std::iter::once(&mut self.default).chain(others) {
            host.site.watch_rules();
            host.follow_rule_files(now);
            self.ruled |= host.has_rules();
        }
    }

    /// Adds the queue of passwords, for hosts with basic authentication.
    pub(crate) fn with_logins(mut self, logins: Option<LoginQueue>) -> Self {
        self.logins = logins.map(|logins| Rc::new(RefCell::new(logins)));
        self
    }

    /// Has a function called whenever bytes have come on a socket that the world watches for handlers
    /// (`OsWorld::watch_helper`). The function reads until there is nothing more, and wakes the requests that wait
    /// for it.
    pub fn tend(&mut self, call: Box<dyn FnMut()>) {
        self.tended.push(call);
    }

    /// Adds families of metrics to those of the server.
    pub fn count(&mut self, write: MetricsWriter) {
        self.counted.push(write);
    }

    /// Has handlers read what has come for them.
    pub(crate) fn take_news(&mut self) {
        for call in &mut self.tended {
            call();
        }
    }

    /// Takes the outcomes of passwords: requests that wait for them go on.
    pub(crate) fn take_passwords(&mut self, now: Instant) {
        if let Some(logins) = &self.logins {
            logins.borrow_mut().take_outcomes(now);
        }
    }

    /// Answers a request as the rules of its host want. One that is refused is the default host's. `changes` are
    /// those of the fields of the answer's head.
    pub(crate) fn accept_ruled(
        &mut self,
        request: &Request<'_>,
        arrival: &RuledArrival,
        desk: &mut Desk<'_>,
        changes: &mut Option<Rc<FieldChanges>>,
    ) -> Answer<F> {
        let host = match arrival.refusal {
            Some(_) => HostKey::Default,
            None => self.host_of(request),
        };
        // All hosts have one queue, which a panic below leaves in its place.
        let logins = self.logins.clone();
        let mut logins = logins.as_ref().map(|logins| logins.borrow_mut());
        let answer = self.ask(host, |host| {
            host.accept_ruled(request, arrival, logins.as_deref_mut(), desk, changes)
        });
        answer.unwrap_or(Answer::NotMine)
    }

    /// Answers a request.
    pub(crate) fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
        if self.table.is_none() {
            let answer = self.default.accept(request, desk);
            self.ruled |= self.default.has_rules();
            return answer;
        }
        let host = self.host_of(request);
        let answer = self.ask(host, |host| (host.accept(request, desk), host.has_rules()));
        let (answer, ruled) = answer.unwrap_or((Answer::NotMine, false));
        self.ruled |= ruled;
        answer
    }

    /// True if the host that was asked last answers equal requests alike until files change: it has a site alone.
    pub(crate) fn answers_alike(&self) -> bool {
        !self.ruled && self.asked_host().is_site_alone()
    }

    /// The trust in the last answer of the host that was asked last, if later ones may be equal.
    pub(crate) fn trust(&mut self) -> Option<AnswerTrust> {
        self.asked_site().trust()
    }

    /// True if the host that was asked last would answer as it did.
    pub(crate) fn trusts(&mut self, trust: AnswerTrust, now: Instant) -> bool {
        self.asked_site().trusts(trust, now)
    }

    /// Counts an answer with a file that the host knows that was asked last, which is given once more.
    pub(crate) fn count_hit(&mut self) {
        self.asked_site().count_hit();
    }

    /// The site of the host that was asked last.
    fn asked_site(&mut self) -> &mut Site<F> {
        let other = match self.asked {
            HostKey::Default => None,
            HostKey::Other(number) => self.others.get_mut(number as usize),
        };
        let host = other.and_then(Option::as_mut);
        &mut host.unwrap_or(&mut self.default).site
    }

    /// The host of a request.
    fn host_of(&self, request: &Request<'_>) -> HostKey {
        let found = self.table.as_ref().and_then(|table| {
            let authority = request.fields.authority()?;
            table.find(authority)
        });
        found.unwrap_or_default()
    }

    /// Asks a host.
    fn ask<T>(&mut self, host: HostKey, ask: impl FnOnce(&mut Host<F>) -> T) -> Option<T> {
        self.asked = host;
        match host {
            HostKey::Default => Some(ask(&mut self.default)),
            HostKey::Other(number) => {
                let answer = self.with_reads(number, ask);
                self.note_work(number);
                answer
            }
        }
    }

    /// Lends the reads of the event loop to another host.
    fn with_reads<T>(&mut self, number: u32, act: impl FnOnce(&mut Host<F>) -> T) -> Option<T> {
        let host = self.others.get_mut(number as usize)?.as_mut()?;
        host.site.swap_reads(&mut self.default.site);
        self.lent = Some(number);
        let done = act(host);
        self.take_reads_back();
        Some(done)
    }

    /// Gives the reads that are lent back to the default host.
    fn take_reads_back(&mut self) {
        let lent = self.lent.take();
        let lent = lent.and_then(|number| self.others.get_mut(number as usize));
        if let Some(Some(host)) = lent {
            host.site.swap_reads(&mut self.default.site);
        }
    }

    /// Remembers a host whose site has work to do.
    fn note_work(&mut self, number: u32) {
        let host = self.other(number);
        let has_work = host.is_some_and(|host| host.site.next_work().is_some());
        if has_work && !self.working.contains(&number) {
            self.working.push(number);
        }
    }

    /// The host of this number, if it still has one.
    fn other(&self, number: u32) -> Option<&Host<F>> {
        self.others.get(number as usize)?.as_ref()
    }

    /// The host that was asked last.
    pub(crate) fn asked(&self) -> HostKey {
        self.asked
    }

    /// The number by which requests of the host are counted that was asked last.
    pub(crate) fn asked_series(&self) -> u16 {
        self.asked_host().series
    }

    fn asked_host(&self) -> &Host<F> {
        let other = match self.asked {
            HostKey::Default => None,
            HostKey::Other(number) => self.other(number),
        };
        other.unwrap_or(&self.default)
    }

    /// Goes on with a request that this host was asked.
    pub(crate) fn turn_to(&mut self, host: HostKey) {
        self.asked = host;
    }

    /// The host of this number at the start: 0 is the default one, the others follow in the order of their adding.
    pub fn host(&mut self, number: usize) -> Option<&mut Host<F>> {
        match number.checked_sub(1) {
            None => Some(&mut self.default),
            Some(other) => self.others.get_mut(other)?.as_mut(),
        }
    }

    /// The default host's site.
    pub fn site(&mut self) -> &mut Site<F> {
        &mut self.default.site
    }

    /// The sites of all hosts, the default one's first.
    pub fn sites(&mut self) -> impl Iterator<Item = &mut Site<F>> {
        let others = self.others.iter_mut().flatten();
        let others = others.map(|host| &mut host.site);
        std::iter::once(&mut self.default.site).chain(others)
    }

    /// Reads of open files.
    pub(crate) fn reads(&mut self) -> &mut F::Reads {
        self.default.site.reads()
    }

    /// Work on files since the last call, in bytes of effort.
    pub(crate) fn take_effort(&mut self) -> usize {
        let effort = self.default.site.take_effort();
        match self.asked {
            HostKey::Default => effort,
            HostKey::Other(_) => effort + self.asked_host().site.take_tree_effort(),
        }
    }

    /// The built-in page of an error, for code that finds the error before a handler is asked. It is the
    /// default host's.
    pub(crate) fn error(&mut self, status: u16) -> Response<F> {
        self.asked = HostKey::Default;
        self.default.site.error(status)
    }

    /// An answer that is made elsewhere, and that no cache keeps.
    pub(crate) fn own_answer(
        &mut self,
        status: u16,
        about: Fields,
        content: Rc<[u8]>,
    ) -> Response<F> {
        self.asked = HostKey::Default;
        self.default.site.own_answer(status, about, content)
    }

    /// Memory of the caches of hot files of all hosts.
    #[cfg(feature = "panel")]
    pub(crate) fn cache_bytes(&self) -> usize {
        let others = self
            .others
            .iter()
            .flatten()
            .map(|host| host.site.cache_bytes());
        self.default.site.cache_bytes() + others.sum::<usize>()
    }

    /// The queue of passwords, if there is one.
    #[cfg(feature = "panel")]
    pub(crate) fn logins(&self) -> Option<Rc<RefCell<LoginQueue>>> {
        self.logins.clone()
    }

    /// Writes what the caches of files of all hosts hold and did.
    pub(crate) fn write_metrics(&self, text: &mut Exposition) {
        let others = self.others.iter().flatten().map(|host| &host.site);
        self.default.site.write_metrics(others, text);
        self.counted.iter().for_each(|write| write(text));
    }

    /// The fields that every response of the default host has, for responses that are made elsewhere.
    pub(crate) fn common_fields(&mut self) -> Rc<Fields> {
        self.asked = HostKey::Default;
        self.default.site.common_fields()
    }

    /// The field that responses over TLS of the host that was asked last have, and others must not have.
    pub(crate) fn secure_field(&self) -> Option<Field<'_>> {
        self.asked_host().site.secure_field()
    }

    /// The note of the supply of descriptors, for others who need some.
    #[cfg(any(feature = "proxy", feature = "upload"))]
    pub(crate) fn supply(&self) -> DescriptorSupply {
        self.default.site.supply()
    }

    /// The state of the supply of descriptors since the last call.
    pub(crate) fn take_supply(&mut self) -> Supply {
        self.default.site.take_supply()
    }

    /// True if caches have given memory back since the last call.
    pub(crate) fn take_freed(&mut self) -> bool {
        self.default.site.take_freed()
    }

    /// Closes files of all hosts that no response has needed for a while.
    pub(crate) fn close_rested(&self, now: Instant) {
        self.default.site.close_rested(now);
    }

    /// Time until [`Routes::close_rested`] has something to do.
    pub(crate) fn until_rested(&self, now: Instant) -> Option<Duration> {
        self.default.site.until_rested(now)
    }

    /// Time until the next background work is due; `None` while there is none.
    pub(crate) fn next_work(&self) -> Option<Duration> {
        let of = |number: &u32| self.other(*number)?.site.next_work();
        let others = self.working.iter().filter_map(of);
        others.chain(self.default.site.next_work()).min()
    }

    /// Does a slice of the background work, of some 25 µs, for one of the hosts that have some.
    pub(crate) fn work(&mut self) {
        let Some(number) = self.working.pop() else {
            self.default.site.work();
            return;
        };
        self.with_reads(number, |host| host.site.work());
        // They take turns: it goes behind the others, and the default host has a slice as well.
        if let Some(host) = self.other(number)
            && host.site.next_work().is_some()
        {
            self.working.insert(0, number);
        }
        self.default.site.work();
    }

    /// Takes an answer of the helper process that no request waits for.
    pub(crate) fn handle_help(&mut self, answer: HelpAnswer) {
        for number in 0..u32::try_from(self.others.len()).unwrap_or(u32::MAX) {
            self.with_reads(number, |host| host.site.handle_help(answer));
            self.note_work(number);
        }
        self.default.site.handle_help(answer);
    }

    /// The wall clock was set back.
    pub(crate) fn handle_clock_set_back(&mut self) {
        self.sites().for_each(Site::handle_clock_set_back);
    }

    /// Forgets all caches after a panic, which may have left one of them half changed.
    pub(crate) fn recover(&mut self) {
        self.take_reads_back();
        self.sites().for_each(Site::recover);
    }

    /// Forgets all that is known of files.
    pub(crate) fn forget(&mut self) {
        self.sites().for_each(Site::forget);
    }

    /// Looks everything up anew at once.
    pub(crate) fn reload(&mut self, now: Instant) {
        self.sites().for_each(|site| site.reload(now));
    }
}

#[cfg(test)]
mod tests;
