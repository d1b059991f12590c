//! Health checks, and their answer while the server stops.

use crate::support::{PATIENCE, Server};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

/// Waits until health checks fail.
fn wait_for_leaving(server: &Server) -> String {
    let start = Instant::now();
    loop {
        let answer = server.request("GET /up HTTP/1.1");
        if status(&answer) == "503" {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{answer}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn health_checks_are_answered_before_the_site_and_leave_no_line_in_the_access_log() {
    let options = ["--health", "/healthz", "--health", "/up"];
    let mut server = Server::with_site(
        &[&options[..], &["--access-log", "access.log"]].concat(),
        |site| fs::write(site.join("up"), "of the site").unwrap(),
    );
    for target in ["/healthz", "/up", "/up?probe=1"] {
        let answer = server.request(&format!("GET {target} HTTP/1.1"));
        assert_eq!(status(&answer), "200", "{answer}");
        assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    }
    let head = server.request("HEAD /up HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    for (request, wanted) in [
        ("GET /up/ HTTP/1.1", "404"),
        ("GET /readyz HTTP/1.1", "404"),
        ("DELETE /up HTTP/1.1", "405"),
    ] {
        assert_eq!(status(&server.request(request)), wanted, "{request}");
    }
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    let log = fs::read_to_string(server.directory.path().join("access.log")).unwrap();
    assert_eq!(log.lines().count(), 3, "{log}");
}

#[test]
fn a_server_that_is_told_to_stop_fails_its_health_checks_first_and_serves_on_for_the_drain_delay() {
    let mut server = Server::start(&["--health", "/up", "--drain-delay", "1h"]);
    server.signal("TERM");
    let answer = wait_for_leaving(&server);
    assert!(answer.ends_with("\r\n\r\nstopping\n"), "{answer}");
    // Newcomers are let in, and no connection is told to end.
    let mut client = server.connect();
    for _ in 0..3 {
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let answer = crate::support::exchange(&mut client, request, b"<title>start</title>");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(
            !answer.to_lowercase().contains("connection: close"),
            "{answer}"
        );
    }
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}

#[test]
fn the_drain_begins_once_the_delay_is_over() {
    let mut server = Server::start(&["--health", "/up", "--drain-delay", "500ms"]);
    let start = Instant::now();
    server.signal("TERM");
    wait_for_leaving(&server);
    server.logged("stopping: open responses have");
    assert!(start.elapsed() >= Duration::from_millis(500));
    assert_eq!(server.wait(), 0);
}
