//! Copies of a site on several hosts.

use crate::support::{PATIENCE, Server};
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

/// Length of a file that takes 40 slices of the background hash, in bytes.
const LONG: usize = 5 << 20;

/// A host whose copy of the file was written so many seconds ago.
fn host(content: &[u8], age: u64) -> Server {
    Server::with_site(&["--etag", "content"], |site| {
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
