//! Content that is made while it is sent, of a length that nobody knows before.

use super::error::BodyError;
use super::progress::Progress;
use crate::world::Files;

/// Something that makes content.
pub trait Stream<F: Files> {
    /// Appends up to `max` bytes to `out`; `max` is at least 1. One call does a bounded amount of work,
    /// and says [`Progress::Cold`] where that did not suffice for a byte.
    fn read(&mut self, files: &mut F, out: &mut Vec<u8>, max: usize)
    -> Result<Progress, BodyError>;
}
