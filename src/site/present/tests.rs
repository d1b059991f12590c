//! RFC 9110 from the view of a client of the site, by section.

use crate::site::testing::TestSite;

const DIGITS: &str = "0123456789";

fn digits() -> TestSite {
    TestSite::new(&[("d.txt", DIGITS)])
}

/// A page with all its sidecars.
fn encoded() -> TestSite {
    TestSite::new(&[
        ("a.html", "identity"),
        ("a.html.br", "brotli--br"),
        ("a.html.zst", "zstandard"),
        ("a.html.gz", "gzip---gz"),
    ])
}

#[test]
fn s9_3_2_head_has_the_fields_of_get_and_no_content() {
    let mut site = digits();
    let get = site.get("/d.txt");
    let head = site.request("HEAD", "/d.txt", &[("range", "bytes=0-1")]);
    assert_eq!(head.status, 200);
    assert_eq!(head.fields, get.fields);
    assert!(head.content.is_empty());
    let head = site.request("HEAD", "/missing", &[]);
    assert_eq!(head.fields, site.get("/missing").fields);
    assert!(head.content.is_empty());
}

#[test]
fn s15_3_7_1_a_range_is_a_part_with_its_place() {
    let mut site = digits();
    for (range, content, place) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
    ] {
        let seen = site.get_with("/d.txt", &[("range", range)]);
        assert_eq!((seen.status, seen.text()), (206, content));
        assert_eq!(seen.field("content-range"), Some(place));
        assert_eq!(seen.field("etag"), site.get("/d.txt").field("etag"));
        assert_eq!(
            seen.field("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert!(seen.field("last-modified").is_some());
    }
}

/// A file large enough that parts of it are worth their heads.
fn long() -> TestSite {
    TestSite::new(&[("long.txt", &DIGITS.repeat(100))])
}

#[test]
fn each_of_several_ranges_counts_for_the_turn_in_which_they_are_asked_for() {
    let mut site = long();
    let mut parts = |range| {
        let response = site.respond("GET", "/long.txt", &[("range", range)]);
        response.body.parts()
    };
    assert_eq!(parts("bytes=1-2"), 0);
    assert_eq!(parts("bytes=998-,0-1"), 2);
    assert_eq!(parts("bytes=0-0,200-202,400-404,600-606,800-808"), 5);
    assert_eq!(parts("bytes=0-0,20-22,40-44"), 0, "near ones are merged");
}

#[test]
fn s15_3_7_2_several_ranges_are_a_multipart() {
    let mut site = long();
    let seen = site.get_with("/long.txt", &[("range", "bytes=998-,0-1")]);
    assert_eq!((seen.status, seen.field("content-range")), (206, None));
    let content_type = seen.field("content-type").unwrap();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    assert!(boundary.len() <= 70, "RFC 2046 section 5.1.1");
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    assert!(boundary.bytes().all(is_token), "needs no quotes");
    let expected = format!(
        "\r\n--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-range: bytes 998-999/1000\r\n\r\n89\
         \r\n--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-range: bytes 0-1/1000\r\n\r\n01\
         \r\n--{boundary}--\r\n"
    );
    assert_eq!(seen.text(), expected);
    let len = expected.len().to_string();
    assert_eq!(seen.field("content-length"), Some(len.as_str()));
}

#[test]
fn a_multipart_never_takes_more_than_the_file_and_a_tenth() {
    let mut site = long();
    let specs: Vec<_> = (0..10).map(|at| format!("{0}-{0}", 100 * at)).collect();
    let all = [("range", format!("bytes={}", specs.join(",")))];
    let few = [("range", format!("bytes={}", specs[..5].join(",")))];
    let mut status = |fields: &[(&str, String)]| {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        site.get_with("/long.txt", &fields).status
    };
    assert_eq!((status(&few), status(&all)), (206, 200));
}

#[test]
fn an_empty_file_is_sent_whole_whatever_range_is_asked_for() {
    let mut site = TestSite::new(&[("empty", "")]);
    for range in ["bytes=0-", "bytes=-1", "bytes=5-9"] {
        let seen = site.get_with("/empty", &[("range", range)]);
        assert_eq!((seen.status, seen.text()), (200, ""));
    }
}

#[test]
fn s15_5_17_a_range_that_is_not_there_says_how_long_the_file_is() {
    let seen = digits().get_with("/d.txt", &[("range", "bytes=10-")]);
    assert_eq!(seen.status, 416);
    assert_eq!(seen.field("content-range"), Some("bytes */10"));
}

#[test]
fn cve_2011_3192_overlapping_ranges_get_the_whole() {
    let ranges = vec!["0-"; 1300].join(",");
    let seen = digits().get_with("/d.txt", &[("range", &format!("bytes={ranges}"))]);
    assert_eq!((seen.status, seen.text()), (200, DIGITS));
}

#[test]
fn s13_1_5_a_range_of_another_version_gets_the_whole() {
    let mut site = digits();
    let first = site.get("/d.txt");
    let mut status = |validator: &str| {
        let fields = [("range", "bytes=0-1"), ("if-range", validator)];
        site.get_with("/d.txt", &fields).status
    };
    let etag = first.field("etag").unwrap();
    assert_eq!(status(etag), 206);
    assert_eq!(status(first.field("last-modified").unwrap()), 206);
    assert_eq!(status(&format!("W/{etag}")), 200);
    assert_eq!(status("\"x\""), 200);
    assert_eq!(status("Fri, 02 Jan 2026 00:00:00 GMT"), 200);
}

#[test]
fn s15_4_5_what_the_client_has_is_not_sent_again() {
    let mut site = TestSite::with(&[("d.txt", DIGITS), ("d.txt.gz", "gz")], |config| {
        config.cache = vec![crate::site::CacheRule::parse("*.txt=5m").unwrap()];
    });
    let first = site.get("/d.txt");
    let etag = first.field("etag").unwrap();
    let modified = first.field("last-modified").unwrap();
    for field in [("if-none-match", etag), ("if-modified-since", modified)] {
        for method in ["GET", "HEAD"] {
            let seen = site.request(method, "/d.txt", &[field, ("range", "bytes=0-1")]);
            assert_eq!(seen.status, 304);
            for name in ["etag", "cache-control", "vary"] {
                assert!(seen.field(name).is_some());
                assert_eq!(seen.field(name), first.field(name), "{name}");
            }
            for name in ["content-type", "content-length", "last-modified"] {
                assert_eq!(seen.field(name), None, "{name}");
            }
            assert!(seen.content.is_empty());
        }
    }
}

#[test]
fn s15_5_13_a_failed_precondition_sends_nothing_of_the_file() {
    let mut site = digits();
    let seen = site.get_with("/d.txt", &[("if-match", "\"x\""), ("range", "bytes=0-1")]);
    assert_eq!(seen.status, 412);
    assert_eq!(seen.field("etag"), None);
    // Preconditions are ignored if the resource is missing (RFC 9110 §13.2.1).
    assert_eq!(site.get_with("/x", &[("if-match", "*")]).status, 404);
}

#[test]
fn s12_5_3_a_sidecar_is_sent_with_the_type_of_its_file() {
    let mut site = encoded();
    for (accept, coding, content) in [
        ("gzip, deflate, br, zstd", Some("br"), "brotli--br"),
        ("gzip, zstd;q=0.9", Some("gzip"), "gzip---gz"),
        ("zstd", Some("zstd"), "zstandard"),
        ("deflate", None, "identity"),
    ] {
        let seen = site.get_with("/a.html", &[("accept-encoding", accept)]);
        assert_eq!((seen.status, seen.text()), (200, content));
        assert_eq!(seen.field("content-encoding"), coding);
        assert_eq!(seen.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(seen.field("vary"), Some("accept-encoding"));
    }
    assert_eq!(site.get("/a.html").text(), "identity");
}

#[test]
fn each_sidecar_has_its_own_strong_tag() {
    let mut site = TestSite::new(&[("a", "x"), ("a.br", "x"), ("a.gz", "x")]);
    let mut tag = |accept| {
        let seen = site.get_with("/a", &[("accept-encoding", accept)]);
        seen.field("etag").unwrap().to_owned()
    };
    let tags = [tag("identity"), tag("br"), tag("gzip")];
    assert!(tags.iter().all(|tag| tag.starts_with('"')));
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2]);
    let fields = [
        ("accept-encoding", "br"),
        ("if-none-match", tags[0].as_str()),
    ];
    assert_eq!(site.get_with("/a", &fields).status, 200);
    let fields = [
        ("accept-encoding", "br"),
        ("if-none-match", tags[1].as_str()),
    ];
    assert_eq!(site.get_with("/a", &fields).status, 304);
}

