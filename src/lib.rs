//! calmd: a single-threaded HTTP/2 and HTTP/1.1 server for static sites, and the protocol cores that
//! it is made of.
//!
//! # The way of a request
//!
//! 1. [`world`] says that a socket is ready. `server::event_loop` gives its connection a turn.
//! 2. `server::connection` reads once, into a buffer that all connections share; `transport` opens
//!    the TLS records, if there is TLS; `protocol` decides between HTTP/2 and HTTP/1.1.
//! 3. [`h2`] or [`h1`] takes the bytes and tells what they mean: a request, content, a reset. [`h2`]
//!    decodes its field sections with [`hpack`]; both give them as [`http::Fields`].
//! 4. `server::h2_service` or `server::h1_service` asks [`site`], which answers with a status, fields
//!    and a body: a range of memory, a range of a file, or a handler.
//! 5. The head goes into the output at once. The body waits until the scheduler grants it room: both
//!    windows, the frame size, the output. Only then are its bytes read: few straight into the output,
//!    those of a file as a run of frames by one preadv(2), each behind room for its header. In the
//!    clear, content in memory is only noted as a splice, to be sent from where it is by writev(2), and
//!    in HTTP/1.1 a file by sendfile(2). What a disk has to bring first is asked for, and its response
//!    tries again after the others.
//! 6. The output is sealed and written once. What the socket does not take waits in the connection's
//!    `write_queue`, and no more content is produced until it is gone.
//!
//! # Core and shell
//!
//! [`h1`], [`h2`], [`hpack`] and [`http`] are cores: bytes, commands and the time in; events, bytes and
//! one deadline out. They know no socket, file, thread or clock, which a test enforces, and can be
//! used by themselves, on any transport. [`server`] is the shell around them, [`world`] what the shell
//! stands on. Each room owns its configuration, every number with its reason; [`config`] composes them, [`cli`]
//! makes them of what the operator says, and [`app`] opens what they name. [`tls`] reads or makes the
//! certificate; [`allocator`] lets memory go back after a crowd;
//! [`sandbox`] shuts the server in once everything is open; [`panics`] are caught around a turn; [`telemetry`]
//! writes lines for the operator and never waits. [`client`] is `calmd get`: the same HTTP/2
//! core and the same world, in the other role.
//!
//! # Features
//!
//! `server` (with `aws-lc` or `ring` for the cryptography) is the program as a server, `client` adds `calmd get`.
//! Without any feature the crate is the cores alone, and depends on three small crates.

// They panic where the reader of a pipe has gone or a disk is full, and wait where it is slow:
// `telemetry` does neither.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

#[cfg(feature = "server")]
pub mod allocator;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod content;
pub mod h1;
pub mod h2;
pub mod hpack;
pub mod http;
#[cfg(feature = "server")]
pub mod panics;
#[cfg(feature = "server")]
pub mod sandbox;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod site;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod tls;
#[cfg(feature = "server")]
pub mod world;
