//! Lines for the operator, written without ever waiting for whoever reads them.
//!
//! A single thread serves everybody, so one write that waits, for the reader of a pipe or a terminal
//! that was stopped, would stop everybody. [`sink`] writes what goes without waiting. [`lines`] are
//! whole or not there at all: what finds no room is dropped and counted. [`standard_error`] is the one
//! place that all messages go to: the log, what is told at the start, errors, a panic's last words. The
//! access log gathers its lines itself, and writes them to a sink of its own.

pub mod lines;
pub mod sink;
pub mod standard_error;
