//! HTTP/2 without I/O (RFC 9113), client and server role.

mod budget;
mod clock;
pub mod connection;
pub mod error;
pub mod event;
pub mod field_section;
mod flow;
pub mod frame;
mod ids;
pub mod priority;
mod scheduler;
pub mod settings;
mod store;
mod stream;

pub use crate::config::{Budgets, Http2 as Config};
pub use connection::{Connection, Direction, Grant, Observer};
pub use error::{ConnectionError, ErrorCode, Misuse, StreamError};
pub use event::{Cause, Event};
pub use priority::Priority;
pub use settings::{Role, Settings};
pub use store::StreamKey;

#[cfg(test)]
mod tests;
