//! Host and port in `Host` and `:authority` (RFC 9110 §7.2, RFC 9113 §8.3.1), checked by one function
//! for both versions.

#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)
)]

/// Class of the bytes of a `reg-name` without percent-encoding: a name or an IPv4 address (RFC 3986
/// §3.2.2).
const NAME: u8 = 1;
/// Class of the bytes between the brackets of an IPv6 address (RFC 3986 §3.2.2).
const ADDRESS: u8 = 2;

/// The classes of each byte, one bit a class.
static CLASSES: [u8; 256] = classes();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "at compile time"
)]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() {
            classes[byte] |= NAME;
        }
        if b.is_ascii_hexdigit() || b == b':' || b == b'.' {
            classes[byte] |= ADDRESS;
        }
        byte += 1;
    }
    let others = b"-._~!$&'()*+,;=";
    let mut i = 0;
    while i < others.len() {
        classes[others[i] as usize] |= NAME;
        i += 1;
    }
    classes
}

/// The number of bytes at the front that belong to a class.
#[expect(clippy::indexing_slicing, reason = "there is an entry for every byte")]
fn span(value: &[u8], class: u8) -> usize {
    let other = |byte: &u8| CLASSES[usize::from(*byte)] & class == 0;
    value.iter().position(other).unwrap_or(value.len())
}

/// True for a host with an optional port, if the host is not empty.
///
/// Percent-encoding is refused: it can name no host of the DNS, and it gives one host two spellings.
/// User information is refused as well (RFC 9110 §4.2.4).
pub fn is_authority(value: &[u8]) -> bool {
    let host_length = match value {
        [b'[', address @ ..] => {
            let length = span(address, ADDRESS);
            if length < 2 || address.get(length) != Some(&b']') {
                return false;
            }
            length.saturating_add(2)
        }
        _ => span(value, NAME),
    };
    let (host, port) = value.split_at(host_length);
    !host.is_empty()
        && match port {
            [] => true,
            [b':', digits @ ..] => is_port(digits),
            _ => false,
        }
}

/// True for `*DIGIT` (RFC 3986 §3.2.3) that is a port of TCP: at most 65,535.
fn is_port(digits: &[u8]) -> bool {
    let port = digits.iter().try_fold(0u16, |port, byte| match byte {
        b'0'..=b'9' => port.checked_mul(10)?.checked_add(u16::from(byte & 0xf)),
        _ => None,
    });
    port.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_with_an_optional_port() {
        for good in [
            "a", "a.b", "a_b", "1.2.3.4", "a:", "a:0", "a:65535", "[::]", "[::1]:1",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a:65536", "a:-1", "a b", "a/b", "a@b", "a%20", "a\\b", "a:1:2", "[]",
            "[:]x", "[::1", "::1", "[::1]a", "[g::]", "é", "a?", "a#", "a\"", "a<b>", "a|b",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn names_are_made_of_what_rfc_3986_lists() {
        let of = |class| (0..=255).filter(|byte| span(&[*byte], class) == 1).count();
        assert_eq!(of(NAME), 62 + 4 + 11);
        assert_eq!(of(ADDRESS), 22 + 2);
    }
}
