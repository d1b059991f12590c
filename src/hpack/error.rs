//! The faults of a block (RFC 7541 §3 to §6).

use std::error::Error;
use std::fmt;

/// Reason why a block cannot be decoded. The table is not usable afterwards: each reason ends the
/// connection, with COMPRESSION_ERROR (RFC 9113 §4.3) unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The index zero, or one that neither table has (§2.3.3, §6.1).
    InvalidIndex,
    /// An integer of more than 32 bits or with more than five bytes after its prefix (§5.1).
    IntegerOverflow,
    /// A string that the Huffman code does not produce: EOS, or wrong padding (§5.2).
    Huffman,
    /// The block ends within a representation.
    Truncated,
    /// A dynamic table size update beyond what our SETTINGS allow (§6.3), or beyond a reduction
    /// that it has to acknowledge first (§4.2).
    TableSizeExceeded,
    /// A dynamic table size update behind a field, or a third one (§4.2).
    TableSizeMisplaced,
    /// No dynamic table size update although our SETTINGS reduced the table (RFC 9113 §4.3.1).
    TableSizeMissing,
    /// More than `overrun` allows: a decompression bomb, for ENHANCE_YOUR_CALM.
    ListTooLarge,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::InvalidIndex => "invalid table index",
            DecodeError::IntegerOverflow => "integer too large",
            DecodeError::Huffman => "invalid Huffman code",
            DecodeError::Truncated => "header block ends within a field",
            DecodeError::TableSizeExceeded => "table size update beyond the limit",
            DecodeError::TableSizeMisplaced => "table size update out of place",
            DecodeError::TableSizeMissing => "table size update missing",
            DecodeError::ListTooLarge => "header list far too large",
        })
    }
}

impl Error for DecodeError {}
