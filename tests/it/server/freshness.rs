//! Freshness: a change on the disk is served soon, and no response mixes two versions.

use crate::raw_h2::{self, DATA, END_HEADERS, END_STREAM, HEADERS, RawH2};
use crate::support::Server;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Time after which a change must be served: 20 ms, and some for the test.
const SOON: Duration = Duration::from_millis(25);

/// Connections of both versions, for many requests.
struct Clients {
    h1: TcpStream,
    h2: RawH2,
    stream: u32,
}

impl Clients {
    fn new(server: &Server) -> Self {
        let mut h2 = RawH2::open(server.connect());
        h2.send(&raw_h2::frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
        Clients {
            h1: server.connect(),
            h2,
            stream: 1,
        }
    }

    /// The content of an answer over HTTP/1.1.
    fn h1(&mut self, path: &str) -> String {
        write!(self.h1, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.h1.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let len = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut content = vec![0; len.expect("a length").parse().unwrap()];
        self.h1.read_exact(&mut content).expect("its content");
        String::from_utf8(content).unwrap()
    }

    /// The content of an answer over HTTP/2.
    fn h2(&mut self, path: &str) -> String {
        let stream = self.stream;
        self.stream += 2;
        let flags = END_HEADERS | END_STREAM;
        self.h2
            .send(&raw_h2::frame(HEADERS, flags, stream, &raw_h2::get(path)));
        let is_end =
            |frame: &raw_h2::Frame| frame.stream == stream && frame.flags & END_STREAM != 0;
        let frames = self.h2.until(is_end);
        let data = frames.iter().filter(|frame| frame.kind == DATA);
        String::from_utf8(data.flat_map(|frame| frame.payload.clone()).collect()).unwrap()
    }

    /// The contents that both connections get.
    fn both(&mut self, path: &str) -> [String; 2] {
        [self.h1(path), self.h2(path)]
    }
}

fn set_modified(path: &Path, modified: SystemTime) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn every_kind_of_change_is_served_within_25_milliseconds() {
    let server = Server::with_site(&[], |site| fs::write(site.join("a"), "0000").unwrap());
    let site = server.directory.path().join("site");
    let (file, beside) = (site.join("a"), site.join(".a.new"));
    let long_ago = SystemTime::now() - Duration::from_secs(9_999);
    let replace = |content: &str| {
        fs::write(&beside, content).unwrap();
        set_modified(&beside, long_ago);
        fs::rename(&beside, &file).unwrap();
    };
    let rewrite = |content: &str| {
        let opened = File::options().write(true).open(&file).unwrap();
        opened.write_all_at(content.as_bytes(), 0).unwrap();
        opened.set_modified(long_ago).unwrap();
    };
    let mut clients = Clients::new(&server);
    for round in 1..30 {
        // Each content has the length and the time of the one before.
        let content = format!("{round:04}");
        match round % 2 {
            0 => replace(&content),
            _ => rewrite(&content),
        }
        std::thread::sleep(SOON);
        assert_eq!(clients.both("/a"), [content.as_str(); 2], "round {round}");
    }
    fs::remove_file(&file).unwrap();
    std::thread::sleep(SOON);
    for answer in clients.both("/a") {
        assert!(answer.contains("404"), "{answer}");
    }
    replace("back");
    std::thread::sleep(SOON);
    assert_eq!(clients.both("/a"), ["back"; 2]);
}

#[test]
fn a_purge_after_a_deployment_finds_no_old_file() {
    const FILES: usize = 50;
    let write = |site: &Path, release: usize| {
        for file in 0..FILES {
            let beside = site.join(".new");
            fs::write(&beside, format!("release {release}")).unwrap();
            fs::rename(&beside, site.join(file.to_string())).unwrap();
        }
    };
    let server = Server::with_site(&[], |site| write(site, 0));
    let site = server.directory.path().join("site");
    let mut clients = Clients::new(&server);
    for release in 1..10 {
        // All files are in the hot cache.
        for file in 0..FILES {
            clients.both(&format!("/{file}"));
        }
        write(&site, release);
        std::thread::sleep(SOON);
        for file in 0..FILES {
            let content = format!("release {release}");
            assert_eq!(
                clients.both(&format!("/{file}")),
                [content.as_str(); 2],
                "{file}"
            );
        }
    }
}

#[test]
fn nothing_old_follows_the_first_file_of_a_new_release() {
    let names = ["index.html", "script", "style"];
    let server = Server::with_site(&[], |site| {
        for name in names {
            fs::write(site.join(name), "old").unwrap();
        }
    });
    let site = server.directory.path().join("site");
    for release in 0..50 {
        // A connection takes a thousand requests.
        let mut clients = Clients::new(&server);
        for name in names {
            clients.both(&format!("/{name}"));
        }
        // The change comes at some point of the 20 ms in which the files are not looked at.
        std::thread::sleep(Duration::from_millis(release % 20));
        let content = format!("release {release}");
        // The files of a page are written before the page.
        for name in names.iter().rev() {
            let beside = site.join(".new");
            fs::write(&beside, &content).unwrap();
            fs::rename(&beside, site.join(name)).unwrap();
        }
        while clients.h1("/") != content {
            std::thread::sleep(Duration::from_millis(1));
        }
        for name in names {
            assert_eq!(clients.both(&format!("/{name}")), [content.as_str(); 2]);
        }
    }
}

/// The answer that a slow reader gets for a file that changes meanwhile.
fn read_through(mut stream: TcpStream, change: impl FnOnce()) -> Vec<u8> {
    let mut answer = vec![0; 64 << 10];
    stream.read_exact(&mut answer).unwrap();
    change();
    // The connection ends or is reset.
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn a_file_that_is_replaced_or_deleted_while_it_is_sent_arrives_as_it_was() {
    const LEN: usize = 32 << 20;
    let server = Server::with_site(&[], |site| {
        fs::write(site.join("f"), vec![b'a'; LEN]).unwrap()
    });
    let file = server.directory.path().join("site/f");
    let beside = server.directory.path().join("site/.f.new");
    let changes: [&dyn Fn(); 2] = [
        &|| {
            fs::write(&beside, vec![b'a'; LEN]).unwrap();
            fs::rename(&beside, &file).unwrap();
        },
        &|| fs::remove_file(&file).unwrap(),
    ];
    for change in changes {
        let mut stream = server.connect();
        stream
            .write_all(b"GET /f HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .unwrap();
        let answer = read_through(stream, change);
        let head = answer
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .unwrap()
            + 4;
        assert!(answer.len() - head == LEN && answer[head..].iter().all(|byte| *byte == b'a'));
    }
}

#[test]
fn a_file_that_is_rewritten_in_place_while_it_is_sent_never_arrives_whole() {
    const LEN: usize = 32 << 20;
    let server = Server::with_site(&[], |site| {
        fs::write(site.join("f"), vec![b'a'; LEN]).unwrap()
    });
    let file = server.directory.path().join("site/f");
    let long_ago = SystemTime::now() - Duration::from_secs(9_999);
    set_modified(&file, long_ago);
    let rewrite = |byte: u8| {
        let opened = File::options().write(true).open(&file).unwrap();
        opened.write_all_at(&vec![byte; LEN], 0).unwrap();
        opened.set_modified(long_ago).unwrap();
    };

    let mut stream = server.connect();
    stream
        .write_all(b"GET /f HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    let answer = read_through(stream, || rewrite(b'b'));
    let head = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap()
        + 4;
    assert!(answer.len() - head < LEN, "HTTP/1.1 sent it whole");

    let mut h2 = RawH2::open(server.connect());
    let window = (1_u32 << 30).to_be_bytes();
    h2.send(&raw_h2::frame(
        raw_h2::SETTINGS,
        0,
        0,
        &raw_h2::setting(4, 1 << 30),
    ));
    h2.send(&raw_h2::frame(raw_h2::WINDOW_UPDATE, 0, 0, &window));
    h2.send(&raw_h2::frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &raw_h2::get("/f"),
    ));
    h2.until(|frame| frame.kind == DATA);
    rewrite(b'c');
    let code = h2.reset(1);
    assert_eq!(code, 2, "INTERNAL_ERROR");
    assert!(
        server
            .logged("was changed while it was sent")
            .contains("cut short")
    );
}

#[test]
fn html_is_asked_for_again_unless_a_rule_says_otherwise() {
    let field = |options: &[&str], target: &str, more: &str| {
        let prepare = |site: &Path| {
            fs::create_dir(site.join("list")).unwrap();
            fs::write(site.join("list/a.css"), "").unwrap();
        };
        let server = Server::with_site(&[options, &["--listing", "--spa"]].concat(), prepare);
        let answer = server
            .request(&format!("GET {target} HTTP/1.1{more}"))
            .to_lowercase();
        let value = answer
            .lines()
            .find_map(|line| line.strip_prefix("cache-control: "));
        (answer[9..12].to_owned(), value.map(str::to_owned))
    };
    let told = |status: &str, value: Option<&str>| (status.to_owned(), value.map(str::to_owned));
    for (target, more) in [
        ("/", ""),
        ("/index.html", ""),
        ("/list/", ""),
        ("/no/where", ""),
    ] {
        assert_eq!(
            field(&[], target, more),
            told("200", Some("no-cache")),
            "{target}"
        );
    }
    let again = "\r\nIf-None-Match: *";
    assert_eq!(field(&[], "/", again), told("304", Some("no-cache")));
    assert_eq!(field(&[], "/list/a.css", ""), told("200", None));
    assert_eq!(field(&["--cache", "**="], "/", ""), told("200", None));
    assert_eq!(
        field(&["--cache", "*.html=5m"], "/", ""),
        told("200", Some("max-age=300"))
    );
    let header = ["--header", "Cache-Control: max-age=9"];
    assert_eq!(field(&header, "/", ""), told("200", Some("max-age=9")));
}
