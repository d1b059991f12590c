//! The access log, from the view of its readers.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode};

use super::*;
use crate::http::Fields;

const PEER: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));

fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(784_111_777_000_042)
}

fn log(path: &Path, format: LogFormat) -> AccessLog {
    AccessLog::open(&AccessLogConfig {
        file: Some(path.into()),
        format,
    })
    .unwrap()
}

fn request(path: &str) -> Fields {
    [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "example.org"),
        (":path", path),
        ("user-agent", "curl/8"),
    ]
    .into_iter()
    .collect()
}

/// Logs a request that took 1.05 ms.
fn record_at(
    log: &mut AccessLog,
    peer: Option<IpAddr>,
    fields: &Fields,
    reason: Option<&'static str>,
) {
    let started = Instant::now();
    let entry = log.entry(&Arrival {
        peer,
        scheme: "https",
        version: "HTTP/2.0",
        tls: Some("TLSv1.3"),
        client: None,
        id: None,
        fields,
        at: started,
        wall: wall(),
    });
    log.end(Ended {
        entry,
        status: 200,
        body_bytes: 1234,
        reason,
    });
    let handed_over = started + Duration::from_micros(1_050);
    log.record_ended(&mut Unsent::default(), handed_over);
}

fn record(log: &mut AccessLog, path: &str) {
    record_at(log, PEER, &request(path), None);
}

/// The line of one request.
fn line(format: LogFormat, peer: Option<IpAddr>, fields: &Fields) -> String {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    let mut log = log(&path, format);
    record_at(&mut log, peer, fields, None);
    log.finish(Instant::now());
    fs::read_to_string(&path).unwrap()
}

#[test]
fn combined_lines_are_as_every_log_reader_knows_them() {
    assert_eq!(
        line(LogFormat::Combined, PEER, &request("/a?b")),
        "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/2.0\" 200 1234 \"-\" \
         \"curl/8\"\n"
    );
    assert_eq!(
        line(LogFormat::Combined, None, &Fields::new()),
        "unix: - - [06/Nov/1994:08:49:37 +0000] \"- - HTTP/2.0\" 200 1234 \"-\" \"-\"\n"
    );
}

#[test]
fn extended_lines_have_more_behind_the_combined_format() {
    let combined = line(LogFormat::Combined, PEER, &request("/a?b"));
    let extended = line(LogFormat::Extended, PEER, &request("/a?b"));
    let more = extended.strip_prefix(combined.trim_end()).expect(&extended);
    assert_eq!(more, " \"example.org\" TLSv1.3 0 0.001050 0.001050\n");
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    let mut log = log(&path, LogFormat::Extended);
    let started = Instant::now();
    let fields = Fields::new();
    let mut entry = log.entry(&Arrival {
        peer: None,
        scheme: "http",
        version: "HTTP/1.1",
        tls: None,
        client: None,
        id: None,
        fields: &fields,
        at: started,
        wall: wall(),
    });
    entry.add_received(77);
    entry.note_first_byte(&mut || started + Duration::from_micros(300));
    entry.note_first_byte(&mut || started + Duration::from_secs(1));
    log.end(Ended {
        entry,
        status: 200,
        body_bytes: 9,
        reason: Some("a reason"),
    });
    log.record_ended(&mut Unsent::default(), started + Duration::from_secs(2));
    log.finish(Instant::now());
    let text = fs::read_to_string(&path).unwrap();
    let end = "\"-\" \"-\" \"-\" - 77 0.000300 2.000000 \"a reason\"\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn json_lines_are_objects() {
    assert_eq!(
        line(LogFormat::Json, PEER, &request("/a?b")),
        "{\"time\":\"1994-11-06T08:49:37.000042Z\",\"remote\":\"192.0.2.7\",\"scheme\":\"https\",\
         \"host\":\"example.org\",\
         \"method\":\"GET\",\"path\":\"/a?b\",\"version\":\"HTTP/2.0\",\"tls\":\"TLSv1.3\",\"user_agent\":\"curl/8\",\
         \"status\":200,\"bytes\":1234,\"request_bytes\":0,\"first_byte_ms\":1.050,\"duration_ms\":1.050}\n"
    );
    let bare = line(LogFormat::Json, None, &Fields::new());
    let value: serde_json::Value = serde_json::from_str(&bare).unwrap();
    assert_eq!(value["remote"], "unix:");
    assert_eq!(value.get("path"), None);
}

