//! The table of a peer's encoder, which reads the peer's header blocks.

use super::INITIAL_TABLE_SIZE;
use super::block::{self, DecodeLimits, Decoded, SizeBound};
use super::error::DecodeError;
use super::packed::Packed;
use super::table::DynamicTable;
use crate::http::field::Fields;

/// The dynamic table of the peer's encoder, and what reads blocks with it.
#[derive(Clone)]
pub struct Decoder {
    entries: DecoderState,
    bound: SizeBound,
}

/// The form of the entries.
#[derive(Clone)]
enum DecoderState {
    /// A table to look fields up in.
    Open(DynamicTable),
    /// The block that makes the table, which takes less room, and the table's bound.
    Packed { block: Packed, max_size: u32 },
}

impl DecoderState {
    /// The table, where it is used.
    #[inline]
    fn open(&mut self) -> &mut DynamicTable {
        if let DecoderState::Packed { .. } = self {
            self.unpack();
        }
        match self {
            DecoderState::Open(table) => table,
            DecoderState::Packed { .. } => unreachable!("it was just unpacked"),
        }
    }

    #[cold]
    fn unpack(&mut self) {
        if let DecoderState::Packed { block, max_size } = self {
            *self = DecoderState::Open(block.unpack(*max_size));
        }
    }

    fn changes(&self) -> u32 {
        match self {
            DecoderState::Open(table) => table.changes(),
            DecoderState::Packed { .. } => 0,
        }
    }

    fn max_size(&self) -> u32 {
        match self {
            DecoderState::Open(table) => table.max_size(),
            DecoderState::Packed { max_size, .. } => *max_size,
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
            entries: DecoderState::Open(DynamicTable::new(limit.min(INITIAL_TABLE_SIZE))),
            bound: SizeBound::new(limit),
        }
    }

    /// A decoder with this table, for the blocks that follow.
    pub(super) fn with_table(table: DynamicTable) -> Self {
        Decoder {
            bound: SizeBound::new(table.max_size()),
            entries: DecoderState::Open(table),
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

    /// Gives back the memory that the entries do not need, for a connection that waits for its next block.
    pub fn trim(&mut self) {
        if let DecoderState::Open(table) = &mut self.entries {
            table.shrink();
        }
    }

    /// Gives back the memory that is not needed until the next block, for a connection that has been idle for
    /// a while: unpacking the entries takes as long as receiving them.
    pub fn shrink(&mut self) {
        let DecoderState::Open(table) = &mut self.entries else {
            return;
        };
        if table.len() == 0 {
            return table.shrink();
        }
        self.entries = DecoderState::Packed {
            max_size: table.max_size(),
            block: Packed::new(table),
        };
    }

    /// The size of the entries in the table, as RFC 7541 §4.1 counts it, and its bound. Where the table
    /// is packed, it is unpacked for that.
    pub fn table_size(&self) -> (usize, u32) {
        let size = match &self.entries {
            DecoderState::Open(table) => table.size(),
            DecoderState::Packed { block, max_size } => block.unpack(*max_size).size(),
        };
        (size, self.entries.max_size())
    }

    /// Number of entries in the table. Where the table is packed, it is unpacked for that.
    pub fn table_entries(&self) -> usize {
        match &self.entries {
            DecoderState::Open(table) => table.len(),
            DecoderState::Packed { block, max_size } => block.unpack(*max_size).len(),
        }
    }

    /// The bytes that are allocated.
    pub(crate) fn heap(&self) -> usize {
        match &self.entries {
            DecoderState::Open(table) => table.heap(),
            DecoderState::Packed { block, .. } => block.heap(),
        }
    }
}
