//! Handlers that wait, are woken, run out of time, fail, and are told that their peer has gone, in both
//! versions.

mod batches;
mod closing;
mod fields;
mod files;
mod script;
mod waiting;

use super::*;
use crate::exchange::Waker;
use crate::h2::{self, ErrorCode, Event};
use crate::http::{Field, Fields};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::{AccessLogConfig, LogFormat};
use script::{LARGE, Scripted};

/// A bench with the handler, a log, and a client of each version.
struct Both {
    bench: Bench,
    seen: Scripted,
    log: tempfile::NamedTempFile,
    client: h2::Connection,
    h2: Shared,
}

impl Both {
    fn new() -> Both {
        Both::with(h2::Config::default(), site())
    }

    /// A bench whose HTTP/2 client and whose site have these configurations.
    fn with(client: h2::Config, site: site::Config) -> Both {
        let mut bench = Bench::with(Config::default(), site);
        let seen = Scripted::default();
        let routes = bench.event_loop.routes();
        routes.mount("/x", Box::new(seen.clone()));
        let log = tempfile::NamedTempFile::new().unwrap();
        let config = AccessLogConfig {
            file: Some(log.path().into()),
            format: LogFormat::Combined,
        };
        bench.event_loop.services.log = Some(AccessLog::open(&config).unwrap());
        bench.event_loop.services.told_from = 0;
        let now = bench.event_loop.services.now;
        let mut client = h2::Connection::client(Arc::new(client), now);
        let h2 = bench.connect(0, &client.take_output(), usize::MAX, None);
        bench.turns(3);
        let mut both = Both {
            bench,
            seen,
            log,
            client,
            h2,
        };
        // SETTINGS are acknowledged.
        assert_eq!(both.hear(), "");
        both.send();
        both
    }

    /// Sends a request over HTTP/1.1 on a connection of its own.
    fn h1(&mut self, request: &str) -> Shared {
        let link = self.bench.connect(0, request.as_bytes(), usize::MAX, None);
        self.bench.turns(3);
        link
    }

    fn get(&mut self, path: &str) -> Shared {
        self.h1(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
    }

    /// Sends a request over HTTP/2.
    fn open(&mut self, method: &str, path: &str, end_stream: bool) -> h2::StreamKey {
        let stream = self.prepare(method, path, &[], end_stream);
        self.send();
        stream
    }

    /// Makes a request of HTTP/2, which [`Both::send`] sends.
    fn prepare(
        &mut self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        end_stream: bool,
    ) -> h2::StreamKey {
        let fields = [
            (":method", method),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", path),
        ];
        let fields = fields.iter().chain(more);
        let fields = fields.map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
        let now = self.bench.event_loop.services.now;
        self.client.open(fields, end_stream, now).unwrap()
    }

    fn send(&mut self) {
        self.h2.borrow_mut().incoming = self.client.take_output();
        self.bench.wake(&self.h2);
        self.bench.turns(3);
    }

    /// Tells what the HTTP/2 client hears.
    fn hear(&mut self) -> String {
        let bytes = std::mem::take(&mut self.h2.borrow_mut().outgoing);
        let (mut input, mut fields, mut heard) = (bytes.as_slice(), Fields::new(), String::new());
        let now = self.bench.event_loop.services.now;
        while let Some(event) = self.client.receive(&mut input, &mut fields, now).unwrap() {
            match event {
                Event::Informational { fields, .. } => {
                    heard += &format!("{} ", fields.status().unwrap());
                }
                Event::Response {
                    fields, end_stream, ..
                } => heard += &format!("{}{} ", fields.status().unwrap(), end(end_stream)),
                Event::Data {
                    data, end_stream, ..
                } if heard.ends_with("page ") || data.starts_with(b"<!DOCTYPE") => {
                    heard += &format!("page{} ", end(end_stream));
                }
                Event::Data {
                    data, end_stream, ..
                } => {
                    let text = String::from_utf8_lossy(data).into_owned();
                    heard += &format!("{text}{} ", end(end_stream));
                }
                Event::Trailers { fields, .. } => {
                    let sum = fields.value("x-sum").unwrap_or_default();
                    heard += &format!("sum {} ", String::from_utf8_lossy(sum));
                }
                Event::StreamReset { code, .. } => heard += &format!("{code} "),
                _ => {}
            }
        }
        heard.trim_end().to_owned()
    }

    /// Lets time pass.
    fn pass(&mut self, seconds: u64) {
        self.bench.sleep(Duration::from_secs(seconds));
        self.bench.turns(40);
    }

    fn gone(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.0.borrow_mut().gone)
    }

