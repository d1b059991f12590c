//! A range of what a response sends: bytes in memory, or bytes of an open file.

use std::rc::Rc;

use super::{BodyError, FileSlice, Progress};
use crate::world::{Files, Residence};

/// A range of something that can be sent.
pub enum Slice<F: Files> {
    /// Bytes in memory.
    Memory {
        /// Shared with the cache and with other responses.
        content: Rc<[u8]>,
        /// The next byte to send.
        start: usize,
        /// Where the slice ends; never past `content`.
        end: usize,
    },
    /// Bytes of an open file.
    File(FileSlice<F>),
}

impl<F: Files> Slice<F> {
    /// All of some bytes in memory.
    pub fn memory(content: Rc<[u8]>) -> Self {
        Slice::Memory {
            start: 0,
            end: content.len(),
            content,
        }
    }

    /// The number of bytes still to send.
    pub fn len(&self) -> u64 {
        match self {
            Slice::Memory { start, end, .. } => (end - start) as u64,
            Slice::File(slice) => slice.len(),
        }
    }

    /// Whether all bytes were sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next `len` bytes were sent; there are that many.
    pub fn advance(&mut self, len: u64) {
        match self {
            // What is in memory has a length that fits.
            Slice::Memory { start, .. } => *start += len as usize,
            Slice::File(slice) => slice.advance(len),
        }
    }

    /// Takes off the next bytes, up to `max` of them, to be sent from where they are; `None` before the
    /// disk has brought them, which it was asked for.
    pub fn take(&mut self, files: &mut F, max: u64) -> Result<Option<Self>, BodyError> {
        let len = self.len().min(max);
        let first = match self {
            Slice::Memory { content, start, .. } => Slice::Memory {
                content: content.clone(),
                start: *start,
                end: *start + len as usize,
            },
            Slice::File(slice) => match slice.prepare(files, len)? {
                Residence::Disk => return Ok(None),
                Residence::Memory => Slice::File(slice.first(len)),
            },
        };
        self.advance(len);
        Ok(Some(first))
    }

    /// Appends up to `max` bytes to `out`.
    pub(super) fn read(
        &mut self,
        files: &mut F,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Residence, BodyError> {
        match self {
            Slice::Memory {
                content,
                start,
                end,
            } => {
                let stop = start.saturating_add(max).min(*end);
                out.extend_from_slice(&content[*start..stop]);
                *start = stop;
                Ok(Residence::Memory)
            }
            Slice::File(slice) => slice.read(files, out, max),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        if self.is_empty() {
            Progress::End
        } else {
            Progress::More
        }
    }
}
