//! The dynamic table (RFC 7541 §2.3.2, §4).
//!
//! All names and values lie in one arena, oldest entry first, each value behind its name; a queue of
//! spans says where. New entries go to the end, eviction takes from the front, and the space in
//! front is won back by moving what lives: when the arena would have to grow and a quarter of it or
//! more is dead, so that moving costs at most three bytes for each inserted one.
//!
//! A literal is *drafted* at the end of the arena before it is known to become an entry: the arena
//! is the only buffer that decoding needs. A draft is then either inserted or dropped.
//!
//! Invariants: the spans are consecutive and end where the draft begins; without entries there are
//! no bytes but those of the draft; the size of all entries as §4.1 counts it is at most `max_size`.

use std::collections::VecDeque;

use super::error::DecodeError;
use super::huffman;
use crate::http::field::{Fields, Joined};

/// Bytes that an entry adds to the length of its name and value (§4.1).
pub(super) const ENTRY_OVERHEAD: usize = Fields::OVERHEAD;

/// The first allocations: what the entries of a first message take, so that they do not grow by and by. The
/// encoder fills a quarter of 4 KiB with them, and a dozen entries leave 640 bytes of that for names and values. An idle
/// connection gives the slack back.
const FIRST_BYTES: usize = 640;
const FIRST_SPANS: usize = 16;

/// An arena below this capacity is not worth trimming before the connection is idle.
const TRIM_BYTES: usize = 1024;

/// The place of an entry in the arena.
///
/// `start` counts the bytes that were ever put into the arena, wrapping around, so that spans stay
/// true when the living bytes move.
#[derive(Clone, Copy)]
struct EntrySpan {
    start: u32,
    name_len: u32,
    value_len: u32,
}

impl EntrySpan {
    fn size(self) -> u32 {
        self.name_len + self.value_len + ENTRY_OVERHEAD as u32
    }
}

/// A literal under construction at the end of the arena.
#[derive(Clone, Copy)]
pub(super) struct Draft {
    /// As [`EntrySpan::start`].
    start: u32,
    /// Set by [`DynamicTable::end_name`].
    name_len: u32,
}

/// Entries in the order of their insertion, bounded in size.
#[derive(Clone)]
pub(super) struct DynamicTable {
    bytes: Vec<u8>,
    spans: VecDeque<EntrySpan>,
    /// The bytes that were in front of `bytes[0]` and are gone, wrapping around.
    moved: u32,
    /// The size of all entries (§4.1).
    size: u32,
    max_size: u32,
    /// Number of changes of the entries so far, wrapping around: while it is the same, so are they.
    changes: u32,
}

impl DynamicTable {
    /// An empty table; allocates nothing.
    pub(super) const fn new(max_size: u32) -> Self {
        DynamicTable {
            bytes: Vec::new(),
            spans: VecDeque::new(),
            moved: 0,
            size: 0,
            max_size,
            changes: 0,
        }
    }

    /// Number of changes of the entries so far, wrapping around.
    pub(super) fn changes(&self) -> u32 {
        self.changes
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The bound of [`DynamicTable::size`].
    pub(super) fn max_size(&self) -> u32 {
        self.max_size
    }

    /// The size of all entries (§4.1).
    pub(super) fn size(&self) -> usize {
        self.size as usize
    }

    /// An entry; the newest is at zero.
    #[inline]
    pub(super) fn get(&self, age: usize) -> Option<Joined<'_>> {
        let position = self.spans.len().checked_sub(age)?.checked_sub(1)?;
        let span = self.spans.get(position)?;
        let start = self.offset(span.start);
        let len = (span.name_len + span.value_len) as usize;
        Some(Joined {
            bytes: self.bytes.get(start..start + len)?,
            name_len: span.name_len as usize,
        })
    }

    /// Says that an entry is this field.
    #[inline]
    pub(super) fn holds(&self, age: usize, name: &[u8], value: &[u8]) -> bool {
        // The value tells more entries apart, and a difference in length costs nothing to see.
        self.get(age).is_some_and(|entry| {
            entry.name_len == name.len() && entry.value() == value && entry.name() == name
        })
    }

    /// The age of the newest entry of this name.
    pub(super) fn find_name(&self, name: &[u8]) -> Option<usize> {
        let is_name = |span: &EntrySpan| {
            let start = self.offset(span.start);
            let starts_with_it = |bytes: &[u8]| bytes.starts_with(name);
            span.name_len as usize == name.len()
                && self.bytes.get(start..).is_some_and(starts_with_it)
        };
        self.spans.iter().rev().position(is_name)
    }

    /// Changes the bound and evicts what is beyond it (§4.3).
    pub(super) fn set_max_size(&mut self, max_size: u32) {
        self.max_size = max_size;
        self.changes = self.changes.wrapping_add(1);
        self.evict(0);
        if self.spans.is_empty() {
            self.bytes.clear();
        }
    }

    /// Begins a literal.
    pub(super) fn draft(&self) -> Draft {
        Draft {
            start: self.end(),
            name_len: 0,
        }
    }

