//! Several ranges in one response: `multipart/byteranges` (RFC 9110 §14.6).

use std::rc::Rc;

use super::range::ByteRange;
use super::representation::ByteSource;
use crate::content::{Body, Sequence, Slice};
use crate::world::Files;

/// A body of several parts, and the values that its fields must have.
pub(crate) struct Multipart {
    parts: Parts,
    pub(crate) content_type: String,
    pub(crate) len: u64,
}

/// The parts in order. Each part repeats the media type.
struct Parts {
    boundary: String,
    content_type: String,
    ranges: Vec<ByteRange>,
    /// Length of the whole representation in bytes.
    of: u64,
}

impl Multipart {
    /// The ranges of a representation of `len` bytes.
    ///
    /// The boundary is made from the entity tag, so it is equal on every server that has the file. No
    /// file will be found whose content holds its own hash.
    pub(crate) fn new(
        ranges: Vec<ByteRange>,
        len: u64,
        content_type: &[u8],
        entity_tag: &[u8],
    ) -> Self {
        let tag = entity_tag
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric());
        let tag: String = tag.map(|byte| char::from(*byte)).collect();
        let parts = Parts {
            boundary: format!("part-{tag}"),
            content_type: String::from_utf8_lossy(content_type).into_owned(),
            ranges,
            of: len,
        };
        let lens = parts
            .ranges
            .iter()
            .map(|range| parts.head(*range).len() as u64 + (range.end - range.start));
        Multipart {
            len: lens.sum::<u64>() + parts.tail().len() as u64,
            content_type: format!("multipart/byteranges; boundary={}", parts.boundary),
            parts,
        }
    }

    /// The body, with the bytes of the ranges from `source`.
    pub(crate) fn body<F: Files>(self, source: ByteSource<F>) -> Body<F> {
        let Multipart { parts, len, .. } = self;
        let count = parts.ranges.len();
        // Each range is two slices: the head of the part, and the bytes. The closing boundary is behind
        // the last one.
        let slices = (0..=2 * count).map(move |at| match parts.ranges.get(at / 2) {
            None => text(parts.tail()),
            Some(range) if at % 2 == 0 => text(parts.head(*range)),
            Some(range) => source.slice(range.start, range.end),
        });
        Body::Many(Sequence::new(slices, len, count))
    }
}

impl Parts {
    fn head(&self, range: ByteRange) -> String {
        let Parts {
            boundary,
            content_type,
            of,
            ..
        } = self;
        let content_range = content_range(range, *of);
        format!(
            "\r\n--{boundary}\r\ncontent-type: {content_type}\r\n\
             content-range: {content_range}\r\n\r\n"
        )
    }

    fn tail(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

fn text<F: Files>(text: String) -> Slice<F> {
    Slice::memory(Rc::from(text.into_bytes()))
}

/// The value of `Content-Range` (RFC 9110 §14.4) for a range, which is never empty.
pub(crate) fn content_range(range: ByteRange, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.start, range.end - 1)
}
