//! The running server over sockets.

mod absence;
mod bulk;
mod crowd;
mod deployments;
mod descriptors;
mod expect;
mod freshness;
mod handlers;
mod http1;
mod http2;
mod limits;
mod logs;
mod names;
mod operation;
mod own_files;
mod ports;
mod records;
mod root;
mod sandbox;
mod shedding;
mod sinks;
mod slow;
mod start;
mod stopping;
mod tickets;
mod tls;
