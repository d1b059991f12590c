//! Shedding: the connections that are closed when there is no room for all.

use crate::raw_h2::{self, RawH2, frame, get};
use crate::server::tls::{client_config, connect_with};
use crate::support::{PATIENCE, Server};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

const SECOND: Duration = Duration::from_secs(1);
const NO_ERROR: u32 = 0;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A time that is longer than the grace of idle connections.
const GRACE: Duration = Duration::from_millis(1_400);

/// An HTTP/2 connection that has got an answer and is idle.
fn idle(server: &Server) -> RawH2 {
    let mut h2 = open(server);
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    h2.send(&frame(raw_h2::HEADERS, end, 1, &get("/")));
    h2.until(|frame| frame.stream == 1 && frame.flags & raw_h2::END_STREAM != 0);
    h2
}

fn open(server: &Server) -> RawH2 {
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    h2
}

/// An HTTP/2 connection whose only response waits for its window.
fn stalled(server: &Server) -> RawH2 {
    let mut h2 = open(server);
    h2.send(&frame(raw_h2::SETTINGS, 0, 0, &raw_h2::setting(4, 0)));
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    h2.send(&frame(raw_h2::HEADERS, end, 1, &get("/big")));
    h2.until(|frame| frame.stream == 1);
    h2
}

/// A connection with an upload to `/echo`. The server has to hold its bytes, because the client does
/// not open the window for their return.
fn hog(server: &Server) -> RawH2 {
    let mut h2 = open(server);
    h2.send(&frame(raw_h2::SETTINGS, 0, 0, &raw_h2::setting(4, 0)));
    upload(&mut h2, 1);
    h2
}

/// Uploads 192 KiB on a stream.
fn upload(h2: &mut RawH2, stream: u32) {
    let mut block = get("/echo");
    block[0] = 0x83; // :method POST
    h2.send(&frame(raw_h2::HEADERS, raw_h2::END_HEADERS, stream, &block));
    for _ in 0..12 {
        h2.send(&frame(raw_h2::DATA, 0, stream, &[b'x'; 16 << 10]));
    }
    h2.until(|frame| frame.kind == raw_h2::HEADERS);
}

fn big(site: &Path) {
    let file = fs::File::create(site.join("big")).expect("a file");
    file.set_len(1 << 20).expect("room for a hole");
}

/// True if the server still keeps the connection open.
fn is_open(h2: &mut RawH2) -> bool {
    h2.send(&frame(raw_h2::PING, 0, 0, b"are you?"));
    loop {
        match h2.next() {
            Some(frame) if frame.kind == raw_h2::PING => return true,
            Some(frame) if frame.kind == raw_h2::GOAWAY => return false,
            Some(_) => {}
            None => return false,
        }
    }
}

fn is_served(stream: &mut TcpStream) -> bool {
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("the kernel takes it");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer.starts_with(b"HTTP/1.1 200 ")
}

#[test]
fn at_the_connection_limit_the_oldest_idle_one_goes_for_a_newcomer() {
    let server = Server::with_site(&["--max-connections", "3"], big);
    let mut busy = stalled(&server);
    let mut oldest = idle(&server);
    std::thread::sleep(SECOND / 2);
    let mut younger = idle(&server);
    std::thread::sleep(GRACE);
    assert!(is_served(&mut server.connect()));
    assert_eq!(oldest.goaway(), NO_ERROR);
    assert_eq!(oldest.next(), None, "closed behind it");
    assert!(is_open(&mut younger) && is_open(&mut busy));
    let line = server.logged("limit: max-connections");
    assert!(line.contains("127.0.0.1: idle"), "{line}");
}

