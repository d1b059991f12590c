//! The services that all connections share: handlers, logs, TLS, bounds, and the time.

use super::config::{Config, Limits, Timeouts};
use super::connection_age::ConnectionAge;
use super::head_lines::{HeadLines, LastLines};
use super::health::Health;
use super::known_answer::KnownAnswer;
use super::limit_log::{Limit, LimitLog};
use super::metrics::{DiskWaits, Metrics, Traffic};
use super::own_time::OwnTime;
use super::peer_name::PeerName;
use super::reload::Reload;
use super::request_ids::RequestIds;
#[cfg(feature = "proxy")]
use super::upstream::UpstreamLimits;
#[cfg(feature = "proxy")]
use crate::exchange::Calls;
use crate::exchange::{ClientClaim, Means, TrustedProxies, Wakes};
use crate::http::{Field, Fields, Patience, Scheme, date};
#[cfg(feature = "panel")]
use crate::panel::Panel;
use crate::panics::Panic;
#[cfg(feature = "proxy")]
use crate::proxy::Upstream;
use crate::routes::Routes;
use crate::telemetry::access_log::{AccessLog, Entry};
use crate::telemetry::notify::{Census, Notice, ServiceManager};
use crate::tls::TlsContext;
use crate::world::{Files, Peer, Polled, World};
use crate::{h1, h2};
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The state of looks into connections, which want to know a little of each before they come.
#[cfg(feature = "panel")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inspection {
    /// None will come.
    Off,
    /// The operator may look.
    On,
}

/// The services of a server: everything that its connections use, but for sockets.
pub struct Services<F: Files> {
    /// The answerers of requests.
    pub(super) routes: Routes<F>,
    /// Means of exchanges: wakes, the time, and the time that they have.
    pub(super) means: Means,
    /// The access log, if there is one.
    pub(super) log: Option<AccessLog>,
    /// The number of requests from which on the next one has an entry in the log: 0 where all have one.
    pub(super) told_from: u64,
    /// Certificate and sessions of TLS connections, where there is a listener for them.
    pub(super) tls: Option<TlsContext>,
    /// Counts for a listener for metrics, if there is one.
    pub(super) metrics: Option<Box<Metrics>>,
    /// The panel, if there is one.
    #[cfg(feature = "panel")]
    pub(super) panel: Option<Box<Panel>>,
    /// Bytes that sockets have brought and taken, in the time of the process.
    pub(super) traffic: Traffic,
    /// Waits of responses for a disk.
    pub(super) disk_waits: DiskWaits,
    /// Proxies whose word on clients is believed.
    trusted: TrustedProxies,
    /// Identifiers of requests, if they have any.
    pub(super) request_ids: Option<RequestIds>,
    /// The state of looks into connections.
    #[cfg(feature = "panel")]
    pub(super) inspection: Inspection,
    /// Health checks.
    pub(super) health: Health,
    /// The service manager that started the process, if it wants to be told.
    manager: Option<ServiceManager>,
    /// The reader of the configuration, where it can change while the server runs.
    pub(super) reloader: Option<Box<dyn Reload<F>>>,
    /// Lines of the fields of responses of HTTP/1.1.
    pub(super) head_lines: HeadLines,
    /// Lines of the head of HTTP/1.1 that an exchange gave last.
    pub(super) exchange_lines: LastLines<h1::FieldLines>,
    /// Number of requests since the start.
    pub(super) requests: u64,
    /// The limits that fired, for the operator.
    pub(super) limit_log: LimitLog,
    /// Bounds of HTTP/1.1.
    pub(super) http1: Arc<h1::Config>,
    /// The head of the last request of HTTP/1.1, of any connection.
    pub(super) last_request: h1::LastRequest,
    /// The answer to that request, if equal ones get it.
    pub(super) known_answer: Option<Box<KnownAnswer>>,
    /// Settings and bounds of HTTP/2.
    pub(super) http2: Arc<h2::Config>,
    /// Bounds of what a connection holds.
    pub(super) limits: Limits,
    /// Bounds of what a connection waits for.
    pub(super) timeouts: Timeouts,
    /// The age at which connections end, if they do.
    age: Option<ConnectionAge>,
    /// The upstreams by their numbers, and the bounds of connections to them.
    #[cfg(feature = "proxy")]
    pub(super) upstreams: (Vec<Upstream>, UpstreamLimits),
    /// The patience with peers that take or send too little.
    pub(super) patience: Patience,
    /// The time of this turn, by which everybody's deadlines are kept: the loop's own, from which its
    /// absences are taken out. Not to be mixed with [`World::now`].
    pub(super) now: Instant,
    time: OwnTime,
    /// The time of this turn by the machine's clock, with which what takes time is measured.
    pub(super) began: Instant,
    /// The time of day of this turn.
    pub(super) wall: SystemTime,
    date: Date,
}

