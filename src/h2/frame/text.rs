//! Frames as text for people: what `calmd get -v` and the server's trace show of them.
//!
//! Observers get frames as bytes, so field blocks are put together and decoded once more, by decoders of
//! their own.

use super::{FrameHeader, FrameType, decode, extension, flag};
use crate::h2::error::{ConnectionError, ErrorCode};
use crate::h2::settings::id;
use crate::hpack::{DecodeLimits, Decoder, INITIAL_TABLE_SIZE};
use crate::http::{Fields, printable};

/// Says that RST_STREAM or GOAWAY carries NO_ERROR.
pub fn is_harmless(header: FrameHeader, payload: &[u8]) -> bool {
    let code = match header.kind {
        FrameType::GOAWAY => decode::goaway(payload).map(|goaway| goaway.code),
        _ => decode::rst_stream(payload),
    };
    code == Ok(ErrorCode::NO_ERROR)
}

/// The text behind the stream: flags, then the payload in a few words.
pub fn details(header: FrameHeader, payload: &[u8]) -> Vec<String> {
    let mut details = Vec::new();
    let flags = flags(header);
    if !flags.is_empty() {
        details.push(flags);
    }
    match header.kind {
        FrameType::DATA => {
            // A payload that was not shown is not padded.
            let len = match payload {
                [] => header.len as usize,
                _ => decode::unpad(header, payload).map_or(0, <[u8]>::len),
            };
            details.push(format!("{len} bytes"));
            if len < payload.len() {
                details.push(format!("padded to {}", payload.len()));
            }
        }
        FrameType::HEADERS | FrameType::CONTINUATION => {
            details.push(format!("{} bytes", payload.len()));
            if header.kind == FrameType::HEADERS
                && let Ok((_, Some(priority))) = decode::headers(header, payload)
            {
                details.extend(rfc7540_priority(priority));
            }
        }
        FrameType::PRIORITY => {
            details.extend(
                decode::priority(payload)
                    .into_iter()
                    .flat_map(rfc7540_priority),
            );
        }
        FrameType::PUSH_PROMISE => {
            let promised = decode::push_promise(header, payload).map_or(0, |(id, _)| id);
            details.push(format!("promises stream {promised}"));
        }
        FrameType::RST_STREAM => {
            let code = decode::rst_stream(payload);
            details.extend(code.map(|code| code.to_string()).ok());
        }
        FrameType::GOAWAY => {
            if let Ok(goaway) = decode::goaway(payload) {
                details.push(goaway.code.to_string());
                details.push(format!("last stream {}", goaway.last_stream_id));
                if !goaway.debug.is_empty() {
                    details.push(format!("\"{}\"", printable(goaway.debug)));
                }
            }
        }
        FrameType::WINDOW_UPDATE => {
            let increment = decode::window_update(payload).unwrap_or_default();
            details.push(format!("+{increment}"));
        }
        FrameType::PING => {
            let digits = payload.iter().map(|byte| format!("{byte:02x}"));
            details.push(digits.collect());
        }
        FrameType::SETTINGS => {}
        kind => match extension::shown(kind) {
            Some(shown) => details.extend((shown.details)(payload)),
            None => details.push(format!("{} bytes", payload.len())),
        },
    }
    details
}

/// The weight of a stream, and the stream that it depends on.
fn rfc7540_priority(priority: decode::Rfc7540Priority) -> [String; 2] {
    let exclusively = if priority.exclusive {
        " exclusively"
    } else {
        ""
    };
    [
        format!("weight {}", priority.weight),
        format!("depends on {}{exclusively}", priority.dependency),
    ]
}

/// The frame's type, by name or number.
pub fn kind(header: FrameHeader) -> String {
    match header.kind.name() {
        Some(name) => name.to_owned(),
        None => format!("type {:#04x}", header.kind.0),
    }
}

