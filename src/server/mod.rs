//! The shell around the protocol cores: one poll loop over non-blocking sockets.
//!
//! ```text
//!            ┌────────────── event_loop: poll · turns · deadlines · accept ──────────────┐
//!            │                                                                           │
//!  socket ─▶ connection ─▶ transport ─▶ protocol ─▶ h1_service │ h2_service ─▶ answering ─▶ routes
//!    ▲                                                 │  exchange: content or steps of an exchange
//!    └──── write_queue ◀── transport ◀── output ◀──────┘
//! ```
//!
//! `context` holds what all connections share in a turn, the lent buffers among it, and `splices`, the
//! content that belongs into the output; `piece` is what was read of files for it. `slots` and
//! `deadlines` are the loop's tables, `addresses` counts who has how many connections, `ledger` knows what
//! everybody holds and who goes first, `limit_log` tells which limit fired and for whom. Bytes are read
//! once into a shared buffer, answered into another, and written once; a connection keeps only what is
//! incomplete or what its socket did not take.
//!
//! [`EventLoop`] runs over any [`World`](crate::world::World): the operating system's, which
//! [`App`](crate::app::App) opens, or the simulated one of the tests.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod addresses;
mod answering;
mod config;
mod connection;
mod context;
mod deadlines;
mod event_loop;
mod fault;
mod h1_service;
mod h2_service;
mod ledger;
mod limit_log;
mod own_time;
mod piece;
mod protocol;
mod slots;
mod splices;
mod trace;
mod transport;
pub(crate) mod write_queue;

pub use crate::telemetry::access_log::AccessLog;
pub use config::{Config, Limits, Timeouts};
pub use context::Context;
pub(crate) use event_loop::LEAVING;
pub use event_loop::{EventLoop, Security};
