//! HTTP/1.1 without I/O (RFC 9112), server role.
//!
//! A [`Connection`] takes bytes and says what they mean ([`Event`]); it is told what to answer and
//! appends bytes to a buffer that it was lent. It has no socket, no clock and no buffer of its own:
//! an incomplete head stays with the caller, who offers it again with more behind it.
//!
//! # The order of calls
//!
//! 1. [`Connection::lend_output`], then [`Connection::receive`] until it returns `None`. What is
//!    left of the input is kept by the caller.
//! 2. For an [`Event::Request`]: [`send_continue`](Connection::send_continue) or
//!    [`discard_body`](Connection::discard_body) as the answer needs the body or not, then
//!    [`send_head`](Connection::send_head), and unless its length is [`BodyLength::None`]
//!    [`begin_data`](Connection::begin_data) and [`commit`](Connection::commit) until the last
//!    commit says `end`.
//! 3. [`Connection::receive`] again: the next request may be in the input already. It is not looked
//!    at before the response to the one before it is complete, so responses keep the order of their
//!    requests (RFC 9112 §9.3.2), and a flood of pipelined requests costs what its responses cost.
//! 4. [`Connection::take_output`]. When [`Connection::wants_close`], close once that is sent.
//!
//! # States
//!
//! ```text
//!              request                     both halves done, kept alive
//!  ┌─ Head ─────────────▶ Exchange ─────────────────────────────────────▶ Head
//!  │                         │ │
//!  │ error, end, timeout     │ └─ switch_protocols ─▶ Switched
//!  └────────▶ Closed ◀───────┘
//!
//!  request half                              response half
//!   Body ──────────── end ──────▶ Done        Awaiting ─ send_head, no content ─▶ Done
//!    │ discard_body               ▲              │ send_head                       ▲
//!    ▼                            │              ▼                                 │
//!   Draining ──────── end ────────┘           Length, Chunked, UntilClose ─ end ───┘
//!    │ too much, or 100 Continue withheld
//!    ▼
//!   Abandoned (closes after the response)
//! ```
//!
//! # Invariants
//!
//! - After an error nothing of the input is taken for a request any more, whatever it looks like.
//! - Bytes of a body are never parsed as a request: it is read to its end, or the connection closes.
//! - The events and the output do not depend on how the input was cut into pieces.
//! - Between requests a connection holds no allocation but its caller's configuration.
//!
//! What a method means, which targets exist and how large a body may be is left to the caller.

// What a peer sends must not panic: an index that cannot be wrong says why at its place. Tests may.
// Files that compute with numbers off the wire are linted against overflow as well.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod body;
mod bytes;
mod config;
mod connection;
mod deadline;
mod encode;
mod error;
mod event;
mod exchange;
mod framing;
mod glimpse;
mod parse;
mod response;
mod scan;
mod target;
#[cfg(test)]
mod tests;
mod timer;

pub use config::Config;
pub use connection::Connection;
pub use encode::CHUNK_OVERHEAD;
pub use error::Error;
pub use event::{BodyLength, Event, H2cUpgrade, Scheme, Version};
pub use glimpse::glimpse;
pub use response::Refusal;
