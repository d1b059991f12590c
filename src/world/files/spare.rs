//! Spare descriptors, for times when the system has no others.
//!
//! If the system has none left, a request for a file would fail, while the connections that have
//! taken them go on. So a few are held back. One is closed for each that is needed then, and they are
//! opened again when connections have made room.

use rustix::fs::{Mode, OFlags, openat};
use std::os::fd::{AsFd, OwnedFd};

/// Number of spare descriptors: for a file with its three sidecars, which are all open until the last
/// one is.
const COUNT: usize = 4;

/// The descriptors that are held back.
#[derive(Debug, Default)]
pub(super) struct Spare(Vec<OwnedFd>);

impl Spare {
    /// Closes a spare descriptor. Returns false if none is left.
    pub(super) fn lend(&mut self) -> bool {
        self.0.pop().is_some()
    }

    /// Opens the lent descriptors again. Returns false if the system has none. They may name anything,
    /// so they name a directory that is open anyway.
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
