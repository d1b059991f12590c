//! WebSocket through the proxy: the upgrade, the bytes of both sides, and the end of either.

use super::upstream::{Caller, Upstream};
use super::{body, proxy, status};
use crate::support::PATIENCE;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;

pub const OFFER: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

pub const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";

/// Accepts the upgrade with its first bytes in the same piece, then sends everything back until `bye`.
fn chat(caller: &mut Caller) {
    let head = caller.request().expect("a request");
    for line in [
        "\r\nupgrade: websocket\r\n",
        "\r\nconnection: upgrade\r\n",
        "\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "\r\nsec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n",
    ] {
        assert!(head.contains(line), "{head}");
    }
    caller.send(SWITCH);
    let mut seen = Vec::new();
    while !seen.ends_with(b"bye") {
        let byte = caller.content(1);
        caller.send(&byte);
        seen.extend(byte);
    }
}

#[test]
fn a_websocket_is_tunnelled_until_its_upstream_ends_it() {
    let upstream = Upstream::start(chat);
    let server = proxy(&upstream, &[]);
    let mut client = server.connect();
    client.write_all(OFFER.as_bytes()).unwrap();
    let mut answer = vec![0; 4096];
    let mut len = 0;
    while !answer[..len].ends_with(b"hello") {
        len += match client.read(&mut answer[len..]).unwrap() {
            0 => panic!("{}", String::from_utf8_lossy(&answer[..len])),
            read => read,
        };
    }
    let head = String::from_utf8_lossy(&answer[..len]).into_owned();
    assert_eq!((status(&head), body(&head)), ("101", "hello"), "{head}");
    assert!(
        head.contains("\r\nconnection: upgrade\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    assert!(!head.contains("content-length"), "{head}");
    for text in [
        "\0\u{1}\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        &"long".repeat(50_000),
    ] {
        let mut writer = client.try_clone().unwrap();
        let sent = text.to_owned();
        let writing = std::thread::spawn(move || writer.write_all(sent.as_bytes()));
        let mut echo = vec![0; text.len()];
        client.read_exact(&mut echo).unwrap();
        writing.join().unwrap().unwrap();
        assert_eq!(echo, text.as_bytes());
    }
    client.write_all(b"bye").unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"bye");
    assert_eq!(upstream.heads().len(), 1);
}

#[test]
fn an_upstream_hears_the_end_of_a_tunnel_behind_its_last_bytes() {
    let (tell, told) = mpsc::channel();
    let upstream = Upstream::start(move |caller| {
        caller.request();
        caller.send(SWITCH);
        let last = caller.content(4);
        tell.send((last, caller.drain())).unwrap();
    });
    let server = proxy(&upstream, &[]);
    let mut client = server.connect();
    client.write_all(OFFER.as_bytes()).unwrap();
    client.read_exact(&mut [0; 12]).unwrap();
    client.write_all(b"last").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok((b"last".to_vec(), 0)));
}

#[test]
fn other_offers_are_not_passed_on_and_a_plain_answer_is_one() {
    let upstream = Upstream::answering(super::OK);
    let server = proxy(&upstream, &[]);
    for offer in [
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: upgrade, http2-settings, close",
        "Upgrade: websocket, h2c\r\nConnection: upgrade, close",
        "Upgrade: websocket\r\nConnection: close",
        "Upgrade: websocket\r\nContent-Length: 2\r\nConnection: upgrade, close",
    ] {
        let request = format!("GET /a HTTP/1.1\r\nHost: a\r\n{offer}\r\n\r\nhi");
        let got = String::from_utf8(server.converse(request.as_bytes())).unwrap();
        assert_eq!((status(&got), body(&got)), ("200", "ok"), "{offer}: {got}");
    }
    assert!(
        upstream
            .heads()
            .iter()
            .all(|head| !head.contains("upgrade"))
    );
    let got = String::from_utf8(server.converse(OFFER.replace("keep-alive", "close").as_bytes()));
    assert_eq!(body(&got.unwrap()), "ok");
    assert!(
        upstream
            .heads()
            .iter()
            .any(|head| head.contains("upgrade: websocket"))
    );
}
