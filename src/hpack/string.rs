//! String literals (RFC 7541 §5.2) as they are written.

use super::{huffman, integer};

/// Lengths below this take one byte, with a bit of it for the form of the string (§5.2).
const ONE_BYTE_LEN: usize = 0x7f;

/// Room for most strings, of a size that the compiler knows: clearing it takes a few stores.
const SHORT: usize = 64;

/// Appends a string (§5.2), in the shorter of its two forms.
pub(super) fn encode(string: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    // The length goes in front once it is known, mostly into one byte. Huffman's code pays where it is shorter.
    let room = string.len() + huffman::SLACK;
    match room {
        ..=SHORT => out.extend_from_slice(&[0; SHORT]),
        _ => out.resize(start + room, 0),
    }
    let room = out.get_mut(start..start + room);
    let room = room.and_then(<[u8]>::split_first_mut);
    let encoded = room.and_then(|(first, room)| {
        let len = huffman::encode(string, room)?;
        *first = 0x80 | len.min(ONE_BYTE_LEN) as u8;
        Some(len)
    });
    match encoded {
        Some(len) => {
            out.truncate(start + 1 + len);
            if len >= ONE_BYTE_LEN {
                lengthen(start, len, out);
            }
        }
        None => {
            out.truncate(start);
            encode_plain(string, out);
        }
    }
}

/// Appends a string (§5.2) as it is.
pub(super) fn encode_plain(string: &[u8], out: &mut Vec<u8>) {
    integer::encode(string.len() as u32, 0x00, 7, out);
    out.extend_from_slice(string);
}

/// Gives a length that is more than one byte its place in front of a string in Huffman's code.
#[cold]
fn lengthen(start: usize, len: usize, out: &mut Vec<u8>) {
    let mut prefix = Vec::new();
    integer::encode(len as u32, 0x80, 7, &mut prefix);
    out.splice(start..=start, prefix);
}
