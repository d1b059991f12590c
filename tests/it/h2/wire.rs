//! Frames and field blocks as bytes, both well-formed and malformed.

use crate::raw_h2::{self, frame};

pub use crate::raw_h2::{ACK, END_HEADERS, END_STREAM};

pub const PADDED: u8 = 8;
pub const PRIORITY: u8 = 0x20;
/// Flags for the end of a field section and of a message.
pub const END: u8 = END_HEADERS | END_STREAM;

/// Error codes (RFC 9113 §7).
pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const COMPRESSION_ERROR: u32 = 9;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// The name of an error code.
pub fn code_name(code: u32) -> String {
    calmd::h2::ErrorCode(code).to_string()
}

pub fn data(id: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(raw_h2::DATA, flags, id, payload)
}

pub fn headers(id: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(raw_h2::HEADERS, flags, id, block)
}

pub fn continuation(id: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(9, flags, id, block)
}

/// A dependency and a weight, in the form of PRIORITY and HEADERS.
pub fn dependency(on: u32, weight: u8) -> Vec<u8> {
    [&on.to_be_bytes()[..], &[weight]].concat()
}

pub fn priority(id: u32, on: u32) -> Vec<u8> {
    frame(2, 0, id, &dependency(on, 15))
}

pub fn rst_stream(id: u32, code: u32) -> Vec<u8> {
    frame(raw_h2::RST_STREAM, 0, id, &code.to_be_bytes())
}

pub fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let entries = entries
        .iter()
        .map(|&(id, value)| raw_h2::setting(id, value));
    frame(
        raw_h2::SETTINGS,
        0,
        0,
        &entries.collect::<Vec<_>>().concat(),
    )
}

pub fn ping(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(raw_h2::PING, flags, 0, payload)
}

pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    frame(raw_h2::GOAWAY, 0, 0, &payload)
}

pub fn window_update(id: u32, increment: u32) -> Vec<u8> {
    frame(raw_h2::WINDOW_UPDATE, 0, id, &increment.to_be_bytes())
}

pub fn push_promise(id: u32, promised: u32) -> Vec<u8> {
    let payload = [&promised.to_be_bytes()[..], &raw_h2::get("/")].concat();
    frame(5, END_HEADERS, id, &payload)
}

/// A literal that changes no table, without Huffman coding (RFC 7541 §6.2.2).
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    [&[0x00][..], &string(name), &string(value)].concat()
}

/// A string without Huffman coding, under 16,511 bytes (RFC 7541 §5.2).
pub fn string(value: &str) -> Vec<u8> {
    let mut bytes = match value.len() {
        len @ 0..=126 => vec![len as u8],
        len => {
            let rest = len - 127;
            vec![127, rest as u8 & 0x7f | 0x80, (rest >> 7) as u8]
        }
    };
    bytes.extend(value.as_bytes());
    bytes
}

/// A block of literals.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| literal(name, value))
        .collect()
}

/// A request's block, with the fields `more` behind its own.
pub fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own = [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
    ];
    block(&[&own, more].concat())
}

/// A GET without content: HEADERS with END_STREAM.
pub fn get(id: u32) -> Vec<u8> {
    headers(id, END, &request("GET", "/", &[]))
}

/// A GET with the further fields `more`.
pub fn get_with(id: u32, more: &[(&str, &str)]) -> Vec<u8> {
    headers(id, END, &request("GET", "/", more))
}

/// A POST whose content follows, to a handler that answers when it has the whole content.
pub fn post(id: u32) -> Vec<u8> {
    post_with(id, &[])
}

/// A POST with the further fields `more`, whose content follows.
pub fn post_with(id: u32, more: &[(&str, &str)]) -> Vec<u8> {
    headers(id, END_HEADERS, &request("POST", "/json", more))
}
