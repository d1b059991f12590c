//! Classes of bytes, by the places of a head in which they may stand.

/// True if the byte may stand in a chunk extension: a visible character, space, tab, or obs-text (RFC 9112
/// §7.1.1).
pub(super) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
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
    fn text_is_all_but_control_characters() {
        let of = (0..=255).filter(|byte| is_text(*byte)).count();
        assert_eq!(of, 256 - 33 + 1);
    }
}
