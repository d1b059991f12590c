//! Slow peers: they are served while there is room for all, and otherwise judged by the resource that
//! is short.

use crate::raw_h2::{self, Frame, RawH2, frame, get};
use crate::server::tls::{client_config, connect_with};
use crate::support::{PATIENCE, Server};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const LEN: usize = 24 << 20;

/// Options with a short stall timeout. The tests last for many of it.
const OPTIONS: [&str; 3] = ["--demo", "--stall-timeout", "1s"];
const SLOW: Duration = Duration::from_secs(7);

fn server() -> Server {
    Server::with_site(&OPTIONS, |site| {
        let file = File::create(site.join("big")).unwrap();
        file.set_len(LEN as u64).unwrap();
    })
}

/// A stream over a very bad line: its reads get 200 bytes ten times a second for a while, and then all there is.
struct BadLine<S> {
    stream: S,
    until: Instant,
}

impl<S> BadLine<S> {
    fn new(stream: S) -> Self {
        let until = Instant::now() + SLOW;
        BadLine { stream, until }
    }
}

impl<S: Read> Read for BadLine<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.until {
            return self.stream.read(buffer);
        }
        std::thread::sleep(SECOND / 10);
        let len = buffer.len().min(200);
        self.stream.read(&mut buffer[..len])
    }
}

impl<S: Write> Write for BadLine<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Reads slowly for a while, and then the rest.
fn read_slowly(stream: impl Read) -> usize {
    pour(BadLine::new(stream))
}

/// Reads everything at once.
fn pour(mut stream: impl Read) -> usize {
    let mut total = 0;
    let mut part = vec![0; 1 << 20];
    loop {
        match stream.read(&mut part).expect("it is not cut off") {
            0 => return total,
            len => total += len,
        }
    }
}

/// True for a frame that ends stream 1.
fn is_last(frame: &Frame) -> bool {
    let ends = frame.flags & raw_h2::END_STREAM != 0 || frame.kind == raw_h2::RST_STREAM;
    frame.stream == 1 && ends
}

const GET_BIG: &[u8] = b"GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn connect(server: &Server) -> TcpStream {
    let stream = server.connect();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn a_reader_of_2_kb_a_second_and_one_that_pauses_get_everything() {
    let server = server();
    std::thread::scope(|scope| {
        let clear = scope.spawn(|| {
            let mut stream = connect(&server);
            stream.write_all(GET_BIG).unwrap();
            read_slowly(stream)
        });
        let tls = scope.spawn(|| {
            let mut stream = connect_with(&server, client_config(&server, &["http/1.1"]));
            stream.write_all(GET_BIG).unwrap();
            read_slowly(stream)
        });
        let player = scope.spawn(|| {
            let mut stream = connect(&server);
            stream.write_all(GET_BIG).unwrap();
            stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
            std::thread::sleep(SLOW);
            pour(stream) + (1 << 20)
        });
        for reader in [clear, tls, player] {
            assert!(reader.join().unwrap() > LEN);
        }
    });
    assert!(!server.log().contains("limit"), "{}", server.log());
}

#[test]
fn slow_readers_of_http2_over_tls_get_everything_beside_each_other() {
    let server = server();
    let read = || {
        let stream = connect_with(&server, client_config(&server, &["h2"]));
        let mut h2 = RawH2::open(BadLine::new(stream));
        let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
        let wide = (LEN as u32).to_be_bytes();
        h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
        h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 0, &wide));
        h2.send(&frame(raw_h2::HEADERS, end, 1, &get("/big")));
        h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 1, &wide));
        let frames = h2.until(is_last);
        let data = frames.iter().filter(|frame| frame.kind == raw_h2::DATA);
        data.map(|frame| frame.payload.len()).sum::<usize>()
    };
    std::thread::scope(|scope| {
        for reader in [scope.spawn(read), scope.spawn(read)] {
            assert_eq!(reader.join().unwrap(), LEN);
        }
    });
    assert!(!server.log().contains("limit"), "{}", server.log());
}

#[test]
fn a_stream_whose_window_opens_after_a_while_gets_everything() {
    let server = server();
    let mut h2 = RawH2::open(connect(&server));
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    h2.send(&frame(raw_h2::HEADERS, end, 1, &get("/big")));
    std::thread::sleep(SLOW);
    let wide = (LEN as u32).to_be_bytes();
    h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 0, &wide));
    h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 1, &wide));
    let frames = h2.until(is_last);
    let data = frames.iter().filter(|frame| frame.kind == raw_h2::DATA);
    assert_eq!(data.map(|frame| frame.payload.len()).sum::<usize>(), LEN);
}

