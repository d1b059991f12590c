//! The descriptors of all files that responses are sent from. Their number is limited.
//!
//! A response needs its file open only while bytes of it can be sent. If the limit is reached, or the
//! system has no more descriptors, the clock algorithm closes one that was not used for long. The next
//! response that needs that file opens it again. So stalled readers take no descriptor from others.
//!
//! A file that no response needs any more rests: it stays open for [`REST`], because the next request for
//! it may come soon, and reading from an open file costs half of opening it again.

use std::cell::{Cell, RefCell, RefMut};
use std::io;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use slab::Slab;

use super::cold_names::ColdNames;
use super::supply::{DescriptorSupply, Supply};
use crate::world::{Files, Metadata};

/// An owner of a descriptor that can be taken back.
pub(crate) trait Reclaimable {
    /// True if the descriptor was used since the last call.
    fn take_use(&self) -> bool;

    /// True if the file is open and no response needs it.
    fn rests(&self) -> bool;

    /// Closes the descriptor, if it is open and no read is going on with it. Returns true if it was
    /// closed.
    fn close(&self) -> bool;
}

/// Number of open files for which the table has room from the start. A table that grew in a crowd would
/// lie above all memory that the crowd leaves behind, and keep the allocator from giving that back.
const ROOM: usize = 256;

/// Time after which a file that rests is closed, at the earliest. With up to [`MOST_LOOKED_AT`] files, it is
/// closed after twice that time at the latest, and a deleted file takes its place on the disk no longer.
const REST: Duration = Duration::from_secs(1);

/// The most files that are looked at in one go for those that have rested long enough: some 20 µs.
const MOST_LOOKED_AT: usize = 1_024;

/// The tree of one host, and its part of the table of open files.
pub(crate) struct OpenFiles<F: Files, T> {
    tree: RefCell<F>,
    table: Rc<DescriptorTable<T, F::Opening>>,
    /// The first host's, whose tree keeps the spare descriptors; `None` for that host itself.
    first: RefCell<Option<Rc<OpenFiles<F, T>>>>,
}

/// The descriptors of all hosts, and the names of the request that one of them is answering.
struct DescriptorTable<T, O> {
    slots: RefCell<Slab<Weak<T>>>,
    /// The next place that the hand of the clock looks at.
    hand: Cell<usize>,
    most: usize,
    supply: RefCell<DescriptorSupply>,
    /// True if a file may rest.
    resting: Cell<bool>,
    /// The next place that is looked at for a file that has rested.
    broom: Cell<usize>,
    /// Number of places that were looked at since a file was found, or began, to rest.
    swept: Cell<usize>,
    /// Time of the last look.
    looked: Cell<Option<Instant>>,
    /// The names that the request which is being answered waits for; `None` while files are opened at any cost.
    cold: RefCell<Option<ColdNames<O>>>,
    /// The names that the request which is about to be asked for again has waited for, and the time at which it is
    /// asked for.
    awaited: RefCell<Option<(Instant, ColdNames<O>)>>,
}

impl<F: Files, T: Reclaimable> OpenFiles<F, T> {
    /// A tree without open files, for at most `most`.
    pub(crate) fn new(tree: F, most: usize) -> Rc<Self> {
        Rc::new(OpenFiles {
            tree: RefCell::new(tree),
            table: Rc::new(DescriptorTable {
                slots: RefCell::new(Slab::with_capacity(most.min(ROOM))),
                hand: Cell::new(0),
                most: most.max(1),
                supply: RefCell::default(),
                resting: Cell::new(false),
                broom: Cell::new(0),
                swept: Cell::new(0),
                looked: Cell::new(None),
                cold: RefCell::new(None),
                awaited: RefCell::new(None),
            }),
            first: RefCell::default(),
        })
    }

    /// Another tree, whose open files count among those of `first`.
    pub(crate) fn beside(first: &Rc<Self>, tree: F) -> Rc<Self> {
        Rc::new(OpenFiles {
            tree: RefCell::new(tree),
            table: first.table.clone(),
            first: RefCell::new(Some(first.clone())),
        })
    }

    /// Has the spare descriptors of `first` lent where those of a former first tree were.
    pub(crate) fn join(&self, first: &Rc<Self>) {
        self.first.replace(Some(first.clone()));
    }

    /// Exchanges the trees of both: what is open stays in its place.
    pub(crate) fn swap_trees(&self, other: &Self) {
        self.tree.swap(&other.tree);
    }

    /// Has no other tree lend descriptors any more.
    pub(crate) fn lead(&self) {
        self.first.replace(None);
    }

    /// A tree that takes the place of `first`, with the descriptors that it had. Its own spare ones are opened with
    /// the next look at the supply.
    pub(crate) fn instead_of(first: &Rc<Self>, tree: F) -> Rc<Self> {
        Rc::new(OpenFiles {
            tree: RefCell::new(tree),
            table: first.table.clone(),
            first: RefCell::default(),
        })
    }

