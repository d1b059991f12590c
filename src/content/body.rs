//! The content of a response: slices of memory and of open files, or content that is made while it is sent.

use std::rc::Rc;

use super::error::BodyError;
use super::progress::Progress;
use super::sequence::Sequence;
use super::slice::Slice;
use super::stream::Stream;
use crate::world::{Files, Residence};

/// The lengths from which on it is worth taking a range off a body, instead of copying its bytes or
/// reading them where they are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Least {
    /// Of bytes in memory.
    pub memory: u64,
    /// Of bytes of a file.
    pub file: u64,
}

/// The content of a response.
pub enum Body<F: Files> {
    /// No bytes.
    Empty,
    /// One slice.
    One(Slice<F>),
    /// Slices behind each other, such as the parts of `multipart/byteranges`.
    Many(Box<Sequence<F>>),
    /// Content that is made while it is sent.
    Made(Box<dyn Stream<F>>),
}

impl<F: Files> Body<F> {
    /// The parts of `multipart/byteranges`, each of which is to be found and read for itself; else 0.
    pub(crate) fn parts(&self) -> usize {
        match self {
            Body::Empty | Body::One(_) | Body::Made(_) => 0,
            Body::Many(sequence) => sequence.parts(),
        }
    }

    /// All of some bytes in memory.
    pub fn memory(content: Rc<[u8]>) -> Self {
        Body::One(Slice::memory(content))
    }

    /// The number of bytes still to come, where it is known.
    pub fn len(&self) -> Option<u64> {
        Some(match self {
            Body::Empty => 0,
            Body::One(slice) => slice.len(),
            Body::Many(sequence) => sequence.len(),
            Body::Made(_) => return None,
        })
    }

    /// Whether no byte is to come any more.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Forgets where the next bytes were found, so that they are looked for again: time has passed, in
    /// which memory may have been needed for others, or the file cut short.
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

    /// What comes next, if it is at least as much as it takes to be worth sending from where it is.
    pub fn next_slice(&mut self, max: u64, least: Least) -> Option<&mut Slice<F>> {
        let slice = match self {
            Body::Empty | Body::Made(_) => return None,
            Body::One(slice) => slice,
            Body::Many(sequence) => sequence.current()?,
        };
        let least = match slice.is_in_memory() {
            true => least.memory,
            false => least.file,
        };
        if slice.len().min(max) < least {
            return None;
        }
        slice.hold();
        Some(slice)
    }

    /// Appends up to `max` bytes to `out`; `max` is at least 1.
    ///
    /// [`Progress::End`] comes with the last byte. A file that has become shorter than promised is
    /// an error.
    pub fn read(
        &mut self,
        files: &mut F,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Progress, BodyError> {
        match self {
            Body::Empty => Ok(Progress::End),
            Body::One(slice) => Ok(match slice.read(files, out, max)? {
                Residence::Memory => slice.progress(),
                Residence::Disk => Progress::Cold,
            }),
            Body::Made(stream) => stream.read(files, out, max),
            Body::Many(sequence) => {
                let start = out.len();
                let full = start.saturating_add(max);
                while let Some(slice) = sequence.current() {
                    if out.len() == full {
                        return Ok(Progress::More);
                    }
                    let residence = slice.read(files, out, full - out.len())?;
                    if residence == Residence::Disk && out.len() == start {
                        return Ok(Progress::Cold);
                    }
                    if !slice.is_empty() {
                        return Ok(Progress::More);
                    }
                }
                Ok(Progress::End)
            }
        }
    }
}
