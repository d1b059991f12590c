//! Frames from bytes, without a connection.

use std::hint::black_box;

use crate::h2::ErrorCode;
use crate::h2::frame::{FrameHeader, FrameType, HEADER_LEN, decode, encode, flag};
use crate::measure;

/// Decodes one frame of each common kind.
pub fn decode() {
    let mut input = Vec::new();
    encode::settings(
        &mut input,
        [(1, 65_536), (3, 1000), (4, 6_291_456), (6, 262_144)].into_iter(),
    );
    encode::settings_ack(&mut input);
    encode::window_update(&mut input, 0, 15_663_105);
    let headers = flag::END_HEADERS | flag::END_STREAM | flag::PRIORITY;
    encode::frame(&mut input, FrameType::HEADERS, headers, 1, &[0x82; 120]);
    encode::frame(&mut input, FrameType::DATA, flag::END_STREAM, 1, &[0; 200]);
    encode::rst_stream(&mut input, 3, ErrorCode::CANCEL);
    encode::ping(&mut input, 0, [7; 8]);
    encode::goaway(&mut input, 1, ErrorCode::NO_ERROR, b"");
    let mut frames = 0;
    measure("frame decode, eight kinds", || {
        let mut rest = black_box(&input[..]);
        while let Some(header) = FrameHeader::decode(rest) {
            let (frame, behind) = rest.split_at(HEADER_LEN + header.len as usize);
            take_apart(header, &frame[HEADER_LEN..]);
            rest = behind;
            frames += 1;
        }
    });
    assert_eq!(frames, 8);
}

fn take_apart(header: FrameHeader, payload: &[u8]) {
    match header.kind {
        FrameType::SETTINGS => {
            for entry in decode::settings(payload).expect("whole entries") {
                black_box(entry);
            }
        }
        FrameType::WINDOW_UPDATE => {
            black_box(decode::window_update(payload).expect("four bytes"));
        }
        FrameType::HEADERS => {
            black_box(decode::headers(header, payload).expect("a block"));
        }
        FrameType::DATA => {
            black_box(decode::unpad(header, payload).expect("content"));
        }
        FrameType::RST_STREAM => {
            black_box(decode::rst_stream(payload).expect("four bytes"));
        }
        FrameType::PING => {
            black_box(decode::ping(payload).expect("eight bytes"));
        }
        _ => {
            black_box(decode::goaway(payload).expect("eight bytes"));
        }
    }
}
