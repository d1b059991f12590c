//! TLS and ALPN over a socket.

use crate::support::{PATIENCE, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A client that trusts the server's self-signed certificate.
pub fn client_config(server: &Server, alpn: &[&str]) -> Arc<ClientConfig> {
    trusting(&server.directory.path().join("certs/localhost.pem"), alpn)
}

/// A client that trusts one certificate alone.
pub fn trusting(certificate: &Path, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(certificate).expect("a certificate was made") {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn connect(server: &Server, alpn: &[&str]) -> StreamOwned<ClientConnection, TcpStream> {
    connect_with(server, client_config(server, alpn))
}

/// A connection whose handshake has not begun.
pub fn connect_with(
    server: &Server,
    config: Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    connect_to(server, config, "localhost")
}

/// A connection whose handshake has not begun, and will ask for `name`. An address is never sent as a
/// name (RFC 6066 §3).
pub fn connect_to(
    server: &Server,
    config: Arc<ClientConfig>,
    name: &'static str,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from(name).unwrap();
    let session = ClientConnection::new(config, name).unwrap();
    let socket = TcpStream::connect(server.https).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(session, socket)
}

#[test]
fn a_client_without_alpn_gets_http1() {
    let server = Server::start(&[]);
    let mut stream = connect(&server, &[]);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("closed with close_notify");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(stream.conn.alpn_protocol(), None);
}

#[test]
fn h2_is_preferred_where_both_are_offered() {
    let server = Server::start(&[]);
    let mut stream = connect(&server, &["http/1.1", "h2"]);
    stream.write_all(crate::raw_h2::PREFACE).unwrap();
    let mut header = [0; 9];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(header[3], crate::raw_h2::SETTINGS);
}

#[test]
fn a_large_body_over_tls_is_whole() {
    let server = Server::with_site(&[], |site| {
        let content: Vec<u8> = (0..3_000_000u32).map(|i| (i % 253) as u8).collect();
        std::fs::write(site.join("big.bin"), content).unwrap();
    });
    let mut stream = connect(&server, &["http/1.1"]);
    stream
        .write_all(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let split = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap()
        + 4;
    assert!(
        answer[split..]
            .iter()
            .enumerate()
            .all(|(i, &byte)| byte == (i % 253) as u8)
    );
    assert_eq!(answer.len() - split, 3_000_000);
}

#[test]
fn bad_records_are_answered_by_an_alert_and_do_no_harm() {
    let server = Server::start(&[]);
    let bad: [&[u8]; 4] = [
        // Two handshake messages in a record: an empty ClientHello, then an unknown type.
        &[22, 3, 1, 0, 8, 1, 0, 0, 0, 99, 0, 0, 0],
        // Two records of an unknown type.
        &[99, 3, 1, 0, 1, 0, 99, 3, 1, 0, 1, 0],
        // HTTP/2 without TLS, whose client cannot read HTTP/1.1.
        crate::raw_h2::PREFACE,
        // Application data before any handshake.
        &[23, 3, 3, 0, 2, 0, 0],
    ];
    for record in bad {
        let mut socket = TcpStream::connect(server.https).expect("the server lives");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(record).unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        // RFC 8446 §6
        assert_eq!(
            answer.get(..2),
            Some(&[21, 3][..]),
            "{record:?}: {answer:?}"
        );
    }
    // Half a message, and nothing behind it.
    let mut socket = TcpStream::connect(server.https).expect("the server lives");
    socket.write_all(&[22, 3, 1, 0, 4, 1, 0, 1, 0]).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = socket.read_to_end(&mut Vec::new());
    assert!(server.request("GET / HTTP/1.1").starts_with("HTTP/1.1 200"));
}

#[test]
fn plain_http_on_the_port_of_tls_is_answered_in_words_and_logged() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let options = [
        "--log-level",
        "debug",
        "--access-log",
        log.to_str().unwrap(),
    ];
    let mut server = Server::start(&options);
    let mut socket = TcpStream::connect(server.https).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET /a?b HTTP/1.1\r\nHost: {}\r\n\r\n", server.https);
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("a clean end");
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    let link = format!("<a href=\"https://{}/a?b\">", server.https);
    assert!(answer.contains(&link), "{answer}");
    server.logged("TLS: ");
    server.signal("TERM");
    server.wait();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains(" 400 "), "{log}");
}

#[test]
fn failed_handshakes_are_told_at_debug_and_counted_at_the_end() {
    let mut server = Server::start(&["--log-level", "debug"]);
    let stranger = Server::start(&[]);
    for _ in 0..3 {
        let mut stream = connect_with(&server, client_config(&stranger, &["h2"]));
        stream.write_all(b"x").expect_err("nobody vouches for it");
        let _ = stream.conn.write_tls(&mut stream.sock);
        let _ = stream.sock.read_to_end(&mut Vec::new());
    }
    let line = server.logged("TLS: received fatal alert");
    assert!(line.contains("127.0.0.1"), "{line}");
    server.signal("TERM");
    server.wait();
    server.logged("tls-failures 3");
}

/// RFC 6797 §7.2
#[test]
fn strict_transport_security_is_sent_over_tls_alone_in_both_versions() {
    let server = Server::start(&["--header", "Strict-Transport-Security: max-age=5"]);
    let shown = |url: String| crate::client::fetch(["-k", "-I", &url]).text();
    for path in ["", "missing"] {
        let tls = shown(format!("https://{}/{path}", server.https));
        assert!(
            tls.contains("\nstrict-transport-security: max-age=5\n"),
            "{tls}"
        );
        let clear = shown(format!("http://{}/{path}", server.http));
        assert!(!clear.contains("strict-transport"), "{clear}");
        let mut stream = connect(&server, &["http/1.1"]);
        let request =
            format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.contains("\r\nstrict-transport-security: max-age=5\r\n"),
            "{answer}"
        );
        let clear = server.request(&format!("GET /{path} HTTP/1.1"));
        assert!(!clear.contains("strict-transport"), "{clear}");
    }
    let refused = String::from_utf8(server.converse(b"GET / HTTP/1.1\r\n\r\n")).unwrap();
    assert!(!refused.contains("strict-transport"), "{refused}");
}

/// Puts a certificate that is valid for these days from now where the server expects its own.
fn put_pair(directory: &Path, days: std::ops::Range<i64>) {
    let day = |n: i64| {
        let seconds = std::time::Duration::from_secs(n.unsigned_abs() * 86_400);
        let now = std::time::SystemTime::now();
        if n < 0 { now - seconds } else { now + seconds }
    };
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (day(days.start).into(), day(days.end).into());
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    for (name, content) in [
        ("cert.pem", certificate.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        std::fs::write(directory.join("next"), content).unwrap();
        std::fs::rename(directory.join("next"), directory.join(name)).unwrap();
    }
}

#[test]
fn a_certificate_outside_of_its_time_is_warned_of_at_the_start_and_at_sighup() {
    let options = ["--cert", "cert.pem", "--key", "key.pem"];
    let server = Server::with_site(&options, |site| put_pair(site.parent().unwrap(), 2..9));
    server.logged("is not valid before");
    let directory = server.directory.path();
    for (days, said) in [(-9..-2, "expired on"), (-90..2, "expires in")] {
        put_pair(directory, days);
        server.signal("HUP");
        server.logged(said);
    }
    put_pair(directory, -1..90);
    server.signal("HUP");
    server.logged("the certificate was read again");
}
