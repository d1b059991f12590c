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

/// Content of a response: what was copied, then what lies in the buffers that it was read into, then what was copied
/// behind that.
#[derive(Default)]
pub(super) struct ReplyContent {
    copied: VecDeque<u8>,
    lent: VecDeque<LentBytes>,
    /// Nothing where nothing is lent: then it is what was copied.
    behind: VecDeque<u8>,
}

impl ReplyContent {
    /// Bytes that were copied. The others have an account of their own.
    pub(super) fn copied(&self) -> usize {
        self.copied.len() + self.behind.len()
    }

    /// Number of all bytes.
    pub(super) fn len(&self) -> usize {
        let lent = self.lent.iter().map(LentBytes::len);
        self.copied() + lent.sum::<usize>()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.copied.is_empty() && self.lent.is_empty()
    }

    /// True if content would need memory to be copied to.
    pub(super) fn lacks_buffer(&mut self) -> bool {
        self.last().capacity() == 0
    }

    /// Takes an empty buffer for content that is copied.
    pub(super) fn take_buffer(&mut self, buffer: VecDeque<u8>) {
        *self.last() = buffer;
    }

    /// The place of content that is copied now.
    fn last(&mut self) -> &mut VecDeque<u8> {
        if self.lent.is_empty() {
            &mut self.copied
        } else {
            &mut self.behind
        }
    }

    /// Gives the buffer back that content was copied to, and forgets all content.
    pub(super) fn give_up(&mut self) -> VecDeque<u8> {
        self.lent.clear();
        self.behind = VecDeque::new();
        std::mem::take(&mut self.copied)
    }

    /// Adds a copy of these bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.last().extend(bytes);
    }

    /// Adds bytes of a buffer that is used again once they are sent. Few are copied, also behind others that are lent:
    /// an upstream that gives little at a time would have a buffer kept for each part of it.
    pub(super) fn lend(
        &mut self,
        buffer: &Rc<[u8]>,
        range: Range<usize>,
        account: &Rc<Cell<usize>>,
    ) {
        if range.len() < LEAST_LENT || !self.behind.is_empty() {
            self.add(buffer.get(range).unwrap_or_default());
        } else {
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
                    self.pop_lent();
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
            self.pop_lent()
        } else {
            None
        }
    }

    /// Takes off the first bytes that are lent. Nothing is copied in front of them.
    fn pop_lent(&mut self) -> Option<LentBytes> {
        let first = self.lent.pop_front();
        if self.lent.is_empty() {
            std::mem::swap(&mut self.copied, &mut self.behind);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole buffer, with a byte at each place that tells the place.
    fn buffer() -> Rc<[u8]> {
        (0..64 << 10).map(|at: usize| (at % 251) as u8).collect()
    }

    /// Passes bytes until so many are left.
    fn pass(content: &mut ReplyContent, left: usize, passed: &mut Vec<u8>) {
        while content.len() > left {
            let (front, back) = content.next();
            let both = [front, back].concat();
            let len = both.len().min(70);
            passed.extend(both.get(..len).unwrap());
            content.advance(len);
        }
    }

    #[test]
    fn content_keeps_its_order_whether_it_is_copied_or_lent() {
        let (buffer, account) = (buffer(), Rc::new(Cell::new(0)));
        let (mut content, mut passed) = (ReplyContent::default(), Vec::new());
        let mut start = 0;
        for (len, is_lent, copied) in [
            (100, false, 100),
            (100, true, 200),
            (8_800, true, 200),
            (10, false, 210),
            (10, true, 220),
            // It has its place behind others that were copied.
            (20_980, true, 21_200),
        ] {
            let range = start..start + len;
            start += len;
            if is_lent {
                content.lend(&buffer, range, &account);
            } else {
                content.add(&buffer[range]);
            }
            assert_eq!((content.len(), content.copied()), (start, copied));
        }
        pass(&mut content, start - 5_020, &mut passed);
        passed.extend(content.take_lent().unwrap().bytes());
        assert!(content.take_lent().is_none(), "the rest was copied");
        content.lend(&buffer, start..buffer.len(), &account);
        pass(&mut content, buffer.len() - start, &mut passed);
        passed.extend(content.take_lent().unwrap().bytes());
        assert!(passed == *buffer && content.is_empty());
        assert_eq!((account.get(), Rc::strong_count(&buffer)), (0, 1));
    }

    #[test]
    fn no_buffer_is_kept_for_the_sake_of_a_few_bytes() {
        let account = Rc::new(Cell::new(0));
        let mut content = ReplyContent::default();
        content.lend(&buffer(), 0..LEAST_LENT, &account);
        for _ in 0..100 {
            let buffer = buffer();
            content.lend(&buffer, 0..80, &account);
            assert_eq!(Rc::strong_count(&buffer), 1);
        }
        let held = (content.copied(), account.get());
        assert_eq!(held, (8_000, 64 << 10), "one buffer is kept");
        assert_eq!(content.len(), LEAST_LENT + 8_000);
    }
}