impl<F: Files> Services<F> {
    /// Services for this configuration, by the clocks of `world`.
    pub fn new<W: World<Files = F>>(
        world: &W,
        routes: impl Into<Routes<F>>,
        log: Option<AccessLog>,
        config: &Config,
    ) -> Self {
        let (now, wall) = (world.now(), world.wall_clock());
        let Config {
            http1,
            http2,
            limits,
            timeouts,
            health,
            trusted_proxies,
            request_ids,
            #[cfg(feature = "proxy")]
            upstreams,
        } = config.derived();
        Services {
            routes: routes.into(),
            means: Means {
                wakes: Wakes::new(),
                #[cfg(feature = "proxy")]
                calls: Calls::new(),
                now,
                world_now: now,
                handler_timeout: config.timeouts.handler,
                effort: Default::default(),
            },
            log,
            told_from: 0,
            tls: None,
            metrics: None,
            #[cfg(feature = "panel")]
            panel: None,
            traffic: Traffic::default(),
            disk_waits: DiskWaits::default(),
            trusted: TrustedProxies::new(trusted_proxies),
            request_ids: RequestIds::new(request_ids),
            #[cfg(feature = "panel")]
            inspection: Inspection::Off,
            health: Health::new(health),
            manager: None,
            reloader: None,
            head_lines: HeadLines::default(),
            exchange_lines: LastLines::default(),
            requests: 0,
            limit_log: LimitLog::default(),
            http1: Arc::new(http1),
            last_request: h1::LastRequest::default(),
            known_answer: None,
            http2: Arc::new(http2),
            age: ConnectionAge::new(timeouts.connection_age),
            limits,
            timeouts,
            #[cfg(feature = "proxy")]
            upstreams: (Vec::new(), upstreams),
            patience: Patience::Ample,
            now,
            time: OwnTime::new(now),
            began: now,
            wall,
            date: Date::default(),
        }
    }

    /// Adds the certificate and the sessions of TLS, which listeners of that scheme need.
    pub fn with_tls(mut self, tls: Option<TlsContext>) -> Self {
        self.tls = tls;
        self
    }

    /// Adds the service manager, which is told when the server is ready and that it is alive.
    pub fn with_manager(mut self, manager: Option<ServiceManager>) -> Self {
        self.manager = manager;
        self
    }

