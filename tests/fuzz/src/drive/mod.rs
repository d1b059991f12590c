//! One function for each target: any bytes in, and a panic if something that has to hold does not.
//!
//! An input is a script: a sequence of small numbers that say what happens next, with their operands.
//! Every input is a valid script, so a fuzzer's changes are changes of what happens.

mod frames;
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

/// Takes any bytes; panics where something does not hold.
type Drive = fn(&[u8]);

/// The targets by their names, which are those of the binaries and of the directories of regressions.
pub const TARGETS: [(&str, Drive); 7] = [
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
    ("tls_server", tls_server::drive),
];