/// The flags that are set and that the frame's type knows, by name; others as a number.
pub fn flags(header: FrameHeader) -> String {
    const END_STREAM: (u8, &str) = (flag::END_STREAM, "END_STREAM");
    const END_HEADERS: (u8, &str) = (flag::END_HEADERS, "END_HEADERS");
    const PADDED: (u8, &str) = (flag::PADDED, "PADDED");
    const PRIORITY: (u8, &str) = (flag::PRIORITY, "PRIORITY");
    const ACK: (u8, &str) = (flag::ACK, "ACK");
    let known: &[(u8, &str)] = match header.kind {
        FrameType::DATA => &[END_STREAM, PADDED],
        FrameType::HEADERS => &[END_STREAM, END_HEADERS, PADDED, PRIORITY],
        FrameType::PUSH_PROMISE => &[END_HEADERS, PADDED],
        FrameType::CONTINUATION => &[END_HEADERS],
        FrameType::SETTINGS | FrameType::PING => &[ACK],
        _ => &[],
    };
    let mut rest = header.flags;
    let mut names = Vec::new();
    for &(bit, name) in known {
        if header.has(bit) {
            rest &= !bit;
            names.push(name.to_owned());
        }
    }
    if rest != 0 {
        names.push(format!("{rest:#04x}"));
    }
    names.join(" ")
}

/// The name of a setting, or its number.
pub fn setting(identifier: u16) -> String {
    let name = match identifier {
        id::HEADER_TABLE_SIZE => "HEADER_TABLE_SIZE",
        id::ENABLE_PUSH => "ENABLE_PUSH",
        id::MAX_CONCURRENT_STREAMS => "MAX_CONCURRENT_STREAMS",
        id::INITIAL_WINDOW_SIZE => "INITIAL_WINDOW_SIZE",
        id::MAX_FRAME_SIZE => "MAX_FRAME_SIZE",
        id::MAX_HEADER_LIST_SIZE => "MAX_HEADER_LIST_SIZE",
        id::ENABLE_CONNECT_PROTOCOL => "ENABLE_CONNECT_PROTOCOL",
        id::NO_RFC7540_PRIORITIES => "NO_RFC7540_PRIORITIES",
        _ => return format!("setting {identifier:#06x}"),
    };
    name.into()
}

/// The field blocks of one direction.
pub struct Blocks {
    decoder: Decoder,
    block: Vec<u8>,
    fields: Fields,
}

impl Blocks {
    /// `table` is the largest size of the table that the decoder of these blocks has ever announced.
    pub fn new(table: u32) -> Self {
        let mut decoder = Decoder::new(INITIAL_TABLE_SIZE as usize);
        decoder.set_max_table_size(table.max(INITIAL_TABLE_SIZE) as usize);
        Blocks {
            decoder,
            block: Vec::new(),
            fields: Fields::new(),
        }
    }

    /// Blocks behind those that `decoder` has read, of which the last may be incomplete.
    pub(crate) fn resumed(decoder: Decoder, begun: &[u8]) -> Self {
        Blocks {
            decoder,
            block: begun.to_vec(),
            fields: Fields::new(),
        }
    }

    /// Takes a frame; gives the fields when it is the last of a block. An error is one that the core
    /// will find too.
    pub fn add(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<Option<&Fields>, ConnectionError> {
        let fragment = match header.kind {
            FrameType::HEADERS => decode::headers(header, payload)?.0,
            FrameType::PUSH_PROMISE => decode::push_promise(header, payload)?.1,
            FrameType::CONTINUATION => payload,
            _ => return Ok(None),
        };
        self.block.extend_from_slice(fragment);
        if !header.has(flag::END_HEADERS) {
            return Ok(None);
        }
        // The core has bounded the block before it is shown here.
        let limits = DecodeLimits {
            list_size: 1 << 20,
            fields: 10_000,
            crumbs: 1_000,
            overrun: 4,
        };
        self.fields.clear();
        let decoded = self.decoder.decode(&self.block, &mut self.fields, &limits);
        self.block.clear();
        Ok(decoded.ok().map(|_| &self.fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_of_rfc_7540_are_shown_by_weight_and_dependency() {
        let payload = [0x80, 0, 0, 5, 219, 0x82];
        let cases = [
            (
                FrameType::PRIORITY,
                0,
                5,
                "weight 220, depends on 5 exclusively",
            ),
            // Too short by a byte: what it says is unknown.
            (FrameType::PRIORITY, 0, 4, ""),
            (
                FrameType::HEADERS,
                flag::PRIORITY,
                6,
                "PRIORITY, 6 bytes, weight 220, depends on 5 exclusively",
            ),
            (FrameType::HEADERS, 0, 6, "6 bytes"),
        ];
        for (kind, flags, len, expected) in cases {
            let header = FrameHeader {
                len: len as u32,
                kind,
                flags,
                stream_id: 7,
            };
            assert_eq!(details(header, &payload[..len]).join(", "), expected);
        }
    }
}
