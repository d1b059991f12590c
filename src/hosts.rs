//! Names of hosts: how they are compared, and tables by them.
//!
//! The host of a request decides on the site that answers it, and the server name of a TLS handshake on the
//! certificate that is shown. Both are found in a [`HostTable`], by the one form that a [`HostName`] has.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod host_name;
mod host_table;

pub use host_name::{HostName, HostPattern};
pub use host_table::HostTable;