    /// Appends bytes to the draft.
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends what a Huffman-encoded string stands for to the draft.
    #[inline]
    pub(super) fn append_huffman(&mut self, encoded: &[u8]) -> Result<(), DecodeError> {
        self.reserve(huffman::room_for(encoded.len()));
        huffman::decode(encoded, &mut self.bytes)
    }

    /// Appends the name of an entry to the draft.
    pub(super) fn append_name(&mut self, age: usize) -> Option<()> {
        let len = self.get(age)?.name_len;
        self.reserve(len);
        let position = self.spans.len().checked_sub(age)?.checked_sub(1)?;
        let start = self.offset(self.spans.get(position)?.start);
        self.bytes.extend_from_within(start..start + len);
        Some(())
    }

    /// Ends the name, which is what was appended so far; the value comes next.
    #[inline]
    pub(super) fn end_name(&self, draft: &mut Draft) {
        draft.name_len = self.end().wrapping_sub(draft.start);
    }

    /// The field that is the complete draft.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a draft begins within the bytes")]
    pub(super) fn drafted(&self, draft: Draft) -> Joined<'_> {
        Joined {
            bytes: &self.bytes[self.offset(draft.start)..],
            name_len: draft.name_len as usize,
        }
    }

    /// Makes a field that is smaller than the table the newest entry, evicting older ones (§4.4).
    #[inline]
    pub(super) fn insert_field(&mut self, name: &[u8], value: &[u8]) {
        let len = name.len() + value.len();
        self.evict(len + ENTRY_OVERHEAD);
        self.reserve(len);
        let start = self.end();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.push(EntrySpan {
            start,
            name_len: name.len() as u32,
            value_len: value.len() as u32,
        });
    }

    /// Makes the complete draft the newest entry, evicting older ones, or empties the table if it is
    /// larger than the whole table (§4.4).
    pub(super) fn insert(&mut self, draft: Draft) {
        let len = self.end().wrapping_sub(draft.start);
        let size = len as usize + ENTRY_OVERHEAD;
        self.evict(size);
        if size > self.max_size as usize {
            self.clear();
            return;
        }
        self.push(EntrySpan {
            start: draft.start,
            name_len: draft.name_len,
            value_len: len.wrapping_sub(draft.name_len),
        });
    }

    #[inline]
    fn push(&mut self, span: EntrySpan) {
        self.changes = self.changes.wrapping_add(1);
        self.size += span.size();
        self.spans.push_back(span);
    }

    /// Forgets the draft.
    #[inline]
    pub(super) fn discard(&mut self, draft: Draft) {
        let start = self.offset(draft.start);
        self.bytes.truncate(start);
    }

    /// Gives back what drafts larger than the table made the arena grow.
    #[inline]
    pub(super) fn trim(&mut self) {
        let enough = TRIM_BYTES.max(2 * self.max_size as usize);
        if self.bytes.capacity() > enough {
            self.close_gap();
            self.bytes.shrink_to(TRIM_BYTES);
        }
    }

    /// The bytes that are allocated.
    pub(super) fn heap(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<EntrySpan>()
    }

    /// Evicts from the front until `more` has room within the bound, or nothing is left to evict.
    #[inline]
    fn evict(&mut self, more: usize) {
        while self.size() + more > self.max_size as usize
            && let Some(span) = self.spans.pop_front()
        {
            self.size -= span.size();
        }
    }

    /// Makes sure that `len` more bytes fit.
    #[inline]
    fn reserve(&mut self, len: usize) {
        if self.bytes.capacity() - self.bytes.len() < len {
            self.make_room(len);
        }
    }

    #[cold]
    fn make_room(&mut self, len: usize) {
        if self.spans.capacity() == 0 {
            self.spans = VecDeque::with_capacity(FIRST_SPANS);
        }
        if self.bytes.capacity() == 0 {
            self.bytes = Vec::with_capacity(len.max(FIRST_BYTES));
            return;
        }
        if self.dead() > self.bytes.len() / 4 {
            self.close_gap();
        }
        let least = FIRST_BYTES.saturating_sub(self.bytes.capacity());
        self.bytes.reserve(len.max(least));
    }

    /// Moves what lives to the front of the arena.
    fn close_gap(&mut self) {
        let dead = self.dead();
        self.bytes.drain(..dead);
        self.moved = self.moved.wrapping_add(dead as u32);
    }

    /// Number of bytes in front of the oldest entry that are not used any more.
    fn dead(&self) -> usize {
        self.spans.front().map_or(0, |span| self.offset(span.start))
    }

    /// The index in `bytes` of the position `start` of a span or draft.
    #[inline]
    fn offset(&self, start: u32) -> usize {
        start.wrapping_sub(self.moved) as usize
    }

    /// The position behind the last byte.
    #[inline]
    fn end(&self) -> u32 {
        self.moved.wrapping_add(self.bytes.len() as u32)
    }

    fn clear(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.spans.clear();
        self.bytes.clear();
        self.size = 0;
    }
}
