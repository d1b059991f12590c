//! Copies of a site on several hosts.

use crate::support::{PATIENCE, Server};
use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant, SystemTime};

/// Length of a file that takes 40 slices of the background hash, in bytes.
const LONG: usize = 5 << 20;

/// Length of a file that takes 400 slices of the background hash and 48 tasks of a helper, in bytes.
const HUGE: usize = 50_000_000;

/// A host whose copy of the file was written so many seconds ago.
fn host(content: &[u8], age: u64) -> Server {
    host_with(&["--etag", "content"], content, age)
}

fn host_with(options: &[&str], content: &[u8], age: u64) -> Server {
    Server::with_site(options, |site| {
        let mut file = File::create(site.join("long.bin")).unwrap();
        file.write_all(content).unwrap();
        let written = SystemTime::now() - Duration::from_secs(age);
        file.set_modified(written).unwrap();
    })
}

/// The head and the content of the answer to a request for the file.
fn ask(host: &Server, method: &str, fields: &str) -> (String, Vec<u8>) {
    let head =
        format!("{method} /long.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
    let answer = host.converse(head.as_bytes());
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, content) = answer.split_at(end.expect("a head") + 4);
    (
        String::from_utf8(head.to_vec()).unwrap().to_lowercase(),
        content.to_vec(),
    )
}

/// The beginning of the answer, whose content nobody waits for.
fn first_part(host: &Server, fields: &str) -> String {
    let mut connection = host.connect();
    let head = format!("GET /long.bin HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    let mut part = Vec::new();
    while !part.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut bytes = [0; 1024];
        let len = connection.read(&mut bytes).unwrap();
        assert!(len > 0, "no head");
        part.extend_from_slice(&bytes[..len]);
    }
    String::from_utf8_lossy(&part).to_lowercase()
}

/// The strong tag of the file, which it has once it was hashed in the background.
fn strong_tag(host: &Server) -> String {
    let start = Instant::now();
    loop {
        let (head, _) = ask(host, "HEAD", "");
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: "));
        match tag.expect("a tag") {
            weak if weak.starts_with("w/") => {}
            strong => return strong.to_owned(),
        }
        assert!(start.elapsed() < PATIENCE, "it stays weak");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_download_that_broke_off_at_one_host_goes_on_at_another_with_a_copy_of_another_date() {
    let content: Vec<u8> = (0..LONG as u32).map(|i| (i % 251) as u8).collect();
    let (one, other) = (host(&content, 3600), host(&content, 99_999));
    let tag = strong_tag(&one);
    assert_eq!(strong_tag(&other), tag);
    let half = LONG / 2 + 7;
    let (_, mut got) = ask(&one, "GET", &format!("Range: bytes=0-{}\r\n", half - 1));
    let rest = format!("Range: bytes={half}-\r\nIf-Range: {tag}\r\n");
    let (head, rest) = ask(&other, "GET", &rest);
    assert!(head.starts_with("http/1.1 206 "), "{head}");
    got.extend(rest);
    assert!(got == content, "the halves are not the file");
}

#[test]
fn half_of_a_huge_file_is_asked_for_again_by_a_tag_and_not_before_its_hash_is_known() {
    let content: Vec<u8> = (0..HUGE as u32)
        .map(|at| (at >> 8) as u8 ^ at as u8)
        .collect();
    let one = host(&content, 3600);
    let other = host_with(&["--etag", "content", "--helper", "on"], &content, 99_999);
    let line = other.logged("the helper process");
    let helper = line.split_once("process ").unwrap().1;
    let helper = helper.split_once(' ').unwrap().0.to_owned();
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill")
            .args([name, &helper])
            .status();
        assert!(sent.unwrap().success());
    };
    let tag = strong_tag(&one);
    let rest = format!("Range: bytes={}-\r\n", HUGE / 2);
    // Nothing is hashed at the other host while its helper sleeps, so it does not know the tag.
    signal("-STOP");
    let (head, _) = ask(&other, "HEAD", "");
    let weak = head.lines().find_map(|line| line.strip_prefix("etag: w/"));
    let weak = format!("W/{}", weak.expect("a weak tag"));
    for (fields, status) in [
        (format!("{rest}If-Range: {tag}"), "200"),
        (format!("{rest}If-Range: {weak}"), "200"),
        (format!("If-None-Match: {weak}"), "304"),
        (format!("If-None-Match: {tag}"), "200"),
        (format!("If-Match: {tag}"), "412"),
        (rest.trim_end().to_owned(), "206"),
    ] {
        let head = first_part(&other, &fields);
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{fields}: {head}"
        );
        assert!(!head.contains("etag: \""), "{fields}: {head}");
    }
    signal("-CONT");
    assert_eq!(strong_tag(&other), tag);
    for (fields, status, length) in [
        (format!("{rest}If-Range: {tag}"), "206", HUGE / 2),
        (format!("{rest}If-Range: {weak}"), "200", HUGE),
        (format!("If-None-Match: {weak}"), "304", 0),
        (format!("If-None-Match: {tag}"), "304", 0),
    ] {
        let (head, got) = ask(&other, "GET", &format!("{fields}\r\n"));
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{fields}: {head}"
        );
        assert_eq!(got.len(), length, "{fields}");
        assert!(content.ends_with(&got), "{fields}: another part");
    }
}
