//! Actions: their effects, and those who may not have them done.

use super::client::{Panel, PanelRequest, Session, Version};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn act(panel: &Panel, session: &Session, action: &str) -> (u16, String) {
    let ask = session.ask("POST", "/api/actions").json(action);
    let answer = panel.ask(Version::H2, ask);
    (answer.status, answer.content)
}

fn readiness(panel: &Panel) -> (u16, String) {
    let answer = panel.ask(Version::H1, PanelRequest::new("GET", "/readyz"));
    (answer.status, answer.content)
}

#[test]
fn an_action_needs_the_token_of_its_session_and_json() {
    let panel = Panel::with_users(&[]);
    for version in Version::ALL {
        let (session, other) = (panel.log_in(version), panel.log_in(version));
        let cookie = session.set_cookie.split(';').next().unwrap();
        let post = || PanelRequest::new("POST", "/api/actions").with("cookie", cookie);
        let pause = r#"{"action":"pause"}"#;
        for (ask, status) in [
            (post().json(pause), 403),
            (post().with("x-calmd-token", "").json(pause), 403),
            (post().with("x-calmd-token", &other.token).json(pause), 403),
            (post().with("x-calmd-token", &session.token), 415),
            (
                post()
                    .with("x-calmd-token", &session.token)
                    .with("content-type", "text/plain"),
                415,
            ),
            (session.ask("POST", "/api/actions").json("{}"), 400),
            (
                session
                    .ask("POST", "/api/actions")
                    .json(&" ".repeat(20_000)),
                413,
            ),
            (session.ask("GET", "/api/actions"), 405),
            (session.ask("GET", "/api/actions?action=pause"), 405),
            (session.ask("GET", "/api/logout"), 405),
            (session.ask("POST", "/api/overview").json(pause), 405),
        ] {
            assert_eq!(panel.ask(version, ask).status, status, "{version:?}");
        }
        let foreign = PanelRequest::new("POST", "/api/login").with("content-type", "text/plain");
        assert_eq!(panel.ask(version, foreign).status, 415);
    }
    assert_eq!(readiness(&panel).0, 200, "none of them did anything");
}

#[test]
fn while_accepting_is_paused_newcomers_wait_and_then_they_are_served() {
    let panel = Panel::with_users(&[]);
    let session = panel.log_in(Version::H1);
    let mut open = panel.server.connect();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let serve = |stream: &mut TcpStream| {
        stream.write_all(request).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
    };
    serve(&mut open);
    let (status, done) = act(&panel, &session, r#"{"action":"pause"}"#);
    assert_eq!(status, 200, "{done}");
    assert_eq!(readiness(&panel), (503, "paused\n".into()));
    let mut newcomer = panel.server.connect();
    newcomer.write_all(request).unwrap();
    newcomer
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let waits = newcomer.read(&mut [0; 12]);
    assert!(waits.is_err(), "it was let in: {waits:?}");
    // The connection that was there goes on.
    let mut rest = [0; 64];
    open.write_all(request).unwrap();
    assert!(open.read(&mut rest).unwrap() > 0);
    let (status, _) = act(&panel, &session, r#"{"action":"resume"}"#);
    assert_eq!(status, 200);
    newcomer
        .set_read_timeout(Some(crate::support::PATIENCE))
        .unwrap();
    let mut start = [0; 12];
    newcomer.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    assert_eq!(readiness(&panel), (200, "ok\n".into()));
    panel
        .server
        .logged("panel: ann at 127.0.0.1: pause accepting");
    panel
        .server
        .logged("panel: ann at 127.0.0.1: resume accepting");
}

#[test]
fn logs_are_opened_again_files_read_again_and_the_server_drained() {
    let mut panel = Panel::with_users(&["--access-log", "access.log"]);
    let session = panel.log_in(Version::H1);
    let log = panel.server.directory.path().join("access.log");
    std::fs::rename(&log, log.with_extension("old")).unwrap();
    assert_eq!(act(&panel, &session, r#"{"action":"reopen-logs"}"#).0, 200);
    assert!(log.exists());
    assert_eq!(act(&panel, &session, r#"{"action":"reload"}"#).0, 200);
    panel.server.logged("the certificate was read again");
    let (status, done) = act(&panel, &session, r#"{"action":"drain"}"#);
    assert_eq!(status, 200, "{done}");
    panel
        .server
        .logged("panel: ann at 127.0.0.1: drain and exit");
    assert_eq!(panel.server.wait(), 0);
}

#[test]
fn addresses_are_blocked_and_unblocked_but_never_this_machine() {
    let panel = Panel::with_users(&[]);
    let session = panel.log_in(Version::H1);
    let own = r#"{"action":"block","address":"127.0.0.1","seconds":60}"#;
    assert_eq!(act(&panel, &session, own).0, 409);
    let other = r#"{"action":"block","address":"192.0.2.1","seconds":60}"#;
    assert_eq!(act(&panel, &session, other).0, 200);
    let overview = panel.ask(Version::H1, session.ask("GET", "/api/overview"));
    let told = r#""blocked":[{"address":"192.0.2.1","refused":0,"seconds":"#;
    assert!(overview.content.contains(told), "{overview:?}");
    let unblock = r#"{"action":"unblock","address":"192.0.2.1"}"#;
    assert_eq!(act(&panel, &session, unblock).0, 200);
    assert_eq!(act(&panel, &session, unblock).0, 404);
    let gone = r#"{"action":"close-connection","connection":4294967295}"#;
    assert_eq!(act(&panel, &session, gone).0, 404);
}

#[test]
fn a_panel_for_looking_does_nothing() {
    let panel = Panel::with_users(&["--admin-read-only"]);
    let session = panel.log_in(Version::H1);
    for action in ["pause", "drain", "reload"] {
        let action = format!(r#"{{"action":"{action}"}}"#);
        assert_eq!(act(&panel, &session, &action).0, 403);
    }
    assert_eq!(readiness(&panel).0, 200);
    let known = panel.ask(Version::H1, session.ask("GET", "/api/session"));
    assert!(known.content.contains(r#""read_only":true"#), "{known:?}");
    let out = panel.ask(Version::H1, session.ask("POST", "/api/logout"));
    assert_eq!(out.status, 200, "logging out is no action");
}
