//! Control frames that come in two parts, alone and behind DATA, with silence between the parts: nothing
//! happens without bytes, and in the end events, output and state are those of the uncut frames.

use super::*;
use crate::h2::settings::id;
use crate::h2::{Role, Snapshot};

/// Events, the error, all output, and the state at the end.
type CutOutcome = (Vec<Heard>, Option<ConnectionError>, Vec<u8>, Snapshot);

/// A connection with two open streams: on stream 1, DATA may come.
fn open(role: Role) -> ScriptedPeer {
    let config = Config {
        report_extensions: true,
        push: true,
        ..Config::default()
    };
    let mut peer = match role {
        Role::Server => {
            let mut peer = ScriptedPeer::of_server(config);
            peer.post(1);
            peer.get(3);
            peer
        }
        Role::Client => {
            let mut peer = ScriptedPeer::of_client(config);
            peer.ask("GET");
            peer.ask("GET");
            peer.headers(1, 0, &[(":status", "200")]);
            peer
        }
    };
    peer.hear();
    peer.sent();
    peer
}

/// Bytes that the peer of such a connection sends in `script`.
fn sent_by(role: Role, script: impl FnOnce(&mut ScriptedPeer)) -> Vec<u8> {
    let mut peer = open(role);
    script(&mut peer);
    peer.pending
}

/// Asserts that more calls without more bytes do nothing, and that no whole frame is left.
#[track_caller]
fn assert_silent(peer: &mut ScriptedPeer) {
    let (kept, state) = (peer.pending.clone(), peer.connection.snapshot());
    assert_eq!(peer.hear(), []);
    assert_eq!(peer.connection.take_output(), b"");
    assert_eq!(
        (&peer.pending, peer.connection.snapshot()),
        (&kept, state),
        "silence has changed something"
    );
    let header = FrameHeader::decode(&kept);
    let is_whole = header.is_some_and(|header| kept.len() >= HEADER_LEN + header.len as usize);
    assert!(
        !is_whole,
        "a whole frame is left: {:?}",
        kept.escape_ascii()
    );
}

/// The outcome of input that comes in parts that end at these places.
#[track_caller]
fn outcome(role: Role, input: &[u8], ends: impl IntoIterator<Item = usize>) -> CutOutcome {
    let mut peer = open(role);
    let (mut heard, mut output, mut start) = (Vec::new(), Vec::new(), 0);
    for end in ends.into_iter().chain([input.len()]) {
        peer.send_raw(&input[start..end]);
        start = end;
        let (more, error) = peer.take();
        heard.extend(more);
        output.extend(peer.connection.take_output());
        if error.is_some() {
            return (heard, error, output, peer.connection.snapshot());
        }
        assert_silent(&mut peer);
    }
    assert!(peer.pending.is_empty(), "all is taken in the end");
    (heard, None, output, peer.connection.snapshot())
}

/// Asserts that frames which are cut at any byte, alone and behind DATA, do what uncut frames do.
#[track_caller]
fn assert_uncut(role: Role, script: impl Fn(&mut ScriptedPeer)) {
    let alone = sent_by(role, &script);
    let behind_data = sent_by(role, |peer| {
        peer.data(1, 0, b"content");
        script(peer);
    });
    for input in [alone, behind_data] {
        let whole = outcome(role, &input, []);
        for at in 1..input.len() {
            let cut = outcome(role, &input, [at]);
            assert_eq!(cut, whole, "{role:?}, cut at {at}");
        }
        let bytes = outcome(role, &input, 1..input.len());
        assert_eq!(bytes, whole, "{role:?}, byte by byte");
    }
}

#[track_caller]
fn assert_uncut_in_both_roles(script: impl Fn(&mut ScriptedPeer)) {
    for role in [Role::Server, Role::Client] {
        assert_uncut(role, &script);
    }
}

#[test]
fn a_ping_may_be_cut() {
    assert_uncut_in_both_roles(|peer| peer.send(FrameType::PING, 0, 0, b"12345678"));
    assert_uncut_in_both_roles(|peer| peer.send(FrameType::PING, flag::ACK, 0, b"12345678"));
}

#[test]
fn settings_may_be_cut_behind_initial_window_size_and_anywhere_else() {
    assert_uncut_in_both_roles(|peer| peer.settings(&[]));
    assert_uncut_in_both_roles(|peer| {
        peer.settings(&[
            (id::INITIAL_WINDOW_SIZE, 70_000),
            (id::MAX_FRAME_SIZE, 20_000),
            (id::INITIAL_WINDOW_SIZE, 10),
        ]);
    });
}

