//! Content that is made while it is sent. Its length is not known before.

use super::error::BodyError;
use super::progress::Progress;
use crate::world::Files;

/// A generator of content.
pub trait ContentStream<F: Files> {
    /// Appends up to `max` bytes to `out`; `max` is at least 1. One call does a bounded amount of work,
    /// and returns [`Progress::Cold`] if that did not suffice for a byte.
    fn read(
        &mut self,
        reads: &mut F::Reads,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Progress, BodyError>;
}
