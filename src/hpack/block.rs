//! One header block: its representations become fields, and entries of the table (RFC 7541 §3, §6).

use super::error::DecodeError;
use super::input::BlockInput;
use super::table::{Draft, DynamicTable, ENTRY_OVERHEAD};
use super::{integer, static_table};
use crate::http::field::{Fields, Joined};

/// Dynamic table size updates that may precede the fields of a block: the smallest size since the
/// last block and the final one (§4.2).
const MAX_SIZE_UPDATES: u32 = 2;

/// Limits of what is materialised of one block.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// The size of all fields as RFC 9113 §6.5.2 counts it.
    pub list_size: usize,
    /// The number of fields beside cookie crumbs.
    pub fields: usize,
    /// The number of cookie crumbs (RFC 9113 §8.2.3), which have a bound of their own: they are one
    /// field that was cut so that it compresses better. So each but the first counts in `list_size`
    /// with its value and the two bytes that would join it to the one before.
    pub crumbs: usize,
    /// A block that decodes to more than this many times `list_size`, and to more than twice its own
    /// length, is an error: Huffman's code alone makes a block longer by three fifths at most.
    pub overrun: usize,
}

/// The outcome of a block without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Every field was materialised.
    Whole,
    /// The fields passed a limit. Those before it were materialised; the rest was only decoded, so
    /// that the table stays right.
    Truncated,
}

/// The size that a peer's table may have.
#[derive(Clone, Copy)]
pub(super) struct SizeBound {
    /// The size that our SETTINGS_HEADER_TABLE_SIZE allows the peer.
    limit: u32,
    /// The least that the limit has been since the last block, if the peer's table was larger: the
    /// next block has to begin with an update to no more than this. [`NO_REDUCTION`] otherwise.
    reduction: u32,
}

/// No table is larger than this: the next block may begin with anything.
const NO_REDUCTION: u32 = u32::MAX;

impl SizeBound {
    pub(super) fn new(limit: u32) -> Self {
        SizeBound {
            limit,
            reduction: NO_REDUCTION,
        }
    }

    /// Changes the limit, while the table has this bound.
    pub(super) fn change(&mut self, limit: u32, max_size: u32) {
        self.limit = limit;
        if limit < max_size {
            self.reduction = self.reduction.min(limit);
        }
    }
}

/// Decodes one complete header block and appends its fields to `fields`.
#[inline]
pub(super) fn decode(
    block: &[u8],
    (table, bound): (&mut DynamicTable, &mut SizeBound),
    fields: &mut Fields,
    limits: &DecodeLimits,
) -> Result<Decoded, DecodeError> {
    let mut input = BlockInput(block);
    let mut sink = FieldSink::new(fields, limits, block.len());
    update_size(&mut input, table, bound)?;
    while let Some((&first, rest)) = input.0.split_first() {
        input.0 = rest;
        match first {
            // §6.1: indexed field
            0x80..=0xff => {
                let index = integer::decode(first, 7, &mut input)?;
                sink.push(lookup(table, index)?, false)?;
            }
            // §6.2.1: literal with incremental indexing
            0x40..=0x7f => insert(table, first, &mut input, &mut sink)?,
            // §6.3: dynamic table size update, which only begins a block
            0x20..=0x3f => return Err(DecodeError::TableSizeMisplaced),
            // §6.2.3: literal never indexed; §6.2.2: literal without indexing
            0x00..=0x1f => pass(table, first, &mut input, &mut sink)?,
        }
    }
    table.trim();
    Ok(sink.decoded)
}

/// The table that a block of nothing but literals with incremental indexing (§6.2.1) makes out of an empty one of
/// this size.
#[cold]
pub(super) fn table_of(block: &[u8], max_size: u32) -> Result<DynamicTable, DecodeError> {
    let mut table = DynamicTable::new(max_size);
    let mut input = BlockInput(block);
    while let Some((&first, rest)) = input.0.split_first() {
        input.0 = rest;
        let draft = read_literal(&mut table, (first, 6), &mut input)?;
        table.insert(draft);
    }
    table.trim();
    Ok(table)
}

