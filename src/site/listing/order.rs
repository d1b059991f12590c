//! The order and the page of a listing, which the query of a request asks for.

use super::entries::ListedEntry;
use crate::http::date;
use crate::world::FileKind;
use std::cmp::Ordering;

/// The part of a listing that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListingQuery {
    pub(crate) order: Order,
    /// The page, from 1 on.
    pub(crate) page: usize,
}

/// The column by which a listing is sorted, directories always first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) key: Key,
    pub(crate) direction: SortDirection,
}

/// The columns of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Name,
    Size,
    Modified,
}

/// The end that comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortDirection {
    Ascending,
    Descending,
}

impl ListingQuery {
    /// Reads a query such as `sort=size&order=desc&page=2`. Unknown parameters are ignored.
    pub(crate) fn parse(query: &[u8]) -> ListingQuery {
        let mut order = Order::BY_NAME;
        let mut page = 1;
        for parameter in query.split(|byte| *byte == b'&') {
            match parameter {
                b"sort=name" => order.key = Key::Name,
                b"sort=size" => order.key = Key::Size,
                b"sort=date" => order.key = Key::Modified,
                b"order=asc" => order.direction = SortDirection::Ascending,
                b"order=desc" => order.direction = SortDirection::Descending,
                other => page = number(other).unwrap_or(page),
            }
        }
        ListingQuery { order, page }
    }
}

fn number(parameter: &[u8]) -> Option<usize> {
    let digits = parameter.strip_prefix(b"page=")?;
    let page = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (page > 0).then_some(page)
}

impl Order {
    /// The order of a request that asks for none.
    pub(crate) const BY_NAME: Order = Order {
        key: Key::Name,
        direction: SortDirection::Ascending,
    };

    /// The key of an entry among entries whose names begin [`alike`] for so many bytes.
    pub(crate) fn key(self, entry: ListedEntry<'_>, alike: usize) -> EntryKey {
        let is_file = entry.kind == FileKind::File;
        let is_reverse = self.direction == SortDirection::Descending;
        let letters = letters(entry.name, alike);
        let (number, letters) = match self.key {
            Key::Name if is_reverse => (0, !letters),
            Key::Name => (0, letters),
            Key::Size if !is_file => (0, letters),
            Key::Size => (entry.len, letters),
            // Of one second, more is to be compared before the name.
            Key::Modified => (date::seconds(entry.modified), 0),
        };
        EntryKey {
            is_file,
            number: if is_reverse { !number } else { number },
            letters,
        }
    }

    /// Compares two entries: the one that comes first is the lesser.
    pub(crate) fn compare(self, a: ListedEntry<'_>, b: ListedEntry<'_>) -> Ordering {
        let is_file = |entry: ListedEntry<'_>| entry.kind == FileKind::File;
        let kinds = is_file(a).cmp(&is_file(b));
        if kinds != Ordering::Equal {
            return kinds;
        }
        let primary = match self.key {
            Key::Name => compare_names(a.name, b.name),
            // The length of a directory is meaningless.
            Key::Size if !is_file(a) => Ordering::Equal,
            Key::Size => a.len.cmp(&b.len),
            Key::Modified => a.modified.cmp(&b.modified),
        };
        let primary = match self.direction {
            SortDirection::Ascending => primary,
            SortDirection::Descending => primary.reverse(),
        };
        primary.then_with(|| compare_names(a.name, b.name))
    }
}

/// The beginning of an entry's place in an order. Entries whose keys differ are in the order of their keys; others are
/// to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryKey {
    is_file: bool,
    number: u64,
    /// The first letters of the name, without those that all names have.
    letters: u128,
}

/// Number of letters in a key.
const LETTERS: usize = size_of::<u128>();

/// Number of bytes in which names begin alike, in letters of either case.
pub(super) fn alike(a: &[u8], b: &[u8]) -> usize {
    let both = a.iter().zip(b);
    both.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

/// The letters of a name behind those in which all names are alike.
fn letters(name: &[u8], alike: usize) -> u128 {
    let rest = name.get(alike..).unwrap_or_default();
    let mut letters = [0; LETTERS];
    for (letter, byte) in letters.iter_mut().zip(rest) {
        *letter = byte.to_ascii_lowercase();
    }
    u128::from_be_bytes(letters)
}

/// Compares names so that letters of either case sort side by side, where a person looks for them.
fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    // Names of one directory often begin alike.
    let alike = a.chunks_exact(8).zip(b.chunks_exact(8));
    let begin = 8 * alike.take_while(|(a, b)| a == b).count();
    let of_a = a.iter().skip(begin).map(u8::to_ascii_lowercase);
    let of_b = b.iter().skip(begin).map(u8::to_ascii_lowercase);
    of_a.cmp(of_b).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    proptest! {
        #[test]
        fn keys_that_differ_are_in_the_order_of_their_entries(
            beginning in "[a-c]{0,3}",
            names in prop::collection::vec(("[a-cA-C-]{0,20}", 0u64..3, 0u64..3, any::<bool>()), 2),
        ) {
            // A second in two halves.
            let time = |half| UNIX_EPOCH + Duration::from_millis(half * 500);
            let other = beginning.to_uppercase();
            let whole: Vec<String> = [&beginning, &other]
                .into_iter()
                .zip(&names)
                .map(|(beginning, (name, ..))| format!("{beginning}{name}"))
                .collect();
            let entry = |at: usize| ListedEntry {
                name: whole[at].as_bytes(),
                kind: if names[at].3 { FileKind::File } else { FileKind::Directory },
                len: names[at].1,
                modified: time(names[at].2),
            };
            let (a, b) = (entry(0), entry(1));
            let all = alike(a.name, b.name);
            prop_assert!(all >= beginning.len());
            for key in [Key::Name, Key::Size, Key::Modified] {
                for direction in [SortDirection::Ascending, SortDirection::Descending] {
                    let order = Order { key, direction };
                    for alike in [0, beginning.len(), all] {
                        let keys = order.key(a, alike).cmp(&order.key(b, alike));
                        let entries = order.compare(a, b);
                        prop_assert!(keys == Ordering::Equal || keys == entries);
                    }
                }
            }
        }
    }
}
