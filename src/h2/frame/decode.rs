//! Payloads taken apart (RFC 9113 §6). Every length is checked here, once.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::{FrameHeader, flag};
use crate::h2::error::{ConnectionError, ErrorCode};

/// Faults of a payload that show without any state being known: always the connection's end,
/// but for PRIORITY, which has its own function.
pub(super) type Parsed<T> = Result<T, ConnectionError>;

/// The payload of DATA, HEADERS or PUSH_PROMISE without its padding (RFC 9113 §6.1).
///
/// A frame without room for the length of its padding is `FRAME_SIZE_ERROR`; padding longer than its
/// frame is `PROTOCOL_ERROR`. The padding's bytes are not looked at.
pub fn unpad(header: FrameHeader, payload: &[u8]) -> Parsed<&[u8]> {
    if !header.has(flag::PADDED) {
        return Ok(payload);
    }
    let Some((&padding, rest)) = payload.split_first() else {
        return Err(ConnectionError::frame_size(
            "padded frame without a length of padding",
        ));
    };
    let len = rest.len().checked_sub(usize::from(padding));
    match len.and_then(|len| rest.get(..len)) {
        Some(content) => Ok(content),
        None => Err(ConnectionError::protocol("padding longer than its frame")),
    }
}

/// The priority of RFC 7540 §5.3, which RFC 9113 §5.3.2 lets a server obey or not: weights are obeyed
/// where they are Chromium's ([`Rfc7540Priority::urgency`]), dependencies never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc7540Priority {
    /// The stream depended on; 0 is the root.
    pub dependency: u32,
    /// It is the only child of its parent.
    pub exclusive: bool,
    /// From 1 to 256.
    pub weight: u16,
}

impl Rfc7540Priority {
    /// The length on the wire.
    pub const LEN: usize = 5;

    /// The urgency that Chromium means by a weight: it has six priorities, and says nothing else of
    /// an image that turns out to be visible (156, where PRIORITY_UPDATE is not sent on HTTP/2). Other
    /// weights are shares of a parent's bandwidth, of which no urgency follows.
    pub fn urgency(self) -> Option<u8> {
        Some(match self.weight {
            256 => 0,
            220 => 1,
            183 => 2,
            147 => 3,
            110 => 4,
            74 => 5,
            _ => return None,
        })
    }

    /// The bytes on the wire; `None` for a weight or a stream that there is not.
    pub fn encode(self) -> Option<[u8; Self::LEN]> {
        let weight = u8::try_from(self.weight.checked_sub(1)?).ok()?;
        if self.dependency > super::MAX_STREAM_ID {
            return None;
        }
        let exclusive = u32::from(self.exclusive) << 31;
        let [d0, d1, d2, d3] = (self.dependency | exclusive).to_be_bytes();
        Some([d0, d1, d2, d3, weight])
    }

    fn decode(bytes: [u8; Self::LEN]) -> Self {
        let [d0, d1, d2, d3, weight] = bytes;
        Rfc7540Priority {
            dependency: u32::from_be_bytes([d0 & 0x7f, d1, d2, d3]),
            exclusive: d0 & 0x80 != 0,
            weight: u16::from(weight) + 1,
        }
    }
}

/// The payload of HEADERS (RFC 9113 §6.2): its field block fragment and the priority in front of it.
pub fn headers(header: FrameHeader, payload: &[u8]) -> Parsed<(&[u8], Option<Rfc7540Priority>)> {
    let payload = unpad(header, payload)?;
    if !header.has(flag::PRIORITY) {
        return Ok((payload, None));
    }
    match payload.split_first_chunk() {
        Some((&priority, fragment)) => Ok((fragment, Some(Rfc7540Priority::decode(priority)))),
        None => Err(ConnectionError::frame_size(
            "HEADERS too short for its priority",
        )),
    }
}

/// The payload of PRIORITY (RFC 9113 §6.3), or `None` where its length is wrong: a stream error.
pub fn priority(payload: &[u8]) -> Option<Rfc7540Priority> {
    Some(Rfc7540Priority::decode(payload.try_into().ok()?))
}

/// The payload of RST_STREAM (RFC 9113 §6.4).
pub fn rst_stream(payload: &[u8]) -> Parsed<ErrorCode> {
    match payload.try_into() {
        Ok(code) => Ok(ErrorCode(u32::from_be_bytes(code))),
        Err(_) => Err(ConnectionError::frame_size(
            "RST_STREAM is not four bytes long",
        )),
    }
}

/// The payload of SETTINGS (RFC 9113 §6.5.1): its entries, in order; see [`setting`].
pub fn settings(payload: &[u8]) -> Parsed<&[[u8; 6]]> {
    match payload.as_chunks() {
        (entries, []) => Ok(entries),
        _ => Err(ConnectionError::frame_size(
            "SETTINGS is not a multiple of six bytes",
        )),
    }
}

/// An entry of SETTINGS: identifier and value.
pub fn setting([i0, i1, v0, v1, v2, v3]: [u8; 6]) -> (u16, u32) {
    (
        u16::from_be_bytes([i0, i1]),
        u32::from_be_bytes([v0, v1, v2, v3]),
    )
}

/// The payload of PUSH_PROMISE (RFC 9113 §6.6): the promised stream and the field block fragment.
pub fn push_promise(header: FrameHeader, payload: &[u8]) -> Parsed<(u32, &[u8])> {
    match unpad(header, payload)?.split_first_chunk() {
        Some((&promised, fragment)) => Ok((u31(promised), fragment)),
        None => Err(ConnectionError::frame_size(
            "PUSH_PROMISE too short for its stream",
        )),
    }
}

/// The payload of PING (RFC 9113 §6.7).
pub fn ping(payload: &[u8]) -> Parsed<[u8; 8]> {
    let wrong = |_| ConnectionError::frame_size("PING is not eight bytes long");
    payload.try_into().map_err(wrong)
}

/// The payload of GOAWAY (RFC 9113 §6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoAway<'a> {
    /// The last stream that the sender acted on or may yet act on.
    pub last_stream_id: u32,
    /// Why.
    pub code: ErrorCode,
    /// Opaque; for logs.
    pub debug: &'a [u8],
}

/// The payload of GOAWAY (RFC 9113 §6.8).
pub fn goaway(payload: &[u8]) -> Parsed<GoAway<'_>> {
    let Some((&[l0, l1, l2, l3, c0, c1, c2, c3], debug)) = payload.split_first_chunk() else {
        return Err(ConnectionError::frame_size(
            "GOAWAY is shorter than eight bytes",
        ));
    };
    Ok(GoAway {
        last_stream_id: u31([l0, l1, l2, l3]),
        code: ErrorCode(u32::from_be_bytes([c0, c1, c2, c3])),
        debug,
    })
}

/// The payload of WINDOW_UPDATE (RFC 9113 §6.9): an increment that may still be the forbidden 0.
pub fn window_update(payload: &[u8]) -> Parsed<u32> {
    match payload.try_into() {
        Ok(increment) => Ok(u31(increment)),
        Err(_) => Err(ConnectionError::frame_size(
            "WINDOW_UPDATE is not four bytes long",
        )),
    }
}

/// A number of 31 bits behind a reserved one, which is ignored (RFC 9113 §2.2).
pub(super) fn u31(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & super::MAX_STREAM_ID
}
