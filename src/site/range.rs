//! Range requests (RFC 9110 §14).

/// The most ranges of a request. A request for more gets the whole file. A package manager that has
/// most of a file already asks for up to 254 (dnf with zchunk); thousands are an attack
/// (CVE-2011-3192).
const MAX_RANGES: usize = 256;

/// Ranges with fewer bytes than this between them are sent as one range, because the head of a part is
/// longer than that (RFC 9110 §15.3.7.2).
const NEAR: u64 = 80;

/// Some bytes of a representation: from `start` up to, but not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Meaning of a `Range` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// The whole representation: the field has another unit, is malformed, or asks for too much.
    Whole,
    /// One range.
    One(ByteRange),
    /// Several ranges, which do not overlap, in the order in which the request first asks for bytes of
    /// each.
    Several(Vec<ByteRange>),
    /// No byte that the representation has.
    Unsatisfiable,
}

/// Reads the value of a `Range` field for a representation of `len` bytes.
pub(crate) fn parse(value: &[u8], len: u64) -> Ranges {
    let Some(set) = byte_ranges(value) else {
        return Ranges::Whole;
    };
    if len == 0 {
        // No Content-Range can name a part of an empty representation.
        return Ranges::Whole;
    }
    if !set.contains(&b',') {
        return one(set.trim_ascii(), len);
    }
    let mut ranges: Vec<ByteRange> = Vec::new();
    let mut asked = 0;
    for spec in set.split(|byte| *byte == b',') {
        let spec = spec.trim_ascii();
        if spec.is_empty() {
            // Empty elements of a list are ignored (RFC 9110 §5.6.1.2).
            continue;
        }
        asked += 1;
        if asked > MAX_RANGES {
            return Ranges::Whole;
        }
        let Some(spec) = Spec::parse(spec) else {
            return Ranges::Whole;
        };
        ranges.extend(spec.within(len));
    }
    let mut ranges = merge(&ranges);
    match (asked, ranges.len()) {
        (0, _) => Ranges::Whole,
        (_, 1) => Ranges::One(ranges.remove(0)),
        (_, 0) => Ranges::Unsatisfiable,
        _ => Ranges::Several(ranges),
    }
}

/// The meaning of a set that is no list, as nearly all are: without memory for several ranges.
fn one(spec: &[u8], len: u64) -> Ranges {
    match Spec::parse(spec) {
        None => Ranges::Whole,
        Some(spec) => spec.within(len).map_or(Ranges::Unsatisfiable, Ranges::One),
    }
}

/// Merges the ranges that overlap or are near one another. A merged range takes the place of the one
/// that was asked for first (RFC 9110 §15.3.7.2).
fn merge(ranges: &[ByteRange]) -> Vec<ByteRange> {
    let mut by_start: Vec<(usize, ByteRange)> = ranges.iter().copied().enumerate().collect();
    by_start.sort_unstable_by_key(|(place, range)| (range.start, *place));
    let mut merged: Vec<(usize, ByteRange)> = Vec::with_capacity(by_start.len());
    for (place, range) in by_start {
        match merged.last_mut() {
            Some((first, last)) if range.start < last.end.saturating_add(NEAR) => {
                last.end = last.end.max(range.end);
                *first = place.min(*first);
            }
            _ => merged.push((place, range)),
        }
    }
    merged.sort_unstable_by_key(|(place, _)| *place);
    merged.into_iter().map(|(_, range)| range).collect()
}

/// The text behind `bytes=`. The unit is not case-sensitive (RFC 9110 §14.1).
fn byte_ranges(value: &[u8]) -> Option<&[u8]> {
    let (unit, set) = value.split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// One element of a `Range` (RFC 9110 §14.1.1).
#[derive(Clone, Copy)]
enum Spec {
    /// `first-` or `first-last`
    From { first: u64, last: u64 },
    /// `-len`
    Suffix { len: u64 },
}

impl Spec {
    /// Parses one element. A malformed one gives `None`, and makes the whole field malformed.
    fn parse(spec: &[u8]) -> Option<Spec> {
        let mut parts = spec.splitn(2, |byte| *byte == b'-');
        match (parts.next()?, parts.next()?) {
            (b"", len) => Some(Spec::Suffix { len: number(len)? }),
            (first, b"") => Some(Spec::From {
                first: number(first)?,
                last: u64::MAX,
            }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Spec::From { first, last })
            }
        }
    }

    /// The named bytes of a representation of `len` bytes, if it has any of them.
    fn within(self, len: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            Spec::From { first, last } => (first, last.saturating_add(1).min(len)),
            Spec::Suffix { len: suffix } => (len.saturating_sub(suffix), len),
        };
        (start < end).then_some(ByteRange { start, end })
    }
}

