//! Hosts of settings files.

use super::*;
use crate::hosts::HostPattern;

fn resolved(name: &str, text: &str) -> Result<Config, String> {
    let file = parse(name, text)?;
    file.beneath(&GivenSettings::default())
        .resolve(Config::default())
        .map_err(|mistake| format!("{mistake:?}"))
}

const TOML: &str = r#"
listing = true
header = ["a: 1"]

[[host]]
names = ["a.test", "*.A.test."]
root = "sites/a"
header = ["b: 2", "c: 3"]

[[host]]
names = "b.test"
root = "/srv/b"
default = true
listing = false
cache-memory = "2M"
clean-urls = true
index = ["home.html"]
error-pages = { 404 = "none.html", 503 = "busy.html" }
types = { ts = "text/x-typescript" }
"#;

#[test]
fn a_host_has_settings_of_its_own_and_the_others_of_the_top_level() {
    let toml = resolved("/etc/calmd/calmd.toml", TOML).unwrap();
    let json = r#"{"listing": true, "header": ["a: 1"], "host": [
        {"names": ["a.test", "*.A.test."], "root": "sites/a", "header": ["b: 2", "c: 3"]},
        {"names": "b.test", "root": "/srv/b", "default": true, "listing": false,
         "cache-memory": "2M", "clean-urls": true, "index": ["home.html"],
         "error-pages": {"404": "none.html", "503": "busy.html"},
         "types": {"ts": "text/x-typescript"}}]}"#;
    let json = resolved("/etc/calmd/calmd.json", json).unwrap();
    assert_eq!(format!("{:?}", toml.hosts), format!("{:?}", json.hosts));
    let [b, a] = toml.hosts.as_slice() else {
        panic!("{:?}", toml.hosts);
    };
    // The default host comes first.
    assert_eq!(b.names, [HostPattern::parse("b.test").unwrap()]);
    assert_eq!(b.host.site.root, Path::new("/srv/b"));
    assert!(!b.host.site.listing);
    assert_eq!(b.host.site.headers, [("a".into(), "1".into())]);
    assert_eq!(b.host.site.cache_memory, 2 << 20);
    assert!(b.host.site.clean_urls && !a.host.site.clean_urls);
    assert_eq!(
        (&b.host.site.index[..], &a.host.site.index[..]),
        (
            &["home.html".to_owned()][..],
            &["index.html".to_owned()][..]
        )
    );
    assert_eq!(
        b.host.site.error_pages,
        [(404, "none.html".into()), (503, "busy.html".into())]
    );
    assert_eq!(b.host.site.types.len(), 1);
    let shown: Vec<_> = a.names.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["a.test", "*.a.test"]);
    assert_eq!(a.host.site.root, Path::new("/etc/calmd/sites/a"));
    assert!(a.host.site.listing);
    assert_eq!(a.host.site.headers.len(), 2);
    // The memory of the top level is divided.
    assert_eq!(a.host.site.cache_memory, 768 << 10);
    let roots: Vec<_> = toml.rights().sites.into_iter().map(|it| it.root).collect();
    assert_eq!(
        roots,
        [Path::new("/srv/b"), Path::new("/etc/calmd/sites/a")]
    );
}

