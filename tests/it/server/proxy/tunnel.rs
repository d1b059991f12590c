//! WebSocket of clients of HTTP/2: extended CONNECT (RFC 8441) and the upgrade that the upstream sees.

use super::h2_peer::{H2Peer, Heard};
use super::upstream::{Caller, Upstream};
use super::{OK, proxy};
use crate::support::{PATIENCE, Server};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use calmd::h2::{Config, ErrorCode, StreamKey};
use std::sync::mpsc;

const WEBSOCKET: [(&str, &str); 4] = [
    (":protocol", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-protocol", "chat"),
    ("sec-websocket-key", "of the client"),
];

/// Takes an upgrade up as RFC 6455 wants it, with the first bytes of the other protocol behind the head.
fn take_up(caller: &mut Caller) -> Option<()> {
    let head = caller.request()?;
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "))?;
    let both = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, both.as_bytes()));
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\nhello"
    );
    caller.send(head.as_bytes());
    Some(())
}

/// A client that has the server's settings.
fn client(server: &Server) -> H2Peer {
    let mut client = H2Peer::client(server.connect(), Config::default());
    let ping = client.ask("GET", "/settings", &[], true);
    loop {
        match client.next() {
            Heard::Head(stream, _, true) | Heard::Data(stream, _, true) if stream == ping => break,
            Heard::Closed => panic!("closed"),
            _ => {}
        }
    }
    client
}

fn open(client: &mut H2Peer, path: &str) -> StreamKey {
    client.ask("CONNECT", path, &WEBSOCKET, false)
}

/// Content of a stream until it has so many bytes.
fn content(client: &mut H2Peer, stream: StreamKey, len: usize) -> Vec<u8> {
    let mut content = Vec::new();
    while content.len() < len {
        match client.next() {
            Heard::Data(of, data, false) if of == stream => content.extend(data),
            other => panic!("instead of content: {other:?}"),
        }
    }
    content
}

#[test]
fn a_client_of_http2_opens_a_websocket_beside_other_requests() {
    let upstream = Upstream::start(|caller| {
        if take_up(caller).is_some() {
            let mut seen = Vec::new();
            while !seen.ends_with(b"bye") {
                let byte = caller.content(1);
                caller.send(&byte);
                seen.extend(byte);
            }
        }
    });
    let rule = upstream.rule("/chat");
    let server = Server::start(&["--proxy", &rule]);
    let mut client = client(&server);
    assert!(client.core.remote_settings().enable_connect_protocol);
    let tunnel = open(&mut client, "/chat/room?x=1");
    let Heard::Head(_, head, false) = client.next() else {
        panic!("no head");
    };
    assert!(head.contains(&":status: 200".to_owned()), "{head:?}");
    assert!(head.contains(&"sec-websocket-protocol: chat".to_owned()));
    for name in [
        "sec-websocket-accept",
        "upgrade",
        "connection",
        "content-length",
    ] {
        assert!(
            !head.iter().any(|field| field.starts_with(name)),
            "{head:?}"
        );
    }
    assert_eq!(content(&mut client, tunnel, 5), b"hello");
    client.give(tunnel, b"\0\xff text", false);
    assert_eq!(content(&mut client, tunnel, 7), b"\0\xff text");
    // The connection serves files meanwhile.
    let page = client.ask("GET", "/", &[], true);
    let (stream, ..) = client.message();
    assert_eq!(stream, page);
    client.give(tunnel, b"bye", false);
    let mut rest = Vec::new();
    loop {
        match client.next() {
            Heard::Data(_, data, end) => {
                rest.extend(data);
                if end {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rest, b"bye");
    let heads = upstream.heads();
    let head = &heads[0];
    assert!(
        head.starts_with("GET /chat/room?x=1 HTTP/1.1\r\n"),
        "{head}"
    );
    for line in [
        "\r\nconnection: upgrade\r\n",
        "\r\nupgrade: websocket\r\n",
        "\r\nsec-websocket-version: 13\r\n",
        "\r\nhost: a\r\n",
    ] {
        assert!(head.contains(line), "{head}");
    }
    assert!(
        !head.contains("of the client") && !head.contains("protocol: websocket"),
        "{head}"
    );
    assert_eq!(head.matches("sec-websocket-key").count(), 1, "{head}");
}

#[test]
fn the_end_of_the_clients_side_reaches_the_upstream_behind_its_last_bytes() {
    let (tell, told) = mpsc::channel();
    let upstream = Upstream::start(move |caller| {
        if take_up(caller).is_some() {
            let last = caller.content(4);
            tell.send((last, caller.drain())).unwrap();
        }
    });
    let rule = upstream.rule("/chat");
    let server = Server::start(&["--proxy", &rule]);
    for end in [true, false] {
        let mut client = client(&server);
        let tunnel = open(&mut client, "/chat");
        assert!(matches!(client.next(), Heard::Head(_, _, false)));
        content(&mut client, tunnel, 5);
        client.give(tunnel, b"last", end);
        if !end {
            client.reset(tunnel, ErrorCode::CANCEL);
        }
        assert_eq!(told.recv_timeout(PATIENCE), Ok((b"last".to_vec(), 0)));
    }
}

#[test]
fn an_answer_that_opens_no_websocket_opens_no_tunnel() {
    const WRONG: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    for (answer, expected) in [(OK, "502"), (WRONG, "502"), (FORBIDDEN, "403")] {
        let upstream = Upstream::start(move |caller| {
            while let Some(head) = caller.request() {
                let is_offer = head.contains("upgrade: websocket");
                caller.send(if is_offer { answer } else { OK }.as_bytes());
            }
        });
        let server = proxy(&upstream, &[]);
        let mut client = client(&server);
        open(&mut client, "/chat");
        let Heard::Head(_, head, _) = client.next() else {
            panic!("no head");
        };
        assert_eq!(head[0], format!(":status: {expected}"), "{answer}");
    }
}

#[test]
fn tunnels_are_told_of_where_an_upstream_takes_them_and_for_websocket_alone() {
    let upstream = Upstream::answering(OK);
    let rule = upstream.rule("/chat");
    let server = Server::start(&["--proxy", &rule]);
    let mut client = client(&server);
    for (protocol, path, expected) in [("connect-udp", "/chat", "501"), ("websocket", "/", "405")] {
        client.ask("CONNECT", path, &[(":protocol", protocol)], false);
        loop {
            match client.next() {
                Heard::Head(_, head, _) => {
                    assert_eq!(head[0], format!(":status: {expected}"), "{protocol} {path}");
                    break;
                }
                Heard::Closed => panic!("closed"),
                _ => {}
            }
        }
    }
    assert!(upstream.heads().is_empty());
    let site = Server::start(&[]);
    let client = self::client(&site);
    assert!(!client.core.remote_settings().enable_connect_protocol);
}
