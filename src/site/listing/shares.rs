//! The memory of all listings that are being sent. When it is short, the listing that was not read for
//! longest is dropped. So a client with twenty listings that it does not read cannot keep others from
//! theirs. Responses that began within a few milliseconds of one another read one listing.
//!
//! A few directories stay open from one read to the next, because opening one again costs as much as reading dozens of
//! names. A directory that was not read for [`IDLE`] is closed, and so is the one that was not read for longest where
//! more than [`MOST_OPEN`] would be open.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// The most bytes of memory of all listings: one of the largest, or dozens that hold a page each.
pub(super) const MEMORY: usize = 10 << 20;

/// The most directories that are open between two reads: as many as the descriptors that are kept for files.
const MOST_OPEN: usize = 4;

/// Time between two looks for directories that were not read meanwhile. A response that is being sent reads on within
/// a millisecond.
const IDLE: Duration = Duration::from_millis(20);

/// Memory that is worth telling the allocator of when it is free again.
const MUCH: usize = 256 << 10;

/// The listings that are being sent, each of which holds a `T`.
pub(crate) struct ListingShares<T>(Rc<ShareTable<T>>);

/// The content of a listing.
pub(crate) trait SharedContent {
    /// Memory that it takes, in bytes.
    fn bytes(&self) -> usize;

    /// True if it holds a descriptor.
    fn is_open(&self) -> bool;

    /// Gives its descriptor up.
    fn close(&mut self);
}

struct ShareTable<T> {
    holders: RefCell<Vec<Weak<Holder<T>>>>,
    /// Those that hold a descriptor, in the order of their last reads.
    open: RefCell<Vec<Weak<Holder<T>>>>,
    /// The time of the last look for directories that were not read, and the value of `clock` then.
    looked: Cell<Option<(Instant, u64)>>,
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
    table: Rc<ShareTable<T>>,
}

/// One listing's part of the memory. Clones have the part together.
pub(crate) struct Share<T>(Rc<Holder<T>>);

impl<T> Clone for Share<T> {
    fn clone(&self) -> Self {
        Share(Rc::clone(&self.0))
    }
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
            open: RefCell::default(),
            looked: Cell::new(None),
            total: Cell::new(0),
            peak: Cell::new(0),
            clock: Cell::new(0),
        }))
    }
}

impl<T: SharedContent> ListingShares<T> {
    /// Closes directories that were not read since the last look.
    pub(crate) fn close_idle(&self, now: Instant) {
        if self.until_idle(now) != Some(Duration::ZERO) {
            return;
        }
        let table = &self.0;
        let last = table.looked.replace(Some((now, table.clock.get())));
        let mut open = table.open.borrow_mut();
        open.retain(|holder| match (holder.upgrade(), last) {
            (Some(holder), Some((_, clock))) if holder.read.get() <= clock => {
                holder.close();
                false
            }
            (holder, _) => holder.is_some(),
        });
    }

    /// Time until [`ListingShares::close_idle`] has something to do; `None` while no directory is open.
    pub(crate) fn until_idle(&self, now: Instant) -> Option<Duration> {
        if self.0.open.borrow().is_empty() {
            return None;
        }
        Some(match self.0.looked.get() {
            Some((looked, _)) => IDLE.saturating_sub(now.saturating_duration_since(looked)),
            None => Duration::ZERO,
        })
    }

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
            table: Rc::clone(&self.0),
        });
        self.0.holders.borrow_mut().push(Rc::downgrade(&holder));
        Share(holder)
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

impl<T: SharedContent> ShareTable<T> {
    /// Notes that a listing may hold a descriptor, as the one that was read last.
    fn note_open(&self, holder: &Rc<Holder<T>>, is_open: bool) {
        let mut open = self.open.borrow_mut();
        open.retain(|other| {
            other.strong_count() > 0 && !std::ptr::eq(other.as_ptr(), &raw const **holder)
        });
        if !is_open {
            return;
        }
        if open.len() == MOST_OPEN
            && let Some(oldest) = open.remove(0).upgrade()
        {
            oldest.close();
        }
        open.push(Rc::downgrade(holder));
    }
}

impl<T: SharedContent> Holder<T> {
    fn close(&self) {
        if let Some(content) = &mut *self.content.borrow_mut() {
            content.close();
        }
    }
}

impl<T: SharedContent> Share<T> {
    /// Takes the content out to work on it; `None` if its memory was given to other listings.
    pub(crate) fn take(&self) -> Option<T> {
        self.0.read.set(self.0.table.tick());
        self.0.content.borrow_mut().take()
    }

    /// True if the content is there to be taken.
    pub(crate) fn is_held(&self) -> bool {
        self.0.content.borrow().is_some()
    }

