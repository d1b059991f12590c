//! A dynamic table at rest: the block that makes it out of an empty one (RFC 7541 §6.2.1).
//!
//! An idle connection keeps its tables in this form, which takes a quarter of the memory, and
//! its next blocks are as short as if the tables had been there all the time.
//! This is one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).

use super::index::name_hash;
use super::static_table::{self, Match};
use super::table::DynamicTable;
use super::{block, integer, string};

/// The code of the strings in a packed table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PackedCode {
    /// As they are, which takes hardly more time than a copy.
    Plain,
    /// In Huffman's code where that is shorter.
    Shortest,
}

impl PackedCode {
    fn write(self, string: &[u8], block: &mut Vec<u8>) {
        match self {
            PackedCode::Plain => string::encode_plain(string, block),
            PackedCode::Shortest => string::encode(string, block),
        }
    }
}

/// Literals with incremental indexing, the oldest entry first.
#[derive(Clone)]
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    /// Packs the entries of a table.
    pub(super) fn new(table: &DynamicTable, code: PackedCode) -> Self {
        let mut block = Vec::with_capacity(table.size());
        for age in (0..table.len()).rev() {
            let (name, value) = table
                .get(age)
                .map(|field| (field.name(), field.value()))
                .unwrap_or_default();
            match static_table::find(name_hash(name), name, value) {
                Some(Match::Field(index) | Match::Name(index)) => {
                    integer::encode(index, 0x40, 6, &mut block);
                }
                None => {
                    integer::encode(0, 0x40, 6, &mut block);
                    code.write(name, &mut block);
                }
            }
            code.write(value, &mut block);
        }
        // A copy: a block that shrinks in its place leaves a hole behind it that little fits into.
        Packed(block.as_slice().into())
    }

    /// A table with the same entries. They fit: `max_size` is what it was, or more.
    pub(super) fn unpack(&self, max_size: u32) -> DynamicTable {
        block::table_of(&self.0, max_size).expect("a block that was made here is valid")
    }

    /// The bytes that are allocated.
    pub(super) fn heap(&self) -> usize {
        self.0.len()
    }
}