/// A number of any length. A number beyond 64 bits is beyond the end of every file.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        digit.is_ascii_digit().then(|| {
            number
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start, end }
    }

    fn only(start: u64, end: u64) -> Ranges {
        Ranges::One(range(start, end))
    }

    #[test]
    fn s14_1_2_one_range() {
        for (value, expected) in [
            ("bytes=0-0", only(0, 1)),
            ("bytes=2-5", only(2, 6)),
            ("bytes=2-", only(2, 10)),
            ("bytes=9-", only(9, 10)),
            ("bytes=2-99", only(2, 10)),
            ("bytes=-3", only(7, 10)),
            ("bytes=-99", only(0, 10)),
            ("BYTES=1-2", only(1, 3)),
            ("bytes= 1-2 ,", only(1, 3)),
            ("bytes=0-99999999999999999999999999", only(0, 10)),
            ("bytes=-99999999999999999999999999", only(0, 10)),
            ("bytes=99-, 1-2", only(1, 3)),
        ] {
            assert_eq!(parse(value.as_bytes(), 10), expected, "{value}");
        }
    }

    #[test]
    fn s14_2_what_is_malformed_or_of_another_unit_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=1-2-3",
            "bytes=1 - 2",
            "bytes=+1-2",
            "bytes=--2",
            "bytes=1-2,x",
            "items=0-1",
            "bytes:0-1",
            "0-1",
        ] {
            assert_eq!(parse(value.as_bytes(), 10), Ranges::Whole, "{value}");
        }
    }

    #[test]
    fn s15_5_17_nothing_of_what_is_asked_for_is_there() {
        for value in [
            "bytes=10-",
            "bytes=10-20,11-",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(
                parse(value.as_bytes(), 10),
                Ranges::Unsatisfiable,
                "{value}"
            );
        }
    }

    #[test]
    fn an_empty_representation_is_sent_whole_whatever_is_asked_for() {
        for value in [
            "bytes=0-",
            "bytes=-5",
            "bytes=0-0",
            "bytes=7-9",
            "bytes=0-0,-1",
        ] {
            assert_eq!(parse(value.as_bytes(), 0), Ranges::Whole, "{value}");
        }
    }

    #[test]
    fn several_ranges_are_answered_in_their_order() {
        assert_eq!(
            parse(b"bytes=800-,0-1, 400-404", 1000),
            Ranges::Several(vec![range(800, 1000), range(0, 2), range(400, 405)])
        );
    }

    #[test]
    fn overlapping_and_near_ranges_are_merged_where_the_first_of_them_was_asked_for() {
        assert_eq!(parse(b"bytes=0-5,5-6", 10), only(0, 7));
        assert_eq!(parse(b"bytes=0-1,2-3", 10), only(0, 4));
        assert_eq!(parse(b"bytes=0-,0-,0-", 10), only(0, 10));
        assert_eq!(parse(b"bytes=5-9,0-4,0-9", 10), only(0, 10));
        assert_eq!(
            parse(b"bytes=0-0,80-80", 1000),
            only(0, 81),
            "79 bytes are between"
        );
        assert_eq!(
            parse(b"bytes=0-0,81-81", 1000),
            Ranges::Several(vec![range(0, 1), range(81, 82)])
        );
        assert_eq!(
            parse(b"bytes=500-599,0-9,550-700,200-,20-29", 1000),
            Ranges::Several(vec![range(200, 1000), range(0, 30)])
        );
    }

    #[test]
    fn as_many_ranges_as_package_managers_ask_for_are_answered_and_no_more() {
        let ranges = |count: u64| {
            let specs: Vec<_> = (0..count).map(|at| format!("{0}-{0}", 100 * at)).collect();
            parse(format!("bytes={}", specs.join(",")).as_bytes(), 100_000)
        };
        assert!(matches!(ranges(256), Ranges::Several(ranges) if ranges.len() == 256));
        assert_eq!(ranges(257), Ranges::Whole);
        assert_eq!(
            parse(
                format!("bytes={}", vec!["0-"; 1300].join(",")).as_bytes(),
                9
            ),
            Ranges::Whole
        );
    }

    #[test]
    fn ranges_are_64_bits_wide() {
        let len = 5 << 30;
        assert_eq!(parse(b"bytes=-1", len), only(len - 1, len));
        assert_eq!(parse(b"bytes=5368709119-", len), only(len - 1, len));
        assert_eq!(
            parse(b"bytes=0-18446744073709551615", u64::MAX),
            only(0, u64::MAX)
        );
    }

    proptest! {
        #[test]
        fn every_range_lies_within_the_representation(
            value in "bytes=[0-9,\\- ]{0,30}",
            len in 0u64..2000,
        ) {
            let ranges = match parse(value.as_bytes(), len) {
                Ranges::One(range) => vec![range],
                Ranges::Several(ranges) => ranges,
                Ranges::Whole | Ranges::Unsatisfiable => Vec::new(),
            };
            prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= len));
            prop_assert!(ranges.iter().map(|range| range.end - range.start).sum::<u64>() <= len);
        }
    }
}
