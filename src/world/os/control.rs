//! The control socket: by it a new process asks the one that serves for its listeners, and tells it when to
//! go.
//!
//! ```text
//!  new process                                     old process
//!     │ ── listeners? ─────────────────────────────▶ │  serves on
//!     │ ◀──────── addresses, descriptors of all ──── │  serves on
//!     │  settings, site, certificate, sandbox        │  serves on: should the new one fail, nothing
//!     │                                              │  has happened
//!     │ ── serves ─────────────────────────────────▶ │  accepts no more, drains, ends
//! ```
//!
//! The descriptors are of the very sockets that the old process listens on, so connections that wait are in
//! one queue for both, and none is lost. The control socket goes along with the others: its name never
//! vanishes, and later processes find the new one behind it.
//!
//! Both sides are processes of one user (SO_PEERCRED), and the socket's mode is 0600. A process that asks
//! while another one has been given the listeners takes its place: that one is told so, and ends.

mod predecessor;

use super::unix::SocketName;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
pub use predecessor::ControlError;
pub(super) use predecessor::Predecessor;
use rustix::fs::Mode;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    self, AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketAddrUnix, SocketFlags, SocketType, sockopt,
};
use rustix::process::{Uid, geteuid, umask};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The question for the listeners. The number is that of these messages: processes of other versions that
/// do not know it go on as if nothing had been asked.
const QUESTION: &[u8] = b"calmd 1: listeners?";

/// Begins the answer; a line for each listener follows.
const ANSWER: &[u8] = b"calmd 1: listeners\n";

/// Begins the word that the new process serves; a byte for each listener follows, [`TAKEN`] or another one.
const SERVES: &[u8] = b"calmd 1: serves ";

/// A listener that the new process took.
const TAKEN: u8 = b'1';

/// Tells a process that another one has asked after it.
const REPLACED: &[u8] = b"calmd 1: replaced";

/// The most listeners that are handed over. The kernel passes 253 descriptors at once (SCM_MAX_FD), and one
/// is the control socket's.
const MOST_LISTENERS: usize = 252;

/// The longest message from a new process.
const MOST_WORDS: usize = SERVES.len() + MOST_LISTENERS;

/// Processes that may wait to be heard: more than one is rare.
const BACKLOG: i32 = 4;

/// A listener that can be handed over.
pub(super) struct Offer<'l> {
    /// Its socket.
    pub socket: BorrowedFd<'l>,
    /// The addresses by which a newer process may mean it, divided by tabs.
    pub addresses: &'l str,
}

/// The socket by which newer processes ask.
pub(super) struct ControlSocket {
    listener: OwnedFd,
    name: SocketName,
    /// The user that started this process.
    owner: Uid,
    /// The newer process that has asked last.
    asker: Option<OwnedFd>,
}

impl ControlSocket {
    /// Listens at a name where nobody listens.
    pub fn bind(path: &Path) -> io::Result<ControlSocket> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::SEQPACKET;
        let listener = net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
        let before = umask(Mode::from_raw_mode(0o177));
        let bound = net::bind(&listener, &SocketAddrUnix::new(path)?);
        umask(before);
        bound?;
        net::listen(&listener, BACKLOG)?;
        Ok(ControlSocket::new(listener, SocketName::made(path)))
    }

    /// The socket that an older process has handed over.
    pub fn handed_over(listener: OwnedFd, path: &Path) -> ControlSocket {
        ControlSocket::new(listener, SocketName::handed_over(path))
    }

    fn new(listener: OwnedFd, name: SocketName) -> ControlSocket {
        ControlSocket {
            listener,
            name,
            owner: geteuid(),
            asker: None,
        }
    }

    /// Asks the poll for what comes.
    pub fn watch(&self, registry: &Registry, token: Token) -> io::Result<()> {
        watch(&self.listener, registry, token)
    }

    /// Hears what newer processes say, and answers. The listeners that a process has taken over are told by
    /// their numbers, once it serves.
    pub fn hear<'l>(
        &mut self,
        (registry, token): (&Registry, Token),
        offers: impl Fn() -> Vec<Offer<'l>>,
    ) -> Option<Vec<usize>> {
        while let Some(asker) = self.accept() {
            if watch(&asker, registry, token).is_err() {
                continue;
            }
            if let Some(earlier) = self.asker.replace(asker) {
                let _ = net::send(
                    &earlier,
                    REPLACED,
                    SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
                );
            }
        }
        let mut words = [0; MOST_WORDS];
        loop {
            let asker = self.asker.as_ref()?;
            let heard = retry_on_intr(|| net::recv(asker, &mut words[..], RecvFlags::DONTWAIT));
            let len = match heard {
                Err(Errno::AGAIN) => return None,
                Ok((len, _)) => len,
                Err(_) => 0,
            };
            let words = words.get(..len).unwrap_or_default();
            if words == QUESTION {
                if let Err(error) = hand_over(asker, self.listener.as_fd(), &offers()) {
                    log::warn!("a new process cannot be given the listeners: {error}");
                    self.asker = None;
                }
            } else if let Some(taken) = words.strip_prefix(SERVES) {
                let taken = taken.iter().enumerate();
                return Some(
                    taken
                        .filter(|(_, byte)| **byte == TAKEN)
                        .map(|(index, _)| index)
                        .collect(),
                );
            } else {
                log::warn!(
                    "a new process asked for the listeners and does not serve: this one goes on"
                );
                self.asker = None;
            }
        }
    }

    /// The name in the file system, to take it over or to leave it to another process.
    pub fn name(&mut self) -> &mut SocketName {
        &mut self.name
    }

    /// Takes the socket out of the poll.
    pub fn forget(&self, registry: &Registry) {
        // Closing alone does not, since the newer process has the socket as well.
        let _ = registry.deregister(&mut SourceFd(&self.listener.as_raw_fd()));
    }

    /// The next process of our user that has come.
    fn accept(&self) -> Option<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        loop {
            let asker = retry_on_intr(|| net::accept_with(&self.listener, flags)).ok()?;
            match sockopt::socket_peercred(&asker) {
                Ok(peer) if peer.uid == self.owner => return Some(asker),
                Ok(peer) => log::warn!(
                    "the user {} asked for the listeners, and is refused: this server is of the user {}; start both as one user",
                    peer.uid.as_raw(),
                    self.owner.as_raw()
                ),
                Err(error) => {
                    log::warn!("a process that asks for the listeners is refused: {error}")
                }
            }
        }
    }
}

fn watch(socket: &OwnedFd, registry: &Registry, token: Token) -> io::Result<()> {
    registry.register(
        &mut SourceFd(&socket.as_raw_fd()),
        token,
        Interest::READABLE,
    )
}

/// Answers the question for the listeners.
fn hand_over(asker: &OwnedFd, control: BorrowedFd<'_>, offers: &[Offer<'_>]) -> io::Result<()> {
    let mut answer = ANSWER.to_vec();
    for offer in offers {
        answer.extend_from_slice(offer.addresses.as_bytes());
        answer.push(b'\n');
    }
    let sockets = offers.iter().map(|offer| offer.socket);
    let sockets: Vec<BorrowedFd<'_>> = std::iter::once(control).chain(sockets).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_LISTENERS + 1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if offers.len() > MOST_LISTENERS || !rights.push(SendAncillaryMessage::ScmRights(&sockets)) {
        let reason = format!("there are more than {MOST_LISTENERS}");
        return Err(io::Error::other(reason));
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    retry_on_intr(|| net::sendmsg(asker, &[IoSlice::new(&answer)], &mut rights, flags))?;
    Ok(())
}