    /// The lines of the log for this path.
    fn lines(&mut self, path: &str) -> Vec<String> {
        if let Some(log) = &mut self.bench.event_loop.services.log {
            log.finish(self.bench.event_loop.services.now);
        }
        let text = std::fs::read_to_string(self.log.path()).unwrap();
        let wanted = format!(" {path} ");
        let lines = text.lines().filter(|line| line.contains(&wanted));
        lines.map(str::to_owned).collect()
    }
}

fn end(end_stream: bool) -> &'static str {
    if end_stream { "|" } else { "" }
}

/// The text that an HTTP/1.1 client has heard.
fn heard(link: &Shared) -> String {
    String::from_utf8_lossy(&link.borrow().outgoing).into_owned()
}

#[test]
fn a_handler_answers_when_its_time_has_come() {
    let mut both = Both::new();
    let h1 = both.get("/x/timer");
    both.open("GET", "/x/timer", true);
    both.pass(1);
    assert_eq!((heard(&h1).as_str(), both.hear().as_str()), ("", ""));
    both.pass(2);
    assert!(
        heard(&h1).starts_with("HTTP/1.1 200 OK\r\n"),
        "{}",
        heard(&h1)
    );
    assert!(heard(&h1).ends_with("4\r\nlate\r\n0\r\n\r\n"));
    assert_eq!(both.hear(), "200 late|");
    assert!(both.gone().is_empty());
}

#[test]
fn a_request_wakes_others_in_both_versions() {
    let mut both = Both::new();
    let h1 = both.get("/x/woken");
    both.open("GET", "/x/woken", true);
    both.open("GET", "/x/woken", true);
    both.pass(3);
    assert_eq!((heard(&h1).as_str(), both.hear().as_str()), ("", ""));
    let ring = both.get("/x/ring");
    both.bench.turns(3);
    assert!(heard(&ring).starts_with("HTTP/1.1 200"));
    assert!(heard(&h1).ends_with("4\r\nlate\r\n0\r\n\r\n"));
    assert_eq!(both.hear(), "200 200 late| late|");
    // A waker of a request that is over wakes nobody.
    assert!(both.seen.0.borrow().wakers.iter().all(Waker::is_over));
}

#[test]
fn a_handler_that_never_answers_meets_its_deadline_and_the_connections_go_on() {
    let mut both = Both::new();
    let h1 = both.get("/x/never");
    both.open("GET", "/x/never", true);
    both.pass(59);
    assert_eq!((heard(&h1).as_str(), both.hear().as_str()), ("", ""));
    both.pass(2);
    assert!(heard(&h1).starts_with("HTTP/1.1 504 "), "{}", heard(&h1));
    assert_eq!(both.hear(), "504 page|");
    assert_eq!(both.gone(), ["/never", "/never"]);
    assert_eq!(
        both.bench
            .event_loop
            .services
            .limit_log
            .total(Limit::HandlerTime),
        2
    );
    let lines = both.lines("/x/never");
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(
            line.contains("\" 504 ") && line.ends_with("\"the handler took too long\""),
            "{line}"
        );
    }
    // Both connections are as good as before.
    h1.borrow_mut().outgoing.clear();
    h1.borrow_mut().incoming = GET.to_vec();
    both.bench.wake(&h1);
    both.open("GET", "/", true);
    assert!(heard(&h1).ends_with("hello"));
    assert_eq!(both.hear(), "200 hello|");
}

#[test]
fn a_handler_that_stalls_behind_its_head_is_cut_off_when_its_own_time_is_over() {
    let mut both = Both::new();
    let h1 = both.get("/x/idle");
    both.open("GET", "/x/idle", true);
    assert_eq!(both.hear(), "200 on");
    both.pass(4);
    assert!(heard(&h1).ends_with("2\r\non\r\n") && both.hear().is_empty());
    both.pass(2);
    assert!(heard(&h1).ends_with("2\r\non\r\n"), "no end is sent");
    assert_eq!(both.hear(), ErrorCode::INTERNAL_ERROR.to_string());
    assert_eq!(both.gone(), ["/idle", "/idle"]);
    both.pass(2);
    assert!(h1.borrow().closed);
}

