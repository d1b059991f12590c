//! The words between a server and the processes that it starts: their name, their arguments, their answers.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg};

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
    /// Opening, reading ahead and hashing.
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

/// Sends a message to the server, and a descriptor with it. False if the system does not take the descriptor: too many
/// are on their way, or its memory is short. Nothing was sent then.
pub(super) fn pass(socket: BorrowedFd<'_>, reply: HelperReply, file: BorrowedFd<'_>) -> bool {
    let bytes = reply.to_bytes();
    let parts = [IoSlice::new(&bytes)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file];
    control.push(SendAncillaryMessage::ScmRights(&files))
        && retry_on_intr(|| sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL)).is_ok()
}
