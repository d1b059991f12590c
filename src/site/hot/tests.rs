//! The hot cache: the entries it keeps, for how long, and how soon changes show.

use super::*;
use crate::site::testing::{TestSite, read};
use rustix::io::Errno;

const BUDGET: usize = 256 << 10;

fn used(site: &TestSite) -> usize {
    let hot = &site.site.hot;
    assert_eq!(hot.slots.len(), hot.index.len());
    let costs: usize = hot.slots.iter().map(|(_, slot)| slot.cost).sum();
    assert_eq!(costs, hot.used);
    costs
}

/// Paths of the sidecars that a warning was given of.
fn warned(site: &TestSite) -> &HashSet<Vec<u8>, RandomState> {
    &site
        .site
        .hot
        .learned
        .as_ref()
        .expect("a file was read")
        .warned
}

#[test]
fn a_hot_file_is_looked_at_by_one_call_now_and_then_and_read_once() {
    let mut site = TestSite::new(&[("a", "content")]);
    site.get("/a");
    let first = site.files.counts();
    for _ in 0..100 {
        site.get("/a");
    }
    assert_eq!(site.files.counts(), first);
    for looks in 1..50 {
        site.advance(RECHECK);
        site.get("/a");
        site.get("/a");
        let counts = site.files.counts();
        assert_eq!(counts.look_ups, first.look_ups + looks);
        assert_eq!((counts.opens, counts.reads), (first.opens, first.reads));
    }
    // Missing sidecars are looked for once a second.
    site.advance(Duration::from_secs(1));
    site.get("/a");
    assert_eq!(site.files.counts().look_ups, first.look_ups + 49 + 4);
}

#[test]
fn one_file_is_kept_once_however_it_is_asked_for() {
    let mut site = TestSite::new(&[("a/index.html", "content")]);
    for target in ["/a/", "/%61/", "//a/./", "/a/index.html?x", "/b/../a/"] {
        assert_eq!(site.get(target).text(), "content");
    }
    assert_eq!(site.site.hot.slots.len(), 1);
}

#[test]
fn a_change_is_served_within_a_few_milliseconds_with_another_tag() {
    let mut site = TestSite::new(&[("a", "one")]);
    let first = site.get("/a");
    type Change = fn(&TestSite);
    let changes: [Change; 6] = [
        |site| site.files.write("a", "two"),
        |site| site.files.edit("a", |content| content[0] = b'T'),
        |site| site.files.write("a.br", "br"),
        |site| site.files.edit("a.br", |content| content.push(b'!')),
        |site| site.files.remove("a.br"),
        |site| site.files.truncate("a", 1),
    ];
    let mut before = (first.content, first.fields);
    for change in changes {
        // A clock that stands still shows no change, so it runs on a little.
        site.files.advance(Duration::from_millis(4));
        change(&site);
        site.advance(RECHECK);
        let seen = site.get_with("/a", &[("accept-encoding", "br")]);
        let after = (seen.content, seen.fields);
        assert_ne!(before, after);
        before = after;
    }
    site.files.remove("a");
    site.advance(RECHECK);
    assert_eq!(site.get("/a").status, 404);
    assert_eq!(used(&site), 0);
}

#[test]
fn a_change_that_the_clock_does_not_show_is_served_too() {
    let mut site = TestSite::new(&[]);
    site.files.write("a", "one");
    let first = site.get("/a");
    // Written with an equal length, within one tick of the file system's clock.
    site.files
        .edit("a", |content| content.copy_from_slice(b"two"));
    site.advance(RECHECK);
    let second = site.get("/a");
    assert_eq!(second.text(), "two");
    assert_ne!(first.field("etag"), second.field("etag"));
}

#[test]
fn a_file_that_does_not_change_is_soon_not_read_again() {
    let mut site = TestSite::new(&[]);
    site.files.write("a", "one");
    for _ in 0..4 {
        site.get("/a");
        site.advance(Duration::from_secs(1));
    }
    let reads = site.files.counts().reads;
    site.get("/a");
    site.advance(RECHECK);
    site.get("/a");
    assert_eq!(site.files.counts().reads, reads);
}

#[test]
fn what_was_read_again_for_nothing_stays_where_it_is() {
    let mut site = TestSite::new(&[]);
    site.files.write("a", "one");
    let mut places = Vec::new();
    let mut reads = Vec::new();
    for _ in 0..3 {
        site.get("/a");
        let (_, slot) = site.site.hot.slots.iter().next().expect("an entry");
        places.push(Rc::as_ptr(&slot.resource));
        reads.push(site.files.counts().reads);
        site.advance(RECHECK);
    }
    assert!(reads[0] < reads[1], "it was not read again");
    assert!(places.iter().all(|place| *place == places[0]));
}

