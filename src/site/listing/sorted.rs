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
            key_bytes: 0,
            batches: self.batches,
            count: self.count,
            bytes: self.bytes,
        };
        let batches = u32::try_from(merge.batches.len()).unwrap_or(u32::MAX);
        (0..batches).for_each(|batch| merge.push_head(batch, 0));
        merge
    }
}

/// Batches of entries that are merged into one order.
pub(crate) struct Merge {
    order: Order,
    batches: Vec<ListedEntries>,
    /// The first entry of each batch among those that were not given yet.
    heads: BinaryHeap<Reverse<BatchHead>>,
    /// Memory of the keys of all heads, in bytes.
    key_bytes: usize,
    /// Number of entries of all batches.
    count: usize,
    /// Memory of all batches, in bytes.
    bytes: usize,
}

/// Place of an entry: its batch, and its index in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryPlace {
    batch: u32,
    index: u32,
}

/// The first entry of a batch. Heads compare by their keys.
struct BatchHead {
    key: Vec<u8>,
    place: EntryPlace,
}

impl Merge {
    /// Memory that the entries and the merge take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let heads = self.heads.capacity() * size_of::<Reverse<BatchHead>>();
        self.bytes + heads + self.key_bytes
    }

    /// The place of the next entry in the order; `None` behind the last one.
    pub(crate) fn next(&mut self) -> Option<EntryPlace> {
        let Reverse(first) = self.heads.pop()?;
        self.key_bytes -= first.key.capacity();
        let EntryPlace { batch, index } = first.place;
        self.push_head(batch, index + 1);
        Some(first.place)
    }

    fn push_head(&mut self, batch: u32, index: u32) {
        let place = EntryPlace { batch, index };
        if let Some(entry) = entry(&self.batches, place) {
            let key = self.order.sort_key(entry);
            self.key_bytes += key.capacity();
            self.heads.push(Reverse(BatchHead { key, place }));
        }
    }

    /// The rows of a page. Where that is not all of the directory, the rest is dropped.
    pub(crate) fn into_rows(self, places: Vec<EntryPlace>) -> PageRows {
        if places.len() == self.count {
            return PageRows {
                batches: self.batches,
                places,
                bytes: self.bytes,
            };
        }
        let chosen = || {
            places
                .iter()
                .filter_map(|place| entry(&self.batches, *place))
        };
        let names = chosen().map(|entry| entry.name.len()).sum();
        let mut page = ListedEntries::with_room(places.len(), names);
        chosen().for_each(|entry| page.push(entry));
        let rows = u32::try_from(page.len()).unwrap_or(u32::MAX);
        PageRows {
            places: (0..rows)
                .map(|index| EntryPlace { batch: 0, index })
                .collect(),
            bytes: page.bytes(),
            batches: vec![page],
        }
    }
}

fn entry(batches: &[ListedEntries], place: EntryPlace) -> Option<ListedEntry<'_>> {
    batches.get(place.batch as usize)?.get(place.index as usize)
}

/// The rows of a page in their order.
pub(crate) struct PageRows {
    batches: Vec<ListedEntries>,
    places: Vec<EntryPlace>,
    /// Memory of all batches, in bytes.
    bytes: usize,
}

impl PageRows {
    /// A row.
    pub(crate) fn get(&self, row: usize) -> Option<ListedEntry<'_>> {
        entry(&self.batches, *self.places.get(row)?)
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Memory that the rows take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.places.capacity() * size_of::<EntryPlace>()
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
