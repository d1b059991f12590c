//! Reads of open files.

use std::io::{self, IoSliceMut};
use std::time::Duration;

use super::help::{HelpAnswer, HelpId};
use super::metadata::Metadata;

/// Reads of files that are open, whichever tree they were opened in. An event loop has one of them.
pub trait FileReads {
    /// An open regular file.
    type File;

    /// Appends up to `max` bytes of the file from `offset` on to `out`, and returns how many: 0 at the
    /// end of the file.
    fn read_at(
        &mut self,
        file: &Self::File,
        offset: u64,
        out: &mut Vec<u8>,
        max: usize,
    ) -> io::Result<usize>;

    /// Fills the slices, one behind the other, with the bytes of the file from `offset` on, and returns
    /// how many: 0 at the end of the file.
    fn read_scattered(
        &mut self,
        file: &Self::File,
        offset: u64,
        slices: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        let mut bytes = Vec::new();
        let len = slices.iter().map(|slice| slice.len()).sum();
        let read = self.read_at(file, offset, &mut bytes, len)?;
        let mut rest = bytes.as_slice();
        for slice in slices {
            let (first, after) = rest.split_at(slice.len().min(rest.len()));
            for (place, byte) in slice.iter_mut().zip(first) {
                *place = *byte;
            }
            rest = after;
        }
        Ok(read)
    }

    /// Fills the slices with bytes that are in memory, perhaps fewer than are asked for. `WouldBlock` if a
    /// disk has to bring even the first. Any other error says that the system cannot tell, or is one that
    /// [`FileReads::read_scattered`] returns as well.
    fn read_resident(
        &mut self,
        file: &Self::File,
        offset: u64,
        slices: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        self.read_scattered(file, offset, slices)
    }

    /// Tells if `len` bytes of the file, at least one, can be had without waiting for a disk, as far as
    /// the first and the last of them show. `UnexpectedEof` if the file ends before the last.
    fn residence(&mut self, file: &Self::File, offset: u64, len: u64) -> io::Result<Residence> {
        let _ = (file, offset, len);
        Ok(Residence::Memory)
    }

    /// Asks a disk for `len` bytes, and does not wait for them.
    fn ask_for(&mut self, file: &Self::File, offset: u64, len: u64) -> io::Result<()> {
        let _ = (file, offset, len);
        Ok(())
    }

    /// Asks for bytes as [`FileReads::ask_for`] does, for a response that cannot go on without them.
    fn need(&mut self, file: &Self::File, offset: u64, len: u64) -> io::Result<()> {
        self.ask_for(file, offset, len)
    }

    /// Takes the task by which a helper brings the bytes or the name that were last needed; `None` where nothing will
    /// tell that they are there.
    fn take_needed(&mut self) -> Option<HelpId> {
        None
    }

    /// True if a helper would take a task now.
    fn is_helped(&self) -> bool {
        false
    }

    /// Has a helper hash `len` bytes, as [`FileHelper::hash`](super::FileHelper::hash) tells; `None` where
    /// none takes the task.
    fn hash_by_helper(&mut self, file: &Self::File, offset: u64, len: u64) -> Option<HelpId> {
        let _ = (file, offset, len);
        None
    }

    /// Takes the next answer of a helper.
    fn take_answer(&mut self) -> Option<HelpAnswer> {
        None
    }

    /// Time until [`FileReads::take_answer`] is to be asked although nothing has come.
    fn help_timeout(&self) -> Option<Duration> {
        None
    }

    /// The present state of an open file.
    fn metadata(&mut self, file: &Self::File) -> io::Result<Metadata>;

    /// Notes the work for bytes that were read and hashed.
    fn note_hashed(&mut self, len: usize);

    /// Notes the work for a slice of a [`Sequence`](crate::content::Sequence) beside the calls for its bytes.
    fn note_slice(&mut self);

    /// Takes the worth of the calls since the last time, in the bytes of [`Effort`](super::effort::Effort).
    fn take_effort(&mut self) -> usize {
        0
    }
}

/// The place of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residence {
    /// In memory, as far as the system can tell.
    Memory,
    /// At least partly on a disk.
    Disk,
}
