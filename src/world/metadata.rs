//! The state of a file, by which a change shows.

use std::time::SystemTime;

/// The state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Regular file or directory.
    pub kind: FileKind,
    /// Length in bytes.
    pub len: u64,
    /// The time of the content's last change.
    pub modified: SystemTime,
    /// Device, inode and time of last status change. They differ where a file was replaced by another
    /// of equal length and time.
    pub identity: (u64, u64, i128),
    /// The number of its names.
    pub links: u64,
}

/// The kind of a file that a site serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}
