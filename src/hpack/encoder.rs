//! Fields to header blocks (RFC 7541 §6), and the policy of what enters the table.
//!
//! An entry pays when its field comes back before it is evicted, and costs memory on both sides. The
//! policy does not guess that from names:
//!
//! - As long as the table is at most a quarter full, every field gets an entry: the fields of the
//!   first responses, most of which every response repeats.
//! - After that a field gets one when it comes back soon after it was passed over. So the fields of
//!   one file after another (`etag`, `content-length`) leave the common ones where they are, and a
//!   file that is asked for again gets its entries.
//!
//! Only what is known never to repeat, or to be a secret, is told by its name.

use super::decoder::Decoder;
use super::index::{Index, field_hash, name_hash};
use super::packed::{Packed, PackedCode};
use super::recent::Recent;
use super::static_table::{self, Match};
use super::table::{DynamicTable, ENTRY_OVERHEAD};
use super::{INITIAL_TABLE_SIZE, integer, string};
use crate::http::field::{Field, Joined};

/// The largest table that is used: sizes fit 16 bits, as the numbers of the index do, and nothing
/// gains from more.
const MAX_TABLE_SIZE: u16 = u16::MAX;

const INITIAL_SIZE: u16 = INITIAL_TABLE_SIZE as u16;

/// The share of the table that is filled without asking whether a field comes back.
const EAGER_SHARE: usize = 4;

/// An entry larger than the table divided by this would evict too much to pay.
const LARGEST_SHARE: usize = 2;

/// A shorter cookie could be guessed, octet by octet, from the size of blocks (§7.1.3).
const GUESSABLE_COOKIE: usize = 20;

/// Blocks up to this length are kept for [`Encoder::repeatable`]. Where every field of a response is an entry, it
/// takes a byte each; a redirect and a part of a file have one literal besides.
const REPEATED_LEN: usize = 62;

/// Blocks up to this length are judged at once: those whose fields are all entries.
const ENTRIES_LEN: usize = 16;

/// The relation of a literal to the table: its bits and the length of the index behind them (§6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Literal {
    /// It becomes an entry (§6.2.1).
    Indexed,
    /// It does not (§6.2.2).
    Plain,
    /// It never may, at any hop (§6.2.3).
    NeverIndexed,
}

/// Writes blocks, and keeps the dynamic table of the peer's decoder for that.
pub struct Encoder {
    entries: EncoderState,
    /// Our own bound of the table's size.
    own_max: u16,
    /// The table's size.
    size: u16,
    /// The size that the peer knows.
    announced: u16,
    /// The least size since then.
    lowest: u16,
}

/// The form of the entries.
enum EncoderState {
    /// None.
    Empty,
    /// A table to look fields up in.
    Open(Box<EncoderTable>),
    /// The block that makes the table, which takes little room.
    Packed(Packed),
}

/// The fields that the peer's decoder has in its table, and how they are found.
struct EncoderTable {
    table: DynamicTable,
    index: Index,
    /// A bit for the name of each entry that is or was: a name without its bit needs no search.
    names: u64,
    recent: Recent,
    last: LastBlock,
    /// True if a field of the block may be encoded in another way the next time.
    changes: bool,
}

/// The last block, if encoding its fields again gives the same one as long as the table is the same: it is of entries,
/// and of literals that never become any.
struct LastBlock {
    form: BlockForm,
    len: u8,
    bytes: [u8; REPEATED_LEN],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockForm {
    /// It is not kept.
    Unkept,
    /// Each of its bytes is a field that the tables hold.
    OfEntries,
    /// It may have literals.
    OfAnything,
}

impl LastBlock {
    const NONE: LastBlock = LastBlock {
        form: BlockForm::Unkept,
        len: 0,
        bytes: [0; REPEATED_LEN],
    };

    fn forget(&mut self) {
        self.form = BlockForm::Unkept;
    }

    /// Keeps a block that may be repeated, if it is short.
    fn keep(&mut self, block: &[u8]) {
        self.forget();
        self.len = block.len() as u8;
        if let Some(entries) = Entries::new(block) {
            self.form = entries.form();
            if let Some(place) = self.bytes.first_chunk_mut() {
                *place = entries.0;
            }
        } else if let Some(place) = self.bytes.get_mut(..block.len()) {
            place.copy_from_slice(block);
            self.form = BlockForm::OfAnything;
        }
    }

