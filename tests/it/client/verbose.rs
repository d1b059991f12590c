//! The option `-v`: every frame in readable form.

use super::fetch;
use super::scripted::{Scripted, Then, list, respond};
use crate::support::Server;
use calmd::h2::ErrorCode;

/// The lines without their times. Each line must begin with a time.
fn lines(trace: &str) -> Vec<String> {
    let mut last = 0.0;
    let line = |line: &str| {
        if line.starts_with("                  ") {
            return line.trim_start().to_owned();
        }
        let (time, rest) = line.split_once(" ms  ").expect("a time");
        let time: f64 = time.trim().parse().expect("a number");
        assert!(time >= last, "{trace}");
        last = time;
        rest.to_owned()
    };
    trace.lines().map(line).collect()
}

#[test]
fn frames_are_shown_in_order_with_times_and_names() {
    let server = Server::start(&[]);
    let got = fetch(["-v", &format!("http://{}/", server.http)]);
    assert_eq!(got.text(), "<!doctype html><title>start</title>");
    let lines = lines(&got.err);
    let frames: Vec<&str> = lines
        .iter()
        .filter(|line| line.starts_with(['→', '←', '*']))
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(frames[0], format!("* connecting to {}", server.http));
    assert_eq!(
        frames[1..],
        [
            "→ SETTINGS         0",
            "→ WINDOW_UPDATE    0  +8323073",
            "→ HEADERS          1  END_STREAM END_HEADERS",
            "← SETTINGS         0",
            "→ SETTINGS         0  ACK",
            "← WINDOW_UPDATE    0  +983041",
            "← SETTINGS         0  ACK",
            "← HEADERS          1  END_HEADERS",
            "← DATA             1  END_STREAM",
            "→ GOAWAY           0  NO_ERROR",
        ],
        "{}",
        got.err
    );
    for line in [
        "ENABLE_PUSH = 0",
        "INITIAL_WINDOW_SIZE = 4194304",
        "MAX_CONCURRENT_STREAMS = 100",
        ":method: GET",
        ":status: 200",
    ] {
        assert!(
            lines.iter().any(|l| l == line),
            "{line} is not in {}",
            got.err
        );
    }
    assert!(!got.err.contains('\x1b'), "colours are for terminals");
}

#[test]
fn tls_and_redirects_are_told_too() {
    let server = Server::with_site(&[], |site| {
        std::fs::create_dir(site.join("sub")).unwrap();
        std::fs::write(site.join("sub/index.html"), "sub").unwrap();
    });
    let url = format!("https://{}/sub", server.https);
    let got = fetch(["-v", "-k", &url]);
    assert_eq!(got.text(), "sub");
    let lines = lines(&got.err);
    assert!(lines[1].starts_with("* TLS 1.3, TLS13_"), "{}", lines[1]);
    assert!(lines[1].contains(", h2, "), "{}", lines[1]);
    let hop = format!("* 301: on to GET {url}/");
    assert!(lines.contains(&hop), "{}", got.err);
    // Both requests use one connection.
    assert_eq!(
        lines
            .iter()
            .filter(|l| l.starts_with("* connecting"))
            .count(),
        1
    );
}

#[test]
fn goaway_and_reset_are_told_by_name_and_debug_data_is_harmless() {
    let server = Scripted::start(|core, asked| {
        match asked.connection {
            0 => core.reset(asked.stream, ErrorCode::REFUSED_STREAM),
            1 => core.close(ErrorCode::ENHANCE_YOUR_CALM, Some(0), b"calm\x1b[2J"),
            _ => unreachable!("tried again once"),
        }
        Then::Stay
    });
    let got = super::get(["-v", &server.url("/")]);
    assert_eq!(got.code, 1);
    let reset = "← RST_STREAM       1  REFUSED_STREAM\n";
    assert!(got.err.contains(reset), "{}", got.err);
    let goaway = "← GOAWAY           0  ENHANCE_YOUR_CALM, last stream 0, \"calm\\u{1b}[2J\"\n";
    assert!(got.err.contains(goaway), "{}", got.err);
}

#[test]
fn informational_responses_trailers_and_pushes_are_frames_like_others() {
    let server = Scripted::start(|core, asked| {
        let hints = [(":status", "103"), ("link", "</a>")];
        core.send_headers(asked.stream, list(&hints), false)
            .unwrap();
        let promised = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "h"),
            (":path", "/pushed"),
        ];
        let now = std::time::Instant::now();
        let pushed = core.push(asked.stream, list(&promised), now).unwrap();
        respond(core, pushed, &[(":status", "204")], "");
        core.send_headers(asked.stream, list(&[(":status", "200")]), false)
            .unwrap();
        core.send_headers(asked.stream, list(&[("sum", "1")]), true)
            .unwrap();
        Then::Stay
    });
    let got = fetch(["-v", "--push", &server.url("/")]);
    for part in [
        ":status: 103\n",
        "← PUSH_PROMISE     1  END_HEADERS, promises stream 2\n",
        ":path: /pushed\n",
        "← HEADERS          2  END_STREAM END_HEADERS",
        "sum: 1\n",
    ] {
        assert!(got.err.contains(part), "{part} is not in {}", got.err);
    }
}
