//! A range of a response's content: bytes in memory, or bytes of an open file.

use std::rc::Rc;

use super::error::BodyError;
use super::file_part::FilePart;
use super::file_slice::FileSlice;
use super::lent_bytes::LentBytes;
use super::open_file::OpenFile;
use super::progress::Progress;
use crate::world::{Files, Residence};

/// A range of content.
pub enum Slice<F: Files> {
    /// Bytes in memory.
    Memory {
        /// The content, which is shared with the cache and with other responses.
        content: Rc<[u8]>,
        /// The next byte to send. Content in memory is far shorter than 4 GiB.
        start: u32,
        /// The end of the slice, never past `content`.
        end: u32,
        /// The file of the content, if it has one. A slice that waits need not hold the content then.
        origin: Option<OpenFile<F>>,
    },
    /// Bytes of an open file.
    File(FileSlice<F>),
    /// Bytes of a file that a cache has in memory. There are few of them, so they are copied.
    Part(FilePart<F>),
    /// Bytes of a buffer that they were read into.
    Lent(LentBytes),
}

/// Content in memory that a response has all bytes of.
pub(crate) struct ResidentContent<F: Files> {
    /// The bytes.
    pub(crate) content: Rc<[u8]>,
    /// The file of the content, if it has one.
    pub(crate) file: Option<OpenFile<F>>,
}

impl<F: Files> Slice<F> {
    /// A slice of all bytes of a content in memory.
    pub fn memory(content: Rc<[u8]>) -> Self {
        Slice::Memory {
            start: 0,
            end: u32::try_from(content.len()).unwrap_or(u32::MAX),
            content,
            origin: None,
        }
    }

    /// True if the bytes are in memory of this process.
    pub(super) fn is_in_memory(&self) -> bool {
        match self {
            Slice::Memory { .. } | Slice::Part(_) | Slice::Lent(_) => true,
            Slice::File(file) => file.file().is_in_memory(),
        }
    }

    /// The content in memory, if the slice is of all of its bytes.
    pub(super) fn whole_in_memory(&self) -> Option<ResidentContent<F>> {
        let (content, start, file) = match self {
            Slice::Memory {
                content,
                start,
                origin,
                ..
            } => (content.clone(), u64::from(*start), origin.clone()),
            Slice::File(slice) => {
                let file = slice.file();
                (file.content()?, slice.offset(), Some(file.clone()))
            }
            Slice::Part(_) | Slice::Lent(_) => return None,
        };
        let is_whole = start == 0 && self.len() == content.len() as u64;
        is_whole.then_some(ResidentContent { content, file })
    }

    /// Holds the content of a file that is in memory, so that it can be sent now.
    pub fn hold(&mut self) {
        if let Slice::File(file) = self
            && let Some(content) = file.file().content()
        {
            // Content in memory has a length that fits.
            let start = file.offset() as u32;
            *self = Slice::Memory {
                start,
                end: start + file.len() as u32,
                content,
                origin: Some(file.file().clone()),
            };
        }
    }

    /// Releases the content of a file, because its memory may be needed elsewhere while the slice
    /// waits.
    pub fn release(&mut self) {
        if let Slice::Memory {
            start,
            end,
            origin: Some(file),
            ..
        } = self
        {
            *self = Slice::File(FileSlice::new(
                file.clone(),
                u64::from(*start),
                u64::from(*end),
            ));
        }
    }

    /// The number of bytes still to send.
    pub fn len(&self) -> u64 {
        match self {
            Slice::Memory { start, end, .. } => u64::from(end - start),
            Slice::File(slice) => slice.len(),
            Slice::Part(part) => part.len(),
            Slice::Lent(bytes) => bytes.len() as u64,
        }
    }

    /// True if all bytes were sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Passes the next `len` bytes, which were sent. The slice has at least that many.
    pub fn advance(&mut self, len: u64) {
        match self {
            // Content in memory has a length that fits.
            Slice::Memory { start, .. } => *start += len as u32,
            Slice::File(slice) => slice.advance(len),
            Slice::Part(part) => part.advance(len),
            // It is as long as a buffer, at most.
            Slice::Lent(bytes) => bytes.advance(len as usize),
        }
    }

    /// Takes off the next bytes, up to `max`, to be spliced; `None` if the disk has to bring them
    /// first, which it was then asked for. The rest does not hold its content.
    pub fn take(&mut self, reads: &mut F::Reads, max: u64) -> Result<Option<Self>, BodyError> {
        if let Slice::Lent(bytes) = self {
            let max = usize::try_from(max).unwrap_or(usize::MAX);
            return Ok(Some(Slice::Lent(bytes.take(max))));
        }
        if let Slice::Part(part) = self {
            *self = Slice::File(part.rest_of_file());
        }
        let len = self.len().min(max);
        let first = match self {
            Slice::Memory {
                content,
                start,
                origin,
                ..
            } => Slice::Memory {
                content: content.clone(),
                start: *start,
                end: *start + len as u32,
                origin: origin.clone(),
            },
            Slice::File(slice) => match slice.prepare(reads, len)? {
                Residence::Disk => return Ok(None),
                Residence::Memory => Slice::File(slice.first(len)),
            },
            // One of them was made a file's above, and the other taken.
            Slice::Part(_) | Slice::Lent(_) => return Ok(None),
        };
        self.advance(len);
        self.release();
        Ok(Some(first))
    }

    /// Appends up to `max` bytes to `out`.
    pub(super) fn read(
        &mut self,
        reads: &mut F::Reads,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Residence, BodyError> {
        if let Slice::Part(part) = self {
            if part.read(out, max) {
                return Ok(Residence::Memory);
            }
            *self = Slice::File(part.rest_of_file());
        }
        match self {
            // It was made one of the file above.
            Slice::Part(_) => Ok(Residence::Disk),
            Slice::Memory {
                content,
                start,
                end,
                ..
            } => {
                let rest = content.get(*start as usize..*end as usize);
                let rest = rest.unwrap_or_default();
                let taken = rest.get(..max).unwrap_or(rest);
                out.extend_from_slice(taken);
                *start += taken.len() as u32;
                Ok(Residence::Memory)
            }
            Slice::Lent(bytes) => {
                let rest = bytes.bytes();
                let taken = rest.get(..max).unwrap_or(rest);
                out.extend_from_slice(taken);
                let len = taken.len();
                bytes.advance(len);
                Ok(Residence::Memory)
            }
            Slice::File(slice) => slice.read(reads, out, max),
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
