//! Requests that repeat another one get its answer, with HTTP/2 in the same read, with HTTP/1.1 as long as its files are
//! trusted; nobody can tell it by the answers, the log or the counts.

use super::*;
use crate::h2::{self, Event};
use crate::http::Fields;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::{AccessLogConfig, LogFormat};

const REQUESTS: usize = 20;

/// The file of an access log, which is kept from now on.
fn open_log(bench: &mut Bench) -> tempfile::NamedTempFile {
    let log = tempfile::NamedTempFile::new().unwrap();
    let config = AccessLogConfig {
        file: Some(log.path().into()),
        format: LogFormat::Combined,
    };
    let services = &mut bench.event_loop.services;
    (services.log, services.told_from) = (Some(AccessLog::open(&config).unwrap()), 0);
    log
}

#[test]
fn equal_requests_get_equal_answers_and_a_line_of_the_log_each() {
    let site = site::Config::default();
    let mut bench = Bench::with(Config::default(), site);
    bench.files.write("short", vec![b's'; 600]);
    bench.files.write("directory/x", "");
    let log = open_log(&mut bench);
    let now = bench.event_loop.services.now;
    let mut client = h2::Connection::client(Arc::default(), now);
    let link = bench.connect(0, &client.take_output(), usize::MAX, None);
    bench.turns(3);
    let mut numbers = Vec::new();
    for (method, path, status, len) in [
        ("GET", "/short", "200", Some(600)),
        ("HEAD", "/short", "200", Some(0)),
        ("GET", "/none", "404", None),
        ("GET", "/directory", "301", None),
    ] {
        let before = bench.event_loop.services.requests;
        let mut answers = Vec::new();
        // The blocks of the first two differ from those behind them.
        for count in [1, 1, 1, REQUESTS - 3] {
            let request = Fields::request(method, "http", "a", path);
            for _ in 0..count {
                client.open(request.iter(), true, now).unwrap();
            }
            link.borrow_mut().incoming = client.take_output();
            bench.wake(&link);
            bench.turns(3);
            let bytes = std::mem::take(&mut link.borrow_mut().outgoing);
            let (mut input, mut fields) = (&bytes[..], Fields::new());
            while let Some(event) = client.receive(&mut input, &mut fields, now).unwrap() {
                match event {
                    Event::Response { fields, .. } => {
                        assert_eq!(fields.status().unwrap().to_string(), status);
                        answers.push((fields.clone(), Vec::<u8>::new()));
                    }
                    Event::Data { data, .. } => answers.last_mut().unwrap().1.extend(data),
                    _ => {}
                }
            }
        }
        assert_eq!(answers.len(), REQUESTS, "{path}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{path}");
        let sent = answers[0].1.len();
        assert!(len.is_none_or(|len| sent == len), "{path}");
        numbers.push((format!("{method} {path} "), status, sent));
        let counted = bench.event_loop.services.requests - before;
        assert_eq!(counted, REQUESTS as u64);
    }
    if let Some(log) = &mut bench.event_loop.services.log {
        log.finish(now);
    }
    let text = std::fs::read_to_string(log.path()).unwrap();
    for (request, status, sent) in numbers {
        let end = format!("\" {status} {sent} ");
        let lines = text.lines().filter(|line| line.contains(&request));
        let lines: Vec<_> = lines.filter(|line| line.contains(&end)).collect();
        assert_eq!(lines.len(), REQUESTS, "{request}{end} in {text}");
    }
}

/// The answer to a request on a connection, without the number of requests that it is good for.
fn ask(bench: &mut Bench, link: &Shared, request: &str) -> String {
    link.borrow_mut().incoming = request.as_bytes().to_vec();
    bench.wake(link);
    bench.turns(2);
    let answer = std::mem::take(&mut link.borrow_mut().outgoing);
    let answer = String::from_utf8(answer).unwrap();
    answer
        .lines()
        .filter(|line| !line.starts_with("keep-alive:"))
        .collect()
}

#[test]
fn a_request_of_http1_that_repeats_the_last_one_gets_its_answer_on_any_connection() {
    let mut bench = Bench::with(Config::default(), site::Config::default());
    bench.files.write("b", "first");
    let log = open_log(&mut bench);
    let links = [(); 2].map(|()| bench.connect(0, b"", usize::MAX, None));
    bench.turns(3);
    let mut lines = 0;
    for path in ["b", "none", "b"] {
        let request = format!("GET /{path} HTTP/1.1\r\nhost: a\r\n\r\n");
        let counted = bench.event_loop.services.requests;
        let first = ask(&mut bench, &links[0], &request);
        for at in 1..6 {
            assert_eq!(ask(&mut bench, &links[at % 2], &request), first);
        }
        assert!(bench.event_loop.services.known_answer.is_some());
        assert_eq!(bench.event_loop.services.requests - counted, 6);
        lines += 6;
    }
    // Others between, which have answers of their own.
    let get = "GET /b HTTP/1.1\r\nhost: a\r\n\r\n";
    let head = "HEAD /b HTTP/1.1\r\nhost: a\r\n\r\n";
    for _ in 0..3 {
        assert!(ask(&mut bench, &links[0], head).ends_with("keep-alive"));
    }
    assert!(ask(&mut bench, &links[0], get).ends_with("first"));
    lines += 4;
    bench.files.write("b", "other");
    bench.sleep(Duration::from_millis(20));
    bench.turns(1);
    for link in [0, 1, 0, 1] {
        assert!(ask(&mut bench, &links[link], get).ends_with("other"));
        lines += 1;
    }
    for _ in 0..3 {
        let link = bench.connect(0, b"", usize::MAX, None);
        bench.turns(3);
        let answer = ask(&mut bench, &link, "GET /b HTTP/1.0\r\n\r\n");
        assert!(answer.contains("connection: close") && answer.ends_with("other"));
        lines += 1;
    }
    let now = bench.event_loop.services.now;
    if let Some(log) = &mut bench.event_loop.services.log {
        log.finish(now);
    }
    let text = std::fs::read_to_string(log.path()).unwrap();
    assert_eq!(text.lines().count(), lines, "{text}");
    assert_eq!(text.matches("HTTP/1.0").count(), 3, "{text}");
}
