//! Responses that the connection writes by itself.

use std::num::NonZeroU32;

/// A response that was written without the caller: see [`Connection::complete_refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its status.
    pub status: u16,
    /// The length of its content, which is a line of text.
    pub content_bytes: u16,
}

/// A refusal that is in the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenRefusal {
    pub refusal: Refusal,
    /// Where in the output more fields can be inserted.
    pub fields_at: NonZeroU32,
}
