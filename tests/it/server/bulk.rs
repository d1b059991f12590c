//! Large files: complete over every protocol, aborted when they are truncated, and cheap while their
//! reader stalls.

use crate::raw_h2::{self, Frame, RawH2, frame, get, setting};
use crate::server::http2::{body, converse, request};
use crate::support::Server;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

const LEN: usize = 3_000_017;

/// Content without long repetitions.
fn content() -> Vec<u8> {
    (0..LEN as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8)
        .collect()
}

fn site(site: &Path) {
    fs::write(site.join("big"), content()).unwrap();
}

/// A server with a sparse file of length `len`, and a small file.
fn huge_file(len: u64) -> Server {
    Server::with_site(&[], |site| {
        let file = fs::File::create(site.join("huge")).unwrap();
        file.set_len(len).unwrap();
        fs::write(site.join("small"), "small").unwrap();
    })
}

/// The head and the content of an answer.
fn split(answer: &[u8]) -> (String, &[u8]) {
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("text");
    (head, &answer[end + 4..])
}

#[test]
fn pipelined_large_files_and_ranges_are_whole_over_http1() {
    let server = Server::with_site(&[], site);
    let content = content();
    let request = |fields: &str| format!("GET /big HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let requests = request("")
        + &request("Range: bytes=17-100016\r\n")
        + &request("Range: bytes=-5000\r\nConnection: close\r\n");
    let answer = server.converse(requests.as_bytes());
    let mut rest = &answer[..];
    for (status, range) in [
        ("200 OK", 0..LEN),
        ("206 Partial Content", 17..100_017),
        ("206 Partial Content", LEN - 5_000..LEN),
    ] {
        let (head, behind) = split(rest);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        assert!(behind[..range.len()] == content[range.clone()], "{range:?}");
        rest = &behind[range.len()..];
    }
    assert!(rest.is_empty());
}

#[test]
fn several_large_ranges_are_whole_over_http1() {
    let server = Server::with_site(&[], site);
    let content = content();
    let answer = server.converse(
        b"GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
          Range: bytes=1-200000,300000-300009,2000000-2999999\r\n\r\n",
    );
    let (head, mut rest) = split(&answer);
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .expect("a length");
    assert_eq!(length.parse(), Ok(rest.len()));
    for range in [1..200_001, 300_000..300_010, 2_000_000..3_000_000] {
        let (part, behind) = split(rest);
        assert!(
            part.contains(&format!("bytes {}-{}/", range.start, range.end - 1)),
            "{part}"
        );
        assert!(behind[..range.len()] == content[range.clone()], "{range:?}");
        rest = &behind[range.len()..];
    }
    assert!(rest.starts_with(b"\r\n--") && rest.ends_with(b"--\r\n"));
}

#[test]
fn large_files_and_ranges_side_by_side_are_whole_over_http2() {
    let server = Server::with_site(&[], site);
    converse(&server, async |mut client| {
        let content = content();
        let mut responses = Vec::new();
        for at in 0..10 {
            client = client.ready().await.unwrap();
            let mut request = request("GET", "/big");
            let range = if at % 2 == 0 { 0..LEN } else { at..LEN - at };
            if at % 2 == 1 {
                let value = format!("bytes={}-{}", range.start, range.end - 1);
                request
                    .headers_mut()
                    .insert("range", value.parse().unwrap());
            }
            let response = client.send_request(request, true).unwrap().0;
            responses.push(tokio::task::spawn_local(async move {
                (range, body(response.await.unwrap().into_body()).await)
            }));
        }
        for response in responses {
            let (range, body) = response.await.unwrap();
            assert!(body == content[range.clone()], "{range:?}");
        }
    });
}

/// A frame has the length that it announces, so a frame that cannot be completed ends the connection
/// (RFC 9113 §4.1). So does content of an announced length (RFC 9112 §8).
#[test]
fn a_file_that_is_cut_short_while_it_is_sent_ends_the_response_and_is_never_padded() {
    const HUGE: u64 = 64 << 20;
    let server = huge_file(HUGE);
    let mut h1 = server.connect();
    h1.write_all(b"GET /huge HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut h2 = RawH2::open(server.connect());
    ask_for_more_than_fits(&mut h2);
    // Waits until both sockets are full.
    std::thread::sleep(Duration::from_millis(500));
    fs::OpenOptions::new()
        .write(true)
        .open(server.directory.path().join("site/huge"))
        .and_then(|file| file.set_len(100_000))
        .unwrap();
    let mut answer = Vec::new();
    let _ = h1.read_to_end(&mut answer);
    assert!((answer.len() as u64) < HUGE);
    let mut received = 0;
    while let Some(frame) = h2.next() {
        if frame.kind == raw_h2::RST_STREAM {
            break;
        }
        assert!(frame.kind != raw_h2::DATA || frame.flags & raw_h2::END_STREAM == 0);
        received += frame.payload.len() as u64;
    }
    assert!(received < HUGE);
    let answer = server.request("GET /small HTTP/1.1");
    assert!(answer.ends_with("small"), "{answer}");
}

#[test]
fn stalled_readers_of_a_large_file_cost_a_piece_of_output_at_most() {
    const READERS: u64 = 100;
    let server = huge_file(1 << 30);
    let before = server.anonymous_kib();
    let readers: Vec<RawH2> = (0..READERS)
        .map(|_| {
            let mut h2 = RawH2::open(server.connect());
            ask_for_more_than_fits(&mut h2);
            h2
        })
        .collect();
    std::thread::sleep(Duration::from_secs(2));
    let each = (server.anonymous_kib() - before) as f64 / READERS as f64;
    println!("{each:.2} KiB for each of {READERS} stalled readers");
    // A stalled reader holds one piece of output at most, which was read before the socket was full.
    assert!(each < 72.0, "{each:.2} KiB for each stalled reader");
    drop(readers);
}

#[test]
fn what_a_stalled_reader_does_not_take_stays_in_the_file_and_not_in_the_kernel() {
    let server = huge_file(1 << 30);
    let mut reader = server.connect();
    reader
        .write_all(b"GET /huge HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let port = reader.local_addr().unwrap().port();
    std::thread::sleep(Duration::from_secs(1));
    let queued = Queues::of(&server, port).unsent;
    println!("{queued} bytes in the send queue of a stalled reader");
    // The limit is 256 KiB, and a segment that was begun below it may go beyond.
    assert!((1..384 << 10).contains(&queued), "{queued} bytes");
}

/// A browser that is slower than the server has output waiting most of the time. It must not be taken
/// for one that acknowledges nothing.
#[test]
fn what_a_stalled_reader_sends_is_heard_all_the_same() {
    const READERS: usize = 20;
    let server = huge_file(1 << 30);
    let mut readers: Vec<(u16, RawH2)> = (0..READERS)
        .map(|_| {
            let stream = server.connect();
            let port = stream.local_addr().unwrap().port();
            let mut h2 = RawH2::open(stream);
            ask_for_more_than_fits(&mut h2);
            (port, h2)
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    for (port, h2) in &mut readers {
        assert!(Queues::of(&server, *port).unsent > 0, "it does not stall");
        for _ in 0..20 {
            h2.send(&frame(raw_h2::PING, 0, 0, &[0; 8]));
        }
    }
    std::thread::sleep(Duration::from_secs(1));
    for (port, _) in &readers {
        assert_eq!(Queues::of(&server, *port).unread, 0);
    }
}

/// The server stops reading when its answers fill the room that is left. A reader that takes nothing
/// for too long is closed for that alone, not for a frame that is still on its way.
#[test]
fn a_stalled_reader_is_not_blamed_for_what_was_not_read_of_it() {
    let server = huge_file(256 << 20);
    let stream = server.connect();
    let port = stream.local_addr().unwrap().port();
    let mut h2 = RawH2::open(stream);
    // Without a dynamic table, each answer is as long as the first.
    h2.send(&frame(raw_h2::SETTINGS, 0, 0, &setting(1, 0)));
    ask_for_more_than_fits(&mut h2);
    std::thread::sleep(Duration::from_millis(500));
    // HEAD instead of GET, because its answer is complete without content. The method is a literal with
    // the name's static index.
    let head = [b"\x02\x04HEAD", &get("/huge")[1..]].concat();
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    let heads = (1..2_000).map(|at| frame(raw_h2::HEADERS, end, 2 * at + 1, &head));
    h2.send(&heads.collect::<Vec<_>>().concat());
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    h2.send(&frame(raw_h2::PING, 0, 0, &[7; 8]));
    // The pause is longer than an acknowledgement may take.
    std::thread::sleep(Duration::from_secs(11));
    let unread = Queues::of(&server, port).unread;
    assert!(unread > 0, "the server has read everything");
    let pinged = |frame: &Frame| {
        assert_ne!(frame.kind, raw_h2::GOAWAY);
        frame.kind == raw_h2::PING
    };
    while !pinged(&h2.next().expect("an answer to the PING")) {}
}

/// Opens every window and asks for a file that is larger than anything on the way.
fn ask_for_more_than_fits(h2: &mut RawH2) {
    let open = u32::MAX >> 1;
    h2.send(&frame(raw_h2::SETTINGS, 0, 0, &setting(4, open)));
    let rest = (open - 65_535).to_be_bytes();
    h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 0, &rest));
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    h2.send(&frame(raw_h2::HEADERS, end, 1, &get("/huge")));
}

/// Bytes that the kernel holds at the server's end of a connection.
struct Queues {
    /// Bytes on their way to the client.
    unsent: u64,
    /// Bytes that the server has not read.
    unread: u64,
}

impl Queues {
    /// The queues of the connection with the client at a local port.
    fn of(server: &Server, port: u16) -> Self {
        let table = fs::read_to_string("/proc/net/tcp").expect("Linux tells of its connections");
        let ends = [server.http.port(), port].map(|port| format!("0100007F:{port:04X}"));
        let connection = |line: &&str| line.split_whitespace().skip(1).take(2).eq(&ends);
        let line = table.lines().find(connection).expect("the connection");
        let queues = line.split_whitespace().nth(4).expect("its queues");
        let (unsent, unread) = queues.split_once(':').expect("one for each direction");
        let number = |text| u64::from_str_radix(text, 16).expect("a hexadecimal number");
        Queues {
            unsent: number(unsent),
            unread: number(unread),
        }
    }
}
