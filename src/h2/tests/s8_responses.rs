//! §8.1, §8.3.2: responses, as a client takes them and a server sends them.

use super::*;

#[test]
fn a_response_is_preceded_by_any_number_of_informational_ones() {
    let mut peer = ScriptedPeer::of_client(Config::default());
    peer.ask("GET");
    for status in ["100", "103", "103"] {
        peer.headers(1, 0, &[(":status", status)]);
    }
    peer.headers(1, 0, &[(":status", "200"), ("content-length", "4")]);
    peer.data(1, 0, b"test");
    peer.headers(1, flag::END_STREAM, &[("x-checksum", "1")]);
    let heard = peer.hear();
    let kinds: Vec<_> = heard
        .iter()
        .map(|heard| heard.0.split(' ').next().unwrap())
        .collect();
    let expected = [
        "Informational",
        "Informational",
        "Informational",
        "Response",
        "Data",
        "Trailers",
    ];
    assert_eq!(kinds, expected);
    assert!(peer.connection.is_idle());
}

#[track_caller]
fn malformed(method: &str, flags: u8, fields: &[(&str, &str)]) {
    let mut peer = ScriptedPeer::of_client(Config::default());
    peer.ask(method);
    peer.headers(1, flags, fields);
    peer.data(1, flag::END_STREAM, b"");
    peer.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_response_has_a_status_and_no_other_pseudo_header_field() {
    malformed("GET", 0, &[("x", "y")]);
    malformed("GET", 0, &[(":status", "20")]);
    malformed("GET", 0, &[(":status", "2000")]);
    malformed("GET", 0, &[(":status", "099")]);
    malformed("GET", 0, &[(":status", "200"), (":status", "200")]);
    malformed("GET", 0, &[(":status", "200"), (":path", "/")]);
    malformed("GET", 0, &[("x", "y"), (":status", "200")]);
}

#[test]
fn no_protocol_is_switched_and_nothing_informational_is_the_end() {
    malformed("GET", 0, &[(":status", "101")]);
    malformed("GET", flag::END_STREAM, &[(":status", "103")]);
}

#[test]
fn data_comes_behind_a_final_head() {
    let mut peer = ScriptedPeer::of_client(Config::default());
    peer.ask("GET");
    peer.headers(1, 0, &[(":status", "103")]);
    peer.data(1, 0, b"test");
    peer.expect_stream_error(1, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_content_length_is_checked_where_there_is_content() {
    malformed("GET", 0, &[(":status", "200"), ("content-length", "4")]);
    malformed(
        "GET",
        flag::END_STREAM,
        &[(":status", "200"), ("content-length", "4")],
    );
    for (method, status) in [("HEAD", "200"), ("GET", "304"), ("GET", "204")] {
        let mut peer = ScriptedPeer::of_client(Config::default());
        peer.ask(method);
        let fields = [(":status", status), ("content-length", "4")];
        peer.headers(1, flag::END_STREAM, &fields);
        assert_eq!(peer.hear().len(), 1);
        peer.ask(method);
        peer.headers(3, 0, &fields);
        peer.data(3, 0, b"test");
        peer.expect_stream_error(3, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_server_sends_heads_in_order() {
    use crate::h2::Misuse;
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.hear();
    let key = peer.key(1);
    let mut send = |fields: &[(&str, &str)], end_stream| {
        let fields: Fields = fields.iter().copied().collect();
        peer.connection.send_headers(key, fields.iter(), end_stream)
    };
    assert_eq!(send(&[(":status", "103")], true), Err(Misuse::OutOfOrder));
    assert_eq!(send(&[("x", "trailers")], true), Err(Misuse::OutOfOrder));
    assert_eq!(send(&[(":status", "103")], false), Ok(()));
    assert_eq!(send(&[(":status", "103")], false), Ok(()));
    assert_eq!(send(&[(":status", "200")], false), Ok(()));
    assert_eq!(send(&[(":status", "103")], false), Err(Misuse::OutOfOrder));
    assert_eq!(send(&[(":status", "200")], false), Err(Misuse::OutOfOrder));
    assert_eq!(send(&[("x", "trailers")], false), Err(Misuse::OutOfOrder));
    assert_eq!(send(&[("x", "trailers")], true), Ok(()));
    assert_eq!(send(&[("x", "trailers")], true), Err(Misuse::StreamClosed));
    assert_eq!(peer.sent().len(), 4);
}

#[test]
fn a_field_section_beyond_the_peers_frame_is_continued() {
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.hear();
    let key = peer.key(1);
    let long = "\u{1}".repeat(40_000);
    let fields: Fields = [(":status", "200"), ("x", long.as_str())]
        .into_iter()
        .collect();
    peer.connection
        .send_headers(key, fields.iter(), true)
        .unwrap();
    let sent = peer.sent();
    let kinds: Vec<_> = sent.iter().map(|frame| (frame.kind, frame.flags)).collect();
    let expected = [
        (FrameType::HEADERS, flag::END_STREAM),
        (FrameType::CONTINUATION, 0),
        (FrameType::CONTINUATION, flag::END_HEADERS),
    ];
    assert_eq!(kinds, expected);
    let mut whole = sent[0].clone();
    whole.payload = sent
        .iter()
        .flat_map(|frame| frame.payload.clone())
        .collect();
    assert_eq!(peer.fields(&whole), fields);
}

/// A server with these requests, which has sent 200 and `x: y` twice.
fn server_that_answered(ids: &[u32]) -> ScriptedPeer {
    let mut peer = ScriptedPeer::server();
    ids.iter().for_each(|id| peer.get(*id));
    peer.hear();
    for id in [1, 3] {
        let key = peer.key(id);
        let head: Fields = [(":status", "200"), ("x", "y")].into_iter().collect();
        peer.connection
            .send_headers(key, head.iter(), true)
            .unwrap();
    }
    peer
}

#[test]
fn a_head_is_repeated_as_it_would_be_sent_again() {
    use crate::h2::Misuse;
    let mut peer = server_that_answered(&[1, 3, 5, 7]);
    for (id, end_stream) in [(5, true), (7, false)] {
        let key = peer.key(id);
        assert_eq!(peer.connection.repeat_headers(key, end_stream), Ok(true));
        let again = peer.connection.repeat_headers(key, end_stream);
        let expected = if end_stream {
            Misuse::StreamClosed
        } else {
            Misuse::OutOfOrder
        };
        assert_eq!(again, Err(expected));
    }
    let sent = peer.sent();
    let flags: Vec<_> = sent.iter().map(|frame| frame.flags).collect();
    let whole = flag::END_HEADERS | flag::END_STREAM;
    assert_eq!(flags, [whole, whole, whole, flag::END_HEADERS]);
    let sections: Vec<_> = sent.iter().map(|frame| peer.fields(frame)).collect();
    assert!(sections.iter().all(|fields| *fields == sections[0]));
}

#[test]
fn a_redirect_is_repeated_until_something_else_is_sent() {
    type Between = fn(&mut ScriptedPeer);
    let redirect = [
        (":status", "301"),
        ("x", "y"),
        ("location", "/elsewhere/and/further"),
    ];
    let between: [(Between, bool); 5] = [
        (|_| {}, true),
        (
            |peer| peer.settings(&[(crate::h2::settings::id::HEADER_TABLE_SIZE, 100)]),
            false,
        ),
        (|peer| send(peer, 7, &[(":status", "103")], false), false),
        (
            |peer| {
                send(peer, 7, &[(":status", "200")], false);
                // The trailers are of entries and of a literal that never becomes one.
                send(peer, 7, &[("x", "y"), ("location", "/a")], true);
            },
            false,
        ),
        (
            |peer| send(peer, 7, &[(":status", "200"), ("z", "z")], true),
            false,
        ),
    ];
    for (act, repeats) in between {
        let mut peer = server_that_answered(&[1, 3, 5, 7, 9, 11]);
        // The first one makes an entry of the status.
        send(&mut peer, 5, &redirect, true);
        send(&mut peer, 9, &redirect, true);
        act(&mut peer);
        peer.hear();
        let key = peer.key(11);
        assert_eq!(peer.connection.repeat_headers(key, true), Ok(repeats));
        if !repeats {
            send(&mut peer, 11, &redirect, true);
        }
        let mut frames = peer.sent();
        frames.retain(|frame| frame.kind == FrameType::HEADERS);
        let sections: Vec<_> = frames.iter().map(|frame| peer.fields(frame)).collect();
        let expected: Fields = redirect.into_iter().collect();
        assert_eq!(sections.last(), Some(&expected));
    }
}

#[test]
fn nothing_but_the_head_of_a_response_is_repeated() {
    type Between = fn(&mut ScriptedPeer);
    let between: [Between; 4] = [
        // The table changes.
        |peer| peer.settings(&[(crate::h2::settings::id::HEADER_TABLE_SIZE, 0)]),
        // Another head is the last, which is none that the table has.
        |peer| send(peer, 5, &[(":status", "200"), ("z", "z")], false),
        // An informational one is.
        |peer| (0..3).for_each(|_| send(peer, 5, &[(":status", "103")], false)),
        // Trailers are.
        |peer| {
            send(peer, 5, &[(":status", "200")], false);
            send(peer, 5, &[("x", "y")], true);
        },
    ];
    for act in between {
        let mut peer = server_that_answered(&[1, 3, 5, 7]);
        act(&mut peer);
        peer.hear();
        peer.sent();
        let key = peer.key(7);
        assert_eq!(peer.connection.repeat_headers(key, true), Ok(false));
        assert!(peer.sent().is_empty());
        assert!(peer.connection.stream(7).is_some());
    }
}

fn send(peer: &mut ScriptedPeer, id: u32, fields: &[(&str, &str)], end_stream: bool) {
    let key = peer.key(id);
    let fields: Fields = fields.iter().copied().collect();
    peer.connection
        .send_headers(key, fields.iter(), end_stream)
        .unwrap();
}

#[test]
fn a_server_says_100_before_the_content() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.hear();
    let key = peer.connection.stream(1).unwrap();
    for status in [99, 101, 200] {
        let sent = peer.connection.send_informational(key, status, []);
        assert_eq!(sent, Err(crate::h2::Misuse::InvalidValue), "{status}");
    }
    peer.connection.send_informational(key, 100, []).unwrap();
    let link = [crate::http::Field::new(b"link", b"</a>; rel=preload")];
    peer.connection.send_informational(key, 103, link).unwrap();
    let sent = peer.sent();
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|sent| sent.kind == FrameType::HEADERS
        && sent.flags == flag::END_HEADERS
        && sent.id == 1));
    // A client hears them.
    let mut client = ScriptedPeer::of_client(Config::default());
    client.ask("POST");
    for sent in &sent {
        client.send(sent.kind, sent.flags, sent.id, &sent.payload);
    }
    let heard = client.hear();
    assert!(heard[0].0.contains("Informational") && heard[0].0.contains(":status: 100"));
    assert!(heard[1].0.contains(":status: 103") && heard[1].0.contains("link"));
    // And a final head is the end of them.
    peer.data(1, flag::END_STREAM, b"content");
    peer.hear();
    peer.answer(1);
    assert!(peer.connection.send_informational(key, 100, []).is_err());
}

#[test]
fn what_a_request_expects_is_told() {
    let mut peer = ScriptedPeer::server();
    for (id, value, told) in [(1, "100-Continue", "Continue"), (3, "x", "Unknown")] {
        let fields = [request("POST", "/").as_slice(), &[("expect", value)]].concat();
        peer.headers(id, 0, &fields);
        let heard = peer.hear();
        assert!(
            heard[0].0.contains(&format!("expected: {told}")),
            "{heard:?}"
        );
    }
}
