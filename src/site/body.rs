//! What produces the bytes of a response.
//!
//! A body holds no buffer: it is a sequence of slices of memory and of open files, and reads what it
//! is asked for straight into the caller's buffer. A reader that stalls therefore costs a descriptor
//! and a few words, and nothing is read from a file before there is room for it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;

use crate::world::Files;

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
        file: Rc<F::File>,
        /// The next byte to send.
        start: u64,
        /// Where the slice ends: within the length that the file had when the response began.
        end: u64,
    },
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

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Truncated => None,
            BodyError::Io(error) => Some(error),
        }
    }
}

impl<F: Files> Body<F> {
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
            Body::One(slice) => {
                slice.read(files, out, max)?;
                Ok(slice.progress())
            }
            Body::Many(slices) => {
                let full = out.len().saturating_add(max);
                while let Some(slice) = slices.front_mut() {
                    slice.read(files, out, full - out.len())?;
                    if slice.len() > 0 {
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

    fn len(&self) -> u64 {
        match self {
            Slice::Memory { start, end, .. } => (end - start) as u64,
            Slice::File { start, end, .. } => end - start,
        }
    }

    fn progress(&self) -> Progress {
        if self.len() == 0 {
            Progress::End
        } else {
            Progress::More
        }
    }

    fn read(&mut self, files: &mut F, out: &mut Vec<u8>, max: usize) -> Result<(), BodyError> {
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
            Slice::File { file, start, end } => {
                let len = usize::try_from(*end - *start).map_or(max, |left| left.min(max));
                if len == 0 {
                    return Ok(());
                }
                match files.read_at(file, *start, out, len) {
                    Ok(0) => return Err(BodyError::Truncated),
                    Ok(read) => *start += read as u64,
                    Err(error) => return Err(BodyError::Io(error)),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::memory_files::MemoryFiles;

    fn file_slice(files: &mut MemoryFiles, start: u64, end: u64) -> Slice<MemoryFiles> {
        let (file, _) = files.open(b"f").unwrap();
        Slice::File {
            file: Rc::new(file),
            start,
            end,
        }
    }

    #[test]
    fn a_read_gives_at_most_what_is_asked_for_and_ends_with_the_last_byte() {
        let mut files = MemoryFiles::new();
        files.write("f", "0123456789");
        let mut body = Body::One(file_slice(&mut files, 2, 9));
        let mut out = b"-".to_vec();
        assert_eq!(body.len(), Some(7));
        assert_eq!(body.read(&mut files, &mut out, 4).unwrap(), Progress::More);
        assert_eq!(out, b"-2345");
        assert_eq!(body.read(&mut files, &mut out, 4).unwrap(), Progress::End);
        assert_eq!(out, b"-2345678");
        assert!(body.is_empty());
    }

    #[test]
    fn short_reads_of_the_disk_are_no_end() {
        let mut files = MemoryFiles::new();
        files.write("f", "0123456789");
        files.limit_reads(3);
        let mut body = Body::One(file_slice(&mut files, 0, 10));
        let mut out = Vec::new();
        let mut reads = 1;
        while body.read(&mut files, &mut out, 100).unwrap() == Progress::More {
            reads += 1;
        }
        assert_eq!((out.as_slice(), reads), (&b"0123456789"[..], 4));
    }

    #[test]
    fn a_file_that_was_cut_short_is_an_error_and_never_padded() {
        let mut files = MemoryFiles::new();
        files.write("f", "0123456789");
        let mut body = Body::One(file_slice(&mut files, 0, 10));
        let mut out = Vec::new();
        body.read(&mut files, &mut out, 4).unwrap();
        files.truncate("f", 6);
        assert_eq!(body.read(&mut files, &mut out, 4).unwrap(), Progress::More);
        assert_eq!(out, b"012345");
        assert!(matches!(
            body.read(&mut files, &mut out, 4),
            Err(BodyError::Truncated)
        ));
        assert_eq!(out, b"012345");
    }

    #[test]
    fn a_file_that_has_grown_is_sent_up_to_its_promised_length() {
        let mut files = MemoryFiles::new();
        files.write("f", "0123");
        let mut body = Body::One(file_slice(&mut files, 0, 4));
        files.edit("f", |content| content.extend_from_slice(b"more"));
        let mut out = Vec::new();
        assert_eq!(body.read(&mut files, &mut out, 99).unwrap(), Progress::End);
        assert_eq!(out, b"0123");
    }

    #[test]
    fn several_slices_are_one_sequence_at_every_size_of_read() {
        for max in 1..12 {
            let mut files = MemoryFiles::new();
            files.write("f", "0123456789");
            let mut body = Body::Many(VecDeque::from([
                Slice::memory(Rc::from(&b"ab"[..])),
                file_slice(&mut files, 4, 7),
                Slice::memory(Rc::from(&b""[..])),
                Slice::memory(Rc::from(&b"cde"[..])),
            ]));
            let mut out = Vec::new();
            loop {
                let before = out.len();
                let progress = body.read(&mut files, &mut out, max).unwrap();
                assert!(out.len() - before <= max);
                assert_eq!(body.len(), Some(8 - out.len() as u64));
                match progress {
                    Progress::End => break,
                    progress => assert_eq!(progress, Progress::More),
                }
            }
            assert_eq!(out, b"ab456cde");
        }
    }
}
