//! Fetching: content, fields, files, trailers, informational responses, pushes.

use super::scripted::{Scripted, Then, list, respond};
use super::{command, fetch, get};
use crate::support::Server;
use std::fs;

fn content() -> Vec<u8> {
    (0..3_000_000u32).map(|i| (i % 251) as u8).collect()
}

fn server() -> Server {
    Server::with_site(&[], |site| {
        fs::write(site.join("hello.txt"), "hello\n").unwrap();
        fs::write(site.join("big.bin"), content()).unwrap();
    })
}

#[test]
fn content_goes_to_standard_output_as_it_is() {
    let server = server();
    let got = fetch([format!("http://{}/hello.txt", server.http)]);
    assert_eq!((got.text().as_str(), got.err.as_str()), ("hello\n", ""));
    let got = fetch([format!("http://{}/big.bin", server.http)]);
    assert!(got.out == content());
}

#[test]
fn several_urls_follow_one_another() {
    let server = server();
    let hello = format!("http://{}/hello.txt", server.http);
    let got = fetch([&hello, &format!("http://{}/", server.http), &hello]);
    assert_eq!(
        got.text(),
        "hello\n<!doctype html><title>start</title>hello\n"
    );
}

#[test]
fn output_goes_to_a_file() {
    let server = server();
    let file = server.directory.path().join("out");
    let path = file.to_str().unwrap();
    let got = fetch(["-o", path, &format!("http://{}/big.bin", server.http)]);
    assert_eq!(got.out, b"");
    assert!(fs::read(&file).unwrap() == content());
    // A failed fetch leaves the file unchanged.
    let got = get(["-o", path, "http://127.0.0.1:1/"]);
    assert_eq!(got.code, 1);
    assert_eq!(fs::metadata(&file).unwrap().len(), 3_000_000);
}

#[test]
fn head_shows_the_fields_and_nothing_else() {
    let server = server();
    let got = fetch(["-I", &format!("http://{}/big.bin", server.http)]).text();
    assert!(got.starts_with("HTTP/2 200 OK\n"), "{got}");
    assert!(got.contains("\ncontent-length: 3000000\n"), "{got}");
    assert!(got.ends_with("\n\n"), "{got}");
}

#[test]
fn fields_of_the_request_are_added_replaced_and_taken_away() {
    let server = Scripted::start(|core, asked| {
        let lines: Vec<String> = asked.fields.iter().map(|f| format!("{f:?}")).collect();
        respond(core, asked.stream, &[(":status", "200")], &lines.join("\n"));
        Then::Stay
    });
    let url = server.url("/a?b");
    let got = fetch([
        "-H",
        "X-One:  1 ",
        "-H",
        "user-agent: me",
        "-H",
        "Accept:",
        "-H",
        "host: other",
        &url,
    ]);
    assert_eq!(
        got.text(),
        ":method: GET\n:scheme: http\n:authority: other\n:path: /a?b\nx-one: 1\nuser-agent: me"
    );
    let got = fetch(["-X", "DELETE", &url]).text();
    assert!(got.starts_with(":method: DELETE\n"), "{got}");
    assert!(got.contains("\nuser-agent: calmd/"), "{got}");
}

/// A server that sends 103, the response, content and trailers.
fn talkative() -> Scripted {
    Scripted::start(|core, asked| {
        let stream = asked.stream;
        let hints = [(":status", "103"), ("link", "</a.css>; rel=preload")];
        core.send_headers(stream, list(&hints), false).unwrap();
        core.send_headers(stream, list(&[(":status", "200")]), false)
            .unwrap();
        core.send_data(stream, b"content\n", false).unwrap();
        let trailers = [("checksum", "1")];
        core.send_headers(stream, list(&trailers), true).unwrap();
        Then::Stay
    })
}

#[test]
fn trailers_are_noted_beside_the_content() {
    let server = talkative();
    let got = fetch([server.url("/")]);
    assert_eq!(got.text(), "content\n");
    assert_eq!(got.err, "trailer checksum: 1\n");
    assert_eq!(fetch(["-s", &server.url("/")]).err, "");
}

#[test]
fn informational_responses_and_trailers_are_part_of_what_i_shows() {
    let server = talkative();
    assert_eq!(
        fetch(["-i", &server.url("/")]).text(),
        "HTTP/2 103 Early Hints\nlink: </a.css>; rel=preload\n\n\
         HTTP/2 200 OK\n\ncontent\n\nchecksum: 1\n\n"
    );
}

#[test]
fn pushes_are_refused_unless_they_are_asked_for() {
    let server = Scripted::start(|core, asked| {
        let promised = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "h"),
            (":path", "/style.css"),
        ];
        let now = std::time::Instant::now();
        let pushed = core.push(asked.stream, list(&promised), now).ok();
        let allowed = if pushed.is_some() { "pushed" } else { "not" };
        respond(core, asked.stream, &[(":status", "200")], allowed);
        if let Some(pushed) = pushed {
            respond(core, pushed, &[(":status", "200")], "body {}");
        }
        Then::Stay
    });
    // The client's SETTINGS come first, and forbid pushes.
    assert_eq!(fetch([server.url("/")]).text(), "not");
    let got = fetch(["--push", &server.url("/")]);
    assert_eq!(got.text(), "pushed");
    let note = format!("pushed {}/style.css: 200, 7 B\n", server.address);
    assert_eq!(got.err, note);
}

#[test]
fn a_status_of_400_fails_only_where_it_shall() {
    let server = server();
    let url = format!("http://{}/missing", server.http);
    assert!(fetch([&url]).text().contains("404"));
    let got = get(["-f", &url]);
    assert_eq!(
        got.failure(),
        format!("{url} answered 404 Not Found (--fail)")
    );
    assert_eq!(got.out, b"");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure_to_speak_of() {
    let server = server();
    let big = format!("http://{}/big.bin", server.http);
    let hello = format!("http://{}/hello.txt", server.http);
    for args in [vec![big.as_str()], vec!["-n", "2", &hello]] {
        let mut child = command(&args).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
    }
}