#[test]
fn vary_is_on_every_answer_of_a_file_with_sidecars() {
    let mut site = encoded();
    for (fields, status) in [
        (&[("range", "bytes=0-1")][..], 206),
        (&[("range", "bytes=0-1,4-5")], 206),
        (&[("range", "bytes=99-")], 416),
        (&[("if-none-match", "*")], 304),
        (&[("if-match", "\"x\"")], 412),
        (&[("accept-encoding", "*;q=0")], 200),
        (&[], 200),
    ] {
        let seen = site.get_with("/a.html", fields);
        assert_eq!(seen.status, status);
        assert_eq!(seen.field("vary"), Some("accept-encoding"), "{status}");
    }
}

#[test]
fn a_range_is_one_of_the_selected_representation() {
    let mut site = encoded();
    let br = ("accept-encoding", "br");
    let seen = site.get_with("/a.html", &[br, ("range", "bytes=8-")]);
    assert_eq!((seen.status, seen.text()), (206, "br"));
    assert_eq!(seen.field("content-encoding"), Some("br"));
    assert_eq!(seen.field("content-range"), Some("bytes 8-9/10"));
    let seen = site.get_with("/a.html", &[br, ("range", "bytes=0-1,4-5")]);
    assert_eq!((seen.status, seen.text()), (206, "brotli"));
    let long = DIGITS.repeat(100);
    let mut site = TestSite::new(&[("b.html", "b"), ("b.html.br", &long)]);
    let seen = site.get_with("/b.html", &[br, ("range", "bytes=0-1,400-500")]);
    assert_eq!((seen.status, seen.text()), (200, long.as_str()));
}

