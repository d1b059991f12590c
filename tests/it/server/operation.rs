//! Signals, memory, and messages for the operator.

use crate::raw_h2::{self, RawH2, frame, get};
use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn sigterm_lets_an_open_response_finish_and_exits_with_0() {
    let size = 24 << 20;
    let mut server = Server::with_site(&[], |site| {
        fs::File::create(site.join("big"))
            .unwrap()
            .set_len(size)
            .unwrap();
    });
    let mut stream = server.connect();
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut start = [0; 1000];
    stream.read_exact(&mut start).unwrap();
    server.signal("TERM");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(
        start.len() as u64 + rest.len() as u64 > size,
        "the response was cut"
    );
    assert_eq!(server.wait(), 0);
}

#[test]
fn sigterm_tells_http2_clients_with_goaway() {
    let mut server = Server::start(&[]);
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(
        raw_h2::HEADERS,
        raw_h2::END_HEADERS | raw_h2::END_STREAM,
        1,
        &get("/"),
    ));
    h2.until(|frame| frame.stream == 1 && frame.flags & raw_h2::END_STREAM != 0);
    server.signal("TERM");
    assert_eq!(h2.goaway(), 0, "NO_ERROR");
    drop(h2);
    assert_eq!(server.wait(), 0);
}

#[test]
fn sigusr2_ends_nobody() {
    let server = Server::start(&[]);
    for _ in 0..3 {
        server.signal("USR2");
        assert!(server.request("GET / HTTP/1.1").contains("200 OK"));
    }
}

#[test]
fn a_second_signal_exits_at_once() {
    let mut server = Server::with_site(&[], |site| {
        fs::File::create(site.join("big"))
            .unwrap()
            .set_len(64 << 20)
            .unwrap();
    });
    let mut stream = server.connect();
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut start = [0; 1000];
    stream.read_exact(&mut start).unwrap();
    server.signal("TERM");
    std::thread::sleep(std::time::Duration::from_millis(200));
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}

#[test]
fn the_access_log_is_written_and_opened_again() {
    let server = Server::start(&["--access-log", "access.log"]);
    let log = server.directory.path().join("access.log");
    server.request("GET /first HTTP/1.1");
    let read = |path: &std::path::Path, text: &str| {
        for _ in 0..200 {
            let content = fs::read_to_string(path).unwrap_or_default();
            if content.contains(text) {
                return content;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{text} is not in {}", path.display());
    };
    let content = read(&log, "\"GET /first HTTP/1.1\" 404 ");
    assert!(content.starts_with("127.0.0.1 - - ["), "{content}");
    let old = server.directory.path().join("old.log");
    fs::rename(&log, &old).unwrap();
    server.signal("USR1");
    for _ in 0..200 {
        if log.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    server.request("GET /second HTTP/1.1");
    read(&log, "\"GET /second HTTP/1.1\" 404 ");
    assert!(!fs::read_to_string(&old).unwrap().contains("/second"));
}

#[test]
fn what_is_wrong_is_told_in_one_line_and_nothing_is_started() {
    let server = Server::start(&[]);
    let taken = server.http.to_string();
    let directory = server.directory.path();
    let start = |options: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_calmd"))
            .args(options)
            .env_remove("CARGO_MANIFEST_DIR")
            .env("STATE_DIRECTORY", directory.join("certs"))
            .current_dir(directory)
            .output()
            .expect("calmd runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = start(&["site", "--listen", &taken]);
    assert_eq!((code, text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains(&taken) && text.contains("in use"), "{text}");
    let (code, text) = start(&["nowhere"]);
    assert_eq!((code, text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("nowhere"), "{text}");
    let (code, text) = start(&["site", "--cert", "none.pem", "--key", "none.key"]);
    assert_eq!((code, text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("none.pem"), "{text}");
    let (code, text) = start(&["--no-such-option"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--no-such-option"), "{text}");
}

#[test]
fn a_fifo_in_the_place_of_a_file_ends_the_start_instead_of_holding_it_up() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("site")).unwrap();
    let made = Command::new("mkfifo")
        .arg(place.path().join("fifo"))
        .status();
    assert!(made.unwrap().success());
    let upstream = "/a=https://127.0.0.1:1";
    for options in [
        &["--qlog", "fifo"][..],
        &["--tls-key-log", "fifo"],
        &["--ticket-key", "fifo"],
        &["--cert", "fifo", "--key", "fifo"],
        &["--client-auth", "optional", "--client-ca", "fifo"],
        &["--config", "fifo"],
        &["--admin", "127.0.0.1:0", "--admin-users", "fifo"],
        &["--proxy", upstream, "--proxy-ca", "fifo"],
    ] {
        let mut calmd = Command::new(env!("CARGO_BIN_EXE_calmd"))
            .args(["site", "--listen-tls", "127.0.0.1:0"])
            .args(options)
            .env_remove("CARGO_MANIFEST_DIR")
            .env("STATE_DIRECTORY", place.path().join("certs"))
            .current_dir(place.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let code = loop {
            if let Some(status) = calmd.try_wait().unwrap() {
                break status.code();
            }
            if start.elapsed() > PATIENCE {
                calmd.kill().unwrap();
                panic!("it waits: {options:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let output = calmd.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(code, Some(1 | 2)), "{options:?}: {text}");
        assert!(text.contains("it is a FIFO"), "{options:?}: {text}");
    }
}

#[test]
fn idle_connections_are_cheap() {
    const CONNECTIONS: u64 = 500;
    let server = Server::start(&[]);
    let mut open = Vec::new();
    let one = |server: &Server| {
        let mut h2 = RawH2::open(server.connect());
        h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
        h2.send(&frame(
            raw_h2::HEADERS,
            raw_h2::END_HEADERS | raw_h2::END_STREAM,
            1,
            &get("/"),
        ));
        h2.until(|frame| frame.stream == 1 && frame.flags & raw_h2::END_STREAM != 0);
        h2
    };
    open.push(one(&server));
    let before = server.anonymous_kib();
    open.extend((0..CONNECTIONS).map(|_| one(&server)));
    std::thread::sleep(std::time::Duration::from_secs(1));
    let each = server.anonymous_kib().saturating_sub(before) * 1024 / CONNECTIONS;
    // A debug build has the allocator and tables of a release build, so the number holds for both.
    assert!(each < 2048, "{each} bytes for each idle connection");
}

#[test]
fn the_limit_of_open_files_is_raised_to_what_the_connections_need() {
    let server = Server::start(&["--max-connections", "1500"]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let mut numbers = line
        .split_whitespace()
        .filter_map(|word| word.parse::<u64>().ok());
    let (soft, hard) = (numbers.next().unwrap(), numbers.next().unwrap());
    assert!(soft >= hard.min(3_064), "{line}");
}
