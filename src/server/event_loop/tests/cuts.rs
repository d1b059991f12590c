//! Frames, lines and records that are cut anywhere, with silence behind the cut, through the whole event
//! loop: it comes to rest each time, and in the end the answers are those to the uncut input.
//!
//! The loop asserts progress behind each turn, so a turn that neither moves anything nor waits for
//! something fails these tests as well.

mod control;
pub(super) mod secure;

use super::*;
use crate::h2::frame::{FrameHeader, FrameType, HEADER_LEN, PREFACE, encode, flag};
use crate::h2::settings::id;
use std::collections::BTreeMap;

/// Turns of the loop after which it is at rest, however the input of one connection was cut.
const MOST_TURNS: usize = 8;

/// A window that lets less through than the file has.
const WINDOW: u32 = 1_000;

/// A bench whose site has `/echo`.
pub(super) fn bench() -> Bench {
    let site = site::Config {
        cache_memory: 0,
        demo: true,
        ..site::Config::default()
    };
    Bench::with(Config::default(), site)
}

impl Bench {
    /// Runs the loop until it would sleep.
    #[track_caller]
    pub(super) fn rest(&mut self) {
        for _ in 0..MOST_TURNS {
            self.turns(1);
            let is_told = self.outside.0.borrow().ready.is_empty();
            if is_told && self.event_loop.poll_timeout() != Some(Duration::ZERO) {
                return;
            }
        }
        panic!("the loop does not come to rest");
    }

    /// Lets these bytes arrive, and the loop come to rest.
    #[track_caller]
    pub(super) fn feed(&mut self, link: &Shared, bytes: &[u8]) {
        link.borrow_mut().incoming.extend_from_slice(bytes);
        self.wake(link);
        self.rest();
    }

    /// Lets the client go: its end arrives.
    #[track_caller]
    pub(super) fn leave(&mut self, link: &Shared) {
        link.borrow_mut().ended = true;
        let token = link.borrow().token.unwrap();
        self.outside.0.borrow_mut().ready.push(Ready::Socket {
            token,
            readable: true,
            read_closed: true,
        });
        self.rest();
    }

    /// Lets time pass until the server has closed the connection; says how many seconds.
    #[track_caller]
    pub(super) fn seconds_until_closed(&mut self, link: &Shared) -> u64 {
        for seconds in 0..1_000 {
            if link.borrow().closed {
                return seconds;
            }
            self.sleep(Duration::from_secs(1));
            self.turns(20);
        }
        panic!("it is not closed");
    }
}

/// A connection with a response on stream 1 that its window holds back, and content under way on stream 3.
fn h2_link(bench: &mut Bench) -> Shared {
    let mut bytes = PREFACE.to_vec();
    encode::settings(&mut bytes, [(id::INITIAL_WINDOW_SIZE, WINDOW)].into_iter());
    encode::settings_ack(&mut bytes);
    let get = b"\x82\x86\x41\x01a\x44\x06/large";
    let headers = flag::END_HEADERS | flag::END_STREAM;
    encode::frame(&mut bytes, FrameType::HEADERS, headers, 1, get);
    let post = b"\x83\x86\x41\x01a\x44\x05/echo";
    encode::frame(&mut bytes, FrameType::HEADERS, flag::END_HEADERS, 3, post);
    let link = bench.connect(0, &bytes, usize::MAX, None);
    bench.rest();
    assert!(link.borrow().outgoing.len() > WINDOW as usize);
    link.borrow_mut().outgoing.clear();
    link
}

/// The payloads that the server has sent, by type and stream: DATA may come in frames of any lengths, and
/// frames of several streams in any order.
fn payloads(link: &Shared) -> BTreeMap<(u8, u32), Vec<u8>> {
    let bytes = std::mem::take(&mut link.borrow_mut().outgoing);
    let (mut rest, mut payloads) = (&bytes[..], BTreeMap::new());
    while let Some(header) = FrameHeader::decode(rest) {
        let (frame, behind) = rest.split_at(HEADER_LEN + header.len as usize);
        let key = (header.kind.0, header.stream_id);
        let payload: &mut Vec<u8> = payloads.entry(key).or_default();
        payload.extend(&frame[HEADER_LEN..]);
        rest = behind;
    }
    assert!(rest.is_empty(), "whole frames only");
    payloads
}

