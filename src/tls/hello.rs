//! Limits of the bytes that come before encryption: the length of a ClientHello, as the headers of its
//! records and its own header announce it.

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
}
