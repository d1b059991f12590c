//! Bytes that are sent from the buffer that they were read into.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

/// Bytes of a buffer that its owner reads into again once none of it is held. The whole buffer is entered in an
/// account meanwhile, because it is memory however few of its bytes are left. What a socket does not take of them is
/// copied, so that no slow reader holds a whole buffer.
pub struct LentBytes {
    buffer: Rc<[u8]>,
    /// The next byte to send. A buffer is far shorter than 4 GiB.
    start: u32,
    end: u32,
    /// Memory of buffers that are lent, in bytes.
    account: Rc<Cell<usize>>,
}

impl LentBytes {
    /// The bytes of this range of a buffer, which is entered in the account.
    pub(crate) fn new(buffer: Rc<[u8]>, range: Range<usize>, account: Rc<Cell<usize>>) -> Self {
        let place = |at: usize| u32::try_from(at.min(buffer.len())).unwrap_or(u32::MAX);
        let end = place(range.end);
        let lent = LentBytes {
            start: place(range.start).min(end),
            end,
            buffer,
            account,
        };
        lent.account.set(lent.account.get() + lent.buffer.len());
        lent
    }

    /// The number of bytes still to send.
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// True if all bytes were sent.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The bytes still to send.
    pub fn bytes(&self) -> &[u8] {
        let range = self.start as usize..self.end as usize;
        self.buffer.get(range).unwrap_or_default()
    }

    /// Passes the next `len` bytes, which were sent.
    pub(crate) fn advance(&mut self, len: usize) {
        let len = len.min(self.len());
        self.start += len as u32;
    }

    /// Takes off the first bytes, up to `most`.
    pub(super) fn take(&mut self, most: usize) -> Self {
        let start = self.start as usize;
        let range = start..start + self.len().min(most);
        let first = LentBytes::new(self.buffer.clone(), range, self.account.clone());
        self.advance(first.len());
        first
    }
}

impl Drop for LentBytes {
    fn drop(&mut self) {
        self.account.set(self.account.get() - self.buffer.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_in_the_account_as_long_as_any_of_its_bytes_are_lent() {
        let account = Rc::new(Cell::new(0));
        let buffer: Rc<[u8]> = Rc::from(&b"0123456789"[..]);
        let mut lent = LentBytes::new(buffer.clone(), 2..9, account.clone());
        assert_eq!((lent.bytes(), account.get()), (&b"2345678"[..], 10));
        let mut first = lent.take(3);
        assert_eq!((first.bytes(), lent.bytes()), (&b"234"[..], &b"5678"[..]));
        first.advance(2);
        assert_eq!(first.bytes(), b"4");
        drop(first);
        lent.advance(3);
        assert_eq!((lent.bytes(), account.get()), (&b"8"[..], 10));
        assert_eq!(lent.take(99).len(), 1);
        assert!(lent.is_empty());
        drop(lent);
        assert_eq!((account.get(), Rc::strong_count(&buffer)), (0, 1));
    }
}
