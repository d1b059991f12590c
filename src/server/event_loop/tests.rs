//! Panics made on purpose, one in each phase of a connection, by a world whose sockets and files panic:
//! the connection is gone, nothing of it stays in a table, and another one is served on.

mod age;
mod coincidences;
mod cuts;
mod ends;
mod exchanges;
mod fairness;
#[cfg(feature = "panel")]
mod looks;
mod names;
#[cfg(debug_assertions)]
mod progress;
mod repeated;
mod test_world;
#[cfg(feature = "proxy")]
mod upstreams;

use super::*;
use crate::server::Config;
use crate::server::limit_log::Limit;
use crate::site::{self, Site};
use crate::tls::{Certificate, TlsContext};
use crate::world::Peer;
use crate::world::memory_files::MemoryFiles;
use std::cell::RefCell;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use test_world::{Shared, SocketCall, TestLink, TestOutside, TestWorld};

/// A loop with a good connection, which has had a response and is kept open, and a victim.
struct Bench {
    event_loop: EventLoop<TestWorld>,
    outside: TestOutside,
    files: MemoryFiles,
    good: Shared,
    victim: Shared,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A request for `/large`, of which the client will take everything, behind preface and SETTINGS.
fn h2_request() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]);
    bytes.extend([0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0]);
    let block = b"\x82\x86\x41\x01a\x44\x06/large";
    bytes.extend([0, 0, block.len() as u8, 1, 5, 0, 0, 0, 1]);
    bytes.extend(block);
    bytes
}

