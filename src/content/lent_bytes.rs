//! Bytes that are sent from the buffer that they were read into.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

/// Bytes of a buffer that its owner reads into again once none of it is held. They are entered in an account until
/// they are sent. What a socket does not take of them is copied, so that no slow reader holds a whole buffer.
pub struct LentBytes {
    buffer: Rc<[u8]>,
    /// The next byte to send. A buffer is far shorter than 4 GiB.
    start: u32,
    end: u32,
    /// Bytes that are lent and were not sent.
    account: Rc<Cell<usize>>,
}

impl LentBytes {
    /// The bytes of this range of a buffer, which are entered in the account.
    pub(crate) fn new(buffer: Rc<[u8]>, range: Range<usize>, account: Rc<Cell<usize>>) -> Self {
        let place = |at: usize| u32::try_from(at.min(buffer.len())).unwrap_or(u32::MAX);
        let end = place(range.end);
        let lent = LentBytes {
            start: place(range.start).min(end),
            end,
            buffer,
            account,
        };
        lent.account.set(lent.account.get() + lent.len());
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
        self.account.set(self.account.get() - len);
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
        self.advance(self.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_the_account_until_they_are_sent_or_dropped() {
        let account = Rc::new(Cell::new(0));
        let buffer: Rc<[u8]> = Rc::from(&b"0123456789"[..]);
        let mut lent = LentBytes::new(buffer.clone(), 2..9, account.clone());
        assert_eq!((lent.bytes(), account.get()), (&b"2345678"[..], 7));
        let mut first = lent.take(3);
        assert_eq!((first.bytes(), lent.bytes()), (&b"234"[..], &b"5678"[..]));
        assert_eq!(account.get(), 7);
        first.advance(2);
        assert_eq!((first.bytes(), account.get()), (&b"4"[..], 5));
        drop(first);
        assert_eq!(account.get(), 4);
        assert_eq!(lent.take(99).len(), 4);
        assert!(lent.is_empty());
        drop(lent);
        assert_eq!((account.get(), Rc::strong_count(&buffer)), (0, 1));
    }
}
