//! §8: requests and responses.

use super::*;

type MessageFields<'a> = &'a [(&'a str, &'a str)];

/// The usual request with some fields behind.
fn with<'a>(fields: MessageFields<'a>) -> Vec<(&'a str, &'a str)> {
    [request("POST", "/").as_slice(), fields].concat()
}

#[track_caller]
fn malformed(fields: MessageFields) {
    let mut peer = ScriptedPeer::server();
    peer.headers(1, flag::END_STREAM, fields);
    peer.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
    assert!(peer.connection.is_idle());
    // It was never told of, and the connection goes on.
    peer.get(3);
    let heard = peer.hear();
    assert_eq!(heard.len(), 1, "{heard:?}");
}

#[track_caller]
fn well_formed(fields: MessageFields) {
    let mut peer = ScriptedPeer::server();
    peer.headers(1, flag::END_STREAM, fields);
    assert_eq!(peer.hear().len(), 1);
    assert_eq!(peer.sent(), []);
}

mod s8_1_framing {
    use super::*;

    #[test]
    fn trailers_end_their_stream() {
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.headers(1, 0, &[("x-checksum", "1")]);
        peer.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
        peer.post(3);
        peer.data(3, 0, b"test");
        peer.headers(3, flag::END_STREAM, &[("x-checksum", "1")]);
        let heard = peer.hear();
        assert!(heard[2].0.contains("Trailers"), "{heard:?}");
        peer.answer(3);
        assert!(peer.connection.is_idle());
    }

    /// RFC 9110 §6.5.1
    #[test]
    fn trailers_that_frame_or_route_are_dropped() {
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        let trailers = [
            ("host", "b"),
            ("content-length", "5"),
            ("x-checksum", "1"),
            ("expect", "100-continue"),
            ("te", "trailers"),
        ];
        peer.headers(1, flag::END_STREAM, &trailers);
        let (mut input, mut fields) = (&peer.pending.clone()[..], Fields::new());
        let request = peer.connection.receive(&mut input, &mut fields, peer.now);
        assert!(matches!(request, Ok(Some(Event::Request { .. }))));
        let event = peer.connection.receive(&mut input, &mut fields, peer.now);
        let Ok(Some(Event::Trailers { fields, .. })) = event else {
            panic!("{event:?}");
        };
        let names: Vec<&[u8]> = fields.iter().map(|field| field.name).collect();
        assert_eq!(names, [b"x-checksum"]);
    }

    #[test]
    fn trailers_have_no_pseudo_header_fields() {
        for trailers in [
            (":method", "POST"),
            ("Upper", "x"),
            ("connection", "close"),
            ("", ""),
        ] {
            let mut peer = ScriptedPeer::server();
            peer.post(1);
            peer.headers(1, flag::END_STREAM, &[trailers]);
            peer.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
        }
    }

    #[test]
    fn content_is_as_long_as_its_content_length() {
        let five = with(&[("content-length", "5")]);
        for data in [&b""[..], b"four", b"sixsix"] {
            let mut peer = ScriptedPeer::server();
            peer.headers(1, 0, &five);
            peer.data(1, 0, data);
            peer.data(1, flag::END_STREAM, b"");
            peer.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
            let window = peer.connection.connection_receive_window();
            assert_eq!(window as usize, (1 << 20) - data.len(), "the rest is owed");
        }
        let mut peer = ScriptedPeer::server();
        peer.headers(1, 0, &five);
        peer.data(1, 0, b"tw");
        peer.data(1, flag::END_STREAM | flag::PADDED, b"\x02two\0\0");
        assert_eq!(peer.hear().len(), 3);
        let mut peer = ScriptedPeer::server();
        peer.headers(1, 0, &five);
        peer.headers(1, flag::END_STREAM, &[("x-checksum", "1")]);
        peer.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
        malformed(&five);
        well_formed(&with(&[("content-length", "0")]));
    }

