//! A connection as it stands.

use super::*;
use crate::h2::{BlockedBy, Half, Snapshot, StreamState};
use crate::http::Field;

/// The obstacle of each stream, by identifier.
fn obstacles(snapshot: &Snapshot) -> Vec<(u32, BlockedBy)> {
    let streams = snapshot.streams.iter();
    streams
        .map(|stream| (stream.id, stream.blocked_by))
        .collect()
}

fn begin_answer(peer: &mut ScriptedPeer, id: u32, length: u64) {
    let stream = peer.key(id);
    let head = [Field::new(b":status", b"200")];
    peer.connection.send_headers(stream, head, false).unwrap();
    peer.connection.set_ready(stream, Some(length));
}

#[test]
fn a_snapshot_tells_what_each_stream_waits_for() {
    let mut peer = ScriptedPeer::server();
    for id in [1, 3, 5, 7] {
        peer.get(id);
    }
    peer.hear();
    begin_answer(&mut peer, 3, 1_000_000);
    begin_answer(&mut peer, 5, 40_000);
    begin_answer(&mut peer, 7, 10);
    let expected = [
        (1, BlockedBy::Head),
        (3, BlockedBy::Turn),
        (5, BlockedBy::Turn),
        (7, BlockedBy::Turn),
    ];
    assert_eq!(obstacles(&peer.connection.snapshot()), expected);
    let grant = peer.connection.poll_grant(100_000).expect("a grant");
    assert_eq!(grant.stream.id(), 3);
    peer.connection.rest(grant);
    assert_eq!(
        obstacles(&peer.connection.snapshot())[1],
        (3, BlockedBy::User)
    );
    let stream = peer.key(3);
    peer.connection.set_ready(stream, Some(1_000_000));
    // 65,535 bytes of the first go; they use up the connection's window, and its own.
    peer.drain();
    let snapshot = peer.connection.snapshot();
    let expected = [
        (1, BlockedBy::Head),
        (3, BlockedBy::StreamWindow),
        (5, BlockedBy::ConnectionWindow),
        (7, BlockedBy::ConnectionWindow),
    ];
    assert_eq!(obstacles(&snapshot), expected);
    assert_eq!(
        (snapshot.send_window, snapshot.streams[1].send_window),
        (0, 0)
    );
    assert_eq!(snapshot.streams[1].queued, Some(1_000_000 - 65_535));
    assert_eq!(snapshot.streams[2].queued, Some(40_000));
    // SETTINGS take back more than is left.
    peer.settings(&[(0x4, 100)]);
    peer.hear();
    let snapshot = peer.connection.snapshot();
    assert_eq!(snapshot.streams[1].send_window, 100 - 65_535);
    assert_eq!(snapshot.streams[2].send_window, 100);
}

#[test]
fn a_snapshot_tells_states_priorities_and_what_is_held() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.get(3);
    peer.priority_update(3, "u=1, i");
    peer.data(1, 0, &[0; 1_000]);
    peer.hear();
    let full = peer.connection.local_settings().initial_window_size as i32;
    let snapshot = peer.connection.snapshot();
    let [post, get] = &snapshot.streams[..] else {
        panic!("{snapshot:?}")
    };
    let (local, remote) = (Half::Head, Half::Body);
    assert_eq!(post.state, StreamState::Open { local, remote });
    assert_eq!(get.state, StreamState::HalfClosedRemote { local });
    assert_eq!((post.urgency, post.incremental), (3, false));
    assert_eq!((get.urgency, get.incremental), (1, true));
    assert_eq!((post.held, snapshot.held), (1_000, 1_000));
    assert_eq!(
        (post.receive_window, get.receive_window),
        (full - 1_000, full)
    );
    assert_eq!(post.queued, None);
    let stream = peer.key(1);
    peer.connection.release(stream, 400).unwrap();
    peer.data(1, flag::END_STREAM, b"");
    peer.hear();
    let snapshot = peer.connection.snapshot();
    assert_eq!((snapshot.streams[0].held, snapshot.held), (600, 600));
    let half_closed = StreamState::HalfClosedRemote { local };
    assert_eq!(snapshot.streams[0].state, half_closed);
}

#[test]
fn a_snapshot_tells_tables_and_what_is_left_of_budgets() {
    let mut peer = ScriptedPeer::server();
    let limits = Config::default().budgets;
    let before = peer.connection.snapshot();
    assert_eq!(before.encoder_table.size, 0);
    assert_eq!(before.budgets.peer_resets, limits.peer_resets);
    for id in [1, 3, 5] {
        peer.get(id);
        peer.hear();
    }
    peer.answer(1);
    peer.rst_stream(3, ErrorCode::CANCEL);
    peer.send(FrameType::PING, 0, 0, b"12345678");
    peer.send(FrameType(0xee), 0, 0, &[0; 91]);
    peer.hear();
    let after = peer.connection.snapshot();
    assert!(after.budgets.peer_resets < limits.peer_resets);
    assert_eq!(after.budgets.pings, limits.pings_per_second - 1);
    assert_eq!(after.budgets.ignored_bytes, limits.ignored_bytes - 100);
    assert_eq!(after.budgets.useless_frames, limits.useless_frames);
    assert_eq!(after.streams.len(), 1);
    assert!(after.output > before.output);
    peer.sent();
    peer.connection.shrink();
    let shrunk = peer.connection.snapshot();
    assert_eq!(shrunk.encoder_table, after.encoder_table);
    assert_eq!(shrunk.decoder_table, after.decoder_table);
    assert_eq!((after.decoder_table.max_size, shrunk.output), (4_096, 0));
}
