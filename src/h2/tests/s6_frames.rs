//! §6.1–§6.8, §6.10: what each frame has to be.

use super::*;
use crate::h2::settings::id;

mod s6_1_data {
    use super::*;

    #[test]
    fn data_is_on_a_stream() {
        let mut peer = ScriptedPeer::server();
        peer.data(0, 0, b"test");
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn padding_is_not_content() {
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.data(1, flag::PADDED | flag::END_STREAM, b"\x03abc\0\0\0");
        let heard = peer.hear();
        let data = "data: [97, 98, 99], flow_controlled_len: 7, end_stream: true";
        assert!(heard[1].0.contains(data), "{heard:?}");
    }

    #[test]
    fn padding_fits_its_frame() {
        for payload in [&b"\x05abcd"[..], b"\xff", b""] {
            let mut peer = ScriptedPeer::server();
            peer.post(1);
            peer.data(1, flag::PADDED, payload);
            let code = match payload {
                b"" => ErrorCode::FRAME_SIZE_ERROR,
                _ => ErrorCode::PROTOCOL_ERROR,
            };
            peer.expect_connection_error(code);
        }
    }
}

mod s6_2_headers {
    use super::*;

    #[test]
    fn padding_fits_its_frame() {
        let mut peer = ScriptedPeer::server();
        let block = peer.block(&request("GET", "/"));
        let padded = [&[2][..], &block, &[0, 0]].concat();
        let flags = flag::END_HEADERS | flag::END_STREAM | flag::PADDED;
        peer.send(FrameType::HEADERS, flags, 1, &padded);
        assert_eq!(peer.hear().len(), 1);
        let padded = [&[block.len() as u8 + 1][..], &block].concat();
        peer.send(FrameType::HEADERS, flags, 3, &padded);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

mod s6_3_to_s6_4 {
    use super::*;

    #[test]
    fn priority_is_on_a_stream() {
        let mut peer = ScriptedPeer::server();
        peer.send(FrameType::PRIORITY, 0, 0, &[0, 0, 0, 1, 255]);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn rst_stream_is_four_bytes_on_a_stream_that_is_not_idle() {
        for (id, payload, code) in [
            (0, &[0; 4][..], ErrorCode::PROTOCOL_ERROR),
            (3, &[0; 4], ErrorCode::PROTOCOL_ERROR),
            (1, &[0; 3], ErrorCode::FRAME_SIZE_ERROR),
            (1, &[0; 5], ErrorCode::FRAME_SIZE_ERROR),
        ] {
            let mut peer = ScriptedPeer::server();
            peer.get(1);
            peer.send(FrameType::RST_STREAM, 0, id, payload);
            peer.expect_connection_error(code);
        }
    }
}

mod s6_5_settings {
    use super::*;

    #[test]
    fn settings_are_the_connections_and_whole_entries() {
        for (flags, stream, payload, code) in [
            (flag::ACK, 0, &b"\0"[..], ErrorCode::FRAME_SIZE_ERROR),
            (0, 1, b"\0\x03\0\0\0\x64", ErrorCode::PROTOCOL_ERROR),
            (0, 0, b"\0\x03\0", ErrorCode::FRAME_SIZE_ERROR),
        ] {
            let mut peer = ScriptedPeer::server();
            peer.send(FrameType::SETTINGS, flags, stream, payload);
            peer.expect_connection_error(code);
        }
    }

    #[test]
    fn values_out_of_range_end_the_connection() {
        for (entry, code) in [
            ((id::ENABLE_PUSH, 2), ErrorCode::PROTOCOL_ERROR),
            (
                (id::INITIAL_WINDOW_SIZE, 1 << 31),
                ErrorCode::FLOW_CONTROL_ERROR,
            ),
            ((id::MAX_FRAME_SIZE, 16_383), ErrorCode::PROTOCOL_ERROR),
            ((id::MAX_FRAME_SIZE, 1 << 24), ErrorCode::PROTOCOL_ERROR),
            ((id::ENABLE_CONNECT_PROTOCOL, 2), ErrorCode::PROTOCOL_ERROR),
            ((id::NO_RFC7540_PRIORITIES, 2), ErrorCode::PROTOCOL_ERROR),
        ] {
            let mut peer = ScriptedPeer::server();
            peer.settings(&[entry]);
            peer.expect_connection_error(code);
        }
        let mut peer = ScriptedPeer::of_client(Config::default());
        peer.settings(&[(id::ENABLE_PUSH, 1)]);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn every_settings_frame_is_told_and_acknowledged_and_unknown_entries_ignored() {
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(0xf0, 7), (id::MAX_HEADER_LIST_SIZE, 5000)]);
        let heard = peer.hear();
        assert!(heard[0].0.contains("{240: 7, 6: 5000}"), "{heard:?}");
        let sent = peer.sent();
        assert_eq!(
            (sent[0].kind, sent[0].flags),
            (FrameType::SETTINGS, flag::ACK)
        );
        assert_eq!(peer.connection.remote_settings().max_header_list_size, 5000);
    }

    #[test]
    fn the_last_of_several_values_counts() {
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 100), (id::INITIAL_WINDOW_SIZE, 1)]);
        peer.get(1);
        peer.hear();
        assert_eq!(peer.connection.send_window(peer.key(1)), Some(1));
    }