#[test]
fn an_upload_of_a_few_bytes_a_second_is_taken_in_both_versions() {
    let server = server();
    let mut h1 = connect(&server);
    h1.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n")
        .unwrap();
    let mut h2 = RawH2::open(connect(&server));
    let mut block = get("/echo");
    block[0] = 0x83;
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    h2.send(&frame(raw_h2::HEADERS, raw_h2::END_HEADERS, 1, &block));
    for _ in 0..12 {
        h1.write_all(b"x").unwrap();
        h2.send(&frame(raw_h2::DATA, 0, 1, b"xx"));
        std::thread::sleep(SLOW / 12);
    }
    h2.send(&frame(raw_h2::DATA, raw_h2::END_STREAM, 1, &[]));
    let mut answer = [0; 12];
    h1.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let frames = h2.until(is_last);
    assert_eq!(frames.last().unwrap().kind, raw_h2::DATA, "{frames:?}");
}

/// Two connections are at work. On one of them a stream makes no progress.
#[test]
fn a_stream_that_makes_no_headway_goes_once_the_last_place_is_taken() {
    let server = Server::with_site(
        &["--stall-timeout", "2s", "--max-connections", "3"],
        |site| {
            let file = File::create(site.join("big")).unwrap();
            file.set_len(LEN as u64).unwrap();
        },
    );
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    let mut busy: Vec<_> = (0..2).map(|_| RawH2::open(connect(&server))).collect();
    for h2 in &mut busy {
        h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    }
    busy[0].send(&frame(raw_h2::WINDOW_UPDATE, 0, 0, &[1, 0, 0, 0]));
    busy[0].send(&frame(raw_h2::HEADERS, end, 1, &get("/big")));
    let mut next = 3;
    let mut work = |busy: &mut Vec<RawH2>, time: Duration| {
        let start = Instant::now();
        while start.elapsed() < time {
            for h2 in busy.iter_mut() {
                h2.send(&frame(raw_h2::HEADERS, end, next, &get("/")));
                let frames = h2.until(|frame| match frame.kind {
                    raw_h2::RST_STREAM => true,
                    _ => frame.stream == next && frame.flags & raw_h2::END_STREAM != 0,
                });
                let last = frames.last().unwrap();
                if last.kind == raw_h2::RST_STREAM {
                    return Some(last.stream);
                }
            }
            next += 2;
            std::thread::sleep(SECOND / 5);
        }
        None
    };
    assert_eq!(work(&mut busy, SECOND * 6), None, "there is room");
    let _newcomer = connect(&server);
    assert_eq!(work(&mut busy, SECOND * 6), Some(1));
}

/// All connections together would hold more than the limit if each had a piece of the usual size
/// waiting.
#[test]
fn a_memory_limit_slows_downloads_and_cuts_off_none() {
    const CLIENTS: usize = 160;
    const ROUNDS: usize = 2;
    let options = ["--memory-limit", "4M"];
    let len: usize = 1 << 20;
    let server = Server::with_site(&options, |site| {
        let file = File::create(site.join("big")).unwrap();
        file.set_len(len as u64).unwrap();
    });
    let config = client_config(&server, &["http/1.1"]);
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| connect_with(&server, config.clone()))
        .collect();
    for stream in &mut clients {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    let before = server.anonymous_kib();
    for round in 0..ROUNDS {
        for stream in &mut clients {
            stream
                .write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .unwrap();
        }
        // No client reads until every socket is full.
        std::thread::sleep(SECOND);
        let held = server.anonymous_kib() - before;
        assert!(held < 5 << 10, "{held} KiB are held");
        std::thread::scope(|scope| {
            for stream in &mut clients {
                scope.spawn(move || {
                    let mut answer = vec![0; len];
                    stream.read_exact(&mut answer).expect("it is not cut off");
                    let head = answer.windows(4).position(|end| end == b"\r\n\r\n");
                    let rest = head.expect("a head") + 4;
                    stream
                        .read_exact(&mut answer[..rest])
                        .expect("the rest of it");
                });
            }
        });
        assert!(
            !server.log().contains("limit:"),
            "round {round}: {}",
            server.log()
        );
    }
}
