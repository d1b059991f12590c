//! Lines for the operator. Writing them never waits for a reader.
//!
//! A single thread serves all connections. One write that waits, for the reader of a pipe or for a
//! stopped terminal, would stop all of them. [`sink`] writes as much as goes without waiting. [`lines`]
//! writes a line whole or not at all: lines that find no room are dropped and counted.
//! [`standard_error`] is the one place for all messages: the log, what is told at the start, errors, a
//! panic's last words. The access log gathers its lines itself, and writes them to a sink of its own.
//! `recent_lines` keeps the last lines of both logs for the panel.
//! [`notify`] tells the service manager, in its own words. [`metrics`] is numbers instead of lines.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod access_log;
pub mod lines;
pub mod metrics;
pub mod notify;
#[cfg(feature = "panel")]
pub mod recent_lines;
pub mod sink;
pub mod standard_error;

pub use access_log::{AccessLogConfig, LogFormat};
