//! Proof of the HTTP/2 core against RFC 9113 and RFC 7541.
//!
//! - [`conformance`]: the rules that a client can break, sentence by sentence, as raw bytes over a
//!   socket to the running server; its table is `CONFORMANCE.md`.
//! - [`client`]: the rules that a server can break, sent to a running client; its table is
//!   `CONFORMANCE-CLIENT.md`.
//! - [`states`]: every state of a stream, every frame and command, both sides; its table is
//!   `STATES.md`.
//! - [`memory`]: the memory of an idle connection, counted by the allocator.
//!
//! Tables are written by the tests when `CALMD_WRITE_TABLES` is set, and compared otherwise.

mod client;
mod conformance;
mod memory;
mod states;
mod subjects;
mod table;
mod wire;
