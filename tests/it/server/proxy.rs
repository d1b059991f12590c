//! The reverse proxy, with upstreams that do what real applications were seen to do.

mod again;
mod backpressure;
mod figures;
mod h2_peer;
mod h2c;
mod half_closed;
mod pool;
mod secure;
mod smuggling;
mod trailers;
mod tunnel;
mod upgrade;
pub(super) mod upstream;

use crate::raw_h2::{self, RawH2, frame, get};
use crate::support::{PATIENCE, Server};
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that forwards all requests to an upstream.
fn proxy(upstream: &Upstream, options: &[&str]) -> Server {
    let rule = upstream.rule("/");
    Server::start(&[&["--proxy", &rule], options].concat())
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// True if a client of HTTP/1.0 gets a response whose connection is reset behind it.
fn ends_in_reset(server: &Server) -> bool {
    let mut client = server.connect();
    client.write_all(b"GET /a HTTP/1.0\r\n\r\n").unwrap();
    let end = client.read_to_end(&mut Vec::new());
    end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

#[test]
fn a_request_is_made_anew_for_its_upstream_and_the_site_keeps_the_rest() {
    let upstream = Upstream::answering(OK);
    let rule = upstream.rule("/api");
    let server = Server::start(&["--proxy", &rule]);
    let answer = server.request(
        "GET /api/a%20b?c=%2F HTTP/1.1\r\nX-Own: 1\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
         TE: trailers\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nConnection: x-hop",
    );
    assert_eq!((status(&answer), body(&answer)), ("200", "ok"), "{answer}");
    assert!(answer.contains("\r\nvia: 1.1 calmd\r\n"), "{answer}");
    let expected = "GET /api/a%20b?c=%2F HTTP/1.1\r\nhost: localhost\r\nx-own: 1\r\nx-forwarded-for: 127.0.0.1\r\n\
                    x-forwarded-proto: http\r\nx-forwarded-host: localhost\r\n\
                    forwarded: for=127.0.0.1;host=localhost;proto=http\r\nvia: 1.1 calmd\r\n\r\n";
    assert_eq!(upstream.heads(), [expected]);
    assert!(
        server
            .request("GET / HTTP/1.1")
            .contains("<title>start</title>")
    );
    assert_eq!(upstream.heads().len(), 1);
}

#[test]
fn an_upstream_with_a_path_gets_it_in_place_of_the_prefix() {
    let upstream = Upstream::answering(OK);
    let rule = format!("{}/v1", upstream.rule("/api"));
    let server = Server::start(&["--proxy", &rule]);
    for path in ["/api/x?y", "/api", "/api/../api/z", "/other"] {
        server.request(&format!("GET {path} HTTP/1.1"));
    }
    let heads = upstream.heads();
    let lines: Vec<_> = heads
        .iter()
        .filter_map(|head| head.lines().next())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /v1/x?y HTTP/1.1",
            "GET /v1 HTTP/1.1",
            "GET /v1/z HTTP/1.1"
        ]
    );
}

#[test]
fn content_of_a_request_keeps_its_length_or_is_chunked() {
    let upstream = Upstream::start(|caller| {
        while let Some(head) = caller.request() {
            let content = if head.contains("transfer-encoding: chunked") {
                caller.chunks()
            } else {
                assert!(head.contains("content-length: 5\r\n"), "{head}");
                caller.content(5)
            };
            let head = format!(
                "HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n",
                content.len()
            );
            caller.send(head.as_bytes());
            caller.send(&content);
        }
    });
    let server = proxy(&upstream, &[]);
    let known = "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    for request in [known, chunked] {
        let answer = String::from_utf8(server.converse(request.as_bytes())).unwrap();
        let answer = answer.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!((status(answer), body(answer)), ("201", "hello"), "{answer}");
    }
    assert!(upstream.heads().iter().all(|head| !head.contains("expect")));
}

