//! The shell around the protocol cores.

pub mod access_log;
