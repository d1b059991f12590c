//! The static table (RFC 7541 §2.3.1, Appendix A).

use super::index::name_hash;
use crate::http::field::Joined;

/// Fields written as `name, value;`.
macro_rules! joined {
    ($($name:literal, $value:literal;)*) => {
        [$(Joined {
            bytes: concat!($name, $value).as_bytes(),
            name_len: $name.len(),
        }),*]
    };
}

/// Number of its entries; the first entry of the dynamic table comes after them (§2.3.3).
pub(super) const LEN: u32 = ENTRIES.len() as u32;

/// Names and values; the position is the index less one. Fields of one name are neighbours.
static ENTRIES: [Joined<'static>; 61] = joined![
    ":authority", "";
    ":method", "GET";
    ":method", "POST";
    ":path", "/";
    ":path", "/index.html";
    ":scheme", "http";
    ":scheme", "https";
    ":status", "200";
    ":status", "204";
    ":status", "206";
    ":status", "304";
    ":status", "400";
    ":status", "404";
    ":status", "500";
    "accept-charset", "";
    "accept-encoding", "gzip, deflate";
    "accept-language", "";
    "accept-ranges", "";
    "accept", "";
    "access-control-allow-origin", "";
    "age", "";
    "allow", "";
    "authorization", "";
    "cache-control", "";
    "content-disposition", "";
    "content-encoding", "";
    "content-language", "";
    "content-length", "";
    "content-location", "";
    "content-range", "";
    "content-type", "";
    "cookie", "";
    "date", "";
    "etag", "";
    "expect", "";
    "expires", "";
    "from", "";
    "host", "";
    "if-match", "";
    "if-modified-since", "";
    "if-none-match", "";
    "if-range", "";
    "if-unmodified-since", "";
    "last-modified", "";
    "link", "";
    "location", "";
    "max-forwards", "";
    "proxy-authenticate", "";
    "proxy-authorization", "";
    "range", "";
    "referer", "";
    "refresh", "";
    "retry-after", "";
    "server", "";
    "set-cookie", "";
    "strict-transport-security", "";
    "transfer-encoding", "";
    "user-agent", "";
    "vary", "";
    "via", "";
    "www-authenticate", "";
];

/// `age`
pub(super) const AGE: u32 = 21;
/// `authorization`
pub(super) const AUTHORIZATION: u32 = 23;
/// `content-range`
pub(super) const CONTENT_RANGE: u32 = 30;
/// `cookie`
pub(super) const COOKIE: u32 = 32;
/// `location`
pub(super) const LOCATION: u32 = 46;
/// `proxy-authorization`
pub(super) const PROXY_AUTHORIZATION: u32 = 49;
/// `set-cookie`
pub(super) const SET_COOKIE: u32 = 55;

/// The field of an index from 1 to [`LEN`].
#[inline]
pub(super) fn get(index: u32) -> Option<Joined<'static>> {
    ENTRIES.get((index as usize).wrapping_sub(1)).copied()
}

/// Says that the entry of an index is this field.
#[inline]
pub(super) fn is(index: u8, name: &[u8], value: &[u8]) -> bool {
    get(index.into()).is_some_and(|entry| entry.value() == value && entry.name() == name)
}

/// The find of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// This entry is the field.
    Field(u32),
    /// This entry has the name, and none the value as well.
    Name(u32),
}

/// Finds a field by its name, whose [`name_hash`] is `hash`.
#[inline]
pub(super) fn find(hash: u64, name: &[u8], value: &[u8]) -> Option<Match> {
    let first = *BUCKETS.get(bucket(hash))?;
    let entries = ENTRIES.get(usize::from(first).wrapping_sub(1)..)?;
    let (entry, others) = entries.split_first()?;
    if entry.name() != name {
        return None;
    }
    let first = u32::from(first);
    if entry.value() == value {
        return Some(Match::Field(first));
    }
    let same_name = others.iter().take_while(|entry| entry.name() == name);
    for (index, entry) in (first + 1..).zip(same_name) {
        if entry.value() == value {
            return Some(Match::Field(index));
        }
    }
    Some(Match::Name(first))
}

/// The first index of the name in each bucket; zero where there is none.
static BUCKETS: [u8; 256] = buckets();

/// Gives each name a bucket of its own, which [`buckets`] asserts.
const SEED: u64 = 41;

const fn bucket(hash: u64) -> usize {
    (hash.wrapping_mul(SEED) >> 56) as usize
}

#[expect(clippy::indexing_slicing, reason = "at compile time")]
const fn buckets() -> [u8; 256] {
    let mut result = [0; 256];
    let mut position = ENTRIES.len();
    // Backwards, so that the first entry of a name stays.
    while position > 0 {
        position -= 1;
        let name = ENTRIES[position].name();
        let slot = &mut result[bucket(name_hash(name))];
        assert!(*slot == 0 || same(ENTRIES[*slot as usize - 1].name(), name));
        *slot = position as u8 + 1;
    }
    result
}

#[expect(clippy::indexing_slicing, reason = "at compile time")]
const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut position = 0;
    while position < a.len() && position < b.len() && a[position] == b[position] {
        position += 1;
    }
    position == a.len() && position == b.len()
}
