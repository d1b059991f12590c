//! §10.5: streams live on progress, not on activity.

use super::*;
use crate::h2::settings::id;
use crate::http::Patience;

fn respond(peer: &mut ScriptedPeer, id: u32, remaining: u64) -> StreamKey {
    let key = peer.key(id);
    let head: Fields = [(":status", "200")].into_iter().collect();
    peer.connection
        .send_headers(key, head.iter(), false)
        .unwrap();
    peer.connection.set_ready(key, Some(remaining));
    key
}

/// Lets time pass, with everything that is due and `every` each second; returns what was told and
/// after how many seconds.
fn seconds_until_told(
    peer: &mut ScriptedPeer,
    limit: u32,
    mut every: impl FnMut(&mut ScriptedPeer),
) -> Option<(u32, Vec<Heard>)> {
    for second in 1..=limit {
        peer.wait(Duration::from_secs(1));
        every(peer);
        while let Some(deadline) = peer.connection.next_deadline()
            && deadline <= peer.now
        {
            peer.connection.handle_timeout(deadline).unwrap();
        }
        let mut heard = peer.hear();
        heard.retain(|heard| heard.0.contains("Stalled"));
        if !heard.is_empty() {
            return Some((second, heard));
        }
    }
    None
}

#[test]
fn a_reader_that_opens_no_window_is_cut_off_whatever_else_it_sends() {
    let mut peer = ScriptedPeer::server();
    peer.settings(&[(id::INITIAL_WINDOW_SIZE, 0)]);
    peer.get(1);
    peer.get(3);
    peer.hear();
    respond(&mut peer, 1, 1 << 30);
    respond(&mut peer, 3, 1 << 30);
    peer.sent();
    let (seconds, heard) = seconds_until_told(&mut peer, 60, |peer| {
        peer.send(FrameType::PING, 0, 0, b"12345678");
        peer.window_update(1, 1);
        peer.hear();
        peer.drain();
        peer.sent();
    })
    .unwrap();
    assert!((20..=26).contains(&seconds), "{seconds}");
    assert_eq!(heard.len(), 2);
    assert!(peer.connection.is_idle());
    peer.get(5);
    assert_eq!(peer.hear().len(), 1);
}

#[test]
fn a_reader_that_is_slow_but_steady_is_served() {
    let mut peer = ScriptedPeer::server();
    peer.settings(&[(id::INITIAL_WINDOW_SIZE, 0)]);
    peer.get(1);
    peer.hear();
    respond(&mut peer, 1, 1 << 30);
    let told = seconds_until_told(&mut peer, 300, |peer| {
        peer.window_update(1, 2_000);
        peer.window_update(0, 2_000);
        peer.hear();
        peer.drain();
        peer.sent();
    });
    assert_eq!(told, None);
}

#[test]
fn a_connection_whose_window_or_socket_takes_nothing_loses_its_streams() {
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.get(3);
    peer.hear();
    respond(&mut peer, 1, 1 << 30);
    respond(&mut peer, 3, 1 << 30);
    peer.drain();
    let (seconds, heard) = seconds_until_told(&mut peer, 60, |peer| {
        peer.window_update(3, 10_000);
    })
    .unwrap();
    assert!((20..=26).contains(&seconds), "{seconds}");
    assert_eq!(heard.len(), 2, "{heard:?}");
}

#[test]
fn who_opens_no_window_has_minutes_where_there_is_room_and_no_more_time_once_there_is_none() {
    let mut peer = ScriptedPeer::server();
    peer.connection.set_patience(Patience::Ample);
    peer.settings(&[(id::INITIAL_WINDOW_SIZE, 0)]);
    peer.get(1);
    peer.hear();
    respond(&mut peer, 1, 1 << 30);
    let (seconds, _) = seconds_until_told(&mut peer, 600, |_| {}).unwrap();
    assert!((300..=312).contains(&seconds), "{seconds}");

    peer.get(3);
    peer.hear();
    respond(&mut peer, 3, 1 << 30);
    assert_eq!(seconds_until_told(&mut peer, 100, |_| {}), None);
    peer.connection.set_patience(Patience::Short);
    let (seconds, _) = seconds_until_told(&mut peer, 60, |_| {}).unwrap();
    assert!(seconds <= 6, "{seconds}");
}

