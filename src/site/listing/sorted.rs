//! Sorting the entries of a directory, without a long step. Entries come in batches. Each batch is
//! sorted by itself, and the batches are merged one entry at a time.

use super::entries::{ListedEntries, ListedEntry};
use super::order::{EntryKey, Order, alike};

/// Batches of entries, each of them sorted.
pub(crate) struct Batches {
    order: Order,
    batches: Vec<ListedEntries>,
    count: usize,
    bytes: usize,
    /// The letters with which all names begin, but for their case; `None` without names.
    beginning: Option<Vec<u8>>,
}

impl Batches {
    /// A collection without entries.
    pub(crate) fn new(order: Order) -> Self {
        Batches {
            order,
            batches: Vec::new(),
            count: 0,
            bytes: 0,
            beginning: None,
        }
    }

    /// Adds a batch.
    pub(crate) fn push(&mut self, batch: &ListedEntries) {
        for entry in batch.iter() {
            match &mut self.beginning {
                Some(beginning) => beginning.truncate(alike(beginning, entry.name)),
                beginning => *beginning = Some(entry.name.to_vec()),
            }
        }
        let alike = self.alike();
        let key = |entry| (self.order.key(entry, alike), entry);
        let mut entries: Vec<_> = batch.iter().map(key).collect();
        entries.sort_unstable_by(|(a_key, a), (b_key, b)| {
            let keys = a_key.cmp(b_key);
            keys.then_with(|| self.order.compare(*a, *b))
        });
        let mut sorted = ListedEntries::with_room(batch.len(), batch.name_bytes());
        entries.iter().for_each(|(_, entry)| sorted.push(*entry));
        self.count += sorted.len();
        self.bytes += sorted.bytes();
        self.batches.push(sorted);
    }

    /// Number of bytes in which all names begin alike.
    fn alike(&self) -> usize {
        self.beginning.as_ref().map_or(0, Vec::len)
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
        let alike = self.alike();
        let batches = u32::try_from(self.batches.len()).unwrap_or(u32::MAX);
        let head = |batch| {
            let place = EntryPlace { batch, index: 0 };
            let entry = entry(&self.batches, place)?;
            let key = self.order.key(entry, alike);
            Some(BatchHead { key, place })
        };
        let mut merge = Merge {
            order: self.order,
            heads: (0..batches).filter_map(head).collect(),
            batches: self.batches,
            count: self.count,
            bytes: self.bytes,
            alike,
        };
        let inner = merge.heads.len() / 2;
        (0..inner).rev().for_each(|at| merge.sift_down(at));
        merge
    }
}

/// Batches of entries that are merged into one order.
pub(crate) struct Merge {
    order: Order,
    batches: Vec<ListedEntries>,
    /// The first entry of each batch among those that were not given yet: a binary heap with the least at the top.
    heads: Vec<BatchHead>,
    /// Number of entries of all batches.
    count: usize,
    /// Memory of all batches, in bytes.
    bytes: usize,
    /// Number of bytes in which all names begin alike.
    alike: usize,
}

/// The first entry of a batch.
struct BatchHead {
    key: EntryKey,
    place: EntryPlace,
}

/// Place of an entry: its batch, and its index in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryPlace {
    batch: u32,
    index: u32,
}

impl Merge {
    /// Memory that the entries and the merge take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.heads.capacity() * size_of::<BatchHead>()
    }

    /// The place of the next entry in the order; `None` behind the last one.
    pub(crate) fn next(&mut self) -> Option<EntryPlace> {
        let top = self.heads.first_mut()?;
        let first = top.place;
        top.place.index += 1;
        match entry(&self.batches, top.place) {
            Some(entry) => top.key = self.order.key(entry, self.alike),
            None => {
                self.heads.swap_remove(0);
            }
        }
        self.sift_down(0);
        Some(first)
    }

    /// Moves a head down the heap, to where no lesser one is beneath it.
    fn sift_down(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let child = if self.is_before(right, left) {
                right
            } else {
                left
            };
            if !self.is_before(child, at) {
                return;
            }
            self.heads.swap(child, at);
            at = child;
        }
    }

    /// True if the head at `a` is there and comes before the one at `b`.
    fn is_before(&self, a: usize, b: usize) -> bool {
        match (self.heads.get(a), self.heads.get(b)) {
            (Some(a), Some(b)) => {
                let keys = a.key.cmp(&b.key);
                keys.then_with(|| self.compare(a.place, b.place)).is_lt()
            }
            (head, _) => head.is_some(),
        }
    }

    /// Compares entries whose keys are equal.
    fn compare(&self, a: EntryPlace, b: EntryPlace) -> std::cmp::Ordering {
        let both = entry(&self.batches, a).zip(entry(&self.batches, b));
        both.map_or(std::cmp::Ordering::Equal, |(a, b)| self.order.compare(a, b))
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

    /// Number of bytes of all names.
    pub(crate) fn name_bytes(&self) -> usize {
        self.batches.iter().map(ListedEntries::name_bytes).sum()
    }

    /// Memory that the rows take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.places.capacity() * size_of::<EntryPlace>()
    }
}
