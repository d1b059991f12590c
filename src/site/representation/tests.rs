//! Representations: their tags, the source of their bytes, and the effect of a change of the file.

use super::*;
use crate::content::{Body, BodyError, Progress};
use crate::site::reading::HASHED_LEN;
use crate::site::testing::{TestSite, read};
use crate::world::memory_files::MemoryFiles;
use xxhash_rust::xxh3::xxh3_128;

fn large() -> String {
    "0123456789abcdef".repeat(HASHED_LEN as usize / 16 + 1)
}

#[test]
fn a_tag_is_the_same_wherever_the_file_is() {
    let mut here = TestSite::new(&[("a", "content"), ("b", "other")]);
    let mut there = TestSite::new(&[]);
    there.advance(Duration::from_secs(77));
    there.files.write("x/y", "content");
    let tag = |site: &mut TestSite, target| site.get(target).field("etag").unwrap().to_owned();
    assert_eq!(tag(&mut here, "/a"), tag(&mut there, "/x/y"));
    assert_ne!(tag(&mut here, "/a"), tag(&mut here, "/b"));
    // The tag is written out so that a change of the algorithm is noticed: it would empty every cache.
    assert_eq!(tag(&mut here, "/a"), "\"917e1274274fc195b27a2d2388d9568c\"");
}

#[test]
fn a_large_file_has_a_weak_tag_of_its_state_until_its_content_was_read() {
    let content = large();
    let mut site = TestSite::new(&[("a", &content)]);
    let tag = |site: &mut TestSite| {
        let head = site.request("HEAD", "/a", &[]);
        head.field("etag").unwrap().to_owned()
    };
    let weak = tag(&mut site);
    assert!(weak.starts_with("W/\""), "{weak}");
    assert_eq!(tag(&mut site), weak);
    let not_modified = |site: &mut TestSite, tag: &str| {
        site.get_with("/a", &[("if-none-match", tag)]).status == 304
    };
    assert!(not_modified(&mut site, &weak));
    // A weak tag is not good for a range.
    let range = [("range", "bytes=0-0"), ("if-range", weak.as_str())];
    assert_eq!(site.get_with("/a", &range).status, 200);
    let strong = tag(&mut site);
    assert_eq!(strong, format!("\"{:032x}\"", xxh3_128(content.as_bytes())));
    let range = [("range", "bytes=0-0"), ("if-range", strong.as_str())];
    assert_eq!(site.get_with("/a", &range).status, 206);
    // The weak tag stands for the state of the file that has the strong tag now.
    assert!(not_modified(&mut site, &weak) && not_modified(&mut site, &strong));
    // The hash is remembered, though the file is forgotten.
    site.site.hot.forget(b"a");
    assert_eq!(tag(&mut site), strong);
    site.files.advance(Duration::from_nanos(1));
    site.files.edit("a", |content| content[0] = b'x');
    site.advance(Duration::from_secs(1));
    let changed = tag(&mut site);
    assert!(changed.starts_with("W/") && changed != weak, "{changed}");
    assert!(!not_modified(&mut site, &weak) && !not_modified(&mut site, &strong));
}

#[test]
fn another_file_of_the_same_length_and_time_is_another_file() {
    let (a, b) = ("a".repeat(300_000), "b".repeat(300_000));
    let mut site = TestSite::new(&[("f", &a)]);
    let epoch = UNIX_EPOCH + Duration::from_secs(1);
    site.files.set_modified("f", epoch);
    site.advance(Duration::from_secs(3));
    let old = site.get("/f");
    let tags = [old, site.get("/f")].map(|seen| seen.field("etag").unwrap().to_owned());
    for tag in &tags {
        assert_eq!(site.get_with("/f", &[("if-none-match", tag)]).status, 304);
    }
    for change in [
        (|files: &MemoryFiles, b: &str| files.write("f", b)) as fn(&MemoryFiles, &str),
        |files, b| files.edit("f", |content| content.copy_from_slice(b.as_bytes())),
    ] {
        site.files.write("f", a.as_str());
        site.files.set_modified("f", epoch);
        site.advance(Duration::from_secs(3));
        assert_eq!(site.get("/f").text(), a);
        change(&site.files, &b);
        site.files.set_modified("f", epoch);
        site.advance(Duration::from_millis(20));
        for tag in &tags {
            let seen = site.get_with("/f", &[("if-none-match", tag)]);
            assert_eq!((seen.status, seen.text()), (200, b.as_str()));
            let range = [("range", "bytes=150000-"), ("if-range", tag)];
            let seen = site.get_with("/f", &range);
            assert_eq!((seen.status, seen.content.len()), (200, 300_000));
        }
        assert_eq!(site.get("/f").field("last-modified"), None);
    }
}