#[test]
fn a_reason_stands_behind_a_combined_line_and_is_the_error_of_a_json_line() {
    let line = |format| {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let mut log = log(&path, format);
        record_at(&mut log, PEER, &request("/"), Some("malformed chunk"));
        log.finish(Instant::now());
        fs::read_to_string(&path).unwrap()
    };
    let combined = line(LogFormat::Combined);
    assert!(
        combined.ends_with(" \"curl/8\" \"malformed chunk\"\n"),
        "{combined}"
    );
    let json = line(LogFormat::Json);
    assert!(
        json.ends_with("\"duration_ms\":1.050,\"error\":\"malformed chunk\"}\n"),
        "{json}"
    );
}

#[test]
fn lines_wait_for_the_socket_up_to_a_bound() {
    let place = tempfile::tempdir().unwrap();
    let mut log = log(&place.path().join("log"), LogFormat::Combined);
    let mut unsent = Unsent::default();
    let start = Instant::now();
    for _ in 0..100 {
        let entry = log.entry(&Arrival {
            peer: PEER,
            scheme: "http",
            version: "HTTP/2.0",
            tls: Some("TLSv1.3"),
            client: None,
            id: None,
            fields: &request("/"),
            at: start,
            wall: wall(),
        });
        log.end(Ended {
            entry,
            status: 200,
            body_bytes: 0,
            reason: None,
        });
        log.keep_ended(&mut unsent, start);
    }
    let lines = |log: &AccessLog| log.pending.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(lines(&log), 68, "the others wait");
    assert!(unsent.memory() < 64 << 10);
    log.record_ended(&mut unsent, start);
    assert_eq!(lines(&log), 100);
    assert!(unsent.is_empty() && unsent.memory() == 0);
}

#[test]
fn an_ipv4_client_of_a_dual_stack_socket_is_written_as_ipv4() {
    let mapped = Some(IpAddr::V6(Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped()));
    assert!(line(LogFormat::Combined, mapped, &request("/")).starts_with("192.0.2.7 "));
}

#[test]
fn no_client_can_forge_a_line() {
    let mut fields = request("/\" 200 0\n10.0.0.1 - -");
    fields.push(b"referer", b"a\\\"\x1b[2J\xff\x7f");
    let combined = line(LogFormat::Combined, PEER, &fields);
    assert!(
        combined.contains("GET /\\\" 200 0\\x0a10.0.0.1 - - HTTP"),
        "{combined}"
    );
    assert!(
        combined.contains("\"a\\\\\\\"\\x1b[2J\\xff\\x7f\""),
        "{combined}"
    );
    assert_eq!(combined.lines().count(), 1);
    fields.push(b"user-agent", "gpj.\u{202e}exe \u{e0041}".as_bytes());
    let json = line(LogFormat::Json, PEER, &fields);
    assert_eq!(json.lines().count(), 1);
    assert!(json.contains("\\u007f") && !json.contains('\x7f'), "{json}");
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["path"], "/\" 200 0\n10.0.0.1 - -");
}

#[test]
fn long_values_are_cut() {
    let long = "x".repeat(100_000);
    for format in [LogFormat::Combined, LogFormat::Json] {
        assert!(line(format, PEER, &request(&long)).len() < 1500);
    }
}

#[test]
fn lines_wait_a_second_for_company_or_until_there_are_many() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    let mut log = log(&path, LogFormat::Combined);
    let start = Instant::now();
    let size = || fs::metadata(&path).unwrap().len();
    log.flush(start);
    assert_eq!(log.next_deadline(), None);
    let record = |log: &mut AccessLog| record(log, "/");
    record(&mut log);
    log.flush(start);
    assert_eq!(
        (size(), log.next_deadline()),
        (0, Some(start + LONGEST_WAIT))
    );
    log.flush(start + LONGEST_WAIT);
    assert!(size() > 0);
    assert_eq!(log.next_deadline(), None);
    let before = size();
    (0..1000).for_each(|_| record(&mut log));
    log.flush(start + LONGEST_WAIT);
    assert!(size() > before + 1000 * 60);
}

#[test]
fn a_file_that_was_moved_away_without_a_word_is_opened_anew_after_a_second() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let mut log = log(&at("log"), LogFormat::Combined);
    let mut now = Instant::now();
    let mut write = |path: &str| {
        record(&mut log, path);
        log.flush(now);
        now += LONGEST_WAIT;
        log.flush(now);
    };
    let read = |name: &str| fs::read_to_string(at(name)).unwrap_or_default();
    write("/one");
    // Moved, with nothing in its place: the next file may be about to come.
    fs::rename(at("log"), at("log.1")).unwrap();
    write("/two");
    assert!(read("log.1").contains("/two") && !at("log").exists());
    write("/three");
    assert!(read("log").contains("/three"));
    // Moved, with another file in its place.
    fs::write(at("new"), "").unwrap();
    fs::rename(at("new"), at("log")).unwrap();
    write("/four");
    assert!(read("log").contains("/four") && !read("log").contains("/three"));
    // A file that was truncated in its place is still the file that is written.
    fs::write(at("log"), "").unwrap();
    write("/five");
    assert!(read("log").contains("/five"));
}

