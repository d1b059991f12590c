//! Reads of open files by the kernel.

use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, Stat, fadvise, fstat, fstatfs};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv, preadv2, retry_on_intr};

use super::brought::Brought;
use super::describe;
use super::openings::{HelpedOpening, Openings};
use super::private::Inode;
use crate::world::effort::Effort;
use crate::world::{FileHelper, FileReads, HelpAnswer, HelpId, Metadata, Residence};

/// The most bytes that the kernel reads for one piece of advice on any file system: its usual
/// read-ahead.
const ADVISED: u64 = 128 << 10;

/// The type of file system that has all its bytes in memory (`TMPFS_MAGIC`, statfs(2)).
const TMPFS: u32 = 0x0102_1994;

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
    /// The bytes that it has brought, once there is a file system that does not tell which are in memory.
    brought: Option<Brought>,
}

impl Help {
    /// Has the helper bring bytes; `None` if it does not take the task.
    fn bring(&mut self, file: &OwnedFd, offset: u64, len: u64) -> Option<HelpId> {
        let Some(brought) = &mut self.brought else {
            return self.helper.read_ahead(file.as_fd(), offset, len);
        };
        let (inode, file_len) = identify(fstat(file).ok()?);
        let bytes = Brought::widen(offset..offset + len, file_len);
        let len = bytes.end - bytes.start;
        let task = self.helper.read_ahead(file.as_fd(), bytes.start, len)?;
        brought.note_asked(task, inode, bytes);
        Some(task)
    }

    /// Has the helper hash bytes, which brings them; `None` if it does not take the task.
    fn hash(&mut self, file: &OwnedFd, offset: u64, len: u64) -> Option<HelpId> {
        let task = self.helper.hash(file.as_fd(), offset, len)?;
        if let Some(brought) = &mut self.brought
            && let Ok(stat) = fstat(file)
        {
            brought.note_asked(task, identify(stat).0, offset..offset + len);
        }
        Some(task)
    }

    /// The number of bytes of a file from an offset on, at most `most`, that can be read without a wait, where the
    /// file system does not tell.
    fn extent(&mut self, file: &OwnedFd, offset: u64, most: u64) -> io::Result<u64> {
        let now = Instant::now();
        let brought = self.brought.get_or_insert_with(|| Brought::new(now));
        let inode = identify(fstat(file)?).0;
        let extent = brought.extent(inode, offset, most, now);
        if extent == 0 && fstatfs(file)?.f_type as u32 == TMPFS {
            brought.note(inode, offset..offset + most, now);
            return Ok(most);
        }
        Ok(extent)
    }
}

/// The identity and the length of a file.
fn identify(stat: Stat) -> (Inode, u64) {
    ((stat.st_dev, stat.st_ino), stat.st_size as u64)
}

impl DescriptorReads {
    /// Has a helper wait for the disk from here on.
    pub fn be_helped(&mut self, helper: Box<dyn FileHelper>) {
        self.helper = Some(Help {
            helper,
            needed: None,
            openings: Openings::default(),
            brought: None,
        });
    }

