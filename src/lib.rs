//! calmd: a single-threaded HTTP/2 and HTTP/1.1 server for static sites.

pub mod cli;
pub mod config;
pub mod h1;
pub mod h2;
pub mod hpack;
pub mod http;
pub mod server;
pub mod site;
pub mod tls;
pub mod world;
