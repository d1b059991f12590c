//! The helper process: it waits for disks, so that the event loop need not.
//!
//! ```text
//!  event loop ─▶ DescriptorReads ─▶ HelperClient ──task, descriptor──▶ HelperProcess: open, read ahead, hash
//!       ▲                             ▲                                │
//!       └── requests go on ◀──────────┴───answer, file that was opened─┘      over a pair of sockets
//! ```
//!
//! It is the program itself, started once more before the sandbox closes. It is shut in more tightly than the
//! server ([`sandbox::enter_helper`](crate::sandbox::enter_helper)): it reads through descriptors that were passed to it,
//! and opens files beneath the directories of the sites alone, which it is told of at its start. Tasks are done in their
//! order, one after another, and each is bounded, so an answer belongs to the oldest task.
//!
//! A file is opened beneath a root's descriptor that comes with the task, as the server opens it, and its own descriptor
//! goes back with the answer. The server judges it there: a private file is refused as if it had opened it. An error
//! goes back as its number. Where the helper has no right to the file (a root that the settings have named since, a file
//! that one of the server's further groups may read), it has looked the names up all the same, and the server opens the
//! file without a wait for those. It does so as well where no descriptor was free for the one that came.
//!
//! Everything works without it: the server does the work in slices. It does so for each task beyond `MOST_TASKS`, and
//! for all tasks once the helper has ended, or was silent for `SILENCE` twice. The server says so once. It starts no
//! new helper, because by then its sandbox lets it start no program. It cannot wait for a child either, so a helper
//! that ended stays in the list of processes, as a zombie without memory, until the server ends.
//!
//! A helper ends when its server does, because its socket then ends. (A signal at the parent's death,
//! prctl(2), would reach a helper that is stopped too, but the server's own sandbox forbids it: Landlock lets
//! a process send no signal to one outside.) The signals that stop a server, or have
//! it read things again, do nothing to its helper: they reach both where a terminal or a service manager
//! sends them to a group, and responses that are open then still need the helper.
//!
//! A second such process verifies passwords, if a host has basic authentication (`passwords`): on one
//! thread there is no other place for a hash that takes 100 ms on purpose.
//!
//! A third one writes uploads (`writer`): a write waits for as long as a slow disk likes.
//!
//! Other work that blocks begins in `message`, as a variant of its tasks.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod client;
mod duty;
mod error;
mod message;
mod password_hash;
mod passwords;
mod process;
#[cfg(feature = "upload")]
mod writer;

pub use client::HelperClient;
pub use duty::HelperSandbox;
pub use error::HelperError;
pub use password_hash::PasswordHashKind;
pub use passwords::{LONGEST_PASSWORD, PasswordClient};
pub use process::HelperProcess;
#[cfg(feature = "upload")]
pub use writer::{TaskSent, WriterAnswer, WriterClient};

use std::time::Duration;

/// The most tasks that a helper has at a time. Each is 256 KiB of a file that responses wait for, which are
/// 16 MiB together: 4 s of a disk as slow as one is likely to be.
const MOST_TASKS: usize = 64;

/// Time without an answer that a helper with tasks may take, once more after it has passed, because both
/// processes may have been stopped meanwhile. Then a request that it left alone is served in slices, before
/// the stall timeouts of connections.
const SILENCE: Duration = Duration::from_secs(4);
