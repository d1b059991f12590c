//! Load by `-n COUNT -m STREAMS`.

use super::scripted::{Scripted, Then, respond};
use super::{fetch, get};
use crate::support::Server;
use calmd::h2::ErrorCode;
use std::time::Instant;

#[test]
fn requests_are_repeated_and_summed_up() {
    let server = Server::start(&[]);
    let url = format!("http://{}/", server.http);
    // Asks for more streams than the server allows at a time.
    let got = fetch(["-n", "1000", "-m", "150", &url]).text();
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!(lines.len(), 3, "{got}");
    assert!(lines[0].starts_with("1000 requests in "), "{got}");
    assert!(
        lines[0].contains(" requests/s, 35.0 kB of content, "),
        "{got}"
    );
    assert!(lines[1].starts_with("latency   min "), "{got}");
    assert_eq!(lines[2], "statuses  200: 1000");
}

#[test]
fn uploads_are_repeated_too() {
    let server = Server::start(&["--demo"]);
    let file = server.directory.path().join("upload");
    std::fs::write(&file, vec![b'x'; 300_000]).unwrap();
    let url = format!("http://{}/echo", server.http);
    let got = fetch(["-n", "20", "-m", "7", "-d", file.to_str().unwrap(), &url]).text();
    assert!(got.contains(" 6.00 MB of content"), "{got}");
}

#[test]
fn a_server_that_goes_away_now_and_then_is_followed() {
    let server = Scripted::start(|core, asked| {
        respond(core, asked.stream, &[(":status", "200")], "");
        if asked.number == 9 {
            core.shutdown(Instant::now());
        }
        Then::Stay
    });
    let got = fetch(["-n", "50", "-m", "4", &server.url("/")]).text();
    assert!(got.ends_with("statuses  200: 50\n"), "{got}");
    assert!(server.connections() > 1);
}

#[test]
fn failures_are_counted_and_fail() {
    let server = Scripted::start(|core, asked| {
        match asked.number % 2 {
            0 => respond(core, asked.stream, &[(":status", "404")], ""),
            _ => core.reset(asked.stream, ErrorCode::INTERNAL_ERROR),
        }
        Then::Stay
    });
    let url = server.url("/");
    let got = get(["-n", "10", "-m", "1", &url]);
    assert!(
        got.text().ends_with("statuses  404: 5; 5 failed\n"),
        "{}",
        got.text()
    );
    assert_eq!(
        got.failure(),
        format!("5 requests failed; the last: the server gave up on {url}: INTERNAL_ERROR")
    );
}

#[test]
fn fail_counts_for_repeated_requests_too() {
    let server = Scripted::start(|core, asked| {
        let status = ["200", "404", "503"][asked.number % 3];
        respond(core, asked.stream, &[(":status", status)], "");
        Then::Stay
    });
    let url = server.url("/");
    assert_eq!(fetch(["-n", "9", "-m", "1", &url]).code, 0);
    let got = get(["-n", "9", "-m", "1", "-f", &url]);
    let reason = format!("{url} answered 6 of 9 requests with 400 or above (--fail)");
    assert_eq!(got.failure(), reason);
    let text = got.text();
    assert!(
        text.ends_with("statuses  200: 3, 404: 3, 503: 3\n"),
        "{text}"
    );
}
