//! Responses without a length to a client of HTTP/1.0, which the end of the connection completes (RFC 9112 §6.3): one
//! that is cut short ends with a reset, within TLS without close_notify, and one that is whole in order.

use super::super::cuts::secure::SecureClient;
use super::*;
use crate::world::Signal;

/// A cause for which a response is cut short.
struct CutCause {
    request: &'static str,
    content: &'static str,
    /// Brings the cause about, once the head was sent.
    strike: fn(&mut Both, &Shared),
}

const CAUSES: [CutCause; 9] = [
    CutCause {
        request: "GET /x/fails",
        content: "",
        strike: |_, _| {},
    },
    // The time of its handler is over.
    CutCause {
        request: "GET /x/idle",
        content: "",
        strike: |both, _| both.pass(6),
    },
    CutCause {
        request: "GET /x/idle",
        content: "",
        strike: |both, link| {
            let token = link.borrow().token.unwrap();
            both.bench.event_loop.shed(token.index, Limit::Memory);
        },
    },
    CutCause {
        request: "GET /x/idle",
        content: "",
        strike: |both, link| {
            let token = link.borrow().token.unwrap();
            both.bench.event_loop.shed(token.index, Limit::Descriptors);
        },
    },
    // The time of the drain is over.
    CutCause {
        request: "GET /x/endless",
        content: "",
        strike: |both, _| {
            both.bench.event_loop.signal(Signal::Stop);
            both.bench.sleep(Duration::from_secs(60));
            both.bench.event_loop.run().unwrap();
        },
    },
    // Told to stop twice.
    CutCause {
        request: "GET /x/idle",
        content: "",
        strike: |both, _| {
            both.bench.event_loop.signal(Signal::Stop);
            both.bench.event_loop.signal(Signal::Stop);
            both.bench.event_loop.run().unwrap();
        },
    },
    // Its handler panics.
    CutCause {
        request: "GET /x/idle",
        content: "",
        strike: |both, link| {
            both.seen.0.borrow_mut().panics = true;
            both.bench.wake(link);
            both.bench.turns(3);
        },
    },
    // The client has ended its side, which does not mean that it has gone.
    CutCause {
        request: "GET /x/idle",
        content: "",
        strike: |both, link| both.bench.leave(link),
    },
    // The content of the request does not come.
    CutCause {
        request: "POST /x/brief",
        content: "content-length: 4\r\n",
        strike: |both, _| both.pass(700),
    },
];

#[test]
fn s8_a_response_that_its_end_delimits_is_reset_where_it_is_cut_short() {
    for (number, cause) in CAUSES.iter().enumerate() {
        for (version, is_reset) in [("1.0", true), ("1.1", false)] {
            let mut both = Both::new();
            let (request, content) = (cause.request, cause.content);
            let link = both.h1(&format!(
                "{request} HTTP/{version}\r\nhost: a\r\n{content}\r\n"
            ));
            assert!(heard(&link).contains("\r\n\r\n"), "{number}: no head");
            (cause.strike)(&mut both, &link);
            both.pass(2);
            let link = link.borrow();
            assert!(link.closed, "{number} over HTTP/{version}");
            assert_eq!(link.is_reset, is_reset, "{number} over HTTP/{version}");
            let is_orderly = link.output_end.is_some();
            assert!(!is_orderly || !is_reset, "{number} over HTTP/{version}");
        }
    }
}

#[test]
fn a_response_that_its_end_delimits_and_that_its_reader_does_not_take_is_reset() {
    let request = b"GET /x/other HTTP/1.0\r\n\r\n";
    let mut both = Both::new();
    let whole = both.bench.connect(0, request, usize::MAX, None);
    both.bench.turns(3);
    let len = whole.borrow().outgoing.len();
    for room in [len - 1, len / 2] {
        let link = both.bench.connect(0, request, room, None);
        both.bench.turns(3);
        both.pass(700);
        both.bench.turns(400);
        let link = link.borrow();
        assert!(link.closed && link.is_reset && link.output_end.is_none());
    }
}

#[test]
fn a_response_that_its_end_delimits_ends_in_order_where_it_is_whole() {
    let mut both = Both::new();
    // The last of these is asked for with content that is dropped.
    for request in [
        "GET /x/other HTTP/1.0\r\n\r\n",
        "GET /x/timer HTTP/1.0\r\n\r\n",
        "HEAD /x/other HTTP/1.0\r\n\r\n",
        "POST /x/other HTTP/1.0\r\ncontent-length: 9\r\n\r\n",
    ] {
        let link = both.h1(request);
        both.pass(2);
        both.pass(2);
        let link = link.borrow();
        let is_head = request.starts_with("HEAD");
        assert_eq!(!is_head, link.outgoing.ends_with(b"late"), "{request}");
        assert!(link.output_end.is_some() && !link.is_reset, "{request}");
    }
}

#[test]
fn s9_8_within_tls_close_notify_follows_a_whole_response_alone() {
    let mut both = Both::new();
    for (path, end, is_whole) in [
        ("/x/other", "\r\n\r\nlate", true),
        ("/x/fails", "\r\n\r\n", false),
        ("/x/idle", "\r\n\r\non", false),
    ] {
        let mut client = SecureClient::new(&mut both.bench, b"http/1.1");
        let request = client.seal(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
        both.bench.feed(&client.link, &request);
        both.pass(6);
        let content = client.hear();
        let content = String::from_utf8_lossy(&content);
        assert!(content.ends_with(end), "{path}: {content}");
        let state = client.session.process_new_packets().unwrap();
        assert_eq!(state.peer_has_closed(), is_whole, "{path}");
        let link = client.link.borrow();
        assert_eq!((link.is_reset, link.closed), (!is_whole, true), "{path}");
    }
}
