//! Buffers that content of responses is read into, and sent from.

use std::rc::Rc;

/// Size of a buffer in bytes: forty-five packets of an Ethernet, the most that a kernel hands down in one go (GSO). A
/// little more would be a tiny segment of its own behind each. This is one of the
/// [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).
pub(super) const REPLY_BUFFER: usize = 65_160;

/// Number of buffers that are kept: as many as there are responses under way at once where a few clients fetch large
/// ones. Further responses have buffers of their own.
const KEPT: usize = 4;

/// The buffers that were lent, the oldest first, each of which is read into again once none of its bytes is held.
#[derive(Default)]
pub struct ReplyBuffers(Vec<Rc<[u8]>>);

impl ReplyBuffers {
    /// A buffer of [`REPLY_BUFFER`] bytes that is not lent.
    pub(super) fn take(&mut self) -> Rc<[u8]> {
        let mut kept = self.0.iter();
        match kept.position(|buffer| Rc::strong_count(buffer) == 1) {
            Some(free) => self.0.remove(free),
            None => std::iter::repeat_n(0, REPLY_BUFFER).collect(),
        }
    }

    /// Keeps a buffer for the time when its bytes are sent, in the place of the oldest one: a slow reader may hold that
    /// for minutes.
    pub(super) fn keep(&mut self, buffer: Rc<[u8]>) {
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push(buffer);
    }

    /// Number of buffers that are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_once_nobody_holds_it() {
        let mut buffers = ReplyBuffers::default();
        let lent: Vec<_> = (0..KEPT + 2).map(|_| buffers.take()).collect();
        let places: Vec<_> = lent.iter().map(|buffer| buffer.as_ptr()).collect();
        lent.iter().for_each(|buffer| buffers.keep(buffer.clone()));
        assert!(!places.contains(&buffers.take().as_ptr()), "all are held");
        drop(lent);
        let free: Vec<_> = (0..KEPT).map(|_| buffers.take()).collect();
        assert!(free.iter().all(|buffer| places.contains(&buffer.as_ptr())));
        assert!(buffers.0.is_empty());
        assert_eq!(buffers.take().len(), REPLY_BUFFER);
    }

    #[test]
    fn buffers_that_slow_readers_hold_leave_their_places_to_others() {
        let mut buffers = ReplyBuffers::default();
        let slow: Vec<_> = (0..KEPT).map(|_| buffers.take()).collect();
        slow.iter().for_each(|buffer| buffers.keep(buffer.clone()));
        let quick = buffers.take();
        let place = quick.as_ptr();
        buffers.keep(quick);
        assert_eq!(buffers.take().as_ptr(), place);
    }
}
