//! Fields behind content: for clients of HTTP/1.1 that take them, and from upstreams of HTTP/1.1.

use super::h2_peer::{self, H2Peer, Heard};
use super::upstream::Upstream;
use super::{body, proxy};
use crate::support::Server;
use calmd::h2::Config;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
                      3\r\nabc\r\n0\r\nx-sum: 1\r\ncontent-length: 9\r\n\r\n";

/// The answer to a client with these fields, which closes.
fn ask(server: &Server, fields: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    String::from_utf8(server.converse(request.as_bytes())).unwrap()
}

#[test]
fn a_client_of_http11_gets_trailers_if_it_takes_them() {
    let upstream = Upstream::answering(ANSWER);
    let server = proxy(&upstream, &[]);
    let answer = ask(&server, "TE: trailers\r\nConnection: te, close");
    assert!(answer.contains("\r\ntrailer: x-sum\r\n"), "{answer}");
    assert_eq!(chunks(&answer), "3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n");
    for fields in ["TE: trailers\r\nConnection: close", "Connection: te, close"] {
        let answer = ask(&server, fields);
        assert!(!answer.contains("trailer:"), "{answer}");
        assert_eq!(chunks(&answer), "3\r\nabc\r\n0\r\n\r\n", "{fields}");
    }
    // What concerns the client's connection is not said on the upstream's.
    assert!(upstream.heads().iter().all(|head| !head.contains("te: ")));
}

#[test]
fn trailers_of_an_upstream_of_http2_reach_a_client_of_http11_behind_chunks_alone() {
    let address = h2_peer::upstream(Config::default(), |peer| {
        while let Heard::Head(stream, head, _) = peer.next() {
            let is_te = head.contains(&":path: /te".to_owned());
            assert!(
                !is_te || head.contains(&"te: trailers".to_owned()),
                "{head:?}"
            );
            let fields = [
                (":status", "200"),
                ("trailer", "x-sum"),
                ("content-length", "3"),
            ];
            let known = head.contains(&":path: /known".to_owned());
            peer.say(stream, &fields[..if known { 3 } else { 2 }], false);
            peer.give(stream, b"abc", false);
            peer.say(stream, &[("x-sum", "1")], true);
        }
    });
    let server = Server::start(&["--proxy", &format!("/=h2c://{address}")]);
    let te = "TE: trailers\r\nConnection: te, close";
    let mut answers = ["/te", "/known"].map(|path| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{te}\r\n\r\n");
        String::from_utf8(server.converse(request.as_bytes())).unwrap()
    });
    assert_eq!(chunks(&answers[0]), "3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n");
    let known = answers[1].to_ascii_lowercase();
    assert!(
        !known.contains("trailer:") && known.contains("content-length: 3\r\n"),
        "{known}"
    );
    assert_eq!(body(&answers[1]), "abc");
    answers[0].make_ascii_lowercase();
    assert!(answers[0].contains("\r\ntrailer: x-sum\r\n"), "{answers:?}");
}

#[test]
fn trailers_of_an_upstream_of_http11_reach_a_client_of_http2() {
    let upstream = Upstream::answering(ANSWER);
    let server = proxy(&upstream, &[]);
    let mut client = H2Peer::client(server.connect(), Config::default());
    client.ask("GET", "/", &[], true);
    let mut content = Vec::new();
    let trailers = trailers_of(&mut client, &mut content);
    assert_eq!(content, b"abc");
    assert_eq!(trailers, ["x-sum: 1"]);
}

/// The fields behind the content of the next response.
fn trailers_of(client: &mut H2Peer, content: &mut Vec<u8>) -> Vec<String> {
    loop {
        match client.next() {
            Heard::Head(_, head, false) => {
                assert!(head.contains(&"trailer: x-sum".to_owned()), "{head:?}");
            }
            Heard::Data(_, data, false) => content.extend(data),
            Heard::Trailers(_, trailers) => return trailers,
            other => panic!("{other:?}"),
        }
    }
}

/// The chunks of a body, the size of the first of which has no zeros in front.
fn chunks(answer: &str) -> &str {
    body(answer).trim_start_matches('0')
}