    #[test]
    fn the_encoders_table_follows_every_value() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.hear();
        peer.answer(1);
        peer.sent();
        peer.settings(&[
            (id::HEADER_TABLE_SIZE, 0),
            (id::HEADER_TABLE_SIZE, u32::MAX),
        ]);
        peer.get(3);
        peer.hear();
        peer.answer(3);
        let sent = peer.sent();
        // RFC 7541 §4.2: the smallest size, then the final one, which is our own bound.
        assert_eq!(sent[1].payload[..4], [0x20, 0x3f, 0xe1, 0x1f]);
    }

    #[test]
    fn the_decoders_table_follows_ours_when_it_is_acknowledged() {
        let mut peer = ScriptedPeer::server();
        let mut settings = *peer.connection.local_settings();
        settings.header_table_size = 0;
        peer.connection.update_settings(settings, peer.now).unwrap();
        let entry = [request("GET", "/").as_slice(), &[("x-entry", "y")]].concat();
        peer.headers(1, flag::END_STREAM, &entry);
        peer.headers(3, flag::END_STREAM, &entry);
        peer.settings_ack();
        let heard = peer.hear();
        assert_eq!(heard.len(), 3);
        assert!(heard[2].0.contains("SettingsAcknowledged"));
        // RFC 9113 §4.3.1: a size update has to come first.
        peer.headers(5, flag::END_STREAM, &entry);
        peer.expect_connection_error(ErrorCode::COMPRESSION_ERROR);
    }

    #[test]
    fn settings_that_are_not_acknowledged_in_time_end_the_connection() {
        let mut peer = ScriptedPeer::silent(Config::default());
        peer.send_raw(PREFACE);
        peer.settings(&[]);
        peer.hear();
        let deadline = peer.connection.next_deadline().unwrap();
        assert!(deadline - peer.now <= Duration::from_millis(10_125));
        peer.wait(Duration::from_secs(9));
        peer.connection.handle_timeout(peer.now).unwrap();
        peer.now = deadline;
        let error = peer.connection.handle_timeout(peer.now).unwrap_err();
        assert_eq!(error.code, ErrorCode::SETTINGS_TIMEOUT);
        assert_eq!(peer.connection.next_deadline(), None);
    }

    #[test]
    fn an_acknowledgement_that_nobody_waits_for_is_ignored() {
        let mut peer = ScriptedPeer::server();
        peer.settings_ack();
        assert_eq!(peer.hear(), []);
    }

    #[test]
    fn extended_connect_is_not_taken_back() {
        let mut peer = ScriptedPeer::of_client(Config::default());
        peer.settings(&[(id::ENABLE_CONNECT_PROTOCOL, 1)]);
        peer.hear();
        peer.settings(&[(id::ENABLE_CONNECT_PROTOCOL, 0)]);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn priorities_are_not_changed_after_the_first_settings() {
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(id::NO_RFC7540_PRIORITIES, 1)]);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn our_settings_obey_the_same_rules() {
        use crate::h2::Misuse;
        let mut peer = ScriptedPeer::server();
        let now = peer.now;
        let ours = *peer.connection.local_settings();
        for settings in [
            crate::h2::Settings {
                initial_window_size: 1 << 31,
                ..ours
            },
            crate::h2::Settings {
                max_frame_size: 100,
                ..ours
            },
            crate::h2::Settings {
                no_rfc7540_priorities: true,
                ..ours
            },
        ] {
            let updated = peer.connection.update_settings(settings, now);
            assert_eq!(updated, Err(Misuse::InvalidValue));
        }
        assert_eq!(peer.sent(), []);
    }
}

