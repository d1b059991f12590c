//! Upstreams of HTTP/2: streams that share connections, trailers, windows, refusals and losses.

use super::h2_peer::{H2Peer, Heard, upstream};
use super::{body, status};
use crate::raw_h2::{GOAWAY, frame};
use crate::support::{PATIENCE, Server};
use calmd::h2::{Config, ErrorCode, StreamKey};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// A server that forwards all requests to an upstream of HTTP/2.
fn proxy(
    config: Config,
    script: impl Fn(&mut H2Peer) + Send + Sync + 'static,
    options: &[&str],
) -> Server {
    let rule = format!("/=h2c://{}", upstream(config, script));
    Server::start(&[&["--proxy", &rule], options].concat())
}

fn client(server: &Server) -> H2Peer {
    H2Peer::client(server.connect(), Config::default())
}

/// The streams and heads of requests until the connection ends.
fn requests(peer: &mut H2Peer, mut answer: impl FnMut(&mut H2Peer, StreamKey, &[String])) {
    loop {
        match peer.next() {
            Heard::Head(stream, head, _) => answer(peer, stream, &head),
            Heard::Closed => return,
            _ => {}
        }
    }
}

#[test]
fn a_request_and_its_response_pass_whole_with_interim_responses_and_trailers() {
    let (tell, told) = mpsc::channel();
    let script = move |peer: &mut H2Peer| {
        while let Heard::Head(stream, head, false) = peer.next() {
            let mut content = Vec::new();
            let trailers = loop {
                match peer.next() {
                    Heard::Data(_, data, _) => content.extend(data),
                    Heard::Trailers(_, trailers) => break trailers,
                    other => panic!("{other:?}"),
                }
            };
            tell.send((head, trailers)).unwrap();
            peer.say(stream, &[(":status", "103"), ("link", "</a>")], false);
            peer.say(stream, &[(":status", "200"), ("trailer", "x-sum")], false);
            peer.give(stream, &content, false);
            peer.say(stream, &[("x-sum", "2"), ("grpc-status", "0")], true);
        }
    };
    let server = proxy(Config::default(), script, &[]);
    let mut client = client(&server);
    let asked = [
        ("te", "trailers"),
        ("content-length", "5"),
        ("cookie", "a=b"),
    ];
    let stream = client.ask("POST", "/a%20b?c", &asked, false);
    client.give(stream, b"hello", false);
    client.say(stream, &[("x-sum", "1"), ("x-forwarded-for", "evil")], true);
    let (head, trailers) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(trailers, ["x-sum: 1"]);
    let expected = [
        ":method: POST",
        ":scheme: http",
        ":authority: a",
        ":path: /a%20b?c",
        "cookie: a=b",
        "te: trailers",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: a",
        "forwarded: for=127.0.0.1;host=a;proto=http",
        "via: 2 calmd",
        "content-length: 5",
    ];
    assert_eq!(head, expected);
    let Heard::Interim(_, interim) = client.next() else {
        panic!("no interim response");
    };
    assert!(interim.contains(&"link: </a>".to_owned()), "{interim:?}");
    let Heard::Head(_, head, false) = client.next() else {
        panic!("no head");
    };
    assert!(head.contains(&"via: 2 calmd".to_owned()), "{head:?}");
    assert!(head.contains(&"trailer: x-sum".to_owned()), "{head:?}");
    assert_eq!(client.next(), Heard::Data(stream, b"hello".to_vec(), false));
    let trailers = vec!["x-sum: 2".to_owned(), "grpc-status: 0".to_owned()];
    assert_eq!(client.next(), Heard::Trailers(stream, trailers));
    // A client of HTTP/1.1 gets the content alone.
    let got = server.converse(
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n",
    );
    let got = String::from_utf8_lossy(&got).into_owned();
    let (interim, got) = got.split_once("\r\n\r\n").unwrap();
    assert!(interim.contains("link: </a>"), "{interim}");
    assert_eq!((status(got), got.contains("grpc")), ("200", false), "{got}");
    assert!(body(got).contains("\r\nhi\r\n"), "{got}");
}

#[test]
fn a_head_that_is_the_whole_response_is_passed_on_as_it_is() {
    let script = |peer: &mut H2Peer| {
        requests(peer, |peer, stream, _| {
            peer.say(stream, &[(":status", "200"), ("grpc-status", "5")], true);
        });
    };
    let server = proxy(Config::default(), script, &[]);
    let mut client = client(&server);
    for _ in 0..3 {
        let stream = client.ask("POST", "/", &[("te", "trailers")], true);
        let Heard::Head(of, head, true) = client.next() else {
            panic!("more than a head");
        };
        assert_eq!(of, stream);
        assert!(head.contains(&"grpc-status: 5".to_owned()), "{head:?}");
        let has_length = head.iter().any(|field| field.starts_with("content-length"));
        assert!(!has_length, "{head:?}");
    }
    // HTTP/1.1 needs a length.
    let got = server.request("GET / HTTP/1.1");
    assert!(got.contains("grpc-status: 5\r\n"), "{got}");
}

