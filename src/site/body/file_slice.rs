//! A range of an open file, and where its bytes are: the loop never waits for a disk.

use std::io::IoSliceMut;

use super::BodyError;
use crate::site::open_file::OpenFile;
use crate::world::{Files, Residence};

/// So much of a file is looked at, and asked for, at a time: what a disk brings in a few
/// milliseconds, and the least that a slow one should be asked for.
pub(super) const READ_AHEAD: u64 = 256 << 10;

/// So often is a disk asked whether the bytes have come. Then they are read all the same, whoever has
/// to wait: on some file systems asking alone brings nothing.
pub(super) const MOST_ASKED: u8 = 250;

/// A range of an open file, of which the bytes before `start` were sent already.
pub struct FileSlice<F: Files> {
    /// Shared with other responses that send the same file.
    file: OpenFile<F>,
    /// The next byte to send.
    start: u64,
    /// Where the slice ends: within the length that the file had when the response began.
    end: u64,
    ahead: Ahead,
}

/// How far a file's bytes were found in memory.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    /// The first byte that was not looked for.
    until: u64,
    /// How often the disk was asked for the next ones; at least once if it had to bring some before.
    asked: u8,
}

impl<F: Files> FileSlice<F> {
    /// The bytes from `start` to `end`, within the file's length.
    pub fn new(file: OpenFile<F>, start: u64, end: u64) -> Self {
        FileSlice {
            file,
            start,
            end,
            ahead: Ahead::default(),
        }
    }

    /// The file.
    pub fn file(&self) -> &OpenFile<F> {
        &self.file
    }

    /// Where in the file the next byte to send is.
    pub fn offset(&self) -> u64 {
        self.start
    }

    /// The number of bytes still to send.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether all bytes were sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next `len` bytes were sent; there are that many.
    pub fn advance(&mut self, len: u64) {
        self.start += len;
    }

    /// The next `len` bytes, of which there are that many, as a slice of their own.
    pub(super) fn first(&self, len: u64) -> Self {
        FileSlice {
            file: self.file.clone(),
            end: self.start + len,
            ..*self
        }
    }

    /// Forgets where the next bytes were found, so that they are looked for again.
    pub(super) fn look_again(&mut self) {
        self.ahead.until = 0;
    }

    /// Looks whether the next `len` bytes are in memory, and some more with them; if not, the disk is
    /// asked for them.
    pub(super) fn prepare(&mut self, files: &mut F, len: u64) -> Result<Residence, BodyError> {
        let FileSlice {
            file,
            start,
            end,
            ahead,
        } = self;
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

    /// Fills the parts, which together are not longer than the slice, with the next bytes, without
    /// passing them. Returns how many there are, at least one; `None` before the disk has brought them,
    /// which it was asked for.
    pub fn peek(
        &mut self,
        files: &mut F,
        parts: &mut [IoSliceMut<'_>],
    ) -> Result<Option<usize>, BodyError> {
        // As long as no disk was needed, nobody looks first: reading tells as well. Whatever else is
        // wrong shows again below.
        let resident = match self.ahead.asked {
            0 => files
                .read_resident(&self.file.get(), self.start, parts)
                .ok(),
            _ => None,
        };
        let read = match resident {
            Some(read) => read,
            None => {
                let len = parts.iter().map(|part| part.len() as u64).sum();
                if self.prepare(files, len)? == Residence::Disk {
                    return Ok(None);
                }
                files.read_scattered(&self.file.get(), self.start, parts)?
            }
        };
        match read {
            0 => Err(BodyError::Truncated),
            read => Ok(Some(read)),
        }
    }

    /// Appends up to `max` bytes to `out`, none before the disk has brought them.
    pub(super) fn read(
        &mut self,
        files: &mut F,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Residence, BodyError> {
        let len = self.len().min(max as u64);
        match self.prepare(files, len) {
            Ok(Residence::Disk) => return Ok(Residence::Disk),
            // What is left of the file goes out before that is told.
            Ok(Residence::Memory) | Err(BodyError::Truncated) => {}
            Err(error) => return Err(error),
        }
        if len > 0 {
            // It is at most `max`, so it fits.
            let read = files.read_at(&self.file.get(), self.start, out, len as usize);
            match read.map_err(BodyError::Io)? {
                0 => return Err(BodyError::Truncated),
                read => self.advance(read as u64),
            }
        }
        Ok(Residence::Memory)
    }
}
