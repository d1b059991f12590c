//! Addresses to listen on.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::User;

/// An address that a listener is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and port; `[::]` takes IPv4 too.
    Tcp(SocketAddr),
    /// A Unix socket, written `unix:PATH[,mode=0660][,owner=USER[:GROUP]]`.
    Unix(UnixSocket),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(socket) => write!(f, "unix:{}", socket.path.display()),
        }
    }
}

/// A Unix socket that is listened on, with the rights to connect to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// The socket's name in the file system.
    pub path: PathBuf,
    /// The socket's permissions. Connecting needs that of writing. `None` leaves them to the umask.
    pub mode: Option<u32>,
    /// The socket's owner and group. `None` leaves them those of the process.
    pub owner: Option<User>,
}

impl<P: Into<PathBuf>> From<P> for UnixSocket {
    fn from(path: P) -> Self {
        UnixSocket {
            path: path.into(),
            mode: None,
            owner: None,
        }
    }
}