#[test]
fn without_descriptors_what_is_in_memory_is_still_served() {
    let mut site = TestSite::new(&[("a", "content")]);
    site.get("/a");
    let errno = Errno::MFILE.raw_os_error();
    for path in ["a", "a.br", "a.gz", "a.zst"] {
        site.files.fail_open(path, Some(errno));
        site.advance(RECHECK);
        assert_eq!(site.get("/a").text(), "content");
    }
    assert_eq!(site.get("/b").status, 404);
}

#[test]
fn sidecars_are_not_lost_for_want_of_a_descriptor() {
    let mut site = TestSite::new(&[("a", "content"), ("a.br", "br")]);
    site.files
        .fail_open("a.br", Some(Errno::NFILE.raw_os_error()));
    assert_eq!(site.get("/a").status, 503);
    site.files.fail_open("a.br", None);
    assert_eq!(
        site.get_with("/a", &[("accept-encoding", "br")]).text(),
        "br"
    );
}

#[test]
fn the_budget_holds_whatever_is_asked_for() {
    let content = "x".repeat(20 << 10);
    let mut site = TestSite::with(&[], |config| config.cache_memory = BUDGET);
    for at in 0..100 {
        site.files.write(&format!("f{at}"), content.as_str());
    }
    site.advance(Duration::from_secs(10));
    for at in 0..300 {
        assert_eq!(site.get(&format!("/f{}", at * 7 % 100)).text(), content);
        assert!(used(&site) <= BUDGET);
    }
    assert!(used(&site) > BUDGET / 2);
}

#[test]
fn what_is_asked_for_again_and_again_outlives_a_scan() {
    let content = "x".repeat(20 << 10);
    let mut site = TestSite::with(&[("hot", "hot")], |config| config.cache_memory = BUDGET);
    for at in 0..100 {
        site.files.write(&format!("f{at}"), content.as_str());
    }
    site.advance(Duration::from_secs(10));
    site.get("/hot");
    for at in 0..100 {
        site.get("/hot");
        site.get(&format!("/f{at}"));
    }
    let before = site.files.counts();
    site.get("/hot");
    assert_eq!(site.files.counts(), before);
}

#[test]
fn readers_that_stall_pin_nothing_and_go_on_from_the_file() {
    let content = "x".repeat(30 << 10);
    let mut site = TestSite::with(&[("hot", "hot")], |config| config.cache_memory = BUDGET);
    for at in 0..300 {
        site.files.write(&format!("f{at}"), content.as_str());
    }
    site.advance(Duration::from_secs(10));
    let stalled: Vec<_> = (0..300)
        .map(|at| {
            assert!(used(&site) <= BUDGET);
            site.respond("GET", &format!("/f{at}"), &[])
        })
        .collect();
    // Another file is kept in memory as if the large ones did not exist.
    site.get("/hot");
    let before = site.files.counts();
    assert_eq!(site.get("/hot").text(), "hot");
    assert_eq!(site.files.counts(), before);
    let in_memory = |response: &&crate::site::Response<_>| {
        let crate::content::Body::One(crate::content::Slice::File(file)) = &response.body else {
            panic!("nothing is held of it");
        };
        file.file().is_in_memory()
    };
    let kept = stalled.iter().filter(in_memory).count();
    assert!(kept * content.len() <= BUDGET, "{kept} contents are kept");
    for response in stalled {
        assert_eq!(read(response.body, &mut site.files).len(), content.len());
    }
    // Descriptors of files that are known rest for a while.
    let mut now = Instant::now();
    while let Some(wait) = site.site.open_files.until_rested(now) {
        now += wait;
        site.site.open_files.close_rested(now);
    }
    assert_eq!(site.site.open_files.count(), 0);
}

#[test]
fn large_content_takes_room_that_is_free_and_leaves_it_to_small_content() {
    let large = "x".repeat(100 << 10);
    let small = "y".repeat(1 << 10);
    let mut site = TestSite::with(&[], |config| config.cache_memory = 1 << 20);
    for at in 0..20 {
        site.files.write(&format!("large{at}"), large.as_str());
    }
    for at in 0..200 {
        site.files.write(&format!("small{at}"), small.as_str());
    }
    site.advance(Duration::from_secs(10));
    // The number of files of a kind that are answered without reading.
    let mut kept = |kind: &str, count: usize| {
        let is_kept = |at: &usize| {
            let before = site.files.counts().reads;
            site.get(&format!("/{kind}{at}"));
            assert!(used(&site) <= 1 << 20);
            site.files.counts().reads == before
        };
        (0..count).filter(is_kept).count()
    };
    kept("large", 20);
    assert_eq!(kept("large", 20), 7);
    kept("small", 200);
    kept("small", 200);
    assert_eq!(kept("small", 200), 200);
    assert!(kept("large", 20) < 7);
}

