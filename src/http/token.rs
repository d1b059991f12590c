//! Tokens (RFC 9110 §5.6.2): names of fields, methods and other words of HTTP.

/// True for a byte of a token (`tchar`).
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// True for a token.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_letters_digits_and_fifteen_marks() {
        let bytes = (0..=255).filter(|byte| is_token_byte(*byte));
        assert_eq!(bytes.count(), 62 + 15);
        assert!(is_token(b"x-Robots_Tag.1~") && is_token(b"|"));
        for text in [&b""[..], b"a b", b"a:", b"(a)", b"\"a\"", b"a\x7f", b"\xe9"] {
            assert!(!is_token(text), "{text:?}");
        }
    }
}
