//! Limits of a directory for uploads, and the count of bytes that they are about.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::name::TEMPORARY;
use super::refusal::UploadRefusal;

/// Bytes that are written between two looks at the free space: a look is a system call, and the space that is
/// kept free is many times as much.
const LOOK_BYTES: u64 = 8 << 20;

/// The least time between two counts of a whole directory that is full: a count of 100,000 names takes 0.1 s.
const RECOUNT: Duration = Duration::from_secs(10);

/// Limits of uploads to a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// The most bytes of a file.
    pub file_bytes: u64,
    /// The most bytes of all files of a directory; `None` is as much as there is room for.
    pub total_bytes: Option<u64>,
    /// Bytes of the file system that uploads leave free.
    pub free_bytes: u64,
}

impl Default for UploadLimits {
    fn default() -> Self {
        UploadLimits {
            // The largest request body that other handlers take.
            file_bytes: 1 << 30,
            total_bytes: None,
            // Logs and other programs go on when uploads have filled a disk.
            free_bytes: 64 << 20,
        }
    }
}

/// Bytes of a directory for uploads, counted as they come.
#[derive(Debug)]
pub(super) struct UploadSpace {
    limits: UploadLimits,
    /// Bytes of the files that have a name; `None` before the first count.
    stored: Cell<Option<u64>>,
    counted: Cell<Option<Instant>>,
    /// Bytes of files under way.
    receiving: Cell<u64>,
    /// Bytes that were written since the last look at the free space.
    unseen: Cell<u64>,
}

impl UploadSpace {
    pub(super) fn new(limits: UploadLimits) -> Self {
        UploadSpace {
            limits,
            stored: Cell::new(None),
            counted: Cell::new(None),
            receiving: Cell::new(0),
            unseen: Cell::new(0),
        }
    }

    /// Checks that there is room for a file of this length, as far as it is known.
    pub(super) fn check_announced(
        &self,
        directory: &OwnedFd,
        announced: u64,
    ) -> Result<(), UploadRefusal> {
        if announced > self.limits.file_bytes {
            return Err(UploadRefusal::File(self.limits.file_bytes));
        }
        self.check_total(directory, announced)?;
        self.check_free(directory, announced)
    }

    /// Takes bytes that a file grows by, which has `len` so far.
    pub(super) fn grow(
        &self,
        directory: &OwnedFd,
        len: u64,
        more: u64,
    ) -> Result<(), UploadRefusal> {
        if len + more > self.limits.file_bytes {
            return Err(UploadRefusal::File(self.limits.file_bytes));
        }
        self.check_total(directory, more)?;
        self.unseen.set(self.unseen.get() + more);
        if self.unseen.get() >= LOOK_BYTES {
            self.unseen.set(0);
            self.check_free(directory, more)?;
        }
        self.receiving.set(self.receiving.get() + more);
        Ok(())
    }

    /// A file of this length is not under way any more.
    pub(super) fn settle(&self, len: u64) {
        self.receiving.set(self.receiving.get().saturating_sub(len));
    }

    /// A file of this length has got a name, which one of `replaced` bytes had.
    pub(super) fn add(&self, len: u64, replaced: u64) {
        let stored = self.stored.get();
        self.stored
            .set(stored.map(|stored| (stored + len).saturating_sub(replaced)));
    }

    /// True if the total is limited.
    pub(super) fn counts(&self) -> bool {
        self.limits.total_bytes.is_some()
    }

    fn check_total(&self, directory: &OwnedFd, more: u64) -> Result<(), UploadRefusal> {
        let Some(limit) = self.limits.total_bytes else {
            return Ok(());
        };
        let is_full = || {
            let used = self.stored.get().unwrap_or(0) + self.receiving.get();
            used.saturating_add(more) > limit
        };
        let recounted = || self.counted.get().is_some_and(|at| at.elapsed() < RECOUNT);
        // A program that takes files out of the directory makes room in it.
        if self.stored.get().is_none() || (is_full() && !recounted()) {
            self.stored.set(Some(count(directory)?));
            self.counted.set(Some(Instant::now()));
        }
        if is_full() {
            return Err(UploadRefusal::Total(limit));
        }
        Ok(())
    }

    fn check_free(&self, directory: &OwnedFd, more: u64) -> Result<(), UploadRefusal> {
        if self.limits.free_bytes == 0 {
            return Ok(());
        }
        let space = rustix::fs::fstatvfs(directory)?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if free < self.limits.free_bytes.saturating_add(more) {
            return Err(UploadRefusal::Free(self.limits.free_bytes));
        }
        Ok(())
    }
}

/// Bytes of the regular files in a directory that are no temporaries.
fn count(directory: &OwnedFd) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_file = matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
        if !is_file || name.to_bytes().starts_with(TEMPORARY.as_bytes()) {
            continue;
        }
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => bytes += u64::try_from(stat.st_size).unwrap_or(0),
            // It was fetched and removed meanwhile.
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}
