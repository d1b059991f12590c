//! Requests that repeat the one before them, and are answered at once: nobody can tell it from the usual way.

use super::*;
use crate::h2::Direction;
use crate::h2::settings::id;
use crate::http::Field;
use proptest::prelude::*;
use std::sync::Mutex;

/// A path, other fields, and the length of the content that they are answered with.
type AnsweredPath = (&'static str, &'static [(&'static str, &'static str)], usize);

const ANSWERS: [AnsweredPath; 5] = [
    ("/none", &[], 0),
    ("/short", &[], 40),
    ("/long", &[], 20_000),
    ("/urgent", &[("priority", "u=1, i")], 50),
    ("/late", &[("priority", "u=5")], 60),
];

/// Something that a client sends.
#[derive(Clone, Debug)]
enum ClientDeed {
    Requests(usize, usize),
    Reset,
    WindowUpdate(u32),
    InitialWindow(u32),
    EarlyPriority,
    Ping,
    GoAway,
    /// The server takes what was sent so far.
    Pause,
}

fn deed() -> impl Strategy<Value = ClientDeed> {
    let windows = prop_oneof![Just(0_u32), Just(30), Just(45), Just(65_535)];
    prop_oneof![
        12 => (0..ANSWERS.len(), 1..6_usize).prop_map(|(answer, times)| ClientDeed::Requests(answer, times)),
        2 => Just(ClientDeed::Reset),
        2 => (1..50_000_u32).prop_map(ClientDeed::WindowUpdate),
        2 => windows.prop_map(ClientDeed::InitialWindow),
        1 => Just(ClientDeed::EarlyPriority),
        1 => Just(ClientDeed::Ping),
        1 => Just(ClientDeed::GoAway),
        6 => Just(ClientDeed::Pause),
    ]
}

/// Takes what was sent, and answers it, requests that repeat another at once if that is wanted. Gives their number.
fn serve(peer: &mut ScriptedPeer, at_once: bool) -> usize {
    let pending = std::mem::take(&mut peer.pending);
    let (mut input, mut fields, mut count) = (&pending[..], Fields::new(), 0);
    let core = &mut peer.connection;
    while let Some(event) = core.receive(&mut input, &mut fields, peer.now).unwrap() {
        let Event::Request { stream, fields, .. } = event else {
            continue;
        };
        let path = fields.path().unwrap();
        let mut answers = ANSWERS.iter();
        let answer = answers.find(|(other, ..)| other.as_bytes() == path);
        let len = answer.unwrap().2;
        let digits = len.to_string();
        let head = [
            Field::new(b":status", b"200"),
            Field::new(b"content-length", digits.as_bytes()),
        ];
        core.send_headers(stream, head, len == 0).unwrap();
        if len > 0 {
            match core.grant_whole(stream, len as u32) {
                Some(grant) => {
                    let out = core.begin_data(&grant);
                    out.resize(out.len() + len, b'x');
                    core.commit(grant, true);
                }
                None => core.set_ready(stream, Some(len as u64)),
            }
        }
        while at_once && core.answer_repeated(&mut input, &vec![b'x'; len]) {
            count += 1;
        }
    }
    peer.pending = input.to_vec();
    peer.drain();
    count
}

proptest! {
    #[test]
    fn nothing_differs_from_the_usual_way(deeds in proptest::collection::vec(deed(), 1..60)) {
        let mut usual = ScriptedPeer::server();
        let mut quick = ScriptedPeer::server();
        let mut next = 1;
        for deed in deeds.into_iter().chain([ClientDeed::Pause]) {
            match deed {
                ClientDeed::Requests(answer, times) => {
                    let (path, more, _) = ANSWERS[answer];
                    let fields = [&request("GET", path), more].concat();
                    for _ in 0..times {
                        usual.headers(next, flag::END_STREAM, &fields);
                        next += 2;
                    }
                }
                ClientDeed::Reset if next > 1 => usual.rst_stream(next - 2, ErrorCode::CANCEL),
                ClientDeed::WindowUpdate(len) => {
                    usual.window_update(0, len);
                    if next > 1 {
                        usual.window_update(next - 2, len);
                    }
                }
                ClientDeed::InitialWindow(len) => usual.settings(&[(id::INITIAL_WINDOW_SIZE, len)]),
                ClientDeed::EarlyPriority => usual.priority_update(next, "u=6"),
                ClientDeed::Ping => usual.send(FrameType::PING, 0, 0, b"01234567"),
                ClientDeed::GoAway => usual.send(FrameType::GOAWAY, 0, 0, &[0; 8]),
                ClientDeed::Pause => {
                    quick.pending.clone_from(&usual.pending);
                    serve(&mut quick, true);
                    serve(&mut usual, false);
                    prop_assert_eq!(&quick.pending, &usual.pending);
                    prop_assert_eq!(quick.sent(), usual.sent());
                    prop_assert_eq!(quick.connection.snapshot(), usual.connection.snapshot());
                }
                ClientDeed::Reset => {}
            }
        }
    }
}

