//! The pool of connections to an upstream: kept, closed by the server, and all in use.

use super::upstream::Upstream;
use super::{OK, body, proxy, status};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

#[test]
fn a_pooled_connection_that_has_closed_is_replaced_only_where_nobody_can_notice() {
    // It ends each connection at its second request, without an answer.
    let ends_second = || {
        Upstream::start(|caller| {
            if caller.request().is_some() {
                caller.send(OK.as_bytes());
                caller.request();
            }
        })
    };
    let upstream = ends_second();
    let server = proxy(&upstream, &[]);
    for _ in 0..3 {
        let got = server.request("GET /a HTTP/1.1");
        assert_eq!((status(&got), body(&got)), ("200", "ok"), "{got}");
    }
    assert_eq!((upstream.connections(), upstream.heads().len()), (3, 5));

    let upstream = Upstream::start(|caller| {
        if caller.request().is_some() {
            caller.content(2);
            caller.send(OK.as_bytes());
            caller.request();
        }
    });
    let server = proxy(&upstream, &[]);
    let post = "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    for expected in ["200", "502", "200"] {
        let got = String::from_utf8(server.converse(post.as_bytes())).unwrap();
        assert_eq!(status(&got), expected, "{got}");
    }
    assert_eq!(upstream.heads().len(), 3, "none was sent twice");
}

#[test]
fn a_connection_that_closed_while_it_was_idle_is_not_used_for_a_request() {
    let upstream = Upstream::answering_once(OK);
    let server = proxy(&upstream, &[]);
    let post = "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for _ in 0..5 {
        let got = String::from_utf8(server.converse(post.as_bytes())).unwrap();
        assert_eq!(status(&got), "200", "{got}");
        // The end of the connection is on its way.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(50) {
            std::thread::yield_now();
        }
    }
    assert_eq!(upstream.connections(), 5);
}

#[test]
fn requests_beyond_the_connections_wait_and_are_served() {
    let barrier = Arc::new(Barrier::new(2));
    let inside = barrier.clone();
    let upstream = Upstream::start(move |caller| {
        while let Some(head) = caller.request() {
            if head.starts_with("GET /first") {
                inside.wait();
                inside.wait();
            }
            caller.send(OK.as_bytes());
        }
    });
    let server = proxy(
        &upstream,
        &["--proxy-connections", "1", "--proxy-connect-timeout", "30s"],
    );
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.request("GET /first HTTP/1.1"));
        barrier.wait();
        let others = [0; 3].map(|_| scope.spawn(|| server.request("GET /second HTTP/1.1")));
        barrier.wait();
        assert_eq!(status(&first.join().unwrap()), "200");
        for other in others {
            assert_eq!(status(&other.join().unwrap()), "200");
        }
    });
    assert_eq!(upstream.connections(), 1);
}