    #[test]
    fn a_content_length_is_one_number() {
        for value in ["+5", "-1", "5,5", "0x5", "", "5 5", "18446744073709551616"] {
            let mut peer = ScriptedPeer::server();
            peer.headers(1, 0, &with(&[("content-length", value)]));
            peer.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
        }
        malformed(&with(&[("content-length", "0"), ("content-length", "0")]));
    }
}

mod s8_1_discarding {
    use super::*;

    #[test]
    fn content_that_nobody_reads_is_checked_and_not_told() {
        let mut peer = ScriptedPeer::server();
        peer.headers(1, 0, &with(&[("content-length", "2004")]));
        peer.data(1, 0, &[7; 1000]);
        peer.hear();
        peer.answer(1);
        let key = peer.key(1);
        peer.connection.discard(key);
        peer.data(1, 0, &[7; 1000]);
        peer.data(1, flag::END_STREAM, b"test");
        assert_eq!(peer.hear(), []);
        assert!(peer.connection.is_idle());
        peer.headers(3, 0, &with(&[("content-length", "3")]));
        peer.hear();
        peer.answer(3);
        let key = peer.key(3);
        peer.connection.discard(key);
        peer.data(3, flag::END_STREAM, b"test");
        peer.expect_stream_error(3, ErrorCode::PROTOCOL_ERROR);
    }

    #[test]
    fn more_of_it_than_is_reasonable_is_cut_off_without_an_error() {
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.hear();
        peer.answer(1);
        peer.sent();
        let key = peer.key(1);
        peer.connection.discard(key);
        for _ in 0..5 {
            peer.data(1, 0, &[7; 16_384]);
        }
        assert_eq!(peer.hear(), []);
        let sent = peer.sent();
        assert_eq!(
            (sent[0].kind, &sent[0].payload[..]),
            (FrameType::RST_STREAM, &[0; 4][..])
        );
        assert!(peer.connection.is_idle());
        // And so is what does not come.
        peer.post(3);
        peer.hear();
        peer.answer(3);
        let key = peer.key(3);
        peer.connection.discard(key);
        for _ in 0..32 {
            peer.wait(Duration::from_secs(1));
            peer.connection.handle_timeout(peer.now).unwrap();
        }
        assert_eq!(peer.hear(), []);
        assert_eq!(peer.sent().pop().unwrap().payload, [0; 4]);
    }

    #[test]
    fn trailers_that_nobody_reads_are_the_end() {
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.hear();
        peer.answer(1);
        let key = peer.key(1);
        peer.connection.discard(key);
        peer.headers(1, flag::END_STREAM, &[("x-checksum", "1")]);
        assert_eq!(peer.hear(), []);
        assert!(peer.connection.is_idle());
    }
}

mod s8_2_fields {
    use super::*;

    #[test]
    fn names_are_lowercase_tokens() {
        for name in [
            "X-Upper", "", "a b", "a:b", "a\u{7f}", "ä", "a\0", "a\n", "a/b", "a\"b",
        ] {
            malformed(&with(&[(name, "x")]));
        }
        well_formed(&with(&[("!#$%&'*+-.^_`|~09az", "x")]));
    }

    #[test]
    fn values_split_nothing_and_begin_and_end_visibly() {
        for value in ["a\0b", "a\rb", "a\nb", " a", "a ", "\ta", "a\t"] {
            malformed(&with(&[("x", value)]));
        }
        well_formed(&with(&[("x", ""), ("y", "a b\tc"), ("z", "ü")]));
        malformed(&[
            (":method", "GET\n"),
            (":scheme", "https"),
            (":path", "/"),
            (":authority", "a"),
        ]);
    }

    #[test]
    fn nothing_is_about_an_http_1_connection() {
        for name in [
            "connection",
            "proxy-connection",
            "keep-alive",
            "transfer-encoding",
            "upgrade",
        ] {
            malformed(&with(&[(name, "x")]));
        }
        malformed(&with(&[("te", "trailers, deflate;q=0.5")]));
        malformed(&with(&[("te", "gzip")]));
        well_formed(&with(&[("te", "trailers")]));
    }

