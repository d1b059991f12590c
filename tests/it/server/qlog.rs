//! Traces of both sides of a connection laid beside each other, and the secrets of its TLS session.

use crate::support::{PATIENCE, Server};
use serde_json::Value;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The events of a trace, without its head.
fn events(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a trace was written");
    let mut records = text.split('\u{1e}');
    assert_eq!(records.next(), Some(""), "a record begins with RS");
    let mut events = records.map(|record| {
        assert!(record.ends_with('\n'), "{record}");
        serde_json::from_str::<Value>(record).unwrap()
    });
    let head = events.next().expect("a head");
    assert_eq!(head["file_schema"], "urn:ietf:params:qlog:file:sequential");
    assert_eq!(head["serialization_format"], "application/qlog+json-seq");
    events.collect()
}

/// The frames of one kind of event, as both sides have them.
fn frames<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    let events = events.iter().filter(|event| event["name"] == name);
    events.map(|event| &event["data"]).collect()
}

#[test]
fn every_frame_that_one_side_sends_is_received_by_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let of_server = directory.path().join("server.sqlog");
    let of_client = directory.path().join("client.sqlog");
    let traced = format!("{},address=127.0.0.0/8", of_server.display());
    let mut server = Server::start(&["--demo", "--qlog", &traced]);
    let content = directory.path().join("content");
    std::fs::write(&content, vec![b'x'; 300_000]).unwrap();
    let url = format!("https://{}/echo", server.https);
    let got = crate::client::fetch([
        "-k",
        "-d",
        content.to_str().unwrap(),
        "-H",
        "Authorization: Basic c2VjcmV0",
        "--qlog",
        of_client.to_str().unwrap(),
        &format!("{url}?token=c2VjcmV0"),
    ]);
    assert_eq!((got.code, got.out.len()), (0, 300_000), "{}", got.err);
    server.signal("TERM");
    assert_eq!(server.wait(), 0, "{}", server.log());
    let (server_events, client_events) = (events(&of_server), events(&of_client));
    for (sender, receiver) in [
        (&client_events, &server_events),
        (&server_events, &client_events),
    ] {
        let sent = frames(sender, "http2:frame_created");
        let received = frames(receiver, "http2:frame_parsed");
        // The client leaves as soon as it has all, and does not read what comes then.
        assert!(received.len() > 10, "{received:?}");
        assert_eq!(sent[..received.len()], received[..]);
        let unread = &sent[received.len()..];
        assert!(unread.len() <= 3, "{unread:?}");
    }
    let kinds = |events: &[Value]| -> Vec<String> {
        let sent = frames(events, "http2:frame_created");
        sent.iter()
            .map(|data| data["frame"]["frame_type"].to_string())
            .collect()
    };
    for kind in [
        "\"settings\"",
        "\"headers\"",
        "\"data\"",
        "\"window_update\"",
    ] {
        assert!(kinds(&client_events).iter().any(|it| it == kind), "{kind}");
        assert!(kinds(&server_events).iter().any(|it| it == kind), "{kind}");
    }
    for (path, events) in [(&of_server, &server_events), (&of_client, &client_events)] {
        // The first comes at once, the others where the exchange takes longer than 50 ms.
        let state = events
            .iter()
            .find(|it| it["name"] == "calmd:connection_state");
        let data = &state.expect("the state of the connection")["data"];
        assert!(data["send_window"].as_u64() >= Some(65_535), "{data}");
        assert!(data["budgets_left"]["pings"].as_u64() > Some(0), "{data}");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            !text.contains("c2VjcmV0"),
            "a secret is in {}",
            path.display()
        );
        let times = events.iter().map(|event| event["time"].as_f64().unwrap());
        assert!(times.is_sorted(), "{}", path.display());
    }
}

#[test]
fn other_addresses_are_not_in_a_trace() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.sqlog");
    let mut server = Server::start(&[
        "--qlog",
        &format!("{},address=192.0.2.0/24", path.display()),
    ]);
    let got = crate::client::fetch([&format!("http://{}/", server.http)]);
    assert_eq!(got.code, 0, "{}", got.err);
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    assert_eq!(events(&path), [] as [Value; 0]);
}

#[test]
fn both_sides_write_the_secrets_of_their_session_where_they_are_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let (of_server, of_client) = (
        directory.path().join("server"),
        directory.path().join("client"),
    );
    let server = Server::start(&["--tls-key-log", of_server.to_str().unwrap()]);
    server.logged("can decrypt all TLS sessions");
    let mut command = crate::client::command(["-k", &format!("https://{}/", server.https)]);
    let output = command.env("SSLKEYLOGFILE", &of_client).output().unwrap();
    assert!(output.status.success());
    let client = std::fs::read_to_string(&of_client).unwrap();
    let labels = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET ",
        "SERVER_TRAFFIC_SECRET_0 ",
    ];
    for label in labels {
        let line = client
            .lines()
            .find(|line| line.starts_with(label))
            .expect(label);
        let start = Instant::now();
        while !std::fs::read_to_string(&of_server).unwrap().contains(line) {
            assert!(start.elapsed() < PATIENCE, "the server has {line}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
