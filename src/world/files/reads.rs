//! Reads of open files by the kernel.

use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, fadvise};
use rustix::io::{ReadWriteFlags, pread, preadv, preadv2, retry_on_intr};

use super::describe;
use crate::world::effort::Effort;
use crate::world::{FileReads, Metadata, Residence};

/// The most bytes that the kernel reads for one piece of advice on any file system: its usual
/// read-ahead.
const ADVISED: u64 = 128 << 10;

/// Reads of open descriptors.
#[derive(Debug, Default)]
pub struct DescriptorReads {
    effort: Effort,
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
        let end = offset + len;
        for at in (offset..end).step_by(ADVISED as usize) {
            self.effort.call();
            let len = NonZeroU64::new(ADVISED.min(end - at));
            fadvise(file, at, len, Advice::WillNeed)?;
        }
        Ok(())
    }

    fn metadata(&mut self, file: &OwnedFd) -> io::Result<Metadata> {
        self.effort.call();
        describe(&rustix::fs::fstat(file)?).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn take_effort(&mut self) -> usize {
        self.effort.take()
    }
}
