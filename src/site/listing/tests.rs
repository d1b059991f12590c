//! Tests of listings as responses.

use super::*;
use crate::content::Progress;
use crate::site::hot::RECHECK;
use crate::site::testing::{TestSite, read};

fn site(files: &[(&str, &str)]) -> TestSite {
    TestSite::with(files, |config| config.listing = true)
}

/// The links of the page's rows, in order, without the link to the parent directory.
fn links(html: &str) -> Vec<&str> {
    let rows = html.split("<tbody>").nth(1).unwrap();
    rows.split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .filter(|link| *link != "../")
        .collect()
}

#[test]
fn a_directory_is_listed_only_where_that_is_wanted() {
    let files = [("a/x.txt", "x")];
    assert_eq!(TestSite::new(&files).get("/a/").status, 404);
    let seen = site(&files).get("/a/");
    assert_eq!(seen.status, 200);
    assert_eq!(seen.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(seen.field("cache-control"), Some("no-cache"));
    assert!(seen.field("content-security-policy").is_some());
    assert_eq!(links(seen.text()), ["x.txt"]);
    let mut site = site(&files);
    site.files.create_directory("empty");
    assert_eq!(links(site.get("/empty/").text()), [""; 0]);
    assert_eq!(site.get("/b/").status, 404);
    assert_eq!(site.get("/a/x.txt/").status, 404);
    assert_eq!(site.get("/a").status, 301);
}

#[test]
fn an_index_comes_before_a_listing() {
    let mut site = site(&[("a/index.html", "index"), ("a/x", "")]);
    assert_eq!(site.get("/a/").text(), "index");
}

#[test]
fn entries_are_sorted_with_directories_first() {
    let mut site = site(&[("b.txt", "1"), ("A.txt", "333"), ("c/x", ""), ("D/x", "")]);
    site.files.write("new.txt", "22");
    let mut order = |query: &str| {
        let seen = site.get(&format!("/?{query}"));
        links(seen.text()).join(" ")
    };
    assert_eq!(order(""), "c/ D/ A.txt b.txt new.txt");
    assert_eq!(order("order=desc"), "D/ c/ new.txt b.txt A.txt");
    assert_eq!(order("sort=size"), "c/ D/ b.txt new.txt A.txt");
    assert_eq!(order("sort=size&order=desc"), "c/ D/ A.txt new.txt b.txt");
    assert_eq!(order("sort=date&order=desc"), "c/ D/ new.txt A.txt b.txt");
    assert_eq!(order("sort=\"><script>"), "c/ D/ A.txt b.txt new.txt");
}

#[test]
fn hidden_and_unreachable_names_are_not_listed() {
    let mut site = site(&[
        (".env", ""),
        (".well-known/a", ""),
        ("a\\b", ""),
        ("x/.well-known/a", ""),
        ("x/y", ""),
    ]);
    site.files.write_bytes(b"caf\xe9", "");
    site.files.write_bytes(b"\xc0\xae", "");
    assert_eq!(
        links(site.get("/").text()),
        [".well-known/", "x/", "caf%E9"]
    );
    assert_eq!(links(site.get("/x/").text()), ["y"]);
    assert_eq!(site.get("/caf%E9").status, 200);
}

fn many(count: usize) -> TestSite {
    let site = site(&[]);
    // The names are neither in the order of the directory nor in the order of their creation.
    for at in 0..count {
        site.files
            .write(&format!("a/{:06}", (at * 7_919) % count), "x");
    }
    site
}

#[test]
fn no_read_of_a_long_listing_works_at_more_than_a_part_of_it() {
    let mut site = many(2_000);
    let mut body = site.respond("GET", "/a/", &[]).body;
    site.site.take_effort();
    let (mut out, mut reads) = (Vec::new(), 0);
    let mut unfinished = 0;
    loop {
        let progress = body.read(&mut site.files, &mut out, 16 << 10).unwrap();
        // Each name costs the loop 3 KiB of effort, and a row of the page less.
        let effort = site.site.take_effort();
        assert!(effort <= (STEP + 2) * (3 << 10), "{effort}");
        reads += 1;
        match progress {
            Progress::Unfinished => unfinished += 1,
            Progress::End => break,
            other => assert_eq!(other, Progress::More),
        }
    }
    // Its names are read in sixteen parts, and chosen in eight.
    assert!(unfinished >= 20, "{unfinished} of {reads}");
}

#[test]
fn a_directory_is_read_anew_within_20_ms_of_a_change() {
    for count in [1, 3 * STEP] {
        let mut site = many(count);
        let seen = |site: &mut TestSite| links(site.get("/a/").text()).len();
        assert_eq!(seen(&mut site), count);
        site.files.write("a/new", "");
        assert_eq!(seen(&mut site), count, "it is trusted");
        site.advance(RECHECK - Duration::from_millis(1));
        assert_eq!(seen(&mut site), count);
        site.advance(Duration::from_millis(1));
        assert_eq!(seen(&mut site), count + 1);
        site.files.write("a/newer", "");
        site.site.forget();
        assert_eq!(seen(&mut site), count + 2);
        site.files.remove("a/new");
        site.site.reload(site.now);
        assert_eq!(seen(&mut site), count + 1);
    }
}

#[test]
fn requests_that_come_together_have_a_directory_read_once() {
    let mut site = many(PAGE);
    let mut responses: Vec<_> = (0..4).map(|_| site.respond("GET", "/a/", &[])).collect();
    let json = site.respond("GET", "/a/", &[("accept", "application/json")]);
    site.files.write("a/new", "");
    let mut texts = vec![Vec::new(); responses.len()];
    let mut ended = 0;
    while ended < responses.len() {
        for (response, text) in responses.iter_mut().zip(&mut texts) {
            let read = response.body.read(&mut site.files, text, 10_000);
            ended += usize::from(read.unwrap() == Progress::End);
        }
    }
    let names: Vec<_> = (0..PAGE).map(|at| format!("{at:06}")).collect();
    for text in &texts {
        assert_eq!(links(std::str::from_utf8(text).unwrap()), names);
    }
    assert!(read(json.body, &mut site.files).starts_with(b"["));
    let other = site.get("/a/?order=desc");
    assert_ne!(links(other.text()), names, "another order is another page");
}

#[test]
fn the_memory_of_a_listing_is_free_20_ms_after_it_was_begun() {
    let mut site = many(PAGE);
    site.get("/a/");
    assert!(!site.site.take_freed());
    assert_eq!(site.site.until_rested(site.now), Some(RECHECK));
    site.advance(RECHECK);
    assert_eq!(site.site.until_rested(site.now), Some(Duration::ZERO));
    site.site.close_rested(site.now);
    assert!(site.site.take_freed());
    assert_eq!(site.site.until_rested(site.now), None);
}

#[test]
fn a_crowd_of_directories_is_remembered_in_part() {
    let names: Vec<_> = (0..30).map(|at| format!("d{at}/x")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let mut site = site(&files);
    for round in 0..2 {
        for at in 0..30 {
            let seen = site.get(&format!("/d{at}/"));
            assert_eq!(links(seen.text()), ["x"], "{round}");
        }
    }
    let long = format!("long/{}", "&".repeat(250));
    (0..STEP - 1).for_each(|at| site.files.write(&format!("{long}{at:03}"), ""));
    let before = site.files.counts().opens;
    for _ in 0..3 {
        assert_eq!(links(site.get("/long/").text()).len(), STEP - 1);
    }
    assert!(site.files.counts().opens > before);
}

#[test]
fn all_names_are_listed_in_their_order() {
    for count in [1, STEP, STEP + 1, 5 * STEP, PAGE] {
        let mut site = many(count);
        let seen = site.get("/a/");
        let names: Vec<_> = (0..count).map(|at| format!("{at:06}")).collect();
        assert_eq!(links(seen.text()), names, "{count}");
        assert_eq!(seen.field("content-length").is_some(), count < STEP);
        assert!(!seen.text().contains("<nav>"));
    }
}

#[test]
fn a_directory_of_more_than_a_page_has_pages_that_lead_to_one_another() {
    let mut site = many(2 * PAGE + 5);
    let page = |site: &mut TestSite, query: &str| {
        let seen = site.get(&format!("/a/?{query}"));
        let (first, last) = {
            let rows = seen.text().split("</table>").next().unwrap().to_owned();
            let links = links(&rows);
            let ends = links.first().map(|first| (*first, links[links.len() - 1]));
            let (first, last) = ends.unwrap_or_default();
            (first.to_owned(), last.to_owned())
        };
        (first, last, seen.text().contains("?page=2"))
    };
    let expect =
        |first: usize, last: usize, more| (format!("{first:06}"), format!("{last:06}"), more);
    assert_eq!(page(&mut site, ""), expect(0, PAGE - 1, true));
    assert_eq!(page(&mut site, "page=2"), expect(PAGE, 2 * PAGE - 1, false));
    assert_eq!(
        page(&mut site, "page=3"),
        expect(2 * PAGE, 2 * PAGE + 4, true)
    );
    assert_eq!(page(&mut site, "page=4").0, "");
    assert_eq!(page(&mut site, "page=18446744073709551615").0, "");
    assert_eq!(
        page(&mut site, "order=desc").0,
        format!("{:06}", 2 * PAGE + 4)
    );
}

#[test]
fn a_directory_of_more_names_than_are_held_is_listed_as_far_as_that() {
    let mut site = site(&[]);
    for at in 0..40_000 {
        site.files.write(&format!("a/{at:0>250}"), "x");
    }
    site.files.write("b/x", "x");
    let last = {
        let seen = site.get("/a/");
        assert!(
            seen.text()
                .contains("the directory holds more than are listed")
        );
        assert_eq!(
            links(seen.text().split("</table>").next().unwrap()).len(),
            PAGE
        );
        seen.text()
            .split("of ")
            .last()
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(last, "4");
    for page in 2..=4 {
        let seen = site.get(&format!("/a/?page={page}"));
        assert!(seen.text().ends_with("</html>\n"), "page {page}");
    }
    assert_eq!(links(site.get("/b/").text()), ["x"]);
}

#[test]
fn programs_get_json() {
    let mut site = site(&[("a/x", "123"), ("a/<y>/z", "")]);
    let seen = site.get_with("/a/", &[("accept", "application/json")]);
    assert_eq!(seen.field("content-type"), Some("application/json"));
    assert_eq!(seen.field("vary"), Some("accept"));
    let rows: serde_json::Value = serde_json::from_str(seen.text()).unwrap();
    assert_eq!(rows[0]["name"], "<y>");
    assert_eq!(rows[0]["type"], "directory");
    assert_eq!(rows[0].get("size"), None);
    assert_eq!(rows[1]["size"], 3);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    site.files.create_directory("b");
    let seen = site.get_with("/b/", &[("accept", "application/json")]);
    let rows: serde_json::Value = serde_json::from_str(seen.text()).unwrap();
    assert_eq!(rows.as_array().map(Vec::len), Some(0));
    let all = many(3 * STEP).get_with("/a/", &[("accept", "text/x, application/json;q=1")]);
    let rows: serde_json::Value = serde_json::from_str(all.text()).unwrap();
    assert_eq!(rows.as_array().map(Vec::len), Some(3 * STEP));
}

#[test]
fn the_style_is_a_file_of_its_own() {
    let mut site = site(&[("a/x", "")]);
    let seen = site.get("/a/");
    let policy = seen.field("content-security-policy").unwrap();
    assert!(policy.contains("style-src 'self'"));
    assert!(seen.text().contains("href=\"/.calmd/listing.css\""));
    let style = site.get("/.calmd/listing.css");
    assert_eq!(style.field("content-type"), Some("text/css; charset=utf-8"));
    assert!(style.text().contains("body{"));
    assert_eq!(site.get("/.calmd/").status, 404);
    assert_eq!(TestSite::new(&[]).get("/.calmd/listing.css").status, 404);
}

#[test]
fn s13_1_a_listing_has_no_validator_and_matches_only_a_star() {
    let mut site = site(&[("a/x", "")]);
    let mut status = |field, value| site.get_with("/a/", &[(field, value)]).status;
    assert_eq!(status("if-none-match", "*"), 304);
    assert_eq!(status("if-none-match", "\"x\""), 200);
    assert_eq!(status("if-match", "*"), 200);
    assert_eq!(status("if-match", "\"x\""), 412);
    assert_eq!(
        status("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
        200
    );
}

#[test]
fn listings_that_nobody_reads_make_room_for_others() {
    let mut site = many(PAGE);
    let begin = |site: &mut TestSite| {
        site.advance(RECHECK);
        site.respond("GET", "/a/", &[])
    };
    let stalled: Vec<_> = (0..40).map(|_| begin(&mut site)).collect();
    let mut lost = 0;
    for mut response in stalled {
        let mut out = Vec::new();
        assert_eq!(response.status, 200);
        loop {
            match response.body.read(&mut site.files, &mut out, 1 << 20) {
                Ok(Progress::End) => break,
                Ok(_) => {}
                Err(_) => {
                    lost += 1;
                    break;
                }
            }
        }
    }
    assert_eq!(lost, 0, "one step of each is little");
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let mut response = begin(&mut site);
        // A client reads some rows, and no further.
        let mut out = Vec::new();
        while out.len() < 4_000 {
            let read = response.body.read(&mut site.files, &mut out, 4_000);
            read.expect("whoever reads is not displaced");
        }
        stalled.push(response);
    }
    let mut next = |response: &mut Response<_>| {
        let mut out = Vec::new();
        response.body.read(&mut site.files, &mut out, 1).is_ok()
    };
    assert!(!next(&mut stalled[0]), "it was not read for longest");
    assert!(next(&mut stalled[39]));
    assert_eq!(links(site.get("/a/").text()).len(), PAGE);
}
