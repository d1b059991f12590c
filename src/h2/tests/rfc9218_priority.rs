//! RFC 9218: whose response goes first.

use super::*;

/// A server with one ready response for each priority, of `len` bytes; identifiers rise by 2.
fn ready(priorities: &[&str], len: u64) -> ScriptedPeer {
    let mut peer = ScriptedPeer::server();
    peer.window_update(0, 1 << 30);
    peer.settings(&[(crate::h2::settings::id::INITIAL_WINDOW_SIZE, 1 << 30)]);
    for (position, priority) in priorities.iter().enumerate() {
        let id = 2 * position as u32 + 1;
        let fields = [&request("GET", "/")[..], &[("priority", priority)]].concat();
        peer.headers(id, flag::END_STREAM, &fields);
    }
    peer.hear();
    // In the wrong order, to see that it does not matter.
    for position in (0..priorities.len()).rev() {
        let key = peer.key(2 * position as u32 + 1);
        let head: Fields = [(":status", "200")].into_iter().collect();
        peer.connection
            .send_headers(key, head.iter(), false)
            .unwrap();
        peer.connection.set_ready(key, Some(len));
    }
    peer
}

/// The order in which all frames go.
fn order(peer: &mut ScriptedPeer) -> Vec<u32> {
    peer.drain().into_iter().map(|(id, _, _)| id).collect()
}

#[test]
fn more_urgent_responses_go_first() {
    let mut peer = ready(&["u=7", "u=0", "", "u=0", "u=5"], 20_000);
    assert_eq!(order(&mut peer), [3, 3, 7, 7, 5, 5, 9, 9, 1, 1]);
}

#[test]
fn non_incremental_responses_go_one_after_the_other() {
    let mut peer = ready(&["", "u=3", "i=?0"], 40_000);
    assert_eq!(order(&mut peer), [1, 1, 1, 3, 3, 3, 5, 5, 5]);
}

#[test]
fn incremental_responses_share() {
    let mut peer = ready(&["i", "u=3, i", "i"], 40_000);
    let order = order(&mut peer);
    assert_eq!(order, [5, 3, 1, 5, 3, 1, 5, 3, 1], "as they became ready");
}

#[test]
fn both_kinds_alternate() {
    let mut peer = ready(&["", "i", "", "i"], 40_000);
    assert_eq!(order(&mut peer), [1, 7, 1, 3, 1, 7, 5, 3, 5, 7, 5, 3]);
}

#[test]
fn a_run_is_what_goes_before_others_have_their_turn() {
    let cases: [(&[&str], u32); 5] = [
        (&[""], 40_000),
        (&["", ""], 40_000),
        (&["i"], 40_000),
        (&["i", "i"], 16_384),
        (&["", "i"], 16_384),
    ];
    for (priorities, run) in cases {
        let mut peer = ready(priorities, 40_000);
        let grant = peer.connection.poll_grant(1 << 20).unwrap();
        assert_eq!(peer.connection.run(&grant), run, "{priorities:?}");
    }
}

#[test]
fn a_small_urgent_file_waits_for_one_frame_at_most() {
    let mut peer = ready(&["u=5"], 1 << 20);
    let grant = peer.connection.poll_grant(1 << 20).unwrap();
    assert_eq!(grant.stream.id(), 1);
    let out = peer.connection.begin_data(&grant);
    out.resize(out.len() + 16_384, 0);
    peer.connection.commit(grant, false);
    peer.headers(
        3,
        flag::END_STREAM,
        &[&request("GET", "/")[..], &[("priority", "u=0")]].concat(),
    );
    peer.hear();
    let key = peer.key(3);
    let head: Fields = [(":status", "200")].into_iter().collect();
    peer.connection
        .send_headers(key, head.iter(), false)
        .unwrap();
    peer.connection.set_ready(key, Some(100));
    assert_eq!(peer.connection.poll_grant(1 << 20).unwrap().stream.id(), 3);
}

#[test]
fn an_update_takes_effect_at_once_in_whatever_state() {
    let mut peer = ready(&["", "", "u=1"], 20_000);
    peer.priority_update(3, "u=0");
    peer.priority_update(5, "u=6, i");
    let heard = peer.hear();
    assert!(
        heard[0].0.contains("stream_id: 3, priority: u=0"),
        "{heard:?}"
    );
    assert_eq!(order(&mut peer), [3, 3, 1, 1, 5, 5]);
}

