//! The end of a protocol by a fault of the peer, as connections, protocols and services report it.

/// The protocol cannot go on. Its last message to the peer is in its output.
#[derive(Debug)]
pub struct Fault;
