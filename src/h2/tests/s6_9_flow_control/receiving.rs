//! §5.2, §6.9: the windows of what is received.

use super::*;

#[test]
fn more_than_the_streams_window_ends_the_stream() {
    let config = Config {
        initial_window_size: 10,
        ..Config::default()
    };
    let mut peer = ScriptedPeer::of_server(config);
    peer.post(1);
    peer.data(1, 0, &[0; 10]);
    peer.hear();
    peer.data(1, 0, &[0; 1]);
    peer.expect_stream_error(1, ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn more_than_the_connections_window_ends_the_connection() {
    let config = Config {
        connection_window_size: 0,
        ..Config::default()
    };
    let mut peer = ScriptedPeer::of_server(config);
    peer.post(1);
    for _ in 0..3 {
        peer.data(1, 0, &[0; 16_384]);
    }
    peer.data(1, 0, &[0; 16_383]);
    peer.hear();
    peer.data(1, 0, &[0; 1]);
    peer.expect_connection_error(ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn a_smaller_window_of_ours_holds_once_it_is_acknowledged() {
    let config = Config {
        initial_window_size: 10,
        ..Config::default()
    };
    let mut peer = ScriptedPeer::silent(config);
    peer.send_raw(PREFACE);
    peer.settings(&[]);
    peer.post(1);
    peer.data(1, 0, &[0; 1000]);
    peer.settings_ack();
    peer.hear();
    let key = peer.key(1);
    assert_eq!(peer.connection.receive_window(key), Some(0));
    // What was released is owed, but the window was 990 bytes in debt.
    peer.connection.release(key, 1000).unwrap();
    assert_eq!(peer.connection.receive_window(key), Some(10));
    peer.data(1, 0, &[0; 11]);
    peer.expect_stream_error(1, ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn released_bytes_are_given_back_in_few_updates() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.hear();
    let key = peer.key(1);
    let (mut updates, mut frames) = (Vec::new(), 0);
    for _ in 0..640 {
        peer.data(1, 0, &[0; 16_384]);
        peer.hear();
        peer.connection.release(key, 16_384).unwrap();
        frames += 1;
        updates.extend(peer.sent());
    }
    assert_eq!(frames, 640);
    assert_eq!(updates.len(), 640 / 8 + 640 / 32, "half a window each");
}

#[test]
fn what_is_held_is_not_given_back() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    for _ in 0..16 {
        peer.data(1, 0, &[0; 16_384]);
    }
    peer.hear();
    assert_eq!(peer.sent(), []);
    peer.data(1, 0, &[0; 1]);
    peer.expect_stream_error(1, ErrorCode::FLOW_CONTROL_ERROR);
    assert_eq!(
        peer.connection.connection_receive_window(),
        (1 << 20) - 256 * 1024 - 1
    );
    // The stream is gone, and with it what it held: the connection has its window again.
    peer.post(3);
    for _ in 0..16 {
        peer.data(3, 0, &[0; 16_384]);
    }
    peer.hear();
    let key = peer.key(3);
    peer.connection.reset(key, ErrorCode::CANCEL);
    assert_eq!(peer.connection.connection_receive_window(), 1 << 20);
    peer.connection.release(key, 1 << 20).unwrap();
    assert_eq!(peer.connection.connection_receive_window(), 1 << 20);
}

#[test]
fn the_connections_window_never_leaks() {
    let mut peer = ScriptedPeer::server();
    let before = peer.connection.connection_receive_window();
    for round in 0..2_000 {
        let id = 2 * round + 1;
        peer.post(id);
        peer.data(id, flag::PADDED, &[&[99][..], &[1; 500], &[0; 99]].concat());
        peer.hear();
        let key = peer.key(id);
        match round % 4 {
            0 => peer.connection.reset(key, ErrorCode::CANCEL),
            1 => peer.connection.release(key, 250).unwrap(),
            _ => {}
        }
        peer.data(id, flag::END_STREAM, &[2; 700]);
        peer.hear();
        if round % 4 != 0 {
            peer.answer(id);
        }
        peer.sent();
    }
    assert!(peer.connection.is_idle());
    let window = peer.connection.connection_receive_window();
    assert!(window > before / 2 && window <= before, "{window}");
    // What is missing is owed, not lost: it comes back as soon as it is half.
    let id = 9_999;
    peer.post(id);
    for _ in 0..(before / 2 - (before - window)).div_ceil(16_384) {
        peer.data(id, 0, &[0; 16_384]);
        peer.hear();
        let key = peer.key(id);
        peer.connection.release(key, 16_384).unwrap();
    }
    assert!(peer.connection.connection_receive_window() > window);
}

#[test]
fn a_window_can_be_widened_by_hand() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.hear();
    let key = peer.key(1);
    peer.connection
        .widen_receive_window(Some(key), 1000)
        .unwrap();
    peer.connection.widen_receive_window(None, 2000).unwrap();
    let sent = peer.sent();
    assert_eq!(
        (sent[0].id, &sent[0].payload[..]),
        (1, &1000u32.to_be_bytes()[..])
    );
    assert_eq!(
        (sent[1].id, &sent[1].payload[..]),
        (0, &2000u32.to_be_bytes()[..])
    );
    assert_eq!(
        peer.connection.connection_receive_window(),
        (1 << 20) + 2000
    );
    let refused = peer.connection.widen_receive_window(None, u32::MAX);
    assert_eq!(refused, Err(crate::h2::Misuse::InvalidValue));
    peer.connection.close(ErrorCode::NO_ERROR, None, b"");
    peer.sent();
    let refused = peer.connection.widen_receive_window(None, 2000);
    assert_eq!(refused, Err(crate::h2::Misuse::GoingAway));
    assert_eq!(peer.sent(), [], "nothing follows the last GOAWAY");
}

#[test]
fn what_was_owed_of_a_larger_window_is_announced_when_a_smaller_one_is_in_force() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    for _ in 0..7 {
        peer.data(1, 0, &[0; 16_384]);
    }
    peer.hear();
    let key = peer.key(1);
    peer.connection.release(key, 7 * 16_384).unwrap();
    assert_eq!(peer.sent(), [], "under half of 256 KiB");
    let mut settings = *peer.connection.local_settings();
    settings.initial_window_size = 32_768;
    peer.connection.update_settings(settings, peer.now).unwrap();
    peer.sent();
    // Now the client may send nothing, until it hears that all of it was used up.
    peer.settings_ack();
    peer.hear();
    let sent = peer.sent();
    assert_eq!((sent[0].kind, sent[0].id), (FrameType::WINDOW_UPDATE, 1));
    assert_eq!(sent[0].payload, (7 * 16_384u32).to_be_bytes());
    assert_eq!(peer.connection.receive_window(key), Some(32_768));
}

#[test]
fn a_half_that_has_ended_gets_no_window() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    for _ in 0..15 {
        peer.data(1, 0, &[0; 16_384]);
    }
    peer.data(1, flag::END_STREAM, &[0; 16_384]);
    peer.hear();
    let key = peer.key(1);
    peer.connection.release(key, 1 << 18).unwrap();
    assert_eq!(peer.sent(), []);
}
