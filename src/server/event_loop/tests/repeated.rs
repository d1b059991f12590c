//! Requests that repeat another one in the same read get its answer; nobody can tell it by the answers, the log or the
//! counts.

use super::*;
use crate::h2::{self, Event};
use crate::http::Fields;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::{AccessLogConfig, LogFormat};

const REQUESTS: usize = 20;

#[test]
fn equal_requests_get_equal_answers_and_a_line_of_the_log_each() {
    let site = site::Config::default();
    let mut bench = Bench::with(Config::default(), site);
    bench.files.write("short", vec![b's'; 600]);
    bench.files.write("directory/x", "");
    let log = tempfile::NamedTempFile::new().unwrap();
    let config = AccessLogConfig {
        file: Some(log.path().into()),
        format: LogFormat::Combined,
    };
    let services = &mut bench.event_loop.services;
    (services.log, services.told_from) = (Some(AccessLog::open(&config).unwrap()), 0);
    let now = services.now;
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