    fn block(&self) -> Option<&[u8]> {
        let block = self.bytes.get(..self.len.into());
        block.filter(|_| self.form != BlockForm::Unkept)
    }

    /// The block, if it is of entries, and its length.
    fn entries(&self) -> Option<([u8; ENTRIES_LEN], usize)> {
        let bytes = self.bytes.first_chunk()?;
        (self.form == BlockForm::OfEntries).then_some((*bytes, self.len.into()))
    }
}

/// A short block, filled up with bytes of entries.
struct Entries([u8; ENTRIES_LEN]);

impl Entries {
    fn new(block: &[u8]) -> Option<Self> {
        let mut bytes = [0x80; ENTRIES_LEN];
        bytes.get_mut(..block.len())?.copy_from_slice(block);
        Some(Entries(bytes))
    }

    /// A block of nothing but fields that the tables hold has one byte for each (§6.1): from 0x80 to 0xfe. A
    /// literal begins with another byte, as does a longer index.
    fn form(&self) -> BlockForm {
        const EACH: u128 = u128::from_ne_bytes([1; ENTRIES_LEN]);
        // All bytes at once: the high bit of each, and that the others are not all set.
        let word = u128::from_ne_bytes(self.0);
        let are_indices = word & (0x80 * EACH) == 0x80 * EACH;
        let are_short = ((word & (0x7f * EACH)) + EACH) & (0x80 * EACH) == 0;
        if are_indices && are_short {
            BlockForm::OfEntries
        } else {
            BlockForm::OfAnything
        }
    }
}

impl Encoder {
    /// An encoder that uses at most `max_table_size` bytes, and at most what the peer allows:
    /// [`INITIAL_TABLE_SIZE`] until its SETTINGS say otherwise. Allocates nothing.
    pub fn new(max_table_size: usize) -> Self {
        let own_max = u16::try_from(max_table_size).unwrap_or(MAX_TABLE_SIZE);
        let size = own_max.min(INITIAL_SIZE);
        Encoder {
            entries: EncoderState::Empty,
            own_max,
            size,
            announced: INITIAL_SIZE,
            lowest: size,
        }
    }

    /// Takes the peer's SETTINGS_HEADER_TABLE_SIZE; the next block tells it what became of it.
    pub fn set_peer_max_table_size(&mut self, size: u32) {
        let size = u16::try_from(size).map_or(self.own_max, |size| size.min(self.own_max));
        if !matches!(self.entries, EncoderState::Empty) {
            let entries = self.open();
            entries.table.set_max_size(size.into());
            entries.last.forget();
        }
        self.size = size;
        self.lowest = self.lowest.min(size);
    }

    /// Appends one complete header block to `out`.
    pub fn encode<'f>(&mut self, fields: impl IntoIterator<Item = Field<'f>>, out: &mut Vec<u8>) {
        self.announce_size(out);
        let start = out.len();
        let entries = self.open();
        entries.changes = false;
        entries.encode(fields, out);
        match out.get(start..) {
            Some(block) if !entries.changes => entries.last.keep(block),
            _ => entries.last.forget(),
        }
    }

    /// The block that encoding the last fields again gives, where that is known: each of them is in the
    /// tables or never will be, and it is short.
    pub fn repeatable(&self) -> Option<&[u8]> {
        match &self.entries {
            EncoderState::Open(entries) => entries.last.block(),
            EncoderState::Empty | EncoderState::Packed(_) => None,
        }
    }

    /// Has the last block not repeated.
    pub(crate) fn forget_block(&mut self) {
        if let EncoderState::Open(entries) = &mut self.entries {
            entries.last.forget();
        }
    }

    /// Gives back the memory that is not needed until the next block, for a connection that is idle.
    pub fn shrink(&mut self) {
        if let EncoderState::Open(entries) = &self.entries {
            self.entries = match entries.table.len() {
                0 => EncoderState::Empty,
                _ => EncoderState::Packed(Packed::new(&entries.table, PackedCode::Shortest)),
            };
        }
    }

    /// The size of the entries in the table, as RFC 7541 §4.1 counts it, and its bound. Where the table
    /// is packed, it is unpacked for that.
    pub fn table_size(&self) -> (usize, u32) {
        let bound = u32::from(self.size);
        let size = match &self.entries {
            EncoderState::Empty => 0,
            EncoderState::Open(entries) => entries.table.size(),
            EncoderState::Packed(packed) => packed.unpack(bound).size(),
        };
        (size, bound)
    }