#[test]
fn an_update_may_come_before_its_stream() {
    let mut peer = ScriptedPeer::server();
    peer.priority_update(3, "u=0");
    peer.priority_update(3, "u=1, i");
    peer.headers(
        3,
        flag::END_STREAM,
        &[&request("GET", "/")[..], &[("priority", "u=6")]].concat(),
    );
    peer.hear();
    assert_eq!(
        peer.connection.priority(peer.key(3)),
        Some(Priority::new(1, true))
    );
    assert!(peer.connection.is_tidy());
}

#[test]
fn updates_of_streams_to_come_are_bounded() {
    let mut peer = ScriptedPeer::server();
    for id in (1..100).step_by(2) {
        peer.priority_update(id, "u=0");
    }
    peer.hear();
    peer.get(101);
    peer.priority_update(103, "u=2");
    peer.get(103);
    peer.hear();
    assert_eq!(
        peer.connection.priority(peer.key(103)),
        Some(Priority::new(2, false))
    );
    assert!(peer.connection.is_tidy());
}

#[test]
fn updates_are_for_responses_to_come() {
    for (stream, payload) in [
        (1, &[0, 0, 0, 1, b'u'][..]),
        (0, &[0, 0, 0, 0, b'u']),
        (0, &[0, 0, 0, 2, b'u']),
    ] {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.send(FrameType::PRIORITY_UPDATE, 0, stream, payload);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
    let mut peer = ScriptedPeer::server();
    peer.send(FrameType::PRIORITY_UPDATE, 0, 0, &[0, 0, 1]);
    peer.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
    let mut peer = ScriptedPeer::of_client(Config::default());
    peer.ask("GET");
    peer.priority_update(1, "u=1");
    peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    // Of a stream that is over it means nothing.
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.hear();
    peer.answer(1);
    peer.priority_update(1, "u=1");
    assert_eq!(peer.hear(), []);
}

#[test]
fn a_client_asks_for_another_priority() {
    let mut peer = ScriptedPeer::of_client(Config::default());
    let key = peer.ask("GET");
    peer.connection
        .send_priority_update(key, Priority::new(0, true))
        .unwrap();
    let sent = peer.sent().pop().unwrap();
    assert_eq!((sent.kind, sent.id), (FrameType::PRIORITY_UPDATE, 0));
    assert_eq!(sent.payload, b"\0\0\0\x01u=0, i");
}

/// RFC 7540 §5.3, as Chromium makes use of it.
mod weights {
    use super::*;

    /// A PRIORITY frame: exclusive, and dependent on a stream, as Chromium's are.
    fn priority(peer: &mut ScriptedPeer, id: u32, weight: u16) {
        let payload = [0x80, 0, 0, 0, (weight - 1) as u8];
        peer.send(FrameType::PRIORITY, 0, id, &payload);
    }

    fn request_of_weight(peer: &mut ScriptedPeer, id: u32, weight: u16, more: &[(&str, &str)]) {
        let block = peer.block(&[&request("GET", "/")[..], more].concat());
        let payload = [&[0x80, 0, 0, 0, (weight - 1) as u8][..], &block].concat();
        let flags = flag::END_STREAM | flag::END_HEADERS | flag::PRIORITY;
        peer.send(FrameType::HEADERS, flags, id, &payload);
    }

    fn priority_of(peer: &ScriptedPeer, id: u32) -> Priority {
        peer.connection.priority(peer.key(id)).unwrap()
    }

    #[test]
    fn chromiums_are_urgencies() {
        let mut peer = ScriptedPeer::server();
        let weights = [(256, 0), (220, 1), (183, 2), (147, 3), (110, 4), (74, 5)];
        let others = [1, 16, 32, 219, 255].map(|weight| (weight, 3));
        for (i, (weight, urgency)) in weights.into_iter().chain(others).enumerate() {
            let id = 2 * i as u32 + 1;
            request_of_weight(&mut peer, id, weight, &[]);
            peer.hear();
            assert_eq!(priority_of(&peer, id), Priority::new(urgency, false));
        }
    }

    #[test]
    fn a_frame_raises_a_response_that_is_under_way() {
        let mut peer = ready(&["", "i", ""], 40_000);
        priority(&mut peer, 5, 220);
        priority(&mut peer, 3, 110);
        peer.hear();
        assert_eq!(priority_of(&peer, 3), Priority::new(4, true));
        assert_eq!(order(&mut peer), [5, 5, 5, 1, 1, 1, 3, 3, 3]);
    }

    #[test]
    fn a_field_and_an_update_win() {
        let mut peer = ScriptedPeer::server();
        request_of_weight(&mut peer, 1, 256, &[("priority", "u=5, i")]);
        request_of_weight(&mut peer, 3, 256, &[]);
        peer.priority_update(3, "u=6");
        peer.priority_update(5, "u=7");
        request_of_weight(&mut peer, 5, 256, &[]);
        priority(&mut peer, 3, 220);
        priority(&mut peer, 5, 220);
        peer.hear();
        assert_eq!(priority_of(&peer, 1), Priority::new(5, true));
        assert_eq!(priority_of(&peer, 3), Priority::new(6, false));
        assert_eq!(priority_of(&peer, 5), Priority::new(7, false));
    }

    #[test]
    fn a_client_that_does_not_mean_them_is_taken_at_its_word() {
        let mut peer = ScriptedPeer::silent(Config::default());
        peer.send_raw(PREFACE);
        peer.settings(&[(crate::h2::settings::id::NO_RFC7540_PRIORITIES, 1)]);
        peer.settings_ack();
        request_of_weight(&mut peer, 1, 256, &[]);
        priority(&mut peer, 1, 220);
        peer.hear();
        assert_eq!(priority_of(&peer, 1), Priority::default());
    }

    #[test]
    fn nothing_is_kept_of_streams_that_do_not_live() {
        let mut peer = ScriptedPeer::server();
        priority(&mut peer, 3, 256);
        peer.get(3);
        peer.hear();
        assert_eq!(priority_of(&peer, 3), Priority::default());
        assert!(peer.connection.is_tidy());
    }
}

/// A server of which a client has asked for these, with heads that were sent; windows are as they are at first.
fn begun(priorities: &[&str]) -> ScriptedPeer {
    let mut peer = ScriptedPeer::server();
    for (position, priority) in priorities.iter().enumerate() {
        let id = 2 * position as u32 + 1;
        let fields = [&request("GET", "/")[..], &[("priority", priority)]].concat();
        peer.headers(id, flag::END_STREAM, &fields);
    }
    peer.hear();
    for position in 0..priorities.len() {
        let key = peer.key(2 * position as u32 + 1);
        let head: Fields = [(":status", "200")].into_iter().collect();
        peer.connection
            .send_headers(key, head.iter(), false)
            .unwrap();
    }
    peer
}

#[test]
fn whole_content_is_granted_at_once_where_nobody_can_be_before_it() {
    let mut peer = begun(&["", "u=1, i", "u=4", ""]);
    let whole = |peer: &mut ScriptedPeer, id, len| {
        let key = peer.key(id);
        peer.connection.grant_whole(key, len)
    };
    assert_eq!(whole(&mut peer, 5, 1), None, "it may wait for others");
    assert_eq!(whole(&mut peer, 1, 16_385), None, "the largest frame");
    peer.settings(&[(crate::h2::settings::id::INITIAL_WINDOW_SIZE, 1_000)]);
    peer.hear();
    assert_eq!(whole(&mut peer, 1, 1_001), None, "the window");
    for id in [1, 3] {
        let grant = whole(&mut peer, id, 1_000).unwrap();
        assert_eq!((grant.stream.id(), grant.max_len), (id, 1_000));
        let out = peer.connection.begin_data(&grant);
        out.resize(out.len() + 1_000, 0);
        peer.connection.commit(grant, true);
        assert!(peer.connection.stream(id).is_none(), "it has ended");
    }
    let late = peer.key(5);
    peer.connection.set_ready(late, Some(1));
    assert_eq!(whole(&mut peer, 7, 1), None, "another one is ready");
}
