//! The encoder's index of its table: which entry is this field?
//!
//! A hash table without deletion. Each bucket holds the number of the newest entry in it, each entry
//! that of the next older one in its bucket. As the table forgets entries oldest first, a chain ends
//! where it reaches an entry that the table has forgotten; nothing has to be unlinked. Numbers count
//! insertions and wrap around: at worst a number from long ago looks alive, and the comparison with
//! the entry finds out.
//!
//! Equality is the table's affair: the index proposes, by the age of an entry, the newest being zero.

#![expect(
    clippy::indexing_slicing,
    reason = "every number is masked, and slots are a power of two"
)]

/// The first slots: enough for the fields of one response.
const MIN_SLOTS: usize = 16;

/// One bucket, and one entry's place in a chain, in one array as both are as many.
#[derive(Clone, Copy, Default)]
struct IndexSlot {
    /// The newest entry of this bucket.
    newest: u16,
    /// For the entry that lives in this slot: the next older one of its bucket, and
    older: u16,
    /// the low bits of its hash, which tell its bucket too.
    tag: u16,
}

/// Finds entries by the hash of their field.
#[derive(Default)]
pub(super) struct Index {
    /// A power of two of them, at least as many as there are entries; or none.
    slots: Box<[IndexSlot]>,
    /// The number of the newest entry.
    newest: u16,
}

impl Index {
    /// The age of the newest of `len` entries that has this hash and `matches`.
    #[inline]
    pub(super) fn find(
        &self,
        hash: u64,
        len: usize,
        matches: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut number = self.slots[hash as usize & mask].newest;
        // Each step is to an older entry: ages grow, so the chain ends.
        let mut next_age = 0;
        loop {
            let age = usize::from(self.newest.wrapping_sub(number));
            if age < next_age || age >= len {
                return None;
            }
            let slot = self.slots[usize::from(number) & mask];
            if slot.tag == tag(hash) && matches(age) {
                return Some(age);
            }
            next_age = age + 1;
            number = slot.older;
        }
    }

    /// Adds what has just become the newest of `len` entries.
    pub(super) fn insert(&mut self, hash: u64, len: usize) {
        if len > self.slots.len() {
            self.grow(len);
        }
        self.link(tag(hash));
    }

    /// The bytes that are allocated.
    pub(super) fn heap(&self) -> usize {
        size_of_val(&self.slots[..])
    }

    /// Makes slots for `len` entries, the newest of which is not linked yet. The others, of which there are as
    /// many as slots, keep their numbers.
    #[cold]
    fn grow(&mut self, len: usize) {
        let slots = vec![IndexSlot::default(); slots_for(len)].into_boxed_slice();
        let former = std::mem::replace(&mut self.slots, slots);
        let oldest = self.newest.wrapping_sub(former.len() as u16);
        self.newest = oldest;
        for number in 1..=former.len() {
            let number = usize::from(oldest).wrapping_add(number);
            self.link(former[number & (former.len() - 1)].tag);
        }
    }

    /// Gives the next number to an entry and puts it at the front of its bucket's chain.
    fn link(&mut self, tag: u16) {
        let mask = self.slots.len() - 1;
        self.newest = self.newest.wrapping_add(1);
        let bucket = &mut self.slots[usize::from(tag) & mask].newest;
        let older = std::mem::replace(bucket, self.newest);
        let slot = &mut self.slots[usize::from(self.newest) & mask];
        slot.older = older;
        slot.tag = tag;
    }
}

fn slots_for(len: usize) -> usize {
    len.next_power_of_two().max(MIN_SLOTS)
}

fn tag(hash: u64) -> u16 {
    hash as u16
}

/// The hash of a field, given that of its name. It sees at most 32 bytes of the value, half of them
/// from either end: colliding values cost a comparison, never more than one an entry.
#[inline]
pub(super) const fn field_hash(name_hash: u64, value: &[u8]) -> u64 {
    let (mut a, mut b) = ends(value);
    if value.len() > 16 {
        let (_, inner) = value.split_at(8);
        let (inner, _) = inner.split_at(inner.len() - 8);
        let (c, d) = ends(inner);
        a = a.rotate_left(23) ^ d;
        b = b.rotate_left(29) ^ c;
    }
    fold(a ^ name_hash, b ^ K1 ^ value.len() as u64)
}

/// The hash of a name.
#[inline]
pub(super) const fn name_hash(name: &[u8]) -> u64 {
    let (a, b) = ends(name);
    fold(a ^ K0, b ^ K1 ^ name.len() as u64)
}

/// Digits of pi: numbers without structure.
const K0: u64 = 0x243f_6a88_85a3_08d3;
const K1: u64 = 0x1319_8a2e_0370_7344;

/// Multiplies and folds both halves of the product.
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// The first and the last eight bytes, which overlap in a shorter string; all bytes of one of up to
/// sixteen.
#[inline]
const fn ends(bytes: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return (
            u32::from_le_bytes(*first) as u64,
            u32::from_le_bytes(*last) as u64,
        );
    }
    match bytes {
        [] => (0, 0),
        [a] => (*a as u64, 0),
        [a, b] => (*a as u64, *b as u64),
        [a, b, c, ..] => (*a as u64 | (*b as u64) << 8, *c as u64),
    }
}