#[test]
fn a_player_that_pauses_and_a_window_that_opens_in_lumps_are_served_where_there_is_room() {
    let mut peer = ScriptedPeer::server();
    peer.connection.set_patience(Patience::Ample);
    peer.get(1);
    peer.hear();
    respond(&mut peer, 1, 1 << 30);
    peer.drain();
    let mut second = 0;
    let told = seconds_until_told(&mut peer, 1_200, |peer| {
        second += 1;
        // 64 KiB at 1 KB/s, and a pause of four minutes.
        if matches!(second % 300, 0 | 66) {
            peer.window_update(1, 65_535);
            peer.window_update(0, 65_535);
            peer.hear();
            peer.drain();
            peer.sent();
        }
    });
    assert_eq!(told, None);
}

#[test]
fn a_stream_that_waits_its_turn_is_not_stalled() {
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.get(3);
    peer.hear();
    respond(&mut peer, 1, 1 << 30);
    respond(&mut peer, 3, 1 << 20);
    let told = seconds_until_told(&mut peer, 120, |peer| {
        peer.window_update(1, 16_384);
        peer.window_update(0, 16_384);
        peer.hear();
        peer.drain();
        peer.sent();
    });
    assert_eq!(told, None);
    assert_eq!(peer.connection.streams(), 2);
}

#[test]
fn content_that_does_not_come_is_not_waited_for() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.hear();
    let trickle = |peer: &mut ScriptedPeer| {
        peer.data(1, 0, b"it trickles");
        peer.hear();
        if let Some(key) = peer.connection.stream(1) {
            peer.connection.release(key, 11).unwrap();
        }
    };
    let (seconds, _) = seconds_until_told(&mut peer, 60, trickle).unwrap();
    assert!((20..=26).contains(&seconds), "{seconds}");
}

#[test]
fn content_is_waited_for_while_its_user_holds_half_a_window() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    let half = peer.connection.most_held();
    for frame in vec![b'x'; half].chunks(16 << 10) {
        peer.data(1, 0, frame);
        peer.hear();
    }
    assert_eq!(seconds_until_told(&mut peer, 120, |_| {}), None);
    let key = peer.key(1);
    peer.connection.release(key, 1).unwrap();
    assert!(seconds_until_told(&mut peer, 60, |_| {}).is_some());
}

#[test]
fn a_stream_whose_user_has_nothing_waits_for_ever_and_an_idle_connection_for_nothing() {
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.hear();
    assert_eq!(seconds_until_told(&mut peer, 600, |_| {}), None);
    peer.answer(1);
    seconds_until_told(&mut peer, 60, |_| {});
    assert_eq!(peer.connection.next_deadline(), None);
}

#[test]
fn a_stream_whose_bytes_a_disk_brings_too_slowly_is_not_stalled() {
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.hear();
    let key = respond(&mut peer, 1, 1 << 30);
    let told = seconds_until_told(&mut peer, 300, |peer| {
        // Asked for, and again not there.
        peer.connection.set_ready(key, Some(1 << 30));
        let grant = peer.connection.poll_grant(1 << 16).expect("a window");
        peer.connection.begin_data(&grant);
        peer.connection.commit(grant, false);
    });
    assert_eq!(told, None);
}

#[test]
fn content_is_waited_for_while_the_caller_does_not_read() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.hear();
    let paused = |peer: &mut ScriptedPeer| peer.connection.pause_input(peer.now);
    assert_eq!(seconds_until_told(&mut peer, 120, paused), None);
    assert!(seconds_until_told(&mut peer, 60, |_| {}).is_some());
}

#[test]
fn a_tunnel_may_be_silent() {
    let mut peer = ScriptedPeer::server();
    peer.headers(1, 0, &[(":method", "CONNECT"), (":authority", "a:1")]);
    peer.hear();
    assert_eq!(seconds_until_told(&mut peer, 600, |_| {}), None);
}

#[test]
fn nothing_is_awaited_while_the_caller_does_not_read() {
    let mut peer = ScriptedPeer::silent(Config::default());
    peer.send_raw(PREFACE);
    peer.settings(&[]);
    peer.send(FrameType::HEADERS, 0, 1, b"\x82");
    peer.hear();
    for _ in 0..10 {
        peer.wait(Duration::from_secs(9));
        peer.connection.pause_input(peer.now);
        peer.connection.handle_timeout(peer.now).unwrap();
    }
    // From then on, both the acknowledgement and the rest of the block have their whole time.
    let deadline = peer.connection.next_deadline().unwrap();
    assert!(deadline - peer.now >= Duration::from_secs(10));
    peer.now = deadline;
    let error = peer.connection.handle_timeout(peer.now).unwrap_err();
    assert_eq!(error.code, ErrorCode::SETTINGS_TIMEOUT);
}
