//! Classes of bytes, by the places of a head in which they may stand.

/// True if the byte may stand in a chunk extension: a visible character, space, tab, or obs-text (RFC 9112
/// §7.1.1).
pub(super) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_all_but_control_characters() {
        let of = (0..=255).filter(|byte| is_text(*byte)).count();
        assert_eq!(of, 256 - 33 + 1);
    }
}
