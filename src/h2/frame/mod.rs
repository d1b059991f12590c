//! Frames as bytes (RFC 9113 §4, §6): what can be said about one without knowing any state.
//!
//! [`header`] is the nine bytes in front of every frame, [`decode`] takes payloads apart, [`encode`]
//! writes whole frames; [`extension`] does both for frames that RFC 9113 does not have. Nothing here knows streams, windows or roles; lengths are checked here, since
//! they need no state (`FRAME_SIZE_ERROR`, and `PROTOCOL_ERROR` for padding).

pub mod decode;
pub mod encode;
pub mod extension;
pub mod header;
pub mod text;

pub use header::{FrameHeader, FrameType, HEADER_LEN};

/// The connection preface of the client (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest payload that every endpoint takes, and the least that SETTINGS_MAX_FRAME_SIZE may be
/// (RFC 9113 §4.2).
pub const MIN_MAX_FRAME_SIZE: u32 = 16_384;

/// The most that SETTINGS_MAX_FRAME_SIZE may be (RFC 9113 §6.5.2).
pub const MAX_MAX_FRAME_SIZE: u32 = (1 << 24) - 1;

/// The largest stream identifier: 31 bits (RFC 9113 §5.1.1).
pub const MAX_STREAM_ID: u32 = (1 << 31) - 1;

/// Flags of frames (RFC 9113 §6). One bit means different things on different types.
pub mod flag {
    /// SETTINGS and PING: this acknowledges the peer's.
    pub const ACK: u8 = 0x1;
    /// DATA and HEADERS: the last frame of this half of the stream but for CONTINUATION.
    pub const END_STREAM: u8 = 0x1;
    /// HEADERS, PUSH_PROMISE and CONTINUATION: the field block is complete.
    pub const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS and PUSH_PROMISE: a length of padding in front, padding behind.
    pub const PADDED: u8 = 0x8;
    /// HEADERS: five bytes of RFC 7540 priority in front.
    pub const PRIORITY: u8 = 0x20;
}
