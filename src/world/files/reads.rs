//! Reads of open files by the kernel.

use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, fadvise};
use rustix::io::{ReadWriteFlags, pread, preadv, preadv2, retry_on_intr};

use super::describe;
use super::openings::{HelpedOpening, Openings};
use super::private::Inode;
use crate::world::effort::Effort;
use crate::world::{FileHelper, FileReads, HelpAnswer, HelpId, Metadata, Residence};

/// The most bytes that the kernel reads for one piece of advice on any file system: its usual
/// read-ahead.
const ADVISED: u64 = 128 << 10;

/// Reads of open descriptors.
#[derive(Debug, Default)]
pub struct DescriptorReads {
    effort: Effort,
    helper: Option<Help>,
}

/// A helper, and the task of it that a response is about to wait for.
#[derive(Debug)]
struct Help {
    helper: Box<dyn FileHelper>,
    needed: Option<HelpId>,
    openings: Openings,
}

impl DescriptorReads {
    /// Has a helper wait for the disk from here on.
    pub fn be_helped(&mut self, helper: Box<dyn FileHelper>) {
        self.helper = Some(Help {
            helper,
            needed: None,
            openings: Openings::default(),
        });
    }

    /// Asks a helper for bytes; `None` where none takes the task.
    fn ask_helper(&mut self, file: &OwnedFd, offset: u64, len: u64) -> Option<HelpId> {
        let help = self.helper.as_mut()?;
        self.effort.call();
        help.helper.read_ahead(file.as_fd(), offset, len)
    }

    /// Has a helper open a path beneath a root, for a response that is about to wait for it.
    pub(super) fn need_open(
        &mut self,
        (directory, root): (&OwnedFd, Inode),
        path: &[u8],
    ) -> Option<HelpedOpening> {
        let help = self.helper.as_mut()?;
        self.effort.call();
        let task = help.helper.open(directory.as_fd(), path)?;
        help.needed = Some(task);
        Some(help.openings.begin(task, root))
    }

    /// Asks the kernel for bytes, which mostly does not wait for them.
    fn advise(&mut self, file: &OwnedFd, offset: u64, len: u64) -> io::Result<()> {
        let end = offset + len;
        for at in (offset..end).step_by(ADVISED as usize) {
            self.effort.call();
            let len = NonZeroU64::new(ADVISED.min(end - at));
            fadvise(file, at, len, Advice::WillNeed)?;
        }
        Ok(())
    }
}

impl FileReads for DescriptorReads {
    type File = OwnedFd;

    fn read_at(
        &mut self,
        file: &OwnedFd,
        offset: u64,
        out: &mut Vec<u8>,
        max: usize,
    ) -> io::Result<usize> {
        self.effort.read(max);
        out.reserve(max);
        if out.capacity() - out.len() == max {
            // The free capacity may be read into: the kernel fills it, so it need not be cleared
            // before.
            let read = retry_on_intr(|| pread(file, spare_capacity(out), offset));
            return Ok(read?);
        }
        let start = out.len();
        out.resize(start + max, 0);
        let read = retry_on_intr(|| pread(file, out.split_at_mut(start).1, offset));
        out.truncate(start + read.unwrap_or(0));
        Ok(read?)
    }

    fn read_scattered(
        &mut self,
        file: &OwnedFd,
        offset: u64,
        slices: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        self.effort.call();
        Ok(retry_on_intr(|| preadv(file, slices, offset))?)
    }

    fn read_resident(
        &mut self,
        file: &OwnedFd,
        offset: u64,
        slices: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        self.effort.call();
        let read = || preadv2(file, slices, offset, ReadWriteFlags::NOWAIT);
        Ok(retry_on_intr(read)?)
    }

    fn residence(&mut self, file: &OwnedFd, offset: u64, len: u64) -> io::Result<Residence> {
        for at in [offset, offset + len - 1] {
            let mut byte = [0];
            match self.read_resident(file, at, &mut [IoSliceMut::new(&mut byte)]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Residence::Disk);
                }
                // Some kernels and some file systems cannot tell. Bytes that have to be waited for then
                // come in as few pieces as possible.
                Err(_) => {
                    let _ = self.ask_for(file, offset, len);
                    break;
                }
            }
        }
        Ok(Residence::Memory)
    }

    fn ask_for(&mut self, file: &OwnedFd, offset: u64, len: u64) -> io::Result<()> {
        match self.ask_helper(file, offset, len) {
            Some(_) => Ok(()),
            None => self.advise(file, offset, len),
        }
    }

    fn need(&mut self, file: &OwnedFd, offset: u64, len: u64) -> io::Result<()> {
        let needed = self.ask_helper(file, offset, len);
        if let Some(help) = &mut self.helper {
            help.needed = needed;
        }
        match needed {
            Some(_) => Ok(()),
            None => self.advise(file, offset, len),
        }
    }

    fn take_needed(&mut self) -> Option<HelpId> {
        let help = self.helper.as_mut()?;
        let needed = help.needed.take();
        // A response that had some bytes before those that it needs may come for them after the answer.
        needed.filter(|&id| help.helper.is_open(id))
    }

    fn is_helped(&self) -> bool {
        let help = self.helper.as_ref();
        help.is_some_and(|help| help.helper.takes_tasks())
    }

    fn hash_by_helper(&mut self, file: &OwnedFd, offset: u64, len: u64) -> Option<HelpId> {
        self.helper.as_mut()?.helper.hash(file.as_fd(), offset, len)
    }

    fn take_answer(&mut self) -> Option<HelpAnswer> {
        let help = self.helper.as_mut()?;
        let (answer, file) = help.helper.take_answer()?;
        help.openings.settle(answer, file);
        Some(answer)
    }

    fn help_timeout(&self) -> Option<Duration> {
        self.helper.as_ref()?.helper.timeout()
    }

    fn metadata(&mut self, file: &OwnedFd) -> io::Result<Metadata> {
        self.effort.call();
        describe(&rustix::fs::fstat(file)?).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn note_hashed(&mut self, len: usize) {
        self.effort.read(len);
    }

    fn note_slice(&mut self) {
        self.effort.slice();
    }

    fn take_effort(&mut self) -> usize {
        self.effort.take()
    }
}
