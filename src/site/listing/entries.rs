//! Entries of a directory, one behind another in two blocks of memory. Ten thousand names in as many
//! small blocks would lie between memory of other uses, and keep the allocator from giving it back.

use crate::world::{FileKind, Metadata};
use std::time::SystemTime;

/// An entry of a directory, with all that a listing shows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListedEntry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) kind: FileKind,
    /// Length in bytes.
    pub(crate) len: u64,
    pub(crate) modified: SystemTime,
}

impl<'a> ListedEntry<'a> {
    /// The entry of a file of this state.
    pub(crate) fn new(name: &'a [u8], metadata: &Metadata) -> Self {
        ListedEntry {
            name,
            kind: metadata.kind,
            len: metadata.len,
            modified: metadata.modified,
        }
    }
}

/// Entries in the order in which they were added.
pub(crate) struct ListedEntries {
    names: Vec<u8>,
    rows: Vec<EntryRow>,
}

/// An entry without its name.
struct EntryRow {
    /// End of the name in `names`. The name begins at the end of the one before.
    end: usize,
    kind: FileKind,
    len: u64,
    modified: SystemTime,
}

impl ListedEntries {
    /// A collection without entries, with room for `entries` entries and `names` bytes of names.
    pub(crate) fn with_room(entries: usize, names: usize) -> Self {
        ListedEntries {
            names: Vec::with_capacity(names),
            rows: Vec::with_capacity(entries),
        }
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: ListedEntry<'_>) {
        self.names.extend_from_slice(entry.name);
        self.rows.push(EntryRow {
            end: self.names.len(),
            kind: entry.kind,
            len: entry.len,
            modified: entry.modified,
        });
    }

    /// The entry at an index.
    pub(crate) fn get(&self, index: usize) -> Option<ListedEntry<'_>> {
        let row = self.rows.get(index)?;
        let before = index
            .checked_sub(1)
            .and_then(|before| self.rows.get(before));
        let begin = before.map_or(0, |before| before.end);
        Some(ListedEntry {
            name: self.names.get(begin..row.end)?,
            kind: row.kind,
            len: row.len,
            modified: row.modified,
        })
    }

    /// All entries.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ListedEntry<'_>> {
        (0..self.rows.len()).filter_map(|index| self.get(index))
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of bytes of all names.
    pub(crate) fn name_bytes(&self) -> usize {
        self.names.len()
    }

    /// Memory that the entries take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.names.capacity() + self.rows.capacity() * size_of::<EntryRow>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn entries_come_back_as_they_were_added() {
        let entry = |name, len| ListedEntry {
            name,
            kind: FileKind::File,
            len,
            modified: UNIX_EPOCH,
        };
        let mut entries = ListedEntries::with_room(3, 6);
        let added: [(&[u8], u64); 3] = [(b"abc", 1), (b"", 2), (b"xyz", 3)];
        added
            .iter()
            .for_each(|(name, len)| entries.push(entry(name, *len)));
        for (index, (name, len)) in added.into_iter().enumerate() {
            assert_eq!(entries.get(index), Some(entry(name, len)));
        }
        assert_eq!((entries.get(3), entries.len()), (None, 3));
        assert_eq!(entries.bytes(), 6 + 3 * size_of::<EntryRow>());
    }
}
