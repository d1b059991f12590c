//! The world outside: sockets, files and the clock, as traits.
//!
//! The event loop and the site are generic over these, so that the tests run the very same code over
//! a simulated world with a virtual clock and seeded faults.

pub mod files;
pub mod memory_files;

use std::io;
use std::time::SystemTime;

/// Read access to one directory tree, the site's root. Nothing outside of it can be named.
pub trait Files {
    /// An open regular file or directory.
    type File;

    /// Opens what `path` names beneath the root: relative, without a leading slash; empty is the root
    /// itself. Symlinks are followed as long as they stay beneath the root. What is neither a
    /// regular file nor a directory is `NotFound`; nothing here waits for a FIFO or a device.
    fn open(&mut self, path: &[u8]) -> io::Result<(Self::File, Metadata)>;

    /// Appends up to `max` bytes of the file from `offset` on to `out`, and returns how many: 0 at the
    /// end of the file.
    fn read_at(
        &mut self,
        file: &Self::File,
        offset: u64,
        out: &mut Vec<u8>,
        max: usize,
    ) -> io::Result<usize>;

    /// What the file is now, for a file that is already open.
    fn metadata(&mut self, file: &Self::File) -> io::Result<Metadata>;

    /// The entries of the directory that `path` names, in no order; looks at up to `max` names.
    /// Symlinks are described by what they lead to; what [`Files::open`] would not open is left out.
    fn list(&mut self, path: &[u8], max: usize) -> io::Result<Listing>;

    /// The time by the clock that stamps modification times.
    fn now(&self) -> SystemTime;
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The entries, without `.` and `..`.
    pub entries: Vec<ListingEntry>,
    /// Whether these are all.
    pub extent: Extent,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingEntry {
    /// The name: any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// What it names.
    pub metadata: Metadata,
}

/// Whether something that is bounded was seen whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// There is nothing more.
    Whole,
    /// There is more than the bound allowed.
    Partial,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Regular file or directory.
    pub kind: FileKind,
    /// Length in bytes.
    pub len: u64,
    /// When the content last changed.
    pub modified: SystemTime,
    /// Device, inode and time of last status change: what tells that a file was replaced by another
    /// of the same length and time.
    pub identity: (u64, u64, i128),
}

/// The kinds of files that a site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}
