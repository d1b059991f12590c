//! Upstream connections: dialled, kept for the next call, and closed.
//!
//! ```text
//!  Calls ─▶ assign ─▶ pool: a server of the upstream ─┬─ an idle connection that is still open
//!              ▲                                      ├─ a new connection
//!              │                                      └─ none free: waits
//!              └── once more, where the request may be repeated ◀── a connection that is lost
//! ```
//!
//! `table` has the connections and gives them their turns, `pool` chooses servers and knows their state. A
//! `connection` of HTTP/1.1 carries one call after another, a `shared` one of HTTP/2 many at a time, both on a
//! `channel`. The event loop gives the table a share of each of its turns.
//! Nothing of this exists where no upstream is configured.

mod channel;
mod config;
mod connection;
mod counts;
mod loss;
mod pool;
mod shared;
mod table;

pub use config::UpstreamLimits;
pub(super) use counts::UpstreamFigures;
pub(super) use table::{Served, UpstreamTable};
