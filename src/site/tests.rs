//! The whole site under hostile requests, and options that are wrong.

use super::testing::{TestSite, read};
use super::*;
use crate::exchange::Request;
use proptest::prelude::*;

/// Pieces of text that requests of browsers, scripts and attackers are made of.
fn pieces(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = proptest::sample::select(words).prop_map(|word| word.as_bytes().to_vec());
    let noise = proptest::collection::vec(any::<u8>(), 1..3);
    proptest::collection::vec(prop_oneof![12 => word, 1 => noise], 0..8)
        .prop_map(|pieces| pieces.concat())
}

fn hostile_site() -> TestSite {
    let files = [
        ("index.html", "home"),
        ("index.html.br", "br"),
        ("404.html", "none"),
        ("a/b.txt", "text"),
        ("evil.com/x", ""),
        ("empty", ""),
    ];
    let site = TestSite::with(&files, |config| {
        config.listing = true;
        config.demo = true;
    });
    site.files.write_bytes(b"caf\xe9", "latin");
    site.files.write_bytes(b"a/\xff\xfe<\"'&>", "odd");
    site
}

proptest! {
    #[test]
    fn no_request_is_answered_with_anything_but_a_consistent_response(
        method in prop_oneof![4 => Just("GET"), 1 => Just("HEAD"), 1 => Just("OPTIONS"), 1 => Just("PUT")],
        target in pieces(&[
            "/", "/", "/", "//", "..", ".", "%2e", "%2f", "%5c", "\\", "%00", "?", "a", "b.txt",
            "evil.com", "index.html", "empty", "caf%e9", "%ff%fe%3c%22%27%26%3e", "echo", "json",
            "#", ".git", ".well-known", "sort=size", "&order=desc", "@", ":", "\r\n",
        ]),
        range in pieces(&["bytes=", "0-0", ",", "-", "1-", "-1", "2-3", "99-", "18446744073709551616"]),
        accept in pieces(&["br", "gzip", ",", ";q=", "0", "1", ".5", "*", "identity", " "]),
        tags in pieces(&["*", "\"", "W/", ",", "x", "\"x\"", " "]),
    ) {
        let mut site = hostile_site();
        let mut request = Fields::new();
        request.push(b":method", method.as_bytes());
        request.push(b":path", &[b"/", target.as_slice()].concat());
        for (name, value) in [
            ("range", &range),
            ("accept-encoding", &accept),
            ("if-match", &tags),
            ("if-none-match", &tags),
            ("if-range", &tags),
            ("if-modified-since", &accept),
            ("accept", &accept),
        ] {
            if !value.is_empty() {
                request.push(name.as_bytes(), value);
            }
        }
        let request = Request::new(&request, crate::world::Peer::Unix);
        let response = site.site.respond(&request, site.now).to(request.method);
        let len = response.body.len();
        let content = read(response.body, &mut site.files);
        prop_assert_eq!(len, Some(content.len() as u64));
        if method == "GET" && response.status != 304 {
            let announced = response.fields.value("content-length").unwrap();
            let announced = std::str::from_utf8(announced).unwrap();
            prop_assert_eq!(announced, content.len().to_string());
        }
        for field in response.fields.iter() {
            prop_assert!(field.value.iter().all(|byte| *byte >= b' ' && *byte != 0x7f));
        }
        if let Some(location) = response.fields.value("location") {
            prop_assert!(location.starts_with(b"/") && !location.starts_with(b"//"));
            let (path, _) = path::split_query(location);
            prop_assert!(!path.contains(&b'\\'));
        }
    }
}

#[test]
fn wrong_options_are_named() {
    let problem = |config: Config| {
        let files = crate::world::memory_files::MemoryFiles::new();
        Site::new(files, &config).err().unwrap().to_string()
    };
    let rule = |pattern: &str, value: &str| Config {
        cache: vec![CacheRule {
            pattern: pattern.into(),
            value: value.into(),
        }],
        ..Config::default()
    };
    assert!(problem(rule("a{b", "1y")).starts_with("--cache 'a{b': unclosed brace"));
    assert!(problem(rule("a", "x\ny")).starts_with("--cache"));
    let headers = vec![("Connection".into(), "close".into())];
    let config = Config {
        headers,
        ..Config::default()
    };
    assert!(problem(config).starts_with("--header 'Connection'"));
}
