//! The validators of a file: entity tags (RFC 9110 §8.8.3) and the date of its last change (§8.8.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::xxh3_128;

use super::encoding::Coding;
use crate::http::date;
use crate::world::Metadata;

/// The beginning of 1990. An earlier date of a last change was written by a tool: Nix writes one second
/// after 1970, tools for reproducible archives write 1980 or 1985. Every version of a file then has
/// that date, so it validates nothing. The web had no pages before 1990.
const NO_DATE_BEFORE: u64 = 631_152_000;

/// Until the clock that stamps files has ticked, two changes leave equal stamps. The kernel's ticks are
/// 10 ms at the longest. Twice that allows for the clock of another machine.
const TICK: Duration = Duration::from_millis(20);

/// The coarsest tick of the file systems that sites lie on: that of FAT. The stamps of such file
/// systems have no fractions of a second, or fractions of [`COARSE_FRACTION`].
const COARSE_TICK: Duration = Duration::from_secs(2);

/// The fractions of a second that FAT keeps of some stamps, in nanoseconds.
const COARSE_FRACTION: u32 = 10_000_000;

/// State of a file, as a hash of everything that tells one state of one file from another. It stands
/// for the content while that is not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StateKey(u128);

/// A [`StateKey`] as the opaque part of an entity tag, with its quotes.
pub(crate) type Opaque = [u8; 34];

impl StateKey {
    /// The key of a file with `metadata`. If the file may change without a trace in its stamps, the key
    /// is different at the next look.
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

/// The strong tag of content with a hash. It is equal on every machine that holds an equal file. The
/// coding is part of it, because the representations of a file must have different tags (RFC 9110
/// §8.8.3.3).
pub(crate) fn strong_tag(hash: u128, coding: Coding) -> String {
    match coding {
        Coding::Identity => format!("\"{hash:032x}\""),
        coding => format!("\"{hash:032x}-{}\"", coding.name()),
    }
}

/// State of a file's stamps: tells if a further change would show in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settling {
    Settled,
    Unsettled,
}

/// The state of a file's stamps, by the ticks of the clock since its last change.
pub(crate) fn settling(metadata: &Metadata, now: SystemTime) -> Settling {
    let status = UNIX_EPOCH + Duration::from_nanos(u64::try_from(metadata.identity.2).unwrap_or(0));
    // The time of the last modification can be set by a program, and can lie in the future. The time of
    // the last change of status cannot be set.
    let changed = if metadata.modified <= now {
        metadata.modified.max(status)
    } else {
        status
    };
    let fraction = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    let tick = if fraction.subsec_nanos().is_multiple_of(COARSE_FRACTION) {
        COARSE_TICK
    } else {
        TICK
    };
    // A stamp far ahead was made before the clock was set back. The next change would get another.
    let is_recent = changed + tick >= now && changed <= now + COARSE_TICK;
    if is_recent {
        Settling::Unsettled
    } else {
        Settling::Settled
    }
}

/// The date of the last change, in seconds since 1970, if it tells this version of the file from
/// others. That is so once its second is over, because no later version can have that date. Then it is
/// not later than the response's own date either.
pub(crate) fn last_modified(metadata: &Metadata, now: SystemTime) -> Option<u64> {
    let seconds = date::seconds(metadata.modified);
    (NO_DATE_BEFORE..date::seconds(now))
        .contains(&seconds)
        .then_some(seconds)
}

/// Time until the date of the last change tells the version, if it is only too recent now.
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
        if nanoseconds < 0 {
            now - offset
        } else {
            now + offset
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
        // Stamps of whole seconds may have been rounded.
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
