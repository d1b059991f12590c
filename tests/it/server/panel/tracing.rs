//! The trace of one connection, and the file of users that is read again.

use super::client::{CLAIM, Panel, PanelRequest, Session, USERS, Version};
use crate::support::{PATIENCE, exchange};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// The number of the connection that asks for this host; those of the panel itself are in the list as well.
fn connection(panel: &Panel, session: &Session) -> u32 {
    let start = Instant::now();
    loop {
        let list = panel.ask(
            Version::H1,
            session.ask("GET", "/api/connections?filter=watched.test"),
        );
        let found = list.content.split_once(r#""id":"#);
        let digits = found.map(|(_, rest)| rest.split(|it: char| !it.is_ascii_digit()).next());
        if let Some(id) = digits.flatten().and_then(|digits| digits.parse().ok()) {
            return id;
        }
        assert!(start.elapsed() < PATIENCE, "{}", list.content);
    }
}

/// Reads until the text has come, or the end.
fn read_until(stream: &mut TcpStream, said: &mut String, text: &str) {
    let mut bytes = [0; 4096];
    while !said.contains(text) {
        let read = stream.read(&mut bytes).expect("more of the trace");
        assert!(read > 0, "no {text} in {said}");
        said.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}

#[test]
fn the_trace_of_a_connection_goes_on_until_that_is_gone() {
    let panel = Panel::with_users(&[]);
    let session = panel.log_in(Version::H1);
    let request = b"GET / HTTP/1.1\r\nHost: watched.test\r\nCookie: a=secret\r\n\r\n";
    let mut watched = panel.server.connect();
    exchange(&mut watched, request, b"<title>start</title>");
    let id = connection(&panel, &session);
    let path = format!("/api/connections/{id}/qlog");
    for (path, ask, status) in [
        (&path[..], PanelRequest::new("GET", &path), 401),
        (&path, session.ask("HEAD", &path), 405),
        (&path, session.ask("POST", &path), 405),
        ("", session.ask("GET", "/api/connections/999/qlog"), 404),
    ] {
        assert_eq!(panel.ask(Version::H2, ask).status, status, "{path}");
    }
    let mut trace = TcpStream::connect(panel.http).unwrap();
    trace.set_read_timeout(Some(PATIENCE)).unwrap();
    let cookie = session.set_cookie.split(';').next().unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
    trace.write_all(ask.as_bytes()).unwrap();
    let mut said = String::new();
    // The head of the trace: it begins with what comes from then on.
    read_until(&mut trace, &mut said, "file_schema");
    assert!(
        said.to_ascii_lowercase()
            .contains("content-type: application/qlog+json-seq")
    );
    exchange(&mut watched, request, b"<title>start</title>");
    read_until(&mut trace, &mut said, "calmd:message_parsed");
    assert!(
        said.contains('\u{1e}') && !said.contains("a=secret"),
        "{said}"
    );
    drop(watched);
    read_until(&mut trace, &mut said, "\r\n0\r\n\r\n");
}

#[test]
fn users_are_read_again_with_sighup_and_those_who_stay_are_still_logged_in() {
    let panel = Panel::with_users(&[]);
    let session = panel.log_in(Version::H1);
    let users = panel.server.directory.path().join("users");
    let read = |content: &str, said: &str| {
        let new = users.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, &users).unwrap();
        panel.server.signal("HUP");
        panel.server.logged(said);
    };
    let status = || {
        panel
            .ask(Version::H1, session.ask("GET", "/api/session"))
            .status
    };
    let log_in = || {
        let login = PanelRequest::new("POST", "/api/login").json(CLAIM);
        panel.ask(Version::H1, login).status
    };
    // A mistake leaves the users of before.
    read("ann\n", "users:1: write name:hash");
    assert_eq!((status(), log_in()), (200, 200));
    read(
        &format!("{USERS}bob:{{SHA}}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\n"),
        "users:2: this hash is quick to guess",
    );
    assert_eq!((status(), log_in()), (200, 200));
    // Another password ends the session.
    read(
        "ann:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\n",
        "users:1: this hash is quick to guess",
    );
    assert_eq!((status(), log_in()), (401, 403));
}
