//! The part of a response that its exchange has not taken yet.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use super::spare::CONTENT_BYTES;
use crate::content::LentBytes;
use crate::exchange::failure::Failure;
use crate::http::Fields;

/// The least content, in bytes, that stays in the buffer that it was read into. Less of it is copied: a buffer of
/// 64 KiB is not kept for the sake of a few bytes.
const LEAST_LENT: usize = 8 << 10;

/// A response between its connection and its exchange.
#[derive(Default)]
pub(super) struct CallReply {
    pub(super) interims: VecDeque<Fields>,
    pub(super) interims_so_far: usize,
    pub(super) head: Option<Rc<Fields>>,
    pub(super) content: ReplyContent,
    pub(super) end: Option<CallEnd>,
}

/// The end of a response.
#[derive(Debug)]
pub(crate) enum CallEnd {
    /// The whole response was received, with these trailers.
    Complete(Option<Fields>),
    /// The rest cannot be had.
    Failed(Failure),
}

/// Content of a response: first what was copied, then what lies in the buffers that it was read into.
#[derive(Default)]
pub(super) struct ReplyContent {
    copied: VecDeque<u8>,
    lent: VecDeque<LentBytes>,
}

impl ReplyContent {
    /// Bytes that were copied. The others have an account of their own.
    pub(super) fn copied(&self) -> usize {
        self.copied.len()
    }

    /// Number of all bytes.
    pub(super) fn len(&self) -> usize {
        let lent = self.lent.iter().map(LentBytes::len);
        self.copied.len() + lent.sum::<usize>()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.copied.is_empty() && self.lent.is_empty()
    }

    /// True if content would need memory to be copied to.
    pub(super) fn lacks_buffer(&self) -> bool {
        self.copied.capacity() == 0
    }

    /// Takes an empty buffer for content that is copied.
    pub(super) fn take_buffer(&mut self, buffer: VecDeque<u8>) {
        self.copied = buffer;
    }

    /// Gives the buffer back that content was copied to, and forgets all content.
    pub(super) fn give_up(&mut self) -> VecDeque<u8> {
        std::mem::take(self).copied
    }

    /// Adds a copy of these bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.lent.is_empty() {
            self.copied.extend(bytes);
        } else if !bytes.is_empty() {
            // They have their place behind those that are lent.
            let (buffer, account) = (Rc::from(bytes), Rc::default());
            self.lent
                .push_back(LentBytes::new(buffer, 0..bytes.len(), account));
        }
    }

    /// Adds bytes of a buffer that is used again once they are sent.
    pub(super) fn lend(
        &mut self,
        buffer: &Rc<[u8]>,
        range: Range<usize>,
        account: &Rc<Cell<usize>>,
    ) {
        if range.len() < LEAST_LENT && self.lent.is_empty() {
            self.copied.extend(buffer.get(range).unwrap_or_default());
        } else if !range.is_empty() {
            self.lent
                .push_back(LentBytes::new(buffer.clone(), range, account.clone()));
        }
    }

    /// The bytes that come next, in two parts.
    pub(super) fn next(&self) -> (&[u8], &[u8]) {
        if self.copied.is_empty() {
            let first = self.lent.front().map(LentBytes::bytes);
            return (first.unwrap_or_default(), &[]);
        }
        self.copied.as_slices()
    }

    /// Passes the next `len` bytes, which were among those that come next.
    pub(super) fn advance(&mut self, len: usize) {
        if self.copied.is_empty() {
            if let Some(first) = self.lent.front_mut() {
                first.advance(len);
                if first.is_empty() {
                    self.lent.pop_front();
                }
            }
            return;
        }
        self.copied.drain(..len);
        // An idle stream of events keeps little.
        if self.copied.is_empty() && self.copied.capacity() > CONTENT_BYTES {
            self.copied = VecDeque::new();
        }
    }

    /// Takes the bytes that come next, if they are lent.
    pub(super) fn take_lent(&mut self) -> Option<LentBytes> {
        if self.copied.is_empty() {
            self.lent.pop_front()
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_keeps_its_order_whether_it_is_copied_or_lent() {
        let buffer: Rc<[u8]> = (0..30_000).map(|at: usize| (at % 251) as u8).collect();
        let account = Rc::new(Cell::new(0));
        let mut content = ReplyContent::default();
        let mut added = Vec::new();
        for (range, is_lent) in [
            (0..100, false),
            (100..200, true),
            (200..9_000, true),
            (9_000..9_010, false),
            (9_010..9_020, true),
            (9_020..30_000, true),
        ] {
            added.extend_from_slice(&buffer[range.clone()]);
            if is_lent {
                content.lend(&buffer, range, &account);
            } else {
                content.add(&buffer[range]);
            }
            assert_eq!(content.len(), added.len());
        }
        assert_eq!(content.copied(), 200);
        let mut taken: Vec<u8> = Vec::new();
        while content.len() > 20_000 {
            let (front, back) = content.next();
            let len = (front.len() + back.len()).min(70);
            taken.extend([front, back].concat().get(..len).unwrap());
            content.advance(len);
        }
        while let Some(lent) = content.take_lent() {
            taken.extend(lent.bytes());
        }
        assert!(taken == added && content.is_empty());
        assert_eq!((account.get(), Rc::strong_count(&buffer)), (0, 1));
    }
}
