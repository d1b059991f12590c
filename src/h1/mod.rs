//! HTTP/1.1 without I/O (RFC 9112): the server's role in [`Connection`], the client's in [`ClientConnection`]. The
//! reverse proxy uses the client's role (`server::upstream`).
//!
//! Each takes bytes and returns their meaning, takes commands, and appends bytes to a buffer that it
//! was lent. It has no socket, no clock and no buffer of its own: an incomplete head stays with the
//! caller, which offers it again with more behind it. `server` and `client` draw the states and tell
//! the order of calls.
//!
//! Both roles share the code that finds a section ([`Error`] names its faults), that frames and decodes
//! a body, and that sends content.
//!
//! # Invariants
//!
//! - After an error no part of the input is taken for a message any more.
//! - Bytes of a body are never parsed as a head: it is read to its end, or the connection closes.
//! - The events and the output do not depend on the cuts of the input.
//! - Between messages a connection holds no allocation but its caller's configuration.
//!
//! The meaning of a method, the targets that exist and the largest body are left to the caller.

// What a peer sends must not panic: an index that cannot be wrong says why at its place. Tests may.
// Files that compute with numbers off the wire are linted against overflow as well.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod body;
mod bytes;
mod client;
mod encode;
mod error;
mod fields;
mod framing;
mod known;
mod message;
mod output;
mod scan;
mod server;
mod timer;

pub use crate::http::Scheme;
pub use client::{
    ClientConfig, ClientConnection, LastResponse, ResponseError, ResponseEvent, Unsendable,
};
#[cfg(feature = "proxy")]
pub(crate) use client::{RequestLines, SharedResponse};
pub use encode::CHUNK_OVERHEAD;
#[cfg(feature = "server")]
pub(crate) use encode::{FieldLines, SharedHead};
pub use error::Error;
pub use message::{BodyLength, ContentEnd, Version};
pub use server::{Config, Connection, Event, H2cUpgrade, LastRequest, Refusal, glimpse};
