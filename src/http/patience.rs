//! Patience with slow peers, which both versions of the protocol are told.

/// Patience with a peer that takes or sends too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// There is room for everybody: the slow timeout holds.
    Ample,
    /// Memory, descriptors or places are short, and others wait for them: the stall timeout holds.
    Short,
}
