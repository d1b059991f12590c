//! The outcome of one read of content.

/// What a read achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to come.
    More,
    /// All bytes were given.
    End,
    /// Nothing right now; more later.
    Waiting,
    /// Nothing before the disk has brought it, which it was asked for.
    Cold,
}
