//! One run: a server and its clients, from the first connection until all have left.

use super::clients::{self, Client};
use super::dialled::{Wait, Waiter};
use super::faults::{Counts, Fault, Faults};
use super::files::{self, SimFiles};
use super::identity::Identity;
use super::late::{self, LateHandler};
use super::network::Network;
use super::outside::{Outside, Room};
use super::reloads::SimReloader;
use super::rng::Rng;
use super::world::SimWorld;
use allocation_counter::measure;
use calmd::config::{Config, HostConfig};
use calmd::http::Scheme;
use calmd::routes::Routes;
use calmd::server::{EventLoop, Services};
use calmd::site::{self, Site};
use calmd::telemetry::access_log::AccessLog;
use calmd::telemetry::{AccessLogConfig, LogFormat};
use calmd::tls::TlsContext;
use calmd::world::Signal;
use calmd::world::memory_files::MemoryFiles;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Time by which every good client has got all, even if it had to try again often and to wait for other
/// clients to leave.
const GOOD_PATIENCE: Duration = Duration::from_secs(3600);

/// Time by which every good client has got all if no fault strikes and there is room for all. The
/// slowest take seven megabytes at twenty kilobytes a second.
const CALM_PATIENCE: Duration = Duration::from_secs(400);

/// Time after the last good client by which the server has forgotten all connections: the idle timeout,
/// and the time that it lingers.
const LAST_PATIENCE: Duration = Duration::from_secs(600);

/// Time by which the server has closed the connection of a client that left with all that it is due.
const LEAVE_PATIENCE: Duration = Duration::from_secs(10);

/// Time after the last good client by which no file is open, even if idle connections are. A client
/// that does not read has five minutes if there is room.
const FILE_PATIENCE: Duration = Duration::from_secs(420);

/// The most bytes that the server may hold for each connection: output that its peer does not read, and
/// input that waits for that. An echo may hold the connection's window in addition, in a buffer that
/// grows by doubling.
const CONNECTION_MEMORY: i64 = 128 << 10;

/// The most bytes that the server may hold beside connections and the files in memory: the buffers that
/// are lent to one connection after another, and the tables. 48 KiB of them are the field section, the list
/// of splices and the pages of errors, which have their room from the start, as have the eight field sections of
/// requests that are read together, of 38 KiB; 128 KiB are the slice of a file that is being hashed.
const SHARED_MEMORY: i64 = (720 + 8 * 38) << 10;

/// The most bytes of lines of the access log that wait for a disk.
const LOG_MEMORY: i64 = 256 << 10;

/// The most bytes that the server may hold in addition for the length of a turn: a file that is read as
/// a whole to be hashed, and its copy in the cache; buffers that grow.
const PASSING_MEMORY: i64 = 640 << 10;

/// Kind of run.
#[derive(Clone)]
pub enum Scenario {
    /// Clients of all kinds, a configuration by chance, sometimes an operator.
    Anything,
    /// A few good clients.
    Plain,
    /// The product's own client alone.
    Dialled(Rc<RefCell<Wait>>),
}

/// Result of a run that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    pub counts: Counts,
    /// Number of times that each kind of fault could have struck.
    pub opportunities: Vec<u64>,
    /// Time at which the last client had left.
    pub end: Duration,
}

/// A meter of the bytes that the server holds.
#[derive(Default)]
struct Meter {
    held: i64,
}

impl Meter {
    /// Runs a part of the server. Returns the most bytes that it held meanwhile.
    fn measure(&mut self, part: impl FnOnce()) -> i64 {
        let info = measure(part);
        let most = self.held + info.bytes_max as i64;
        self.held += info.bytes_current;
        most
    }
}

/// Time by which files that no response needs any more are closed: they rest for two seconds at most.
const REST_PATIENCE: Duration = Duration::from_secs(10);

/// Number of files that may be open to be hashed, though no response reads them.
const HASHED: usize = 1;

pub struct Run {
    event_loop: Option<EventLoop<SimWorld>>,
    pub outside: Rc<RefCell<Outside>>,
    clients: Rc<RefCell<Vec<Box<dyn Client>>>>,
    /// The tree is kept to the end, so that the server frees only memory of its own.
    _tree: MemoryFiles,
    meter: Meter,
    good_patience: Duration,
    /// True if no client has to wait for others to leave.
    has_room: bool,
    /// Bytes that the configuration allows beside the server's own memory: for files, for each
    /// connection, and for all connections.
    cache_memory: i64,
    connection_memory: i64,
    memory_limit: usize,
}

/// Runs a scenario to its end. Panics if a check fails.
pub fn run(scenario: Scenario, faults: Faults, rng: Rng, identity: &Identity) -> Report {
    let mut run = Run::new(scenario, faults, rng, identity);
    run.serve();
    run.empty();
    run.end();
    run.report()
}

