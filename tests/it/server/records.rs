//! TLS records and handshake messages that no client sends, and their effect on other clients.

use super::tls::client_config;
use crate::raw_tls::{RawPeer, in_records};
use crate::support::{PATIENCE, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, ContentType};

fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.https).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Asserts that the server answers other clients.
fn serves(server: &Server) {
    let answer = server.request("GET / HTTP/1.1");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_client_hello_over_several_records_ends_its_own_connection_with_an_alert() {
    let server = Server::start(&[]);
    for (len, cut) in [(33_000, 16 << 10), (60_000, 100), (17_000, 1_000)] {
        let mut message = vec![1, 0, (len >> 8) as u8, len as u8, 3, 3];
        message.resize(4 + len, 0);
        let mut socket = connect(&server);
        for records in in_records(&message, cut).chunks(9_000) {
            if socket.write_all(records).is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        // The server's connection lingers until the alert was read.
        let _ = socket.read_to_end(&mut answer);
        // illegal_parameter (RFC 8446 §6.2)
        assert_eq!(answer, [21, 3, 3, 0, 2, 2, 47]);
        serves(&server);
    }
}

#[test]
fn a_record_that_announces_the_most_comes_in_pieces() {
    let server = Server::start(&[]);
    let mut socket = connect(&server);
    let mut record = vec![22, 3, 1, 0x47, 0xff];
    record.resize(5 + 18_431, 0);
    let (first, rest) = record.split_at(17_408);
    for piece in [first, &rest[..600], &rest[600..601], &rest[601..]] {
        let _ = socket.write_all(piece);
        std::thread::sleep(std::time::Duration::from_millis(50));
        serves(&server);
    }
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    // record_overflow (RFC 8446 §5.1)
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 22]);
}

#[test]
fn a_hello_that_comes_a_byte_at_a_time_ends_with_the_time_for_the_handshake() {
    let server = Server::start(&["--handshake-timeout", "1s"]);
    let mut socket = connect(&server);
    let started = std::time::Instant::now();
    let ended = [1, 0, 1, 0].iter().chain(&[0; 600]).any(|byte| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        socket.write_all(&[22, 3, 1, 0, 1, *byte]).is_err()
    });
    assert!(ended && started.elapsed() < PATIENCE);
}

/// A connection that has sent `request` and has then begun a handshake message.
fn begin_message(server: &Server, request: &[u8]) -> TcpStream {
    let mut config = ClientConfig::clone(&client_config(server, &["http/1.1"]));
    config.enable_secret_extraction = true;
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = connect(server);
    while session.is_handshaking() || session.wants_write() {
        session.complete_io(&mut socket).unwrap();
    }
    std::io::Write::write_all(&mut session.writer(), request).unwrap();
    while session.wants_write() {
        session.write_tls(&mut socket).unwrap();
    }
    let suite = session.negotiated_cipher_suite().unwrap();
    let secrets = session.dangerous_extract_secrets().unwrap();
    let record = RawPeer::new(suite, secrets.tx).seal(ContentType::Handshake, &[24]);
    socket.write_all(&record).unwrap();
    socket
}

#[test]
fn a_message_that_has_begun_does_not_disturb_what_makes_the_server_answer() {
    let mut server = Server::with_site(
        &[
            "--drain-timeout",
            "1s",
            "--idle-timeout",
            "1s",
            "--keep-alive-timeout",
            "1s",
        ],
        |site| {
            std::fs::write(site.join("large"), vec![7; 8 << 20]).unwrap();
        },
    );
    let download = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // A download goes on.
    let mut socket = begin_message(&server, download);
    let mut taken = 0;
    let mut buffer = vec![0; 64 << 10];
    while taken < 8 << 20 {
        let len = socket.read(&mut buffer).unwrap();
        assert!(len > 0, "cut off behind {taken} bytes");
        taken += len;
    }
    serves(&server);
    // The client ends its side.
    let socket = begin_message(&server, b"");
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = (&socket).read_to_end(&mut buffer);
    serves(&server);
    // The connection meets its timeout.
    let mut socket = begin_message(&server, b"");
    let _ = socket.read_to_end(&mut buffer);
    serves(&server);
    // The server is stopped.
    let _idle = begin_message(&server, b"");
    let _busy = begin_message(&server, download);
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}