#[test]
fn each_kind_of_response_reaches_the_client_as_it_was_meant() {
    for (method, answer, expected, content) in [
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n",
            "200",
            "3\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "GET",
            "HTTP/1.0 200 OK\r\n\r\nuntil the end",
            "200",
            "d\r\nuntil the end\r\n0\r\n\r\n",
        ),
        (
            "GET",
            "HTTP/1.1 100 \r\ndate: x\r\n\r\nHTTP/1.1 200\r\ncontent-length: 1\r\n\r\na",
            "200",
            "a",
        ),
        (
            "GET",
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na",
            "103",
            "HTTP/1.1 200 OK",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nevil",
            "200",
            "ok",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: evil\r\nKeep-Alive: evil\r\nContent-Length: 2\r\n\r\nok",
            "200",
            "ok",
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\nevil", "204", ""),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
            "304",
            "",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
            "200",
            "",
        ),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", "200", ""),
        (
            "GET",
            "HTTP/1.1 431 Too Large\r\ncontent-length: 1\r\n\r\nx",
            "431",
            "x",
        ),
    ] {
        let upstream = Upstream::answering_once(answer);
        let server = proxy(&upstream, &[]);
        let got = server.request(&format!("{method} /a HTTP/1.1"));
        assert_eq!(status(&got), expected, "{answer}: {got}");
        let unframed = body(&got).replace("0000000", "");
        assert!(unframed.starts_with(content), "{answer}: {got}");
        assert!(!got.contains("evil"), "{answer}: {got}");
        if content.is_empty() {
            assert_eq!(body(&got), "", "{answer}");
        }
    }
}

#[test]
fn bytes_behind_a_response_end_its_connection_and_no_next_one_is_read_from_them() {
    const TWICE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for method in ["GET", "HEAD"] {
        let upstream = Upstream::start(move |caller| {
            while let Some(head) = caller.request() {
                caller.send(if head.starts_with("HEAD") {
                    b"HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n"
                } else {
                    TWICE.as_bytes()
                });
                if head.starts_with("HEAD") {
                    // Late, when the next request may be on its way already.
                    caller.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
                }
            }
        });
        let server = proxy(&upstream, &[]);
        for _ in 0..20 {
            let got = server.request(&format!("{method} /a HTTP/1.1"));
            assert_eq!(status(&got), "200", "{got}");
            let got = server.request("GET /a HTTP/1.1");
            assert_eq!(body(&got), "a", "{got}");
        }
    }
}

#[test]
fn a_truncated_response_is_never_passed_on_as_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ] {
        let upstream = Upstream::answering_once(answer);
        let server = proxy(&upstream, &[]);
        let got = server.request("GET /a HTTP/1.1");
        assert_eq!(status(&got), "200");
        assert!(!got.ends_with("0\r\n\r\n"), "{answer}: {got}");
        assert!(
            got.contains("content-length: 10") || got.contains("chunked"),
            "{got}"
        );
        let mut h2 = RawH2::open(server.connect());
        let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
        h2.send(&frame(raw_h2::HEADERS, end, 1, &get("/a")));
        // INTERNAL_ERROR
        assert_eq!(h2.reset(1), 2, "{answer}");
        // An end in order would be that of a whole response.
        let has_length = got.contains("content-length");
        assert!(ends_in_reset(&server) || has_length, "{answer}");
    }
}