#[test]
fn s6_4_1_a_response_keeps_to_what_its_status_allows() {
    let mut both = Both::new();
    for (path, head) in [("/x/status/204", "204"), ("/x/status/304", "304")] {
        both.open("GET", path, true);
        assert_eq!(both.hear(), format!("{head}|"));
        let h1 = both.get(path);
        let text = heard(&h1);
        assert!(text.starts_with(&format!("HTTP/1.1 {head} ")), "{text}");
        assert!(text.ends_with("\r\n\r\n"), "{text:.200}");
    }
    // An interim response is no answer.
    both.open("GET", "/x/status/103", true);
    assert_eq!(both.hear(), "500 page|");
    let h1 = both.get("/x/status/103");
    assert!(heard(&h1).starts_with("HTTP/1.1 500 "), "{}", heard(&h1));
}

#[test]
fn s6_9_1_the_end_of_content_that_has_used_the_window_up_needs_no_window() {
    let client = h2::Config {
        initial_window_size: LARGE as u32,
        ..h2::Config::default()
    };
    let mut both = Both::with(client, site());
    both.open("GET", "/x/known", true);
    let heard = both.hear();
    assert!(heard.ends_with('|'), "{}", heard.len());
}

#[test]
fn s10_1_1_no_continue_is_sent_behind_the_end_of_a_request() {
    let mut both = Both::new();
    let expects = [("expect", "100-continue")];
    let stream = both.prepare("POST", "/x/trailers", &expects, false);
    both.client.send_data(stream, b"", true).unwrap();
    both.send();
    assert_eq!(both.hear(), "200 late sum 7");
    let stream = both.prepare("POST", "/x/trailers", &expects, false);
    both.client
        .send_headers(stream, [Field::new(b"x-sum", b"5")], true)
        .unwrap();
    both.send();
    assert_eq!(both.hear(), "200 5late sum 7");
}

#[test]
fn a_failure_before_the_head_is_an_error_page_and_one_behind_it_a_cut() {
    let mut both = Both::new();
    let (refused, cut) = (both.get("/x/refuses"), both.get("/x/fails"));
    assert!(heard(&refused).starts_with("HTTP/1.1 502 "));
    assert!(heard(&cut).starts_with("HTTP/1.1 200 "));
    assert!(!heard(&cut).ends_with("0\r\n\r\n"), "no end is sent");
    both.open("GET", "/x/refuses", true);
    both.open("GET", "/x/fails", true);
    let internal = ErrorCode::INTERNAL_ERROR;
    let heard = both.hear();
    assert!(
        heard.starts_with("502 page| 200") && heard.ends_with(&internal.to_string()),
        "{heard}"
    );
    let lines = both.lines("/x/fails");
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with("\"the other side has gone\"")),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 2);
    let lines = both.lines("/x/refuses");
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with("\"nobody is there\"")),
        "{lines:?}"
    );
}

#[test]
fn neither_more_nor_less_is_sent_than_the_head_has_promised() {
    let mut both = Both::new();
    both.open("GET", "/x/long", true);
    assert_eq!(both.hear(), "200 more|");
    let long = both.get("/x/long");
    assert!(heard(&long).ends_with("\r\n\r\nmore"));
    both.open("GET", "/x/short", true);
    let heard = both.hear();
    assert!(
        heard.ends_with(&ErrorCode::INTERNAL_ERROR.to_string()),
        "{heard}"
    );
}

#[test]
fn content_is_sent_from_where_it_is_whether_its_length_was_told_or_not() {
    let mut both = Both::new();
    for path in ["/x/known", "/x/unknown"] {
        both.open("GET", path, true);
        let content: String = both.hear().split(['|', ' ']).skip(1).collect();
        assert!(
            content.len() == LARGE && content.bytes().all(|byte| byte == b'y'),
            "{path}"
        );
        let h1 = both.get(path);
        let (_, body) = heard(&h1)
            .split_once("\r\n\r\n")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let sent = body.bytes().filter(|byte| *byte == b'y').count();
        assert_eq!(sent, LARGE, "{path}");
        assert_eq!(body.len() == LARGE, path == "/x/known");
    }
}

