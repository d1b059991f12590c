//! The validators of a file: entity tags (RFC 9110 §8.8.3) and the date of its last change (§8.8.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::xxh3_128;

use super::encoding::Coding;
use crate::http::date;
use crate::world::Metadata;

/// Files were modified before this, the year 1990, only as far as a tool says so: Nix writes one second
/// after 1970, archives that are the same whoever makes them 1980 or 1985. A date that every version of a
/// file has validates nothing, and the web had no pages then.
const NO_DATE_BEFORE: u64 = 631_152_000;

/// Until a clock that stamps files has ticked, a change leaves no other stamp than the one before it.
/// The kernel's ticks are 10 ms at the longest; one more is for the clock of another machine.
const TICK: Duration = Duration::from_millis(20);

/// The coarsest tick of file systems that sites lie on, which FAT has. Their stamps have no fractions of
/// a second, or of [`COARSE_FRACTION`].
const COARSE_TICK: Duration = Duration::from_secs(2);

/// The fractions that FAT keeps of some stamps.
const COARSE_FRACTION: u32 = 10_000_000;

/// What stands for the content of a file as long as that is not hashed: a hash of everything that tells
/// one state of one file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StateKey(u128);

/// A [`StateKey`] as the opaque part of an entity tag, with its quotes.
pub(crate) type Opaque = [u8; 34];

impl StateKey {
    /// The key of a file that was found like this. If it may change without its stamps showing that, the
    /// key holds for this one look.
    pub(crate) fn new(metadata: &Metadata, settling: Settling, now: SystemTime) -> Self {
        let (device, inode, changed) = metadata.identity;
        let nanoseconds = |time: SystemTime| match time.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_nanos() as i128,
            Err(error) => -(error.duration().as_nanos() as i128),
        };
        let look = match settling {
            Settling::Settled => 0,
            Settling::Unsettled => nanoseconds(now),
        };
        let mut bytes = Vec::with_capacity(80);
        for number in [i128::from(device), inode.into(), metadata.len.into()] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in [changed, nanoseconds(metadata.modified), look] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        StateKey(xxh3_128(&bytes))
    }

    /// The opaque part of the weak entity tag.
    pub(crate) fn opaque(self) -> Opaque {
        let mut opaque = [b'"'; 34];
        for (at, digit) in opaque[1..33].iter_mut().enumerate() {
            let nibble = (self.0 >> (124 - 4 * at)) as u8 & 0xf;
            *digit = match nibble {
                0..=9 => b'0' + nibble,
                _ => b'a' + nibble - 10,
            };
        }
        opaque
    }
}

/// The weak tag of a file whose content is not hashed.
pub(crate) fn weak_tag(key: StateKey) -> String {
    format!("W/{}", String::from_utf8_lossy(&key.opaque()))
}

/// The strong tag of content with this hash: the same on every machine that holds the same file. The
/// coding is part of it, since the forms of a file are different things (RFC 9110 §8.8.3.3).
pub(crate) fn strong_tag(hash: u128, coding: Coding) -> String {
    match coding {
        Coding::Identity => format!("\"{hash:032x}\""),
        coding => format!("\"{hash:032x}-{}\"", coding.name()),
    }
}

/// Whether a change of a file would show in its stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settling {
    Settled,
    Unsettled,
}

/// Whether the clock has ticked since the file last changed.
pub(crate) fn settling(metadata: &Metadata, now: SystemTime) -> Settling {
    let status = UNIX_EPOCH + Duration::from_nanos(u64::try_from(metadata.identity.2).unwrap_or(0));
    // The time of the last modification can be set, and lie in the future; that of the status cannot.
    let changed = match metadata.modified <= now {
        true => metadata.modified.max(status),
        false => status,
    };
    let fraction = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    let tick = match fraction.subsec_nanos().is_multiple_of(COARSE_FRACTION) {
        true => COARSE_TICK,
        false => TICK,
    };
    // A stamp far ahead is of before the clock was set: the next change would get another.
    let is_recent = changed + tick >= now && changed <= now + COARSE_TICK;
    match is_recent {
        true => Settling::Unsettled,
        false => Settling::Settled,
    }
}