/// A server that has answered requests for `/short` twice, and gets four more of them.
fn repeating() -> ScriptedPeer {
    let mut peer = ScriptedPeer::server();
    for id in [1, 3, 5] {
        ask_short(&mut peer, id);
        serve(&mut peer, false);
    }
    peer.sent();
    for id in [7, 9, 11, 13] {
        ask_short(&mut peer, id);
    }
    peer
}

fn ask_short(peer: &mut ScriptedPeer, id: u32) {
    peer.headers(id, flag::END_STREAM, &request("GET", "/short"));
}

#[test]
fn requests_that_repeat_another_are_answered_at_once() {
    let mut peer = repeating();
    assert_eq!(serve(&mut peer, true), 3);
    let sent = peer.sent();
    let frames = sent.iter().map(|frame| (frame.kind, frame.id, frame.flags));
    let expected = [7, 9, 11, 13].map(|id| {
        [
            (FrameType::HEADERS, id, flag::END_HEADERS),
            (FrameType::DATA, id, flag::END_STREAM),
        ]
    });
    assert!(frames.eq(expected.into_iter().flatten()), "{sent:?}");
    assert_eq!(peer.connection.streams(), 0);
    // Their streams are over.
    peer.rst_stream(13, ErrorCode::CANCEL);
    peer.window_update(9, 1);
    assert_eq!(serve(&mut peer, true), 0);
    ask_short(&mut peer, 13);
    peer.expect_connection_error(ErrorCode::STREAM_CLOSED);
}

#[test]
fn what_something_can_come_before_takes_the_usual_way() {
    type Hindrance = fn(&mut ScriptedPeer);
    let hindrances: [(Hindrance, usize); 6] = [
        // The window of each stream.
        (|peer| peer.settings(&[(id::INITIAL_WINDOW_SIZE, 39)]), 0),
        // A stream that is ready to send.
        (
            |peer| peer.headers(15, flag::END_STREAM, &request("GET", "/long")),
            0,
        ),
        // A priority that has come ahead.
        (|peer| peer.priority_update(99, "u=0"), 0),
        (|peer| peer.connection.shutdown(peer.now), 0),
        // Another request, behind which the third equal one is known again.
        (
            |peer| peer.headers(15, flag::END_STREAM, &request("HEAD", "/short")),
            2,
        ),
        // An equal request whose client may go on to send.
        (|peer| peer.headers(15, 0, &request("GET", "/short")), 4),
    ];
    for (at, (hinder, expected)) in hindrances.into_iter().enumerate() {
        let mut peer = repeating();
        serve(&mut peer, true);
        hinder(&mut peer);
        for id in [17, 19, 21, 23] {
            ask_short(&mut peer, id);
        }
        assert_eq!(serve(&mut peer, true), expected, "{at}");
    }
}

#[test]
fn an_observer_sees_the_request_and_its_answer() {
    let mut peer = repeating();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shown = seen.clone();
    peer.connection
        .set_observer(Some(Box::new(move |direction, header, payload| {
            assert_eq!(header.len as usize, payload.len());
            shown.lock().unwrap().push((direction, header.kind));
        })));
    assert_eq!(serve(&mut peer, true), 3);
    let seen = seen.lock().unwrap();
    let (received, sent) = (Direction::Received, Direction::Sent);
    let each = [
        (received, FrameType::HEADERS),
        (sent, FrameType::HEADERS),
        (sent, FrameType::DATA),
    ];
    assert_eq!(*seen, [each; 4].concat());
}