    /// The client of a request of `peer`, which came by this scheme.
    pub(super) fn client_of<'a>(
        &mut self,
        fields: &'a Fields,
        peer: Peer,
        scheme: Scheme,
    ) -> ClientClaim<'a> {
        if self.trusted.is_empty() {
            return ClientClaim {
                peer,
                scheme,
                host: None,
            };
        }
        let (client, fault) = self.trusted.client(fields, peer, scheme);
        if let Some(fault) = fault {
            self.report(Limit::ForwardedField, peer, fault);
        }
        client
    }

    /// Forgets what is known of files and of heads, and gives back what requests have left for those that come next.
    pub(super) fn forget_known(&mut self) {
        self.routes.forget();
        #[cfg(feature = "proxy")]
        self.means.calls.forget_spare();
        self.means.wakes.forget_alarms();
        self.head_lines = HeadLines::default();
        self.exchange_lines = LastLines::default();
        self.last_request = h1::LastRequest::default();
        self.known_answer = None;
    }

    /// True if equal requests on a connection are of one client, and none has an identifier of its own.
    pub(super) fn tells_requests_alike(&self) -> bool {
        self.trusted.is_empty() && self.request_ids.is_none()
    }

    /// The identifier of a request of `peer`, if requests have any.
    pub(super) fn identify(&mut self, fields: &Fields, peer: Peer) -> Option<Rc<str>> {
        let ids = self.request_ids.as_mut()?;
        Some(ids.identify(fields, self.trusted.contains(peer)))
    }

    /// Tells the service manager, if there is one.
    pub(super) fn tell_manager(&mut self, notice: Notice) {
        if let Some(manager) = &mut self.manager {
            manager.tell(notice);
        }
    }

    /// Does what is due beside the connections, at the end of a turn with this number of them: tells the service
    /// manager, and reads certificates again that have changed.
    pub(super) fn tend(&mut self, connections: usize) {
        if let Some(manager) = &mut self.manager {
            let census = Census {
                connections,
                requests: self.requests,
            };
            manager.tend(self.began, census);
        }
        self.routes.close_rested(self.began);
        let tended = self.tls.as_mut().and_then(|tls| tls.tend(self.began));
        match tended {
            Some(Ok(_)) => log::info!("the certificate has changed, and was read again"),
            Some(Err(error)) => log::error!("the old certificate stays: {error}"),
            None => {}
        }
    }

    /// Time until [`Services::tend`] has something to do.
    pub(super) fn until_tending(&self) -> Option<Duration> {
        let manager = self.manager.as_ref();
        let manager = manager.and_then(|manager| manager.until_next(self.began));
        let tls = self.tls.as_ref();
        let tls = tls.and_then(|tls| tls.until_next_look(self.began));
        let files = self.routes.until_rested(self.began);
        manager.into_iter().chain(tls).chain(files).min()
    }

    /// Adds the upstreams that handlers call, by their numbers. Where there is any, clients of HTTP/2 are told that
    /// they may open tunnels (RFC 8441 §3): the SETTINGS of upstreams of HTTP/2 are not known before they are called.
    #[cfg(feature = "proxy")]
    pub fn with_upstreams(mut self, upstreams: Vec<Upstream>) -> Self {
        if !upstreams.is_empty() {
            Arc::make_mut(&mut self.http2).extended_connect = true;
        }
        self.upstreams.0 = upstreams;
        self
    }

    /// The time at which a connection that begins now has grown old, if connections do.
    pub(super) fn end_of_age(&mut self) -> Option<Instant> {
        let now = self.now;
        self.age.as_mut().map(|age| age.end(now))
    }

    /// Counts for a listener for metrics.
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(Box::new(metrics));
        self
    }

    /// Has connections keep facts that only a look into them needs.
    #[cfg(feature = "panel")]
    pub fn with_inspection(mut self) -> Self {
        self.inspection = Inspection::On;
        self
    }

    /// Begins to count for metrics, if they have rested until now.
    #[cfg(feature = "panel")]
    pub(super) fn begin_counting(&mut self) {
        if let Some(metrics) = &mut self.metrics {
            metrics.begin_counting();
        }
        if let Some(log) = &mut self.log {
            log.begin_counting();
        }
        self.follow_readers();
    }

    /// Has every request entered in the log, once the panel or a scraper has begun to ask for that.
    #[cfg(feature = "panel")]
    pub(super) fn follow_readers(&mut self) {
        if let Some(log) = &mut self.log
            && log.wants_all()
        {
            log.show_pending();
            self.told_from = 0;
        }
    }

    /// A second is over, by which samples of requests are bounded.
    #[cfg(feature = "panel")]
    pub(super) fn begin_second(&mut self) {
        let log = self.log.as_mut();
        self.told_from = log.map_or(u64::MAX, |log| log.begin_second(self.requests));
    }

    /// The entry of an answer of the server's own, where requests without one are counted.
    pub(super) fn entry_of_nobody(&self) -> Option<Box<Entry>> {
        #[cfg(feature = "panel")]
        if self.log.as_ref().is_some_and(AccessLog::is_sampling) {
            return Some(Box::new(Entry::of_nobody()));
        }
        None
    }

    /// Time since the start, as the panel tells it.
    #[cfg(feature = "panel")]
    pub(super) fn uptime(&self) -> Duration {
        let panel = self.panel.as_ref();
        panel.map_or(Duration::ZERO, |panel| panel.age(self.now))
    }

    /// Adds the panel.
    #[cfg(feature = "panel")]
    pub fn with_panel(mut self, panel: Panel) -> Self {
        self.panel = Some(Box::new(panel));
        self
    }

    /// A turn of the loop that began at [`Services::began`] ends at `now`.
    fn count_turn(&mut self, now: Instant) {
        if let Some(metrics) = &mut self.metrics {
            let length = now.saturating_duration_since(self.began);
            if metrics.is_counting() {
                metrics.turns.add(length, now);
            } else {
                metrics.turns.pass(length);
            }
        }
    }

    /// Notes that the loop is about to sleep, at `now` by the machine's clock: its work since the last sleep may have
    /// taken long.
    pub(super) fn end_turn(&mut self, now: Instant) {
        self.count_turn(now);
        self.time.work(now);
        self.set_now();
    }

    fn set_now(&mut self) {
        self.now = self.time.now();
        (self.means.now, self.means.world_now) = (self.now, self.time.world());
    }

    /// Takes the time, behind a poll that was to sleep for `timeout` at most: `now` by the machine's clock,
    /// `wall` as the time of day.
    pub(super) fn begin_turn(
        &mut self,
        timeout: Option<Duration>,
        polled: Polled,
        (now, wall): (Instant, SystemTime),
    ) {
        match timeout {
            Some(Duration::ZERO) => {
                self.count_turn(now);
                self.time.work(now);
            }
            _ => {
                if let Some(metrics) = &mut self.metrics {
                    metrics.turns.add_sleep();
                }
                self.time.sleep(now, timeout, polled.sleep);
            }
        }
        self.set_now();
        self.began = now;
        self.wall = wall;
        if date::seconds(self.wall) < self.date.second {
            self.routes.handle_clock_set_back();
        }
        self.date.update(self.wall);
    }

    /// Makes anew what a turn that panicked may have been about to change. Handlers of a library's user are
    /// their own affair.
    pub(super) fn recover(&mut self) {
        // Work on files until the panic was the crashed connection's, and no other connection is charged with it.
        self.routes.take_effort();
        self.routes.recover();
        self.known_answer = None;
        if let Some(log) = &mut self.log {
            log.recover();
        }
    }

    /// A panic was caught in a turn of `whom`.
    pub(super) fn report_panic(&mut self, whom: impl Display, panic: &Panic) {
        self.limit_log.report_panic(whom, panic, self.now);
    }

    /// The TLS session of a connection failed.
    pub(super) fn report_tls(&mut self, whom: PeerName, error: &rustls::Error) {
        self.limit_log.add(Limit::Tls);
        if let Some(metrics) = &mut self.metrics {
            metrics.tls.add_failure(error);
        }
        log::debug!("{whom}: TLS: {error}");
    }

    /// A limit fired for `peer`, as `what` says.
    pub(super) fn report(&mut self, limit: Limit, peer: Peer, what: &str) {
        self.limit_log.report(limit, peer, what, self.now);
    }

    /// The `date` field of a response.
    pub(super) fn date(&self) -> Field<'_> {
        Field::new(b"date", self.date.text.as_bytes())
    }

    /// Changes exactly when the text of [`Services::date`] changes.
    pub(super) fn date_tick(&self) -> u32 {
        self.date.second as u32
    }
}

/// The time of day in the form of HTTP, rendered once a second.
#[derive(Default)]
struct Date {
    second: u64,
    text: String,
}

impl Date {
    fn update(&mut self, time: SystemTime) {
        let second = date::seconds(time);
        if self.second != second || self.text.is_empty() {
            self.second = second;
            // In place: a new text every second could come to lie anywhere.
            self.text.clear();
            self.text.push_str(&date::format(time));
        }
    }
}
