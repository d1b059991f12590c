//! The site over real files: behaviour that only a disk has.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::Site;
use super::config::Config;
use super::testing::request;
use crate::content::{BodyError, Progress};
use crate::exchange::{Request, Response};
use crate::world::Peer;
use crate::world::files::Root;

struct DiskSite {
    directory: TempDir,
    site: Site<Root>,
}

impl DiskSite {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let config = Config {
            listing: true,
            ..Config::default()
        };
        DiskSite {
            site: Site::new(root, &config).unwrap(),
            directory,
        }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.directory.path().join(name), content).unwrap();
    }

    fn get(&mut self, target: &str, fields: &[(&str, &str)]) -> Response<Root> {
        let request = request("GET", target, fields);
        let request = Request::new(&request, Peer::Unix);
        self.site.respond(&request, Instant::now())
    }

    fn read(&mut self, mut response: Response<Root>) -> Result<Vec<u8>, BodyError> {
        let mut out = Vec::new();
        while response.body.read(self.site.reads(), &mut out, 16_384)? != Progress::End {}
        Ok(out)
    }
}

#[test]
fn a_page_comes_from_the_disk() {
    let mut site = DiskSite::new();
    site.write("index.html", "<h1>home</h1>");
    let response = site.get("/", &[]);
    assert_eq!(response.status, 200);
    assert_eq!(site.read(response).unwrap(), b"<h1>home</h1>");
}

#[test]
fn a_change_is_served_within_a_second() {
    let mut site = DiskSite::new();
    site.write("a", "one");
    let first = site.get("/a", &[]);
    let first_tag = first.fields.value("etag").unwrap().to_vec();
    assert_eq!(site.read(first).unwrap(), b"one");
    site.write("a", "two");
    let changed = Instant::now();
    loop {
        let response = site.get("/a", &[]);
        let tag = response.fields.value("etag").unwrap().to_vec();
        let content = site.read(response).unwrap();
        assert_eq!(content == b"one", tag == first_tag);
        if content == b"two" {
            break;
        }
        assert!(changed.elapsed() < Duration::from_millis(1500));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_fifo_is_answered_at_once() {
    let mut site = DiskSite::new();
    let path = site.directory.path();
    mknodat(CWD, path.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    symlink("/dev/zero", path.join("zero")).unwrap();
    let start = Instant::now();
    for target in ["/fifo", "/zero", "/fifo/"] {
        assert_eq!(site.get(target, &[]).status, 404);
    }
    // The answer comes at once or never. Half a second is allowed for a busy machine.
    assert!(start.elapsed() < Duration::from_millis(500));
}

#[test]
fn a_range_at_the_end_of_five_gib() {
    let mut site = DiskSite::new();
    let file = fs::File::create(site.directory.path().join("big.bin")).unwrap();
    let len: u64 = (5 << 30) + 3;
    file.write_all_at(b"end", len - 3).unwrap();
    let whole = site.get("/big.bin", &[]);
    assert_eq!(whole.body.len(), Some(len));
    let response = site.get("/big.bin", &[("range", "bytes=-4")]);
    assert_eq!(response.status, 206);
    let content_range = response.fields.value("content-range").unwrap();
    assert_eq!(content_range, b"bytes 5368709119-5368709122/5368709123");
    assert_eq!(site.read(response).unwrap(), b"\0end");
}

#[test]
fn a_file_cut_short_while_it_is_sent_is_never_padded() {
    let mut site = DiskSite::new();
    site.write("a", vec![b'x'; 1 << 20]);
    let mut response = site.get("/a", &[]);
    let mut out = Vec::new();
    response
        .body
        .read(site.site.reads(), &mut out, 16_384)
        .unwrap();
    let file = fs::File::options()
        .write(true)
        .open(site.directory.path().join("a"))
        .unwrap();
    file.set_len(20_000).unwrap();
    let mut rest = Vec::new();
    let error = loop {
        match response.body.read(site.site.reads(), &mut rest, 16_384) {
            Ok(progress) => assert_eq!(progress, Progress::More),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, BodyError::Truncated));
    assert_eq!(out.len() + rest.len(), 20_000);
    assert!(rest.iter().all(|byte| *byte == b'x'));
}

#[test]
fn a_directory_of_very_many_files_does_not_stall_the_others() {
    let mut site = DiskSite::new();
    for at in 0..5_000 {
        site.write(&format!("{at:05}.txt"), "");
    }
    // A debug build on a busy machine needs some of this time for a step. A release build needs half a
    // millisecond.
    let most = Duration::from_millis(250);
    let start = Instant::now();
    let mut response = site.get("/", &[]);
    assert_eq!(response.status, 200);
    assert!(start.elapsed() < most);
    let mut page = Vec::new();
    loop {
        let start = Instant::now();
        let progress = response.body.read(site.site.reads(), &mut page, 64 << 10);
        assert!(start.elapsed() < most);
        if progress.unwrap() == Progress::End {
            break;
        }
    }
    let page = String::from_utf8(page).unwrap();
    assert_eq!(page.matches(".txt</a>").count(), 5_000);
    assert!(page.contains("<p>5000 entries</p>"));
}
