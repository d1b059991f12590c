//! Control characters in the text of heads, found eight bytes at a time: every byte of a head passes here, and they
//! are as rare as line ends.

/// The position of the first control character: below space, or DEL. Tab is one too.
pub(crate) fn first_control(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        if let Some(position) = first_of_word(*word) {
            return Some(i * 8 + position);
        }
    }
    if rest.is_empty() {
        return None;
    }
    match bytes.last_chunk::<8>() {
        // The bytes before the rest were looked at, and have none.
        Some(word) => first_of_word(*word).map(|position| bytes.len() - 8 + position),
        None => rest.iter().position(|byte| *byte < b' ' || *byte == 0x7f),
    }
}

/// The position of the first control character of eight bytes.
#[inline]
fn first_of_word(word: [u8; 8]) -> Option<usize> {
    let found = controls(u64::from_le_bytes(word));
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
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

/// True for text that fits into one line of a head: there is no control character but tab (RFC 9110 §5.5).
pub(crate) fn is_one_line(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(position) = first_control(rest) {
        match rest.split_at(position) {
            (_, [b'\t', after @ ..]) => rest = after,
            _ => return false,
        }
    }
    true
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
    fn one_line_has_no_control_character_but_tab() {
        for byte in 0..=255 {
            let is_fit = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
            for position in 0..20 {
                let mut text = [b'\t'; 20];
                text[position] = byte;
                assert_eq!(is_one_line(&text), is_fit, "{byte} at {position}");
            }
        }
        assert!(is_one_line(b""));
    }
}