#[test]
fn a_descriptor_is_shared_even_where_content_has_no_room() {
    let content = "x".repeat(70 << 10);
    let mut site = TestSite::with(&[], |config| config.cache_memory = BUDGET);
    for at in 0..10 {
        site.files.write(&format!("f{at}"), content.as_str());
    }
    site.advance(Duration::from_secs(10));
    let mut stalled = Vec::new();
    for round in 0..3 {
        let opens = site.files.counts().opens;
        for at in 0..10 {
            stalled.push(site.respond("GET", &format!("/f{at}"), &[]));
        }
        if round > 0 {
            assert_eq!(site.files.counts().opens, opens);
        }
    }
    assert!(used(&site) <= BUDGET);
}

#[test]
fn of_several_representations_those_that_are_asked_for_are_in_memory() {
    let content = "x".repeat(100 << 10);
    let mut site = TestSite::new(&[("a", &content), ("a.br", "br"), ("a.gz", "gzip")]);
    let br = [("accept-encoding", "br, gzip")];
    for _ in 0..2 {
        assert_eq!(site.get_with("/a", &br).text(), "br");
    }
    let before = site.files.counts();
    assert_eq!(site.get_with("/a", &br).text(), "br");
    assert_eq!(site.files.counts(), before);
    assert!(used(&site) < content.len());
    for _ in 0..2 {
        assert_eq!(site.get("/a").text(), content);
    }
    let before = site.files.counts();
    assert_eq!(site.get("/a").text(), content);
    assert_eq!(
        (site.files.counts(), used(&site) > content.len()),
        (before, true)
    );
}

#[test]
fn content_that_is_asked_for_again_pushes_out_what_is_not() {
    let content = "x".repeat(40 << 10);
    let mut site = TestSite::with(&[], |config| config.cache_memory = BUDGET);
    for at in 0..20 {
        site.files.write(&format!("f{at}"), content.as_str());
    }
    site.advance(Duration::from_secs(10));
    for at in 0..20 {
        site.get(&format!("/f{at}"));
    }
    // No content in memory is used, so it takes some requests until others are tried.
    for _ in 0..100 {
        site.get("/f18");
        site.get("/f19");
        assert!(used(&site) <= BUDGET);
    }
    let before = site.files.counts();
    for name in ["/f18", "/f19"] {
        assert_eq!(site.get(name).text(), content);
    }
    assert_eq!(site.files.counts(), before);
}

#[test]
fn without_any_memory_everything_is_read_from_files() {
    let mut site = TestSite::with(&[("a", "content")], |config| config.cache_memory = 0);
    assert_eq!(site.get("/a").text(), "content");
    assert_eq!(site.get("/a").text(), "content");
    assert_eq!(used(&site), 0);
}

#[test]
fn once_one_change_was_seen_nothing_older_is_sent_with_it() {
    let mut site = TestSite::new(&[("page", "1"), ("style", "1"), ("script", "1")]);
    let all = |site: &mut TestSite| {
        ["/style", "/script", "/page"].map(|target| site.get(target).text().to_owned())
    };
    assert_eq!(all(&mut site), ["1", "1", "1"]);
    site.advance(RECHECK);
    // The page is known to be old before the others are taken from memory.
    assert_eq!(all(&mut site), ["1", "1", "1"]);
    site.advance(RECHECK - Duration::from_millis(1));
    for file in ["page", "style", "script"] {
        site.files.write(file, "2");
    }
    site.files.write("new", "2");
    site.advance(Duration::from_millis(1));
    site.site.hot.forget(b"page");
    assert_eq!(site.get("/page").text(), "2");
    assert_eq!(all(&mut site), ["2", "2", "2"]);
}

#[test]
fn a_file_that_is_gone_is_gone_and_everything_else_is_looked_at() {
    let mut site = TestSite::new(&[("a", "1"), ("b", "1")]);
    site.get("/a");
    site.advance(RECHECK / 2);
    site.get("/b");
    site.files.remove("a");
    site.files.write("b", "2");
    site.advance(RECHECK / 2);
    // The other file was looked at a moment ago, but before this change was seen.
    assert_eq!(site.get("/a").status, 404);
    assert_eq!(site.get("/b").text(), "2");
    assert_eq!(site.get("/a").status, 404);
}

#[test]
fn a_sidecar_that_appears_is_found_within_a_second() {
    let mut site = TestSite::new(&[("a", "content")]);
    let br = [("accept-encoding", "br")];
    assert_eq!(site.get_with("/a", &br).text(), "content");
    site.files.write("a.br", "br");
    site.advance(Duration::from_secs(1) - RECHECK);
    site.get("/a");
    site.advance(RECHECK);
    assert_eq!(site.get_with("/a", &br).text(), "br");
}

