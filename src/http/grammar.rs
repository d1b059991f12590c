//! Pieces of grammar that both versions share: tokens, blanks, numbers (RFC 9110 §5.6), and the fields that
//! concern a connection or the framing.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

/// Class of the bytes of a token, such as a method or a field name: `tchar` (RFC 9110 §5.6.2).
const TOKEN: u8 = 1;
/// Class of the bytes of a token without capital letters: a field name of HTTP/2 (RFC 9113 §8.2.1).
const LOWERCASE: u8 = 2;

/// The classes of each byte.
static CLASSES: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "at compile time")]
#[expect(clippy::arithmetic_side_effects, reason = "at compile time")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let symbols = b"!#$%&'*+-.^_`|~";
    let mut i = 0;
    while i < symbols.len() {
        classes[symbols[i] as usize] = TOKEN | LOWERCASE;
        i += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        if b.is_ascii_digit() || b.is_ascii_lowercase() {
            classes[byte] = TOKEN | LOWERCASE;
        } else if b.is_ascii_uppercase() {
            classes[byte] = TOKEN;
        }
        byte += 1;
    }
    classes
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "there is an entry for every byte")]
fn classes_of(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

/// True if the byte may stand in a token.
#[inline]
pub fn is_token_byte(byte: u8) -> bool {
    classes_of(byte) & TOKEN != 0
}

/// True for a token.
pub fn is_token(bytes: &[u8]) -> bool {
    are_all(TOKEN, bytes)
}

/// True for a token without capital letters.
#[inline]
pub fn is_lowercase_token(bytes: &[u8]) -> bool {
    are_all(LOWERCASE, bytes)
}

/// True if there are bytes, and all of them are of a class. No byte ends the loop, because nearly all are of it.
#[inline]
fn are_all(class: u8, bytes: &[u8]) -> bool {
    let common = bytes
        .iter()
        .fold(class, |common, &byte| common & classes_of(byte));
    !bytes.is_empty() && common != 0
}

/// True for the blanks around a value: space and tab (RFC 9110 §5.6.3).
#[inline]
pub fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The value without blanks around it.
pub fn trim(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_blank(*first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && is_blank(*last)
    {
        value = rest;
    }
    value
}

/// One decimal number that fits 64 bits: no sign, no list, no blank (RFC 9110 §8.6).
pub fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(byte & 0xf)),
        _ => None,
    })
}

/// True for a field that concerns one connection of HTTP/1.1 and has no place in HTTP/2 (RFC 9113 §8.2.2).
/// By length first, because most fields are none of these.
#[inline]
pub fn is_connection_specific(name: &[u8]) -> bool {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.len() {
        7 => is(b"upgrade"),
        10 => is(b"connection") || is(b"keep-alive"),
        16 => is(b"proxy-connection"),
        17 => is(b"transfer-encoding"),
        _ => false,
    }
}

/// [`is_connection_specific`] for a name without capital letters, as all names of HTTP/2 are: one comparison for
/// most names.
#[inline]
pub fn is_connection_specific_lowercase(name: &[u8]) -> bool {
    matches!(
        name,
        b"upgrade" | b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
    )
}

/// True for a field that a trailer section may have: none that concerns the connection, or that frames,
/// routes or conditions a message, because the message was dealt with before its trailers came
/// (RFC 9110 §6.5.1).
pub fn may_be_trailer(name: &[u8]) -> bool {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    let known = match name.len() {
        2 => is(b"te"),
        4 => is(b"host"),
        6 => is(b"expect"),
        14 => is(b"content-length") || is(b"http2-settings"),
        _ => is_connection_specific(name),
    };
    !known && name.first() != Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_hold_what_their_grammar_lists() {
        let tokens: Vec<u8> = (0..=255).filter(|byte| is_token_byte(*byte)).collect();
        assert_eq!(tokens.len(), 62 + 15);
        assert!(is_token(&tokens) && !is_token(b"") && !is_token(b"a b"));
        let lowercase = tokens.to_ascii_lowercase();
        assert!(is_lowercase_token(&lowercase) && !is_lowercase_token(&tokens));
        for name in [&b""[..], b"A", b"a:", b"a\x80", b"a\0"] {
            assert!(!is_lowercase_token(name), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn trimming_takes_spaces_and_tabs_alone() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
        assert_eq!(trim(b"\x0ba"), b"\x0ba");
    }

    #[test]
    fn a_number_is_of_digits_and_fits_64_bits() {
        assert_eq!(decimal(b"007"), Some(7));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for value in ["", "+5", "-5", "5 ", "5,5", "18446744073709551616", "٣"] {
            assert_eq!(decimal(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn trailers_frame_and_route_nothing() {
        for name in [
            "Connection",
            "keep-alive",
            "Proxy-Connection",
            "transfer-encoding",
            "upgrade",
            "TE",
            "Host",
            "expect",
            "Content-Length",
            "http2-settings",
            ":status",
        ] {
            assert!(!may_be_trailer(name.as_bytes()), "{name}");
        }
        for name in ["x-sum", "server-timing", "grpc-status", "upgrades", "at"] {
            assert!(may_be_trailer(name.as_bytes()), "{name}");
        }
    }
}
