//! The words between a server and the processes that it starts: their name, their arguments, their answers.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendFlags, send};

use super::message::HelperReply;

/// Name by which a server starts its helper, which lists of processes show.
pub(super) const NAME: &str = "calmd-helper";

/// Rights that a helper gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperSandbox {
    /// All that it does not need.
    On,
    /// None: the operator wants no sandbox.
    Off,
}

impl HelperSandbox {
    pub(super) fn argument(self) -> &'static str {
        match self {
            HelperSandbox::On => "confined",
            HelperSandbox::Off => "unconfined",
        }
    }
}

/// Tasks that a helper is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HelperDuty {
    /// Reading ahead and hashing.
    Files,
    /// Verifying passwords.
    Passwords,
    /// Writing uploads.
    #[cfg(feature = "upload")]
    Uploads,
}

impl HelperDuty {
    pub(super) fn argument(self) -> &'static str {
        match self {
            HelperDuty::Files => "files",
            HelperDuty::Passwords => "passwords",
            #[cfg(feature = "upload")]
            HelperDuty::Uploads => "uploads",
        }
    }
}

/// Sends a message to the server.
pub(super) fn answer(socket: BorrowedFd<'_>, reply: HelperReply) -> io::Result<()> {
    let bytes = reply.to_bytes();
    match retry_on_intr(|| send(socket, &bytes, SendFlags::NOSIGNAL)) {
        // The server has ended, which the next message tells as well.
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