/// Reads the size updates at the start of a block (§4.2, §6.3).
#[inline]
fn update_size(
    input: &mut BlockInput<'_>,
    table: &mut DynamicTable,
    bound: &mut SizeBound,
) -> Result<(), DecodeError> {
    let mut updates = 0;
    while let Some(&first @ 0x20..=0x3f) = input.0.first() {
        input.byte()?;
        let size = integer::decode(first, 5, input)?;
        if updates == MAX_SIZE_UPDATES {
            return Err(DecodeError::TableSizeMisplaced);
        }
        let reduction = std::mem::replace(&mut bound.reduction, NO_REDUCTION);
        if size > reduction.min(bound.limit) {
            return Err(DecodeError::TableSizeExceeded);
        }
        table.set_max_size(size);
        updates += 1;
    }
    match bound.reduction {
        NO_REDUCTION => Ok(()),
        _ => Err(DecodeError::TableSizeMissing),
    }
}

/// Finds a field in the one address space of both tables (§2.3.3).
#[inline]
fn lookup(table: &DynamicTable, index: u32) -> Result<Joined<'_>, DecodeError> {
    match index.checked_sub(static_table::LEN + 1) {
        None => static_table::get(index),
        Some(age) => table.get(age as usize),
    }
    .ok_or(DecodeError::InvalidIndex)
}

/// A literal that becomes an entry (§6.2.1). It may displace the entry that its name refers to
/// (§4.4), which the draft's own copy of the name allows.
fn insert(
    table: &mut DynamicTable,
    first: u8,
    input: &mut BlockInput<'_>,
    sink: &mut FieldSink<'_>,
) -> Result<(), DecodeError> {
    let draft = read_literal(table, (first, 6), input)?;
    sink.push(table.drafted(draft), false)?;
    table.insert(draft);
    Ok(())
}

/// A literal that leaves the table alone (§6.2.2), or asks that every hop does (§6.2.3).
fn pass(
    table: &mut DynamicTable,
    first: u8,
    input: &mut BlockInput<'_>,
    sink: &mut FieldSink<'_>,
) -> Result<(), DecodeError> {
    let draft = read_literal(table, (first, 4), input)?;
    sink.push(table.drafted(draft), first & 0x10 != 0)?;
    table.discard(draft);
    Ok(())
}

/// Reads a literal whose first byte has an index of so many bits.
#[inline(always)]
fn read_literal(
    table: &mut DynamicTable,
    (first, prefix): (u8, u32),
    input: &mut BlockInput<'_>,
) -> Result<Draft, DecodeError> {
    let mut draft = table.draft();
    read_name(table, integer::decode(first, prefix, input)?, input)?;
    table.end_name(&mut draft);
    read_string(table, input)?;
    Ok(draft)
}

/// Appends the name of a literal to the draft: that of an index, or a string if it is zero.
fn read_name(
    table: &mut DynamicTable,
    index: u32,
    input: &mut BlockInput<'_>,
) -> Result<(), DecodeError> {
    match index {
        0 => read_string(table, input),
        1..=static_table::LEN => {
            let field = static_table::get(index).ok_or(DecodeError::InvalidIndex)?;
            table.append(field.name());
            Ok(())
        }
        _ => {
            let age = (index - static_table::LEN - 1) as usize;
            table.append_name(age).ok_or(DecodeError::InvalidIndex)
        }
    }
}

/// Appends a string to the draft (§5.2).
fn read_string(table: &mut DynamicTable, input: &mut BlockInput<'_>) -> Result<(), DecodeError> {
    let first = input.byte()?;
    let len = integer::decode(first, 7, input)?;
    let bytes = input.bytes(len)?;
    if first & 0x80 != 0 {
        table.append_huffman(bytes)
    } else {
        table.append(bytes);
        Ok(())
    }
}

