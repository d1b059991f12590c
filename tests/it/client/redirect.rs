//! Redirects (RFC 9110 §15.4).

use super::scripted::{Scripted, Then, respond};
use super::{fetch, get};
use std::fs;

/// A server that redirects `/STATUS/...` to `/...`, and describes any other request in its answer.
fn signpost() -> Scripted {
    Scripted::start(|core, asked| {
        let path = String::from_utf8_lossy(asked.fields.path().unwrap()).into_owned();
        let text =
            |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or(b"-")).into_owned();
        if let Some((status, rest)) = path[1..].split_once('/')
            && status.parse::<u16>().is_ok()
        {
            let location = match rest.strip_prefix("elsewhere/") {
                Some(authority) => format!("http://{authority}/"),
                None => format!("/{rest}"),
            };
            let fields = [(":status", status), ("location", location.as_str())];
            respond(core, asked.stream, &fields, "moved");
            return Then::Stay;
        }
        let content = format!(
            "{} {path} length {} authorization {}",
            text(asked.fields.method()),
            text(asked.fields.value("content-length")),
            text(asked.fields.value("authorization")),
        );
        respond(core, asked.stream, &[(":status", "200")], &content);
        Then::Stay
    })
}

#[test]
fn methods_follow_the_rules_of_each_status() {
    let server = signpost();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("upload");
    fs::write(&file, "12345").unwrap();
    let file = file.to_str().unwrap();
    for (status, args, arrives) in [
        ("301", &[][..], "GET /end length -"),
        ("302", &["-d", file], "GET /end length -"),
        ("301", &["-X", "PUT", "-d", file], "PUT /end length 5"),
        ("303", &["-X", "PUT", "-d", file], "GET /end length -"),
        ("307", &["-d", file], "POST /end length 5"),
        ("308", &["-d", file], "POST /end length 5"),
    ] {
        let url = server.url(&format!("/{status}/end"));
        let got = fetch(args.iter().copied().chain([url.as_str()])).text();
        assert_eq!(
            got,
            format!("{arrives} authorization -"),
            "{status} {args:?}"
        );
    }
    assert_eq!(server.connections(), 6, "one connection for each run");
}

#[test]
fn credentials_do_not_follow_to_another_server() {
    let (server, other) = (signpost(), signpost());
    let url = server.url(&format!("/302/elsewhere/{}", other.address));
    let got = fetch(["-H", "authorization: secret", &url]).text();
    assert_eq!(got, "GET / length - authorization -");
    let got = fetch(["-H", "authorization: secret", &server.url("/302/x")]).text();
    assert_eq!(got, "GET /x length - authorization secret");
}

#[test]
fn ten_redirects_are_followed_unless_asked_otherwise() {
    let server = signpost();
    let ten = server.url(&format!("{}/end", "/302".repeat(10)));
    assert!(fetch([&ten]).text().starts_with("GET /end"));
    let eleven = server.url(&format!("{}/end", "/302".repeat(11)));
    let got = get([&eleven]);
    assert!(
        got.failure().ends_with("--max-redirects follows further"),
        "{}",
        got.err
    );
    assert!(
        fetch(["--max-redirects", "11", &eleven])
            .text()
            .starts_with("GET /end")
    );
    assert_eq!(fetch(["--no-redirect", &ten]).text(), "moved");
}

#[test]
fn where_it_leads_nowhere_that_is_said() {
    let server = Scripted::start(|core, asked| {
        let fields = [(":status", "302"), ("location", "ftp://x/")];
        respond(core, asked.stream, &fields, "");
        Then::Stay
    });
    let got = get([server.url("/")]);
    assert!(
        got.failure().contains("'ftp' is neither http nor https"),
        "{}",
        got.err
    );
}

#[test]
fn a_pipe_cannot_be_sent_twice() {
    let server = signpost();
    let mut child = super::command(["-d", "-", &server.url("/307/end")])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    use std::io::Write;
    child.stdin.take().unwrap().write_all(b"once").unwrap();
    let got: super::Got = child.wait_with_output().unwrap().into();
    assert!(
        got.failure().contains("name one with -d FILE"),
        "{}",
        got.err
    );
}
