//! Directories of the tree whose names are read, a batch at a time.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, RawDir, SeekFrom, Stat, statat};
use rustix::io::Errno;

use super::{Root, open_error};
use crate::world::{Extent, Metadata, NamesDirectory};

/// Bytes of entries that the kernel gives at a time: some hundred names, which take it 30 µs.
const BUFFER: usize = 4 << 10;

/// Length of an offset in the directory (telldir(3)), which stands before each name that was read.
const OFFSET_LEN: usize = 8;

/// A directory of the tree whose names are read. It stays open from one batch of names to the next, unless
/// [`NamesDirectory::close`] is called: then it is opened again, and read from the end of the last batch on.
pub struct OpenDirectory {
    path: Vec<u8>,
    /// Device and inode number. Another directory under the name would have other entries.
    identity: (u64, u64),
    /// The offset of the first name that was not told yet.
    offset: u64,
    reading: Option<ReadDirectory>,
}

/// A directory that is open.
struct ReadDirectory {
    descriptor: OwnedFd,
    names: NamesAhead,
}

/// Names that the kernel gave, and that were not told yet: each behind the offset of the next, and before a NUL.
#[derive(Default)]
struct NamesAhead {
    bytes: Vec<u8>,
    /// The first byte that was not told.
    next: usize,
}

impl OpenDirectory {
    /// The directory at `path`, which is open, from its first name on.
    pub(super) fn new(path: &[u8], stat: &Stat, descriptor: OwnedFd) -> Self {
        OpenDirectory {
            path: path.to_vec(),
            identity: (stat.st_dev, stat.st_ino),
            offset: 0,
            reading: Some(ReadDirectory {
                descriptor,
                names: NamesAhead::default(),
            }),
        }
    }
}

impl NamesDirectory for OpenDirectory {
    fn bytes(&self) -> usize {
        let ahead = self.reading.as_ref();
        self.path.capacity() + ahead.map_or(0, |reading| reading.names.bytes.capacity())
    }

    fn is_open(&self) -> bool {
        self.reading.is_some()
    }

    fn close(&mut self) {
        self.reading = None;
    }
}

impl NamesAhead {
    /// Adds a name.
    fn push(&mut self, offset: u64, name: &CStr) {
        self.bytes.extend_from_slice(&offset.to_ne_bytes());
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
    }

    /// The next name, and the offset behind it.
    fn next(&mut self) -> Option<(u64, &CStr)> {
        let rest = self.bytes.get(self.next..)?;
        let (offset, rest) = rest.split_first_chunk::<OFFSET_LEN>()?;
        let name = CStr::from_bytes_until_nul(rest).ok()?;
        self.next += OFFSET_LEN + name.count_bytes() + 1;
        Some((u64::from_ne_bytes(*offset), name))
    }

    /// Reads more names, where all have been told. False at the end of the directory.
    fn fill(&mut self, directory: BorrowedFd<'_>) -> io::Result<bool> {
        if self.next < self.bytes.len() {
            return Ok(true);
        }
        self.bytes.clear();
        self.next = 0;
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut names = RawDir::new(directory, &mut buffer);
        loop {
            let entry = match names.next() {
                // A directory that was removed has no more names.
                None | Some(Err(Errno::NOENT)) => return Ok(!self.bytes.is_empty()),
                Some(entry) => entry?,
            };
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                self.push(entry.next_entry_cookie(), entry.file_name());
            }
            if names.is_buffer_empty() && !self.bytes.is_empty() {
                return Ok(true);
            }
        }
    }
}

impl Root {
    /// Reads the next names of a directory, at most `max` of them, and tells `take` of those that are served.
    pub(super) fn read_names(
        &mut self,
        directory: &mut OpenDirectory,
        max: usize,
        take: &mut dyn FnMut(&[u8], &Metadata),
    ) -> io::Result<Extent> {
        let mut reading = match directory.reading.take() {
            Some(reading) => reading,
            None => self.open_again(directory)?,
        };
        // The path of each entry in turn.
        let mut target = directory.path.clone();
        if !target.is_empty() {
            target.push(b'/');
        }
        let prefix = target.len();
        for _ in 0..max {
            if !reading.names.fill(reading.descriptor.as_fd())? {
                return Ok(Extent::Whole);
            }
            let Some((offset, name)) = reading.names.next() else {
                return Ok(Extent::Whole);
            };
            directory.offset = offset;
            self.effort.name();
            target.truncate(prefix);
            target.extend_from_slice(name.to_bytes());
            let descriptor = reading.descriptor.as_fd();
            if let Some(metadata) = self.entry_metadata(descriptor, &target, name) {
                take(name.to_bytes(), &metadata);
            }
        }
        directory.reading = Some(reading);
        Ok(Extent::Partial)
    }

    /// Opens a directory that was closed between two batches of names.
    fn open_again(&mut self, directory: &OpenDirectory) -> io::Result<ReadDirectory> {
        self.effort.open(&directory.path);
        let descriptor = self.open_any(&directory.path).map_err(open_error)?;
        let stat = rustix::fs::fstat(&descriptor)?;
        if (stat.st_dev, stat.st_ino) != directory.identity {
            return Err(io::ErrorKind::NotFound.into());
        }
        rustix::fs::seek(&descriptor, SeekFrom::Start(directory.offset))?;
        Ok(ReadDirectory {
            descriptor,
            names: NamesAhead::default(),
        })
    }

    /// The metadata of a directory's entry, following a symlink only if that stays beneath the root.
    fn entry_metadata(
        &mut self,
        directory: BorrowedFd<'_>,
        target: &[u8],
        name: &CStr,
    ) -> Option<Metadata> {
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return self.describe(target, &stat);
        }
        let file = self.open_any(target).ok()?;
        self.describe(target, &rustix::fs::fstat(&file).ok()?)
    }
}
