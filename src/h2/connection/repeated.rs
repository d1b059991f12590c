//! A request or a response whose head is equal to the one before it: its field block is decoded and checked once.
//!
//! A client that repeats a request sends an equal block, and so does a server that answers alike within a second. As
//! long as the table is the same (RFC 7541 §2.3.2), an equal block means equal fields.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use crate::h2::field_section::RequestFacts;
use crate::h2::priority::Priority;
use crate::h2::stream::RequestKind;
use crate::hpack::Decoded;
use crate::http::{Expected, Fields};

/// The longest block that is compared, in bytes. Behind the first head of a connection few are longer.
pub(super) const LONGEST: usize = 64;

/// The outcome of the block of a head with facts `F`.
pub(super) enum DecodedHead<F> {
    /// It was decoded, and says what is still to be found out.
    New(Decoded),
    /// Its fields were those of the head before it, whole and well-formed.
    Repeated(F),
}

/// The last head, which has facts `F`, if its block is short and left the table as it was.
pub(super) struct RepeatedHead<F> {
    block: [u8; LONGEST],
    len: usize,
    /// The state of the table by [`Decoder::table_changes`](crate::hpack::Decoder::table_changes).
    table: u32,
    knowledge: Knowledge<F>,
    /// Its fields, where they are known.
    fields: Fields,
}

/// Knowledge of that head. Nothing but its block is kept before it comes a second time, as most never do.
enum Knowledge<F> {
    /// There is none.
    Nothing,
    /// Its block.
    Block,
    /// Its block has come again, and its fields are being checked.
    Again,
    /// Its fields, and what they say.
    Whole(F),
}

impl<F: Copy> RepeatedHead<F> {
    /// Facts of the head with this block, if it is equal to the last one. Its fields take the place of `fields`.
    /// `table` is the state of the table before the block.
    pub(super) fn repeat(&self, block: &[u8], table: u32, fields: &mut Fields) -> Option<F> {
        let Knowledge::Whole(facts) = self.knowledge else {
            return None;
        };
        if !self.is_equal(block, table) {
            return None;
        }
        fields.copy_from(&self.fields);
        Some(facts)
    }

    /// A head's block of at most [`LONGEST`] bytes was decoded, which left the table in the state that it had.
    pub(super) fn note(&mut self, block: &[u8], table: u32) {
        let is_known = !matches!(self.knowledge, Knowledge::Nothing);
        if is_known && self.is_equal(block, table) {
            self.knowledge = Knowledge::Again;
            return;
        }
        let place = self.block.get_mut(..block.len());
        self.knowledge = match place {
            Some(place) => {
                place.copy_from_slice(block);
                (self.len, self.table) = (block.len(), table);
                Knowledge::Block
            }
            None => Knowledge::Nothing,
        };
    }

    /// The head that was noted last has these fields, which say this.
    pub(super) fn learn(&mut self, fields: &Fields, facts: F) {
        if let Knowledge::Again = self.knowledge {
            self.fields.copy_from(fields);
            self.knowledge = Knowledge::Whole(facts);
        }
    }

    /// Another block has come, or an equal one may mean something else from now on.
    pub(super) fn forget(&mut self) {
        self.knowledge = Knowledge::Nothing;
    }

    /// Bytes that are allocated for its fields.
    pub(super) fn heap(&self) -> usize {
        self.fields.heap()
    }

    fn is_equal(&self, block: &[u8], table: u32) -> bool {
        self.table == table && self.block.get(..self.len) == Some(block)
    }
}

impl RepeatedHead<RequestFacts> {
    /// True if a request with this block is equal to the last one, and asks for nothing but an answer, with an urgency
    /// that lets nothing go before it. `table` is the state of the table before the block.
    pub(super) fn is_again(&self, block: &[u8], table: u32) -> bool {
        let Knowledge::Whole(facts) = &self.knowledge else {
            return false;
        };
        let priority = facts.priority.unwrap_or_default();
        facts.kind != RequestKind::Tunnel
            && facts.expected == Expected::Nothing
            && matches!(facts.content_length, None | Some(0))
            && priority.urgency() <= Priority::default().urgency()
            && self.is_equal(block, table)
    }
}

impl<F> Default for RepeatedHead<F> {
    /// No head.
    fn default() -> Self {
        RepeatedHead {
            block: [0; LONGEST],
            len: 0,
            table: 0,
            knowledge: Knowledge::Nothing,
            fields: Fields::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h2::field_section;

    const BLOCK: [u8; 2] = [0x82, 0x84];

    fn fields() -> Fields {
        Fields::request("GET", "https", "localhost", "/")
    }

    fn facts() -> RequestFacts {
        field_section::request(&fields(), false).unwrap()
    }

    #[test]
    fn a_request_is_known_from_its_second_time_on_while_the_table_is_the_same() {
        let mut last = RepeatedHead::default();
        let mut found = Fields::new();
        for _ in 0..2 {
            assert_eq!(last.repeat(&BLOCK, 7, &mut found), None);
            last.note(&BLOCK, 7);
            last.learn(&fields(), facts());
        }
        assert_eq!(last.repeat(&BLOCK, 7, &mut found), Some(facts()));
        assert!(found.iter().eq(fields().iter()));
        assert_eq!(last.repeat(&BLOCK, 8, &mut found), None);
        assert_eq!(last.repeat(&BLOCK[..1], 7, &mut found), None);
        assert_eq!(last.repeat(&[0x82, 0x85], 7, &mut found), None);
        last.forget();
        assert_eq!(last.repeat(&BLOCK, 7, &mut found), None);
    }

    #[test]
    fn a_request_between_takes_the_place() {
        let mut last = RepeatedHead::default();
        for block in [BLOCK, [0x82, 0x85], BLOCK] {
            last.note(&block, 7);
            last.learn(&fields(), facts());
            assert_eq!(last.repeat(&block, 7, &mut Fields::new()), None);
        }
    }

    #[test]
    fn a_block_that_is_too_long_is_not_kept() {
        let block = [0x82; LONGEST + 1];
        let mut last = RepeatedHead::default();
        for _ in 0..3 {
            last.note(&block, 7);
            last.learn(&fields(), facts());
            assert_eq!(last.repeat(&block, 7, &mut Fields::new()), None);
        }
    }
}
