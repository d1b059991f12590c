//! The supply of descriptors by the system, as it is noticed where files are opened and sockets are made.

use std::cell::Cell;
use std::rc::Rc;

/// Supply of descriptors by the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Supply {
    /// No lack is known.
    #[default]
    Enough,
    /// The system had none, but open files gave theirs, or the lack was over at once.
    Passing,
    /// The system had none, and the reserve was used, or a file or a connection got none.
    Short,
}

/// The note of the worst supply since the last look. The event loop looks at it, reports it and closes
/// connections; its clones are one and the same note.
#[derive(Clone, Debug, Default)]
pub(crate) struct DescriptorSupply(Rc<Cell<Supply>>);

impl DescriptorSupply {
    /// Notes a supply, unless a worse one is noted.
    pub(crate) fn note(&self, supply: Supply) {
        self.0.set(self.0.get().max(supply));
    }

    /// The worst supply since the last call.
    pub(crate) fn take(&self) -> Supply {
        self.0.take()
    }
}