#[test]
fn a_mistake_in_a_host_has_its_place_and_its_mend() {
    let host = "[[host]]\nnames = [\"a.test\"]\nroot = \"a\"\n";
    for (text, said) in [
        (
            "host = 1\n".to_owned(),
            "a.toml:1:8: hosts are a list of tables, write [[host]]",
        ),
        (
            "[host]\nroot = \"a\"\n".into(),
            "a.toml:1:1: hosts are a list of tables",
        ),
        (
            "[[host]]\nroot = \"a\"\n".into(),
            "a.toml:1:1: the host has no names; add names =",
        ),
        (
            "[[host]]\nnames = [\"a\"]\n".into(),
            "a.toml:1:1: the host has no root; add root =",
        ),
        (
            "[[host]]\nnames = [\"a\", \"b:80\"]\nroot = \"a\"\n".into(),
            "a.toml:2:15: 'b:80' is no name of a host: leave the port out",
        ),
        (
            "[[host]]\nnames = [\"a\", \"A.\"]\nroot = \"a\"\n".into(),
            "a.toml:2:15: the name 'a' stands at a.toml:2:10 already",
        ),
        (
            format!("{host}\n[[host]]\nnames = [\"b\", \"A.test\"]\nroot = \"b\"\n"),
            "a.toml:6:15: the name 'a.test' stands at a.toml:2:10 already",
        ),
        (
            format!(
                "{host}default = true\n[[host]]\nnames = \"b\"\nroot = \"b\"\ndefault = true\n"
            ),
            "a.toml:5:1: the host of a.toml:1:1 is the default one already",
        ),
        (
            format!("{host}default = 1\n"),
            "a.toml:4:11: 'default' takes true or false",
        ),
        (
            format!("{host}lsting = true\n"),
            "a.toml:4:1: a host has no 'lsting'; did you mean 'listing'?",
        ),
        (
            format!("{host}name = \"b\"\n"),
            "a.toml:4:1: a host has no 'name'; did you mean 'names'?",
        ),
        (
            format!("{host}dir = \"b\"\n"),
            "a.toml:4:1: a host has no 'dir'; did you mean 'root'?",
        ),
        (
            format!("{host}idle-timeout = \"1s\"\n"),
            "a.toml:4:1: 'idle-timeout' is for all hosts; write it above the first [[host]]",
        ),
        (
            format!("{host}frobnicate = 1\n"),
            "a.toml:4:1: a host has no 'frobnicate'; it has cert, key, client-auth, client-ca, listing, ",
        ),
        (
            format!("{host}listing = [true]\n"),
            "a.toml:4:11: 'listing' takes one value, not a list",
        ),
        (
            format!("{host}listing = true\nlisting = true\n"),
            "a.toml:5:1: duplicate key",
        ),
    ] {
        let error = parse("a.toml", &text).expect_err(&text);
        assert!(error.starts_with(said), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let error = resolved("a.toml", &format!("{host}charset = \"a b\"\n")).unwrap_err();
    assert!(
        error.contains("charset") && error.contains("line: 4"),
        "{error}"
    );
    // The one directory and hosts with roots of their own contradict each other.
    let error = resolved("a.toml", &format!("dir = \"b\"\n{host}")).unwrap_err();
    assert!(error.contains("cannot stand beside [[host]]"), "{error}");
}

#[test]
fn a_host_adds_its_fields_to_those_of_the_top_level_and_replaces_other_rules() {
    let text = r#"
        redirect = [{ from = "/a", to = "/b" }]
        headers = [{ path = "/**", set = { X-Top = "1" } }]
        https-redirect = true
        [[host]]
        names = ["a"]
        root = "a"
        headers = [{ path = "/**", set = { X-Own = "1" } }]
        [[host]]
        names = ["b"]
        root = "b"
        redirect = [{ from = "/b", to = "/c" }, { from = "/c", to = "/d" }]
        https-redirect = false
        "#;
    let config = resolved("a.toml", text).unwrap();
    let rules: Vec<_> = config.hosts.iter().map(|named| &named.host.rules).collect();
    let counts = rules
        .iter()
        .map(|it| (it.redirects.len(), it.fields.len(), it.origin.https));
    assert_eq!(counts.collect::<Vec<_>>(), [(1, 2, true), (2, 1, false)]);
    assert_eq!(rules[0].origin.https_port, Some(8443));
}

#[test]
fn a_file_of_a_thousand_hosts_is_read_at_once() {
    let hosts = (0..1_000).map(|n| {
        format!("[[host]]\nnames = [\"h{n}.test\", \"*.h{n}.test\"]\nroot = \"sites/{n}\"\nlisting = true\n")
    });
    let config = resolved("a.toml", &hosts.collect::<String>()).unwrap();
    assert_eq!(config.hosts.len(), 1_000);
}
