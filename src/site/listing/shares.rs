//! The memory of all listings that are being sent. When it is short, the listing that was not read for
//! longest is dropped. So a client with twenty listings that it does not read cannot keep others from
//! theirs.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// The most bytes of memory of all listings: one of the largest, or dozens that hold a page each.
pub(super) const MEMORY: usize = 10 << 20;

/// Memory that is worth telling the allocator of when it is free again.
const MUCH: usize = 256 << 10;

/// The listings that are being sent, each of which holds a `T`.
pub(crate) struct ListingShares<T>(Rc<ShareTable<T>>);

struct ShareTable<T> {
    holders: RefCell<Vec<Weak<Holder<T>>>>,
    total: Cell<usize>,
    /// The largest total since nothing was held.
    peak: Cell<usize>,
    /// Counts the reads, so that the order of two reads is known.
    clock: Cell<u64>,
}

struct Holder<T> {
    content: RefCell<Option<T>>,
    bytes: Cell<usize>,
    read: Cell<u64>,
}

/// One listing's part of the memory.
pub(crate) struct Share<T> {
    holder: Rc<Holder<T>>,
    table: Rc<ShareTable<T>>,
}

impl<T> Clone for ListingShares<T> {
    fn clone(&self) -> Self {
        ListingShares(Rc::clone(&self.0))
    }
}

impl<T> Default for ListingShares<T> {
    fn default() -> Self {
        ListingShares(Rc::new(ShareTable {
            holders: RefCell::default(),
            total: Cell::new(0),
            peak: Cell::new(0),
            clock: Cell::new(0),
        }))
    }
}

impl<T> ListingShares<T> {
    /// True once after much memory was held and all of it is free.
    pub(crate) fn take_freed(&self) -> bool {
        self.0.total.get() == 0 && self.0.peak.replace(0) > MUCH
    }

    /// A share for one more listing. Its memory is counted from the first time that its content is put
    /// back.
    pub(crate) fn join(&self) -> Share<T> {
        let holder = Rc::new(Holder {
            content: RefCell::new(None),
            bytes: Cell::new(0),
            read: Cell::new(self.0.tick()),
        });
        self.0.holders.borrow_mut().push(Rc::downgrade(&holder));
        Share {
            holder,
            table: Rc::clone(&self.0),
        }
    }
}

impl<T> ShareTable<T> {
    fn tick(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    fn set(&self, holder: &Holder<T>, bytes: usize) {
        let others = self.total.get().saturating_sub(holder.bytes.get());
        self.total.set(others + bytes);
        self.peak.set(self.peak.get().max(others + bytes));
        holder.bytes.set(bytes);
    }

    /// Drops the content of the listing that was not read for longest. Returns false if no listing has
    /// content.
    fn displace(&self) -> bool {
        let mut holders = self.holders.borrow_mut();
        holders.retain(|holder| holder.strong_count() > 0);
        let holding = holders.iter().filter_map(Weak::upgrade);
        let holding = holding.filter(|holder| holder.bytes.get() > 0);
        let Some(stalled) = holding.min_by_key(|holder| holder.read.get()) else {
            return false;
        };
        stalled.content.borrow_mut().take();
        self.set(&stalled, 0);
        true
    }
}

impl<T> Share<T> {
    /// Takes the content out to work on it; `None` if its memory was given to other listings.
    pub(crate) fn take(&self) -> Option<T> {
        self.holder.read.set(self.table.tick());
        self.holder.content.borrow_mut().take()
    }

    /// Puts the content back, which takes `bytes` of memory now. If that is too much for all listings,
    /// others are dropped. If it is still too much, the content itself is dropped.
    pub(crate) fn put_back(&self, content: T, bytes: usize) {
        self.table.set(&self.holder, 0);
        while self.table.total.get() + bytes > MEMORY {
            if !self.table.displace() {
                return;
            }
        }
        self.table.set(&self.holder, bytes);
        *self.holder.content.borrow_mut() = Some(content);
    }
}

impl<T> Drop for Share<T> {
    fn drop(&mut self) {
        self.table.set(&self.holder, 0);
        if self.table.holders.borrow().len() > 64 {
            let mut holders = self.table.holders.borrow_mut();
            holders.retain(|holder| holder.strong_count() > 0 && !is(holder, &self.holder));
        }
    }
}

fn is<T>(weak: &Weak<Holder<T>>, holder: &Rc<Holder<T>>) -> bool {
    std::ptr::eq(weak.as_ptr(), Rc::as_ptr(holder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listing_that_was_not_read_for_longest_makes_room() {
        let shares = ListingShares::default();
        let third = MEMORY / 3;
        let parts: Vec<Share<u8>> = (0..3).map(|_| shares.join()).collect();
        for part in &parts {
            part.put_back(7, third);
        }
        let first = parts[0].take().unwrap();
        parts[0].put_back(first, third);
        let newcomer = shares.join();
        newcomer.put_back(8, third);
        assert_eq!(parts[1].take(), None);
        assert_eq!(parts[0].take(), Some(7));
        assert_eq!(newcomer.take(), Some(8));
    }

    #[test]
    fn memory_is_given_back_with_the_listing() {
        let shares = ListingShares::default();
        for _ in 0..200 {
            let part: Share<u8> = shares.join();
            part.put_back(7, MEMORY);
        }
        assert_eq!(shares.0.total.get(), 0);
        assert!(shares.0.holders.borrow().len() <= 65);
        assert!(shares.take_freed() && !shares.take_freed());
        let part: Share<u8> = shares.join();
        part.put_back(7, MEMORY + 1);
        assert_eq!(part.take(), None);
    }
}
