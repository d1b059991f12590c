//! String literals (RFC 7541 §5.2) as they are written.

use super::{huffman, integer};

/// Lengths below this take one byte, with a bit of it for the form of the string (§5.2).
const ONE_BYTE_LEN: usize = 0x7f;

/// Appends a string (§5.2), in the shorter of its two forms.
#[expect(
    clippy::indexing_slicing,
    reason = "the byte at `start` is pushed first"
)]
pub(super) fn encode(string: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    // The length goes in front once it is known, mostly into this byte.
    out.push(0);
    match huffman::encode_shorter(string, out) {
        Some(len @ ..ONE_BYTE_LEN) => out[start] = 0x80 | len as u8,
        Some(len) => {
            let mut prefix = Vec::new();
            integer::encode(len as u32, 0x80, 7, &mut prefix);
            out.splice(start..=start, prefix);
        }
        None => {
            out.truncate(start);
            integer::encode(string.len() as u32, 0x00, 7, out);
            out.extend_from_slice(string);
        }
    }
}
