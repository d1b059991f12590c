//! The bytes that come before encryption: the length of a ClientHello, as the headers of its records and its own
//! header announce it, and the order of its cipher suites.

use rustls::AlertDescription;

/// The largest ClientHello that is accepted. Browsers send 2 KiB, with post-quantum keys; rustls would
/// wait for 64 KiB.
const HELLO: usize = 16 << 10;

/// The largest content of a record without encryption (RFC 8446 §5.1).
const RECORD: usize = 16 << 10;

/// Types of the records that are looked at (RFC 8446 §5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// Judges the records up to the first handshake message by the lengths that they announce. Records of
/// other types, and bytes that are no record, are left to rustls.
pub fn judge(mut records: &[u8]) -> Result<(), AlertDescription> {
    // Type and length of the message (RFC 8446 §4), which may be cut over four records.
    let mut message = [0; 4];
    let mut known = 0;
    // The header of a record: its type, a version, its length.
    while let [
        kind @ (CHANGE_CIPHER_SPEC | HANDSHAKE),
        3,
        _,
        high,
        low,
        rest @ ..,
    ] = records
    {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if len > RECORD {
            return Err(AlertDescription::RecordOverflow);
        }
        let (content, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        if *kind == HANDSHAKE {
            for (place, byte) in message.iter_mut().skip(known).zip(content) {
                *place = *byte;
                known += 1;
            }
            if known == message.len() {
                break;
            }
        }
        records = after;
    }
    let [_, length @ ..] = message.map(usize::from);
    let len = length.iter().fold(0, |len, byte| len << 8 | byte);
    if len > HELLO {
        // OpenSSL and BoringSSL give this answer too.
        Err(AlertDescription::IllegalParameter)
    } else {
        Ok(())
    }
}

/// True if a ClientHello names ChaCha20-Poly1305 before any suite with AES-GCM. `records` are the first bytes of a
/// connection. A ClientHello whose suites are not whole in them and in its first record tells nothing.
pub fn prefers_chacha(records: &[u8]) -> bool {
    let pairs = suites(records).unwrap_or_default().chunks_exact(2);
    let mut known = pairs.filter_map(|pair| match pair {
        // Of TLS 1.3 (RFC 8446 §B.4), of TLS 1.2 with AES-GCM (RFC 5289) and with ChaCha20 (RFC 7905).
        [0x13, 1 | 2] | [0xc0, 0x2b | 0x2c | 0x2f | 0x30] => Some(false),
        [0x13, 3] | [0xcc, 0xa8 | 0xa9] => Some(true),
        _ => None,
    });
    known.next() == Some(true)
}

/// The cipher suites of a ClientHello (RFC 8446 §4.1.2).
fn suites(records: &[u8]) -> Option<&[u8]> {
    // Behind the headers of the record and of the message: a version, 32 random bytes, the session's name.
    let [HANDSHAKE, 3, _, _, _, 1, _, _, _, hello @ ..] = records else {
        return None;
    };
    let (_, [name, rest @ ..]) = hello.split_at_checked(34)? else {
        return None;
    };
    let [high, low, rest @ ..] = rest.get(usize::from(*name)..)? else {
        return None;
    };
    rest.get(..usize::from(u16::from_be_bytes([*high, *low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a ClientHello of `len` bytes, in records of `record` bytes each.
    fn hello(len: usize, record: usize) -> Vec<u8> {
        let [.., a, b, c] = len.to_be_bytes();
        let message = [1, a, b, c, 3, 3, 7, 7, 7, 7];
        let records = message.chunks(record).map(|part| {
            let header = [HANDSHAKE, 3, 1, 0, part.len() as u8];
            [&header[..], part].concat()
        });
        records.collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_hello_is_judged_by_its_length_however_it_is_cut() {
        for record in 1..11 {
            assert_eq!(judge(&hello(HELLO, record)), Ok(()));
            let long = hello(HELLO + 1, record);
            assert_eq!(judge(&long), Err(AlertDescription::IllegalParameter));
            let retried = [&[CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1], &long[..]].concat();
            assert_eq!(judge(&retried), Err(AlertDescription::IllegalParameter));
            for end in 0..long.len() {
                let known = end / (record + 5) * record + (end % (record + 5)).saturating_sub(5);
                assert_eq!(judge(&long[..end]).is_ok(), known < 4, "{end} of {record}");
            }
        }
    }

    #[test]
    fn a_record_longer_than_its_version_allows_is_told_by_its_header() {
        assert_eq!(judge(&[22, 3, 1, 0x40, 0]), Ok(()));
        let overflow = Err(AlertDescription::RecordOverflow);
        assert_eq!(judge(&[22, 3, 1, 0x40, 1]), overflow);
        assert_eq!(judge(&[22, 3, 1, 0x47, 0xff, 1, 0, 0, 0]), overflow);
    }

    #[test]
    fn what_is_no_handshake_is_left_to_others() {
        let others: [&[u8]; 4] = [b"GET / HTTP/1.1", &[23, 3, 3, 0xff, 0xff], &[22, 3], &[]];
        for records in others {
            assert_eq!(judge(records), Ok(()));
        }
    }

    #[test]
    fn the_first_suite_that_is_known_tells_of_the_clients_hardware() {
        let hello = |suites: &[u8]| {
            let mut records = vec![HANDSHAKE, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3];
            records.extend([7; 32]);
            records.extend([2, 7, 7, 0, suites.len() as u8]);
            records.extend(suites);
            records
        };
        for (suites, chacha) in [
            (&[0x13, 2, 0x13, 3, 0x13, 1][..], false),
            (&[0x13, 3, 0x13, 1], true),
            // GREASE (RFC 8701).
            (&[0x0a, 0x0a, 0x13, 3], true),
            (&[0xc0, 0x2f, 0xcc, 0xa8], false),
            (&[0xcc, 0xa9, 0xc0, 0x2b], true),
            (&[], false),
        ] {
            let records = hello(suites);
            assert_eq!(prefers_chacha(&records), chacha, "{suites:?}");
            for end in 0..records.len() {
                assert!(!prefers_chacha(&records[..end]), "{end}");
            }
        }
        assert!(!prefers_chacha(b"GET / HTTP/1.1\r\n\r\n"));
    }
}
