//! What produces the bytes of a response.
//!
//! A body holds no buffer: it is a sequence of slices of memory and of open files, and reads what it
//! is asked for straight into the caller's buffer. A reader that stalls therefore costs a descriptor
//! and a few words, and nothing is read from a file before there is room for it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;

use super::open_file::OpenFile;
use crate::world::{Files, Residence};

/// So much of a file is looked at, and asked for, at a time: what a disk brings in a few
/// milliseconds, and the least that a slow one should be asked for.
const READ_AHEAD: u64 = 256 << 10;

/// So often is a disk asked whether the bytes have come. Then they are read all the same, whoever has
/// to wait: on some file systems asking alone brings nothing.
const MOST_ASKED: u8 = 250;

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
    /// Several slices behind each other, such as the parts of `multipart/byteranges`.
    Many(VecDeque<Slice<F>>),
}

/// A range of something that can be sent, of which the bytes before `start` were sent already.
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
    File {
        /// Shared with other responses that send the same file.
        file: OpenFile<F>,
        /// The next byte to send.
        start: u64,
        /// Where the slice ends: within the length that the file had when the response began.
        end: u64,
        /// What is known of where its bytes are.
        ahead: Ahead,
    },
}

/// How far a file's bytes were found in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ahead {
    /// The first byte that was not looked for.
    until: u64,
    /// How often the disk was asked for the next ones; at least once if it had to bring some before.
    asked: u8,
}

/// Whether the next bytes were taken off a body as a range of their own.
pub enum Taken<F: Files> {
    /// They were, and this is where they are.
    Range(Slice<F>),
    /// They will be, as soon as the disk has brought them, which it was asked for.
    Cold,
    /// There are none, or too few: they are to be read.
    Unfit,
}

/// What a read achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to come.
    More,
    /// All bytes were given.
    End,
    /// Nothing right now; more later.
    Waiting,
    /// Nothing before the disk has brought it, which it was asked for.
    Cold,
}

/// Why a body cannot be completed. The response must be cut off, never padded.
#[derive(Debug)]
pub enum BodyError {
    /// The file has become shorter than the length that was promised.
    Truncated,
    /// The file cannot be read any more.
    Io(io::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Truncated => f.write_str("the file was cut short while it was sent"),
            BodyError::Io(error) => write!(f, "the file cannot be read: {error}"),
        }
    }
}

impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => BodyError::Truncated,
            _ => BodyError::Io(error),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Truncated => None,
            BodyError::Io(error) => Some(error),
        }
    }
}

impl<F: Files> Body<F> {
    /// The parts of `multipart/byteranges`, each of which is to be found and read for itself; else 0.
    pub(crate) fn parts(&self) -> usize {
        match self {
            Body::Empty | Body::One(_) => 0,
            // Before each part stands what it is.
            Body::Many(slices) => slices.len() / 2,
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
            Body::Many(slices) => slices.iter().map(Slice::len).sum(),
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
            Body::Empty => None,
            Body::One(slice) => Some(slice),
            Body::Many(slices) => slices.front_mut(),
        };
        if let Some(Slice::File { ahead, .. }) = slice {
            ahead.until = 0;
        }
    }

