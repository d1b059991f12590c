//! Several ranges in one response: `multipart/byteranges` (RFC 9110 §14.6).

use std::collections::VecDeque;
use std::rc::Rc;

use super::body::{Body, Slice};
use super::range::ByteRange;
use super::representation::Source;
use crate::world::Files;

/// A body of several parts, and what its fields must say.
pub(crate) struct Multipart<F: Files> {
    pub(crate) content_type: String,
    pub(crate) len: u64,
    pub(crate) body: Body<F>,
}

impl<F: Files> Multipart<F> {
    /// The ranges of a source of `len` bytes, of which each part repeats the type.
    ///
    /// The boundary is made from the entity tag: it is the same wherever the file is, and a file
    /// whose content holds its own hash is not going to be found.
    pub(crate) fn new(
        source: &Source<F>,
        ranges: &[ByteRange],
        len: u64,
        content_type: &[u8],
        entity_tag: &[u8],
    ) -> Self {
        let tag = String::from_utf8_lossy(entity_tag);
        let boundary = format!("part-{}", tag.trim_matches('"'));
        let mut slices = VecDeque::with_capacity(2 * ranges.len() + 1);
        let mut total = 0;
        let text = |text: Vec<u8>| Slice::memory(Rc::from(text));
        for range in ranges {
            let mut head = format!("\r\n--{boundary}\r\ncontent-type: ").into_bytes();
            head.extend_from_slice(content_type);
            head.extend_from_slice(b"\r\ncontent-range: ");
            head.extend_from_slice(content_range(*range, len).as_bytes());
            head.extend_from_slice(b"\r\n\r\n");
            total += head.len() as u64 + (range.end - range.start);
            slices.push_back(text(head));
            slices.push_back(source.slice(range.start, range.end));
        }
        let tail = format!("\r\n--{boundary}--\r\n").into_bytes();
        total += tail.len() as u64;
        slices.push_back(text(tail));
        Multipart {
            content_type: format!("multipart/byteranges; boundary={boundary}"),
            len: total,
            body: Body::Many(slices),
        }
    }
}

/// The value of `Content-Range` (RFC 9110 §14.4) for a range, which is never empty.
pub(crate) fn content_range(range: ByteRange, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.start, range.end - 1)
}
