//! The error of a listener that could not be opened.

use crate::world::ListenAddress;
use std::fmt;
use std::io;

/// Error of a listener that could not be opened: one line that names the address and the mend.
#[derive(Debug)]
pub struct ListenError {
    pub(super) address: ListenAddress,
    pub(super) error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.address)?;
        match self.error.kind() {
            io::ErrorKind::AlreadyExists => {
                f.write_str("that file is not a socket; name another, or take it away")
            }
            io::ErrorKind::AddrInUse => f.write_str(
                "the address is in use; stop the program that has it, or name another with \
                 --listen or --listen-tls",
            ),
            io::ErrorKind::AddrNotAvailable => f.write_str(
                "this machine has no such address; name one of its own, or [::] for all of them",
            ),
            io::ErrorKind::PermissionDenied => f.write_str(
                "permission denied; ports under 1024 need privileges (CAP_NET_BIND_SERVICE), a \
                 Unix socket a directory that you may write to",
            ),
            _ => self.error.fmt(f),
        }
    }
}

impl std::error::Error for ListenError {}
