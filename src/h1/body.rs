//! A body that is received: a number of bytes, or chunks (RFC 9112 §6, §7.1).
//!
//! Everything but a trailer section is consumed as it arrives, so an incomplete chunk header keeps
//! no bytes.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::bytes::is_text;
use super::error::Error;
use super::framing::Framing;
use super::scan::{Bounds, FirstLine, Scan};
use crate::http::grammar::is_token_byte;

/// The part of a body that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyDecoder {
    /// This many bytes, at least one.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
}

/// Position of the input in the chunked coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunked {
    state: ChunkState,
    /// Number of bytes of chunk extensions so far, of all chunks.
    extension_bytes: u32,
}

/// ```text
///        ┌──────────────────────────── CRLF ─────────────────────────────┐
///        ▼                                                               │
/// ─▶ Size ─┬─────────────── CR ──▶ SizeEnd ─LF─▶ Data ─▶ DataEnd ─CR─▶ DataLineFeed
///          └─ ; ─▶ Extension… ─ CR ─▶   │
///                                       └─LF, size 0─▶ Trailers ─▶ (end)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
    /// Hexadecimal digits of a chunk's size.
    Size { size: u64, digits: u8 },
    /// Blank space before the `;` of an extension.
    BeforeExtension { size: u64 },
    /// Behind a `;`, where a name must follow.
    ExtensionName { size: u64 },
    /// Within an extension.
    Extension { size: u64 },
    /// Behind the carriage return that ends the line of a size.
    SizeEnd { size: u64 },
    /// This many bytes of data, at least one.
    Data { left: u64 },
    /// Behind the data.
    DataEnd,
    /// Behind the carriage return behind the data.
    DataLineFeed,
    /// In the trailer section.
    Trailers(Scan),
}

/// Bounds of the bytes around the data of one body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyBounds {
    /// The most bytes of all chunk extensions together.
    pub(super) extension_bytes: usize,
    /// The most bytes of the trailer section, the empty line at its end included.
    pub(super) trailer_bytes: usize,
    /// The most fields of the trailer section.
    pub(super) trailer_fields: usize,
}

const NEW_CHUNK: ChunkState = ChunkState::Size { size: 0, digits: 0 };

/// The most digits of a size. 16 digits hold 64 bits. More could overflow in the arithmetic of another
/// implementation.
const SIZE_DIGITS: u8 = 16;

/// Meaning of the next bytes of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyPart<'i> {
    /// The next bytes are not here yet.
    Starved,
    /// Data, at least one byte; more of the body follows.
    Data(&'i [u8]),
    /// Data, maybe none, and the end.
    Last(&'i [u8]),
    /// A trailer section with its empty line, and the end.
    Trailers(&'i [u8]),
}

impl BodyDecoder {
    /// The body that a head announces, if it does.
    pub(super) fn new(framing: Framing) -> Option<BodyDecoder> {
        match framing {
            Framing::Empty => None,
            Framing::Length(length) => Some(BodyDecoder::Length(length)),
            Framing::Chunked => Some(BodyDecoder::Chunked(Chunked {
                state: NEW_CHUNK,
                extension_bytes: 0,
            })),
        }
    }

    /// Takes the next piece off the input.
    pub(super) fn decode<'i>(
        &mut self,
        input: &mut &'i [u8],
        bounds: &BodyBounds,
    ) -> Result<BodyPart<'i>, Error> {
        match self {
            BodyDecoder::Length(_) if input.is_empty() => Ok(BodyPart::Starved),
            BodyDecoder::Length(left) => {
                let data = take(input, left);
                Ok(match left {
                    0 => BodyPart::Last(data),
                    _ => BodyPart::Data(data),
                })
            }
            BodyDecoder::Chunked(chunked) => chunked.decode(input, bounds),
        }
    }
}

/// Takes up to `left` bytes off the input and from `left`.
fn take<'i>(input: &mut &'i [u8], left: &mut u64) -> &'i [u8] {
    let length = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    let (data, rest) = input.split_at(length);
    *input = rest;
    *left = left.saturating_sub(length as u64);
    data
}

impl Chunked {
    fn decode<'i>(
        &mut self,
        input: &mut &'i [u8],
        bounds: &BodyBounds,
    ) -> Result<BodyPart<'i>, Error> {
        loop {
            if let ChunkState::Trailers(scan) = &mut self.state {
                return decode_trailers(scan, input, bounds);
            }
            let Some((byte, rest)) = input.split_first() else {
                return Ok(BodyPart::Starved);
            };
            if let ChunkState::Data { left } = &mut self.state {
                let data = take(input, left);
                if *left == 0 {
                    self.state = ChunkState::DataEnd;
                }
                return Ok(BodyPart::Data(data));
            }
            self.state = self.step(*byte, bounds)?;
            *input = rest;
        }
    }

    /// The state behind one byte of the framing between the data (RFC 9112 §7.1). Bytes that are not
    /// listed are malformed.
    fn step(&mut self, byte: u8, bounds: &BodyBounds) -> Result<ChunkState, Error> {
        use ChunkState::*;
        let next = match (self.state, byte) {
            (Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                return add_digit(size, digits, byte);
            }
            (Size { digits: 0, .. }, _) => return Err(Error::Chunk),
            (Size { size, .. } | Extension { size }, b'\r') => return Ok(SizeEnd { size }),
            (SizeEnd { size: 0 }, b'\n') => return Ok(Trailers(Scan::default())),
            (SizeEnd { size }, b'\n') => return Ok(Data { left: size }),
            (DataEnd, b'\r') => return Ok(DataLineFeed),
            (DataLineFeed, b'\n') => return Ok(NEW_CHUNK),
            (Size { size, .. } | BeforeExtension { size }, b';') => ExtensionName { size },
            (Size { size, .. } | BeforeExtension { size }, b' ' | b'\t') => {
                BeforeExtension { size }
            }
            (ExtensionName { size }, b' ' | b'\t') => ExtensionName { size },
            (ExtensionName { size }, _) if is_token_byte(byte) => Extension { size },
            (Extension { size }, _) if is_text(byte) => Extension { size },
            _ => return Err(Error::Chunk),
        };
        self.extension_bytes = self.extension_bytes.saturating_add(1);
        if self.extension_bytes as usize > bounds.extension_bytes {
            return Err(Error::ChunkExtensions);
        }
        Ok(next)
    }
}

fn add_digit(size: u64, digits: u8, digit: u8) -> Result<ChunkState, Error> {
    let value = char::from(digit).to_digit(16).ok_or(Error::Chunk)?;
    if digits == SIZE_DIGITS {
        return Err(Error::Chunk);
    }
    // 16 digits are 64 bits, so nothing is shifted out.
    Ok(ChunkState::Size {
        size: size << 4 | u64::from(value),
        digits: digits.saturating_add(1),
    })
}

/// Decodes the trailers (RFC 9112 §7.1.2): they are like a head's fields, and bounded like them.
fn decode_trailers<'i>(
    scan: &mut Scan,
    input: &mut &'i [u8],
    bounds: &BodyBounds,
) -> Result<BodyPart<'i>, Error> {
    let bounds = Bounds {
        first_line: FirstLine::Absent,
        bytes: bounds.trailer_bytes,
        fields: bounds.trailer_fields,
        crumbs: 0,
    };
    let Some(length) = scan.advance(input, &bounds)? else {
        return Ok(BodyPart::Starved);
    };
    let (section, rest) = input.split_at(length);
    *input = rest;
    Ok(match section {
        b"\r\n" => BodyPart::Last(&[]),
        _ => BodyPart::Trailers(section),
    })
}