#[test]
fn a_large_file_is_not_kept_and_its_descriptor_is_shared() {
    let content = large();
    let mut site = TestSite::new(&[("a", &content)]);
    let first = site.respond("GET", "/a", &[]);
    assert_eq!(site.files.counts().reads, 0);
    let opens = site.files.counts().opens;
    let second = site.respond("GET", "/a", &[("range", "bytes=-4")]);
    assert_eq!(site.files.counts().opens, opens);
    assert_eq!(read(second.body, &mut site.files), b"cdef");
    assert_eq!(read(first.body, &mut site.files).len(), content.len());
    // Both responses are done, and the file rests. After a while it is closed, and has to be opened again.
    site.get("/a");
    assert_eq!(site.files.counts().opens, opens);
    while let Some(wait) = site.site.until_rested(site.now) {
        site.advance(wait);
        site.site.close_rested(site.now);
    }
    site.get("/a");
    assert_eq!(site.files.counts().opens, opens + 1);
}

#[test]
fn a_large_file_that_changes_in_place_is_never_sent_under_its_old_tag() {
    let mut site = TestSite::new(&[("a", &large())]);
    let sending = site.respond("GET", "/a", &[]);
    site.files.advance(Duration::from_millis(4));
    site.files.truncate("a", HASHED_LEN as usize + 1);
    let seen = site.get("/a");
    assert_eq!(seen.content.len() as u64, HASHED_LEN + 1);
    let mut body = sending.body;
    let mut out = Vec::new();
    let error = loop {
        match body.read(&mut site.files, &mut out, 100_000) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, BodyError::Truncated));
    assert_eq!(out.len() as u64, HASHED_LEN + 1);
}

#[test]
fn a_file_that_is_replaced_while_it_is_sent_is_sent_as_it_was() {
    let content = large();
    let mut site = TestSite::new(&[("a", &content)]);
    let sending = site.respond("GET", "/a", &[]);
    site.files.write("a", "new");
    assert_eq!(read(sending.body, &mut site.files), content.as_bytes());
    site.advance(Duration::from_secs(1));
    assert_eq!(site.get("/a").text(), "new");
}

#[test]
fn small_content_is_a_snapshot() {
    let mut site = TestSite::new(&[("a", "content")]);
    let Body::One(slice) = site.respond("GET", "/a", &[]).body else {
        panic!("one slice");
    };
    site.files.truncate("a", 0);
    assert_eq!(read(Body::One(slice), &mut site.files), b"content");
}

#[test]
fn short_reads_of_the_disk_do_not_change_the_tag() {
    let mut site = TestSite::new(&[("a", "content")]);
    let tag = site.get("/a").field("etag").map(str::to_owned);
    let mut other = TestSite::new(&[("a", "content")]);
    other.files.limit_reads(3);
    assert_eq!(other.get("/a").field("etag"), tag.as_deref());
    assert_eq!(other.get("/a").text(), "content");
}

#[test]
fn a_file_that_changes_with_every_look_is_served_as_it_is() {
    let mut site = TestSite::new(&[("log", "line\n")]);
    site.files.before_reads(|files| {
        files.advance(Duration::from_millis(4));
        files.edit("log", |content| content.extend_from_slice(b"line\n"));
        Ok(())
    });
    let response = site.respond("GET", "/log", &[]);
    let len = response.body.len().unwrap();
    let content = read(response.body, &mut site.files);
    assert_eq!((response.status, content.len() as u64), (200, len));
    assert_eq!(
        response.fields.value("content-length"),
        Some(len.to_string().as_bytes())
    );
}

#[test]
fn a_disk_that_fails_is_an_error_before_the_head_or_behind_it() {
    let mut site = TestSite::new(&[("small", "x"), ("large", &large())]);
    let sending = site.respond("GET", "/large", &[]);
    site.files
        .before_reads(|_| Err(rustix::io::Errno::IO.into()));
    assert_eq!(site.respond("GET", "/small", &[]).status, 500);
    let mut body = sending.body;
    let result = body.read(&mut site.files, &mut Vec::new(), 1000);
    assert!(matches!(result, Err(BodyError::Io(_))));
}

#[test]
fn s8_8_2_a_date_of_the_last_change_is_told_once_its_second_is_over() {
    let mut site = TestSite::new(&[]);
    site.files.write("a", "content");
    let modified = |site: &mut TestSite| site.get("/a").field("last-modified").map(str::to_owned);
    assert_eq!(modified(&mut site), None);
    site.advance(Duration::from_millis(999));
    assert_eq!(modified(&mut site), None);
    site.advance(Duration::from_millis(20));
    let date = modified(&mut site);
    assert_eq!(date.as_deref(), Some("Thu, 01 Jan 2026 01:00:00 GMT"));
    let future = MemoryFiles::new().now() + Duration::from_secs(1 << 30);
    site.files.set_modified("a", future);
    site.advance(Duration::from_secs(3));
    assert_eq!(modified(&mut site), None);
    // A date in the future is no reason to read the file again and again.
    let reads = site.files.counts().reads;
    site.advance(Duration::from_secs(3));
    site.get("/a");
    site.advance(Duration::from_secs(3));
    site.get("/a");
    assert_eq!(site.files.counts().reads, reads);
}

