//! Range requests (RFC 9110 §14).

/// More ranges than this are answered with the whole: a player asks for one, a reader of documents
/// for a few; whoever asks for hundreds wants to be a burden (CVE-2011-3192).
const MAX_RANGES: usize = 16;

/// Some bytes of a representation: from `start` up to, but not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// What a `Range` field asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// Everything: the field is of another unit, malformed, or asks for too much.
    Whole,
    /// One range.
    One(ByteRange),
    /// Several ranges, which do not overlap, in the order in which they are asked for.
    Several(Vec<ByteRange>),
    /// Nothing that is there.
    Unsatisfiable,
}

/// Reads the value of a `Range` field for a representation of `len` bytes.
pub(crate) fn parse(value: &[u8], len: u64) -> Ranges {
    let Some(set) = byte_ranges(value) else {
        return Ranges::Whole;
    };
    let mut ranges: Vec<ByteRange> = Vec::new();
    let mut asked = 0;
    for spec in set.split(|byte| *byte == b',') {
        let spec = spec.trim_ascii();
        if spec.is_empty() {
            // RFC 9110 §5.6.1.2: empty elements of a list are passed over.
            continue;
        }
        asked += 1;
        let range = match Spec::parse(spec).map(|spec| spec.within(len)) {
            Some(Within::Range(range)) => range,
            Some(Within::Outside) => continue,
            // A suffix of an empty representation can be had, but no Content-Range can say so.
            Some(Within::Nothing) | None => return Ranges::Whole,
        };
        let overlaps = |other: &ByteRange| range.start < other.end && other.start < range.end;
        if asked > MAX_RANGES || ranges.iter().any(overlaps) {
            return Ranges::Whole;
        }
        ranges.push(range);
    }
    match (asked, ranges.as_slice()) {
        (0, _) => Ranges::Whole,
        (_, []) => Ranges::Unsatisfiable,
        (_, [range]) => Ranges::One(*range),
        _ => Ranges::Several(ranges),
    }
}

/// What is behind `bytes=`; the unit is not case-sensitive (RFC 9110 §14.1).
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

/// What an element names in a representation.
enum Within {
    Range(ByteRange),
    Outside,
    Nothing,
}

impl Spec {
    /// `None` for what is malformed, which makes the whole field so.
    fn parse(spec: &[u8]) -> Option<Spec> {
        let dash = spec.iter().position(|byte| *byte == b'-')?;
        match (&spec[..dash], &spec[dash + 1..]) {
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

    fn within(self, len: u64) -> Within {
        match self {
            Spec::From { first, .. } if first >= len => Within::Outside,
            Spec::From { first, last } => Within::Range(ByteRange {
                start: first,
                end: last.saturating_add(1).min(len),
            }),
            Spec::Suffix { len: 0 } => Within::Outside,
            Spec::Suffix { .. } if len == 0 => Within::Nothing,
            Spec::Suffix { len: suffix } => Within::Range(ByteRange {
                start: len.saturating_sub(suffix),
                end: len,
            }),
        }
    }
}

/// A number of any length: what is past 64 bits is past every file.
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

    fn one(start: u64, end: u64) -> Ranges {
        Ranges::One(range(start, end))
    }

    #[test]
    fn s14_1_2_one_range() {
        for (value, expected) in [
            ("bytes=0-0", one(0, 1)),
            ("bytes=2-5", one(2, 6)),
            ("bytes=2-", one(2, 10)),
            ("bytes=9-", one(9, 10)),
            ("bytes=2-99", one(2, 10)),
            ("bytes=-3", one(7, 10)),
            ("bytes=-99", one(0, 10)),
            ("BYTES=1-2", one(1, 3)),
            ("bytes= 1-2 ,", one(1, 3)),
            ("bytes=0-99999999999999999999999999", one(0, 10)),
            ("bytes=-99999999999999999999999999", one(0, 10)),
            ("bytes=99-, 1-2", one(1, 3)),
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
        assert_eq!(parse(b"bytes=0-", 0), Ranges::Unsatisfiable);
        assert_eq!(parse(b"bytes=-5", 0), Ranges::Whole);
    }

    #[test]
    fn several_ranges_are_answered_in_their_order() {
        assert_eq!(
            parse(b"bytes=8-,0-1, 4-4", 10),
            Ranges::Several(vec![range(8, 10), range(0, 2), range(4, 5)])
        );
        assert_eq!(
            parse(b"bytes=0-1,2-3", 10),
            Ranges::Several(vec![range(0, 2), range(2, 4)])
        );
    }

    #[test]
    fn overlapping_or_too_many_ranges_are_answered_with_the_whole() {
        assert_eq!(parse(b"bytes=0-5,5-6", 10), Ranges::Whole);
        assert_eq!(parse(b"bytes=0-,0-,0-", 10), Ranges::Whole);
        assert_eq!(parse(b"bytes=0-1,-10", 10), Ranges::Whole);
        let ranges = |count: u64| {
            let specs: Vec<_> = (0..count).map(|at| format!("{0}-{0}", 2 * at)).collect();
            parse(format!("bytes={}", specs.join(",")).as_bytes(), 1000)
        };
        assert!(matches!(ranges(16), Ranges::Several(ranges) if ranges.len() == 16));
        assert_eq!(ranges(17), Ranges::Whole);
        assert_eq!(ranges(400), Ranges::Whole);
    }

    #[test]
    fn ranges_are_64_bits_wide() {
        let len = 5 << 30;
        assert_eq!(parse(b"bytes=-1", len), one(len - 1, len));
        assert_eq!(parse(b"bytes=5368709119-", len), one(len - 1, len));
        assert_eq!(
            parse(b"bytes=0-18446744073709551615", u64::MAX),
            one(0, u64::MAX)
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
