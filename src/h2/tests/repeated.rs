//! Requests and responses that repeat the one before them, between others that change the table.

use super::*;
use proptest::prelude::*;

/// Requests of which each has the same block every time from the second on, where it fits the table.
const REQUESTS: [&[(&str, &str)]; 5] = [
    &[(":path", "/")],
    &[(":path", "/a")],
    &[(":path", "/"), ("priority", "u=1, i"), ("accept", "*/*")],
    &[
        (":path", "/b"),
        ("cookie", "name=a-long-value-of-a-cookie"),
        ("user-agent", "x"),
    ],
    &[(":path", "/"), ("content-length", "0")],
];

/// Something that a client or a server does.
#[derive(Clone, Debug)]
enum Deed {
    Request(usize),
    /// The peer's table gets another size.
    Resize(u32),
    /// The server gives memory back.
    Shrink,
    /// The server has trailers sent to it.
    Trailers(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        12 => (0..REQUESTS.len()).prop_map(Deed::Request),
        1 => prop_oneof![Just(0_u32), Just(64), Just(100), Just(4096)].prop_map(Deed::Resize),
        1 => Just(Deed::Shrink),
        1 => (0..2_usize).prop_map(Deed::Trailers),
    ]
}

fn fields_of(number: usize) -> Vec<(&'static str, &'static str)> {
    let common = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
    ];
    let mut fields = common.to_vec();
    fields.extend(REQUESTS[number]);
    fields
}

proptest! {
    #[test]
    fn each_request_is_heard_as_it_was_sent(
        deeds in proptest::collection::vec((deed(), 1..5_usize), 1..40)
    ) {
        let mut peer = ScriptedPeer::server();
        let mut id = 1;
        for (deed, times) in deeds {
            for _ in 0..times {
                match deed {
                    Deed::Request(number) => {
                        let fields = fields_of(number);
                        peer.headers(id, flag::END_STREAM, &fields);
                        let sent: Fields = fields.into_iter().collect();
                        let expected = Heard(format!("request {id} {sent:?} end=true"));
                        prop_assert_eq!(peer.hear(), [expected]);
                        peer.answer(id);
                        id += 2;
                    }
                    Deed::Resize(size) => peer.encoder.set_peer_max_table_size(size),
                    Deed::Shrink => peer.connection.shrink(),
                    Deed::Trailers(number) => {
                        peer.post(id);
                        let trailer = [("x-sum", ["1", "2"][number])];
                        peer.headers(id, flag::END_STREAM, &trailer);
                        prop_assert_eq!(peer.hear().len(), 2);
                        peer.answer(id);
                        id += 2;
                    }
                }
                peer.sent();
            }
        }
    }
}

/// The priority and the expectation of a request count each time.
#[test]
fn a_request_that_is_repeated_says_what_it_says() {
    let mut peer = ScriptedPeer::server();
    for id in [1, 3, 5, 7, 9] {
        let mut fields = request("HEAD", "/").to_vec();
        fields.push(("priority", "u=2, i"));
        peer.headers(id, flag::END_STREAM, &fields);
        peer.hear();
        let stream = peer.key(id);
        assert_eq!(
            peer.connection.priority(stream),
            Some(Priority::new(2, true))
        );
        // It is a request for a head: a length without content is right.
        let head: Fields = [(":status", "200"), ("content-length", "5")]
            .into_iter()
            .collect();
        peer.connection
            .send_headers(stream, head.iter(), true)
            .unwrap();
    }
}

#[test]
fn a_malformed_request_stays_malformed_however_often_it_comes() {
    let mut peer = ScriptedPeer::server();
    for id in [1, 3, 5, 7] {
        peer.headers(id, flag::END_STREAM, &[(":method", "GET"), (":path", "/")]);
        peer.expect_stream_error(id, ErrorCode::PROTOCOL_ERROR);
    }
}

/// Responses: heads of which some have a length that the content has to have, and what a client takes for one.
const RESPONSES: [&[(&str, &str)]; 5] = [
    &[(":status", "200")],
    &[(":status", "200"), ("content-length", "3")],
    &[(":status", "304"), ("content-length", "3"), ("etag", "x")],
    &[(":status", "404"), ("set-cookie", "a=b")],
    &[(":status", "103"), ("link", "x")],
];

