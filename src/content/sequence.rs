//! Slices behind each other. Each is made when the slice before was sent.

use super::slice::Slice;
use crate::world::Files;

/// The content of a response that is made of several slices.
///
/// Slices are made one at a time, so that a stalled response of hundreds of parts holds the description
/// of its parts, not the parts.
pub struct Sequence<F: Files> {
    current: Option<Slice<F>>,
    rest: Box<dyn Iterator<Item = Slice<F>>>,
    /// Number of bytes of the slices that `rest` still makes.
    rest_len: u64,
    parts: usize,
}

impl<F: Files> Sequence<F> {
    /// The slices of an iterator, `len` bytes together. `parts` is the number of slices that are found
    /// and read for themselves, each worth a request.
    pub fn new(
        slices: impl Iterator<Item = Slice<F>> + 'static,
        len: u64,
        parts: usize,
    ) -> Box<Self> {
        Box::new(Sequence {
            current: None,
            rest: Box::new(slices),
            rest_len: len,
            parts,
        })
    }

    /// Number of parts, the ones that were sent included.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Number of bytes still to come.
    pub fn len(&self) -> u64 {
        self.rest_len + self.current.as_ref().map_or(0, Slice::len)
    }

    /// True if no byte is still to come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slice of the next bytes; `None` behind the last byte.
    pub fn current(&mut self) -> Option<&mut Slice<F>> {
        while self.current.as_ref().is_none_or(Slice::is_empty) {
            let next = self.rest.next()?;
            self.rest_len = self.rest_len.saturating_sub(next.len());
            self.current = Some(next);
        }
        self.current.as_mut()
    }
}
