//! Upstream connections: dialled, kept for the next call, and closed.
//!
//! ```text
//!  Calls ─▶ assign ─▶ pool: a server of the upstream ─┬─ an idle connection that is still open
//!              ▲                                      ├─ a new connection
//!              │                                      └─ none free: waits
//!              └── once more, where the request may be repeated ◀── a connection that is lost
//! ```
//!
//! `table` has the connections and gives them their turns, `pool` chooses servers and knows their state,
//! `connection` carries one call after another. The event loop gives the table a share of each of its turns.
//! Nothing of this exists where no upstream is configured.

mod config;
mod connection;
mod loss;
mod pool;
mod table;

pub use config::UpstreamLimits;
pub(super) use table::UpstreamTable;
