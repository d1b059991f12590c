//! HPACK: header compression for HTTP/2 (RFC 7541).
//!
//! A connection holds one [`Decoder`] for the blocks that it receives and one [`Encoder`] for those
//! that it sends. Each owns a dynamic table that mirrors the peer's (§2.3.2), so every block has to
//! pass through in the order of the wire, and after a [`DecodeError`] the connection cannot go on.
//!
//! Both are made to be held by thousands of idle connections: nothing is allocated before the first insertion, a
//! table is an arena of bytes with twelve bytes of bookkeeping an entry, and `shrink` packs the entries into a
//! quarter of the memory.
//!
//! ```
//! use calmd::hpack::{DecodeLimits, Decoded, Decoder, Encoder};
//! use calmd::http::{Field, Fields};
//!
//! let (mut encoder, mut decoder) = (Encoder::new(4_096), Decoder::new(4_096));
//! let limits = DecodeLimits { list_size: 16_384, fields: 100, crumbs: 1_000, overrun: 4 };
//! let mut fields = Fields::new();
//! let mut lengths = Vec::new();
//! for _ in 0..3 {
//!     let mut block = Vec::new();
//!     let server = [Field::new(b":status", b"200"), Field::new(b"server", b"calmd")];
//!     encoder.encode(server, &mut block);
//!     fields.clear();
//!     assert_eq!(decoder.decode(&block, &mut fields, &limits), Ok(Decoded::Whole));
//!     assert_eq!(fields.status(), Some(200));
//!     lengths.push(block.len());
//! }
//! // The first block has the field spelled out; what follows points into the table.
//! assert_eq!(lengths, [7, 2, 2]);
//! ```
//!
//! - `integer`, `huffman`, `string`: the primitives (§5); `input`: a block as it is read; `error`: its
//!   faults
//! - `static_table`: Appendix A, and its index by name
//! - `table`: the dynamic table (§2.3.2, §4)
//! - `block`, `decoder`: blocks to fields (§3, §6), within bounds on what is materialised, and the table
//!   that this takes
//! - `encoder`: fields to blocks, and the policy of what deserves a place in the table
//! - `index`, `recent`: the encoder's hash index of its table, and its memory of what is not there
//! - `packed`: a table while nobody uses it
//!
//! Frames, their reassembly into blocks, and the meaning of fields are left to [`crate::h2`].

// What a peer sends must not panic: an index that cannot be wrong says why at its place. Tests may.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod block;
mod decoder;
mod encoder;
mod error;
mod huffman;
mod index;
mod input;
mod integer;
mod packed;
mod recent;
mod static_table;
mod string;
mod table;
#[cfg(test)]
mod tests;

pub use block::{DecodeLimits, Decoded};
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use error::DecodeError;

/// The dynamic table size that both sides start with, until SETTINGS say otherwise
/// (RFC 9113 §6.5.2, SETTINGS_HEADER_TABLE_SIZE).
pub const INITIAL_TABLE_SIZE: u32 = 4_096;