    /// Puts the content back. If it takes too much memory for all listings, others are dropped. If it is still
    /// too much, the content itself is dropped.
    pub(crate) fn put_back(&self, content: T) {
        let table = &self.0.table;
        let bytes = content.bytes();
        table.note_open(&self.0, content.is_open());
        table.set(&self.0, 0);
        while table.total.get() + bytes > MEMORY {
            if !table.displace() {
                return;
            }
        }
        table.set(&self.0, bytes);
        *self.0.content.borrow_mut() = Some(content);
    }
}

impl<T> Drop for Holder<T> {
    fn drop(&mut self) {
        self.table.set(self, 0);
        let mut holders = self.table.holders.borrow_mut();
        if holders.len() > 64 {
            holders.retain(|holder| holder.strong_count() > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listing of so many bytes.
    #[derive(Debug, PartialEq, Eq)]
    struct TestContent {
        bytes: usize,
        is_open: bool,
    }

    impl SharedContent for TestContent {
        fn bytes(&self) -> usize {
            self.bytes
        }

        fn is_open(&self) -> bool {
            self.is_open
        }

        fn close(&mut self) {
            self.is_open = false;
        }
    }

    fn closed(bytes: usize) -> TestContent {
        TestContent {
            bytes,
            is_open: false,
        }
    }

    fn open() -> TestContent {
        TestContent {
            bytes: 1,
            is_open: true,
        }
    }

    #[test]
    fn the_listing_that_was_not_read_for_longest_makes_room() {
        let shares = ListingShares::default();
        let third = MEMORY / 3;
        let parts: Vec<Share<TestContent>> = (0..3).map(|_| shares.join()).collect();
        for part in &parts {
            part.put_back(closed(third));
        }
        let first = parts[0].take().unwrap();
        parts[0].put_back(first);
        let newcomer = shares.join();
        newcomer.put_back(closed(third - 1));
        assert_eq!(parts[1].take(), None);
        assert_eq!(parts[0].take(), Some(closed(third)));
        assert_eq!(newcomer.take(), Some(closed(third - 1)));
    }

    #[test]
    fn responses_that_share_a_listing_hold_it_until_the_last_of_them_has_gone() {
        let shares = ListingShares::default();
        let first: Share<TestContent> = shares.join();
        let second = first.clone();
        first.put_back(closed(100));
        drop(first);
        assert_eq!((shares.0.total.get(), second.is_held()), (100, true));
        assert_eq!(
            (second.take(), second.is_held()),
            (Some(closed(100)), false)
        );
        drop(second);
        assert_eq!(shares.0.total.get(), 0);
    }

    #[test]
    fn memory_is_given_back_with_the_listing() {
        let shares = ListingShares::default();
        for _ in 0..200 {
            let part: Share<TestContent> = shares.join();
            part.put_back(closed(MEMORY));
        }
        assert_eq!(shares.0.total.get(), 0);
        assert!(shares.0.holders.borrow().len() <= 65);
        assert!(shares.take_freed() && !shares.take_freed());
        let part: Share<TestContent> = shares.join();
        part.put_back(closed(MEMORY + 1));
        assert_eq!(part.take(), None);
    }

    #[test]
    fn a_few_directories_are_open_and_the_one_that_was_not_read_for_longest_is_closed() {
        let shares = ListingShares::default();
        let parts: Vec<Share<TestContent>> = (0..MOST_OPEN).map(|_| shares.join()).collect();
        parts.iter().for_each(|part| part.put_back(open()));
        let first = parts[0].take().unwrap();
        parts[0].put_back(first);
        for _ in 0..3 {
            // It goes with its listing, and takes the place of one only.
            shares.join().put_back(open());
        }
        let is_open =
            |part: &Share<TestContent>| part.take().is_some_and(|content| content.is_open);
        let found: Vec<bool> = parts.iter().map(is_open).collect();
        assert_eq!(found, [true, false, true, true]);
    }

    #[test]
    fn a_directory_that_nobody_reads_is_closed_after_40_ms_at_the_latest() {
        let shares = ListingShares::default();
        let now = Instant::now();
        assert_eq!(shares.until_idle(now), None);
        let (stalled, busy): (Share<TestContent>, Share<TestContent>) =
            (shares.join(), shares.join());
        stalled.put_back(open());
        for look in 0..=2 {
            busy.take();
            busy.put_back(open());
            let now = now + look * IDLE;
            assert_eq!(shares.until_idle(now), Some(Duration::ZERO));
            shares.close_idle(now);
            assert_eq!(shares.until_idle(now), Some(IDLE));
        }
        let stalled = stalled.take().unwrap();
        assert!(!stalled.is_open && busy.take().unwrap().is_open);
        // One that has ended leaves nothing to look for.
        busy.put_back(closed(1));
        assert_eq!(shares.until_idle(now), None);
    }
}
