//! Certificates that clients refuse, or soon will. The operator, who can renew them, is told.

use super::subject_names::Elements;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A certificate that ends this soon was not renewed in time: automatic renewal begins 30 days before
/// the end.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// A short-lived certificate should have been renewed when this part of its whole validity is left: a
/// fifth.
const LAST_PART: u32 = 5;

/// Tags of DER (X.690 §8) on the way to the validity of a certificate (RFC 5280 §4.1).
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The object identifiers sha1WithRSAEncryption (RFC 8017 appendix C) and ecdsa-with-SHA1 (RFC 3279
/// §2.2.3).
const SHA1: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
];

/// Parts of a certificate that limit the time for which clients accept it.
struct Validity {
    begin: SystemTime,
    end: SystemTime,
    is_sha1: bool,
}

/// A complaint about a certificate at the time `now`, if there is one. It is written to stand behind
/// the certificate's name.
pub(super) fn complaint(certificate: &[u8], now: SystemTime) -> Option<String> {
    let Validity {
        begin,
        end,
        is_sha1,
    } = Validity::of(certificate)?;
    let date = crate::http::date::format;
    if end <= now {
        return Some(format!("expired on {}; renew it", date(end)));
    }
    if now < begin {
        return Some(format!(
            "is not valid before {}; see that this machine's clock is right",
            date(begin)
        ));
    }
    if is_sha1 {
        return Some("is signed with SHA-1, which clients refuse; make it anew".into());
    }
    let left = end.duration_since(now).unwrap_or_default();
    let lasts = end.duration_since(begin).unwrap_or_default();
    (left < SOON.min(lasts / LAST_PART)).then(|| {
        let days = left.as_secs() / DAY.as_secs();
        let days = match days {
            0 => "less than a day".into(),
            1 => "a day".into(),
            _ => format!("{days} days"),
        };
        format!("expires in {days}, on {}; renew it", date(end))
    })
}

/// The end of a certificate's validity; none where it cannot be parsed.
pub(super) fn end(certificate: &[u8]) -> Option<SystemTime> {
    Validity::of(certificate).map(|validity| validity.end)
}

impl Validity {
    /// Reads the validity of a certificate in DER; none where it cannot be parsed.
    fn of(certificate: &[u8]) -> Option<Validity> {
        let inside = |bytes, tag| Elements(bytes).find(|element| element.0 == tag);
        let (_, whole) = inside(certificate, SEQUENCE)?;
        let (_, signed) = inside(whole, SEQUENCE)?;
        // The elements are a version, a serial number, an algorithm, an issuer, the validity.
        let versioned = Elements(signed).next()?.0 == VERSION;
        let mut parts = Elements(signed).skip(usize::from(versioned) + 1);
        let (_, algorithm) = parts.next()?;
        let (_, oid) = inside(algorithm, OBJECT_IDENTIFIER)?;
        let (_, issuer) = parts.next()?;
        let (_, validity) = parts.next()?;
        let (_, subject) = parts.next()?;
        let mut times = Elements(validity);
        Some(Validity {
            begin: time(times.next()?)?,
            end: time(times.next()?)?,
            // Clients do not check the signature of a self-signed certificate.
            is_sha1: SHA1.contains(&oid) && issuer != subject,
        })
    }
}

/// The time of `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
fn time((tag, text): (u8, &[u8])) -> Option<SystemTime> {
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut pairs = digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0')));
    let year = match tag {
        UTC_TIME => match pairs.next()? {
            short @ 50.. => 1900 + short,
            short => 2000 + short,
        },
        GENERALIZED_TIME => pairs.next()? * 100 + pairs.next()?,
        _ => return None,
    };
    let mut next = || pairs.next();
    let (month, day) = (next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    let secs = days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(secs))
}

/// Days from 1970 to a date of the Gregorian calendar; 0 for earlier dates.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last day of a year.
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    // The number of days from the first of March of the year 0 to 1970.
    Some(days.saturating_sub(719_468))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn certificate(begin: SystemTime, end: SystemTime) -> Vec<u8> {
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        params.not_before = begin.into();
        params.not_after = end.into();
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn day(n: u32) -> SystemTime {
        UNIX_EPOCH + 15_000 * DAY + n * DAY
    }

    #[test]
    fn a_certificate_is_complained_of_before_its_time_behind_it_and_near_its_end() {
        let ninety = certificate(day(0), day(90));
        let said = |certificate: &[u8], now| complaint(certificate, now).unwrap_or_default();
        assert!(said(&ninety, day(0) - DAY).starts_with("is not valid before"));
        assert_eq!(said(&ninety, day(1)), "");
        assert_eq!(end(&ninety), Some(day(90)));
        assert_eq!(said(&ninety, day(75)), "");
        assert!(said(&ninety, day(77)).starts_with("expires in 13 days, on "));
        assert!(said(&ninety, day(89) + DAY / 2).starts_with("expires in less than a day"));
        assert!(said(&ninety, day(90)).starts_with("expired on "));
        let six = certificate(day(0), day(6));
        assert_eq!(said(&six, day(4)), "");
        assert!(said(&six, day(5)).starts_with("expires in a day"));
        // After 2049 the year has four digits.
        let long = certificate(day(0), UNIX_EPOCH + 40_000 * DAY);
        assert_eq!(said(&long, day(1)), "");
        assert!(said(&long, UNIX_EPOCH + 40_000 * DAY).contains("2079"));
    }

    #[test]
    fn a_certificate_that_an_authority_signed_with_sha1_is_complained_of() {
        let authority = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (day(0).into(), day(90).into());
        let mut issuing = CertificateParams::default();
        issuing
            .distinguished_name
            .push(rcgen::DnType::CommonName, "an authority");
        let issuer = rcgen::Issuer::new(issuing, authority);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        assert_eq!(complaint(&signed, day(1)), None);
        // ecdsa-with-SHA256 becomes ecdsa-with-SHA1, which is a byte shorter: the last one stands for itself.
        let sha256 = [&[0x06, 8][..], SHA1[1].split_last().unwrap().1, &[3, 2]].concat();
        let sha1 = [&[0x06, 7][..], SHA1[1], &[0]].concat();
        let at = signed.windows(sha256.len()).position(|it| it == sha256);
        let mut weak = signed.clone();
        weak[at.unwrap()..][..sha1.len()].copy_from_slice(&sha1);
        let said = complaint(&weak, day(1)).unwrap_or_default();
        assert!(said.starts_with("is signed with SHA-1"), "{said}");
    }

    #[test]
    fn what_is_no_certificate_is_not_complained_of() {
        let whole = certificate(day(0), day(1));
        for len in 0..whole.len() {
            let _ = complaint(&whole[..len], day(3));
            let mut damaged = whole.clone();
            damaged[len] ^= 0x55;
            let _ = complaint(&damaged, day(3));
        }
        assert_eq!(complaint(b"", day(0)), None);
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (tag, text, secs) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229000000Z", Some(951_782_400)),
            (UTC_TIME, "991231235959Z", Some(946_684_799)),
            (GENERALIZED_TIME, "20500301000001Z", Some(2_529_705_601)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "70010100000aZ", None),
        ] {
            let expected = secs.map(|secs| UNIX_EPOCH + Duration::from_secs(secs));
            assert_eq!(time((tag, text.as_bytes())), expected, "{text}");
        }
    }
}
