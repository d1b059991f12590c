//! HTTP/1.1 input that is no request, or could be read as two (RFC 9112 §11).

use super::{Check, demand};
use crate::malformed::{self, SMUGGLED, Stage};
use crate::site;
use std::fs;

pub const ALL: &[Check] = &[
    Check {
        name: "Malformed requests are refused over a socket, and nothing behind them is answered",
        run: malformed_requests,
    },
    Check {
        name: "Requests within a body that nobody reads are not answered",
        run: |_| unread_bodies(),
    },
];

fn malformed_requests(_: bool) -> Result<(), String> {
    let server = site::serve(&["--demo", "--access-log", "log"]);
    for case in malformed::all() {
        let bytes = [&case.bytes()[..], SMUGGLED].concat();
        let answer = server.converse(&bytes);
        let answer = String::from_utf8_lossy(&answer);
        let refused = answer.starts_with(&format!("HTTP/1.1 {} ", case.status));
        // The response may have begun if the head was valid.
        let begun = case.stage == Stage::Body && answer.starts_with("HTTP/1.1 200 ");
        let once = answer.matches("HTTP/1.1 ").count() == 1;
        demand((refused || begun) && once, || {
            format!(
                "{}: {} was expected, and came {answer}",
                case.name, case.status
            )
        })?;
    }
    nothing_smuggled(&server)
}

fn unread_bodies() -> Result<(), String> {
    let server = site::serve(&["--access-log", "log"]);
    let smuggled = String::from_utf8_lossy(SMUGGLED);
    let chunked = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    for (head, body) in [
        (format!("Content-Length: {}", smuggled.len()), &*smuggled),
        ("Transfer-Encoding: chunked".to_owned(), &*chunked),
        (
            "Content-Length: 1000000000".to_owned(),
            &*smuggled.repeat(4_000),
        ),
    ] {
        let request =
            format!("POST /4k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{head}\r\n\r\n{body}");
        let answer = server.converse(request.as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        let once = answer.matches("HTTP/1.1 ").count() == 1;
        demand(once && answer.starts_with("HTTP/1.1 405 "), || {
            format!("{head}: {answer}")
        })?;
    }
    nothing_smuggled(&server)
}

/// Asserts that no smuggled request was accepted: all accepted requests are in the log.
fn nothing_smuggled(server: &crate::support::Server) -> Result<(), String> {
    // A request that is logged for certain, because the log is written before its connection is closed.
    server.request("GET /last HTTP/1.1");
    let path = server.directory.path().join("log");
    let start = std::time::Instant::now();
    let mut log = String::new();
    while !log.contains("/last") && start.elapsed() < crate::support::PATIENCE {
        log = fs::read_to_string(&path).unwrap_or_default();
    }
    demand(log.contains("/last"), || "nothing is logged".to_owned())?;
    // Its bytes may stand in the line of the refused request, behind the fault.
    demand(!log.contains("\"GET /smuggled"), || log)
}