#[test]
fn an_upstream_that_fails_is_told_by_status_and_reason() {
    let log = &[
        "--access-log",
        "log",
        "--proxy-timeout",
        "500ms",
        "--proxy-idle-timeout",
        "500ms",
    ];
    type Script = fn(&mut upstream::Caller);
    let cases: [(Script, &str, &str); 4] = [
        (|caller| drop(caller.request()), "502", "without a response"),
        (
            |caller| {
                caller.request();
                caller.send(b"\x15\x03\x01 no HTTP\r\n\r\n");
            },
            "502",
            "malformed status line",
        ),
        (
            |caller| {
                caller.request();
                caller.drain();
            },
            "504",
            "the response took too long",
        ),
        (
            |caller| {
                caller.request();
                caller.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n");
                caller.drain();
            },
            "502",
            "",
        ),
    ];
    for (script, expected, reason) in cases {
        let upstream = Upstream::start(script);
        let mut server = proxy(&upstream, log);
        let got = server.request("GET /a HTTP/1.1");
        assert_eq!(status(&got), expected, "{reason}: {got}");
        server.logged("limit: upstream 127.0.0.1: ");
        server.signal("TERM");
        server.wait();
        let log = std::fs::read_to_string(server.directory.path().join("log")).unwrap();
        assert!(log.contains(reason), "{reason}: {log}");
        assert_eq!(upstream.heads().len(), 1, "{reason}: not sent again");
    }
}

#[test]
fn content_that_stops_coming_is_cut_off() {
    let upstream = Upstream::start(|caller| {
        caller.request();
        caller.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        caller.drain();
    });
    let server = proxy(&upstream, &["--proxy-idle-timeout", "300ms"]);
    let got = server.request("GET /a HTTP/1.1");
    assert_eq!((status(&got), body(&got)), ("200", "abc"));
    server.logged("the content of the response stopped coming");
}

#[test]
fn a_server_that_refuses_connections_is_a_bad_gateway() {
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let rule = format!("/=http://{}", refused.local_addr().unwrap());
    drop(refused);
    let server = Server::start(&["--proxy", &rule]);
    assert_eq!(status(&server.request("GET / HTTP/1.1")), "502");
    server.logged("the upstream refuses connections");
}

#[test]
fn a_response_byte_by_byte_and_one_in_pieces_of_a_head_arrive() {
    let upstream = Upstream::start(|caller| {
        caller.request();
        let answer = "HTTP/1.1 200 OK\r\nx-a: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        for byte in answer.as_bytes() {
            caller.send(&[*byte]);
            std::thread::yield_now();
        }
    });
    let server = proxy(&upstream, &[]);
    let got = server.request("GET /a HTTP/1.1");
    assert_eq!(status(&got), "200");
    let lines = body(&got).split("\r\n");
    let content: String = lines.filter(|line| !line.starts_with('0')).collect();
    assert_eq!(content, "hello", "{got}");
    assert!(got.ends_with("\r\n0\r\n\r\n"), "{got}");
}

#[test]
fn an_upstream_hears_that_the_client_is_gone() {
    let (tell, told) = mpsc::channel();
    let upstream = Upstream::start(move |caller| {
        caller.request();
        tell.send("request").unwrap();
        caller.drain();
        tell.send("end").unwrap();
    });
    let server = proxy(&upstream, &[]);
    let mut client = server.connect();
    client
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok("request"));
    drop(client);
    assert_eq!(told.recv_timeout(PATIENCE), Ok("end"));
}

#[test]
fn an_upstream_on_a_unix_socket_is_reached_by_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(OK.as_bytes());
        }
    });
    let rule = format!("/=unix:{}", path.display());
    let server = Server::start(&["--proxy", &rule]);
    for _ in 0..3 {
        assert_eq!(body(&server.request("GET /a HTTP/1.1")), "ok");
    }
}

#[test]
fn a_server_that_is_down_leaves_its_requests_to_the_others() {
    let upstream = Upstream::answering(OK);
    // A socket that is bound and does not listen refuses connections, and keeps the port from others.
    let down = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    down.bind(&local.into()).unwrap();
    let address = down.local_addr().unwrap().as_socket().unwrap();
    let rule = format!("/=http://{address}");
    let server = Server::start(&["--proxy", &rule, "--proxy", &upstream.rule("/")]);
    for _ in 0..10 {
        assert_eq!(status(&server.request("POST /a HTTP/1.1")), "200");
    }
    server.logged("the upstream refuses connections");
    assert_eq!(
        server
            .log()
            .matches("the upstream refuses connections")
            .count(),
        1
    );
}