#[test]
fn sidecars_that_cannot_be_right_are_not_sent_and_told_of_once() {
    let mut site = TestSite::new(&[("a", "old"), ("a.br", "br of old"), ("a.gz", "")]);
    let every = [("accept-encoding", "br, gzip")];
    assert_eq!(site.get_with("/a", &every).text(), "br of old");
    assert_eq!(warned(&site).len(), 1, "the empty one");
    // The file is written anew and its sidecars are forgotten.
    site.files.write("a", "new");
    for _ in 0..3 {
        site.advance(Duration::from_secs(3));
        let seen = site.get_with("/a", &every);
        assert_eq!((seen.text(), seen.field("vary")), ("new", None));
        let warned: Vec<&Vec<u8>> = warned(&site).iter().collect();
        assert_eq!(warned.len(), 2);
    }
    // A sidecar that is as old as the file was made from it.
    site.files.write("a.br", "br of new");
    let modified = site.files.clone().look_up(b"a").unwrap().modified;
    site.files.set_modified("a.br", modified);
    site.advance(Duration::from_secs(1));
    assert_eq!(site.get_with("/a", &every).text(), "br of new");
    site.files.remove("a");
    site.advance(RECHECK);
    assert_eq!(site.get_with("/a", &every).status, 404);
}

#[test]
fn warnings_have_an_end() {
    let mut site = TestSite::new(&[]);
    for at in 0..MOST_WARNED + 10 {
        site.files.write(&format!("{at}"), "content");
        site.files.write(&format!("{at}.br"), "");
    }
    for at in 0..MOST_WARNED + 10 {
        site.get(&format!("/{at}"));
    }
    assert_eq!(warned(&site).len(), MOST_WARNED);
}

#[test]
fn what_is_not_there_is_looked_for_once_in_20_ms() {
    let mut site = TestSite::new(&[("d/x", "")]);
    let ask = |site: &mut TestSite| (site.get("/none").status, site.get("/d").status);
    assert_eq!(ask(&mut site), (404, 301));
    let first = site.files.counts();
    for _ in 0..100 {
        assert_eq!(ask(&mut site), (404, 301));
    }
    assert_eq!(site.files.counts(), first);
    site.advance(RECHECK);
    assert_eq!(ask(&mut site), (404, 301));
    // The two paths, and the page of 404.
    assert_eq!(site.files.counts().opens, first.opens + 3);
}

#[test]
fn a_file_that_was_missing_is_served_within_20_ms_and_at_once_behind_a_file_that_came_with_it() {
    let mut site = TestSite::new(&[("page", "old")]);
    assert_eq!((site.get("/a").status, site.get("/b").status), (404, 404));
    site.files.write("a", "a");
    site.advance(RECHECK - Duration::from_nanos(1));
    assert_eq!(site.get("/b").status, 404);
    site.advance(Duration::from_nanos(1));
    assert_eq!(site.get("/a").text(), "a");
    // Another file that is read for the first time, and one that is seen to have changed.
    assert_eq!((site.get("/b").status, site.get("/c").status), (404, 404));
    site.files.write("b", "b");
    site.files.write("new", "new");
    assert_eq!(site.get("/new").text(), "new");
    assert_eq!(site.get("/b").text(), "b");
    site.get("/page");
    site.advance(RECHECK);
    assert_eq!(site.get("/c").status, 404);
    site.files.write("page", "new");
    site.files.write("c", "c");
    assert_eq!(site.get("/page").text(), "new");
    assert_eq!(site.get("/c").text(), "c");
}

#[test]
fn what_takes_the_place_of_a_directory_or_of_nothing_shows_within_20_ms() {
    let mut site = TestSite::new(&[("d/x", "")]);
    assert_eq!((site.get("/d").status, site.get("/n").status), (301, 404));
    site.files.remove("d/x");
    site.files.write("d", "file");
    site.files.create_directory("n");
    site.advance(RECHECK);
    assert_eq!(
        (site.get("/d").text(), site.get("/n").status),
        ("file", 301)
    );
    site.get("/gone");
    site.files.write("gone", "there");
    site.site.forget();
    assert_eq!(site.get("/gone").text(), "there");
}

#[test]
fn failures_of_the_system_are_not_remembered() {
    let mut site = TestSite::new(&[("a", "a")]);
    site.files.fail_open("a", Some(Errno::MFILE.raw_os_error()));
    assert_eq!(site.get("/a").status, 503);
    site.files.fail_open("a", None);
    assert_eq!(site.get("/a").status, 200);
}
