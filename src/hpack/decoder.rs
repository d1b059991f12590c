//! The table of a peer's encoder, which reads the peer's header blocks.

use super::INITIAL_TABLE_SIZE;
use super::block::{self, DecodeLimits, Decoded, SizeBound};
use super::error::DecodeError;
use super::packed::{Packed, PackedCode};
use super::table::DynamicTable;
use crate::http::field::Fields;

/// A plain block up to this length, in bytes, is not packed again: what Huffman's code saves of it is less than the
/// allocator adds to each block.
const WORTH_PACKING: usize = 96;

/// The dynamic table of the peer's encoder, and what reads blocks with it.
#[derive(Clone)]
pub struct Decoder {
    entries: DecoderState,
    bound: SizeBound,
}

/// The form of the entries. Each but the open one has the table's bound with it.
#[derive(Clone)]
enum DecoderState {
    /// None.
    Empty { max_size: u32 },
    /// A table to look fields up in, boxed because the other forms are small.
    Open(Box<DynamicTable>),
    /// The block that makes the table, which takes less room.
    Packed {
        block: Packed,
        code: PackedCode,
        max_size: u32,
    },
}

impl DecoderState {
    /// The table, where it is used.
    #[inline]
    fn open(&mut self) -> &mut DynamicTable {
        if !matches!(self, DecoderState::Open(_)) {
            *self = DecoderState::Open(Box::new(self.unpacked()));
        }
        match self {
            DecoderState::Open(table) => table,
            DecoderState::Empty { .. } | DecoderState::Packed { .. } => {
                unreachable!("it was just opened")
            }
        }
    }

    /// A table with the same entries.
    #[cold]
    fn unpacked(&self) -> DynamicTable {
        match self {
            DecoderState::Empty { max_size } => DynamicTable::new(*max_size),
            DecoderState::Open(table) => DynamicTable::clone(table),
            DecoderState::Packed {
                block, max_size, ..
            } => block.unpack(*max_size),
        }
    }

    /// Packs the entries, unless they are packed in this code already.
    fn pack(&mut self, code: PackedCode) {
        let max_size = self.max_size();
        let block = match self {
            DecoderState::Open(table) if table.len() > 0 => Packed::new(table, code),
            DecoderState::Open(_) => {
                *self = DecoderState::Empty { max_size };
                return;
            }
            DecoderState::Packed {
                block,
                code: before,
                ..
            } if *before != code
                && code == PackedCode::Shortest
                && block.heap() > WORTH_PACKING =>
            {
                Packed::new(&block.unpack(max_size), code)
            }
            DecoderState::Empty { .. } | DecoderState::Packed { .. } => return,
        };
        *self = DecoderState::Packed {
            block,
            code,
            max_size,
        };
    }

    fn changes(&self) -> u32 {
        match self {
            DecoderState::Open(table) => table.changes(),
            DecoderState::Empty { .. } | DecoderState::Packed { .. } => 0,
        }
    }

    fn max_size(&self) -> u32 {
        match self {
            DecoderState::Open(table) => table.max_size(),
            DecoderState::Empty { max_size } | DecoderState::Packed { max_size, .. } => *max_size,
        }
    }
}

impl Decoder {
    /// A decoder for a peer that may use `max_table_size` bytes. Until the peer has acknowledged
    /// other SETTINGS that is [`INITIAL_TABLE_SIZE`]; a larger table begins with that size too, and
    /// grows when the peer says so. Allocates nothing.
    pub fn new(max_table_size: usize) -> Self {
        let limit = u32::try_from(max_table_size).unwrap_or(u32::MAX);
        Decoder {
            entries: DecoderState::Empty {
                max_size: limit.min(INITIAL_TABLE_SIZE),
            },
            bound: SizeBound::new(limit),
        }
    }

    /// A decoder with this table, for the blocks that follow.
    pub(super) fn with_table(table: DynamicTable) -> Self {
        Decoder {
            bound: SizeBound::new(table.max_size()),
            entries: DecoderState::Open(Box::new(table)),
        }
    }

    /// Changes what the peer may use, once it has acknowledged our SETTINGS.
    pub fn set_max_table_size(&mut self, size: usize) {
        let limit = u32::try_from(size).unwrap_or(u32::MAX);
        self.bound.change(limit, self.entries.max_size());
    }

    /// Decodes one complete header block and appends its fields to `fields`.
    pub fn decode(
        &mut self,
        block: &[u8],
        fields: &mut Fields,
        limits: &DecodeLimits,
    ) -> Result<Decoded, DecodeError> {
        let table = self.entries.open();
        block::decode(block, (table, &mut self.bound), fields, limits)
    }

    /// A number that is the same as long as the table is: then equal blocks mean equal fields. It begins
    /// anew when the table is packed.
    pub(crate) fn table_changes(&self) -> u32 {
        self.entries.changes()
    }

    /// Gives back the memory that the entries do not need, for a connection that waits for its next block: packing
    /// and unpacking them takes a fraction of the time that receiving them takes.
    pub fn trim(&mut self) {
        self.entries.pack(PackedCode::Plain);
    }

    /// Gives back the memory that is not needed until the next block, for a connection that has been idle for
    /// a while: unpacking the entries takes as long as receiving them.
    pub fn shrink(&mut self) {
        self.entries.pack(PackedCode::Shortest);
    }

    /// The size of the entries in the table, as RFC 7541 §4.1 counts it, and its bound. Where the table
    /// is packed, it is unpacked for that.
    pub fn table_size(&self) -> (usize, u32) {
        (self.look(DynamicTable::size), self.entries.max_size())
    }

    /// Number of entries in the table. Where the table is packed, it is unpacked for that.
    pub fn table_entries(&self) -> usize {
        self.look(DynamicTable::len)
    }

    fn look<T>(&self, see: impl FnOnce(&DynamicTable) -> T) -> T {
        match &self.entries {
            DecoderState::Open(table) => see(table),
            packed => see(&packed.unpacked()),
        }
    }

    /// The bytes that are allocated.
    pub(crate) fn heap(&self) -> usize {
        match &self.entries {
            DecoderState::Empty { .. } => 0,
            DecoderState::Open(table) => size_of_val(&**table) + table.heap(),
            DecoderState::Packed { block, .. } => block.heap(),
        }
    }
}
