//! Requests that expect `100-continue` (RFC 9110 §10.1.1), in both versions.

use crate::raw_h2::{DATA, END_HEADERS, END_STREAM, Frame, HEADERS, RawH2, frame};
use crate::support::Server;
use calmd::hpack::{DecodeLimits, Decoder, Encoder};
use calmd::http::{Fields, Pseudo};
use std::io::{Read, Write};
use std::net::TcpStream;

/// An HTTP/2 client that decodes the statuses of responses.
struct ExpectingClient {
    h2: RawH2,
    encoder: Encoder,
    decoder: Decoder,
}

impl ExpectingClient {
    fn of(server: &Server) -> ExpectingClient {
        ExpectingClient {
            h2: RawH2::open(server.connect()),
            encoder: Encoder::new(4096),
            decoder: Decoder::new(4096),
        }
    }

    fn request(&mut self, id: u32, path: &str, more: &[(&str, &str)], content: Option<&[u8]>) {
        let own = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
        ];
        let fields: Fields = own.into_iter().chain(more.iter().copied()).collect();
        let mut block = Vec::new();
        self.encoder.encode(fields.iter(), &mut block);
        let mut bytes = frame(HEADERS, END_HEADERS, id, &block);
        if let Some(content) = content {
            bytes.extend(frame(DATA, END_STREAM, id, content));
        }
        self.h2.send(&bytes);
    }

    fn content(&mut self, id: u32, content: &[u8]) {
        self.h2.send(&frame(DATA, END_STREAM, id, content));
    }

    /// The status of the next HEADERS frame.
    fn status(&mut self) -> String {
        let frames = self.h2.until(|frame: &Frame| frame.kind == HEADERS);
        let block = &frames.last().expect("a frame").payload;
        let mut fields = Fields::new();
        let limits = DecodeLimits {
            list_size: 1 << 14,
            fields: 100,
            crumbs: 1_000,
            overrun: 1,
        };
        let decoded = self.decoder.decode(block, &mut fields, &limits);
        decoded.expect("the server's fields");
        let status = fields.pseudo(Pseudo::Status).expect("a status");
        String::from_utf8_lossy(status).into_owned()
    }
}

const CONTINUE: (&str, &str) = ("expect", "100-continue");

#[test]
fn http_2_says_100_before_it_waits_for_content() {
    let server = Server::start(&["--demo"]);
    let mut client = ExpectingClient::of(&server);
    for (id, path) in [(1, "/json"), (3, "/echo"), (5, "/json")] {
        client.request(id, path, &[("expect", "100-Continue")], None);
        assert_eq!(client.status(), "100", "{path}");
        if path == "/json" {
            client.content(id, b"content");
            assert_eq!(client.status(), "200", "{path}");
        } else {
            assert_eq!(client.status(), "200", "{path}");
            client.content(id, b"content");
        }
        client
            .h2
            .until(|frame| frame.kind == DATA && frame.flags & END_STREAM != 0);
    }
}

#[test]
fn http_2_says_nothing_of_it_where_content_came_or_nobody_wants_it() {
    let server = Server::start(&["--demo", "--max-request-body", "1M"]);
    let mut client = ExpectingClient::of(&server);
    client.request(1, "/json", &[CONTINUE], Some(b"content"));
    assert_eq!(client.status(), "200");
    client.request(3, "/", &[CONTINUE], None);
    assert_eq!(client.status(), "405");
    client.request(5, "/json", &[CONTINUE, ("content-length", "2000000")], None);
    assert_eq!(client.status(), "413");
    client.request(7, "/json", &[], None);
    client.content(7, b"content");
    assert_eq!(client.status(), "200");
}

#[test]
fn an_unknown_expectation_is_417_in_both_versions() {
    let server = Server::start(&["--demo"]);
    let mut client = ExpectingClient::of(&server);
    for (id, path) in [(1, "/json"), (3, "/")] {
        client.request(id, path, &[("expect", "the unexpected")], None);
        assert_eq!(client.status(), "417");
        let head = format!("POST {path} HTTP/1.1\r\nExpect: the unexpected");
        let answer = server.request(&head);
        assert!(answer.starts_with("HTTP/1.1 417 "), "{answer}");
    }
}

fn post(path: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\
         Expect: 100-continue\r\nConnection: close\r\n{more}\r\n"
    )
}

fn read_some(stream: &mut TcpStream) -> String {
    let mut room = [0; 4096];
    let len = stream.read(&mut room).expect("an answer");
    String::from_utf8_lossy(&room[..len]).into_owned()
}

#[test]
fn http_1_says_100_before_it_waits_for_content() {
    let server = Server::start(&["--demo"]);
    for path in ["/json", "/echo"] {
        let mut stream = server.connect();
        stream.write_all(post(path, "").as_bytes()).unwrap();
        let first = read_some(&mut stream);
        assert!(
            first.starts_with("HTTP/1.1 100 Continue\r\n\r\n"),
            "{first}"
        );
        stream.write_all(b"content").unwrap();
        let mut rest = first;
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("HTTP/1.1 200 OK\r\n"), "{rest}");
    }
}

#[test]
fn http_1_says_nothing_of_it_where_content_came_or_nobody_wants_it() {
    let server = Server::start(&["--demo"]);
    for (path, status) in [("/json", 200), ("/echo", 200), ("/", 405)] {
        let answer = server.converse((post(path, "") + "content").as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(!answer.contains("100 Continue"), "{answer}");
    }
}
