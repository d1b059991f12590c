//! The nine bytes in front of every frame (RFC 9113 §4.1).
//!
//! ```text
//! +-----------------------------------------------+
//! |                 Length (24)                   |
//! +---------------+---------------+---------------+
//! |   Type (8)    |   Flags (8)   |
//! +-+-------------+---------------+-------------------------------+
//! |R|                 Stream Identifier (31)                      |
//! +-+-------------------------------------------------------------+
//! ```

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::fmt;

/// The length of a frame header.
pub const HEADER_LEN: usize = 9;

/// The type of a frame; whatever is not a constant here is an extension that we do not know.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameType(pub u8);

impl FrameType {
    /// Bytes of a message's content (RFC 9113 §6.1).
    pub const DATA: FrameType = FrameType(0x0);
    /// Opens a stream, or carries a field section on it (§6.2).
    pub const HEADERS: FrameType = FrameType(0x1);
    /// The deprecated priority of RFC 7540 (§6.3).
    pub const PRIORITY: FrameType = FrameType(0x2);
    /// Ends a stream at once (§6.4).
    pub const RST_STREAM: FrameType = FrameType(0x3);
    /// Configuration of the sender (§6.5).
    pub const SETTINGS: FrameType = FrameType(0x4);
    /// Announces a pushed stream (§6.6).
    pub const PUSH_PROMISE: FrameType = FrameType(0x5);
    /// Measures a round trip (§6.7).
    pub const PING: FrameType = FrameType(0x6);
    /// Ends the connection (§6.8).
    pub const GOAWAY: FrameType = FrameType(0x7);
    /// Opens a flow-control window further (§6.9).
    pub const WINDOW_UPDATE: FrameType = FrameType(0x8);
    /// Continues a field block (§6.10).
    pub const CONTINUATION: FrameType = FrameType(0x9);
    /// Alternative services (RFC 7838 §4).
    pub const ALTSVC: FrameType = FrameType(0xa);
    /// Origins that the connection may be used for (RFC 8336 §2).
    pub const ORIGIN: FrameType = FrameType(0xc);
    /// A new priority for a stream (RFC 9218 §7.1).
    pub const PRIORITY_UPDATE: FrameType = FrameType(0x10);

    /// The types that are known here, each with its registered name: those of RFC 9113 by their numbers, then those
    /// of extensions. All that is named or counted by type goes by this table.
    pub const KNOWN: [(FrameType, &'static str); 13] = [
        (FrameType::DATA, "DATA"),
        (FrameType::HEADERS, "HEADERS"),
        (FrameType::PRIORITY, "PRIORITY"),
        (FrameType::RST_STREAM, "RST_STREAM"),
        (FrameType::SETTINGS, "SETTINGS"),
        (FrameType::PUSH_PROMISE, "PUSH_PROMISE"),
        (FrameType::PING, "PING"),
        (FrameType::GOAWAY, "GOAWAY"),
        (FrameType::WINDOW_UPDATE, "WINDOW_UPDATE"),
        (FrameType::CONTINUATION, "CONTINUATION"),
        (FrameType::ALTSVC, "ALTSVC"),
        (FrameType::ORIGIN, "ORIGIN"),
        (FrameType::PRIORITY_UPDATE, "PRIORITY_UPDATE"),
    ];

    /// The place of the type in [`FrameType::KNOWN`].
    pub fn place(self) -> Option<usize> {
        match usize::from(self.0) {
            place @ 0..10 => Some(place),
            _ => FrameType::KNOWN.iter().position(|(kind, _)| *kind == self),
        }
    }

    /// The registered name of the type.
    pub fn name(self) -> Option<&'static str> {
        let (_, name) = FrameType::KNOWN.get(self.place()?)?;
        Some(name)
    }
}

impl fmt::Debug for FrameType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "type {:#04x}", self.0),
        }
    }
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of payload behind the header: 24 bits.
    pub len: u32,
    /// The type, which says how the payload is read.
    pub kind: FrameType,
    /// Bits whose meaning depends on the type; unknown ones are ignored.
    pub flags: u8,
    /// The stream, or 0 for the connection as a whole. The reserved bit is gone.
    pub stream_id: u32,
}

impl FrameHeader {
    /// Reads the header of the frame that `input` begins with, or `None` if there are too few bytes.
    pub fn decode(input: &[u8]) -> Option<FrameHeader> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *input.first_chunk::<HEADER_LEN>()?;
        Some(FrameHeader {
            len: u32::from_be_bytes([0, l0, l1, l2]),
            kind: FrameType(kind),
            flags,
            // The reserved bit is ignored when receiving (RFC 9113 §4.1).
            stream_id: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        })
    }

    /// Reads the header, and gives it with the bytes behind it.
    pub fn split_first(input: &[u8]) -> Option<(FrameHeader, &[u8])> {
        let header = FrameHeader::decode(input)?;
        Some((header, input.get(HEADER_LEN..)?))
    }

    /// The header as bytes.
    pub fn encode(self) -> [u8; HEADER_LEN] {
        let [_, l0, l1, l2] = self.len.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream_id.to_be_bytes();
        [l0, l1, l2, self.kind.0, self.flags, s0, s1, s2, s3]
    }

    /// Says that a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_without_its_reserved_bit() {
        let bytes = [0, 0x40, 1, 0x1, 0x5, 0x80, 0, 0, 3];
        let header = FrameHeader::decode(&bytes).unwrap();
        assert_eq!(header.len, 16_385);
        assert_eq!(header.kind, FrameType::HEADERS);
        assert_eq!(header.stream_id, 3);
        let again = header.encode();
        assert_eq!(again[..5], bytes[..5]);
        assert_eq!(again[5..], [0, 0, 0, 3]);
    }

    #[test]
    fn each_known_type_has_its_place_and_name_and_strangers_have_none() {
        for (place, (kind, name)) in FrameType::KNOWN.into_iter().enumerate() {
            assert_eq!((kind.place(), kind.name()), (Some(place), Some(name)));
        }
        for stranger in [0x0b, 0x0d, 0xff].map(FrameType) {
            assert_eq!((stranger.place(), stranger.name()), (None, None));
        }
    }

    #[test]
    fn eight_bytes_are_no_header() {
        assert_eq!(FrameHeader::decode(&[0; 8]), None);
    }
}
