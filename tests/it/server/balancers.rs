//! Listeners behind balancers, which begin their connections with a PROXY header.

use crate::server::tls::client_config;
use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A server whose listeners are both behind balancers of this network, with an access log in JSON.
fn start(network: &str, options: &[&str]) -> Server {
    let listener = format!("127.0.0.1:0,proxy={network}");
    let own = [
        "--listen",
        &listener,
        "--access-log",
        "access.log",
        "--log-format",
        "json",
    ];
    Server::start(&[&own, options].concat())
}

/// A header of version 2 with these last bytes.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &len, rest].concat()
}

/// A header of version 2 for 192.0.2.7, with the TLVs of a client that came over TLS and agreed on h2.
fn introduced() -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 192, 0, 2, 9, 200, 0, 1, 187];
    let tlvs = b"\x01\0\x02h2\x20\0\x05\x01\0\0\0\0";
    binary(0x21, 0x11, &[&addresses[..], tlvs].concat())
}

/// The lines of the access log, once there are as many.
pub(super) fn log_lines(server: &Server, count: usize) -> Vec<String> {
    let start = Instant::now();
    loop {
        let text = fs::read_to_string(server.directory.path().join("access.log")).unwrap();
        if text.lines().count() >= count {
            return text.lines().map(str::to_owned).collect();
        }
        assert!(start.elapsed() < PATIENCE, "{text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_log_names_the_client_and_the_scheme_that_the_balancer_tells() {
    let server = start("127.0.0.0/8", &[]);
    for (header, remote, scheme) in [
        (
            b"PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n".to_vec(),
            "192.0.2.1",
            "http",
        ),
        (
            b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec(),
            "2001:db8::1",
            "http",
        ),
        (introduced(), "192.0.2.7", "https"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1", "http"),
        (binary(0x20, 0, &[]), "127.0.0.1", "http"),
    ] {
        let before = fs::read_to_string(server.directory.path().join("access.log")).unwrap();
        let answer = server.converse(&[&header[..], REQUEST].concat());
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{header:?}");
        let lines = log_lines(&server, before.lines().count() + 1);
        let line = lines.last().unwrap();
        assert!(line.contains(&format!("\"remote\":\"{remote}\"")), "{line}");
        assert!(line.contains(&format!("\"scheme\":\"{scheme}\"")), "{line}");
    }
}

#[test]
fn a_header_and_a_request_arrive_cut_at_every_byte() {
    let server = start("127.0.0.1", &[]);
    let header = introduced();
    let bytes = [&header[..], REQUEST].concat();
    // Cuts within the header, at its end, and within the request.
    for cut in 1..header.len() + 4 {
        let mut stream = server.connect();
        stream.write_all(&bytes[..cut]).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        stream.write_all(&bytes[cut..]).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{cut}");
    }
    let lines = log_lines(&server, header.len() + 3);
    assert!(lines.iter().all(|line| line.contains("192.0.2.7")));
}

#[test]
fn http_2_is_told_by_its_bytes_behind_a_header() {
    let server = start("127.0.0.1", &[]);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // The preface is cut where HTTP/1.1 is not yet ruled out.
    for cut in [0, 3, preface.len()] {
        let mut stream = server.connect();
        let header = b"PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n";
        stream
            .write_all(&[header, &preface[..cut]].concat())
            .unwrap();
        std::thread::sleep(Duration::from_millis(10));
        stream.write_all(&preface[cut..]).unwrap();
        let mut frame = [0; 4];
        stream.read_exact(&mut frame).unwrap();
        assert_eq!(frame[3], 4, "SETTINGS come first");
    }
}

#[test]
fn tls_begins_behind_the_header_however_much_came_with_it() {
    let server = start("127.0.0.1", &[]);
    for together in [true, false] {
        let config = client_config(&server, &["http/1.1"]);
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(config, name).unwrap();
        let mut socket = TcpStream::connect(server.https).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut first = introduced();
        if together {
            session.write_tls(&mut first).unwrap();
        }
        socket.write_all(&first).unwrap();
        let mut stream = StreamOwned::new(session, socket);
        stream.write_all(REQUEST).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{together}");
    }
    let lines = log_lines(&server, 2);
    assert!(
        lines.iter().all(|line| line.contains("192.0.2.7")),
        "{lines:?}"
    );
}

/// True if the server closes the connection, and says nothing before.
fn is_closed(mut stream: TcpStream) -> bool {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(len) => len == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn who_is_no_balancer_or_sends_no_header_is_closed_with_a_line() {
    let server = start("10.0.0.0/8", &[]);
    assert!(is_closed(server.connect()));
    server.logged("127.0.0.1: not among the balancers of the listener");

    let server = start("127.0.0.1", &[]);
    let mut stream = server.connect();
    stream.write_all(REQUEST).unwrap();
    assert!(is_closed(stream));
    server.logged("127.0.0.1: no PROXY header came first");
    // What a client says of itself behind the header means nothing.
    let spoofed = b"PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\nPROXY TCP4 10.0.0.1 10.0.0.1 1 2\r\n\r\n";
    assert!(server.converse(spoofed).starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn checks_that_send_nothing_or_a_header_alone_leave_no_line() {
    let server = start("127.0.0.1", &["--handshake-timeout", "300ms"]);
    drop(server.connect());
    let mut check = server.connect();
    check.write_all(&binary(0x20, 0, &[])).unwrap();
    drop(check);
    // Silence until its time is up, and a header that stays incomplete, of which alone there is a line.
    assert!(is_closed(server.connect()));
    let log = server.log();
    assert!(!log.contains("limit: "), "{log}");
    let mut slow = server.connect();
    slow.write_all(b"PROXY ").unwrap();
    assert!(is_closed(slow));
    server.logged("127.0.0.1: the PROXY header is too slow");
}

#[test]
fn limits_of_addresses_are_the_clients_and_not_the_balancers() {
    let server = start("127.0.0.1", &["--max-per-address", "1"]);
    let open = |address: &str| {
        let mut stream = server.connect();
        let header = format!("PROXY TCP4 {address} 192.0.2.9 1 2\r\n");
        stream.write_all(header.as_bytes()).unwrap();
        stream
    };
    let answers = |mut stream: &TcpStream| {
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    };
    let first = open("192.0.2.1");
    answers(&first);
    assert!(is_closed(open("192.0.2.1")));
    server.logged("192.0.2.1: too many connections, refused");
    answers(&open("192.0.2.2"));
    drop(first);
    // The place is free once the server has seen the end.
    let start = Instant::now();
    loop {
        let mut again = open("192.0.2.1");
        again.write_all(REQUEST).unwrap();
        let mut answer = Vec::new();
        let _ = again.read_to_end(&mut answer);
        if answer.starts_with(b"HTTP/1.1 200 ") {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "the place stays taken");
    }
}
