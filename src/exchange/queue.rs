//! A queue that leaves no memory of a crowd behind.
//!
//! Its two rings are one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).
//!
//! Room for [`ROOM`] values is kept from the start. Values beyond that lie in a second ring, which is
//! given back as soon as it is empty. One ring that grew in a crowd, and shrank after it, would lie
//! above all memory that the crowd leaves behind, and keep the allocator from giving that back.

use std::collections::VecDeque;

/// Capacity of the permanent ring.
const ROOM: usize = 256;

/// A first-in, first-out queue.
pub struct Queue<T> {
    /// The permanent ring: the first values, at most [`ROOM`].
    first: VecDeque<T>,
    /// The second ring: the values behind them. It is empty while the permanent ring has room.
    rest: VecDeque<T>,
}

impl<T> Queue<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Queue {
            first: VecDeque::with_capacity(ROOM),
            rest: VecDeque::new(),
        }
    }

    /// True if no value waits.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The number of values.
    #[cfg(feature = "proxy")]
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// The first value.
    pub fn front(&self) -> Option<&T> {
        self.first.front()
    }

    /// The values, the first first.
    #[cfg(debug_assertions)]
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }

    /// Adds a value behind all others.
    pub fn push_back(&mut self, value: T) {
        if self.first.len() < ROOM {
            self.first.push_back(value);
        } else {
            self.rest.push_back(value);
        }
    }

    /// Removes the first value, if it is wanted.
    pub fn pop_front_if(&mut self, is_wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        if self.front().is_some_and(is_wanted) {
            self.pop_front()
        } else {
            None
        }
    }

    /// Removes the first value.
    #[inline]
    pub fn pop_front(&mut self) -> Option<T> {
        let popped = self.first.pop_front();
        if !self.rest.is_empty() {
            self.fill_up();
        }
        popped
    }

    /// Moves a value to the place that has become free in the permanent ring.
    #[cold]
    fn fill_up(&mut self) {
        self.first.extend(self.rest.pop_front());
        if self.rest.is_empty() {
            self.rest = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_come_in_their_order_and_the_room_of_many_is_given_back() {
        let mut queue = Queue::new();
        let place = queue.first.as_slices().0.as_ptr();
        let (mut pushed, mut popped) = (0, 0);
        for crowd in [3, 10 * ROOM, 0, ROOM + 1, 2] {
            while pushed - popped < crowd {
                queue.push_back(pushed);
                pushed += 1;
            }
            while pushed - popped > crowd / 3 {
                assert_eq!(queue.front(), Some(&popped));
                assert_eq!(queue.pop_front(), Some(popped));
                popped += 1;
            }
        }
        assert_eq!(queue.is_empty(), pushed == popped);
        assert_eq!(queue.rest.capacity(), 0);
        assert_eq!(queue.first.capacity(), ROOM);
        while queue.pop_front().is_some() {}
        assert!(queue.is_empty() && queue.front().is_none());
        // The ring may have wrapped around.
        queue.first.clear();
        assert_eq!(queue.first.as_slices().0.as_ptr(), place);
    }
}
