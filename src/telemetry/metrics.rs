//! Metrics: counts of what the server does, and their text for Prometheus.
//!
//! Everything here is plain numbers in the one thread that counts. Labels come from the configuration and
//! from lists in the program, never from what a peer sends: so the number of series is bounded.
//!
//! [`exposition`] writes both forms of the text, [`requests`] counts requests as they end, [`process`]
//! reads what the kernel knows of the process.

pub mod exposition;
pub mod histogram;
pub mod process;
pub mod requests;

pub use exposition::{Exposition, TextFormat};
pub use histogram::Histogram;
pub use process::ProcessFigures;
pub use requests::{RequestClass, RequestCounts};
