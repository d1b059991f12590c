//! Directories of the tree in memory.

use crate::world::{Extent, Metadata, NamesDirectory};

/// A directory, as it was when it was opened.
pub struct MemoryDirectory {
    rest: std::vec::IntoIter<(Vec<u8>, Metadata)>,
    is_open: bool,
}

impl MemoryDirectory {
    /// An open directory of these entries.
    pub(super) fn new(entries: Vec<(Vec<u8>, Metadata)>) -> Self {
        MemoryDirectory {
            rest: entries.into_iter(),
            is_open: true,
        }
    }

    /// Reads the next names, at most `max` of them.
    pub(super) fn read(&mut self, max: usize, mut take: impl FnMut(&[u8], &Metadata)) -> Extent {
        let mut seen = 0;
        for (name, metadata) in self.rest.by_ref().take(max) {
            seen += 1;
            take(&name, &metadata);
        }
        self.is_open = seen == max;
        if self.is_open {
            Extent::Partial
        } else {
            Extent::Whole
        }
    }
}

impl NamesDirectory for MemoryDirectory {
    fn bytes(&self) -> usize {
        0
    }

    fn is_open(&self) -> bool {
        self.is_open
    }

    fn close(&mut self) {
        self.is_open = false;
    }
}
