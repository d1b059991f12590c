//! Sorting the entries of a directory, without a long step. Entries come in batches. Each batch is
//! sorted by itself, and the batches are merged one entry at a time.

use super::entries::{ListedEntries, ListedEntry};
use super::order::Order;
use crate::world::ListingEntry;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Batches of entries, each of them sorted.
pub(crate) struct Batches {
    order: Order,
    batches: Vec<ListedEntries>,
    count: usize,
    bytes: usize,
}

impl Batches {
    /// A collection without entries.
    pub(crate) fn new(order: Order) -> Self {
        Batches {
            order,
            batches: Vec::new(),
            count: 0,
            bytes: 0,
        }
    }

    /// Adds a batch.
    pub(crate) fn push(&mut self, mut batch: Vec<ListingEntry>) {
        batch.sort_by_cached_key(|entry| self.order.sort_key(entry.into()));
        let names = batch.iter().map(|entry| entry.name.len()).sum();
        let mut sorted = ListedEntries::with_room(batch.len(), names);
        batch.iter().for_each(|entry| sorted.push(entry.into()));
        self.count += sorted.len();
        self.bytes += sorted.bytes();
        self.batches.push(sorted);
    }

    /// Number of entries.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Memory that the entries take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// An iterator over the entries in order.
    pub(crate) fn merge(self) -> Merge {
        let mut merge = Merge {
            order: self.order,
            heads: BinaryHeap::with_capacity(self.batches.len()),
            batches: self.batches,
            bytes: self.bytes,
        };
        (0..merge.batches.len()).for_each(|batch| merge.push_head(batch, 0));
        merge
    }
}

/// Batches of entries that are merged into one order.
pub(crate) struct Merge {
    order: Order,
    batches: Vec<ListedEntries>,
    /// The first entry of each batch among those that were not given yet.
    heads: BinaryHeap<Reverse<BatchHead>>,
    bytes: usize,
}

/// The first entry of a batch. Heads compare by their keys.
struct BatchHead {
    key: Vec<u8>,
    batch: usize,
    index: usize,
}

impl Merge {
    /// Memory that the entries take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next entry in the order; `None` behind the last one.
    pub(crate) fn next(&mut self) -> Option<ListedEntry<'_>> {
        let Reverse(first) = self.heads.pop()?;
        self.push_head(first.batch, first.index + 1);
        self.batches.get(first.batch)?.get(first.index)
    }

    fn push_head(&mut self, batch: usize, index: usize) {
        let entry = self.batches.get(batch).and_then(|batch| batch.get(index));
        if let Some(entry) = entry {
            let key = self.order.sort_key(entry);
            self.heads.push(Reverse(BatchHead { key, batch, index }));
        }
    }
}

impl PartialEq for BatchHead {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for BatchHead {}

impl PartialOrd for BatchHead {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BatchHead {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}