fn client_hello() -> Vec<u8> {
    let provider = Arc::new(crate::tls::provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut client =
        rustls::ClientConnection::new(Arc::new(config), "a".try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// A site that keeps no file in memory.
fn site() -> site::Config {
    site::Config {
        cache_memory: 0,
        ..site::Config::default()
    }
}

impl Bench {
    fn new() -> Bench {
        Self::with(Config::default(), site())
    }

    fn with(config: Config, site: site::Config) -> Bench {
        Self::made(config, site, |services| services)
    }

    /// A bench whose services are made complete by `complete`.
    fn made(
        config: Config,
        site: site::Config,
        complete: impl FnOnce(Services<MemoryFiles>) -> Services<MemoryFiles>,
    ) -> Bench {
        let files = MemoryFiles::new();
        files.write("index.html", "hello");
        files.write("large", vec![b'x'; 1 << 20]);
        let outside = TestOutside::default();
        let world = TestWorld {
            start: Instant::now(),
            outside: outside.clone(),
        };
        let site = Site::new(files.clone(), &site).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let certificate = Certificate::SelfSigned {
            directory: Some(directory.path().into()),
        };
        let (tls, _) = TlsContext::open(&certificate).unwrap();
        let services = Services::new(&world, site, None, &config).with_tls(Some(tls));
        #[cfg(feature = "panel")]
        let services = services.with_inspection();
        let listeners = [Scheme::Http, Scheme::Https];
        let mut bench = Bench {
            event_loop: EventLoop::new(world, complete(services), &listeners),
            outside,
            files,
            good: Shared::default(),
            victim: Shared::default(),
        };
        bench.good = bench.connect(0, GET, usize::MAX, None);
        bench.turns(3);
        bench.expect_good("200 OK");
        bench
    }

    fn connect(
        &self,
        listener: usize,
        bytes: &[u8],
        room: usize,
        at: Option<SocketCall>,
    ) -> Shared {
        let link = Rc::new(RefCell::new(TestLink {
            incoming: bytes.to_vec(),
            room,
            panics_at: at,
            ..TestLink::default()
        }));
        let mut outside = self.outside.0.borrow_mut();
        outside.backlog[listener].push_back(link.clone());
        outside.ready.push(Ready::Listener(listener));
        link
    }

    fn wake(&self, link: &Shared) {
        let token = link.borrow().token.expect("it was registered");
        self.outside.0.borrow_mut().ready.push(Ready::Socket {
            token,
            readable: true,
            read_closed: false,
        });
    }

    fn turns(&mut self, count: usize) {
        for _ in 0..count {
            self.event_loop.turn().unwrap();
        }
    }

    fn sleep(&mut self, time: Duration) {
        self.outside.0.borrow_mut().asleep += time;
    }

    fn expect_good(&mut self, text: &str) {
        let answer = std::mem::take(&mut self.good.borrow_mut().outgoing);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(text), "{answer:?}");
    }

    /// Only the good connection is left in all tables, and is served.
    fn expect_harmless(mut self) {
        assert!(self.victim.borrow().closed, "its socket is open");
        let total = self
            .event_loop
            .services
            .limit_log
            .total(Limit::InternalError);
        assert_eq!(total, 1, "it is counted");
        assert_eq!(self.event_loop.connections(), 1);
        assert_eq!(self.event_loop.handshaking, 0);
        self.good.borrow_mut().incoming = GET.to_vec();
        self.wake(&self.good);
        self.turns(2);
        self.expect_good("hello");
        let token = self.good.borrow().token.unwrap();
        let held = self.event_loop.connections.value(token).unwrap().memory();
        assert_eq!(self.event_loop.memory(), held, "the ledger has nobody else");
        assert_eq!(self.event_loop.deadlines.armed(), 1);
        assert_eq!(
            self.event_loop
                .addresses
                .count(Peer::Ip([192, 0, 2, 7].into())),
            1
        );
        let buffers = &self.event_loop.lent.buffers;
        assert!(buffers.read.capacity() > 0 && buffers.output.capacity() > 0);
        assert!(self.event_loop.lent.splices.is_empty());
        // A newcomer takes the victim's slot, and is served as well.
        let next = self.connect(0, GET, usize::MAX, None);
        self.turns(3);
        assert!(next.borrow().outgoing.ends_with(b"hello"));
    }

    /// The next read of a file panics, and no other.
    fn poison_files(&self) {
        self.files
            .before_reads(|_| resume_unwind(Box::new("a file panics on purpose")));
    }
}

#[test]
fn a_panic_while_it_is_accepted_costs_no_place_and_the_newcomer_comes_in_later() {
    let mut bench = Bench::new();
    bench.victim = bench.connect(0, GET, usize::MAX, Some(SocketCall::Accept));
    bench.turns(3);
    assert!(bench.victim.borrow().outgoing.is_empty());
    bench.sleep(Duration::from_secs(1));
    bench.turns(3);
    assert!(bench.victim.borrow().outgoing.ends_with(b"hello"));
    bench.victim.borrow_mut().ended = true;
    bench.wake(&bench.victim);
    bench.turns(3);
    bench.expect_harmless();
}

#[test]
fn a_panic_while_it_is_registered_ends_a_connection_and_no_other() {
    let mut bench = Bench::new();
    bench.victim = bench.connect(1, &client_hello(), usize::MAX, Some(SocketCall::Register));
    bench.turns(3);
    bench.expect_harmless();
}

#[test]
fn a_panic_before_its_first_byte_ends_a_connection_and_no_other() {
    let mut bench = Bench::new();
    bench.victim = bench.connect(0, GET, usize::MAX, Some(SocketCall::Read));
    bench.turns(3);
    bench.expect_harmless();
}

#[test]
fn a_panic_in_the_tls_handshake_ends_a_connection_and_no_other() {
    for call in [SocketCall::Read, SocketCall::Write] {
        let mut bench = Bench::new();
        bench.victim = bench.connect(1, &client_hello(), usize::MAX, Some(call));
        bench.turns(1);
        assert_eq!(bench.event_loop.handshaking, 1);
        bench.turns(3);
        bench.expect_harmless();
    }
}

#[test]
fn a_panic_while_http1_is_served_ends_a_connection_and_no_other() {
    let mut bench = Bench::new();
    bench.poison_files();
    bench.victim = bench.connect(0, GET, usize::MAX, None);
    bench.turns(3);
    bench.expect_harmless();
}

#[test]
fn a_panic_while_http2_is_served_ends_a_connection_and_no_other() {
    let mut bench = Bench::new();
    bench.victim = bench.connect(0, &h2_request(), 100_000, None);
    bench.turns(3);
    assert!(bench.victim.borrow().outgoing.len() > 50_000);
    bench.poison_files();
    bench.victim.borrow_mut().room = usize::MAX;
    bench.wake(&bench.victim);
    bench.turns(3);
    bench.expect_harmless();
}

#[test]
fn a_panic_at_a_reader_that_has_stalled_ends_a_connection_and_no_other() {
    let mut bench = Bench::new();
    bench.victim = bench.connect(0, &h2_request(), 1000, None);
    bench.turns(3);
    bench.victim.borrow_mut().panics_at = Some(SocketCall::Write);
    bench.wake(&bench.victim);
    bench.turns(3);
    bench.expect_harmless();
}

#[test]
fn a_panic_at_its_end_ends_a_connection_and_no_other() {
    let last = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut bench = Bench::new();
    bench.victim = bench.connect(0, last, usize::MAX, Some(SocketCall::ShutdownWrite));
    bench.turns(3);
    bench.expect_harmless();

    let mut bench = Bench::new();
    bench.victim = bench.connect(0, last, usize::MAX, None);
    bench.turns(3);
    // It lingers.
    bench.victim.borrow_mut().panics_at = Some(SocketCall::Read);
    bench.wake(&bench.victim);
    bench.turns(3);
    bench.expect_harmless();
}

#[test]
fn a_panic_while_its_socket_is_closed_harms_no_other_connection() {
    let mut bench = Bench::new();
    bench.victim = bench.connect(0, GET, usize::MAX, Some(SocketCall::Drop));
    bench.turns(3);
    bench.victim.borrow_mut().ended = true;
    bench.wake(&bench.victim);
    bench.turns(3);
    bench.expect_harmless();
}

#[test]
fn a_panic_at_a_deadline_ends_a_connection_and_no_other() {
    let mut bench = Bench::new();
    bench.victim = bench.connect(0, &h2_request(), 1000, None);
    bench.turns(3);
    bench.victim.borrow_mut().panics_at = Some(SocketCall::Write);
    // The good one stays awake.
    bench.sleep(Duration::from_secs(15));
    bench.good.borrow_mut().incoming = GET.to_vec();
    bench.wake(&bench.good);
    bench.turns(1);
    bench.sleep(Duration::from_secs(20));
    bench.turns(3);
    bench.expect_harmless();
}

#[test]
fn a_panic_when_the_disk_is_asked_again_ends_a_connection_and_no_other() {
    let mut bench = Bench::new();
    bench.victim = bench.connect(0, &h2_request(), usize::MAX, None);
    bench.files.slow_disk(Duration::from_millis(2));
    bench.turns(3);
    assert!(
        bench
            .event_loop
            .services
            .means
            .wakes
            .until_next(bench.event_loop.services.now)
            .is_some(),
        "it waits for the disk"
    );
    assert!(bench.victim.borrow().outgoing.len() < 1000);
    bench.files.advance(Duration::from_millis(20));
    bench.sleep(Duration::from_millis(20));
    bench.poison_files();
    bench.turns(3);
    bench.files.slow_disk(Duration::ZERO);
    bench.expect_harmless();
}

#[test]
fn panics_in_a_row_are_told_once_a_second_and_all_counted() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.connect(0, GET, usize::MAX, Some(SocketCall::Read));
        bench.turns(2);
    }
    assert_eq!(
        bench
            .event_loop
            .services
            .limit_log
            .total(Limit::InternalError),
        100
    );
    assert_eq!(bench.event_loop.connections(), 1);
}

