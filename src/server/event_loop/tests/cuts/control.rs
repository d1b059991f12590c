//! Control frames, each cut at every byte, alone and behind DATA. A frame that the peer gets no answer to is
//! followed by one whose answer tells what became of it.

use std::collections::BTreeMap;

use super::{FrameType, WINDOW, assert_uncut, encode, flag, frame};
use crate::h2::frame::extension;

/// Opens the window of the response that waits for it.
fn more() -> Vec<u8> {
    frame(FrameType::WINDOW_UPDATE, 1, &500_u32.to_be_bytes())
}

/// Asserts that the response on stream 1 goes on by what [`more`] lets through behind a frame.
#[track_caller]
fn assert_harmless(frame: &[u8]) {
    let answer = assert_uncut(&[frame, &more()].concat());
    assert_eq!(answer[&(FrameType::DATA.0, 1)].len(), 500);
    assert_eq!(answer.len(), 1, "{answer:?}");
}

#[test]
fn a_reset_may_be_cut() {
    let reset = frame(FrameType::RST_STREAM, 1, &8_u32.to_be_bytes());
    let answer = assert_uncut(&[reset, more()].concat());
    assert!(answer.is_empty(), "the stream is over: {answer:?}");
}

#[test]
fn a_goaway_may_be_cut() {
    let mut bytes = Vec::new();
    encode::goaway(&mut bytes, 0, crate::h2::ErrorCode::NO_ERROR, b"farewell");
    encode::ping(&mut bytes, 0, *b"12345678");
    bytes.extend(more());
    let answer = assert_uncut(&bytes);
    assert_eq!(answer[&(FrameType::PING.0, 0)], b"12345678");
    assert_eq!(answer[&(FrameType::DATA.0, 1)].len(), 500);
}

#[test]
fn a_priority_may_be_cut() {
    assert_harmless(&frame(FrameType::PRIORITY, 1, &[0, 0, 0, 3, 200]));
}

#[test]
fn a_priority_update_may_be_cut() {
    let mut bytes = Vec::new();
    extension::put_priority_update(&mut bytes, 1, b"u=1, i");
    assert_harmless(&bytes);
}

#[test]
fn an_acknowledgement_of_settings_and_of_a_ping_may_be_cut() {
    let mut ping = Vec::new();
    encode::ping(&mut ping, flag::ACK, *b"12345678");
    assert_harmless(&ping);
    let answer = assert_uncut(&frame(FrameType::SETTINGS, 0, b""));
    assert_eq!(answer[&(FrameType::SETTINGS.0, 0)], b"");
}

#[test]
fn frames_of_extensions_may_be_cut() {
    for kind in [FrameType::ALTSVC, FrameType::ORIGIN, FrameType(0x42)] {
        assert_harmless(&frame(kind, 0, b"\0\x04none"));
    }
}

#[test]
fn trailers_and_their_continuations_may_be_cut() {
    let mut bytes = Vec::new();
    let kind = FrameType::HEADERS;
    encode::frame(&mut bytes, kind, flag::END_STREAM, 3, b"\x00\x05x-");
    bytes.extend(frame(FrameType::CONTINUATION, 3, b"sum"));
    let kind = FrameType::CONTINUATION;
    encode::frame(&mut bytes, kind, flag::END_HEADERS, 3, b"\x015");
    let answer = assert_uncut(&bytes);
    let end = BTreeMap::from([((FrameType::DATA.0, 3), Vec::new())]);
    assert_eq!(answer, end, "the end of the response");
}

#[test]
fn a_window_update_of_a_stream_and_of_the_connection_may_be_cut_in_one_place() {
    let all = frame(FrameType::WINDOW_UPDATE, 0, &WINDOW.to_be_bytes());
    assert_harmless(&all);
}
