//! WebSocket of clients of HTTP/2: extended CONNECT (RFC 8441) and the upgrade that the upstream sees.

use super::h2_peer::{self, H2Peer, Heard};
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
pub fn take_up(caller: &mut Caller) -> Option<()> {
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
pub fn client(server: &Server) -> H2Peer {
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

pub fn open(client: &mut H2Peer, path: &str) -> StreamKey {
    client.ask("CONNECT", path, &WEBSOCKET, false)
}

/// Content of a stream until it has so many bytes.
pub fn content(client: &mut H2Peer, stream: StreamKey, len: usize) -> Vec<u8> {
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

/// An upstream of HTTP/2, whose SETTINGS allow tunnels or not, and that sends everything back.
fn echoing(extended_connect: bool) -> (Server, mpsc::Receiver<Vec<String>>) {
    let (tell, told) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let config = Config {
        extended_connect,
        ..Config::default()
    };
    let address = h2_peer::upstream(config, move |peer| {
        loop {
            match peer.next() {
                Heard::Head(stream, head, _) => {
                    let is_barred = head.contains(&":path: /chat/barred".to_owned());
                    tell.lock().unwrap().send(head).unwrap();
                    if is_barred {
                        peer.say(stream, &[(":status", "403")], true);
                        continue;
                    }
                    let opened = [
                        (":status", "200"),
                        ("sec-websocket-protocol", "chat"),
                        ("content-length", "7"),
                    ];
                    peer.say(stream, &opened, false);
                }
                Heard::Data(stream, data, end) => peer.give(stream, &data, end),
                Heard::Closed => return,
                _ => {}
            }
        }
    });
    let rule = format!("/chat=h2c://{address}");
    (Server::start(&["--proxy", &rule]), told)
}

#[test]
fn an_upstream_of_http2_gets_the_tunnel_as_it_is_asked_for() {
    let (server, told) = echoing(true);
    let mut client = client(&server);
    for protocol in ["websocket", "connect-udp"] {
        let more = [(":protocol", protocol), ("sec-websocket-key", "mine")];
        let tunnel = client.ask("CONNECT", "/chat/room?x=1", &more, false);
        let Heard::Head(_, head, false) = client.next() else {
            panic!("no head");
        };
        assert_eq!(head[0], ":status: 200");
        assert!(head.contains(&"sec-websocket-protocol: chat".to_owned()));
        let has_length = head.iter().any(|field| field.starts_with("content-length"));
        assert!(!has_length, "a tunnel has none: {head:?}");
        let asked = told.recv_timeout(PATIENCE).unwrap();
        for field in [
            ":method: CONNECT",
            &format!(":protocol: {protocol}"),
            ":scheme: http",
            ":authority: a",
            ":path: /chat/room?x=1",
        ] {
            assert!(asked.contains(&field.to_owned()), "{asked:?}");
        }
        let has_key = asked.iter().any(|field| field.contains("websocket-key"));
        assert!(!has_key, "{asked:?}");
        client.give(tunnel, b"\0 more than seven", false);
        assert_eq!(content(&mut client, tunnel, 17), b"\0 more than seven");
        client.give(tunnel, b"bye", true);
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
    }
    open(&mut client, "/chat/barred");
    let Heard::Head(_, head, _) = client.next() else {
        panic!("no head");
    };
    assert_eq!(head[0], ":status: 403");
}

#[test]
fn an_upstream_whose_settings_allow_no_tunnels_is_not_asked_for_one() {
    let (server, told) = echoing(false);
    let mut client = client(&server);
    for _ in 0..2 {
        // The first has to wait for the upstream's SETTINGS.
        open(&mut client, "/chat");
        loop {
            match client.next() {
                Heard::Head(_, head, _) => {
                    assert_eq!(head[0], ":status: 501");
                    break;
                }
                Heard::Closed => panic!("closed"),
                _ => {}
            }
        }
    }
    assert!(told.try_recv().is_err());
}
