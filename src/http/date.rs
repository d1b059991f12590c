//! HTTP dates (RFC 9110 §5.6.7).

use std::time::{SystemTime, UNIX_EPOCH};

/// The length of an IMF-fixdate in bytes. It is the only form that may be sent.
pub const LEN: usize = 29;

/// The date in the form that is sent: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// Times before 1970 or after 9999 have no such form. They become the nearest time that has one.
pub fn format(time: SystemTime) -> String {
    let latest = UNIX_EPOCH + std::time::Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(time.clamp(UNIX_EPOCH, latest))
}

/// The time in the form of RFC 3339, in whole seconds: `1994-11-06T08:49:37Z`, from 1970 to 9999.
pub fn timestamp(time: SystemTime) -> String {
    let text = format(time);
    // The parts of a date have fixed places (RFC 9110 §5.6.7).
    let part = |range| text.get(range).unwrap_or_default();
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(part(8..11));
    let month = month.map_or(0, |at| at / 3 + 1);
    let (year, day, clock) = (part(12..16), part(5..7), part(17..25));
    format!("{year}-{month:02}-{day}T{clock}Z")
}

/// The time of a date in any of the three forms that a recipient must understand.
pub fn parse(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()
}

/// Seconds since 1970, for comparing at the resolution that HTTP dates have.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_three_forms_of_rfc_9110_name_the_same_time() {
        let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(format(time), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 GMT"), Some(time));
        assert_eq!(parse(b"Sunday, 06-Nov-94 08:49:37 GMT"), Some(time));
        assert_eq!(parse(b"Sun Nov  6 08:49:37 1994"), Some(time));
        assert_eq!(parse(b"yesterday"), None);
    }

    #[test]
    fn times_that_have_no_form_are_clamped() {
        assert_eq!(
            format(UNIX_EPOCH - Duration::from_secs(1)),
            "Thu, 01 Jan 1970 00:00:00 GMT"
        );
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(format(far), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(timestamp(far), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn a_timestamp_sorts_as_its_time_does() {
        let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(timestamp(time), "1994-11-06T08:49:37Z");
        let months: Vec<String> = (0..12)
            .map(|month| timestamp(time + Duration::from_secs(month * 30 * 86_400)))
            .collect();
        assert!(months.is_sorted());
    }
}
