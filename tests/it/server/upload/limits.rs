//! Limits of uploads: of a file, of a directory, of the disk, of the process.

use super::{names, send, server};
use crate::support::Server;
use std::fs;
use std::process::Command;

#[test]
fn a_file_that_is_too_large_is_refused_with_the_limit() {
    let (server, directory) = server(&["--upload-limit", "10"]);
    let answer = send(&server, "PUT /in/a HTTP/1.1", &[b'x'; 11]);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        answer.contains("\r\ncontent-type: application/problem+json\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\"limit\": 10"), "{answer}");
    let chunked = "PUT /in/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
                   6\r\nsix653\r\n6\r\nsix653\r\n0\r\n\r\n";
    let answer = String::from_utf8(server.converse(chunked.as_bytes())).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = send(&server, "PUT /in/a HTTP/1.1", &[b'x'; 10]);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(names(&directory), ["a"]);
}

#[test]
fn a_directory_that_is_full_is_told_with_its_limit_and_takes_more_when_it_is_emptied() {
    let (server, directory) = server(&["--upload-total", "100"]);
    let put = |name: &str, len: usize| {
        let head = format!("PUT /in/{name} HTTP/1.1");
        send(&server, &head, &vec![b'x'; len])
    };
    assert!(put("a", 60).starts_with("HTTP/1.1 201 "));
    let answer = put("b", 41);
    assert!(answer.starts_with("HTTP/1.1 507 "), "{answer}");
    assert!(answer.contains("\"limit\": 100"), "{answer}");
    // A file that replaces another one needs room beside it.
    assert!(put("a", 40).starts_with("HTTP/1.1 204 "));
    assert!(put("b", 60).starts_with("HTTP/1.1 201 "));
    assert_eq!(names(&directory), ["a", "b"]);
}

#[test]
fn a_disk_with_too_little_room_takes_nothing() {
    let (server, directory) = server(&["--upload-free", "1000000G"]);
    let answer = send(&server, "PUT /in/a HTTP/1.1", b"x");
    assert!(answer.starts_with("HTTP/1.1 507 "), "{answer}");
    assert!(answer.contains("--upload-free"), "{answer}");
    assert!(names(&directory).is_empty());
}

#[test]
fn a_limit_of_the_process_on_the_size_of_files_ends_the_upload_alone() {
    let mut shell = Command::new("sh");
    let script = "ulimit -f 100; exec \"$0\" \"$@\"";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_calmd")]);
    let server = Server::by(shell, &["--upload", "/in=site/in"], |site| {
        fs::create_dir(site.join("in")).unwrap();
    });
    let directory = server.directory.path().join("site/in");
    // The unit of ulimit is 512 or 1024 bytes.
    let answer = send(&server, "PUT /in/a HTTP/1.1", &vec![b'x'; 200 << 10]);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(names(&directory).is_empty());
    let answer = send(&server, "PUT /in/a HTTP/1.1", &vec![b'x'; 20 << 10]);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}