#[test]
fn no_part_of_settings_is_applied_before_the_whole() {
    for role in [Role::Server, Role::Client] {
        let entries = [
            (id::INITIAL_WINDOW_SIZE, 70_000),
            (id::MAX_FRAME_SIZE, 20_000),
        ];
        let settings = sent_by(role, |peer| peer.settings(&entries));
        let mut peer = open(role);
        let before = peer.connection.snapshot();
        let behind_the_first_entry = HEADER_LEN + 6;
        let (first, rest) = settings.split_at(behind_the_first_entry);
        peer.send_raw(first);
        assert_eq!(peer.hear(), []);
        assert_eq!(peer.sent(), []);
        assert_eq!(peer.connection.snapshot(), before);
        peer.send_raw(rest);
        peer.hear();
        let sent = peer.sent();
        assert_eq!(
            (sent[0].kind, sent[0].flags),
            (FrameType::SETTINGS, flag::ACK)
        );
        assert_ne!(peer.connection.snapshot(), before);
    }
}

#[test]
fn an_acknowledgement_of_settings_may_be_cut() {
    for role in [Role::Server, Role::Client] {
        let mut bytes = Vec::new();
        encode::settings_ack(&mut bytes);
        for at in 1..bytes.len() {
            let mut peer = open(role);
            let settings = *peer.connection.local_settings();
            let now = peer.now;
            peer.connection.update_settings(settings, now).unwrap();
            peer.sent();
            assert!(peer.connection.next_deadline().is_some());
            peer.send_raw(&bytes[..at]);
            assert_eq!(peer.hear(), []);
            assert_silent(&mut peer);
            peer.send_raw(&bytes[at..]);
            peer.hear();
            assert!(peer.pending.is_empty());
        }
    }
}

#[test]
fn a_window_update_of_a_stream_or_the_connection_may_be_cut() {
    assert_uncut_in_both_roles(|peer| peer.window_update(1, 1_000));
    assert_uncut_in_both_roles(|peer| peer.window_update(0, 1_000));
    assert_uncut_in_both_roles(|peer| peer.window_update(1, 0));
    assert_uncut_in_both_roles(|peer| peer.window_update(0, u32::MAX >> 1));
}

#[test]
fn a_reset_may_be_cut() {
    assert_uncut_in_both_roles(|peer| peer.rst_stream(1, ErrorCode::CANCEL));
    assert_uncut_in_both_roles(|peer| peer.rst_stream(9, ErrorCode::CANCEL));
}

#[test]
fn a_goaway_may_be_cut() {
    for code in [ErrorCode::NO_ERROR, ErrorCode::ENHANCE_YOUR_CALM] {
        let payload = [&[0, 0, 0, 1][..], &code.0.to_be_bytes(), b"why"].concat();
        assert_uncut_in_both_roles(|peer| peer.send(FrameType::GOAWAY, 0, 0, &payload));
    }
}

#[test]
fn priorities_of_both_kinds_may_be_cut() {
    assert_uncut_in_both_roles(|peer| peer.send(FrameType::PRIORITY, 0, 1, &[0, 0, 0, 3, 7]));
    // A client takes it for an error (RFC 9218 §7.1), and that once it is whole.
    assert_uncut_in_both_roles(|peer| peer.priority_update(1, "u=1, i"));
}

#[test]
fn a_field_section_may_be_cut_in_headers_and_in_continuation() {
    let in_three = |peer: &mut ScriptedPeer, id, fields: &[(&str, &str)]| {
        let block = peer.block(fields);
        let (first, rest) = block.split_at(1);
        let (second, third) = rest.split_at(rest.len() / 2);
        peer.send(FrameType::HEADERS, flag::END_STREAM, id, first);
        peer.send(FrameType::CONTINUATION, 0, id, second);
        peer.send(FrameType::CONTINUATION, flag::END_HEADERS, id, third);
    };
    assert_uncut(Role::Server, |peer| {
        in_three(peer, 5, &request("GET", "/a"));
    });
    assert_uncut(Role::Client, |peer| {
        in_three(peer, 3, &[(":status", "204"), ("x", "y")]);
    });
    // Trailers.
    assert_uncut_in_both_roles(|peer| in_three(peer, 1, &[("x-sum", "7"), ("y", "z")]));
}

#[test]
fn a_promise_and_an_unknown_frame_may_be_cut() {
    assert_uncut(Role::Client, |peer| {
        let block = peer.block(&request("GET", "/pushed"));
        let payload = [&[0, 0, 0, 2][..], &block].concat();
        peer.send(FrameType::PUSH_PROMISE, flag::END_HEADERS, 1, &payload);
    });
    assert_uncut_in_both_roles(|peer| peer.send(FrameType(0xbe), 0, 0, b"unknown"));
}

#[test]
fn a_preface_may_be_cut() {
    let mut bytes = PREFACE.to_vec();
    encode::settings(&mut bytes, [(id::INITIAL_WINDOW_SIZE, 70_000)].into_iter());
    for at in 1..bytes.len() {
        let mut peer = ScriptedPeer::silent(Config::default());
        peer.send_raw(&bytes[..at]);
        assert_eq!(peer.hear(), [], "cut at {at}");
        peer.sent();
        assert_silent(&mut peer);
        peer.send_raw(&bytes[at..]);
        assert_eq!(peer.hear().len(), 1, "cut at {at}");
        assert_eq!(peer.sent().last().unwrap().flags, flag::ACK);
        assert!(peer.pending.is_empty());
    }
}