/// Asserts that a control frame does, cut at any byte, what it does in one piece: alone and behind DATA.
/// Returns the answer to the frame alone.
#[track_caller]
fn assert_uncut(frame: &[u8]) -> BTreeMap<(u8, u32), Vec<u8>> {
    let mut bench = bench();
    let mut data = Vec::new();
    encode::frame(&mut data, FrameType::DATA, 0, 3, b"content");
    let [behind_data, alone] = [data.as_slice(), b""].map(|before| {
        let input = [before, frame].concat();
        let mut answer = |parts: &mut dyn Iterator<Item = &[u8]>| {
            let link = h2_link(&mut bench);
            parts.for_each(|part| bench.feed(&link, part));
            let answer = payloads(&link);
            bench.leave(&link);
            assert!(link.borrow().closed);
            answer
        };
        let whole = answer(&mut [input.as_slice()].into_iter());
        for at in 1..input.len() {
            let (first, rest) = input.split_at(at);
            assert_eq!(answer(&mut [first, rest].into_iter()), whole, "cut at {at}");
        }
        assert_eq!(answer(&mut input.chunks(1)), whole, "byte by byte");
        whole
    });
    let echoed = behind_data.get(&(FrameType::DATA.0, 3));
    assert_eq!(echoed.map(Vec::as_slice), Some(&b"content"[..]));
    alone
}

fn frame(kind: FrameType, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::frame(&mut bytes, kind, 0, id, payload);
    bytes
}

#[test]
fn a_ping_may_be_cut() {
    let answer = assert_uncut(&frame(FrameType::PING, 0, b"12345678"));
    assert_eq!(answer[&(FrameType::PING.0, 0)], b"12345678");
}

#[test]
fn settings_may_be_cut_behind_initial_window_size() {
    let mut settings = Vec::new();
    let entries = [
        (id::INITIAL_WINDOW_SIZE, 3 * WINDOW),
        (id::MAX_FRAME_SIZE, 20_000),
    ];
    encode::settings(&mut settings, entries.into_iter());
    let answer = assert_uncut(&settings);
    assert_eq!(answer[&(FrameType::SETTINGS.0, 0)], b"");
    assert_eq!(answer[&(FrameType::DATA.0, 1)].len(), 2 * WINDOW as usize);
}

#[test]
fn a_window_update_may_be_cut() {
    let more = 500_u32.to_be_bytes();
    let answer = assert_uncut(&frame(FrameType::WINDOW_UPDATE, 1, &more));
    assert_eq!(answer[&(FrameType::DATA.0, 1)].len(), 500);
    let answer = assert_uncut(&frame(FrameType::WINDOW_UPDATE, 0, &more));
    assert!(answer.is_empty(), "the stream's window is closed");
}

#[test]
fn a_frame_that_is_never_completed_keeps_its_connection_until_a_deadline() {
    let mut bench = bench();
    let link = h2_link(&mut bench);
    bench.feed(&link, &frame(FrameType::PING, 0, b"12345678")[..12]);
    // Both streams have stalled for five minutes, and then the connection is idle.
    let seconds = bench.seconds_until_closed(&link);
    assert!((20..=500).contains(&seconds), "{seconds}");
}

const CHUNKED: &[u8] = b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

/// A chunk and a line behind it, without its end. Every prefix may be all that comes.
const LINE: &[u8] = b"2\r\nhi\r\n00005 ; name=\"some text\";other\r";

#[test]
fn a_chunk_size_line_that_never_ends_and_whose_client_has_gone_ends_its_connection() {
    let mut bench = bench();
    for at in 0..=LINE.len() {
        let (line, _) = LINE.split_at(at);
        let link = bench.connect(0, CHUNKED, usize::MAX, None);
        bench.rest();
        bench.feed(&link, line);
        assert!(!link.borrow().closed, "it may go on");
        bench.leave(&link);
        assert!(link.borrow().closed, "cut at {at}");
        // The line and the end at once, byte by byte before it.
        let link = bench.connect(0, CHUNKED, usize::MAX, None);
        bench.rest();
        line.chunks(1).for_each(|byte| bench.feed(&link, byte));
        link.borrow_mut().incoming.extend_from_slice(b"x");
        bench.leave(&link);
        assert!(link.borrow().closed, "cut at {at}");
    }
    assert_eq!(bench.event_loop.connections(), 1);
}

#[test]
fn a_chunk_size_line_that_never_ends_and_whose_client_is_silent_meets_a_deadline() {
    let mut bench = bench();
    for at in [1, 4, 7, 12, 20, LINE.len()] {
        let link = bench.connect(0, CHUNKED, usize::MAX, None);
        bench.rest();
        bench.feed(&link, &LINE[..at]);
        let seconds = bench.seconds_until_closed(&link);
        assert!((20..=320).contains(&seconds), "cut at {at}: {seconds}");
    }
}

#[test]
fn a_client_that_speaks_a_byte_at_a_time_is_heard() {
    let mut bench = bench();
    let link = bench.connect(0, b"", usize::MAX, None);
    bench.rest();
    let body = b"5;a=b\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n";
    for byte in [CHUNKED, body, GET].concat().chunks(1) {
        bench.feed(&link, byte);
    }
    let answers = String::from_utf8_lossy(&link.borrow().outgoing).into_owned();
    assert!(
        answers.contains("hello") && answers.ends_with("hello"),
        "{answers}"
    );
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
}
