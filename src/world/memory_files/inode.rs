//! Inodes of the tree in memory.

use std::cell::{Cell, RefCell};
use std::time::{Duration, UNIX_EPOCH};

use crate::world::{FileKind, Metadata};

/// A file's content and times; or a directory, which has no content.
#[derive(Debug)]
pub(super) struct MemoryInode {
    pub number: u64,
    pub kind: FileKind,
    pub content: RefCell<Vec<u8>>,
    /// Nanoseconds since 1970.
    pub modified: Cell<u64>,
    pub changed: Cell<u64>,
    /// Number of the inode's names.
    pub links: Cell<u64>,
}

impl MemoryInode {
    pub fn metadata(&self) -> Metadata {
        Metadata {
            kind: self.kind,
            len: self.content.borrow().len() as u64,
            modified: UNIX_EPOCH + Duration::from_nanos(self.modified.get()),
            identity: (0, self.number, i128::from(self.changed.get())),
            links: self.links.get(),
        }
    }
}
