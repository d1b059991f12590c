//! Directories of the tree whose names are read, a batch at a time.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, RawDir, SeekFrom, Stat, statat};
use rustix::io::Errno;

use super::{Root, open_error};
use crate::world::{Extent, Listing, ListingEntry, Metadata};

/// Bytes of entries that the kernel gives at a time: some hundred names, which is what a batch takes. The rest of
/// more would be thrown away, and read again for the next batch.
const BUFFER: usize = 4 << 10;

/// A directory of the tree whose names are read. It is opened for each batch of them, from the end of
/// the last batch on (telldir(3)), so that stalled listings hold no descriptor.
pub struct OpenDirectory {
    path: Vec<u8>,
    /// Device and inode number. Another directory under the name would have other entries.
    identity: (u64, u64),
    offset: u64,
}

impl OpenDirectory {
    /// The directory at `path`, from its first name on.
    pub(super) fn new(path: &[u8], stat: &Stat) -> Self {
        OpenDirectory {
            path: path.to_vec(),
            identity: (stat.st_dev, stat.st_ino),
            offset: 0,
        }
    }
}

impl Root {
    /// Reads the next names of a directory, at most `max` of them.
    pub(super) fn read_names(
        &mut self,
        directory: &mut OpenDirectory,
        max: usize,
    ) -> io::Result<Listing> {
        let path = &directory.path;
        self.effort.open(path);
        let opened = self.open_any(path).map_err(open_error)?;
        let stat = rustix::fs::fstat(&opened)?;
        if (stat.st_dev, stat.st_ino) != directory.identity {
            return Err(io::ErrorKind::NotFound.into());
        }
        rustix::fs::seek(&opened, SeekFrom::Start(directory.offset))?;
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut names = RawDir::new(&opened, &mut buffer);
        // The path of each entry in turn.
        let mut target = path.clone();
        if !target.is_empty() {
            target.push(b'/');
        }
        let prefix = target.len();
        let mut entries = Vec::with_capacity(max);
        let mut seen = 0;
        while seen < max {
            let entry = match names.next() {
                // A directory that was removed has no more names.
                None | Some(Err(Errno::NOENT)) => {
                    return Ok(Listing {
                        entries,
                        extent: Extent::Whole,
                    });
                }
                Some(entry) => entry?,
            };
            directory.offset = entry.next_entry_cookie();
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            seen += 1;
            self.effort.name();
            target.truncate(prefix);
            target.extend_from_slice(name);
            if let Some(metadata) = self.entry_metadata(opened.as_fd(), &target, name) {
                entries.push(ListingEntry {
                    name: name.to_vec(),
                    metadata,
                });
            }
        }
        Ok(Listing {
            entries,
            extent: Extent::Partial,
        })
    }

    /// The metadata of a directory's entry, following a symlink only if that stays beneath the root.
    fn entry_metadata(
        &mut self,
        directory: BorrowedFd<'_>,
        target: &[u8],
        name: &[u8],
    ) -> Option<Metadata> {
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return self.describe(target, &stat);
        }
        let file = self.open_any(target).ok()?;
        self.describe(target, &rustix::fs::fstat(&file).ok()?)
    }
}
