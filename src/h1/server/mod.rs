//! The server's role.
//!
//! # The order of calls
//!
//! 1. [`Connection::lend_output`], then [`Connection::receive`] until it returns `None`. What is
//!    left of the input is kept by the caller.
//! 2. For an [`Event::Request`]: [`send_continue`](Connection::send_continue) or
//!    [`discard_body`](Connection::discard_body), depending on the answer's need of the body, then
//!    [`send_head`](Connection::send_head), and unless its length is
//!    [`BodyLength::None`](super::BodyLength::None) [`begin_data`](Connection::begin_data) and
//!    [`commit`](Connection::commit) until the last commit says `end`.
//! 3. [`Connection::receive`] again: the next request may be in the input already. It is not looked
//!    at before the response to the one before it is complete, so responses keep the order of their
//!    requests (RFC 9112 §9.3.2), and a flood of pipelined requests costs what its responses cost.
//! 4. [`Connection::take_output`]. When [`Connection::wants_close`], close once that is sent, in the manner that
//!    [`Connection::content_end`] tells.
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
//!   Draining ──────── end ────────┘           Sending ─────────── end ─────────────┘
//!    │ too much, or 100 Continue withheld
//!    ▼
//!   Abandoned (closes after the response)
//! ```

mod config;
mod connection;
mod deadline;
mod event;
mod exchange;
mod glimpse;
mod head;
mod receive;
mod refusal;
mod response;
mod target;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use connection::Connection;
pub use event::{Event, H2cUpgrade};
pub use glimpse::glimpse;
pub use head::LastRequest;
pub use refusal::Refusal;