#[test]
fn requests_share_a_connection_as_far_as_its_server_allows() {
    let (connections, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, open) = (connections.clone(), most.clone());
    let script = move |peer: &mut H2Peer| {
        seen.fetch_max(peer.number + 1, Ordering::SeqCst);
        let mut waiting = Vec::new();
        loop {
            match peer.next() {
                Heard::Head(stream, head, _) if head.contains(&":path: /first".to_owned()) => {
                    peer.say(stream, &[(":status", "200")], true);
                }
                Heard::Head(stream, ..) => waiting.push(stream),
                Heard::Closed => return,
                other => panic!("{other:?}"),
            }
            open.fetch_max(waiting.len(), Ordering::SeqCst);
            // Answers when four have come: fewer would be too little of sharing.
            if waiting.len() == 4 {
                for stream in waiting.drain(..) {
                    peer.say(stream, &[(":status", "200")], false);
                    peer.give(stream, b"ok", true);
                }
            }
        }
    };
    let config = Config {
        max_concurrent_streams: 4,
        ..Config::default()
    };
    let server = proxy(config, script, &[]);
    let mut client = client(&server);
    client.ask("GET", "/first", &[], true);
    assert!(matches!(client.next(), Heard::Head(..)));
    for _ in 0..4 {
        // All come at once: one that came when others are answered could wait alone for three more.
        for _ in 0..7 {
            client.begin("GET", "/", &[], true);
        }
        client.ask("GET", "/", &[], true);
        let mut whole = 0;
        while whole < 8 {
            match client.next() {
                Heard::Head(..) => {}
                Heard::Data(_, data, true) => {
                    assert_eq!(data, b"ok");
                    whole += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(most.load(Ordering::SeqCst), 4);
    // A connection whose SETTINGS have not come may be thought enough for more.
    let connections = connections.load(Ordering::SeqCst);
    assert!((2..=3).contains(&connections), "{connections}");
}

#[test]
fn a_request_that_the_server_did_not_act_on_is_sent_again_and_no_other() {
    let script = |peer: &mut H2Peer| {
        let number = peer.number;
        loop {
            let (stream, head, content) = match peer.next() {
                Heard::Head(stream, head, true) => (stream, head, Vec::new()),
                Heard::Head(stream, head, false) => match peer.next() {
                    Heard::Data(_, data, true) => (stream, head, data),
                    other => panic!("{other:?}"),
                },
                _ => return,
            };
            let path = head[3].as_str();
            match (number, path) {
                (0, ":path: /goaway") => {
                    // The last stream that it acted on is the first.
                    peer.send(&frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
                    continue;
                }
                (1, ":path: /refused") => {
                    peer.reset(stream, ErrorCode::REFUSED_STREAM);
                    continue;
                }
                (_, ":path: /cancel") => {
                    peer.reset(stream, ErrorCode::CANCEL);
                    continue;
                }
                (_, ":path: /close") => return,
                _ => {}
            }
            let number = number.to_string();
            peer.say(stream, &[(":status", "200"), ("x-number", &number)], false);
            peer.give(stream, &content, true);
        }
    };
    let server = proxy(Config::default(), script, &[]);
    let mut client = client(&server);
    for (path, number) in [("/", "0"), ("/goaway", "1"), ("/refused", "2"), ("/", "2")] {
        let stream = client.ask("POST", path, &[], false);
        client.give(stream, b"content", true);
        let (_, head, content) = client.message();
        assert!(
            head.contains(&format!("x-number: {number}")),
            "{path}: {head:?}"
        );
        assert_eq!(content, b"content");
    }
    for path in ["/cancel", "/close"] {
        let stream = client.ask("POST", path, &[], false);
        client.give(stream, b"content", true);
        let (_, head, _) = client.message();
        assert_eq!(head[0], ":status: 502", "{path}");
    }
    server.logged("the upstream has reset the stream");
}

#[test]
fn a_response_that_breaks_off_is_reset_towards_the_client() {
    let script = |peer: &mut H2Peer| {
        for is_last in [false, true] {
            let Heard::Head(stream, ..) = peer.next() else {
                return;
            };
            let head = [(":status", "200"), ("content-length", "9")];
            peer.say(stream, &head, false);
            peer.give(stream, b"some", false);
            if !is_last {
                peer.reset(stream, ErrorCode::INTERNAL_ERROR);
            }
        }
    };
    let server = proxy(Config::default(), script, &[]);
    let mut client = client(&server);
    for _ in 0..2 {
        let stream = client.ask("GET", "/", &[], true);
        loop {
            match client.next() {
                Heard::Head(_, _, false) | Heard::Data(_, _, false) => {}
                Heard::Reset(of, code) => {
                    assert_eq!((of, code), (stream, ErrorCode::INTERNAL_ERROR));
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_stream_that_its_client_resets_is_reset_upstream_and_the_connection_goes_on() {
    let (tell, told) = mpsc::channel();
    let script = move |peer: &mut H2Peer| {
        loop {
            match peer.next() {
                Heard::Head(stream, head, _) if head[3] == ":path: /slow" => {
                    peer.say(stream, &[(":status", "200")], false);
                }
                Heard::Head(stream, ..) => peer.say(stream, &[(":status", "204")], true),
                Heard::Reset(_, code) => tell.send((peer.number, code)).unwrap(),
                Heard::Closed => return,
                _ => {}
            }
        }
    };
    let server = proxy(Config::default(), script, &[]);
    let mut client = client(&server);
    for open in [false, true] {
        let stream = client.ask("POST", "/slow", &[], open);
        assert!(matches!(client.next(), Heard::Head(..)));
        client.reset(stream, ErrorCode::CANCEL);
        let expected = (0, ErrorCode::CANCEL);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(expected));
        let (_, head, _) = {
            client.ask("GET", "/", &[], true);
            client.message()
        };
        assert_eq!(head[0], ":status: 204");
    }
}

#[test]
fn the_client_of_a_call_both_ways_may_be_silent_once_it_is_answered() {
    let script = |peer: &mut H2Peer| {
        loop {
            match peer.next() {
                Heard::Head(stream, head, _) if head[3] == ":path: /call" => {
                    peer.say(stream, &[(":status", "200")], false);
                }
                Heard::Data(stream, data, end) => peer.give(stream, &data, end),
                Heard::Closed => return,
                _ => {}
            }
        }
    };
    let options = ["--stall-timeout", "1s", "--slow-timeout", "1s"];
    let server = proxy(Config::default(), script, &options);
    let mut client = client(&server);
    let call = client.ask("POST", "/call", &[], false);
    assert!(matches!(client.next(), Heard::Head(..)));
    for word in [b"one", b"two"] {
        client.give(call, word, false);
        assert_eq!(client.next(), Heard::Data(call, word.to_vec(), false));
        // One that nobody answers is given up for its silence, and the call is as silent all the while.
        let mute = client.ask("POST", "/mute", &[], false);
        assert_eq!(client.next(), Heard::Reset(mute, ErrorCode::CANCEL));
    }
    client.give(call, b"end", true);
    assert_eq!(client.next(), Heard::Data(call, b"end".to_vec(), true));
}

#[test]
fn calls_outlive_the_age_of_their_connection() {
    let (tell, told) = mpsc::channel();
    let script = move |peer: &mut H2Peer| {
        loop {
            match peer.next() {
                Heard::Head(stream, head, _) => {
                    tell.send((peer.number, stream.id(), head)).unwrap()
                }
                Heard::Data(stream, ..) => peer.say(stream, &[(":status", "204")], true),
                Heard::Reset(stream, code) => {
                    let reset = vec![code.to_string()];
                    tell.send((peer.number, stream.id(), reset)).unwrap();
                }
                Heard::Closed => return,
                _ => {}
            }
        }
    };
    let server = proxy(Config::default(), script, &["--max-connection-age", "1s"]);
    let mut client = client(&server);
    let late = client.ask("POST", "/late", &[], false);
    let dropped = client.ask("POST", "/dropped", &[("grpc-timeout", "1S")], false);
    for _ in [late, dropped] {
        told.recv_timeout(PATIENCE).expect("both calls begin");
    }
    // The connection is old, and its last step waits for the calls.
    assert_eq!(client.next(), Heard::GoAway(ErrorCode::NO_ERROR));
    assert_eq!(client.next(), Heard::GoAway(ErrorCode::NO_ERROR));
    // The deadline of a call: the upstream hears of it, and the client gets no other answer.
    client.reset(dropped, ErrorCode::CANCEL);
    let (.., reset) = told.recv_timeout(PATIENCE).expect("the end of the call");
    assert_eq!(reset, [ErrorCode::CANCEL.to_string()]);
    client.give(late, b"x", true);
    let Heard::Head(stream, head, true) = client.next() else {
        panic!("instead of the answer to the other call");
    };
    assert_eq!((stream, head[0].as_str()), (late, ":status: 204"));
    assert_eq!(client.next(), Heard::Closed);
}

#[test]
fn a_client_that_does_not_read_stops_its_upstream_and_no_other_stream() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let script = move |peer: &mut H2Peer| {
        requests(peer, |peer, stream, head| {
            peer.say(stream, &[(":status", "200")], false);
            if head[3] == ":path: /long" {
                let piece = [b'x'; 1 << 10];
                while peer.try_give(stream, &piece, false).is_ok() {
                    count.fetch_add(piece.len(), Ordering::SeqCst);
                }
            } else {
                peer.give(stream, b"short", true);
            }
        });
    };
    let config = Config {
        initial_window_size: 1 << 20,
        ..Config::default()
    };
    let server = proxy(config, script, &[]);
    let narrow = Config {
        initial_window_size: 0,
        ..Config::default()
    };
    let mut slow = H2Peer::client(server.connect(), narrow);
    for _ in 0..20 {
        slow.ask("GET", "/long", &[], true);
    }
    for _ in 0..20 {
        assert!(matches!(slow.next(), Heard::Head(..)));
    }
    let mut client = client(&server);
    for _ in 0..100 {
        client.ask("GET", "/short", &[], true);
        let (_, _, content) = client.message();
        assert_eq!(content, b"short");
    }
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent <= 20 * (64 << 10), "{sent} bytes for windows of none");
}

#[test]
fn long_content_goes_both_ways() {
    const LEN: usize = 5 << 20;
    let script = |peer: &mut H2Peer| {
        let Heard::Head(stream, _, false) = peer.next() else {
            panic!("no request");
        };
        peer.say(stream, &[(":status", "200")], false);
        let (mut waiting, mut is_whole) = (Vec::new(), false);
        while !(is_whole && waiting.is_empty()) {
            let window = peer.core.send_window(stream).unwrap_or(0) as usize;
            let piece = window.min(16 << 10).min(waiting.len());
            if piece > 0 {
                let rest = waiting.split_off(piece);
                let is_last = is_whole && rest.is_empty();
                peer.give(stream, &waiting, is_last);
                // What is sent makes room for as much.
                peer.core.release(stream, piece as u32).unwrap();
                waiting = rest;
            } else if let Some(Heard::Data(_, data, end)) = peer.step() {
                waiting.extend(data);
                is_whole = end;
                if is_whole && waiting.is_empty() {
                    peer.give(stream, &[], true);
                }
            }
        }
        while peer.next() != Heard::Closed {}
    };
    let server = proxy(Config::default(), script, &[]);
    let mut client = client(&server);
    let stream = client.ask("POST", "/", &[], false);
    let content: Vec<u8> = (0..LEN).map(|number| (number / 7 % 251) as u8).collect();
    let (mut sent, mut got) = (0, Vec::new());
    while got.len() < LEN {
        let window = client.core.send_window(stream).unwrap_or(0) as usize;
        let piece = window.min(16 << 10).min(LEN - sent);
        if piece > 0 {
            client.give(stream, &content[sent..sent + piece], sent + piece == LEN);
            sent += piece;
        } else {
            match client.step() {
                Some(Heard::Data(of, data, _)) => {
                    client.core.release(of, data.len() as u32).unwrap();
                    got.extend(data);
                }
                Some(Heard::Head(..)) | None => {}
                Some(other) => panic!("{other:?}"),
            }
        }
    }
    assert!(got == content);
}

#[test]
fn an_upstream_that_is_not_what_it_should_be_is_told_in_the_log() {
    let silent = |peer: &mut H2Peer| while peer.next() != Heard::Closed {};
    let server = proxy(Config::default(), silent, &["--proxy-timeout", "300ms"]);
    let begun = Instant::now();
    for _ in 0..2 {
        assert_eq!(status(&server.request("GET / HTTP/1.1")), "504");
    }
    assert!(begun.elapsed() >= Duration::from_millis(600));
    for (said, reason) in [
        (
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "the upstream breaks a rule of HTTP/2",
        ),
        ("", "the upstream ended the connection without a response"),
    ] {
        let plain = super::Upstream::start(move |caller| caller.send(said.as_bytes()));
        let rule = format!("/=h2c://{}", plain.address);
        let server = Server::start(&["--proxy", &rule]);
        assert_eq!(status(&server.request("GET / HTTP/1.1")), "502");
        server.logged(reason);
    }
}
