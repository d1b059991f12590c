//! Integers with a prefix (RFC 7541 §5.1).

use super::error::DecodeError;
use super::input::BlockInput;

/// Bytes that may follow the prefix. Five carry 35 bits, enough for every 32-bit value; more would
/// only be leading zeros, which §5.1 lets a decoder refuse.
const MAX_CONTINUATION: u32 = 5;

/// Reads the integer whose first byte, flags included, is `first`; its value is in the low
/// `prefix_bits` bits of it and, where they are all ones, in the bytes that follow.
#[inline]
pub(super) fn decode(
    first: u8,
    prefix_bits: u32,
    input: &mut BlockInput<'_>,
) -> Result<u32, DecodeError> {
    let prefix_max = (1 << prefix_bits) - 1;
    let prefix = first & prefix_max as u8;
    if u32::from(prefix) < prefix_max {
        return Ok(u32::from(prefix));
    }
    decode_continuation(prefix_max, input)
}

fn decode_continuation(prefix_max: u32, input: &mut BlockInput<'_>) -> Result<u32, DecodeError> {
    let mut value = u64::from(prefix_max);
    for position in 0..MAX_CONTINUATION {
        let byte = input.byte()?;
        value += u64::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return u32::try_from(value).map_err(|_| DecodeError::IntegerOverflow);
        }
    }
    Err(DecodeError::IntegerOverflow)
}

/// Appends `value` with a prefix of `prefix_bits` bits; `flags` are the bits above the prefix.
#[inline]
pub(super) fn encode(value: u32, flags: u8, prefix_bits: u32, out: &mut Vec<u8>) {
    let prefix_max = (1 << prefix_bits) - 1;
    if value < prefix_max {
        out.push(flags | value as u8);
        return;
    }
    out.push(flags | prefix_max as u8);
    let mut rest = value - prefix_max;
    while rest >= 0x80 {
        out.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out.push(rest as u8);
}