#[test]
fn at_the_connection_limit_nobody_at_work_goes_and_newcomers_wait() {
    let server = Server::with_site(&["--max-connections", "2"], big);
    let first = stalled(&server);
    let mut second = stalled(&server);
    let mut newcomer = server.connect();
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    newcomer.write_all(request).unwrap();
    newcomer.set_read_timeout(Some(GRACE)).unwrap();
    let read = newcomer.read(&mut [0; 16]);
    assert!(read.is_err(), "it was served beyond the limit");
    assert!(is_open(&mut second));
    server.logged("limit: max-connections newcomers: must wait");
    drop(first);
    newcomer.set_read_timeout(Some(SECOND * 10)).unwrap();
    let mut answer = [0; 12];
    newcomer.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn near_the_memory_limit_idle_ones_go_before_those_who_hold_most() {
    let server = Server::start(&["--demo", "--memory-limit", "1M"]);
    let mut idle = idle(&server);
    std::thread::sleep(GRACE);
    // Five times 192 KiB: above the mark, below the limit.
    let mut hogs: Vec<RawH2> = (0..5).map(|_| hog(&server)).collect();
    assert_eq!(idle.goaway(), NO_ERROR);
    for hog in &mut hogs {
        assert!(is_open(hog));
    }
    let line = server.logged("limit: memory-limit");
    assert!(line.contains("127.0.0.1: idle"), "{line}");
}

#[test]
fn above_the_memory_limit_whoever_made_no_progress_for_longest_goes_at_once() {
    let server = Server::start(&["--demo", "--memory-limit", "1M"]);
    let before = server.anonymous_kib();
    let mut hogs: Vec<RawH2> = (0..5).map(|_| hog(&server)).collect();
    for stream in [3, 5, 7] {
        std::thread::sleep(SECOND / 4);
        let youngest = hogs.last_mut().expect("those that are left");
        upload(youngest, stream);
        let mut oldest = hogs.remove(0);
        assert_eq!(oldest.goaway(), ENHANCE_YOUR_CALM);
    }
    assert!(hogs.iter_mut().all(is_open));
    let grown = server.anonymous_kib() - before;
    assert!(grown < 2_048, "{grown} KiB");
    drop(hogs);
    std::thread::sleep(SECOND / 2);
    assert!(is_served(&mut server.connect()), "they have left room");
}

#[test]
fn who_holds_memory_and_moves_little_of_it_goes_for_newcomers() {
    const GRACE: Duration = Duration::from_secs(5);
    let server = Server::start(&["--demo", "--memory-limit", "1M", "--stall-timeout", "5s"]);
    let began = Instant::now();
    // Five times 192 KiB: above the mark, below the limit.
    let mut hogs: Vec<RawH2> = (0..5).map(|_| hog(&server)).collect();
    // The uploads have come once what is behind them is answered.
    assert!(hogs.iter_mut().all(is_open));
    let mut newcomer = server.connect();
    newcomer.set_read_timeout(Some(SECOND)).unwrap();
    newcomer
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .expect("the kernel takes it");
    // Each connection takes 2 KiB a second of its echo, and sends as much, so that the server goes on
    // holding the full amount.
    let mut answer = [0; 12];
    // Twice the grace is allowed, because bytes had moved before.
    let is_served = (0..14).any(|_| {
        for hog in &mut hogs {
            let _ = hog.try_send(&frame(raw_h2::WINDOW_UPDATE, 0, 1, &2_048u32.to_be_bytes()));
            let _ = hog.try_send(&frame(raw_h2::DATA, 0, 1, &[b'x'; 2_048]));
        }
        newcomer.read_exact(&mut answer).is_ok()
    });
    assert!(is_served, "it waits for ever");
    // Measured from before the first of them came, so that a slow machine does not shorten it.
    let waited = began.elapsed();
    assert!(
        waited > GRACE - SECOND,
        "they had no time to take it: {waited:?}"
    );
    assert_eq!(&answer, b"HTTP/1.1 200");
    // The log names a connection, or the stream that holds the memory. Its line may come behind the answer.
    let gone = [
        "memory-limit 127.0.0.1: closed to make room",
        "stall-timeout 127.0.0.1: a stream",
    ];
    let start = Instant::now();
    while !gone.iter().any(|line| server.log().contains(line)) {
        assert!(start.elapsed() < PATIENCE, "{}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn handshakes_that_do_not_end_make_room_for_others_and_leave_the_established_alone() {
    // Number of handshakes: a quarter of the places.
    const HANDSHAKES: usize = 64;
    let server = Server::start(&["--max-connections", "256"]);
    let config = client_config(&server, &["http/1.1"]);
    let served = |tls: &mut StreamOwned<ClientConnection, TcpStream>| {
        tls.write_all(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .expect("it is open");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tls.read_exact(&mut byte).expect("an answer");
            head.extend(byte);
        }
        head.starts_with(b"HTTP/1.1 200 ")
    };
    let mut established = connect_with(&server, config.clone());
    assert!(served(&mut established));
    let mut mute: Vec<TcpStream> = (0..HANDSHAKES + 10)
        .map(|_| TcpStream::connect(server.https).expect("it listens"))
        .collect();
    let line = server.logged("limit: handshakes");
    assert!(line.contains("127.0.0.1"), "{line}");
    // Waits until the last of them has been let in.
    assert!(served(&mut connect_with(&server, config)));
    for (index, stream) in mute.iter_mut().enumerate() {
        stream.set_read_timeout(Some(SECOND / 20)).unwrap();
        let is_closed = matches!(stream.read(&mut [0]), Ok(0));
        assert_eq!(is_closed, index < 11, "{index}");
    }
    assert!(served(&mut established), "it is still there");
}

/// Clients that make the server hold 960 KiB each, if it allows that, and read nothing.
fn crowd(server: &Server) -> Vec<TcpStream> {
    let mut block = get("/echo");
    block[0] = 0x83; // :method POST
    let mut bytes = raw_h2::PREFACE.to_vec();
    bytes.extend(frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    for stream in [1, 3, 5, 7, 9] {
        bytes.extend(frame(raw_h2::HEADERS, raw_h2::END_HEADERS, stream, &block));
        for _ in 0..12 {
            bytes.extend(frame(raw_h2::DATA, 0, stream, &[b'x'; 16 << 10]));
        }
    }
    let hog = |_| {
        let mut stream = server.connect();
        stream.set_write_timeout(Some(SECOND)).unwrap();
        // An error is ignored: a client that is refused, or has to wait, has tried.
        let _ = stream.write_all(&bytes);
        stream
    };
    (0..40).map(hog).collect()
}

/// Limits the address space of the server to the present size and `more_kib`.
fn limit_address_space(server: &Server, more_kib: u64) {
    let limit = Some((server.status_kib("VmSize:") + more_kib) << 10);
    let limit = Rlimit {
        current: limit,
        maximum: limit,
    };
    let pid = Pid::from_raw(server.id() as i32).expect("a process");
    prlimit(Some(pid), Resource::As, limit).expect("a child's limits are ours");
}

/// A program in Rust ends when memory is refused, so it must not come to that. The bytes that
/// connections hold may take twice as much memory, because buffers double as they grow. The server
/// itself needs some as well.
#[test]
fn with_a_memory_limit_below_the_kernels_a_crowd_cannot_end_the_server() {
    const KERNELS_KIB: u64 = (2 * 8 + 4) << 10;
    let server = Server::start(&["--demo", "--memory-limit", "8M"]);
    assert!(is_served(&mut server.connect()));
    limit_address_space(&server, KERNELS_KIB);
    let hogs = crowd(&server);
    server.logged("limit: memory-limit");
    // Connections that are at work are spared for a moment. Once the crowd stalls, it makes room.
    let is_served_soon = (0..30).any(|_| {
        let is_served = is_served(&mut server.connect());
        if !is_served {
            std::thread::sleep(SECOND / 2);
        }
        is_served
    });
    assert!(is_served_soon, "in the place of some");
    drop(hogs);
    assert!(is_served(&mut server.connect()));

    let mut careless = Server::start(&["--demo", "--memory-limit", "1G"]);
    assert!(is_served(&mut careless.connect()));
    limit_address_space(&careless, KERNELS_KIB);
    let _hogs = crowd(&careless);
    careless.logged("memory allocation of");
    assert_eq!(careless.wait(), -1, "ended by a signal");
}

#[test]
fn at_the_descriptor_limit_an_idle_one_goes_for_a_newcomer() {
    let server = Server::start(&[]);
    let mut first = idle(&server);
    let mut second = idle(&server);
    let pid = Pid::from_raw(server.id() as i32).expect("a process");
    std::thread::sleep(GRACE);
    // The limit is on the numbers of descriptors, so a gap below it would be room for the newcomer.
    let descriptors = format!("/proc/{}/fd", server.id());
    let is_free = |number: &u64| !Path::new(&descriptors).join(number.to_string()).exists();
    let limit = (0..).find(|number| is_free(number));
    let limit = Rlimit {
        current: limit,
        maximum: limit,
    };
    prlimit(Some(pid), Resource::Nofile, limit).expect("a child's limits are ours");
    let mut newcomer = server.connect();
    newcomer.write_all(raw_h2::PREFACE).unwrap();
    newcomer.read_exact(&mut [0; 9]).expect("its SETTINGS");
    assert_eq!(first.goaway(), NO_ERROR);
    let line = server.logged("limit: descriptors");
    assert!(line.contains("127.0.0.1: idle"), "{line}");
    assert!(is_open(&mut second), "one was enough");
}
