//! The descriptors of all files that responses are sent from, of which there are at most so many.
//!
//! A response needs its file open only while bytes of it can be sent. When there are as many descriptors as
//! there may be, or the system has no more, the one that was not used for longest is closed, as the clock
//! algorithm finds it; whoever needs it next opens the file again. So readers that have stalled keep no
//! descriptor from anybody.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};

use rustix::io::Errno;
use slab::Slab;

use super::open_file::Slot;
use crate::world::{Files, Metadata};

/// The table of files that are open.
pub(crate) struct OpenFiles<F: Files> {
    slots: RefCell<Slab<Weak<Slot<F>>>>,
    /// The next place that the clock's hand looks at.
    hand: Cell<usize>,
    most: usize,
    supply: Cell<Supply>,
}

/// Whether the system has descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Supply {
    /// As far as is known.
    Enough,
    /// It said that there are none, and files that are open gave theirs or it was for a moment.
    Passing,
    /// It said that there are none, and some were taken from the reserve.
    Short,
}

impl<F: Files> OpenFiles<F> {
    /// No file is open, and at most so many will be.
    pub(crate) fn new(most: usize) -> Rc<Self> {
        Rc::new(OpenFiles {
            slots: RefCell::new(Slab::new()),
            hand: Cell::new(0),
            most: most.max(1),
            supply: Cell::new(Supply::Enough),
        })
    }

    /// Opens a path, if need be with the descriptor of another file.
    pub(crate) fn open(&self, files: &mut F, path: &[u8]) -> io::Result<(F::File, Metadata)> {
        loop {
            match files.open(path) {
                Err(error) if is_descriptor_limit(&error) => {
                    self.supply.set(self.supply.get().max(Supply::Passing));
                    if !self.close_one() {
                        if !files.lend_descriptor() {
                            return Err(error);
                        }
                        self.supply.set(Supply::Short);
                    }
                }
                opened => return opened,
            }
        }
    }

    /// Makes room for one more file and enters it; returns its place.
    pub(super) fn enter(&self, slot: &Rc<Slot<F>>) -> usize {
        while self.slots.borrow().len() >= self.most && self.close_one() {}
        self.slots.borrow_mut().insert(Rc::downgrade(slot))
    }

    /// A file was closed.
    pub(super) fn leave(&self, place: usize) {
        self.slots.borrow_mut().try_remove(place);
    }

    /// Says whether descriptors have run out since this was last asked.
    pub(crate) fn take_supply(&self, files: &mut F) -> Supply {
        match files.restore_descriptors() {
            true => self.supply.replace(Supply::Enough),
            false => Supply::Short,
        }
    }

    /// Closes the file that was not used for longest; false if none is open.
    fn close_one(&self) -> bool {
        // Twice round: the first time may only find files that were used.
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

    /// The number of files that are open.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.slots.borrow().len()
    }
}

/// Whether no descriptor is left, for this process or for the whole machine.
pub(crate) fn is_descriptor_limit(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}
