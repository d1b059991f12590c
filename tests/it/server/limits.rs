//! Limits of the memory and the time that a peer may take from the server.

use crate::raw_h2::{self, RawH2, frame, get};
use crate::server::tls::{client_config, connect_with};
use crate::support::Server;
use rustix::net::{self, AddressFamily, SocketType};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const ENHANCE_YOUR_CALM: u32 = 11;

/// Waits for the server to close. Returns the bytes that it sent and the time that it took.
fn closed(stream: &mut TcpStream) -> (Vec<u8>, Duration) {
    let start = Instant::now();
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut answer);
    (answer, start.elapsed())
}

/// A timeout of one second fires within a second and the timer's resolution, on a loaded machine.
fn assert_about_a_second(elapsed: Duration) {
    assert!(elapsed > SECOND / 2 && elapsed < SECOND * 4, "{elapsed:?}");
}

#[test]
fn a_client_that_says_nothing_is_closed_after_the_preface_timeout() {
    let server = Server::start(&["--preface-timeout", "1s"]);
    let (answer, elapsed) = closed(&mut server.connect());
    assert_about_a_second(elapsed);
    assert!(answer.is_empty());
}

/// A browser that connected ahead leaves no line in the log, because no limit fired.
#[test]
fn a_client_that_says_nothing_behind_its_handshake_is_let_go_after_the_preface_timeout() {
    let mut server = Server::start(&["--preface-timeout", "1s"]);
    for (protocol, last) in [("h2", Some((raw_h2::GOAWAY, 0))), ("http/1.1", None)] {
        let mut stream = connect_with(&server, client_config(&server, &[protocol]));
        let start = Instant::now();
        stream.conn.complete_io(&mut stream.sock).unwrap();
        let mut frames = RawH2 { stream };
        let heard: Vec<_> = std::iter::from_fn(|| frames.next()).collect();
        assert_about_a_second(start.elapsed());
        let goaway = heard.last().map(|frame| (frame.kind, frame.payload[7]));
        assert_eq!(goaway, last, "{protocol}");
    }
    server.signal("TERM");
    server.wait();
    let log = server.log();
    assert!(!log.contains("limit"), "{log}");
}

#[test]
fn a_preface_a_byte_at_a_time_does_not_extend_its_timeout() {
    let server = Server::start(&["--preface-timeout", "1s"]);
    let mut stream = server.connect();
    let start = Instant::now();
    for byte in &raw_h2::PREFACE[..20] {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(SECOND / 10);
        if start.elapsed() > SECOND * 3 / 2 {
            break;
        }
    }
    closed(&mut stream);
    assert_about_a_second(start.elapsed());
}

#[test]
fn a_handshake_that_does_not_begin_is_closed_after_its_timeout() {
    let server = Server::start(&["--handshake-timeout", "1s"]);
    let mut stream = TcpStream::connect(server.https).unwrap();
    // Sends the header of a record that never comes.
    stream.write_all(&[22, 3, 1, 2, 0]).unwrap();
    let (_, elapsed) = closed(&mut stream);
    assert_about_a_second(elapsed);
}

