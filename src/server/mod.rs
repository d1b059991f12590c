//! The shell around the protocol cores: one poll loop over non-blocking sockets.
//!
//! ```text
//!            ┌────────────── event_loop: poll · turns · deadlines · accept ──────────────┐
//!            │                                                                           │
//!  socket ─▶ connection ─▶ link (TLS) ─▶ protocol ─▶ h1_service │ h2_service ─▶ answering ─▶ routes
//!    ▲                                                  │  exchange: content or steps of an exchange
//!    └──── link (write queue) ◀── output ◀──────────────┘
//! ```
//!
//! `services` are what all connections share. A `turn` is one connection's use of them, with the buffers that it is
//! `lent` and the account of its work. The world, which is the sockets, is beside them: only the event loop and
//! `connection` know it, and everything from `protocol` on has no socket. [`link`](crate::link) is the socket with
//! its TLS session and its unsent output. `slots` and `deadlines` are the loop's tables, `addresses` counts the
//! connections of each address, `ledger` knows what each connection holds and which is closed first, `limit_log`
//! tells which limit fired and for which peer. Bytes are read once into a shared buffer, answered into another, and
//! written once; a connection keeps only what is incomplete or what its socket did not take.
//!
//! `upstream` has the connections that the server dials, for handlers that forward requests.
//!
//! [`EventLoop`] runs over any [`World`](crate::world::World): the operating system's, which
//! [`App`](crate::app::App) opens, or the simulated one of the tests.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod addresses;
mod answering;
mod batch;
mod config;
mod connection;
mod connection_age;
mod deadlines;
mod event_loop;
mod fault;
mod h1_service;
mod h2_service;
mod head_lines;
mod health;
mod known_answer;
mod last_tick;
mod ledger;
mod lent;
mod limit_log;
mod listener_role;
mod loop_effort;
mod metrics;
mod obstacle;
mod own_answers;
mod own_time;
#[cfg(feature = "panel")]
mod panel;
mod peer_name;
mod protocol;
mod reload;
#[cfg(feature = "proxy")]
mod reply_buffers;
mod request_ids;
mod services;
mod slots;
mod taps;
mod trace;
mod turn;
#[cfg(feature = "proxy")]
mod upstream;
mod watch;

pub use config::{Config, Limits, Timeouts};
pub use event_loop::EventLoop;
pub(crate) use event_loop::LEAVING;
pub use metrics::Metrics;
pub use reload::{Reload, Renewing};
pub use request_ids::RequestIdUse;
pub use services::Services;
#[cfg(feature = "proxy")]
pub use upstream::UpstreamLimits;