    /// A decoder with the table that the peer's decoder has, for an observer of the blocks to come.
    pub fn decoder(&self) -> Decoder {
        let size = self.size.into();
        let mut decoder = Decoder::with_table(match &self.entries {
            EncoderState::Empty => DynamicTable::new(size),
            EncoderState::Open(entries) => entries.table.clone(),
            EncoderState::Packed(packed) => packed.unpack(size),
        });
        decoder.set_max_table_size(MAX_TABLE_SIZE.into());
        decoder
    }

    /// Number of entries in the table. Where the table is packed, it is unpacked for that.
    pub fn table_entries(&self) -> usize {
        match &self.entries {
            EncoderState::Empty => 0,
            EncoderState::Open(entries) => entries.table.len(),
            EncoderState::Packed(packed) => packed.unpack(self.size.into()).len(),
        }
    }

    /// The bytes that are allocated.
    pub(crate) fn heap(&self) -> usize {
        match &self.entries {
            EncoderState::Empty => 0,
            EncoderState::Open(entries) => entries.heap(),
            EncoderState::Packed(packed) => packed.heap(),
        }
    }

    /// The entries, where they are used.
    fn open(&mut self) -> &mut EncoderTable {
        let size = self.size.into();
        match &mut self.entries {
            EncoderState::Open(_) => {}
            EncoderState::Empty => {
                self.entries = EncoderState::Open(EncoderTable::new(DynamicTable::new(size)))
            }
            EncoderState::Packed(packed) => {
                self.entries = EncoderState::Open(EncoderTable::new(packed.unpack(size)));
            }
        }
        match &mut self.entries {
            EncoderState::Open(entries) => entries,
            EncoderState::Empty | EncoderState::Packed(_) => unreachable!("they were just opened"),
        }
    }

    /// Size updates: the smallest size since the last block, then the final one (§4.2, §6.3).
    fn announce_size(&mut self, out: &mut Vec<u8>) {
        let size = self.size;
        if self.lowest < size && self.lowest < self.announced {
            integer::encode(self.lowest.into(), 0x20, 5, out);
            self.announced = self.lowest;
        }
        if size != self.announced {
            integer::encode(size.into(), 0x20, 5, out);
            self.announced = size;
        }
        self.lowest = size;
    }
}

impl EncoderTable {
    fn new(table: DynamicTable) -> Box<Self> {
        let mut index = Index::default();
        let mut names = 0;
        for age in (0..table.len()).rev() {
            let (name, field) = hashes_of(&table, age);
            names |= name_bit(name);
            index.insert(field, table.len() - age);
        }
        Box::new(EncoderTable {
            table,
            index,
            names,
            recent: Recent::default(),
            last: LastBlock::NONE,
            changes: false,
        })
    }