#[test]
fn a_head_that_does_not_end_is_answered_with_408() {
    let server = Server::start(&["--header-timeout", "1s"]);
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").unwrap();
    let (answer, elapsed) = closed(&mut stream);
    assert_about_a_second(elapsed);
    assert!(
        answer.starts_with(b"HTTP/1.1 408 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

/// Settings that are not acknowledged are a SETTINGS_TIMEOUT (RFC 9113 §6.5.3). The server waits ten
/// seconds for that, too long for a test, so only the time of a field block is tested here.
#[test]
fn a_field_block_that_does_not_end_is_calmed_after_the_header_timeout() {
    let server = Server::start(&["--header-timeout", "1s"]);
    let mut h2 = RawH2::open(server.connect());
    let start = Instant::now();
    h2.send(&frame(raw_h2::HEADERS, raw_h2::END_STREAM, 1, &get("/")));
    assert_eq!(h2.goaway(), ENHANCE_YOUR_CALM);
    assert_about_a_second(start.elapsed());
}

#[test]
fn an_idle_connection_is_told_goaway_and_closed() {
    let server = Server::start(&["--idle-timeout", "1s"]);
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    h2.send(&frame(
        raw_h2::HEADERS,
        raw_h2::END_HEADERS | raw_h2::END_STREAM,
        1,
        &get("/"),
    ));
    h2.until(|frame| frame.stream == 1 && frame.flags & raw_h2::END_STREAM != 0);
    let start = Instant::now();
    assert_eq!(h2.goaway(), 0, "NO_ERROR");
    assert_about_a_second(start.elapsed());
}

#[test]
fn a_response_that_nobody_reads_is_given_up() {
    let server = Server::with_site(&["--stall-timeout", "1s", "--slow-timeout", "1s"], |site| {
        fs::File::create(site.join("big"))
            .unwrap()
            .set_len(1 << 30)
            .unwrap();
    });
    let mut stream = server.connect();
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    std::thread::sleep(SECOND * 5);
    let (answer, _) = closed(&mut stream);
    assert!(
        answer.len() < 64 << 20,
        "only what was in the sockets' buffers comes"
    );
}

/// The clock jumps, as after a blocking disk or a closed lid.
#[test]
fn who_was_not_served_in_time_is_not_cut_off_for_it() {
    const LEN: usize = 24 << 20;
    let server = Server::with_site(&["--stall-timeout", "2s", "--slow-timeout", "2s"], |site| {
        let file = fs::File::create(site.join("big")).unwrap();
        file.set_len(LEN as u64).unwrap();
    });
    // More downloads than have a turn at once, each longer than the sockets hold.
    let mut downloads: Vec<TcpStream> = (0..12).map(|_| server.connect()).collect();
    for download in &mut downloads {
        let request = b"GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        download.write_all(request).unwrap();
        download.read_exact(&mut [0]).expect("it has begun");
    }
    // The sockets are full by then, and the time begins in which nothing is taken.
    std::thread::sleep(SECOND);
    let mut begin = vec![0; 1 << 20];
    for download in &mut downloads {
        download.read_exact(&mut begin).expect("more of it");
    }
    std::thread::sleep(SECOND / 4);
    server.signal("STOP");
    let read = |mut download: TcpStream| {
        std::thread::spawn(move || std::io::copy(&mut download, &mut std::io::sink()).unwrap())
    };
    let reading: Vec<_> = downloads.into_iter().map(read).collect();
    std::thread::sleep(SECOND * 3);
    server.signal("CONT");
    for download in reading {
        let len = download.join().expect("the download ends");
        assert!(len > (LEN - begin.len()) as u64, "{len}");
    }
}

#[test]
fn a_body_that_does_not_come_is_answered_with_408() {
    let server = Server::start(&["--demo", "--stall-timeout", "1s", "--slow-timeout", "1s"]);
    let mut stream = server.connect();
    stream
        .write_all(b"POST /json HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
        .unwrap();
    let (answer, elapsed) = closed(&mut stream);
    assert_about_a_second(elapsed);
    assert!(
        answer.starts_with(b"HTTP/1.1 408 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[test]
fn a_stream_whose_window_stays_shut_is_cancelled() {
    let server = Server::start(&["--stall-timeout", "1s", "--slow-timeout", "1s"]);
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(raw_h2::SETTINGS, 0, 0, &raw_h2::setting(4, 0)));
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    h2.send(&frame(
        raw_h2::HEADERS,
        raw_h2::END_HEADERS | raw_h2::END_STREAM,
        1,
        &get("/"),
    ));
    let start = Instant::now();
    assert_eq!(h2.reset(1), 8, "CANCEL");
    assert!(start.elapsed() < SECOND * 5, "{:?}", start.elapsed());
}

#[test]
fn more_streams_than_the_limit_are_refused() {
    let server = Server::with_site(&["--max-concurrent-streams", "3"], |site| {
        fs::File::create(site.join("big"))
            .unwrap()
            .set_len(1 << 20)
            .unwrap();
    });
    let mut h2 = RawH2::open(server.connect());
    h2.until(|frame| frame.kind == raw_h2::SETTINGS);
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    for stream in [1, 3, 5, 7] {
        let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
        h2.send(&frame(raw_h2::HEADERS, end, stream, &get("/big")));
    }
    assert_eq!(h2.reset(7), 7, "REFUSED_STREAM");
    let line = server.logged("limit: max-concurrent-streams");
    assert!(line.contains("127.0.0.1: one stream too many"), "{line}");
}

#[test]
fn rapid_reset_is_calmed() {
    let server = Server::with_site(&[], |site| {
        fs::File::create(site.join("big"))
            .unwrap()
            .set_len(1 << 20)
            .unwrap();
    });
    let mut h2 = RawH2::open(server.connect());
    let mut flood = Vec::new();
    for stream in (1..1_000).step_by(2) {
        let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
        flood.extend(frame(raw_h2::HEADERS, end, stream, &get("/big")));
        flood.extend(frame(raw_h2::RST_STREAM, 0, stream, &8u32.to_be_bytes()));
    }
    h2.send(&flood);
    assert_eq!(h2.goaway(), ENHANCE_YOUR_CALM);
    let line = server.logged("limit: calm");
    assert!(
        line.contains("127.0.0.1: too many requests reset"),
        "{line}"
    );
}

#[test]
fn a_limit_that_fires_often_is_told_once_a_second_and_counted_at_the_end() {
    let mut server = Server::start(&["--max-request-body", "10", "--demo"]);
    let request = "POST /echo HTTP/1.1\r\nContent-Length: 11";
    for _ in 0..20 {
        let answer = server.request(request);
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    let line = server.logged("limit: max-request-body");
    assert!(
        line.ends_with("127.0.0.1: request body too large"),
        "{line}"
    );
    std::thread::sleep(SECOND);
    server.request(request);
    let line = server.logged("more since the last line");
    assert!(line.contains("limit: max-request-body 127.0.0.1"), "{line}");
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    server.logged("limits that fired: max-request-body 21");
}

#[test]
fn a_continuation_flood_is_calmed() {
    let server = Server::start(&[]);
    let mut h2 = RawH2::open(server.connect());
    let mut flood = frame(raw_h2::HEADERS, raw_h2::END_STREAM, 1, &get("/"));
    for _ in 0..100 {
        flood.extend(frame(raw_h2::CONTINUATION, 0, 1, &[0x00, 1, b'a', 1, b'b']));
    }
    h2.send(&flood);
    assert_eq!(h2.goaway(), ENHANCE_YOUR_CALM);
}

#[test]
fn a_ping_flood_that_is_never_read_is_calmed_and_holds_little() {
    let server = Server::start(&[]);
    let before = server.anonymous_kib();
    let mut h2 = RawH2::open(server.connect());
    let flood = frame(raw_h2::PING, 0, 0, b"pingpong").repeat(1_000);
    let mut sent = 0;
    while sent < 4_000 && h2.stream.write_all(&flood).is_ok() {
        sent += 1;
    }
    assert!(sent < 4_000, "68 MB of PING were taken");
    assert!(
        server.anonymous_kib() < before + 1_024,
        "{} KiB more",
        server.anonymous_kib() - before
    );
}

#[test]
fn a_field_section_beyond_the_limit_is_answered_with_431() {
    let server = Server::start(&[]);
    let mut h2 = RawH2::open(server.connect());
    // One entry of 3,000 bytes with its length in three (RFC 7541 §5.1), then that entry again.
    let mut block = get("/");
    block.extend([0x40, 1, b'a', 0x7f, 0xb9, 0x16]);
    block.extend([b'x'; 3_000]);
    block.extend([0x80 | 62; 8]);
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    h2.send(&frame(raw_h2::HEADERS, end, 1, &block));
    let frames = h2.until(|frame| frame.stream == 1 || frame.kind == raw_h2::GOAWAY);
    let head = frames.last().unwrap();
    assert_eq!(head.kind, raw_h2::HEADERS, "{frames:?}");
    assert!(
        head.payload.windows(3).any(|window| window == b"431"),
        "{head:?}"
    );
}

/// A connection from an address of this machine that is no loopback address.
fn connect_from_outside(server: &Server) -> TcpStream {
    // Finds the address that this machine sends from. Nothing is sent (the destination is of RFC 5737).
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect("198.51.100.1:9").expect("a network");
    let mut address = socket.local_addr().expect("an address of our own");
    address.set_port(0);
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    net::bind(&socket, &address).expect("an address of our own");
    net::connect(&socket, &server.http).expect("calmd listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SECOND * 10)).unwrap();
    stream
}

#[test]
fn more_connections_of_an_address_than_it_may_have_are_closed_and_loopback_is_not_counted() {
    let server = Server::start(&["--max-per-address", "2"]);
    let first = connect_from_outside(&server);
    let mut second = RawH2::open(connect_from_outside(&server));
    second.until(|frame| frame.kind == raw_h2::SETTINGS);
    let (answer, _) = closed(&mut connect_from_outside(&server));
    assert!(answer.is_empty());
    let line = server.logged("limit: max-per-address");
    assert!(line.contains("too many connections"), "{line}");
    let own: Vec<TcpStream> = (0..4).map(|_| server.connect()).collect();
    let mut own: Vec<RawH2> = own.into_iter().map(RawH2::open).collect();
    for h2 in &mut own {
        h2.until(|frame| frame.kind == raw_h2::SETTINGS);
    }
    drop(first);
    let freed = (0..40).any(|_| {
        std::thread::sleep(SECOND / 4);
        RawH2::open(connect_from_outside(&server)).next().is_some()
    });
    assert!(freed, "the place of the one that is gone stays taken");
}

/// A test suite that aborts its requests is no rapid reset flood (CVE-2023-44487). A flood ends within
/// 1,000 frames.
#[test]
fn four_hundred_requests_that_are_aborted_in_one_write_are_served_on_and_a_flood_of_them_ends() {
    let server = Server::start(&[]);
    let pairs = |range: std::ops::Range<u32>| -> Vec<u8> {
        let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
        let pair = |stream| {
            let request = frame(raw_h2::HEADERS, end, stream, &get("/"));
            [request, frame(raw_h2::RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        };
        range.flat_map(|n| pair(2 * n + 1)).collect()
    };
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    h2.send(&pairs(0..400));
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    h2.send(&frame(raw_h2::HEADERS, end, 801, &get("/")));
    h2.until(|frame| frame.stream == 801 && frame.flags & raw_h2::END_STREAM != 0);
    h2.send(&pairs(401..501));
    assert_eq!(h2.goaway(), ENHANCE_YOUR_CALM);
}