impl Run {
    pub fn report(&self) -> Report {
        let outside = self.outside.borrow();
        let faults = &outside.network.faults;
        Report {
            counts: faults.counts(),
            opportunities: Fault::ALL
                .iter()
                .map(|fault| faults.opportunities(*fault))
                .collect(),
            end: outside.network.now,
        }
    }

    pub fn new(scenario: Scenario, faults: Faults, mut rng: Rng, identity: &Identity) -> Self {
        let (tree, contents) = files::build(&mut rng);
        let mut config = Config {
            host: HostConfig {
                site: site::Config {
                    demo: true,
                    ..site::Config::default()
                },
                ..HostConfig::default()
            },
            ..Config::default()
        };
        // The tables have room for that number from the start. It is small here, so that it hides no
        // leak.
        config.server.limits.max_connections = 1_000;
        config.server.timeouts.handler = late::TIMEOUT;
        let network = Network::new(faults, rng.fork(), 2);
        let mut outside = Outside::new(network, rng, contents, identity.trust());
        outside.contents.has_echo = true;
        let clients = match scenario {
            Scenario::Anything => {
                vary(&mut config, &mut outside);
                if outside.rng.chance(250) {
                    tree.slow_disk(outside.rng.pause(Duration::from_millis(300)));
                }
                if outside.rng.chance(250) {
                    tree.slow_names(outside.rng.pause(Duration::from_millis(300)));
                }
                clients::anybody(&mut outside)
            }
            Scenario::Plain => clients::good(&mut outside),
            Scenario::Dialled(wait) => vec![Box::new(Waiter(wait)) as Box<dyn Client>],
        };
        // Connections that clients have left still take places for a while.
        let places = config.server.limits.max_connections;
        if places < 20 * clients.len() || outside.descriptor_limit < usize::MAX {
            outside.room = outside.room.max(Room::Scarce);
        }
        let has_room = outside.room == Room::Ample;
        let calm = has_room && outside.network.faults.are_rare();
        let outside = Rc::new(RefCell::new(outside));
        let clients = Rc::new(RefCell::new(clients));
        let mut event_loop = None;
        let mut meter = Meter::default();
        meter.measure(|| {
            let files = || SimFiles::new(tree.clone(), outside.clone());
            let world = SimWorld::new(outside.clone(), clients.clone(), files());
            let site = Site::new(files(), &config.host.site).expect("a site");
            let log = config
                .access_log
                .as_ref()
                .map(|log| AccessLog::open(log).expect("a log"));
            let mut routes = Routes::from(site);
            routes.mount(late::PATH, Box::new(LateHandler::default()));
            let (tls, _) = TlsContext::open(&identity.files()).expect("a certificate");
            let services = Services::new(&world, routes, log, &config.server).with_tls(Some(tls));
            let listeners = [Scheme::Http, Scheme::Https];
            let mut new = EventLoop::new(world, services, &listeners);
            new.set_reloader(Box::new(SimReloader {
                tree: tree.clone(),
                outside: outside.clone(),
                site: config.host.site.clone(),
                certificate: identity.files(),
                readings: 0,
            }));
            event_loop = Some(new);
        });
        Run {
            event_loop,
            outside,
            clients,
            _tree: tree,
            meter,
            has_room,
            good_patience: if calm { CALM_PATIENCE } else { GOOD_PATIENCE },
            cache_memory: config.host.site.cache_memory as i64,
            memory_limit: config.server.limits.memory_bytes,
            connection_memory: if config.host.site.demo {
                CONNECTION_MEMORY + 2 * i64::from(config.server.http2.connection_window_size)
            } else {
                CONNECTION_MEMORY
            },
        }
    }

    /// Runs until every good client has got all, or the server was stopped.
    fn serve(&mut self) {
        while !self.is_stopped() && !self.is_content() {
            self.turn();
            let outside = self.outside.borrow();
            let late = outside.network.awake() > self.good_patience;
            assert!(!late, "good clients do not get done: {}", self.describe());
            let silent = outside.silent && !self.is_content();
            assert!(!silent, "the server sleeps for ever: {}", self.describe());
        }
    }

    fn is_content(&self) -> bool {
        self.clients
            .borrow()
            .iter()
            .all(|client| client.is_content())
    }

    /// Runs until the server has forgotten all connections.
    pub fn empty(&mut self) {
        let since = self.outside.borrow().network.awake();
        while !self.is_stopped() && self.connections() > 0 {
            self.turn();
            let outside = self.outside.borrow();
            let late = outside.network.awake() > since + LAST_PATIENCE || outside.silent;
            let held = || outside.network.held_by_server().collect::<Vec<_>>();
            assert!(!late, "the server holds {:?}: {}", held(), self.describe());
            let idle = self.has_room && outside.network.awake() > since + FILE_PATIENCE;
            assert!(
                !idle || outside.open_files <= HASHED,
                "files are open that nobody reads"
            );
        }
    }

