//! The end of a server on SIGTERM, for clients that have just connected.

use super::tls::{client_config, connect_with};
use crate::raw_h2::{self, RawH2, frame, get};
use crate::support::{Server, exchange};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Time that a client which was connected before SIGTERM has for its handshake and its request, less what a
/// busy machine may take for the way.
const IN_TIME: Duration = Duration::from_millis(700);

/// Preface, SETTINGS and a request.
fn h2_get() -> Vec<u8> {
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(raw_h2::SETTINGS, 0, 0, &[]));
    let flags = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    request.extend(frame(raw_h2::HEADERS, flags, 1, &get("/")));
    request
}

/// A whole response, behind which the connection ends. One that is made before the server hears of the signal
/// does not announce that.
fn expect_http1(mut stream: impl Read) {
    let mut answer = Vec::new();
    // A reset behind the response is an end as well.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("<title>start</title>"), "{answer}");
}

/// The frames of a stream until it ends, behind preface and SETTINGS.
fn expect_http2(mut stream: impl Read) {
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

/// The answers over TLS to clients whose hello was in the backlog at SIGTERM: true for each that was served.
/// One that was itself too late with its request is not judged, and there is a reason for it: a machine
/// that is busy with other tests.
fn over_tls(
    mut stream: StreamOwned<ClientConnection, TcpStream>,
    request: &[u8],
    expect: fn(StreamOwned<ClientConnection, TcpStream>),
    told: Instant,
) -> bool {
    let written = stream.write_all(request);
    if told.elapsed() > IN_TIME {
        return false;
    }
    written.expect("the handshake ends while there is time for it");
    expect(stream);
    true
}

#[test]
fn whoever_waits_in_the_backlog_at_sigterm_is_served() {
    let mut served = [false; 2];
    for _ in 0..20 {
        let mut server = Server::start(&[]);
        let configs = ["http/1.1", "h2"].map(|alpn| client_config(&server, &[alpn]));
        // The kernel still connects clients from here on, and the server accepts none.
        server.signal("STOP");
        let mut clear = Vec::new();
        for _ in 0..20 {
            let (mut one, mut two) = (server.connect(), server.connect());
            one.write_all(GET).unwrap();
            two.write_all(&h2_get()).unwrap();
            clear.push((one, two));
        }
        let mut secure = Vec::new();
        for _ in 0..4 {
            secure.push(configs.clone().map(|config| {
                let mut stream = connect_with(&server, config);
                stream.conn.write_tls(&mut stream.sock).unwrap();
                stream
            }));
        }
        let told = Instant::now();
        server.signal("TERM");
        server.signal("CONT");
        let secure = secure.into_iter().map(|[one, two]| {
            thread::spawn(move || {
                let one = over_tls(one, GET, expect_http1, told);
                (one, over_tls(two, &h2_get(), expect_http2, told))
            })
        });
        let secure: Vec<_> = secure.collect();
        for (one, two) in clear {
            expect_http1(one);
            expect_http2(two);
        }
        for client in secure {
            let (one, two) = client.join().expect("a client in time is served");
            served[0] |= one;
            served[1] |= two;
        }
        assert_eq!(server.wait(), 0);
        if served == [true; 2] {
            return;
        }
    }
    panic!("of 20 times no client was fast enough: {served:?}");
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