    #[test]
    fn cookie_crumbs_are_joined_for_those_who_ask() {
        let crumbs = with(&[
            ("cookie", "a=1"),
            ("x", "y"),
            ("cookie", "b=2"),
            ("cookie", "c=3"),
        ]);
        for join_cookies in [false, true] {
            let config = Config {
                join_cookies,
                ..Config::default()
            };
            let mut peer = ScriptedPeer::of_server(config);
            peer.headers(1, 0, &crumbs);
            let heard = peer.hear();
            let joined = "cookie: a=1; b=2; c=3, x: y]";
            assert_eq!(heard[0].0.contains(joined), join_cookies, "{heard:?}");
        }
    }

    #[test]
    fn validation_can_be_switched_off() {
        let config = Config {
            validate_inbound: false,
            ..Config::default()
        };
        let mut peer = ScriptedPeer::of_server(config);
        peer.headers(1, flag::END_STREAM, &[("X", " y "), (":method", "GET")]);
        assert_eq!(peer.hear().len(), 1);
    }
}

mod s8_3_control_data {
    use super::*;

    const METHOD: (&str, &str) = (":method", "GET");
    const SCHEME: (&str, &str) = (":scheme", "https");
    const PATH: (&str, &str) = (":path", "/");
    const AUTHORITY: (&str, &str) = (":authority", "a:1");

    #[test]
    fn every_request_has_its_pseudo_header_fields_once() {
        let all = [METHOD, SCHEME, PATH, AUTHORITY];
        well_formed(&all);
        for missing in 0..3 {
            let mut fields = all.to_vec();
            fields.remove(missing);
            malformed(&fields);
        }
        // Whether it is needed depends on the scheme.
        well_formed(&[METHOD, SCHEME, PATH]);
        for doubled in 0..4 {
            let mut fields = all.to_vec();
            fields.push(all[doubled]);
            malformed(&fields);
        }
    }

    #[test]
    fn pseudo_header_fields_are_known_and_in_front() {
        let all = [METHOD, SCHEME, PATH, AUTHORITY];
        for extra in [
            (":test", "x"),
            (":status", "200"),
            (":Path", "/"),
            (":", "x"),
        ] {
            malformed(&[&all[..], &[extra]].concat());
        }
        malformed(&[METHOD, SCHEME, AUTHORITY, ("x", "y"), PATH]);
    }

    #[test]
    fn a_path_begins_with_a_slash() {
        for path in ["", "a", "*", "http://a/", "/a b", "/a\u{7f}", "//\t"] {
            malformed(&[METHOD, SCHEME, AUTHORITY, (":path", path)]);
        }
        well_formed(&[(":method", "OPTIONS"), SCHEME, AUTHORITY, (":path", "*")]);
        well_formed(&[METHOD, SCHEME, AUTHORITY, (":path", "/ü?q#")]);
    }

    #[test]
    fn methods_and_schemes_are_what_they_are() {
        for method in ["", "GE T", "GET\u{7f}", "G@T"] {
            malformed(&[(":method", method), SCHEME, AUTHORITY, PATH]);
        }
        for scheme in ["", "1http", "ht tp", "http:"] {
            malformed(&[METHOD, (":scheme", scheme), AUTHORITY, PATH]);
        }
        well_formed(&[(":method", "brew"), (":scheme", "h+t.t-p"), AUTHORITY, PATH]);
    }

    #[test]
    fn an_authority_is_a_host_and_the_same_as_host() {
        for authority in [
            "",
            "user@host",
            "a/b",
            "a b",
            "a?",
            "a#",
            "a\\b",
            "a:b",
            "a:1:2",
            "a:65536",
            "a%62",
            "::1",
            "[::1",
            "\u{e9}",
            ":80",
        ] {
            malformed(&[METHOD, SCHEME, PATH, (":authority", authority)]);
            malformed(&[METHOD, SCHEME, PATH, ("host", authority)]);
        }
        well_formed(&[METHOD, SCHEME, PATH, ("host", "[::1]:8443")]);
        well_formed(&[METHOD, SCHEME, PATH, AUTHORITY, ("host", "A:1")]);
        malformed(&[METHOD, SCHEME, PATH, AUTHORITY, ("host", "b:1")]);
        malformed(&[METHOD, SCHEME, PATH, ("host", "a"), ("host", "a")]);
    }
}