/// The client's requests, which give a head its meaning.
const METHODS: [&str; 2] = ["GET", "HEAD"];

proptest! {
    #[test]
    fn each_response_is_heard_as_it_was_sent(
        deeds in proptest::collection::vec((0..RESPONSES.len(), 0..2_usize, 0..20_u8, 1..5_usize), 1..40)
    ) {
        let mut peer = ScriptedPeer::of_client(Config::default());
        let mut id = 1;
        for (number, method, chance, times) in deeds {
            match chance {
                0 => peer.encoder.set_peer_max_table_size(64),
                1 => peer.encoder.set_peer_max_table_size(4096),
                2 => peer.connection.shrink(),
                _ => {}
            }
            for _ in 0..times {
                peer.ask(METHODS[method]);
                let fields = RESPONSES[number];
                peer.headers(id, 0, fields);
                let sent: Fields = fields.iter().copied().collect();
                let heard = peer.hear();
                prop_assert_eq!(heard.len(), 1);
                prop_assert!(heard[0].0.contains(&format!("{sent:?}")), "{heard:?}");
                if number == 4 {
                    peer.headers(id, 0, RESPONSES[0]);
                    peer.hear();
                }
                // Three bytes are too many for a HEAD and a 304.
                let is_right = !(method == 1 || number == 2);
                peer.data(id, flag::END_STREAM, b"abc");
                if is_right {
                    prop_assert_eq!(peer.hear().len(), 1);
                } else {
                    peer.expect_stream_error(id, ErrorCode::PROTOCOL_ERROR);
                }
                peer.sent();
                id += 2;
            }
        }
    }
}

#[test]
fn trailers_with_the_block_of_a_response_are_malformed() {
    let mut peer = ScriptedPeer::of_client(Config::default());
    for id in [1, 3, 5, 7] {
        peer.ask("GET");
        peer.headers(id, 0, RESPONSES[0]);
        peer.hear();
        peer.headers(id, flag::END_STREAM, RESPONSES[0]);
        peer.expect_stream_error(id, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_malformed_response_stays_malformed_however_often_it_comes() {
    let mut peer = ScriptedPeer::of_client(Config::default());
    for id in [1, 3, 5, 7] {
        peer.ask("GET");
        peer.headers(id, flag::END_STREAM, &[(":status", "200"), (":path", "/")]);
        peer.expect_stream_error(id, ErrorCode::PROTOCOL_ERROR);
    }
}

#[test]
fn a_request_is_opened_again_as_it_would_be_opened() {
    use crate::h2::Misuse;
    use crate::h2::settings::id::{HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS};
    let mut peer = ScriptedPeer::of_client(Config::default());
    let again = |peer: &mut ScriptedPeer| peer.connection.open_again(b"HEAD", true, peer.now);
    assert_eq!(again(&mut peer), Ok(None), "there was none before");
    for _ in 0..3 {
        peer.ask("HEAD");
    }
    let stream = again(&mut peer).unwrap().unwrap();
    assert_eq!(stream.id(), 7);
    let sent = peer.sent();
    let (ids, flags): (Vec<_>, Vec<_>) = sent.iter().map(|it| (it.id, it.flags)).unzip();
    assert_eq!((&ids[..], flags[3]), (&[1, 3, 5, 7][..], flags[2]));
    let sections: Vec<_> = sent.iter().map(|frame| peer.fields(frame)).collect();
    assert!(sections.iter().all(|fields| *fields == sections[0]));
    // It is a request for a head: a length without content is right.
    let head = [(":status", "200"), ("content-length", "5")];
    peer.headers(7, flag::END_STREAM, &head);
    assert_eq!(peer.hear().len(), 1);
    peer.settings(&[(HEADER_TABLE_SIZE, 100)]);
    peer.hear();
    assert_eq!(again(&mut peer), Ok(None));
    peer.settings(&[(MAX_CONCURRENT_STREAMS, 3)]);
    peer.hear();
    let limit = 3;
    assert_eq!(again(&mut peer), Err(Misuse::TooManyStreams { limit }));
    let mut server = ScriptedPeer::server();
    assert_eq!(again(&mut server), Err(Misuse::WrongRole));
}
