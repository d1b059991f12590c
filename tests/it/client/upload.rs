//! Uploads: complete, under flow control, in constant memory.

use super::scripted::{Scripted, Then, respond};
use super::{command, fetch, get};
use crate::support::Server;
use calmd::h2::Config;
use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

const SIZE: usize = 20 << 20;

/// Content that differs from every shorter or shifted copy of itself.
fn content() -> Vec<u8> {
    (0..SIZE as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// Peak memory of the process so far, in KiB.
fn peak(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Memory that an upload may add to that of the program itself, in KiB: an eighth of the upload.
const FLAT: u64 = (SIZE >> 10) as u64 / 8;

/// Peak memory of a fetch of very little content, in KiB.
fn baseline(server: &Server, scheme: &str) -> u64 {
    // The input stays open, so the client waits when it has sent all of it.
    let mut child = start(server, scheme, "-");
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    let mut byte = [0];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut byte)
        .unwrap();
    let peak = peak(&child).expect("it runs");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    peak
}

fn start(server: &Server, scheme: &str, file: &str) -> Child {
    let address = match scheme {
        "http" => server.http,
        _ => server.https,
    };
    let url = format!("{scheme}://{address}/echo");
    let insecure = (scheme == "https").then_some("-k");
    command(["-s", "-d", file, &url].into_iter().chain(insecure))
        .stdin(Stdio::piped())
        .spawn()
        .expect("calmd starts")
}

fn echo_comes_back_in_flat_memory(scheme: &str) {
    let server = Server::start(&["--demo"]);
    let content = content();
    let bound = baseline(&server, scheme) + FLAT;

    // From a pipe: all bytes have passed before the pipe is closed.
    let mut child = start(&server, scheme, "-");
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let written = content.clone();
    let writer = std::thread::spawn(move || {
        input.write_all(&written).unwrap();
        input
    });
    let mut back = vec![0; SIZE];
    output.read_exact(&mut back).unwrap();
    let most = peak(&child).expect("it runs");
    drop(writer.join().unwrap());
    assert!(child.wait().unwrap().success());
    assert!(back == content);
    assert!(most < bound, "{most} KiB from a pipe, {bound} allowed");

    // From a file: memory is measured when all but the last byte has come back.
    let file = server.directory.path().join("upload");
    fs::write(&file, &content).unwrap();
    let mut child = start(&server, scheme, file.to_str().unwrap());
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut back[1..]).unwrap();
    // The output is a full pipe or nearly done. Both suffice.
    let most = peak(&child).unwrap_or(0);
    output.read_exact(&mut back[..1]).unwrap();
    back.rotate_left(1);
    assert!(child.wait().unwrap().success());
    assert!(back == content);
    assert!(most < bound, "{most} KiB from a file, {bound} allowed");
}

#[test]
fn uploads_come_back_whole_in_flat_memory() {
    echo_comes_back_in_flat_memory("http");
}

#[test]
fn uploads_over_tls_come_back_whole_in_flat_memory() {
    echo_comes_back_in_flat_memory("https");
}

#[test]
fn what_comes_slowly_is_sent_at_once() {
    let server = Server::start(&["--demo"]);
    let mut child = start(&server, "http", "-");
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    for word in ["one", "two", "six"] {
        input.write_all(word.as_bytes()).unwrap();
        let mut back = [0; 3];
        output.read_exact(&mut back).unwrap();
        assert_eq!(back, word.as_bytes());
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_file_is_posted_with_its_length() {
    let server = Scripted::start(|core, asked| {
        let value = |name| String::from_utf8_lossy(asked.fields.value(name).unwrap_or(b"none"));
        let method = String::from_utf8_lossy(asked.fields.method().unwrap());
        let content = format!("{method} {}", value("content-length"));
        respond(core, asked.stream, &[(":status", "200")], &content);
        Then::Stay
    });
    let directory = tempfile::tempdir().unwrap();
    let (some, empty) = (
        directory.path().join("some"),
        directory.path().join("empty"),
    );
    fs::write(&some, "12345").unwrap();
    fs::write(&empty, "").unwrap();
    let url = server.url("/");
    let text = |args: &[&str]| fetch(args.iter().chain(&[url.as_str()])).text();
    assert_eq!(text(&["-d", some.to_str().unwrap()]), "POST 5");
    assert_eq!(text(&["-X", "PUT", "-d", some.to_str().unwrap()]), "PUT 5");
    assert_eq!(text(&["-d", empty.to_str().unwrap()]), "POST 0");
    assert_eq!(text(&["-d", "-"]), "POST none");
}

#[test]
fn a_server_whose_window_is_never_full_gets_everything() {
    let config = Config {
        initial_window_size: 1 << 30,
        connection_window_size: 1 << 30,
        max_frame_size: 1 << 20,
        ..Config::default()
    };
    // The socket is full at the time of the first read.
    let server = Scripted::with(config, Duration::from_millis(300), |core, asked| {
        let content = asked.len.to_string();
        respond(core, asked.stream, &[(":status", "200")], &content);
        Then::Stay
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("upload");
    fs::write(&file, content()).unwrap();
    let args = ["--max-time", "20s", "-d", file.to_str().unwrap()];
    let got = fetch(args.into_iter().chain([server.url("/").as_str()]));
    assert_eq!(got.text(), SIZE.to_string());
}

#[test]
fn an_answer_before_the_end_of_the_upload_is_the_answer() {
    let server = Server::start(&[]);
    let file = server.directory.path().join("upload");
    fs::write(&file, content()).unwrap();
    let url = format!("http://{}/", server.http);
    let got = fetch(["-i", "-d", file.to_str().unwrap(), &url]).text();
    assert!(got.starts_with("HTTP/2 405 "), "{got}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let got = get(["-d", "/nonexistent", "http://127.0.0.1:1/"]);
    let reason = "cannot read '/nonexistent' (-d): No such file or directory";
    assert_eq!(got.failure(), reason);
}
