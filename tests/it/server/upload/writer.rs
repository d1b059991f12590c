//! Uploads that a process of its own writes.

use super::{names, send, server};
use crate::server::http2::{converse, request};
use bytes::Bytes;
use std::fs;

/// The process that writes for a server.
fn writer(server: &crate::support::Server) -> u32 {
    let line = server.logged("writes uploads");
    let words: Vec<_> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "process").unwrap();
    words[at + 1].parse().unwrap()
}

/// Sends a signal to a process.
fn signal(process: u32, name: &str) {
    let mut kill = std::process::Command::new("kill");
    let sent = kill
        .args([&format!("-{name}"), &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_process_writes_files_and_brings_them_to_the_disk() {
    for options in [&[][..], &["--upload-sync"]] {
        let (server, directory) = server(options);
        writer(&server);
        let content: Vec<u8> = (0..3 << 20).map(|at: u32| (at % 251) as u8).collect();
        let sent = Bytes::from(content.clone());
        converse(&server, async |mut client| {
            let mut answers = Vec::new();
            for _ in 0..4 {
                let (answer, mut body) =
                    client.send_request(request("POST", "/in"), false).unwrap();
                body.send_data(sent.clone(), true).unwrap();
                answers.push(answer);
            }
            for answer in answers {
                assert_eq!(answer.await.unwrap().status(), 201);
            }
        });
        for name in ["upload", "upload-1", "upload-2", "upload-3"] {
            assert!(fs::read(directory.join(name)).unwrap() == content, "{name}");
        }
        let answer = send(&server, "PUT /in/upload HTTP/1.1", b"other");
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
        assert_eq!(fs::read(directory.join("upload")).unwrap(), b"other");
        assert_eq!(names(&directory).len(), 4);
        assert!(!server.log().contains("has ended"), "{}", server.log());
    }
}

#[test]
fn a_process_that_stands_still_holds_up_its_uploads_and_nobody_else() {
    let (server, directory) = server(&[]);
    let process = writer(&server);
    signal(process, "STOP");
    std::thread::scope(|scope| {
        let upload = scope.spawn(|| send(&server, "PUT /in/a HTTP/1.1", &vec![b'x'; 2 << 20]));
        // As much as fits is on its way, and the rest waits with its client.
        for _ in 0..20 {
            let answer = server.request("GET / HTTP/1.1");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        assert!(!upload.is_finished() && names(&directory).is_empty());
        signal(process, "CONT");
        let answer = upload.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    });
    assert_eq!(fs::read(directory.join("a")).unwrap().len(), 2 << 20);
}

#[test]
fn a_process_that_ends_fails_its_uploads_and_the_server_writes_the_next() {
    let (server, directory) = server(&[]);
    let process = writer(&server);
    signal(process, "STOP");
    std::thread::scope(|scope| {
        let upload = scope.spawn(|| send(&server, "PUT /in/a HTTP/1.1", &vec![b'x'; 100_000]));
        while !super::writes_into(&server, &directory) {
            std::thread::yield_now();
        }
        signal(process, "KILL");
        let answer = upload.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    });
    server.logged("that writes uploads has ended");
    let answer = send(&server, "PUT /in/b HTTP/1.1", b"x");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(names(&directory), ["b"]);
}

#[test]
fn uploads_are_counted_by_their_outcome() {
    let (server, _directory) = server(&["--upload-limit", "10", "--metrics", "unix:metrics"]);
    send(&server, "PUT /in/a HTTP/1.1", b"hello");
    send(&server, "PUT /in/a HTTP/1.1", &[b'x'; 11]);
    let path = server.directory.path().join("metrics");
    let mut socket = std::os::unix::net::UnixStream::connect(path).unwrap();
    use std::io::{Read, Write};
    socket
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    for line in [
        "calmd_upload_files_total 1",
        "calmd_upload_bytes_total 5",
        "calmd_upload_failures_total{reason=\"413\"} 1",
    ] {
        assert!(text.lines().any(|told| told == line), "{line}: {text}");
    }
}