    /// The tree, for one call.
    pub(crate) fn tree(&self) -> RefMut<'_, F> {
        self.tree.borrow_mut()
    }

    /// True if the request that is asked for at this time has waited for names.
    pub(crate) fn has_awaited(&self, now: Instant) -> bool {
        let awaited = self.table.awaited.borrow();
        awaited.as_ref().is_some_and(|(at, _)| *at == now)
    }

    /// Has openings that would wait for a disk fail from here on, but for those that were waited for, and but for all
    /// others where no helper takes a task.
    pub(crate) fn shun_waits(&self, now: Instant, is_helped: bool) {
        // Names of a request that was not asked for again are dropped.
        let awaited = self.table.awaited.take().filter(|(at, _)| *at == now);
        let mut names = awaited.map(|(_, names)| names).unwrap_or_default();
        names.may_wait(is_helped);
        self.table.cold.replace(Some(names));
    }

    /// Has files opened at any cost from here on. Returns the names to wait for, if an opening has failed for one.
    pub(crate) fn bear_waits(&self) -> Option<ColdNames<F::Opening>> {
        self.table.cold.take().filter(ColdNames::is_wanting)
    }

    /// Hands over the names that were waited for by the request that is asked for next, at this time.
    pub(crate) fn note_awaited(&self, now: Instant, names: ColdNames<F::Opening>) {
        self.table.awaited.replace(Some((now, names)));
    }

    /// Opens a path. If descriptors are short, another file gives its own.
    pub(crate) fn open(&self, path: &[u8]) -> io::Result<(F::File, Metadata)> {
        loop {
            let opened = match &mut *self.table.cold.borrow_mut() {
                Some(names) => names.open(&mut *self.tree(), path),
                None => self.tree().open(path),
            };
            match opened {
                Err(error) if is_descriptor_limit(&error) => {
                    let supply = self.table.supply.borrow();
                    supply.note(Supply::Passing);
                    if !self.table.close_one() {
                        let first = self.first.borrow();
                        let keeper = first.as_deref().unwrap_or(self);
                        if !keeper.tree().lend_descriptor() {
                            return Err(error);
                        }
                        supply.note(Supply::Short);
                    }
                }
                opened => return opened,
            }
        }
    }

    /// Has a request that is about to wait for a name wait for this one as well.
    pub(crate) fn want_too(&self, path: &[u8]) {
        if let Some(names) = &mut *self.table.cold.borrow_mut() {
            names.want_too(path);
        }
    }

    /// Makes room for one more file and enters it. Returns its place.
    pub(super) fn enter(&self, slot: &Rc<T>) -> usize {
        let table = &self.table;
        while table.slots.borrow().len() >= table.most && table.close_one() {}
        table.slots.borrow_mut().insert(Rc::downgrade(slot))
    }

    /// Removes a file that was closed.
    pub(super) fn leave(&self, place: usize) {
        self.table.slots.borrow_mut().try_remove(place);
    }

    /// Notes that a file of the table rests.
    pub(super) fn note_rest(&self) {
        self.table.resting.set(true);
        self.table.swept.set(0);
    }

    /// Closes files that have rested for long enough.
    pub(crate) fn close_rested(&self, now: Instant) {
        if self.until_rested(now) == Some(Duration::ZERO) {
            self.table.looked.set(Some(now));
            self.table.close_rested();
        }
    }

    /// Time until [`OpenFiles::close_rested`] has something to do; `None` while no file rests.
    pub(crate) fn until_rested(&self, now: Instant) -> Option<Duration> {
        let table = &self.table;
        table.resting.get().then(|| match table.looked.get() {
            Some(looked) => REST.saturating_sub(now.saturating_duration_since(looked)),
            None => Duration::ZERO,
        })
    }

    /// The note of the supply of descriptors, for others who need some.
    #[cfg(any(feature = "proxy", feature = "upload"))]
    pub(crate) fn supply(&self) -> DescriptorSupply {
        self.table.supply.borrow().clone()
    }

    /// Has lacks of descriptors noted here from now on.
    #[cfg(feature = "upload")]
    pub(crate) fn note_supply_in(&self, supply: DescriptorSupply) {
        self.table.supply.replace(supply);
    }

    /// The supply of descriptors since the last call. The first host's is that of all.
    pub(crate) fn take_supply(&self) -> Supply {
        if self.tree().restore_descriptors() {
            self.table.supply.borrow().take()
        } else {
            Supply::Short
        }
    }

    /// The number of files of all hosts that are open.
    pub(crate) fn count(&self) -> usize {
        self.table.slots.borrow().len()
    }
}

impl<T: Reclaimable, O> DescriptorTable<T, O> {
    /// Closes files that rest and were not used since the last look. No file rests any more once all places
    /// were looked at without finding one.
    fn close_rested(&self) {
        let places = self.slots.borrow().capacity();
        for _ in 0..places.min(MOST_LOOKED_AT) {
            let at = self.broom.get();
            self.broom.set((at + 1) % places);
            let slot = self.slots.borrow().get(at).and_then(Weak::upgrade);
            let rests = slot.is_some_and(|slot| slot.rests() && (slot.take_use() || !slot.close()));
            self.swept.set(if rests { 0 } else { self.swept.get() + 1 });
        }
        if self.swept.get() >= places {
            self.resting.set(false);
        }
    }

    /// Closes a file that was not used for long. Returns false if none can be closed.
    fn close_one(&self) -> bool {
        // The hand goes round twice, because the first round may find only files that were used.
        let visits = 2 * self.slots.borrow().capacity();
        for _ in 0..visits {
            let at = self.hand.get();
            self.hand.set((at + 1) % self.slots.borrow().capacity());
            let slot = self.slots.borrow().get(at).and_then(Weak::upgrade);
            if slot.is_some_and(|slot| !slot.take_use() && slot.close()) {
                return true;
            }
        }
        false
    }
}

/// True if no descriptor is left, for this process or for the whole machine.
pub(crate) fn is_descriptor_limit(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}