#[test]
fn who_refuses_every_form_gets_the_file_as_it_is() {
    let mut site = digits();
    let mut status = |accept| {
        let seen = site.get_with("/d.txt", &[("accept-encoding", accept)]);
        seen.status
    };
    assert_eq!(status("gzip, identity;q=0"), 200);
    assert_eq!(status("*;q=0"), 200);
    assert_eq!(status("gzip"), 200);
    assert_eq!(status("gzip;q=1.0, *;q=0.1"), 200);
}

#[test]
fn sidecars_are_files_and_have_none_themselves() {
    let mut site = TestSite::new(&[("a", "a"), ("a.br/x", ""), ("a.gz", "g"), ("a.gz.br", "b")]);
    let all = ("accept-encoding", "br, gzip");
    assert_eq!(site.get_with("/a", &[all]).text(), "g");
    let seen = site.get_with("/a.gz", &[all]);
    assert_eq!((seen.text(), seen.field("vary")), ("g", None));
    assert_eq!(seen.field("content-type"), Some("application/gzip"));
}

#[test]
fn rules_and_headers_are_on_what_they_are_for() {
    let mut site = TestSite::with(&[("assets/a.js", ""), ("index.html", "")], |config| {
        let rules = ["assets/**=1y,immutable", "*.html=no-cache"];
        config.cache = rules
            .iter()
            .map(|rule| crate::site::CacheRule::parse(rule).unwrap())
            .collect();
        config.headers = vec![("X-Frame-Options".into(), "DENY".into())];
    });
    let seen = site.get("/assets/a.js");
    assert_eq!(
        seen.field("cache-control"),
        Some("max-age=31536000, immutable")
    );
    assert_eq!(site.get("/").field("cache-control"), Some("no-cache"));
    assert_eq!(
        site.get("/assets/b.js").field("cache-control"),
        Some("no-cache")
    );
    for target in ["/", "/assets", "/missing", "/%00"] {
        assert_eq!(site.get(target).field("x-frame-options"), Some("DENY"));
    }
}