#[test]
fn a_file_that_is_changed_while_it_is_sent_is_never_sent_whole() {
    type Change = fn(&MemoryFiles);
    let changes: [(&str, Change, bool); 6] = [
        ("nothing", |_| {}, true),
        ("deleted", |files| files.remove("a"), true),
        (
            "rewritten, its time kept",
            |files| {
                let modified = files.clone().look_up(b"a").unwrap().modified;
                files.edit("a", |content| content.fill(b'x'));
                files.set_modified("a", modified);
            },
            false,
        ),
        (
            "replaced",
            |files| files.write("a", large().replace('0', "x")),
            true,
        ),
        (
            "rewritten",
            |files| files.edit("a", |content| content.fill(b'x')),
            false,
        ),
        (
            "longer",
            |files| files.edit("a", |content| content.resize(1 << 20, b'x')),
            false,
        ),
    ];
    for (name, change, is_whole) in changes {
        let mut site = TestSite::new(&[("a", &large())]);
        let mut body = site.respond("GET", "/a", &[]).body;
        let mut out = Vec::new();
        body.read(&mut site.files, &mut out, 100_000).unwrap();
        change(&site.files);
        let end = loop {
            match body.read(&mut site.files, &mut out, 100_000) {
                Ok(Progress::End) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        if is_whole {
            assert!(end.is_ok() && out == large().as_bytes(), "{name}")
        } else {
            assert!(matches!(end, Err(BodyError::Changed)), "{name}")
        }
    }
}

#[test]
fn a_log_that_grows_is_sent_as_long_as_it_was() {
    let mut site = TestSite::new(&[]);
    site.files.write("log", large());
    let grow = |site: &TestSite| {
        site.files.advance(Duration::from_millis(4));
        site.files
            .edit("log", |content| content.extend_from_slice(b"line\n"));
    };
    for lines in 0..5 {
        let mut body = site.respond("GET", "/log", &[]).body;
        let len = body.len().unwrap();
        assert_eq!(len, HASHED_LEN + 16 + 5 * lines);
        let mut out = Vec::new();
        body.read(&mut site.files, &mut out, 100_000).unwrap();
        grow(&site);
        out.extend(read(body, &mut site.files));
        assert_eq!(out.len() as u64, len);
    }
    // A file may also grow between being found and being opened.
    site.files.before_reads(move |files| {
        files.advance(Duration::from_millis(4));
        files.edit("log", |content| content.extend_from_slice(b"line\n"));
        Ok(())
    });
    for _ in 0..5 {
        site.advance(Duration::from_millis(20));
        assert_eq!(site.get("/log").status, 200);
    }
}

#[test]
fn a_small_file_that_a_disk_must_bring_is_not_waited_for() {
    let mut site = TestSite::new(&[("a", "content")]);
    site.files.slow_disk(Duration::from_millis(30));
    let response = site.respond("GET", "/a", &[]);
    assert_eq!((response.status, site.files.counts().reads), (200, 0));
    assert!(response.fields.value("etag").unwrap().starts_with(b"W/"));
    let mut body = response.body;
    let cold = body.read(&mut site.files, &mut Vec::new(), 1000);
    assert!(matches!(cold, Ok(Progress::Cold)));
    site.advance(Duration::from_millis(30));
    assert_eq!(read(body, &mut site.files), b"content");
    let seen = site.get("/a");
    assert_eq!(
        seen.field("etag"),
        Some("\"917e1274274fc195b27a2d2388d9568c\"")
    );
    // The file is in memory by then.
    let reads = site.files.counts().reads;
    assert_eq!(site.get("/a").text(), "content");
    assert_eq!(site.files.counts().reads, reads);
}

#[test]
fn an_empty_file_is_a_file() {
    let mut site = TestSite::new(&[("a", "")]);
    let seen = site.get("/a");
    assert_eq!(
        (seen.status, seen.field("content-length")),
        (200, Some("0"))
    );
    assert_eq!(site.get_with("/a", &[("range", "bytes=0-")]).status, 200);
    assert_eq!(site.get_with("/a", &[("range", "bytes=-1")]).status, 200);
}

#[test]
fn a_document_that_a_disk_must_bring_is_not_waited_for_and_not_contradicted() {
    let meta = |name: &str| format!("<meta charset={name}>");
    for (name, len, known) in [
        ("koi8-r", 1_000, "text/html"),
        ("utf-8", 1_000, "text/html; charset=utf-8"),
        ("utf-8", HASHED_LEN as usize + 1, "text/html; charset=utf-8"),
    ] {
        let content = meta(name) + &"a".repeat(len);
        let mut site = TestSite::new(&[("page.html", &content)]);
        site.advance(Duration::from_secs(60));
        site.files.slow_disk(Duration::from_millis(30));
        let reads = site.files.counts().reads;
        let seen = site.request("HEAD", "/page.html", &[]);
        assert_eq!(
            seen.field("content-type"),
            Some("text/html"),
            "{name} {len}"
        );
        assert_eq!(site.files.counts().reads, reads, "nothing was waited for");
        site.advance(Duration::from_millis(40));
        let seen = site.request("HEAD", "/page.html", &[]);
        assert_eq!(seen.field("content-type"), Some(known), "{name} {len}");
    }
}