/// The date of the last change, in seconds since 1970, if it says which version of the file this is:
/// its second is over, so that no other version has it too. Then it is not later than the response's
/// own date either.
pub(crate) fn last_modified(metadata: &Metadata, now: SystemTime) -> Option<u64> {
    let seconds = date::seconds(metadata.modified);
    (NO_DATE_BEFORE..date::seconds(now))
        .contains(&seconds)
        .then_some(seconds)
}

/// In how long the date says that, if it does not only because it is too recent.
pub(crate) fn last_modified_due(metadata: &Metadata, now: SystemTime) -> Option<Duration> {
    let over = UNIX_EPOCH + Duration::from_secs(date::seconds(metadata.modified).saturating_add(1));
    over.duration_since(now).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::FileKind;

    const NOW: u64 = 1_767_225_600;

    fn at(nanoseconds: i64) -> SystemTime {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let offset = Duration::from_nanos(nanoseconds.unsigned_abs());
        match nanoseconds < 0 {
            true => now - offset,
            false => now + offset,
        }
    }

    fn file(modified: SystemTime, changed: SystemTime) -> Metadata {
        let changed = changed.duration_since(UNIX_EPOCH).unwrap().as_nanos();
        Metadata {
            kind: FileKind::File,
            len: 1,
            modified,
            identity: (1, 2, changed as i128),
            links: 1,
        }
    }

    #[test]
    fn a_date_needs_its_second_to_be_over_and_to_be_of_the_time_of_the_web() {
        let now = at(500_000_000);
        for (modified, expected) in [
            (at(-1), Some(NOW - 1)),
            (at(0), None),
            (at(499_999_999), None),
            (at(3_600_000_000_000), None),
            (UNIX_EPOCH, None),
            (UNIX_EPOCH + Duration::from_secs(1), None),
            (UNIX_EPOCH + Duration::from_secs(315_532_800), None),
            (UNIX_EPOCH - Duration::from_secs(9), None),
            (
                UNIX_EPOCH + Duration::from_secs(784_111_777),
                Some(784_111_777),
            ),
        ] {
            assert_eq!(last_modified(&file(modified, at(0)), now), expected);
        }
        let due = |modified| last_modified_due(&file(modified, at(0)), now);
        assert_eq!(due(at(0)), Some(Duration::from_millis(500)));
        assert_eq!(due(at(-1)), None);
    }

    #[test]
    fn a_file_is_settled_once_the_clock_that_stamped_it_has_ticked() {
        let of = |changed: i64, now: i64| settling(&file(at(-1 << 50), at(changed)), at(now));
        assert_eq!(of(1, 1), Settling::Unsettled);
        assert_eq!(of(1, 20_000_001), Settling::Unsettled);
        assert_eq!(of(1, 20_000_002), Settling::Settled);
        // Of whole seconds nobody knows what has been rounded.
        assert_eq!(of(0, 1_900_000_000), Settling::Unsettled);
        assert_eq!(of(0, 2_000_000_001), Settling::Settled);
        // The clock was set back.
        assert_eq!(of(1, -1), Settling::Unsettled);
        assert_eq!(of(1, -9_000_000_000), Settling::Settled);
    }

    #[test]
    fn a_key_tells_every_state_of_every_file_apart() {
        let (then, now) = (at(-1 << 50), at(0));
        let known = file(then, then);
        let key = |metadata: &Metadata| StateKey::new(metadata, Settling::Settled, now);
        let changes: [fn(&mut Metadata); 5] = [
            |file| file.len += 1,
            |file| file.modified += Duration::from_nanos(1),
            |file| file.identity.0 += 1,
            |file| file.identity.1 += 1,
            |file| file.identity.2 += 1,
        ];
        for change in changes {
            let mut other = known;
            change(&mut other);
            assert_ne!(key(&known), key(&other));
        }
        assert_eq!(key(&known), key(&known));
        assert_ne!(key(&known), StateKey::new(&known, Settling::Unsettled, now));
        let tag = weak_tag(key(&known));
        assert_eq!(tag, format!("W/\"{:032x}\"", key(&known).0));
    }
}
