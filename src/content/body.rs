//! The content of a response: slices of memory and of open files, or content that is made while it is sent.

use std::rc::Rc;

use super::error::BodyError;
use super::progress::Progress;
use super::sequence::Sequence;
use super::slice::{ResidentContent, Slice};
use super::stream::ContentStream;
use crate::world::{FileReads, Files, Residence};

/// The least lengths for which a range is taken off a body, instead of copying or reading its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Least {
    /// The least number of bytes in memory.
    pub memory: u64,
    /// The least number of bytes of a file.
    pub file: u64,
}

/// Number of slices of one content that are read at a time: 16 parts of `multipart/byteranges`, 30 µs. In between it is
/// asked if the connection's turn has done enough.
const SLICES_AT_A_TIME: usize = 32;

/// The content of a response.
pub enum Body<F: Files> {
    /// No bytes.
    Empty,
    /// One slice.
    One(Slice<F>),
    /// Slices behind each other, such as the parts of `multipart/byteranges`.
    Many(Box<Sequence<F>>),
    /// Content that is made while it is sent.
    Made(Box<dyn ContentStream<F>>),
}

impl<F: Files> Body<F> {
    /// Number of parts of `multipart/byteranges`, each of which is found and read for itself; 0 for
    /// other content.
    pub(crate) fn parts(&self) -> usize {
        match self {
            Body::Empty | Body::One(_) | Body::Made(_) => 0,
            Body::Many(sequence) => sequence.parts(),
        }
    }

    /// A body of bytes in memory.
    pub fn memory(content: Rc<[u8]>) -> Self {
        Body::One(Slice::memory(content))
    }

    /// The number of bytes still to come, if it is known.
    pub fn len(&self) -> Option<u64> {
        Some(match self {
            Body::Empty => 0,
            Body::One(slice) => slice.len(),
            Body::Many(sequence) => sequence.len(),
            Body::Made(_) => return None,
        })
    }

    /// The number of bytes still to come, if they are one range of memory.
    pub(crate) fn len_in_memory(&self) -> Option<u64> {
        match self {
            Body::One(slice) if slice.is_in_memory() => Some(slice.len()),
            _ => None,
        }
    }

    /// All bytes, if they are one whole content in memory.
    pub(crate) fn whole_in_memory(&self) -> Option<ResidentContent<F>> {
        match self {
            Body::One(slice) => slice.whole_in_memory(),
            Body::Empty | Body::Many(_) | Body::Made(_) => None,
        }
    }

    /// True if no byte is still to come.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Forgets that the next bytes were found in memory, so that they are looked for again. Time has
    /// passed, in which memory may have been needed elsewhere, or the file may have been truncated.
    pub fn look_again(&mut self) {
        let slice = match self {
            Body::Empty | Body::Made(_) => None,
            Body::One(slice) => Some(slice),
            Body::Many(sequence) => sequence.current(),
        };
        if let Some(Slice::File(slice)) = slice {
            slice.look_again();
        }
    }

    /// The slice of the next bytes, if it is long enough to be spliced.
    pub fn next_slice(&mut self, max: u64, least: Least) -> Option<&mut Slice<F>> {
        let slice = match self {
            Body::Empty | Body::Made(_) | Body::One(Slice::Part(_)) => return None,
            Body::One(slice) => slice,
            Body::Many(sequence) => sequence.current()?,
        };
        let least = if slice.is_in_memory() {
            least.memory
        } else {
            least.file
        };
        if slice.len().min(max) < least {
            return None;
        }
        slice.hold();
        Some(slice)
    }

    /// Appends up to `max` bytes to `out`; `max` is at least 1.
    ///
    /// [`Progress::End`] comes with the last byte, and of many slices only some are read at a time. A file that has become shorter than promised is
    /// an error.
    pub fn read(
        &mut self,
        reads: &mut F::Reads,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Progress, BodyError> {
        match self {
            Body::Empty => Ok(Progress::End),
            Body::One(slice) => Ok(match slice.read(reads, out, max)? {
                Residence::Memory => slice.progress(),
                Residence::Disk => Progress::Cold,
            }),
            Body::Made(stream) => stream.read(reads, out, max),
            Body::Many(sequence) => {
                let start = out.len();
                let full = start.saturating_add(max);
                let mut slices = 0;
                while let Some(slice) = sequence.current() {
                    if out.len() == full || slices == SLICES_AT_A_TIME {
                        return Ok(Progress::More);
                    }
                    let residence = slice.read(reads, out, full - out.len())?;
                    if residence == Residence::Disk && out.len() == start {
                        return Ok(Progress::Cold);
                    }
                    if !slice.is_empty() {
                        return Ok(Progress::More);
                    }
                    reads.note_slice();
                    slices += 1;
                }
                Ok(Progress::End)
            }
        }
    }
}