    fn encode<'f>(&mut self, fields: impl IntoIterator<Item = Field<'f>>, out: &mut Vec<u8>) {
        let mut fields = fields.into_iter();
        // Blocks mostly repeat each other, so behind the entry of one field is that of the next;
        // the oldest is where the first block began.
        let mut guess = self.table.len().wrapping_sub(1);
        // The last block tells which fields were entries of the static table: those need no search.
        if let Some((last, len)) = self.last.entries() {
            for (&byte, field) in last.iter().take(len).zip(fields.by_ref()) {
                let index = byte & 0x7f;
                if field.sensitive {
                    self.encode_field(field, out);
                } else if static_table::is(index, field.name, field.value) {
                    out.push(byte);
                } else if self.table.holds(guess, field.name, field.value) {
                    encode_entry(guess, out);
                    guess = guess.wrapping_sub(1);
                } else if let Some(age) = self.encode_field(field, out) {
                    guess = age.wrapping_sub(1);
                }
            }
        }
        for field in fields {
            if !field.sensitive && self.table.holds(guess, field.name, field.value) {
                encode_entry(guess, out);
                guess = guess.wrapping_sub(1);
            } else if let Some(age) = self.encode_field(field, out) {
                guess = age.wrapping_sub(1);
            }
        }
    }

    /// The bytes that are allocated.
    fn heap(&self) -> usize {
        size_of::<Self>() + self.table.heap() + self.index.heap() + self.recent.heap()
    }

    /// Writes a field, and gives the age of the entry that it is, if it is one.
    fn encode_field(&mut self, field: Field<'_>, out: &mut Vec<u8>) -> Option<usize> {
        let name_hash = name_hash(field.name);
        let hash = field_hash(name_hash, field.value);
        if !field.sensitive
            && let Some(age) = self.find(hash, field)
        {
            encode_entry(age, out);
            return Some(age);
        }
        match static_table::find(name_hash, field.name, field.value) {
            Some(Match::Field(index)) if !field.sensitive => {
                integer::encode(index, 0x80, 7, out);
            }
            Some(Match::Field(index) | Match::Name(index)) => {
                self.encode_literal(field, (name_hash, hash), index, out);
            }
            None => self.encode_literal(field, (name_hash, hash), 0, out),
        }
        None
    }

    /// Writes a literal; `name` is the static index of its name, or zero.
    fn encode_literal(
        &mut self,
        field: Field<'_>,
        (name_hash, hash): (u64, u64),
        name: u32,
        out: &mut Vec<u8>,
    ) {
        let literal = self.choose(field, hash, name);
        self.changes |= literal != Literal::Plain || !never_repeats(name);
        let (flags, prefix_bits) = match literal {
            Literal::Indexed => (0x40, 6),
            Literal::Plain => (0x00, 4),
            Literal::NeverIndexed => (0x10, 4),
        };
        let name = if name == 0 && self.names & name_bit(name_hash) != 0 {
            self.find_name(field.name).unwrap_or(0)
        } else {
            name
        };
        integer::encode(name, flags, prefix_bits, out);
        if name == 0 {
            string::encode(field.name, out);
        }
        string::encode(field.value, out);
        if literal == Literal::Indexed {
            self.table.insert_field(field.name, field.value);
            self.index.insert(hash, self.table.len());
            self.names |= name_bit(name_hash);
        }
    }

    /// The policy: whether a field that has no entry gets one.
    fn choose(&mut self, field: Field<'_>, hash: u64, name: u32) -> Literal {
        if field.sensitive || is_secret(name, field.value) {
            return Literal::NeverIndexed;
        }
        let max_size = self.table.max_size() as usize;
        let size = field.name.len() + field.value.len() + ENTRY_OVERHEAD;
        if never_repeats(name) || size > max_size / LARGEST_SHARE {
            return Literal::Plain;
        }
        if self.table.size() + size <= max_size / EAGER_SHARE || self.recent.recall(hash) {
            return Literal::Indexed;
        }
        Literal::Plain
    }

    /// The age of the entry that a field is.
    #[inline]
    fn find(&self, hash: u64, field: Field<'_>) -> Option<usize> {
        let holds = |age| self.table.holds(age, field.name, field.value);
        self.index.find(hash, self.table.len(), holds)
    }

    /// The index of a name in the dynamic table, the newest first. Only names that the static table
    /// lacks are looked for, with a value that is new: too seldom for an index of its own.
    fn find_name(&self, name: &[u8]) -> Option<u32> {
        self.table.find_name(name).map(index_of)
    }
}

/// The index of an entry in the one address space of both tables (§2.3.3).
fn index_of(age: usize) -> u32 {
    static_table::LEN + 1 + age as u32
}

/// Writes a field that is an entry (§6.1).
#[inline]
fn encode_entry(age: usize, out: &mut Vec<u8>) {
    integer::encode(index_of(age), 0x80, 7, out);
}

/// Says that a field could be guessed from the size of blocks if it had an entry (§7.1.3).
fn is_secret(name: u32, value: &[u8]) -> bool {
    match name {
        static_table::AUTHORIZATION
        | static_table::PROXY_AUTHORIZATION
        | static_table::SET_COOKIE => true,
        static_table::COOKIE => value.len() < GUESSABLE_COOKIE,
        _ => false,
    }
}

/// Says that each value of a field is as good as unique.
fn never_repeats(name: u32) -> bool {
    matches!(
        name,
        static_table::AGE | static_table::CONTENT_RANGE | static_table::LOCATION
    )
}

/// The hashes of an entry's name, and of the entry.
fn hashes_of(table: &DynamicTable, age: usize) -> (u64, u64) {
    let hashes = |entry: Joined<'_>| {
        let name = name_hash(entry.name());
        (name, field_hash(name, entry.value()))
    };
    table.get(age).map_or((0, 0), hashes)
}

/// The bit of a name in [`EncoderTable::names`].
#[inline]
fn name_bit(hash: u64) -> u64 {
    1 << (hash % 64)
}
