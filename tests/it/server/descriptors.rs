//! Few descriptors: connections leave some for files, and files that wait for a reader leave theirs for
//! others.

use crate::raw_h2::{self, RawH2, frame, get, setting};
use crate::support::Server;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Length of a file that is too long for the memory cache.
const LEN: usize = 300 << 10;

fn many_files(site: &Path, count: usize) {
    for n in 0..count {
        let file = fs::File::create(site.join(format!("f{n}"))).unwrap();
        file.set_len(LEN as u64).unwrap();
    }
}

fn open_descriptors(server: &Server) -> usize {
    let path = format!("/proc/{}/fd", server.id());
    fs::read_dir(path).map_or(0, Iterator::count)
}

#[test]
fn streams_that_wait_for_their_windows_keep_no_descriptor_from_others() {
    let server = Server::with_open_files(256, &[], |site| many_files(site, 410));
    let line = server.logged("the limit of open files leaves room for 120 connections");
    assert!(line.contains("raise it (ulimit -n)"), "{line}");
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    let mut stalled: Vec<RawH2> = (0..4).map(|_| RawH2::open(server.connect())).collect();
    for (at, h2) in stalled.iter_mut().enumerate() {
        h2.send(&frame(raw_h2::SETTINGS, 0, 0, &setting(4, 0)));
        h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
        for n in 0..100 {
            let path = format!("/f{}", 100 * at + n);
            h2.send(&frame(raw_h2::HEADERS, end, 2 * n as u32 + 1, &get(&path)));
        }
        // Waits until all heads have come.
        h2.until(|frame| frame.kind == raw_h2::HEADERS && frame.stream == 199);
    }
    assert!(
        open_descriptors(&server) < 128,
        "{}",
        open_descriptors(&server)
    );
    for n in 400..410 {
        let answer = server.request(&format!("GET /f{n} HTTP/1.1"));
        assert!(
            answer.starts_with("HTTP/1.1 200 "),
            "{}",
            &answer[..100.min(answer.len())]
        );
        assert!(answer.len() > LEN);
    }
    // The stalled responses go on, even if their file was closed meanwhile.
    for h2 in &mut stalled {
        let wide = (1u32 << 30).to_be_bytes();
        h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 0, &wide));
        for n in 0..100 {
            h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 2 * n + 1, &wide));
        }
        let (mut ended, mut len) = (0, 0);
        while ended < 100 {
            let frame = h2.next().expect("the connection goes on");
            assert_ne!(frame.kind, raw_h2::RST_STREAM);
            if frame.kind == raw_h2::DATA {
                len += frame.payload.len();
                ended += usize::from(frame.flags & raw_h2::END_STREAM != 0);
            }
        }
        assert_eq!(len, 100 * LEN);
    }
    assert!(!server.log().contains("cut short"), "{}", server.log());
}

#[test]
fn without_a_descriptor_files_are_opened_all_the_same_and_idle_connections_make_room() {
    let server = Server::with_site(&[], |site| many_files(site, 40));
    let idle: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(raw_h2::SETTINGS, 0, 0, &setting(4, 1 << 20)));
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    let wide = (1u32 << 30).to_be_bytes();
    h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 0, &wide));
    // The connections are idle for longer than their grace.
    std::thread::sleep(Duration::from_millis(1_500));
    let pid = Pid::from_raw(server.id() as i32);
    let none_left = open_descriptors(&server) as u64;
    let limit = Rlimit {
        current: Some(none_left),
        maximum: Some(none_left),
    };
    prlimit(pid, Resource::Nofile, limit).expect("a limit may be lowered");
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    for n in 0..40 {
        let stream = 2 * n + 1;
        h2.send(&frame(
            raw_h2::HEADERS,
            end,
            stream,
            &get(&format!("/f{n}")),
        ));
        let frames =
            h2.until(|frame| frame.stream == stream && frame.flags & raw_h2::END_STREAM != 0);
        let is_data = |frame: &&raw_h2::Frame| frame.kind == raw_h2::DATA;
        let len: usize = frames
            .iter()
            .filter(is_data)
            .map(|it| it.payload.len())
            .sum();
        assert_eq!(len, LEN, "request {n}");
    }
    let line = server.logged("limit: descriptors files");
    assert!(
        line.contains("raise the limit of open files (ulimit -n)"),
        "{line}"
    );
    let is_closed = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.read(&mut [0]), Ok(0))
    };
    assert!(idle.iter().any(is_closed), "nobody made room");
}

/// Raises the limit of the test itself, which needs as many descriptors.
fn raise_own_limit(wanted: u64) {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = limit
            .maximum
            .map_or(Some(wanted), |most| Some(most.min(wanted)));
        setrlimit(Resource::Nofile, limit).expect("it may be raised so far");
    }
}

#[test]
fn more_connections_than_descriptors_wait_for_places_and_each_gets_its_file() {
    const CROWD: usize = 1_200;
    raise_own_limit(4_096);
    let server = Server::with_open_files(1_024, &[], |site| many_files(site, CROWD));
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| server.connect()).collect();
    for (n, stream) in crowd.iter_mut().enumerate() {
        let request = format!("GET /f{n} HTTP/1.1\r\nHost: h\r\nRange: bytes=0-99\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
    }
    for (n, stream) in crowd.iter_mut().enumerate() {
        let mut answer = [0; 12];
        stream
            .read_exact(&mut answer)
            .unwrap_or_else(|error| panic!("{n}: {error}"));
        assert_eq!(&answer, b"HTTP/1.1 206", "{n}");
    }
    // Files that nobody needs any more are closed within two seconds.
    let deadline = Instant::now() + Duration::from_secs(20);
    while open_descriptors(&server) > 1_024 - 200 {
        assert!(Instant::now() < deadline, "some are left for files");
        std::thread::sleep(Duration::from_millis(50));
    }
}
