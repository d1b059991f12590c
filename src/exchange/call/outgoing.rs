//! The content of a request on its way to an upstream, which may have to be sent once more.

use std::collections::VecDeque;

/// Content that is kept for a second attempt, in bytes. Forms and queries are shorter; what is longer is
/// an upload, which is sent once.
const KEPT: usize = 16 << 10;

/// Content between its sender and an upstream connection.
pub(super) struct OutgoingContent {
    /// Content in its order: `taken` bytes that were sent and are kept, then those that wait.
    bytes: VecDeque<u8>,
    taken: usize,
    keeping: Keeping,
    arrival: ContentArrival,
}

/// The use of content that was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeping {
    /// All of it is kept.
    All,
    /// It was let go of.
    None,
}

/// The part of the content that has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ContentArrival {
    Open,
    Complete,
}

/// Content that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenContent {
    /// Number of bytes.
    pub(crate) len: usize,
    /// True if nothing follows.
    pub(crate) is_last: bool,
}

impl OutgoingContent {
    pub(super) fn new() -> Self {
        OutgoingContent {
            bytes: VecDeque::new(),
            taken: 0,
            keeping: Keeping::All,
            arrival: ContentArrival::Open,
        }
    }

    pub(super) fn add(&mut self, content: &[u8]) {
        self.bytes.extend(content);
    }

    pub(super) fn finish(&mut self) {
        self.arrival = ContentArrival::Complete;
    }

    /// More comes behind the end that was noted: that was a request's, and this is a tunnel's.
    pub(super) fn reopen(&mut self) {
        self.arrival = ContentArrival::Open;
    }

    /// Bytes that wait.
    pub(super) fn held(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Bytes that were taken, and are kept to be taken once more.
    pub(super) fn kept(&self) -> usize {
        self.taken
    }

    /// True if nothing more will come.
    pub(super) fn is_complete(&self) -> bool {
        self.arrival == ContentArrival::Complete
    }

    /// True if there is something to take, be it the end.
    pub(super) fn has_more(&self) -> bool {
        self.held() > 0 || self.is_complete()
    }

    /// True if all content that has come is still here.
    pub(super) fn is_whole(&self) -> bool {
        self.keeping == Keeping::All
    }

    /// Has all content sent again that was kept.
    pub(super) fn rewind(&mut self) {
        self.taken = 0;
    }

    /// Appends up to `most` bytes to `out`.
    pub(super) fn take(&mut self, out: &mut Vec<u8>, most: usize) -> TakenContent {
        let len = self.held().min(most);
        let (front, back) = self.bytes.as_slices();
        let skipped = front.len().min(self.taken);
        let first = front.get(skipped..).unwrap_or_default();
        let second = back.get(self.taken - skipped..).unwrap_or_default();
        let of_first = first.len().min(len);
        out.extend_from_slice(first.get(..of_first).unwrap_or_default());
        out.extend_from_slice(second.get(..len - of_first).unwrap_or_default());
        self.taken += len;
        if self.keeping == Keeping::None || self.taken > KEPT {
            self.let_go();
        }
        TakenContent {
            len,
            is_last: self.is_complete() && self.held() == 0,
        }
    }

    /// The content will not be sent again.
    pub(super) fn settle(&mut self) {
        if self.keeping == Keeping::All {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        self.keeping = Keeping::None;
        self.bytes.drain(..self.taken);
        self.taken = 0;
        if self.bytes.is_empty() {
            self.bytes = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(content: &mut OutgoingContent, most: usize) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let taken = content.take(&mut out, most);
        assert_eq!(taken.len, out.len());
        (out, taken.is_last)
    }

    #[test]
    fn content_that_may_be_repeated_is_kept_until_an_answer_comes() {
        let mut content = OutgoingContent::new();
        content.add(b"hello ");
        assert_eq!(take(&mut content, 4), (b"hell".to_vec(), false));
        content.add(b"world");
        content.finish();
        assert_eq!(content.held(), 7);
        assert_eq!(take(&mut content, 99), (b"o world".to_vec(), true));
        assert!(content.is_whole());
        content.rewind();
        assert_eq!(take(&mut content, 99), (b"hello world".to_vec(), true));
        content.settle();
        assert!(!content.is_whole());
        assert_eq!(content.held(), 0);
    }

    #[test]
    fn long_content_is_sent_once() {
        let mut long = OutgoingContent::new();
        long.add(&[7; KEPT + 1]);
        take(&mut long, KEPT);
        assert!(long.is_whole());
        take(&mut long, 1);
        assert!(!long.is_whole());
        assert_eq!(long.held(), 0);
    }
}
