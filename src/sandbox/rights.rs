//! The rights that a server keeps, collected by its configuration.

use std::os::fd::RawFd;
use std::path::PathBuf;

use crate::tls::Certificate;
use crate::world::User;

/// Rights that serving takes; [`enter`](super::enter) gives up all others.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// The user that the process becomes; `None` stays who started it.
    pub user: Option<User>,
    /// Shut the process in. Without it, the user is all that changes.
    pub sandbox: bool,
    /// Sites, read and followed where a deployment replaces them.
    pub sites: Vec<SiteRights>,
    /// Directories that stay readable although nothing leads to them yet.
    pub read: Vec<PathBuf>,
    /// Certificates, read again when they are renewed; a self-signed one is made anew.
    pub certificates: Vec<Certificate>,
    /// Keys of session tickets, read again with the certificates.
    pub ticket_keys: Vec<PathBuf>,
    /// Files of settings and of users, read again when the operator asks for it.
    pub settings: Vec<PathBuf>,
    /// Files that are appended to, and created anew when they are rotated.
    pub logs: Vec<PathBuf>,
    /// Directories that uploads are written to and read from.
    pub uploads: Vec<PathBuf>,
    /// Directories of uploads that are removed in the end.
    pub scratch: Vec<PathBuf>,
    /// Names of Unix sockets, removed in the end.
    pub sockets: Vec<PathBuf>,
    /// The sockets to helper processes that descriptors are passed on, and on no other.
    pub helpers: Vec<RawFd>,
    /// Sockets that are dialled.
    pub dials: DialRights,
    /// Listeners are handed over to a newer process: descriptors are passed on a socket that is not known
    /// yet, and its user is asked for.
    pub succession: bool,
}

/// The right to connect to sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialRights {
    /// TCP ports, of any host: the kernel knows no rule for addresses.
    pub ports: Vec<u16>,
    /// Unix sockets, whose files decide who may connect.
    pub unix: bool,
}

/// The right to read a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteRights {
    /// The directory that is served.
    pub root: PathBuf,
    /// Its directories are listed.
    pub listing: bool,
}
