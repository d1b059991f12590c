//! Sorting the entries of a directory, without a long step. Entries come in batches. Each batch is
//! sorted by itself, and the batches are merged one entry at a time.

use super::order::Order;
use crate::world::ListingEntry;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::vec::IntoIter;

/// The entries of a directory, in sorted batches.
pub(crate) struct Entries {
    order: Order,
    batches: Vec<Vec<ListingEntry>>,
    count: usize,
    bytes: usize,
}

impl Entries {
    /// A collection without entries.
    pub(crate) fn new(order: Order) -> Self {
        Entries {
            order,
            batches: Vec::new(),
            count: 0,
            bytes: 0,
        }
    }

    /// Adds a batch.
    pub(crate) fn push(&mut self, mut batch: Vec<ListingEntry>) {
        batch.sort_by_cached_key(|entry| self.order.sort_key(entry));
        self.count += batch.len();
        self.bytes += batch.iter().map(bytes).sum::<usize>();
        self.batches.push(batch);
    }

    /// Number of entries.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Memory of the entries in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// An iterator over the entries in order.
    pub(crate) fn sorted(self) -> Sorted {
        let order = self.order;
        let mut batches: Vec<_> = self.batches.into_iter().map(Vec::into_iter).collect();
        let mut heads = BinaryHeap::with_capacity(batches.len());
        for (index, batch) in batches.iter_mut().enumerate() {
            heads.extend(batch.next().map(|entry| head(order, index, entry)));
        }
        Sorted {
            order,
            batches,
            heads,
        }
    }
}

/// Memory of an entry in bytes, with the overhead of the allocator.
pub(crate) fn bytes(entry: &ListingEntry) -> usize {
    size_of::<ListingEntry>() + entry.name.capacity() + 16
}

/// An iterator over entries in order.
pub(crate) struct Sorted {
    order: Order,
    batches: Vec<IntoIter<ListingEntry>>,
    /// The first entry of each batch.
    heads: BinaryHeap<Reverse<Head>>,
}

struct Head {
    key: Vec<u8>,
    batch: usize,
    entry: ListingEntry,
}

fn head(order: Order, batch: usize, entry: ListingEntry) -> Reverse<Head> {
    Reverse(Head {
        key: order.sort_key(&entry),
        batch,
        entry,
    })
}

impl Iterator for Sorted {
    type Item = ListingEntry;

    fn next(&mut self) -> Option<ListingEntry> {
        let Reverse(first) = self.heads.pop()?;
        let next = self.batches.get_mut(first.batch).and_then(Iterator::next);
        self.heads
            .extend(next.map(|entry| head(self.order, first.batch, entry)));
        Some(first.entry)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}
