//! The overview, the logs, and the stream of events.

use super::client::{Panel, PanelRequest, Session, Version};
use crate::support::PATIENCE;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A stream of events.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(panel: &Panel, session: &Session, query: &str) -> Self {
        let cookie = session.set_cookie.split(';').next().unwrap();
        let mut stream = TcpStream::connect(panel.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET /api/events{query} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut events = Events(BufReader::new(stream));
        assert!(events.line().starts_with("HTTP/1.1 200 "));
        let mut fields = Vec::new();
        loop {
            match events.line() {
                line if line.is_empty() => break,
                line => fields.push(line.to_ascii_lowercase()),
            }
        }
        assert!(
            fields
                .iter()
                .any(|it| it == "content-type: text/event-stream")
        );
        assert!(
            fields
                .iter()
                .any(|it| it.starts_with("content-security-policy: "))
        );
        events
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// The content of the next event of this kind; none behind the end.
    fn next(&mut self, kind: &str) -> Option<String> {
        let wanted = format!("event: {kind}");
        loop {
            match self.line() {
                line if line == wanted => break,
                line if line == "0" => return None,
                _ => {}
            }
        }
        Some(self.line().strip_prefix("data: ").unwrap().to_owned())
    }
}

/// Asks until the answer has a text.
fn wait_for(panel: &Panel, session: &Session, path: &str, text: &str) -> String {
    let start = Instant::now();
    loop {
        let content = panel.ask(Version::H2, session.ask("GET", path)).content;
        if content.contains(text) {
            return content;
        }
        assert!(start.elapsed() < PATIENCE, "no {text} in {content}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_overview_has_the_present_and_the_last_ten_minutes() {
    let panel = Panel::with_users(&[]);
    let session = panel.log_in(Version::H1);
    for path in ["/", "/", "/missing"] {
        panel.server.request(&format!("GET {path} HTTP/1.1"));
    }
    let text = wait_for(&panel, &session, "/api/overview", r#""2xx":2"#);
    for part in [
        r#""4xx":1"#,
        r#""total":3"#,
        r#""state":"serving""#,
        r#""p99_ms":"#,
        r#""process":"#,
        r#""limits":["#,
        r#""certificate":{"ends":"#,
        r#""history":{"tick":"#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A second of the last ten minutes has them.
    let column = |text: &str| -> u64 {
        let (_, history) = text.split_once(r#""history""#).unwrap();
        let (_, column) = history.split_once(r#""requests":["#).unwrap();
        let numbers = column.split(']').next().unwrap().split(',');
        numbers
            .filter_map(|number| number.parse::<u64>().ok())
            .sum()
    };
    let start = Instant::now();
    loop {
        let text = panel.ask(Version::H1, session.ask("GET", "/api/overview"));
        if column(&text.content) == 3 {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{}", text.content);
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn events_tell_what_has_changed() {
    let panel = Panel::with_users(&[]);
    let session = panel.log_in(Version::H1);
    let mut events = Events::open(&panel, &session, "");
    let first = events.next("overview").unwrap();
    assert!(
        first.contains(r#""history":{"#) && first.contains(r#""memory":{"#),
        "{first}"
    );
    panel.server.request("GET /missing HTTP/1.1");
    loop {
        let event = events.next("overview").unwrap();
        assert!(
            !event.contains(r#""blocked""#),
            "it did not change: {event}"
        );
        if event.contains(r#""4xx":1"#) {
            break;
        }
    }
    // The end of the session ends the stream.
    let out = panel.ask(Version::H1, session.ask("POST", "/api/logout"));
    assert_eq!(out.status, 200);
    assert!(events.next("end").unwrap().contains("session"));
    assert_eq!(events.next("overview"), None);
}

#[test]
fn logs_are_shown_with_and_without_a_file() {
    for options in [&[][..], &["--access-log", "access.log"]] {
        let panel = Panel::with_users(options);
        let session = panel.log_in(Version::H1);
        let mut events = Events::open(&panel, &session, "?logs=1");
        let first = events.next("log").unwrap();
        assert!(
            first.contains("panel: ann at 127.0.0.1: logged in"),
            "{first}"
        );
        panel.server.request("GET /seen?by=panel HTTP/1.1");
        let line = r#"\"GET /seen?by=panel HTTP/1.1\" 404"#;
        while !events.next("log").unwrap().contains(line) {}
        let text = wait_for(&panel, &session, "/api/logs", line);
        assert!(text.contains(r#""server":["#), "{text}");
        drop(events);
    }
}

#[test]
fn streams_of_events_have_a_bound_and_end_with_the_server() {
    let mut panel = Panel::with_users(&[]);
    let session = panel.log_in(Version::H1);
    let mut streams: Vec<Events> = (0..16)
        .map(|_| Events::open(&panel, &session, ""))
        .collect();
    let one_more = panel.ask(Version::H2, session.ask("GET", "/api/events"));
    assert_eq!(one_more.status, 503, "{one_more:?}");
    let start = Instant::now();
    panel.server.signal("TERM");
    for events in &mut streams {
        assert!(events.next("end").unwrap().contains("stops"));
    }
    assert_eq!(panel.server.wait(), 0);
    // The drain has 30 s, and nobody waits for them.
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn metrics_and_health_need_no_login() {
    let panel = Panel::with_users(&[]);
    for version in Version::ALL {
        let metrics = panel.ask(version, PanelRequest::new("GET", "/metrics"));
        assert!(metrics.content.contains("\ncalmd_ready 1\n"), "{metrics:?}");
        assert_eq!(
            panel
                .ask(version, PanelRequest::new("GET", "/healthz"))
                .content,
            "ok\n"
        );
        assert_eq!(
            panel
                .ask(version, PanelRequest::new("GET", "/readyz"))
                .content,
            "ok\n"
        );
    }
}
