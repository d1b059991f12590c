//! Responses that the connection writes by itself.

use std::num::NonZeroU32;

/// A response that was written without the caller: see [`complete_refusal`](super::Connection::complete_refusal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the response.
    pub status: u16,
    /// The length of the content, which is a line of text.
    pub content_bytes: u16,
}

/// A refusal that is in the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenRefusal {
    pub refusal: Refusal,
    /// The place in the output where more fields can be inserted.
    pub fields_at: NonZeroU32,
}
