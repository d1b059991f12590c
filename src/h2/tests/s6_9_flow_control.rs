//! §5.2, §6.9: flow control, both ways.

use super::*;
use crate::h2::settings::id;

fn respond(peer: &mut ScriptedPeer, id: u32, remaining: Option<u64>) -> StreamKey {
    let key = peer.key(id);
    let fields: Fields = [(":status", "200")].into_iter().collect();
    peer.connection
        .send_headers(key, fields.iter(), false)
        .unwrap();
    peer.connection.set_ready(key, remaining);
    key
}

mod window_updates {
    use super::*;

    #[test]
    fn a_window_update_is_four_bytes_and_not_zero() {
        for (id, payload, code) in [
            (0, &[0, 0, 1][..], ErrorCode::FRAME_SIZE_ERROR),
            (1, &[0, 0, 0, 1, 0], ErrorCode::FRAME_SIZE_ERROR),
            (0, &[0; 4], ErrorCode::PROTOCOL_ERROR),
            (0, &[0x80, 0, 0, 0], ErrorCode::PROTOCOL_ERROR),
        ] {
            let mut peer = ScriptedPeer::server();
            peer.get(1);
            peer.send(FrameType::WINDOW_UPDATE, 0, id, payload);
            peer.expect_connection_error(code);
        }
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.window_update(1, 0);
        peer.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn a_window_past_its_maximum_ends_what_it_belongs_to() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.window_update(1, 0x7fff_ffff);
        peer.expect_stream_error(1, ErrorCode::FLOW_CONTROL_ERROR);
        peer.window_update(0, 0x7fff_ffff - 65_535);
        peer.hear();
        peer.window_update(0, 1);
        peer.expect_connection_error(ErrorCode::FLOW_CONTROL_ERROR);
    }

    #[test]
    fn a_window_past_its_maximum_by_settings_ends_the_connection() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.window_update(1, 1);
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 0x7fff_ffff)]);
        peer.expect_connection_error(ErrorCode::FLOW_CONTROL_ERROR);
    }

    #[test]
    fn settings_adjust_the_windows_of_all_streams_and_may_make_them_negative() {
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 3)]);
        peer.get(1);
        peer.hear();
        respond(&mut peer, 1, Some(10));
        assert_eq!(peer.drain(), [(1, 3, false)]);
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 2)]);
        peer.hear();
        assert_eq!(peer.drain(), []);
        peer.window_update(1, 1);
        peer.hear();
        assert_eq!(peer.drain(), [], "the window is 0 now");
        peer.window_update(1, 1);
        peer.hear();
        assert_eq!(peer.drain(), [(1, 1, false)]);
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 100)]);
        peer.hear();
        assert_eq!(peer.drain(), [(1, 6, true)]);
    }

    #[test]
    fn a_window_of_one_byte_is_used() {
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 0)]);
        peer.get(1);
        peer.hear();
        respond(&mut peer, 1, Some(100));
        assert_eq!(peer.drain(), []);
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 1)]);
        peer.hear();
        assert_eq!(peer.drain(), [(1, 1, false)]);
    }
}

mod sending {
    use super::*;

