//! Rules as an operator writes them.

use super::super::SettingsFile;
use super::*;
use std::path::Path;

fn rules(name: &str, text: &str) -> Result<Config, String> {
    let file = SettingsFile::parse(Path::new(name), text.as_bytes());
    file.map(|file| file.rules)
        .map_err(|mistake| mistake.to_string())
}

#[test]
fn toml_and_json_have_the_same_rules() {
    let toml = rules(
        "a.toml",
        r#"
        redirect = [{ from = "/old/*", to = "/new/:splat", status = 308 }, { from = "/x", status = 410 }]
        https-redirect = true
        canonical = "www.a.test"
        [[headers]]
        path = "/**"
        remove = ["Server"]
        [headers.set]
        X-From = "a"
        "#,
    );
    let json = rules(
        "a.json",
        r#"{"redirect": [{"from": "/old/*", "to": "/new/:splat", "status": 308},
                         {"from": "/x", "status": 410}],
            "https-redirect": true, "canonical": "www.a.test",
            "headers": {"path": "/**", "remove": "Server", "set": {"X-From": "a"}}}"#,
    );
    let (toml, json) = (toml.unwrap(), json.unwrap());
    assert_eq!(toml, json);
    assert_eq!(toml.redirects.len(), 2);
    assert_eq!(toml.fields.len(), 1);
    assert!(toml.origin.https);
    assert_eq!(rules("a.toml", "spa = true\n").unwrap(), Config::default());
}

#[test]
fn a_wrong_rule_has_its_place_and_its_mend() {
    for (text, said) in [
        (
            "redirect = [\n  { from = \"/a\", to = \"b\" },\n]\n",
            "a.toml:2:23: a target is a path or an address, write '/b' or 'https://…'",
        ),
        (
            "redirect = [{ from = \"a\", to = \"/b\" }]\n",
            "a.toml:1:22: a path begins with a slash, write '/a'",
        ),
        (
            "redirect = [{ from = \"/a\", to = \"/b\", status = 200.5 }]\n",
            "a.toml:1:48: write 301, 302, 303, 307, 308, 410, or 200 for a rewrite",
        ),
        (
            "redirect = [{ to = \"/b\" }]\n",
            "a.toml:1:13: 'from' is missing; write from = …",
        ),
        (
            "redirect = [{ from = \"/a\", too = \"/b\" }]\n",
            "a.toml:1:28: 'redirect' has no 'too'; did you mean 'to'?",
        ),
        (
            "redirect = [\"/a /b\"]\n",
            "a.toml:1:13: 'redirect' is a list of tables, write [{ from = … }]",
        ),
        (
            "redirect = [\n{ from = \"/a\", to = \"/b\" },\n{ from = \"/b\", to = \"/a\" }]\n",
            "a.toml:2:1: the redirects of '/a' lead round in a circle; let 'to' lead to a path that none \
             of them matches",
        ),
        (
            "headers = [{ path = \"/**\", set = { Content-Length = \"5\" } }]\n",
            "a.toml:1:36: calmd sets 'content-length' itself; leave it out",
        ),
        (
            "headers = [{ path = \"/**\", remove = [\"Vary\"] }]\n",
            "a.toml:1:38: caches need 'vary' to tell responses apart; leave it out",
        ),
        (
            "headers = [{ path = \"x\" }]\n",
            "a.toml:1:21: a path begins with a slash, write '/x', or '**/x' for any directory",
        ),
        (
            "headers = [{ path = \"/\", set = [\"x\"] }]\n",
            "a.toml:1:32: 'set' is a table, write set = { X-Name = \"value\" }",
        ),
        (
            "allow = [{ path = \"/**\", from = [\"10.0.0.0/8\", \"10.0.0\"] }]\n",
            "a.toml:1:48: '10.0.0' is no network, write an address such as 192.0.2.1 or a network such as 10.0.0.0/8",
        ),
        (
            "rate = [{ path = \"/**\", per-address = \"fast\" }]\n",
            "a.toml:1:39: write a rate such as 50/s, 600/m or 1000/h, not 'fast'",
        ),
        (
            "rate = [{ path = \"/**\", per-address = \"1/s\", burst = 0 }]\n",
            "a.toml:1:54: write a number from 1 to 1000000",
        ),
        (
            "cors = [{ path = \"/**\", origins = [\"*\"], credentials = true }]\n",
            "a.toml:1:35: with credentials name the origins, since '*' would let all read",
        ),
        (
            "basic-auth = [{ path = \"/**\", users = \"no such file\" }]\n",
            "a.toml:1:39: cannot read the users 'no such file': No such file or directory (os error 2)",
        ),
        (
            "basic-auth = [{ path = \"/**\" }]\n",
            "a.toml:1:15: 'users' is missing; write users = …",
        ),
        ("https-redirect = 1\n", "a.toml:1:18: write true or false"),
        (
            "canonical = \"https://a.test\"\n",
            "a.toml:1:13: write one name without scheme, port and path, such as 'www.example.org'",
        ),
        (
            "redirects = []\n",
            "a.toml:1:1: there is no setting 'redirects'; did you mean 'redirect'?",
        ),
    ] {
        assert_eq!(rules("a.toml", text).unwrap_err(), said, "{text}");
    }
}
