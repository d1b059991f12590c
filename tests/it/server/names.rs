//! Names that requests over TLS may be for (RFC 9110 §7.4, §15.5.20).

use crate::server::http2;
use crate::server::tls::{client_config, connect_to};
use crate::support::Server;
use std::io::{Read, Write};

/// The status of a request for `authority`, on a connection whose handshake asked for `name`.
fn status(server: &Server, name: &'static str, authority: &str) -> String {
    answer(
        server,
        name,
        &format!("GET / HTTP/1.1\r\nHost: {authority}"),
    )[9..12]
        .to_owned()
}

fn answer(server: &Server, name: &'static str, head: &str) -> String {
    let mut stream = connect_to(server, client_config(server, &["http/1.1"]), name);
    let request = format!("{head}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_name_that_the_certificate_lacks_is_misdirected_on_a_connection_for_one_that_it_has() {
    let server = Server::start(&[]);
    for authority in [
        "other",
        "localhost.evil.test",
        "a.localhost",
        "192.0.2.1",
        "[::2]",
    ] {
        assert_eq!(
            status(&server, "localhost", authority),
            "421",
            "{authority}"
        );
    }
    let absolute = "GET https://other/ HTTP/1.1\r\nHost: localhost";
    assert!(answer(&server, "localhost", absolute).starts_with("HTTP/1.1 421 Misdirected"));
}

#[test]
fn every_name_of_the_certificate_is_served_on_a_connection_for_one_of_them() {
    let server = Server::start(&[]);
    for authority in [
        "localhost",
        "LOCALHOST",
        "localhost:8443",
        "localhost.:8443",
        "127.0.0.1",
        "127.0.0.1:8443",
        "[::1]:8443",
    ] {
        assert_eq!(
            status(&server, "localhost", authority),
            "200",
            "{authority}"
        );
    }
    let without_host = answer(&server, "localhost", "GET / HTTP/1.0");
    assert!(without_host.starts_with("HTTP/1.1 200 "), "{without_host}");
}

#[test]
fn who_asked_for_no_name_may_use_any() {
    let server = Server::start(&[]);
    for authority in ["127.0.0.1", "other:8443"] {
        assert_eq!(
            status(&server, "127.0.0.1", authority),
            "200",
            "{authority}"
        );
    }
}

#[test]
fn in_cleartext_any_name_may_be_used() {
    let server = Server::start(&[]);
    let answer = server.converse(b"GET / HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

#[test]
fn a_misdirected_request_for_the_fields_only_gets_no_content() {
    let server = Server::start(&[]);
    let answer = answer(&server, "localhost", "HEAD / HTTP/1.1\r\nHost: other");
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

/// The connection goes on for the names that it is good for (RFC 9113 §9.1.2).
#[test]
fn a_misdirected_stream_leaves_the_connection_to_the_others() {
    let server = Server::start(&["--demo"]);
    http2::converse_in_tls(&server, async |mut client| {
        for (authority, expected) in [
            ("other", 421),
            ("localhost", 200),
            ("other:8443", 421),
            ("127.0.0.1:8443", 200),
        ] {
            for path in ["/", "/json"] {
                let request = http::Request::get(format!("https://{authority}{path}"));
                let (response, _) = client
                    .send_request(request.body(()).unwrap(), true)
                    .unwrap();
                let response = response.await.unwrap();
                assert_eq!(response.status(), expected, "{authority}");
                http2::body(response.into_body()).await;
            }
        }
    });
}
