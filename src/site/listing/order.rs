//! The order and the page of a listing, which the query of a request asks for.

use super::entries::ListedEntry;
use crate::world::FileKind;
use std::time::UNIX_EPOCH;

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

    /// Bytes that compare with one another as their entries do in the order.
    pub(crate) fn sort_key(self, entry: ListedEntry<'_>) -> Vec<u8> {
        let is_file = entry.kind == FileKind::File;
        let mut key = Vec::with_capacity(2 * entry.name.len() + 10);
        key.push(u8::from(is_file));
        let primary = match self.key {
            Key::Name => 0,
            // The length of a directory is meaningless.
            Key::Size if !is_file => 0,
            Key::Size => entry.len,
            Key::Modified => {
                let since = entry.modified.duration_since(UNIX_EPOCH);
                since.map_or(0, |since| {
                    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
                })
            }
        };
        let begin = key.len();
        if self.key == Key::Name {
            push_name(&mut key, entry.name);
        } else {
            key.extend_from_slice(&primary.to_be_bytes());
        }
        if self.direction == SortDirection::Descending {
            for byte in key.iter_mut().skip(begin) {
                *byte = !*byte;
            }
        }
        if self.key != Key::Name {
            push_name(&mut key, entry.name);
        }
        key
    }
}

/// Appends a name to a key so that letters of either case sort side by side, where a person looks for
/// them. A NUL, which no name holds, ends each half, so that a name comes before longer names that
/// begin with it.
fn push_name(key: &mut Vec<u8>, name: &[u8]) {
    key.extend(name.iter().map(u8::to_ascii_lowercase));
    key.push(0);
    key.extend_from_slice(name);
    key.push(0);
}
