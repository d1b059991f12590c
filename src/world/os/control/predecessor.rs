//! The side of a new process: it asks the one that serves, and tells it in the end that it may go.

use super::{ANSWER, MOST_LISTENERS, QUESTION, REPLACED, SERVES, TAKEN};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags,
    SocketAddrUnix, SocketFlags, SocketType, sockopt,
};
use rustix::process::geteuid;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Time for the process that serves to answer. Its loop turns in milliseconds; one that is stopped or stuck
/// does not come back by waiting.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Room for an answer: a line for each listener with two addresses, of which the longest are paths of 107
/// bytes, most of them far shorter.
const ANSWER_ROOM: usize = 64 << 10;

/// The process that serves until this one does.
pub(in super::super) struct Predecessor {
    socket: OwnedFd,
    listeners: Vec<HandedListener>,
}

/// A listener that was handed over.
struct HandedListener {
    /// The addresses by which it is meant.
    addresses: String,
    /// The socket, until a listener of this process is made of it.
    socket: Option<OwnedFd>,
}

impl Predecessor {
    /// Asks the process that listens at this name, if there is one, for its listeners and its control socket.
    pub fn ask(path: &Path) -> io::Result<Option<(Predecessor, OwnedFd)>> {
        let flags = SocketFlags::CLOEXEC;
        let kind = SocketType::SEQPACKET;
        let socket = net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
        match net::connect(&socket, &SocketAddrUnix::new(path)?) {
            Err(Errno::NOENT) => return Ok(None),
            // A crash has left it behind.
            Err(Errno::CONNREFUSED) => {
                std::fs::remove_file(path)?;
                return Ok(None);
            }
            connected => connected?,
        }
        let owner = sockopt::socket_peercred(&socket)?.uid;
        if owner != geteuid() {
            return Err(io::Error::other(format!(
                "the server behind it is of the user {}; start this one as that user",
                owner.as_raw()
            )));
        }
        net::send(&socket, QUESTION, SendFlags::NOSIGNAL)?;
        let (listeners, control) = receive(&socket)?;
        Ok(Some((Predecessor { socket, listeners }, control)))
    }

    /// Takes the listener of these addresses, if there is one.
    pub fn take(&mut self, addresses: &str) -> Option<OwnedFd> {
        let wanted: Vec<&str> = addresses.split('\t').collect();
        let is_meant = |listener: &&mut HandedListener| {
            let mut known = listener.addresses.split('\t');
            listener.socket.is_some() && known.any(|address| wanted.contains(&address))
        };
        self.listeners.iter_mut().find(is_meant)?.socket.take()
    }

    /// Tells the process that this one serves, and that it may go.
    pub fn dismiss(self) -> io::Result<()> {
        let taken = |listener: &HandedListener| {
            if listener.socket.is_none() {
                TAKEN
            } else {
                b'0'
            }
        };
        let mut words = SERVES.to_vec();
        words.extend(self.listeners.iter().map(taken));
        let told = retry_on_intr(|| net::send(&self.socket, &words, SendFlags::NOSIGNAL));
        if told.is_ok() {
            return Ok(());
        }
        let mut words = [0; REPLACED.len()];
        match net::recv(&self.socket, &mut words[..], RecvFlags::DONTWAIT) {
            Ok((len, _)) if words.get(..len) == Some(REPLACED) => Err(io::Error::other(
                "another process has asked for the listeners meanwhile",
            )),
            // It has ended by itself: there is nobody to dismiss.
            _ => Ok(()),
        }
    }
}

/// The answer: listeners, and the control socket.
fn receive(socket: &OwnedFd) -> io::Result<(Vec<HandedListener>, OwnedFd)> {
    let mut waited = [PollFd::new(socket, PollFlags::IN)];
    if retry_on_intr(|| poll(&mut waited, Some(&PATIENCE)))? == 0 {
        let reason = "the process behind it does not answer; end it, and start this one again";
        return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
    }
    let mut answer = vec![0; ANSWER_ROOM];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_LISTENERS + 1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let mut room = [IoSliceMut::new(&mut answer)];
    let len = retry_on_intr(|| net::recvmsg(socket, &mut room, &mut rights, flags))?.bytes;
    let mut sockets = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    let mut sockets = sockets.next().into_iter().flatten();
    let unknown = || {
        let reason = "the process behind it gives no listeners; it may be of another version";
        io::Error::new(io::ErrorKind::InvalidData, reason)
    };
    let lines = answer
        .get(..len)
        .and_then(|answer| answer.strip_prefix(ANSWER));
    let lines = String::from_utf8_lossy(lines.ok_or_else(unknown)?).into_owned();
    let control = sockets.next().ok_or_else(unknown)?;
    let listeners = lines
        .lines()
        .zip(sockets)
        .map(|(addresses, socket)| HandedListener {
            addresses: addresses.to_owned(),
            socket: Some(socket),
        });
    Ok((listeners.collect(), control))
}

/// A control socket that cannot be used. Displayed, it is one line with the mend.
#[derive(Debug)]
pub struct ControlError {
    /// The name of the socket.
    pub path: PathBuf,
    /// The reason.
    pub reason: io::Error,
}

impl std::error::Error for ControlError {}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot use the control socket '{}' (--control): {}",
            self.path.display(),
            self.reason
        )
    }
}