/// Bytes that the server allocates while a frame of `len` bytes comes in pieces, its answer included.
fn allocated_for_a_frame(len: usize) -> u64 {
    let mut config = Config::default();
    config.http2.max_frame_size = (1 << 24) - 1;
    let site = site::Config {
        demo: true,
        ..site::Config::default()
    };
    let (window, memory) = (1 << 30, 1 << 30);
    config.http2.initial_window_size = window;
    config.http2.connection_window_size = window;
    config.limits.memory_bytes = memory;
    let mut bench = Bench::with(config, site);
    let mut opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    opening.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let block = b"\x83\x86\x41\x01a\x44\x05/echo";
    opening.extend([0, 0, block.len() as u8, 1, 4, 0, 0, 0, 1]);
    opening.extend(block);
    let [_, high, middle, low] = (len as u32).to_be_bytes();
    opening.extend([high, middle, low, 0, 0, 0, 0, 0, 1]);
    bench.victim = bench.connect(0, &opening, usize::MAX, None);
    bench.turns(3);
    let pieces = len / (32 << 10);
    let allocated = allocation_counter::measure(|| {
        for _ in 0..pieces {
            bench.victim.borrow_mut().incoming.resize(32 << 10, b'x');
            bench.wake(&bench.victim);
            bench.turns(1);
        }
    });
    // A PING behind it is answered.
    let mut rest = vec![b'x'; len % (32 << 10)];
    rest.extend([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    bench.victim.borrow_mut().incoming = rest;
    bench.wake(&bench.victim);
    bench.turns(40);
    let answer = &bench.victim.borrow().outgoing;
    let pong = [0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    assert!(answer.windows(pong.len()).any(|window| window == pong));
    allocated.bytes_total
}

#[test]
fn a_frame_of_16_mib_is_not_copied_again_with_every_piece_of_it() {
    let len = (1 << 24) - 1;
    let allocated = allocated_for_a_frame(len);
    // A buffer that doubles takes twice its length in all, and the test itself 16 MiB.
    assert!(
        allocated < 6 * len as u64,
        "{allocated} bytes were allocated"
    );
}
