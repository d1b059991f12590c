//! Help with files by another process, which may wait for a disk where the event loop must not.

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

/// Names a task that a helper has taken, until its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelpId(pub u32);

/// A helper's answer to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelpAnswer {
    /// The task.
    pub id: HelpId,
    /// Its outcome.
    pub outcome: HelpOutcome,
}

/// The outcome of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelpOutcome {
    /// The bytes were brought into memory.
    Read,
    /// The file was opened: its descriptor comes with the answer.
    Opened,
    /// The file cannot be opened, by this error of the operating system.
    NotOpened(i32),
    /// The name was looked up: as much of the way to it as there is was brought into memory. The file is to be
    /// opened without the helper.
    LookedUp,
    /// The bytes were hashed: the hash of the file from its beginning to the end of the range.
    Hashed(u128),
    /// Reading failed, or the helper is gone. The task is to be done without it.
    Failed,
}

/// A process that does tasks on files and directories that are open here, one after another. Each method returns at
/// once, and a task that the process does not take (`None`) is to be done without it.
pub trait FileHelper: fmt::Debug {
    /// Has bytes of a file brought into memory.
    fn read_ahead(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Option<HelpId>;

    /// Has bytes of a file hashed: from offset 0 on a new hash, from the end of the range before on the
    /// hash of that file.
    fn hash(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Option<HelpId>;

    /// Has a file opened beneath a directory, to be read.
    fn open(&mut self, directory: BorrowedFd<'_>, path: &[u8]) -> Option<HelpId>;

    /// True until it has ended or was given up.
    fn is_running(&self) -> bool;

    /// True if it would take a task now.
    fn takes_tasks(&self) -> bool;

    /// Takes the next answer, with the descriptor of a file that was opened. A helper that ended, or that was silent
    /// for too long, fails all its tasks.
    fn take_answer(&mut self) -> Option<(HelpAnswer, Option<OwnedFd>)>;

    /// True while a task has no answer.
    fn is_open(&self, id: HelpId) -> bool;

    /// Time until [`FileHelper::take_answer`] is to be asked although nothing has come; `None` without a
    /// task.
    fn timeout(&self) -> Option<Duration>;
}

/// A process that verifies passwords, one at a time. Each of its methods returns at once.
pub trait PasswordHelper: fmt::Debug {
    /// Has a password compared with a hash. False if the process is gone.
    fn verify(&mut self, hash: &str, password: &[u8]) -> bool;

    /// Takes the outcome of the password that was given last.
    fn take_outcome(&mut self) -> Option<PasswordOutcome>;
}

/// The outcome of verifying a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordOutcome {
    /// The hash is that of the password.
    Right,
    /// The hash is of another password.
    Wrong,
    /// The process is gone.
    Failed,
}