    #[test]
    fn nothing_is_granted_beyond_either_window_or_the_largest_frame() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.get(3);
        peer.hear();
        respond(&mut peer, 1, Some(40_000));
        respond(&mut peer, 3, Some(40_000));
        let expected = [
            (1, 16_384, false),
            (1, 16_384, false),
            (1, 7_232, true),
            (3, 16_384, false),
            (3, 9_151, false),
        ];
        assert_eq!(peer.drain(), expected, "65,535 bytes in all");
        peer.window_update(3, 100_000);
        peer.hear();
        assert_eq!(peer.drain(), [], "the connection's window is used up");
        peer.window_update(0, 100_000);
        peer.hear();
        assert_eq!(peer.drain(), [(3, 14_465, true)]);
    }

    #[test]
    fn a_larger_frame_of_the_peers_is_used() {
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(id::MAX_FRAME_SIZE, 60_000)]);
        peer.get(1);
        peer.hear();
        respond(&mut peer, 1, None);
        let grant = peer.connection.poll_grant(1 << 20).unwrap();
        assert_eq!(grant.max_len, 60_000);
        peer.connection.begin_data(&grant);
        peer.connection.abort(grant);
        let grant = peer.connection.poll_grant(20_009).unwrap();
        assert_eq!(grant.max_len, 20_000);
        let _ = grant;
    }

    #[test]
    fn frames_made_elsewhere_use_up_the_run_and_the_windows() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.hear();
        respond(&mut peer, 1, Some(100_000));
        let mut headers = Vec::new();
        for (run, len) in [(65_535, 16_384), (49_151, 16_000), (33_151, 16_384)] {
            let grant = peer.connection.poll_grant(1 << 20).unwrap();
            assert_eq!(peer.connection.run(&grant), run);
            headers.push(peer.connection.commit_apart(grant, len, false));
        }
        assert_eq!(headers[1], [0, 0x3e, 0x80, 0, 0, 0, 0, 0, 1]);
        let grant = peer.connection.poll_grant(1 << 20).unwrap();
        assert_eq!(
            (grant.max_len, peer.connection.run(&grant)),
            (16_384, 16_767)
        );
    }

    #[test]
    fn room_that_is_not_worth_a_frame_grants_nothing() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.hear();
        let key = respond(&mut peer, 1, Some(5_000));
        assert_eq!(peer.connection.poll_grant(8), None);
        assert_eq!(peer.connection.poll_grant(9 + 1023), None);
        assert_eq!(peer.connection.poll_grant(9 + 1024).unwrap().max_len, 1024);
        peer.connection.set_ready(key, Some(10));
        assert_eq!(peer.connection.poll_grant(9 + 10).unwrap().max_len, 10);
        peer.connection.set_ready(key, Some(0));
        assert_eq!(peer.connection.poll_grant(9).unwrap().max_len, 0);
    }

    #[test]
    fn the_end_alone_needs_no_window() {
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 0)]);
        peer.get(1);
        peer.hear();
        respond(&mut peer, 1, Some(0));
        assert_eq!(peer.drain(), [(1, 0, true)]);
        assert!(peer.connection.is_idle());
    }

    #[test]
    fn a_stream_whose_producer_has_nothing_rests() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.hear();
        let key = respond(&mut peer, 1, None);
        peer.sent();
        let grant = peer.connection.poll_grant(1 << 16).unwrap();
        peer.connection.begin_data(&grant);
        peer.connection.commit(grant, false);
        assert_eq!(peer.sent(), []);
        assert_eq!(peer.connection.poll_grant(1 << 16), None);
        assert!(!peer.connection.is_ready(key));
        peer.connection.set_ready(key, None);
        assert!(peer.connection.poll_grant(1 << 16).is_some());
    }

    #[test]
    fn an_aborted_frame_leaves_no_trace() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.hear();
        let key = respond(&mut peer, 1, Some(100));
        let grant = peer.connection.poll_grant(1 << 16).unwrap();
        peer.connection
            .begin_data(&grant)
            .extend_from_slice(b"half a fi");
        peer.connection.abort(grant);
        peer.connection.reset(key, ErrorCode::INTERNAL_ERROR);
        let sent = peer.sent();
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert_eq!(sent[1].kind, FrameType::RST_STREAM);
        assert_eq!(peer.connection.poll_grant(1 << 16), None);
    }

    #[test]
    fn data_by_hand_obeys_the_same_limits() {
        use crate::h2::Misuse;
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 20_000)]);
        peer.get(1);
        peer.hear();
        let key = peer.key(1);
        let connection = &mut peer.connection;
        assert_eq!(
            connection.send_data(key, b"early", false),
            Err(Misuse::OutOfOrder)
        );
        respond(&mut peer, 1, None);
        let connection = &mut peer.connection;
        assert_eq!(
            connection.send_data(key, &[0; 16_385], false),
            Err(Misuse::FrameTooLarge {
                len: 16_385,
                max: 16_384
            })
        );
        connection.send_data(key, &[0; 16_384], false).unwrap();
        assert_eq!(
            connection.send_data(key, &[0; 3_617], false),
            Err(Misuse::WindowExceeded {
                len: 3_617,
                window: 3_616
            })
        );
        connection
            .send_padded_data(key, &[1; 3_600], 15, false)
            .unwrap();
        assert_eq!(connection.send_window(key), Some(0));
        connection.send_data(key, b"", true).unwrap();
        assert_eq!(
            connection.send_data(key, b"", true),
            Err(Misuse::StreamClosed)
        );
        let sent = peer.sent();
        let padded = &sent[sent.len() - 2];
        assert_eq!(padded.flags, flag::PADDED);
        assert_eq!(padded.payload, [&[15][..], &[1; 3_600], &[0; 15]].concat());
    }

    #[test]
    fn small_windows_are_used_a_few_times_at_once_and_then_slowly() {
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 0)]);
        peer.get(1);
        peer.hear();
        respond(&mut peer, 1, Some(100_000));
        let mut frames = 0;
        for _ in 0..1000 {
            peer.window_update(1, 1);
            peer.hear();
            frames += peer.drain().len();
        }
        assert_eq!(frames, 64);
        // 936 bytes of window are there; a whole kibibyte is worth a frame.
        peer.window_update(1, 88);
        peer.hear();
        assert_eq!(peer.drain(), [(1, 1024, false)]);
        // And an eighth of a second later a byte is, again.
        peer.window_update(1, 1);
        peer.hear();
        assert_eq!(peer.drain(), [(1, 1, false)], "the whole one earned it");
        peer.window_update(1, 1);
        peer.hear();
        assert_eq!(peer.drain(), []);
        let deadline = peer.connection.next_deadline().expect("it is waited for");
        assert!(deadline - peer.now <= Duration::from_millis(190));
        peer.now = deadline;
        peer.connection.handle_timeout(deadline).unwrap();
        assert_eq!(peer.drain(), [(1, 1, false)]);
    }

    #[test]
    fn a_response_ends_through_windows_that_are_far_too_small() {
        for (window, increment) in [(1, 1), (50, 50), (1000, 500)] {
            let mut peer = ScriptedPeer::server();
            peer.settings(&[(id::INITIAL_WINDOW_SIZE, window)]);
            peer.get(1);
            peer.hear();
            respond(&mut peer, 1, Some(4_000));
            let (mut taken, mut owed, mut seconds) = (0, 0, Duration::ZERO);
            while taken < 4_000 {
                let sent: usize = peer.drain().iter().map(|(_, len, _)| len).sum();
                taken += sent;
                owed += sent as u32;
                if owed >= increment {
                    peer.window_update(1, owed);
                    peer.hear();
                    owed = 0;
                } else if sent == 0 {
                    let deadline = peer.connection.next_deadline().expect("it goes on");
                    seconds += deadline.saturating_duration_since(peer.now);
                    peer.now = deadline.max(peer.now);
                    peer.connection.handle_timeout(peer.now).unwrap();
                }
            }
            assert!(seconds < Duration::from_secs(20), "{seconds:?}");
        }
    }

    #[test]
    fn windows_that_are_small_as_a_whole_are_used() {
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 200)]);
        peer.get(1);
        peer.hear();
        respond(&mut peer, 1, Some(100_000));
        for _ in 0..100 {
            assert_eq!(peer.drain(), [(1, 200, false)]);
            peer.window_update(1, 200);
            peer.hear();
        }
    }
}

mod receiving;
