//! Heads that come again: what was made of them before is sent once more, and nothing else than would be made anew.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::h2_peer::H2Peer;
use super::upstream::Upstream;
use super::{body, proxy};
use crate::support::Server;
use calmd::h2::Config;

/// An upstream whose answers are equal but for those to `/new`, each of which has a number.
fn upstream() -> Upstream {
    let count = AtomicUsize::new(0);
    Upstream::start(move |caller| {
        while let Some(head) = caller.request() {
            if head.contains("content-length: 3\r\n") {
                caller.content(3);
            }
            let number = if head.contains(" /new ") {
                count.fetch_add(1, Ordering::SeqCst) + 1
            } else {
                0
            };
            let content = if head.starts_with("HEAD") { "" } else { "ok" };
            let trailer = if head.contains(" /trailer ") {
                "Trailer: x\r\n"
            } else {
                ""
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Number: {number}\r\n{trailer}\r\n{content}"
            );
            caller.send(answer.as_bytes());
        }
    })
}

/// The answer to a client with this request line and these fields.
fn ask(server: &Server, line: &str, fields: &str, content: &str) -> String {
    let head = format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
    let answer = server.converse(format!("{head}{content}").as_bytes());
    let answer = String::from_utf8(answer).expect("text");
    // The time is that of the answer.
    let lines = answer.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with("date:")).collect()
}

#[test]
fn a_head_that_comes_again_is_forwarded_as_it_was_the_first_time() {
    let upstream = upstream();
    let server = proxy(&upstream, &[]);
    let requests = [
        ("GET /a", "", ""),
        ("GET /a", "X: 1\r\n", ""),
        ("HEAD /a", "", ""),
        ("POST /a", "Content-Length: 3\r\n", "abc"),
        ("POST /a", "", ""),
        ("GET /b", "Cookie: a=b\r\n", ""),
        ("GET /b", "Via: 1.0 x\r\n", ""),
        ("GET /b", "X-Forwarded-For: 6.6.6.6\r\n", ""),
        ("GET /trailer", "TE: trailers\r\nConnection: te\r\n", ""),
        ("GET /trailer", "", ""),
    ];
    let first: Vec<_> = requests
        .iter()
        .map(|(line, fields, content)| ask(&server, line, fields, content))
        .collect();
    let heads = upstream.heads();
    for (place, (line, fields, content)) in requests.iter().enumerate() {
        for _ in 0..4 {
            let answer = ask(&server, line, fields, content);
            assert_eq!(Some(&answer), first.get(place), "{line}");
            assert_eq!(upstream.heads().last(), heads.get(place), "{line}");
        }
    }
}

#[test]
fn an_answer_that_differs_is_told_as_it_is() {
    let upstream = upstream();
    let server = proxy(&upstream, &[]);
    let mut numbers = 1..;
    for path in [
        "/a", "/a", "/a", "/new", "/new", "/new", "/a", "/new", "/a", "/a",
    ] {
        let answer = ask(&server, &format!("GET {path}"), "", "");
        let number = if path == "/new" {
            numbers.next().expect("they do not end")
        } else {
            0
        };
        let expected = format!("x-number: {number}\r\n");
        assert!(
            answer.contains(&expected) && body(&answer) == "ok",
            "{answer}"
        );
    }
}

#[test]
fn equal_heads_of_two_versions_and_of_two_places_become_different_ones() {
    let upstream = upstream();
    let (all, some) = (upstream.rule("/"), format!("{}/c", upstream.rule("/b")));
    let server = Server::start(&["--proxy", &all, "--proxy", &some]);
    let mut client = H2Peer::client(server.connect(), Config::default());
    for turn in 0..4 {
        ask(&server, "GET /b", "", "");
        ask(&server, "GET /a", "", "");
        client.ask("GET", "/a", &[], true);
        client.message();
        let heads = upstream.heads();
        let last: Vec<_> = heads.iter().skip(turn * 3).collect();
        let [of_b, of_a, of_client] = last.as_slice() else {
            panic!("{heads:?}");
        };
        assert!(
            of_b.starts_with("GET /c ") && of_b.contains("via: 1.1 calmd"),
            "{of_b}"
        );
        assert!(
            of_a.starts_with("GET /a ") && of_a.contains("via: 1.1 calmd"),
            "{of_a}"
        );
        let is_of_client =
            of_client.contains("via: 2 calmd") || of_client.contains("via: 2.0 calmd");
        assert!(
            of_client.starts_with("GET /a ") && is_of_client,
            "{of_client}"
        );
    }
}
