//! ALTSVC (RFC 7838), ORIGIN (RFC 8336), the upgrade from HTTP/1.1 (RFC 7540 §3.2), and observing.

use super::*;
use crate::h2::{Direction, Misuse};
use crate::http::Field;
use std::sync::mpsc;

#[test]
fn alternative_services_are_for_clients() {
    let mut peer = ScriptedPeer::of_client(Config::default());
    peer.ask("GET");
    peer.send(FrameType::ALTSVC, 0, 0, b"\0\x03orgh3=\":443\"");
    peer.send(FrameType::ALTSVC, 0, 1, b"\0\0clear");
    // RFC 7838 §4: an origin is needed where there is no stream, and forbidden where there is one.
    peer.send(FrameType::ALTSVC, 0, 0, b"\0\0clear");
    peer.send(FrameType::ALTSVC, 0, 1, b"\0\x03orgclear");
    peer.send(FrameType::ALTSVC, 0, 0, b"\0\xffcut");
    let heard = peer.hear();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[1].0.contains("stream_id: 1"), "{heard:?}");

    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.hear();
    let key = peer.key(1);
    peer.connection
        .send_altsvc(None, b"https://a", b"clear")
        .unwrap();
    peer.connection
        .send_altsvc(Some(key), b"", b"clear")
        .unwrap();
    let refused = peer.connection.send_altsvc(Some(key), b"a", b"clear");
    assert_eq!(refused, Err(Misuse::InvalidValue));
    let sent = peer.sent();
    assert_eq!(
        (sent[0].id, &sent[0].payload[..]),
        (0, &b"\0\x09https://aclear"[..])
    );
    assert_eq!((sent[1].id, &sent[1].payload[..]), (1, &b"\0\0clear"[..]));
}

#[test]
fn origins_are_for_clients() {
    let mut peer = ScriptedPeer::of_client(Config::default());
    peer.send(FrameType::ORIGIN, 0, 0, b"\0\x09https://a\0\x02xx\0\x09cut");
    peer.send(FrameType::ORIGIN, 0, 1, b"\0\x09https://a");
    let heard = peer.hear();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].0.contains(r#"["https://a", "xx"]"#), "{heard:?}");
    let origins = [&b"https://a"[..], b"https://b"];
    assert_eq!(peer.connection.send_origin(origins), Err(Misuse::WrongRole));
    let mut peer = ScriptedPeer::server();
    peer.connection.send_origin(origins).unwrap();
    assert_eq!(peer.sent()[0].payload, b"\0\x09https://a\0\x09https://b");
}

#[test]
fn an_upgraded_request_is_answered_on_stream_1() {
    let config = Config {
        initial_window_size: 77_777,
        ..Config::default()
    };
    let value = Connection::http2_settings(&config);
    let now = Instant::now();
    let (client, asked) = Connection::client_upgraded(Arc::new(config), b"HEAD", now);
    let server = Connection::server_upgraded(Arc::default(), value.as_bytes(), now);
    let (mut server, answered) = server.unwrap();
    assert_eq!((asked.id(), answered.id()), (1, 1));
    assert_eq!(server.remote_settings().initial_window_size, 77_777);
    let head: Fields = [(":status", "200"), ("content-length", "5")]
        .into_iter()
        .collect();
    server.send_headers(answered, head.iter(), true).unwrap();
    let mut client = ScriptedPeer::of(client, now);
    let preface = client.connection.take_output();
    let mut fields = Fields::new();
    let heard = server.receive(&mut &preface[..], &mut fields, now).unwrap();
    assert!(
        matches!(heard, Some(Event::SettingsChanged { .. })),
        "{heard:?}"
    );
    client.send_raw(&server.take_output());
    let heard = client.hear();
    assert!(
        heard.iter().any(|heard| heard.0.contains("Response")),
        "{heard:?}"
    );
    assert!(client.connection.is_idle() && server.is_idle());
    assert_eq!(client.ask("GET").id(), 3);
}

#[test]
fn an_upgrade_with_settings_that_are_none_is_refused() {
    let now = Instant::now();
    for value in [&b"!"[..], b"AAM", b"AAT_____"] {
        assert!(Connection::server_upgraded(Arc::default(), value, now).is_err());
    }
}

#[test]
fn an_observer_sees_every_frame() {
    let (sender, frames) = mpsc::channel();
    let mut peer = ScriptedPeer::server();
    peer.connection
        .set_observer(Some(Box::new(move |direction, header, payload| {
            let _ = sender.send((direction, header.kind, payload.len()));
        })));
    peer.get(1);
    peer.send(FrameType::PING, 0, 0, b"12345678");
    peer.hear();
    peer.answer(1);
    peer.sent();
    let seen: Vec<_> = frames
        .try_iter()
        .map(|(direction, kind, _)| (direction, kind))
        .collect();
    use crate::h2::Direction::{Received, Sent};
    let expected = [
        (Received, FrameType::HEADERS),
        (Received, FrameType::PING),
        (Sent, FrameType::PING),
        (Sent, FrameType::HEADERS),
    ];
    assert_eq!(seen, expected);
    peer.connection.set_observer(None);
    peer.get(3);
    peer.hear();
    assert_eq!(frames.try_iter().count(), 0);
}