/// The name of the field that comes in crumbs.
const COOKIE: &[u8] = b"cookie";

/// The separator between two crumbs once they are joined: a semicolon and a space.
const JOINT: usize = 2;

/// The part of a crumb's size as a field that joining saves.
const SAVED: usize = COOKIE.len() + ENTRY_OVERHEAD - JOINT;

/// Takes the fields of one block and materialises those within the limits.
struct FieldSink<'a> {
    fields: &'a mut Fields,
    decoded: Decoded,
    /// Bytes that may still be materialised.
    room: usize,
    /// Fields that may still be materialised.
    left: usize,
    /// Cookie crumbs that may still be materialised.
    crumbs_left: usize,
    /// The first crumb, to which the others will be joined.
    cookie: Cookie,
    /// Bytes that may still be decoded when `room` is used up.
    beyond: usize,
}

/// Crumbs so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cookie {
    Absent,
    Begun,
}

/// The lot of a field.
enum Admission {
    Materialised,
    LeftOut,
    TooLarge,
}

/// Tells the fields that may be crumbs, for the price of two comparisons.
#[inline(always)]
fn may_be_crumb(field: Joined<'_>) -> bool {
    field.name_len == COOKIE.len() && field.bytes.first() == COOKIE.first()
}

impl<'a> FieldSink<'a> {
    fn new(fields: &'a mut Fields, limits: &DecodeLimits, block_len: usize) -> Self {
        let overrun = limits.list_size.saturating_mul(limits.overrun);
        let overrun = overrun.max(block_len.saturating_mul(2));
        FieldSink {
            fields,
            decoded: Decoded::Whole,
            room: limits.list_size,
            left: limits.fields,
            crumbs_left: limits.crumbs,
            cookie: Cookie::Absent,
            beyond: overrun.saturating_sub(limits.list_size),
        }
    }

    /// Counts a field, and copies it if it is within the limits: past them a field costs the same
    /// whatever its size.
    #[inline(always)]
    fn push(&mut self, field: Joined<'_>, sensitive: bool) -> Result<(), DecodeError> {
        let cost = field.bytes.len() + ENTRY_OVERHEAD;
        if cost > self.room || self.left == 0 || may_be_crumb(field) {
            match self.admit_rare(field, cost) {
                Admission::Materialised => {}
                Admission::LeftOut => return Ok(()),
                Admission::TooLarge => return Err(DecodeError::ListTooLarge),
            }
        } else {
            self.room -= cost;
            self.left -= 1;
        }
        self.fields.push_joined(field, sensitive);
        Ok(())
    }

    /// Counts what may be a crumb or past the limits. Out of line, and without a copy of its own, so
    /// that the fields that are neither cost no more for it.
    #[inline(never)]
    fn admit_rare(&mut self, field: Joined<'_>, cost: usize) -> Admission {
        let crumb = may_be_crumb(field) && field.name() == COOKIE;
        // A crumb counts as what it adds to the joined field, but past the limits like any field:
        // thousands of one byte each are a bomb.
        let cost = match self.cookie {
            Cookie::Begun if crumb && self.crumbs_left > 0 => cost - SAVED,
            _ => cost,
        };
        let left = if crumb {
            self.cookie = Cookie::Begun;
            &mut self.crumbs_left
        } else {
            &mut self.left
        };
        if cost > self.room || *left == 0 {
            return self.pass_limit(cost);
        }
        self.room -= cost;
        *left -= 1;
        Admission::Materialised
    }

    #[cold]
    fn pass_limit(&mut self, cost: usize) -> Admission {
        // What comes behind a field that was left out is left out as well.
        self.beyond = self.beyond.saturating_add(std::mem::take(&mut self.room));
        (self.left, self.crumbs_left) = (0, 0);
        self.decoded = Decoded::Truncated;
        match self.beyond.checked_sub(cost) {
            Some(beyond) => {
                self.beyond = beyond;
                Admission::LeftOut
            }
            None => Admission::TooLarge,
        }
    }
}
