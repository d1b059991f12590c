//! The outcome of one read of content.

/// Result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are to come.
    More,
    /// All bytes were given.
    End,
    /// No bytes now, more later.
    Waiting,
    /// No bytes until the disk has brought them, which it was asked for.
    Cold,
    /// No bytes yet: a part of the work for them was done, and the next part is for another turn.
    Unfinished,
}
