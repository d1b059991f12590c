//! Proof of the HTTP/2 core: against RFC 9113 and RFC 7541.
//!
//! - [`conformance`]: what a peer can break, sentence by sentence, as raw bytes over a socket against
//!   the running server; the table of it is `CONFORMANCE.md`.
//! - [`client`]: the same for servers against a running client; the table is `CONFORMANCE-CLIENT.md`.
//! - [`states`]: every state of a stream, every frame and command, both sides; the table is `STATES.md`.
//! - [`memory`]: what an idle connection costs, as the allocator counts it.
//!
//! Tables are written by the tests when `CALMD_WRITE_TABLES` is set, and compared otherwise.

mod client;
mod conformance;
mod memory;
mod states;
mod table;
mod wire;
