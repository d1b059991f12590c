//! §3.4: the connection preface.

use super::*;
use crate::h2::settings::id;

#[test]
fn a_server_sends_its_settings_first_and_widens_the_connections_window() {
    let mut peer = ScriptedPeer::silent(Config::default());
    let sent = peer.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(
        (sent[0].kind, sent[0].flags, sent[0].id),
        (FrameType::SETTINGS, 0, 0)
    );
    let entries = decode::settings(&sent[0].payload).unwrap();
    let entries: Vec<_> = entries.iter().copied().map(decode::setting).collect();
    assert_eq!(
        entries,
        [
            (id::MAX_CONCURRENT_STREAMS, 100),
            (id::INITIAL_WINDOW_SIZE, 256 << 10),
            (id::MAX_HEADER_LIST_SIZE, 16 << 10),
        ]
    );
    assert_eq!(sent[1].kind, FrameType::WINDOW_UPDATE);
    assert_eq!(sent[1].payload, ((1u32 << 20) - 65_535).to_be_bytes());
}

#[test]
fn a_wrong_preface_is_refused_at_its_first_wrong_byte() {
    for wrong in 0..PREFACE.len() {
        let mut preface = PREFACE.to_vec();
        preface[wrong] ^= 0x20;
        let mut peer = ScriptedPeer::silent(Config::default());
        peer.sent();
        peer.send_raw(&preface[..wrong]);
        assert_eq!(peer.hear(), []);
        peer.send_raw(&preface[wrong..=wrong]);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn the_first_frame_has_to_be_settings() {
    for (kind, flags) in [
        (FrameType::PING, 0),
        (FrameType::HEADERS, flag::END_HEADERS),
        (FrameType::SETTINGS, flag::ACK),
        (FrameType(0x77), 0),
    ] {
        let mut peer = ScriptedPeer::silent(Config::default());
        peer.send_raw(PREFACE);
        peer.send(kind, flags, 0, b"");
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_request_is_answered() {
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    let heard = peer.hear();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let key = peer.key(1);
    let head: Fields = [(":status", "200"), ("content-length", "5")]
        .into_iter()
        .collect();
    peer.connection
        .send_headers(key, head.iter(), false)
        .unwrap();
    peer.connection.set_ready(key, Some(5));
    let grant = peer.connection.poll_grant(1 << 16).unwrap();
    assert_eq!((grant.stream, grant.max_len), (key, 5));
    peer.connection
        .begin_data(&grant)
        .extend_from_slice(b"hello");
    peer.connection.commit(grant, true);
    assert_eq!(peer.connection.poll_grant(1 << 16), None);
    let sent = peer.sent();
    assert_eq!(peer.fields(&sent[0]), head);
    assert_eq!(sent[1].payload, b"hello");
    assert_eq!(
        (sent[1].kind, sent[1].flags, sent[1].id),
        (FrameType::DATA, flag::END_STREAM, 1)
    );
    assert!(peer.connection.is_idle() && !peer.connection.contains(key));
}

#[test]
fn who_has_connected_and_said_nothing_is_let_go_without_blame() {
    let mut peer = ScriptedPeer::silent(Config::default());
    peer.now = peer.connection.next_deadline().unwrap();
    let error = peer.connection.handle_timeout(peer.now).unwrap_err();
    assert_eq!(error.code, ErrorCode::NO_ERROR);
    let mut peer = ScriptedPeer::silent(Config::default());
    peer.send_raw(b"P");
    peer.hear();
    peer.now = peer.connection.next_deadline().unwrap();
    let error = peer.connection.handle_timeout(peer.now).unwrap_err();
    assert_eq!(error.reason, "preface not completed in time");
}
