//! §5.1: stream states, identifiers, concurrency; §5.3: priority; §5.4: errors; §5.5: extensions.

use super::*;

mod s5_1_states {
    use super::*;

    #[test]
    fn on_an_idle_stream_nothing_comes_but_headers_and_priority() {
        for (kind, payload) in [
            (FrameType::DATA, &b"test"[..]),
            (FrameType::RST_STREAM, &[0, 0, 0, 8]),
            (FrameType::WINDOW_UPDATE, &[0, 0, 0, 100]),
            (FrameType::CONTINUATION, b""),
        ] {
            let mut peer = ScriptedPeer::server();
            peer.send(kind, 0, 1, payload);
            peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        }
        let mut peer = ScriptedPeer::server();
        peer.send(FrameType::PRIORITY, 0, 5, &[0, 0, 0, 0, 255]);
        peer.get(3);
        assert_eq!(peer.hear().len(), 1, "PRIORITY opens nothing");
    }

    #[test]
    fn on_a_half_closed_stream_data_and_headers_are_errors_of_the_stream() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.data(1, flag::END_STREAM, b"test");
        peer.expect_stream_error(1, ErrorCode::STREAM_CLOSED);
        peer.get(3);
        peer.headers(3, flag::END_STREAM, &[("a", "b")]);
        peer.expect_stream_error(3, ErrorCode::STREAM_CLOSED);
        peer.get(5);
        peer.window_update(5, 1);
        peer.send(FrameType::PRIORITY, 0, 5, &[0, 0, 0, 0, 255]);
        assert_eq!(peer.hear().len(), 2);
        peer.rst_stream(5, ErrorCode::CANCEL);
        let heard = peer.hear();
        assert!(heard[0].0.contains("by: Peer"), "{heard:?}");
    }

    #[test]
    fn behind_the_end_of_both_halves_data_is_an_error_of_the_stream_headers_of_the_connection() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.hear();
        peer.answer(1);
        peer.window_update(1, 100);
        peer.rst_stream(1, ErrorCode::NO_ERROR);
        peer.send(FrameType::PRIORITY, 0, 1, &[0, 0, 0, 0, 255]);
        assert_eq!(peer.hear(), []);
        peer.data(1, 0, b"test");
        peer.expect_stream_error(1, ErrorCode::STREAM_CLOSED);
        peer.headers(1, flag::END_STREAM, &[("a", "b")]);
        peer.expect_connection_error(ErrorCode::STREAM_CLOSED);
    }

    #[test]
    fn behind_its_own_reset_the_peer_sends_nothing() {
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.rst_stream(1, ErrorCode::CANCEL);
        peer.data(1, flag::END_STREAM, b"test");
        peer.expect_stream_error(1, ErrorCode::STREAM_CLOSED);
        peer.headers(1, flag::END_STREAM, &[("a", "b")]);
        peer.expect_stream_error(1, ErrorCode::STREAM_CLOSED);
    }

    #[test]
    fn behind_our_reset_everything_is_ignored() {
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.hear();
        let key = peer.key(1);
        peer.connection.reset(key, ErrorCode::CANCEL);
        peer.connection.reset(key, ErrorCode::CANCEL);
        assert_eq!(peer.sent().len(), 1);
        peer.data(1, 0, &[0; 1000]);
        peer.window_update(1, 1000);
        peer.headers(1, flag::END_STREAM, &[("a", "b")]);
        peer.rst_stream(1, ErrorCode::CANCEL);
        assert_eq!(peer.hear(), []);
        assert_eq!(peer.sent(), []);
    }

    #[test]
    fn a_stream_whose_response_is_complete_still_takes_its_request() {
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.hear();
        peer.answer(1);
        peer.data(1, 0, b"more");
        peer.data(1, flag::END_STREAM, b"");
        let heard = peer.hear();
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(peer.connection.is_idle());
    }
}

mod s5_1_1_identifiers {
    use super::*;

    #[test]
    fn a_client_opens_odd_streams() {
        for id in [0, 2] {
            let mut peer = ScriptedPeer::server();
            peer.get(id);
            peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
        }
    }

