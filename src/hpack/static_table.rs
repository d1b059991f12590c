//! The static table (RFC 7541 §2.3.1, Appendix A).

use super::index::name_hash;

/// How many entries there are; the first entry of the dynamic table comes after them (§2.3.3).
pub(super) const LEN: u32 = ENTRIES.len() as u32;

/// Names and values; the position is the index less one. Fields of one name are neighbours.
static ENTRIES: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
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

/// The name and value of an index from 1 to [`LEN`].
#[inline]
pub(super) fn get(index: u32) -> Option<(&'static [u8], &'static [u8])> {
    ENTRIES.get((index as usize).wrapping_sub(1)).copied()
}

/// What a search finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// This entry is the field.
    Field(u32),
    /// This entry has the name, and none the value as well.
    Name(u32),
}

/// Finds a field by its name, whose [`name_hash`] is `hash`.
pub(super) fn find(hash: u64, name: &[u8], value: &[u8]) -> Option<Match> {
    let first = *BUCKETS.get(bucket(hash))?;
    let (found, _) = get(u32::from(first))?;
    if found != name {
        return None;
    }
    let same_name = ENTRIES
        .get(usize::from(first).checked_sub(1)?..)?
        .iter()
        .take_while(|entry| entry.0 == name);
    for (index, entry) in (u32::from(first)..).zip(same_name) {
        if entry.1 == value {
            return Some(Match::Field(index));
        }
    }
    Some(Match::Name(u32::from(first)))
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
        let name = ENTRIES[position].0;
        let slot = &mut result[bucket(name_hash(name))];
        assert!(*slot == 0 || same(ENTRIES[*slot as usize - 1].0, name));
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