    /// Asks a helper for bytes; `None` where none takes the task.
    fn ask_helper(&mut self, file: &OwnedFd, offset: u64, len: u64) -> Option<HelpId> {
        let help = self.helper.as_mut()?;
        self.effort.call();
        help.bring(file, offset, len)
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

/// Reads bytes that a helper has brought; `WouldBlock` if it has not brought even the first.
fn read_brought(
    help: &mut Help,
    file: &OwnedFd,
    offset: u64,
    slices: &mut [IoSliceMut<'_>],
) -> io::Result<usize> {
    let most: usize = slices.iter().map(|slice| slice.len()).sum();
    let extent = help.extent(file, offset, most as u64)? as usize;
    if extent == most {
        return Ok(retry_on_intr(|| preadv(file, slices, offset))?);
    }
    let first = slices.iter_mut().find(|slice| !slice.is_empty());
    let Some(first) = first.filter(|_| extent > 0) else {
        return Err(io::ErrorKind::WouldBlock.into());
    };
    let len = extent.min(first.len());
    let (first, _) = first.split_at_mut(len);
    Ok(retry_on_intr(|| pread(file, &mut *first, offset))?)
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
        let read = retry_on_intr(|| preadv2(file, slices, offset, ReadWriteFlags::NOWAIT));
        match (read, &mut self.helper) {
            // The kernel or the file system does not know such reads.
            (Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS), Some(help))
                if help.helper.is_running() =>
            {
                self.effort.call();
                read_brought(help, file, offset, slices)
            }
            (read, _) => Ok(read?),
        }
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
        self.helper.as_mut()?.hash(file, offset, len)
    }

    fn take_answer(&mut self) -> Option<HelpAnswer> {
        let help = self.helper.as_mut()?;
        let (answer, file) = help.helper.take_answer()?;
        help.openings.settle(answer, file);
        if let Some(brought) = &mut help.brought {
            brought.settle(answer, Instant::now());
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::HelpOutcome;
    use rustix::fs::{MemfdFlags, memfd_create};
    use std::collections::VecDeque;
    use std::fs::File;
    use std::io::ErrorKind;
    use std::os::fd::BorrowedFd;

    /// A helper that answers each task when it is asked for its answers.
    #[derive(Debug, Default)]
    struct Bringer {
        tasks: VecDeque<HelpId>,
        count: u32,
    }

    impl FileHelper for Bringer {
        fn read_ahead(&mut self, _: BorrowedFd<'_>, _: u64, _: u64) -> Option<HelpId> {
            self.count += 1;
            self.tasks.push_back(HelpId(self.count));
            Some(HelpId(self.count))
        }

        fn hash(&mut self, _: BorrowedFd<'_>, _: u64, _: u64) -> Option<HelpId> {
            None
        }

        fn open(&mut self, _: BorrowedFd<'_>, _: &[u8]) -> Option<HelpId> {
            None
        }

        fn is_running(&self) -> bool {
            true
        }

        fn takes_tasks(&self) -> bool {
            true
        }

        fn take_answer(&mut self) -> Option<(HelpAnswer, Option<OwnedFd>)> {
            let outcome = HelpOutcome::Read;
            let id = self.tasks.pop_front()?;
            Some((HelpAnswer { id, outcome }, None))
        }

        fn is_open(&self, id: HelpId) -> bool {
            self.tasks.contains(&id)
        }

        fn timeout(&self) -> Option<Duration> {
            None
        }
    }

    /// Reads a byte that is in memory.
    fn byte(reads: &mut DescriptorReads, file: &OwnedFd) -> io::Result<usize> {
        reads.read_resident(file, 0, &mut [IoSliceMut::new(&mut [0])])
    }

    #[test]
    fn bytes_of_a_file_system_that_does_not_tell_are_read_once_the_helper_has_brought_them() {
        // Its file system knows no reads that do not wait, as overlayfs does.
        let file = OwnedFd::from(File::open("/proc/version").unwrap());
        let mut reads = DescriptorReads::default();
        let told = byte(&mut reads, &file).unwrap_err();
        assert_ne!(told.kind(), ErrorKind::WouldBlock, "nobody would bring it");
        reads.be_helped(Box::new(Bringer::default()));
        for _ in 0..2 {
            let told = byte(&mut reads, &file).unwrap_err();
            assert_eq!(told.kind(), ErrorKind::WouldBlock);
            assert_eq!(reads.residence(&file, 0, 1).unwrap(), Residence::Disk);
        }
        reads.need(&file, 0, 1).unwrap();
        let task = reads.take_needed();
        let told = byte(&mut reads, &file).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::WouldBlock, "there is no answer yet");
        assert_eq!(reads.take_answer().map(|answer| answer.id), task);
        assert_eq!(byte(&mut reads, &file).unwrap(), 1);
        assert_eq!(reads.residence(&file, 0, 1).unwrap(), Residence::Memory);
    }

    #[test]
    fn bytes_in_memory_are_read_at_once_where_the_file_system_has_nothing_else() {
        // A file of tmpfs without a name.
        let file = memfd_create("calmd-test", MemfdFlags::CLOEXEC).unwrap();
        rustix::io::write(&file, b"a").unwrap();
        let mut reads = DescriptorReads::default();
        reads.be_helped(Box::new(Bringer::default()));
        assert_eq!(byte(&mut reads, &file).unwrap(), 1);
    }
}
