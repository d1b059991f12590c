//! Names of connections in the log.

use std::fmt;

use crate::world::Peer;

/// The name of a connection in the log: the address of its peer, and its number in the order of accepting,
/// which tells it from other connections of that address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerName {
    /// The peer.
    pub(super) peer: Peer,
    /// The number.
    pub(super) id: u32,
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{}", self.peer, self.id)
    }
}
