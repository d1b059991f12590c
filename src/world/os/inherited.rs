//! Listening sockets that were handed down to the process, as descriptors from 3 on (sd_listen_fds(3)).

use listenfd::ListenFd;
use rustix::net::sockopt;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

/// The first descriptor that is handed down: those below are the standard streams.
const FIRST: usize = 3;

/// A socket that the starter of this process listens on.
#[derive(Debug)]
pub enum InheritedListener {
    /// Over IP.
    Tcp(TcpListener),
    /// Within this machine. Its name in the file system is its owner's to remove.
    Unix(UnixListener),
}

/// A descriptor that is no listening stream socket: one line that names it and the mend.
#[derive(Debug)]
pub struct InheritedError {
    descriptor: usize,
    name: String,
    reason: io::Error,
}

impl fmt::Display for InheritedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot listen on the inherited descriptor {}, named '{}': {}; hand down listening stream \
             sockets (ListenStream= in a socket unit, with Accept=no)",
            self.descriptor, self.name, self.reason
        )
    }
}

impl std::error::Error for InheritedError {}

/// Takes the sockets of these names, in the order of their descriptors, and removes the variables that tell
/// of them, so that no child takes them again. The process must have opened nothing by then that may stand
/// at one of their numbers.
pub fn take<'n>(
    names: impl ExactSizeIterator<Item = &'n str>,
) -> Result<Vec<InheritedListener>, InheritedError> {
    if names.len() == 0 {
        return Ok(Vec::new());
    }
    let mut handed = ListenFd::from_env();
    let taken = names.enumerate().map(|(index, name)| {
        take_one(&mut handed, index).map_err(|reason| InheritedError {
            descriptor: FIRST + index,
            name: name.to_owned(),
            reason,
        })
    });
    taken.collect()
}

fn take_one(handed: &mut ListenFd, index: usize) -> io::Result<InheritedListener> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    // Each looks at the kind of the socket, and leaves another kind where it is.
    let listener = match handed.take_unix_listener(index) {
        Ok(listener) => InheritedListener::Unix(listener.ok_or_else(missing)?),
        Err(_) => {
            let listener = handed.take_tcp_listener(index)?;
            InheritedListener::Tcp(listener.ok_or_else(missing)?)
        }
    };
    let socket = match &listener {
        InheritedListener::Tcp(listener) => listener.as_fd(),
        InheritedListener::Unix(listener) => listener.as_fd(),
    };
    if !sockopt::socket_acceptconn(socket)? {
        return Err(io::Error::other("it does not listen"));
    }
    match &listener {
        InheritedListener::Tcp(listener) => listener.set_nonblocking(true)?,
        InheritedListener::Unix(listener) => listener.set_nonblocking(true)?,
    }
    Ok(listener)
}