    /// Takes up to `max` bytes off the body, if there are that many in one place that it is worth it.
    pub fn take_range(
        &mut self,
        files: &mut F,
        max: u64,
        least: Least,
    ) -> Result<Taken<F>, BodyError> {
        match self {
            Body::Empty => Ok(Taken::Unfit),
            Body::One(slice) => slice.take_range(files, max, least),
            Body::Many(slices) => {
                while slices.front().is_some_and(Slice::is_empty) {
                    slices.pop_front();
                }
                match slices.front_mut() {
                    Some(slice) => slice.take_range(files, max, least),
                    None => Ok(Taken::Unfit),
                }
            }
        }
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
            Body::Many(slices) => {
                let start = out.len();
                let full = start.saturating_add(max);
                while let Some(slice) = slices.front_mut() {
                    let residence = slice.read(files, out, full - out.len())?;
                    if residence == Residence::Disk && out.len() == start {
                        return Ok(Progress::Cold);
                    }
                    if !slice.is_empty() {
                        return Ok(Progress::More);
                    }
                    slices.pop_front();
                }
                Ok(Progress::End)
            }
        }
    }
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
            Slice::File { start, end, .. } => end - start,
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
            Slice::File { start, .. } => *start += len,
        }
    }

    /// Splits off the next `len` bytes; there are that many.
    fn split_off(&mut self, len: u64) -> Self {
        let first = match self {
            Slice::Memory { content, start, .. } => Slice::Memory {
                content: content.clone(),
                start: *start,
                end: *start + len as usize,
            },
            Slice::File {
                file, start, ahead, ..
            } => Slice::File {
                file: file.clone(),
                start: *start,
                end: *start + len,
                ahead: *ahead,
            },
        };
        self.advance(len);
        first
    }

    fn take_range(&mut self, files: &mut F, max: u64, least: Least) -> Result<Taken<F>, BodyError> {
        let len = self.len().min(max);
        let least = match self {
            Slice::Memory { .. } => least.memory,
            Slice::File { .. } => least.file,
        };
        if len < least {
            return Ok(Taken::Unfit);
        }
        Ok(match self.prepare(files, len)? {
            Residence::Disk => Taken::Cold,
            Residence::Memory => Taken::Range(self.split_off(len)),
        })
    }

    /// Looks whether the next `len` bytes are in memory, and some more with them.
    fn prepare(&mut self, files: &mut F, len: u64) -> Result<Residence, BodyError> {
        let Slice::File {
            file,
            start,
            end,
            ahead,
        } = self
        else {
            return Ok(Residence::Memory);
        };
        if *start + len <= ahead.until || len == 0 {
            return Ok(Residence::Memory);
        }
        let window = len.max(READ_AHEAD).min(*end - *start);
        match files.prepare(&file.get(), *start, window) {
            Ok(Residence::Disk) if ahead.asked < MOST_ASKED => {
                ahead.asked += 1;
                Ok(Residence::Disk)
            }
            Ok(_) => {
                let until = *start + window;
                let asked = ahead.asked.min(1);
                if asked > 0 && until < *end {
                    // The disk goes on while these are sent. Whether it has to is seen in time.
                    let _ = files.prepare(&file.get(), until, READ_AHEAD.min(*end - until));
                }
                *ahead = Ahead { until, asked };
                Ok(Residence::Memory)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn progress(&self) -> Progress {
        if self.is_empty() {
            Progress::End
        } else {
            Progress::More
        }
    }

    fn read(
        &mut self,
        files: &mut F,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Residence, BodyError> {
        let wanted = self.len().min(max as u64);
        match self.prepare(files, wanted) {
            Ok(Residence::Disk) => return Ok(Residence::Disk),
            // What is left of the file goes out before that is told.
            Ok(Residence::Memory) | Err(BodyError::Truncated) => {}
            Err(error) => return Err(error),
        }
        match self {
            Slice::Memory {
                content,
                start,
                end,
            } => {
                let stop = start.saturating_add(max).min(*end);
                out.extend_from_slice(&content[*start..stop]);
                *start = stop;
            }
            Slice::File {
                file, start, end, ..
            } => {
                let len = usize::try_from(*end - *start).map_or(max, |left| left.min(max));
                if len == 0 {
                    return Ok(Residence::Memory);
                }
                match files.read_at(&file.get(), *start, out, len) {
                    Ok(0) => return Err(BodyError::Truncated),
                    Ok(read) => *start += read as u64,
                    Err(error) => return Err(BodyError::Io(error)),
                }
            }
        }
        Ok(Residence::Memory)
    }
}

#[cfg(test)]
mod tests;