    /// Ends the server, and lets all flights arrive.
    pub fn end(&mut self) {
        let since = self.outside.borrow().network.awake();
        while !self.is_stopped() && self.outside.borrow().open_files > HASHED {
            self.turn();
            let outside = self.outside.borrow();
            let late = outside.network.awake() > since + REST_PATIENCE || outside.silent;
            assert!(!late, "files are open that nobody reads");
        }
        let event_loop = self.event_loop.take();
        self.meter.measure(|| {
            if let Some(mut event_loop) = event_loop.filter(EventLoop::is_done) {
                event_loop.run().expect("there is nothing to poll for");
            }
        });
        assert_eq!(self.meter.held, 0, "bytes are held when the server is gone");
        assert_eq!(
            self.outside.borrow().open_files,
            0,
            "files are open when the server is gone"
        );
        let mut outside = self.outside.borrow_mut();
        let mut clients = self.clients.borrow_mut();
        let until = outside.network.now + Duration::from_secs(60);
        outside.step(&mut clients);
        while let Some(next) = outside.next_event(&clients).filter(|next| *next <= until) {
            outside.network.now = outside.network.now.max(next);
            outside.step(&mut clients);
        }
    }

    pub fn turn(&mut self) {
        let Some(event_loop) = &mut self.event_loop else {
            return;
        };
        let before = event_loop.connections();
        let mut result = Ok(());
        let most = self.meter.measure(|| result = event_loop.turn());
        result.expect("the poll does not fail");
        let connections = before.max(event_loop.connections());
        let accounts = event_loop.memory();
        let limit = self.memory_limit;
        assert!(accounts <= limit, "{accounts} bytes of {limit} are entered");
        assert!(
            accounts == 0 || event_loop.connections() > 0,
            "{accounts} bytes are nobody's"
        );
        let each = self.connection_memory * connections as i64;
        let bound = SHARED_MEMORY + LOG_MEMORY + self.cache_memory + each.min(limit as i64);
        let held = self.meter.held;
        assert!(
            held <= bound,
            "{held} bytes are held for {connections} connections, of {bound}, {} for the cache",
            self.cache_memory
        );
        let mut outside = self.outside.borrow_mut();
        if outside.room == Room::Tight && accounts > limit - limit / 8 {
            outside.network.faults.count(Fault::MemoryTight);
        }
        let overdue = outside.network.overdue(LEAVE_PATIENCE).collect::<Vec<_>>();
        assert!(
            overdue.is_empty(),
            "the server holds {overdue:?}, whose clients have left"
        );
        let passing = bound + PASSING_MEMORY;
        assert!(
            most <= passing,
            "{most} bytes are used for {connections} connections"
        );
    }

    fn connections(&self) -> usize {
        self.event_loop.as_ref().map_or(0, EventLoop::connections)
    }

    fn is_stopped(&self) -> bool {
        self.event_loop.as_ref().is_none_or(EventLoop::is_done)
    }

    fn describe(&self) -> String {
        let clients = self.clients.borrow();
        let waiting = clients.iter().filter(|client| !client.is_content());
        waiting
            .map(|client| client.describe())
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Draws a configuration and an operator.
fn vary(config: &mut Config, outside: &mut Outside) {
    let rng = &mut outside.rng;
    config.host.site.demo = rng.chance(700);
    outside.contents.has_echo = config.host.site.demo;
    config.host.site.cache_memory = *rng.pick(&[0, 20_000, 1 << 20]);
    let log = *rng.pick(&[None, Some("/dev/null"), Some("/dev/full")]);
    if log == Some("/dev/full") {
        outside.network.faults.count(Fault::LogFull);
    }
    config.access_log = log.map(|path| AccessLogConfig {
        file: Some(path.into()),
        format: LogFormat::Combined,
    });
    if rng.chance(250) {
        // Files are closed while their readers wait, and opened again.
        config.host.site.open_files = rng.between(1, 3);
    }
    if rng.chance(150) {
        config.server.limits.max_connections = rng.between(1, 6);
    }
    if rng.chance(150) {
        // Enough for one good client, and far too little for all clients.
        config.server.limits.memory_bytes = rng.between(50_000, 200_000);
        outside.room = Room::Tight;
        config.host.site.demo = false;
        outside.contents.has_echo = false;
    }
    if rng.chance(150) {
        outside.descriptor_limit = rng.between(1, 12);
    }
    let mut signals = Vec::new();
    if rng.chance(150) {
        signals.extend([Signal::Reload, Signal::ReopenLog, Signal::Stop]);
    }
    if rng.chance(250) {
        let reloads = rng.between(1, 12);
        signals.extend(std::iter::repeat_n(Signal::Reload, reloads));
    }
    let order = |signal| (outside.rng.pause(Duration::from_secs(3)), signal);
    outside.orders = signals.into_iter().map(order).collect();
    outside
        .orders
        .make_contiguous()
        .sort_unstable_by_key(|(at, _)| *at);
}
