//! HTTP/1.1 without I/O over real sockets.

mod client;
