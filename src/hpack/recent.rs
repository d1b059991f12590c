//! The fields that the encoder lately gave no entry: one that comes back deserves it.

/// Number of fields that are remembered: about as many as a table of 4 KiB has entries. What comes back
/// later than that would have been evicted in the meantime.
const REMEMBERED: usize = 64;

/// The last fields that were passed over, by the part of their hash that an [`u16`] holds. Two
/// fields that share it are mistaken for each other, at the cost of an entry too many.
#[derive(Default)]
pub(super) struct Recent(Option<Box<Ring>>);

/// Allocated when the first field is passed over; many connections never get there.
struct Ring {
    tags: [u16; REMEMBERED],
    /// Index of the oldest, which the next one replaces.
    oldest: u8,
}

impl Recent {
    /// Says that the field of this hash was passed over lately; if not, it is now.
    #[expect(clippy::indexing_slicing, reason = "a remainder is within the ring")]
    pub(super) fn recall(&mut self, hash: u64) -> bool {
        let tag = (hash >> 32) as u16;
        let ring = self.0.get_or_insert_with(|| {
            Box::new(Ring {
                tags: [0; REMEMBERED],
                oldest: 0,
            })
        });
        if ring.tags.contains(&tag) {
            return true;
        }
        ring.tags[usize::from(ring.oldest) % REMEMBERED] = tag;
        ring.oldest = ring.oldest.wrapping_add(1);
        false
    }

    /// The bytes that are allocated.
    pub(super) fn heap(&self) -> usize {
        self.0.as_deref().map_or(0, size_of_val)
    }
}
