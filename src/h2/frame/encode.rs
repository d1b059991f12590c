//! Whole frames appended to an output buffer (RFC 9113 §6).
//!
//! Callers have checked what the peer allows; lengths that would not fit a frame are a caller's bug.

use super::{FrameHeader, FrameType, HEADER_LEN, flag};
use crate::h2::error::ErrorCode;

/// Appends a frame whose payload is at hand.
pub fn frame(out: &mut Vec<u8>, kind: FrameType, flags: u8, stream_id: u32, payload: &[u8]) {
    debug_assert!(payload.len() <= super::MAX_MAX_FRAME_SIZE as usize);
    let header = FrameHeader {
        len: payload.len() as u32,
        kind,
        flags,
        stream_id,
    };
    out.reserve(HEADER_LEN + payload.len());
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(payload);
}

/// Appends a frame of a few fixed bytes in one go: header and payload side by side on the stack.
fn short<const N: usize>(
    out: &mut Vec<u8>,
    kind: FrameType,
    flags: u8,
    stream_id: u32,
    payload: [u8; N],
) {
    let header = FrameHeader {
        len: N as u32,
        kind,
        flags,
        stream_id,
    };
    out.reserve(HEADER_LEN + N);
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(&payload);
}

/// RST_STREAM (RFC 9113 §6.4).
pub fn rst_stream(out: &mut Vec<u8>, stream_id: u32, code: ErrorCode) {
    short(
        out,
        FrameType::RST_STREAM,
        0,
        stream_id,
        code.0.to_be_bytes(),
    );
}

/// SETTINGS with these entries (RFC 9113 §6.5).
pub fn settings(out: &mut Vec<u8>, entries: impl Iterator<Item = (u16, u32)>) {
    let start = begin(out);
    for (id, value) in entries {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
    finish(out, start, FrameType::SETTINGS, 0, 0);
}

/// The acknowledgement of the peer's SETTINGS (RFC 9113 §6.5.3).
pub fn settings_ack(out: &mut Vec<u8>) {
    short(out, FrameType::SETTINGS, flag::ACK, 0, []);
}

/// PING, or its acknowledgement (RFC 9113 §6.7).
pub fn ping(out: &mut Vec<u8>, flags: u8, payload: [u8; 8]) {
    short(out, FrameType::PING, flags, 0, payload);
}

/// GOAWAY (RFC 9113 §6.8).
pub fn goaway(out: &mut Vec<u8>, last_stream_id: u32, code: ErrorCode, debug: &[u8]) {
    let start = begin(out);
    out.extend_from_slice(&last_stream_id.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(debug);
    finish(out, start, FrameType::GOAWAY, 0, 0);
}

/// WINDOW_UPDATE of a stream, or of the connection with stream 0 (RFC 9113 §6.9).
pub fn window_update(out: &mut Vec<u8>, stream_id: u32, increment: u32) {
    debug_assert!(increment != 0 && increment <= super::MAX_STREAM_ID);
    short(
        out,
        FrameType::WINDOW_UPDATE,
        0,
        stream_id,
        increment.to_be_bytes(),
    );
}

/// Reserves the header of a frame whose payload is appended next; returns where it begins.
pub fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LEN]);
    start
}

/// Fills in the header that [`begin`] reserved; everything behind it is the payload.
pub fn finish(out: &mut [u8], start: usize, kind: FrameType, flags: u8, stream_id: u32) {
    let len = (out.len() - start - HEADER_LEN) as u32;
    debug_assert!(len <= super::MAX_MAX_FRAME_SIZE);
    let header = FrameHeader {
        len,
        kind,
        flags,
        stream_id,
    };
    let reserved = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut);
    *reserved.expect("begin reserved the header") = header.encode();
}

/// Turns one long frame with a field block, begun at `start`, into HEADERS or PUSH_PROMISE and as
/// many CONTINUATION frames as `max_frame_size` asks for (RFC 9113 §4.3). `flags` are the first
/// frame's but for END_HEADERS, which goes on the last.
pub fn finish_block(
    out: &mut Vec<u8>,
    start: usize,
    kind: FrameType,
    flags: u8,
    stream_id: u32,
    max_frame_size: usize,
) {
    let payload = out.len() - start - HEADER_LEN;
    if payload <= max_frame_size {
        return finish(out, start, kind, flags | flag::END_HEADERS, stream_id);
    }
    // Rare: a field block beyond 16 KiB. What does not fit the first frame is set aside and comes
    // back in pieces.
    let rest = out.split_off(start + HEADER_LEN + max_frame_size);
    finish(out, start, kind, flags, stream_id);
    let mut pieces = rest.chunks(max_frame_size).peekable();
    while let Some(piece) = pieces.next() {
        let flags = match pieces.peek() {
            Some(_) => 0,
            None => flag::END_HEADERS,
        };
        frame(out, FrameType::CONTINUATION, flags, stream_id, piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_field_block_is_continued() {
        let mut out = Vec::new();
        let start = begin(&mut out);
        out.extend((0..25u8).cycle().take(25));
        finish_block(&mut out, start, FrameType::HEADERS, flag::END_STREAM, 7, 10);
        let mut rest = &out[..];
        let mut seen = Vec::new();
        let mut payloads = Vec::new();
        while let Some(header) = FrameHeader::decode(rest) {
            seen.push((header.kind, header.flags, header.stream_id, header.len));
            payloads.extend_from_slice(&rest[HEADER_LEN..HEADER_LEN + header.len as usize]);
            rest = &rest[HEADER_LEN + header.len as usize..];
        }
        assert_eq!(
            seen,
            [
                (FrameType::HEADERS, flag::END_STREAM, 7, 10),
                (FrameType::CONTINUATION, 0, 7, 10),
                (FrameType::CONTINUATION, flag::END_HEADERS, 7, 5),
            ]
        );
        assert_eq!(payloads, (0..25).collect::<Vec<u8>>());
    }
}
