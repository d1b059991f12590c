//! One descriptor for all who send from the same file, open as long as anybody does.

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;

use crate::world::Files;

/// Where a file's descriptor is while somebody needs it. It has its place for as long as the file is
/// known: one that came and went with the descriptor could, in a crowd, come to lie above what the
/// crowd leaves behind, and keep the allocator from giving that back.
pub(crate) struct FileSlot<F: Files>(Rc<Slot<F>>);

struct Slot<F: Files> {
    file: RefCell<Option<F::File>>,
    shares: Cell<usize>,
}

/// A share in an open file. The last one closes it.
pub struct OpenFile<F: Files>(Rc<Slot<F>>);

impl<F: Files> Default for FileSlot<F> {
    fn default() -> Self {
        FileSlot(Rc::new(Slot {
            file: RefCell::new(None),
            shares: Cell::new(0),
        }))
    }
}

impl<F: Files> FileSlot<F> {
    /// Whether anybody has a share.
    pub(crate) fn is_open(&self) -> bool {
        self.0.shares.get() > 0
    }

    /// A share in the file, if it is open.
    pub(crate) fn share(&self) -> Option<OpenFile<F>> {
        self.is_open().then(|| OpenFile::of(&self.0))
    }

    /// The first share in what was just opened.
    pub(crate) fn open(&self, file: F::File) -> OpenFile<F> {
        self.0.file.replace(Some(file));
        OpenFile::of(&self.0)
    }
}

impl<F: Files> OpenFile<F> {
    /// The only share in a file.
    pub fn new(file: F::File) -> Self {
        FileSlot::default().open(file)
    }

    fn of(slot: &Rc<Slot<F>>) -> Self {
        slot.shares.set(slot.shares.get() + 1);
        OpenFile(slot.clone())
    }

    /// The file.
    pub fn get(&self) -> Ref<'_, F::File> {
        Ref::map(self.0.file.borrow(), |file| {
            file.as_ref().expect("it is open while there are shares")
        })
    }

    /// Whether both are shares in the same file.
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl<F: Files> Clone for OpenFile<F> {
    fn clone(&self) -> Self {
        OpenFile::of(&self.0)
    }
}

impl<F: Files> Drop for OpenFile<F> {
    fn drop(&mut self) {
        let shares = self.0.shares.get() - 1;
        self.0.shares.set(shares);
        if shares == 0 {
            self.0.file.replace(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::memory_files::MemoryFiles;

    #[test]
    fn the_last_share_closes_the_file_and_the_slot_can_be_opened_again() {
        let mut files = MemoryFiles::new();
        files.write("f", "content");
        let slot = FileSlot::<MemoryFiles>::default();
        for _ in 0..2 {
            assert!(slot.share().is_none());
            let (file, metadata) = files.open(b"f").unwrap();
            let first = slot.open(file);
            let second = slot.share().expect("it is open");
            let third = second.clone();
            assert!(first.is(&third));
            drop((first, second));
            assert_eq!(files.metadata(&third.get()).unwrap(), metadata);
            assert!(slot.is_open());
            drop(third);
            assert!(!slot.is_open() && slot.0.file.borrow().is_none());
        }
    }
}