mod s8_5_connect {
    use super::*;

    #[test]
    fn connect_has_an_authority_and_nothing_else() {
        well_formed(&[(":method", "CONNECT"), (":authority", "a:443")]);
        malformed(&[(":method", "CONNECT")]);
        malformed(&[
            (":method", "CONNECT"),
            (":authority", "a:1"),
            (":path", "/"),
        ]);
        malformed(&[
            (":method", "CONNECT"),
            (":authority", "a:1"),
            (":scheme", "https"),
        ]);
    }

    #[test]
    fn extended_connect_needs_its_setting() {
        let fields = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":path", "/chat"),
            (":authority", "a"),
        ];
        malformed(&fields);
        let config = Config {
            extended_connect: true,
            ..Config::default()
        };
        let mut peer = ScriptedPeer::of_server(config);
        assert!(peer.connection.local_settings().enable_connect_protocol);
        peer.headers(1, 0, &fields);
        let heard = peer.hear();
        assert!(heard[0].0.contains(":protocol: websocket"), "{heard:?}");
        // Bytes flow both ways, whatever a content-length says.
        peer.data(1, 0, b"frame");
        assert_eq!(peer.hear().len(), 1);
        // RFC 8441 §4: scheme and path are needed, and no other method has a protocol.
        peer.headers(3, 0, &fields[..2]);
        peer.expect_stream_error(3, ErrorCode::PROTOCOL_ERROR);
        peer.headers(
            5,
            0,
            &with(&[])
                .iter()
                .copied()
                .chain([fields[1]])
                .collect::<Vec<_>>(),
        );
        peer.expect_stream_error(5, ErrorCode::PROTOCOL_ERROR);
    }
}

mod errors_are_told {
    use super::*;

    #[test]
    fn a_malformed_request_with_its_fields_and_the_reason() {
        let mut peer = ScriptedPeer::server();
        peer.headers(1, flag::END_STREAM, &[(":method", "GET"), ("x-y", "z")]);
        let heard = peer.hear();
        assert_eq!(heard.len(), 1);
        let told = &heard[0].0;
        assert!(told.starts_with("RequestRejected { stream_id: 1"), "{told}");
        assert!(told.contains("x-y: z") && told.contains("PROTOCOL_ERROR"));
        assert!(told.contains("no :scheme"), "{told}");
    }

    #[test]
    fn a_request_that_depends_on_itself() {
        let mut peer = ScriptedPeer::server();
        let block = peer.block(&request("GET", "/"));
        let payload = [&[0, 0, 0, 1, 15][..], &block].concat();
        let flags = flag::END_STREAM | flag::END_HEADERS | flag::PRIORITY;
        peer.send(FrameType::HEADERS, flags, 1, &payload);
        let heard = peer.hear();
        assert!(heard[0].0.contains("RequestRejected"), "{heard:?}");
        assert!(heard[0].0.contains("depends on itself"), "{heard:?}");
    }

    #[test]
    fn a_frame_on_a_stream_that_is_over() {
        let mut peer = ScriptedPeer::server();
        peer.get(1);
        peer.hear();
        peer.answer(1);
        peer.window_update(1, 0);
        peer.data(1, 0, b"late");
        let heard = peer.hear();
        assert_eq!(heard.len(), 2);
        for (heard, code) in heard.iter().zip(["PROTOCOL_ERROR", "STREAM_CLOSED"]) {
            assert!(heard.0.starts_with("StreamError { stream_id: 1"));
            assert!(heard.0.contains(code), "{heard:?}");
        }
    }
}