#[test]
fn a_handler_that_waits_for_a_disk_is_polled_again_before_and_behind_its_head() {
    let mut both = Both::new();
    let h1 = both.get("/x/disk");
    both.open("GET", "/x/disk", true);
    assert_eq!((heard(&h1).as_str(), both.hear().as_str()), ("", ""));
    both.pass(1);
    assert!(
        heard(&h1).ends_with("4\r\nlate\r\n0\r\n\r\n"),
        "{}",
        heard(&h1)
    );
    assert_eq!(both.hear(), "200 late|");
}

#[test]
fn a_handler_is_told_when_its_peer_has_gone() {
    let mut both = Both::new();
    let stream = both.open("GET", "/x/never", true);
    both.client.reset(stream, ErrorCode::CANCEL);
    both.send();
    assert_eq!(both.gone(), ["/never"]);
    let h1 = both.get("/x/never");
    h1.borrow_mut().ended = true;
    let token = h1.borrow().token.unwrap();
    both.bench.outside.0.borrow_mut().ready.push(Ready::Socket {
        token,
        readable: true,
        read_closed: true,
    });
    both.bench.turns(3);
    assert_eq!(both.gone(), ["/never"]);
    both.open("GET", "/x/never", true);
    both.h2.borrow_mut().ended = true;
    both.bench.wake(&both.h2);
    both.bench.turns(3);
    assert_eq!(both.gone(), ["/never"]);
}

#[test]
fn trailers_reach_a_handler_and_come_from_it() {
    let mut both = Both::new();
    let stream = both.open("POST", "/x/trailers", false);
    both.client.send_data(stream, b"content ", false).unwrap();
    both.client
        .send_headers(stream, [Field::new(b"x-sum", b"5")], true)
        .unwrap();
    both.send();
    assert_eq!(both.hear(), "200 content 5late sum 7");
    let chunked = "POST /x/trailers HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
        8\r\ncontent \r\n0\r\nx-sum: 5\r\n\r\n";
    let h1 = both.h1(chunked);
    assert!(
        heard(&h1).ends_with("d\r\ncontent 5late\r\n0\r\nx-sum: 7\r\n\r\n"),
        "{}",
        heard(&h1)
    );
}

#[test]
fn an_informational_response_comes_before_the_head() {
    let mut both = Both::new();
    both.open("GET", "/x/hints", true);
    assert_eq!(both.hear(), "103 200 on|");
    let h1 = both.get("/x/hints");
    let text = heard(&h1);
    assert!(
        text.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </style>\r\n\r\nHTTP/1.1 200 OK\r\n"),
        "{text}"
    );
}

#[test]
fn a_handler_has_a_limit_of_its_own_for_content() {
    let mut both = Both::new();
    for length in ["content-length: 5", "transfer-encoding: chunked"] {
        let h1 = both.h1(&format!(
            "POST /x/small HTTP/1.1\r\nhost: a\r\n{length}\r\n\r\n"
        ));
        if length.starts_with('t') {
            h1.borrow_mut().incoming = b"5\r\nhello\r\n".to_vec();
            both.bench.wake(&h1);
            both.bench.turns(3);
        }
        assert!(heard(&h1).starts_with("HTTP/1.1 413 "), "{}", heard(&h1));
    }
    let stream = both.open("POST", "/x/small", false);
    both.client.send_data(stream, b"four", false).unwrap();
    both.send();
    assert_eq!(both.hear(), "");
    both.client.send_data(stream, b"!", false).unwrap();
    both.send();
    assert_eq!(both.hear(), "413 page|");
    assert_eq!(both.gone(), ["/small", "/small", "/small"]);
    assert_eq!(
        both.bench
            .event_loop
            .services
            .limit_log
            .total(Limit::BodySize),
        3
    );
}

#[test]
fn s9_3_2_a_head_gets_the_fields_and_no_content() {
    let mut both = Both::new();
    both.open("HEAD", "/x/trailers", true);
    assert_eq!(both.hear(), "200|");
    let h1 = both.h1("HEAD /x/hints HTTP/1.1\r\nhost: a\r\n\r\n");
    let text = heard(&h1);
    assert!(
        text.contains("x-made: by hand\r\n") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
}

#[test]
fn a_path_that_a_handler_passes_on_is_the_sites() {
    let mut both = Both::new();
    both.bench.files.write("x", "a file");
    both.open("GET", "/x", true);
    assert_eq!(both.hear(), "200 a file|");
    both.open("GET", "/xyz", true);
    assert_eq!(both.hear(), "404 page|");
}
