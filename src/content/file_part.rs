//! A short range of a file whose bytes a cache has in memory.

use std::rc::{Rc, Weak};

use super::file_slice::FileSlice;
use super::open_file::OpenFile;
use crate::world::Files;

/// A short range of a file. Its bytes are the cache's: a response that waits does not hold them, and goes on from
/// the file once the cache has dropped them.
pub struct FilePart<F: Files> {
    content: Weak<Box<[u8]>>,
    file: OpenFile<F>,
    /// The place of the content in the file.
    offset: u64,
    /// The next byte to send.
    start: u16,
    end: u16,
}

/// The most bytes of a part.
pub(crate) const LONGEST_PART: u64 = u16::MAX as u64;

impl<F: Files> FilePart<F> {
    /// The content that the cache has of `file` from `offset` on: at most [`LONGEST_PART`] bytes.
    pub(crate) fn new(file: OpenFile<F>, offset: u64, content: &Rc<Box<[u8]>>) -> Self {
        FilePart {
            content: Rc::downgrade(content),
            file,
            offset,
            start: 0,
            end: u16::try_from(content.len()).unwrap_or(u16::MAX),
        }
    }

    /// True if the cache still has the bytes.
    #[cfg(test)]
    pub(crate) fn is_in_memory(&self) -> bool {
        self.content.strong_count() > 0
    }

    /// The number of bytes still to send.
    pub(super) fn len(&self) -> u64 {
        u64::from(self.end - self.start)
    }

    /// Appends up to `max` of the next bytes to `out`; false if the cache has dropped them.
    pub(super) fn read(&mut self, out: &mut Vec<u8>, max: usize) -> bool {
        let Some(content) = self.content.upgrade() else {
            return false;
        };
        let rest = content.get(usize::from(self.start)..usize::from(self.end));
        let rest = rest.unwrap_or_default();
        let taken = rest.get(..max).unwrap_or(rest);
        out.extend_from_slice(taken);
        self.advance(taken.len() as u64);
        true
    }

    /// Passes the next `len` bytes, which were sent. The part has at least that many.
    pub(super) fn advance(&mut self, len: u64) {
        self.start += len as u16;
    }

    /// The rest of the range, read from the file.
    pub(super) fn rest_of_file(&self) -> FileSlice<F> {
        let (start, end) = (u64::from(self.start), u64::from(self.end));
        FileSlice::new(self.file.clone(), self.offset + start, self.offset + end)
    }
}
