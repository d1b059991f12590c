//! Memory of calls that are over, which the next calls use again: so a forwarded request allocates half as often.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::http::Fields;

/// Number of heads that are kept: as many as there are requests under way at once where upstreams are quick.
const HEADS: usize = 32;

/// The most memory of a head that is kept, in bytes: few have more than 1 KiB.
const HEAD_BYTES: usize = 2 << 10;

/// Buffers of content that are kept. Content leaves its buffer in the turn after the one in which it came.
const CONTENTS: usize = 8;

/// The most memory of content that is kept, in bytes: an idle stream of events keeps as much.
pub(super) const CONTENT_BYTES: usize = 4 << 10;

/// Memory that is used again.
#[derive(Default)]
pub(super) struct SpareMemory {
    /// Heads that were made, the oldest first, each of which is filled anew once nobody else holds it.
    heads: Vec<Rc<Fields>>,
    contents: Vec<VecDeque<u8>>,
}

impl SpareMemory {
    /// A head that nobody else holds. It has the fields of another message.
    pub(super) fn take_head(&mut self) -> Rc<Fields> {
        let is_free = |head: &Rc<Fields>| Rc::strong_count(head) == 1;
        match self.heads.iter().rposition(is_free) {
            Some(free) => self.heads.remove(free),
            None => Rc::default(),
        }
    }

    /// Keeps a head for the time when its message is over, in the place of the oldest one: that may be of a message
    /// that goes on for hours.
    pub(super) fn keep_head(&mut self, head: &Rc<Fields>) {
        // One that several calls had is kept once.
        let is_last = self.heads.last().is_some_and(|last| Rc::ptr_eq(last, head));
        if is_last || head.heap() > HEAD_BYTES {
            return;
        }
        if self.heads.len() == HEADS {
            self.heads.remove(0);
        }
        self.heads.push(head.clone());
    }

    /// An empty buffer.
    pub(super) fn take_content(&mut self) -> VecDeque<u8> {
        self.contents.pop().unwrap_or_default()
    }

    /// Keeps a buffer.
    pub(super) fn keep_content(&mut self, mut content: VecDeque<u8>) {
        let is_fit = (1..=CONTENT_BYTES).contains(&content.capacity());
        if is_fit && self.contents.len() < CONTENTS {
            content.clear();
            self.contents.push(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_used_again_once_nobody_holds_it() {
        let mut spare = SpareMemory::default();
        let heads: Vec<_> = (0..HEADS + 2).map(|_| spare.take_head()).collect();
        let places: Vec<_> = heads.iter().map(Rc::as_ptr).collect();
        heads.iter().for_each(|head| spare.keep_head(head));
        assert!(
            !places.contains(&Rc::as_ptr(&spare.take_head())),
            "all are held"
        );
        drop(heads);
        let free: Vec<_> = (0..HEADS).map(|_| spare.take_head()).collect();
        assert!(free.iter().all(|head| places.contains(&Rc::as_ptr(head))));
        assert!(spare.heads.is_empty());
        spare.keep_head(&Rc::new(Fields::with_capacity(1, HEAD_BYTES)));
        assert!(spare.heads.is_empty(), "a large one is not kept");
    }

    #[test]
    fn heads_that_are_held_for_long_leave_their_places_to_others() {
        let mut spare = SpareMemory::default();
        let long: Vec<_> = (0..HEADS).map(|_| spare.take_head()).collect();
        long.iter().for_each(|head| spare.keep_head(head));
        let short = spare.take_head();
        spare.keep_head(&short);
        let place = Rc::as_ptr(&short);
        drop(short);
        assert_eq!(Rc::as_ptr(&spare.take_head()), place);
    }

    #[test]
    fn a_head_that_several_calls_had_is_kept_once() {
        let mut spare = SpareMemory::default();
        let shared = spare.take_head();
        (0..HEADS).for_each(|_| spare.keep_head(&shared));
        assert_eq!(spare.heads.len(), 1);
    }

    #[test]
    fn a_buffer_is_used_again_without_its_content() {
        let mut spare = SpareMemory::default();
        spare.keep_content(VecDeque::new());
        spare.keep_content(VecDeque::with_capacity(CONTENT_BYTES + 1));
        assert!(spare.contents.is_empty());
        for _ in 0..CONTENTS + 1 {
            spare.keep_content([1, 2, 3].into());
        }
        assert_eq!(spare.contents.len(), CONTENTS);
        let taken = spare.take_content();
        assert!(taken.is_empty() && taken.capacity() >= 3);
    }
}
