//! Integration tests: the server as a process, over real sockets, against independent clients and raw
//! bytes.

mod circles;
mod client;
mod command_line;
mod features;
mod fuzz_regressions;
mod h1;
mod h2;
mod imports;
mod link;
mod python_hyper;
mod raw_h2;
mod raw_tls;
mod readme;
mod sandbox;
mod server;
mod shape;
mod sim;
mod source;
mod support;
mod surface;
mod words;
