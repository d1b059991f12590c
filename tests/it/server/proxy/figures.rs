//! Figures of upstreams: series, memory in the ledger, time in the access log.

use super::{OK, proxy, status, upstream::Upstream};
use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const LISTENER: [&str; 2] = ["--metrics", "unix:metrics.sock"];

fn metrics(server: &Server) -> String {
    let socket = server.directory.path().join("metrics.sock");
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn value(text: &str, series: &str) -> u64 {
    let found = text.lines().find_map(|line| line.strip_prefix(series));
    let found = found.unwrap_or_else(|| panic!("no {series}: {text}"));
    found.trim().parse().unwrap()
}

/// Waits until a series has a value for which `is_wanted`.
fn wait_for(server: &Server, series: &str, is_wanted: impl Fn(u64) -> bool) -> String {
    let start = Instant::now();
    loop {
        let text = metrics(server);
        if is_wanted(value(&text, series)) {
            return text;
        }
        assert!(start.elapsed() < PATIENCE, "{series}: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn calls_and_losses_are_counted_by_mount_and_server() {
    let upstream = Upstream::answering(OK);
    // Its port is taken and refuses connections.
    let down = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (works, fails) = (upstream.rule("/api"), format!("/old=http://{down}"));
    let options = [&LISTENER[..], &["--proxy", &works, "--proxy", &fails]].concat();
    let server = Server::start(&options);
    for _ in 0..3 {
        assert_eq!(status(&server.request("GET /api HTTP/1.1")), "200");
    }
    assert_eq!(status(&server.request("GET /old HTTP/1.1")), "502");
    let at = upstream.address;
    let of_api = format!("host=\"default\",mount=\"/api\",upstream=\"http://{at}\"");
    let of_old = format!("host=\"default\",mount=\"/old\",upstream=\"http://{down}\"");
    let answered = format!("calmd_upstream_requests_total{{{of_api}}}");
    let text = wait_for(&server, &answered, |count| count == 3);
    for (series, wanted) in [
        (format!("calmd_upstream_up{{{of_api}}}"), 1),
        (format!("calmd_upstream_up{{{of_old}}}"), 0),
        (
            format!("calmd_upstream_response_seconds_count{{{of_api}}}"),
            3,
        ),
        (
            format!("calmd_upstream_connections{{{of_old},state=\"idle\"}}"),
            0,
        ),
        (
            format!("calmd_upstream_failures_total{{{of_old},reason=\"unreachable\"}}"),
            1,
        ),
        (format!("calmd_upstream_requests_total{{{of_old}}}"), 0),
        ("calmd_upstream_connections_limit".into(), 256),
    ] {
        assert_eq!(value(&text, &series), wanted, "{series}: {text}");
    }
}

#[test]
fn a_response_that_waits_for_its_client_is_in_the_ledger_until_the_client_is_gone() {
    const SIZE: usize = 32 << 20;
    let upstream = Upstream::start(|caller| {
        if caller.request().is_some() {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
            caller.send(head.as_bytes());
            caller.send(&vec![b'x'; SIZE]);
        }
    });
    let server = proxy(&upstream, &LISTENER);
    let mut client = server.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let of_calls = "calmd_upstream_held_bytes{holder=\"calls\"}";
    let text = wait_for(&server, of_calls, |held| held > 0);
    assert!(value(&text, of_calls) < 128 << 10, "{text}");
    let ledger = "calmd_connections_memory_bytes";
    let stalled = value(&text, ledger);
    assert!(stalled > value(&text, of_calls), "{text}");
    drop(client);
    let text = wait_for(&server, of_calls, |held| held == 0);
    let active = format!(
        "calmd_upstream_connections{{host=\"default\",mount=\"/\",upstream=\"http://{}\",state=\"active\"}}",
        upstream.address
    );
    assert_eq!(value(&text, &active), 0, "{text}");
    wait_for(&server, ledger, |held| held < stalled);
}

#[test]
fn the_access_log_has_the_time_of_the_upstream_behind_its_own() {
    let upstream = Upstream::start(|caller| {
        while caller.request().is_some() {
            std::thread::sleep(Duration::from_millis(30));
            caller.send(OK.as_bytes());
        }
    });
    let rule = upstream.rule("/api");
    let options = [
        "--proxy",
        &rule,
        "--access-log",
        "access.log",
        "--log-format",
        "json",
    ];
    let mut server = Server::start(&options);
    server.request("GET /api HTTP/1.1");
    server.request("GET / HTTP/1.1");
    server.signal("TERM");
    server.wait();
    let log = fs::read_to_string(server.directory.path().join("access.log")).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let time = lines[0]["upstream_ms"].as_f64().unwrap();
    assert!(time >= 30.0, "{log}");
    assert!(time <= lines[0]["duration_ms"].as_f64().unwrap(), "{log}");
    assert!(lines[1]["upstream_ms"].is_null(), "{log}");
}