#[test]
fn a_moved_file_is_opened_anew_and_a_bad_reopen_keeps_the_old_one() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("logs");
    fs::create_dir(&directory).unwrap();
    let (path, moved) = (directory.join("log"), directory.join("log.1"));
    let mut log = log(&path, LogFormat::Combined);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o137,
        0,
        "visitors are nobody else's business"
    );
    record(&mut log, "/first");
    fs::rename(&path, &moved).unwrap();
    log.reopen().unwrap();
    record(&mut log, "/second");
    let gone = place.path().join("gone");
    fs::rename(&directory, &gone).unwrap();
    let error = log.reopen().unwrap_err().to_string();
    assert!(
        error.contains("log' (--access-log): No such file"),
        "{error}"
    );
    record(&mut log, "/third");
    log.finish(Instant::now());
    let read = |name| fs::read_to_string(gone.join(name)).unwrap();
    assert!(read("log.1").contains("/first") && !read("log.1").contains("/second"));
    assert!(read("log").contains("/second") && read("log").contains("/third"));
}

/// Fills the log until lines are lost, then reads. Only whole lines came through, and writing never
/// waited.
fn stall_and_resume(mut log: AccessLog, mut reader: impl Read) {
    let mut now = Instant::now();
    let record = |log: &mut AccessLog| record(log, "/");
    for _ in 0..10_000 {
        record(&mut log);
    }
    log.flush(now);
    let recorded = 10_000;
    assert!(
        log.loss.lines == 0 && log.loss.warned.is_some(),
        "warned of"
    );
    assert!(log.pending.len() <= MOST_PENDING);
    let mut read = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while !log.pending.is_empty() {
        let count = reader.read(&mut buffer).unwrap();
        read.extend_from_slice(&buffer[..count]);
        now += LONGEST_WAIT;
        log.flush(now);
    }
    drop(log);
    reader.read_to_end(&mut read).unwrap();
    let text = String::from_utf8(read).unwrap();
    assert!(text.ends_with('\n'));
    assert!(text.lines().all(|line| line.ends_with("\"curl/8\"")));
    let lines = text.lines().count();
    assert!(lines > 1000 && lines < recorded, "{lines}");
}

#[test]
fn a_stalled_reader_of_a_fifo_costs_lines_but_never_waits() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("fifo");
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let config = AccessLogConfig {
        file: Some(path.clone()),
        format: LogFormat::Combined,
    };
    let Err(error) = AccessLog::open(&config) else {
        panic!("a FIFO without a reader was opened");
    };
    assert!(error.to_string().contains("start the reader"), "{error}");
    // Opened for reading and writing, so that opening does not wait for a writer.
    let reader = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let log = log(&path, LogFormat::Combined);
    let read_only = fs::File::open(&path).unwrap();
    drop(reader);
    stall_and_resume(log, read_only);
}

#[test]
fn a_pipe_shared_with_others_is_polled_before_each_write() {
    let (reader, writer) = io::pipe().unwrap();
    let place = tempfile::tempdir().unwrap();
    let mut log = log(&place.path().join("log"), LogFormat::Combined);
    log.sink = Some(Sink::share(&writer).unwrap());
    drop(writer);
    stall_and_resume(log, reader);
}

#[test]
fn a_reader_that_is_gone_is_no_reason_to_end() {
    let (reader, writer) = io::pipe().unwrap();
    let place = tempfile::tempdir().unwrap();
    let mut log = log(&place.path().join("log"), LogFormat::Combined);
    log.sink = Some(Sink::share(&writer).unwrap());
    drop(reader);
    for _ in 0..10_000 {
        record(&mut log, "/");
    }
    log.flush(Instant::now());
    assert!(log.pending.len() <= MOST_PENDING);
    assert!(log.loss.reason.is_some());
}

#[test]
fn a_slow_reader_gets_everything_at_the_end() {
    let (mut reader, writer) = io::pipe().unwrap();
    let place = tempfile::tempdir().unwrap();
    let mut log = log(&place.path().join("log"), LogFormat::Combined);
    log.sink = Some(Sink::share(&writer).unwrap());
    drop(writer);
    for _ in 0..2_000 {
        record(&mut log, "/");
    }
    log.flush(Instant::now());
    assert!(!log.pending.is_empty(), "more than a pipe holds");
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader
            .read_to_string(&mut text)
            .map(|_| text.lines().count())
    });
    log.finish(Instant::now());
    drop(log);
    assert_eq!(reading.join().unwrap().unwrap(), 2_000);
}
