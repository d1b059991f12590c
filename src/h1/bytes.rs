//! Classes of bytes, by the places of a head in which they may stand.

use crate::http::is_token_byte;

/// Class of the bytes of a token, such as a method or a field name: `tchar` (RFC 9110 §5.6.2).
const TOKEN: u8 = 1;
/// Class of the bytes of a chunk extension: visible characters, space, tab, and obs-text (RFC 9112
/// §7.1.1).
const TEXT: u8 = 2;

/// The classes of each byte.
static CLASSES: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "at compile time")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if is_token_byte(b) {
            classes[byte] |= TOKEN;
        }
        if b == b'\t' || (b >= b' ' && b != 0x7f) {
            classes[byte] |= TEXT;
        }
        byte += 1;
    }
    classes
}

#[expect(clippy::indexing_slicing, reason = "there is an entry for every byte")]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// True if the byte may stand in a token.
pub(super) fn is_token(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// True if the byte may stand in a chunk extension.
pub(super) fn is_text(byte: u8) -> bool {
    is(byte, TEXT)
}

/// The position of the first control character: below space, or DEL. Tab is one too.
///
/// Eight bytes at a time: every byte of a head passes here once, and control characters are as rare
/// as line ends.
pub(super) fn first_control(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let found = controls(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(i * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let control = |byte: &u8| *byte < b' ' || *byte == 0x7f;
    let position = rest.iter().position(control)?;
    Some(bytes.len() - rest.len() + position)
}

/// Marks the high bit of each byte that is a control character. Marks above the lowest one may be
/// wrong, because the subtractions borrow from there. The lowest is always right.
const fn controls(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let delete = word ^ (ONES * 0x7f);
    let is_delete = delete.wrapping_sub(ONES) & !delete;
    (below_space | is_delete) & (ONES * 0x80)
}

/// The value without spaces and tabs around it (RFC 9110 §5.6.3).
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |i| i + 1);
    value.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_control_character_is_found_wherever_it_stands() {
        for control in (0..32).chain([127]) {
            for length in 1..40 {
                for position in 0..length {
                    for other in [b' ', b'a', 0x80, 0xff, 0x7e] {
                        let mut bytes = vec![other; length];
                        bytes[position] = control;
                        assert_eq!(first_control(&bytes), Some(position));
                        bytes[length - 1] = control;
                        assert_eq!(first_control(&bytes), Some(position));
                    }
                }
            }
        }
        let printable: Vec<u8> = (32..127).chain(128..=255).collect();
        assert_eq!(first_control(&printable), None);
    }

    #[test]
    fn classes_hold_what_their_grammar_lists() {
        let of = |class: fn(u8) -> bool| (0..=255).filter(|b| class(*b)).count();
        assert_eq!(of(is_token), 62 + 15);
        assert_eq!(of(is_text), 256 - 33 + 1);
    }

    #[test]
    fn trimming_takes_spaces_and_tabs_alone() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
        assert_eq!(trim(b"\x0ba"), b"\x0ba");
    }
}
