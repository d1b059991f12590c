//! Descriptors that are kept for want of others.
//!
//! When the system has none left, a request would fail that needs a file, while the connections that have
//! taken them go on. So a few are held back: one is closed for each that is needed then, and they are
//! opened again when connections have made room.

use rustix::fs::{Mode, OFlags, openat};
use std::os::fd::{AsFd, OwnedFd};

/// A file with its three sidecars, of which each is open until the last one is.
const COUNT: usize = 4;

/// The descriptors that are held back.
#[derive(Debug, Default)]
pub(super) struct Spare(Vec<OwnedFd>);

impl Spare {
    /// Closes one; false if none is left.
    pub(super) fn lend(&mut self) -> bool {
        self.0.pop().is_some()
    }

    /// Opens those again that were lent; false if the system has none for that. What they name is of no
    /// importance: the directory that is there anyway.
    pub(super) fn restore(&mut self, directory: impl AsFd) -> bool {
        while self.0.len() < COUNT {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            match openat(&directory, ".", flags, Mode::empty()) {
                Ok(descriptor) => self.0.push(descriptor),
                Err(_) => return false,
            }
        }
        true
    }
}
