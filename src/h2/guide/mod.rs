//! A tutorial: a server that grows on three pages, and a table for those who know python-hyper.
//!
//! 1. [`one_request`]: bytes come in, events come out, a response goes back
//! 2. [`content`]: content of any length in both directions, under flow control
//! 3. [`leaving`]: errors, time, and an end that loses nothing
//! 4. [`python_hyper`]: every name of python-hyper's `h2` beside its counterpart here
//!
//! The code of each page runs as a test. Programs to start from are in `tests/examples`: servers on
//! blocking sockets, mio, tokio and smol, a client, an upgrade from HTTP/1.1, pushes, a tunnel, a proxy, an
//! application in WSGI's shape.

pub mod content;
pub mod leaving;
pub mod one_request;
pub mod python_hyper;
