//! One function for each target: it takes any bytes, and panics if an invariant is broken.
//!
//! An input is a script: a sequence of small numbers that choose the next action, with their operands.
//! Every input is a valid script, so a fuzzer's changes are changes of the actions.

mod frames;
mod h1_client;
mod h1_server;
mod h2_connection;
mod h2_model;
mod h2_observer;
mod h2_script;
mod h2_upgrade;
mod hpack;
mod script;
mod tls_server;

use super::h2::Role;

/// Function that takes any bytes and panics if an invariant is broken.
type Drive = fn(&[u8]);

/// The targets by name. The binaries and the directories of regressions have these names as well.
pub const TARGETS: [(&str, Drive); 8] = [
    ("frame_decode", frames::decode),
    ("hpack_decode", hpack::decode),
    ("hpack_round_trip", hpack::round_trip),
    ("h2_server", |input| {
        h2_connection::drive(Role::Server, input)
    }),
    ("h2_client", |input| {
        h2_connection::drive(Role::Client, input)
    }),
    ("h1_server", h1_server::drive),
    ("h1_client", h1_client::drive),
    ("tls_server", tls_server::drive),
];
