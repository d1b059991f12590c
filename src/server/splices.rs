//! Places in an output where a range of a file belongs.
//!
//! File content that goes out in the clear is never copied into our memory: a service writes what
//! frames it and notes here which range of which file follows, and the socket takes it from there
//! (sendfile(2)). A reader that stalls then costs a descriptor that it shares and a few words.

use crate::site::FileRange;
use crate::world::Files;
use std::collections::VecDeque;

/// Ranges of files between the bytes of an output, in order.
pub struct Splices<F: Files> {
    list: VecDeque<Splice<F>>,
    /// Bytes of all ranges.
    len: u64,
}

/// A range of a file that comes before the byte `at` of the output.
struct Splice<F: Files> {
    at: usize,
    range: FileRange<F>,
}

impl<F: Files> Default for Splices<F> {
    fn default() -> Self {
        Splices {
            list: VecDeque::new(),
            len: 0,
        }
    }
}

impl<F: Files> Splices<F> {
    /// Bytes of all ranges.
    pub fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    /// The memory that they take.
    pub fn memory(&self) -> usize {
        self.list.capacity() * size_of::<Splice<F>>()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a range behind the first `at` bytes of the output and all ranges that are there.
    pub fn push(&mut self, at: usize, range: FileRange<F>) {
        self.len += range.end - range.start;
        self.list.push_back(Splice { at, range });
    }

    /// The first range, and how many bytes of the output come before it.
    pub fn first(&self) -> Option<(usize, &FileRange<F>)> {
        self.list.front().map(|splice| (splice.at, &splice.range))
    }

    /// Takes away the first `len` bytes of the first range, and the range when that was all.
    pub fn advance(&mut self, len: usize) {
        let Some(first) = self.list.front_mut() else {
            return;
        };
        self.len -= len as u64;
        first.range.start += len as u64;
        if first.range.start == first.range.end {
            self.list.pop_front();
        }
    }

    /// Moves all ranges of `later` here. Its output, less the first `sent` bytes, was put behind the
    /// first `at` bytes of this one.
    pub fn append(&mut self, later: &mut Splices<F>, sent: usize, at: usize) {
        self.len += std::mem::take(&mut later.len);
        let moved = later.list.drain(..).map(|splice| Splice {
            at: splice.at - sent + at,
            range: splice.range,
        });
        self.list.extend(moved);
    }
}