    #[test]
    fn identifiers_rise() {
        let mut peer = ScriptedPeer::server();
        peer.get(5);
        peer.get(3);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn a_stream_that_was_skipped_is_closed() {
        let mut peer = ScriptedPeer::server();
        peer.get(5);
        peer.rst_stream(3, ErrorCode::CANCEL);
        peer.window_update(3, 1);
        assert_eq!(peer.hear().len(), 1);
        peer.data(3, 0, b"test");
        peer.expect_stream_error(3, ErrorCode::STREAM_CLOSED);
        peer.data(3, 0, b"under way");
        assert_eq!((peer.hear(), peer.sent()), (vec![], vec![]));
    }

    #[test]
    fn a_server_leaves_before_the_identifiers_run_out() {
        let mut peer = ScriptedPeer::server();
        peer.get(0x7fff_ffff);
        assert_eq!(peer.hear().len(), 1);
        assert_eq!(peer.sent()[0].kind, FrameType::GOAWAY);
        peer.answer(0x7fff_ffff);
    }

    #[test]
    fn a_client_says_when_none_is_left() {
        let mut peer = ScriptedPeer::of_client(Config::default());
        peer.connection.requests_open(0x7fff_ffff - 2);
        peer.ask("GET");
        assert_eq!(peer.connection.next_stream_id(), None);
        let fields: Fields = request("GET", "/").into_iter().collect();
        let opened = peer.connection.open(fields.iter(), true, peer.now);
        assert_eq!(opened, Err(crate::h2::Misuse::StreamIdsExhausted));
    }
}

mod s5_1_2_concurrency {
    use super::*;

    fn limited(max_concurrent_streams: u32) -> Config {
        Config {
            max_concurrent_streams,
            ..Config::default()
        }
    }

    #[test]
    fn one_stream_too_many_is_refused() {
        let mut peer = ScriptedPeer::of_server(limited(2));
        peer.get(1);
        peer.get(3);
        peer.get(5);
        peer.expect_stream_error(5, ErrorCode::REFUSED_STREAM);
        peer.answer(1);
        peer.get(7);
        assert_eq!(peer.hear().len(), 1);
    }

    #[test]
    fn a_raised_limit_holds_once_it_is_acknowledged() {
        let mut peer = ScriptedPeer::of_server(limited(1));
        let mut settings = *peer.connection.local_settings();
        settings.max_concurrent_streams = 2;
        peer.connection.update_settings(settings, peer.now).unwrap();
        peer.get(1);
        peer.settings_ack();
        peer.get(3);
        assert_eq!(peer.hear().len(), 3);
        peer.get(5);
        peer.expect_stream_error(5, ErrorCode::REFUSED_STREAM);
    }

    #[test]
    fn a_client_does_not_open_more_than_its_server_takes() {
        let mut peer = ScriptedPeer::of_client(Config::default());
        peer.settings(&[(crate::h2::settings::id::MAX_CONCURRENT_STREAMS, 1)]);
        peer.hear();
        peer.ask("GET");
        let fields: Fields = request("GET", "/").into_iter().collect();
        let opened = peer.connection.open(fields.iter(), true, peer.now);
        assert_eq!(opened, Err(crate::h2::Misuse::TooManyStreams { limit: 1 }));
    }
}

mod s5_3_priority {
    use super::*;

    #[test]
    fn a_stream_that_depends_on_itself_is_an_error() {
        let mut peer = ScriptedPeer::server();
        let block = peer.block(&request("GET", "/"));
        let payload = [&[0, 0, 0, 1, 255][..], &block].concat();
        let flags = flag::END_HEADERS | flag::END_STREAM | flag::PRIORITY;
        peer.send(FrameType::HEADERS, flags, 1, &payload);
        peer.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
        peer.post(3);
        peer.send(FrameType::PRIORITY, 0, 3, &[0x80, 0, 0, 3, 255]);
        peer.expect_stream_error(3, ErrorCode::PROTOCOL_ERROR);
        peer.send(FrameType::PRIORITY, 0, 5, &[0, 0, 0, 5, 255]);
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn a_priority_of_a_wrong_length_is_an_error_of_the_stream() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.send(FrameType::PRIORITY, 0, 1, &[0, 0, 0, 0]);
        peer.expect_stream_error(1, ErrorCode::FRAME_SIZE_ERROR);
    }

