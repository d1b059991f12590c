//! HPACK: header compression for HTTP/2 (RFC 7541).
//!
//! A connection holds one [`Decoder`] for the blocks that it receives and one [`Encoder`] for those
//! that it sends. Each owns a dynamic table that mirrors the peer's (§2.3.2), so every block has to
//! pass through in the order of the wire, and after a [`DecodeError`] the connection cannot go on.
//!
//! Both are made to be held by thousands of idle connections: nothing is allocated before the first
//! insertion, a table is an arena of bytes with twelve bytes of bookkeeping an entry, and `shrink`
//! gives the slack back, and packs the encoder's.
//!
//! - `integer`, `huffman`: the two primitives (§5)
//! - `static_table`: Appendix A, and its index by name
//! - `table`: the dynamic table (§2.3.2, §4)
//! - `decoder`: blocks to fields (§3, §6), within bounds on what is materialised
//! - `encoder`: fields to blocks, and the policy of what deserves a place in the table
//! - `index`, `recent`: the encoder's hash index of its table, and its memory of what is not there
//! - `packed`: the encoder's table while nobody uses it
//!
//! Frames, their reassembly into blocks, and the meaning of fields are left to [`crate::h2`].

// What a peer sends must not panic: an index that cannot be wrong says why at its place. Tests may.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod decoder;
mod encoder;
mod huffman;
mod index;
mod integer;
mod packed;
mod recent;
mod static_table;
mod table;
#[cfg(test)]
mod tests;

pub use decoder::{DecodeError, DecodeLimits, Decoded, Decoder};
pub use encoder::Encoder;

/// The dynamic table size that both sides start with, until SETTINGS say otherwise
/// (RFC 9113 §6.5.2, SETTINGS_HEADER_TABLE_SIZE).
pub const INITIAL_TABLE_SIZE: u32 = 4_096;