/// The frames that were sent, as an observer sees them: header, and length of the payload that is shown.
fn observe_sent(connection: &mut Connection) -> mpsc::Receiver<(FrameHeader, usize)> {
    let (sender, frames) = mpsc::channel();
    connection.set_observer(Some(Box::new(move |direction, header, payload| {
        if direction == Direction::Sent {
            let _ = sender.send((header, payload.len()));
        }
    })));
    frames
}

#[test]
fn an_observer_is_shown_the_frames_that_waited_before_it_was_set() {
    for (mut connection, preface) in [
        (Connection::server(Arc::default(), Instant::now()), 0),
        (
            Connection::client(Arc::default(), Instant::now()),
            PREFACE.len(),
        ),
    ] {
        let frames = observe_sent(&mut connection);
        let (settings, len) = frames.recv().unwrap();
        assert_eq!(
            (settings.kind, settings.len as usize),
            (FrameType::SETTINGS, len)
        );
        let (window_update, _) = frames.recv().unwrap();
        assert_eq!(window_update.kind, FrameType::WINDOW_UPDATE);
        let sent = preface + 2 * HEADER_LEN + len + 4;
        assert_eq!(connection.take_output().len(), sent);
        assert_eq!(frames.try_iter().count(), 0, "shown once");
    }
}

#[test]
fn an_observer_is_shown_the_header_of_data_that_another_hand_sends() {
    let mut peer = ScriptedPeer::server();
    let frames = observe_sent(&mut peer.connection);
    peer.get(1);
    peer.hear();
    let stream = peer.key(1);
    let head = [Field::new(b":status", b"200")];
    peer.connection.send_headers(stream, head, false).unwrap();
    peer.connection.set_ready(stream, Some(60));
    let first = peer.connection.poll_grant(1_000).expect("a grant");
    peer.connection.commit_elsewhere(first, 10, false);
    let output = peer.connection.take_output();
    let second = peer.connection.poll_grant(1_000).expect("a grant");
    let apart = peer.connection.commit_apart(second, 20, false);
    let third = peer.connection.poll_grant(1_000).expect("a grant");
    peer.connection
        .begin_data(&third)
        .extend_from_slice(&[7; 30]);
    peer.connection.commit(third, true);
    let seen: Vec<_> = frames.try_iter().collect();
    let data = |len, flags| FrameHeader {
        len,
        kind: FrameType::DATA,
        flags,
        stream_id: 1,
    };
    assert_eq!(seen[0].0.kind, FrameType::HEADERS);
    let expected = [
        (data(10, 0), 0),
        (data(20, 0), 0),
        (data(30, flag::END_STREAM), 30),
    ];
    assert_eq!(seen[1..], expected);
    assert!(output.ends_with(&data(10, 0).encode()));
    assert_eq!(apart, data(20, 0).encode());
}

#[test]
fn what_is_begun_and_not_sent_is_not_shown() {
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.hear();
    let stream = peer.key(1);
    let head = [Field::new(b":status", b"200")];
    peer.connection.send_headers(stream, head, false).unwrap();
    peer.connection.set_ready(stream, None);
    peer.sent();
    let frames = observe_sent(&mut peer.connection);
    let grant = peer.connection.poll_grant(10_000).expect("a grant");
    peer.connection
        .begin_data(&grant)
        .extend_from_slice(b"half");
    peer.connection.abort(grant);
    let grant = peer
        .connection
        .poll_grant(10_000)
        .expect("the grant is made again");
    peer.connection.rest(grant);
    assert_eq!(peer.connection.poll_grant(10_000), None, "it rests");
    assert!(!peer.connection.is_ready(stream));
    assert_eq!(frames.try_iter().count(), 0);
    assert!(peer.sent().is_empty());
    peer.connection.set_ready(stream, None);
    assert!(peer.connection.poll_grant(10_000).is_some());
}

#[test]
fn an_idle_connection_gives_everything_back_and_goes_on() {
    let mut peer = ScriptedPeer::server();
    for id in (1..100).step_by(2) {
        peer.get(id);
        peer.hear();
        peer.answer(id);
    }
    peer.sent();
    peer.connection.shrink();
    assert_eq!(peer.connection.heap(), 0);
    peer.get(101);
    assert_eq!(peer.hear().len(), 1);
    peer.connection.shrink();
    peer.answer(101);
}