mod s6_6_push_promise {
    use super::*;

    #[test]
    fn a_server_takes_no_promise() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        let block = peer.block(&request("GET", "/"));
        let payload = [&[0, 0, 0, 2][..], &block].concat();
        peer.send(FrameType::PUSH_PROMISE, flag::END_HEADERS, 1, &payload);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
}

mod s6_7_ping {
    use super::*;

    #[test]
    fn a_ping_is_answered_with_its_payload() {
        let mut peer = ScriptedPeer::server();
        peer.send(FrameType::PING, 0, 0, b"12345678");
        peer.hear();
        let sent = peer.sent();
        assert_eq!((sent[0].kind, sent[0].flags), (FrameType::PING, flag::ACK));
        assert_eq!(sent[0].payload, b"12345678");
    }

    #[test]
    fn an_answer_to_nothing_is_ignored() {
        let mut peer = ScriptedPeer::server();
        peer.send(FrameType::PING, flag::ACK, 0, b"12345678");
        assert_eq!(peer.hear(), []);
        assert_eq!(peer.sent(), []);
    }

    #[test]
    fn an_answer_tells_the_round_trip() {
        let mut peer = ScriptedPeer::server();
        peer.connection.ping(*b"12345678", peer.now);
        peer.wait(Duration::from_millis(33));
        peer.send(FrameType::PING, flag::ACK, 0, b"12345678");
        let heard = peer.hear();
        assert!(heard[0].0.contains("round_trip: 33ms"), "{heard:?}");
    }

    #[test]
    fn a_ping_is_eight_bytes_of_the_connection() {
        for (id, payload, code) in [
            (1, &b"12345678"[..], ErrorCode::PROTOCOL_ERROR),
            (0, b"123456", ErrorCode::FRAME_SIZE_ERROR),
            (0, b"123456789", ErrorCode::FRAME_SIZE_ERROR),
        ] {
            let mut peer = ScriptedPeer::server();
            peer.send(FrameType::PING, 0, id, payload);
            peer.expect_connection_error(code);
        }
    }
}

mod s6_8_goaway {
    use super::*;

    #[test]
    fn goaway_is_the_connections_and_has_eight_bytes() {
        for (id, payload, code) in [
            (1, &[0; 8][..], ErrorCode::PROTOCOL_ERROR),
            (0, &[0; 7], ErrorCode::FRAME_SIZE_ERROR),
        ] {
            let mut peer = ScriptedPeer::server();
            peer.send(FrameType::GOAWAY, 0, id, payload);
            peer.expect_connection_error(code);
        }
    }

    #[test]
    fn unknown_codes_are_as_good_as_any() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.rst_stream(1, ErrorCode(0xff));
        peer.send(FrameType::GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\xffbye");
        let heard = peer.hear();
        assert!(
            heard[2].0.contains("code: 0xff, debug: [98, 121, 101]"),
            "{heard:?}"
        );
        assert!(peer.connection.is_drained());
    }