    #[test]
    fn a_priority_in_headers_is_told_with_its_request() {
        let mut peer = ScriptedPeer::server();
        let block = peer.block(&request("GET", "/"));
        let payload = [&[0x80, 0, 0, 7, 255][..], &block].concat();
        let flags = flag::END_HEADERS | flag::END_STREAM | flag::PRIORITY;
        peer.send(FrameType::HEADERS, flags, 1, &payload);
        let heard = peer.hear();
        let told = "Some(Rfc7540Priority { dependency: 7, exclusive: true, weight: 256 })";
        assert!(heard.len() == 1 && heard[0].0.contains(told), "{heard:?}");
        peer.send(FrameType::HEADERS, flags, 3, &[0, 0, 0, 0]);
        peer.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
    }
}

mod s5_4_errors {
    use super::*;

    #[test]
    fn all_that_came_before_an_error_is_told() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.get(3);
        peer.send(FrameType::PING, 0, 0, b"short");
        peer.get(5);
        let (heard, error) = peer.take();
        assert_eq!(heard.len(), 2);
        assert_eq!(error.unwrap().code, ErrorCode::FRAME_SIZE_ERROR);
        let goaway = peer.sent().pop().unwrap();
        assert_eq!(goaway.payload[..4], [0, 0, 0, 3]);
        peer.get(7);
        assert_eq!(peer.hear(), [], "nothing more is taken");
        assert_eq!(peer.sent(), []);
    }

    #[test]
    fn no_reset_is_answered_with_a_reset() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        for _ in 0..3 {
            peer.rst_stream(1, ErrorCode(0xdead));
        }
        peer.hear();
        assert_eq!(peer.sent(), []);
    }
}

mod s5_5_extensions {
    use super::*;

    #[test]
    fn unknown_frames_are_ignored() {
        let mut peer = ScriptedPeer::server();
        peer.send(FrameType(0x0b), 0xff, 0, b"what is this?");
        peer.send(FrameType::ALTSVC, 0, 0, b"\x00\x00");
        peer.send(FrameType::ORIGIN, 0, 0, b"\x00\x00");
        peer.send(FrameType(0xff), 0, 77, b"");
        assert_eq!(peer.hear(), []);
    }

    #[test]
    fn unknown_frames_are_told_to_those_who_ask() {
        let config = Config {
            report_extensions: true,
            ..Config::default()
        };
        let mut peer = ScriptedPeer::of_server(config);
        peer.send(FrameType(0x0b), 0xff, 3, b"hm");
        peer.send(FrameType::PRIORITY, 0, 3, &[0x80, 0, 0, 1, 15]);
        let heard = peer.hear();
        assert!(heard[0].0.contains("UnknownFrame"), "{heard:?}");
        assert!(
            heard[1].0.contains("exclusive: true, weight: 16"),
            "{heard:?}"
        );
        let connection = &mut peer.connection;
        connection.send_frame(FrameType(0xb), 1, 3, b"own").unwrap();
        let refused = connection.send_frame(FrameType::DATA, 0, 3, b"");
        assert_eq!(refused, Err(crate::h2::Misuse::ReservedFrameType));
        let refused = connection.send_frame(FrameType(0xb), 0, 3, &[0; 16_385]);
        assert_eq!(
            refused,
            Err(crate::h2::Misuse::FrameTooLarge {
                len: 16_385,
                max: 16_384
            })
        );
        let refused = connection.send_frame(FrameType(0xb), 0, 1 << 31, b"");
        assert_eq!(refused, Err(crate::h2::Misuse::InvalidValue));
        assert_eq!(peer.sent()[0].payload, b"own");
    }
}
