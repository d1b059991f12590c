//! The end of a server on SIGTERM, for clients that have just connected.

use super::tls::{client_config, connect_with};
use crate::raw_h2::{self, RawH2, frame, get};
use crate::support::{Server, exchange};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::ClientConfig;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn http1(mut stream: impl Read + Write) {
    stream.write_all(GET).unwrap();
    let mut answer = Vec::new();
    // A reset behind the response is an end as well.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("<title>start</title>"), "{answer}");
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
}

/// The frames of a stream until it ends, behind preface and SETTINGS.
fn http2(mut stream: impl Read + Write) {
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(raw_h2::SETTINGS, 0, 0, &[]));
    let flags = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    request.extend(frame(raw_h2::HEADERS, flags, 1, &get("/")));
    stream.write_all(&request).unwrap();
    let mut answer = Vec::new();
    let start = Instant::now();
    let mut buffer = [0; 4096];
    while !answer
        .windows(20)
        .any(|window| window == b"<title>start</title>")
    {
        let len = stream.read(&mut buffer).expect("an answer");
        assert!(len > 0, "it ended before the answer: {answer:?}");
        assert!(start.elapsed() < Duration::from_secs(20));
        answer.extend_from_slice(&buffer[..len]);
    }
}

#[test]
fn whoever_waits_in_the_backlog_at_sigterm_is_served() {
    let mut server = Server::start(&[]);
    let tls = |alpn: &str| -> Arc<ClientConfig> { client_config(&server, &[alpn]) };
    let (tls_h1, tls_h2) = (tls("http/1.1"), tls("h2"));
    // The kernel still connects clients from here on, and the server accepts none.
    server.signal("STOP");
    let mut clients = Vec::new();
    for _ in 0..20 {
        let (one, two) = (server.connect(), server.connect());
        clients.push(thread::spawn(move || http1(one)));
        clients.push(thread::spawn(move || http2(two)));
        let one = connect_with(&server, tls_h1.clone());
        let two = connect_with(&server, tls_h2.clone());
        clients.push(thread::spawn(move || http1(one)));
        clients.push(thread::spawn(move || http2(two)));
    }
    thread::sleep(Duration::from_millis(300));
    server.signal("TERM");
    server.signal("CONT");
    let failed = clients.into_iter().filter_map(|client| client.join().err());
    assert_eq!(failed.count(), 0, "some of 80 were not served");
    assert_eq!(server.wait(), 0);
}

#[test]
fn whoever_has_said_nothing_does_not_keep_the_server() {
    let mut server = Server::start(&[]);
    let silent = (server.connect(), TcpStream::connect(server.https).unwrap());
    let open = RawH2::open(server.connect());
    thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    server.signal("TERM");
    let mut late = [0];
    assert_eq!((&silent.0).read(&mut late).unwrap_or(0), 0);
    drop(open);
    assert_eq!(server.wait(), 0);
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn whoever_opens_http2_at_sigterm_and_asks_nothing_does_not_keep_the_server() {
    let mut server = Server::start(&[]);
    let mut clear = server.connect();
    thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    server.signal("TERM");
    thread::sleep(Duration::from_millis(100));
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    preface.extend(frame(raw_h2::SETTINGS, 0, 0, &[]));
    clear.write_all(&preface).unwrap();
    let mut answer = Vec::new();
    let _ = clear.read_to_end(&mut answer);
    const GOAWAY: u8 = 7;
    let goaway = [0, 0, 8, GOAWAY];
    assert!(
        answer.windows(4).any(|window| window == goaway),
        "{answer:?}"
    );
    assert_eq!(server.wait(), 0);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn connections_that_have_grown_old_end_behind_their_requests() {
    let server = Server::start(&["--max-connection-age", "500ms"]);
    // Over HTTP/2 both GOAWAY come by themselves, with the highest stream and then with the last one.
    let mut client = RawH2::open(server.connect());
    client.send(&frame(raw_h2::SETTINGS, 0, 0, &[]));
    let flags = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    client.send(&frame(raw_h2::HEADERS, flags, 1, &get("/")));
    let mut last_streams = Vec::new();
    while let Some(frame) = client.next() {
        if frame.kind == raw_h2::GOAWAY {
            last_streams.push(u32::from_be_bytes(frame.payload[..4].try_into().unwrap()));
            assert_eq!(frame.payload[4..8], [0; 4]);
        }
    }
    assert_eq!(last_streams, [0x7fff_ffff, 1]);
    // Over HTTP/1.1 the next response says so.
    let mut client = server.connect();
    let mut answers = Vec::new();
    while !answers
        .last()
        .is_some_and(|answer: &String| answer.contains("connection: close"))
    {
        answers.push(exchange(&mut client, GET, b"</title>").to_lowercase());
        thread::sleep(Duration::from_millis(100));
    }
    assert!(answers.len() > 1, "{answers:?}");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}