    #[test]
    fn the_last_stream_never_rises() {
        let mut peer = ScriptedPeer::server();
        peer.send(FrameType::GOAWAY, 0, 0, &[0, 0, 0, 4, 0, 0, 0, 0]);
        peer.send(FrameType::GOAWAY, 0, 0, &[0, 0, 0, 2, 0, 0, 0, 0]);
        peer.hear();
        peer.send(FrameType::GOAWAY, 0, 0, &[0, 0, 0, 4, 0, 0, 0, 0]);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn a_clients_streams_that_the_server_never_saw_can_be_tried_again() {
        let mut peer = ScriptedPeer::of_client(Config::default());
        for _ in 0..3 {
            peer.ask("GET");
        }
        peer.send(FrameType::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
        let heard = peer.hear();
        assert_eq!(heard.len(), 3, "{heard:?}");
        assert!(
            heard[1].0.contains("id: 3") && heard[2].0.contains("id: 5"),
            "{heard:?}"
        );
        assert!(
            heard[1].0.contains("REFUSED_STREAM, by: GoAway"),
            "{heard:?}"
        );
        assert!(!peer.connection.is_drained());
        let fields: Fields = request("GET", "/").into_iter().collect();
        let opened = peer.connection.open(fields.iter(), true, peer.now);
        assert_eq!(opened, Err(crate::h2::Misuse::GoingAway));
        peer.headers(1, flag::END_STREAM, &[(":status", "204")]);
        peer.hear();
        assert!(peer.connection.is_drained());
    }

    #[test]
    fn a_server_leaves_in_two_steps() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.hear();
        peer.connection.shutdown(peer.now);
        let sent = peer.sent();
        assert_eq!(sent[0].payload[..4], [0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(sent[1].kind, FrameType::PING);
        // What was on its way is still taken.
        peer.get(3);
        assert_eq!(peer.hear().len(), 1);
        peer.send(FrameType::PING, flag::ACK, 0, &sent[1].payload);
        assert_eq!(peer.hear(), []);
        let sent = peer.sent();
        assert_eq!(
            (sent[0].kind, &sent[0].payload[..4]),
            (FrameType::GOAWAY, &[0, 0, 0, 3][..])
        );
        // What comes after is refused at once, and bodies are ignored.
        peer.post(5);
        peer.data(5, flag::END_STREAM, b"test");
        let heard = peer.hear();
        assert_eq!(heard.len(), 1);
        assert!(heard[0].0.contains("sent after GOAWAY"), "{heard:?}");
        let sent = peer.sent();
        assert_eq!((sent[0].kind, sent[0].id), (FrameType::RST_STREAM, 5));
        assert_eq!(sent[0].payload, ErrorCode::REFUSED_STREAM.0.to_be_bytes());
        peer.answer(1);
        assert!(!peer.connection.is_drained());
        peer.answer(3);
        assert!(peer.connection.is_drained());
    }

    #[test]
    fn the_second_step_does_not_wait_for_long() {
        let mut peer = ScriptedPeer::server();
        peer.connection.shutdown(peer.now);
        peer.sent();
        assert!(!peer.connection.is_drained());
        let deadline = peer.connection.next_deadline().unwrap();
        assert!(deadline - peer.now <= Duration::from_millis(1_125));
        peer.connection.handle_timeout(deadline).unwrap();
        assert_eq!(peer.sent()[0].payload[..4], [0, 0, 0, 0]);
        assert!(peer.connection.is_drained());
    }

    #[test]
    fn a_second_call_is_the_second_step() {
        let mut peer = ScriptedPeer::server();
        peer.connection.shutdown(peer.now);
        peer.connection.shutdown(peer.now);
        peer.connection.shutdown(peer.now);
        assert_eq!(peer.sent().len(), 3, "GOAWAY, PING, GOAWAY");
    }

    #[test]
    fn closing_says_why() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.hear();
        peer.connection.close(ErrorCode::NO_ERROR, Some(1), b"bye");
        assert_eq!(peer.sent()[0].payload, b"\0\0\0\x01\0\0\0\0bye");
        assert!(peer.connection.is_drained() && peer.connection.is_idle());
    }
}

mod s6_10_continuation {
    use super::*;

    #[test]
    fn nothing_is_continued_that_is_complete() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.send(FrameType::CONTINUATION, flag::END_HEADERS, 1, b"");
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        let mut peer = ScriptedPeer::server();
        let block = peer.block(&request("POST", "/"));
        peer.send(FrameType::HEADERS, 0, 1, &block);
        peer.send(FrameType::CONTINUATION, flag::END_HEADERS, 1, b"");
        peer.send(FrameType::CONTINUATION, flag::END_HEADERS, 1, b"");
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.data(1, 0, b"test");
        peer.send(FrameType::CONTINUATION, flag::END_HEADERS, 1, b"");
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn a_block_that_is_never_completed_ends_the_connection() {
        let mut peer = ScriptedPeer::server();
        peer.send(FrameType::HEADERS, 0, 1, b"\x82");
        peer.hear();
        let deadline = peer.connection.next_deadline().unwrap();
        peer.wait(Duration::from_secs(5));
        peer.send(FrameType::CONTINUATION, 0, 1, b"\x87");
        peer.hear();
        assert_eq!(
            peer.connection.next_deadline(),
            Some(deadline),
            "no frame extends it"
        );
        let error = peer.connection.handle_timeout(deadline).unwrap_err();
        assert_eq!(error.code, ErrorCode::ENHANCE_YOUR_CALM);
    }
}
