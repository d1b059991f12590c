//! Tests of HPACK by section of RFC 7541; each name is a sentence.

use super::{DecodeError, DecodeLimits, Decoded, Decoder, Encoder, huffman};
use crate::http::field::{Field, Fields};

mod appendix_c;
mod limits;
mod memory;
mod policy;
mod properties;
mod s4_table_size;
mod s5_primitives;
mod s6_representations;

/// A name and a value.
type Owned = (Vec<u8>, Vec<u8>);

/// More than any test of something else needs.
const AMPLE: DecodeLimits = DecodeLimits {
    list_size: 1 << 24,
    fields: 1 << 20,
    crumbs: 1_000,
    overrun: 4,
};

/// Bytes from hexadecimal digits; spaces are for the reader.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A string in the Huffman code, whether that is shorter or not.
fn huffman_encode(string: &[u8]) -> Vec<u8> {
    // No code is longer than four bytes.
    let mut out = vec![0; 4 * string.len() + huffman::SLACK];
    let len = huffman::encode(string, &mut out).unwrap();
    out.truncate(len);
    out
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().copied().collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, DecodeError> {
    let mut fields = Fields::new();
    let decoded = decoder.decode(block, &mut fields, &AMPLE)?;
    assert_eq!(decoded, Decoded::Whole);
    Ok(fields)
}

fn encode(encoder: &mut Encoder, fields: &Fields) -> Vec<u8> {
    let mut block = Vec::new();
    encoder.encode(fields.iter(), &mut block);
    block
}

/// The dynamic table as its indices show it, newest first, and its size (§4.1).
fn entries(decoder: &mut Decoder) -> (Vec<Owned>, usize) {
    let mut found: Vec<Owned> = Vec::new();
    for index in 62u8..127 {
        match decode(decoder, &[0x80 | index]) {
            Ok(fields) => {
                let pairs = fields
                    .iter()
                    .map(|field| (field.name.into(), field.value.into()));
                found.extend(pairs);
            }
            Err(DecodeError::InvalidIndex) => break,
            Err(other) => panic!("{other}"),
        }
    }
    let size = found
        .iter()
        .map(|(name, value)| name.len() + value.len() + 32)
        .sum();
    (found, size)
}
