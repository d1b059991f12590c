//! Connections that begin as HTTP/1.1 (RFC 7540 §3.2): stream 1 exists before any frame.

use std::sync::Arc;
use std::time::Instant;

use super::super::h2::settings::id;
use super::super::h2::{Config, Connection, Role, StreamKey};
use super::h2_model::Model;

type Settings = (&'static [u8], &'static [(u16, u32)]);

/// Valid values of HTTP2-Settings, and the settings that they hold.
const SETTINGS: [Settings; 6] = [
    (b"", &[]),
    (b"AAMAAABk", &[(id::MAX_CONCURRENT_STREAMS, 100)]),
    (b"AAQAAAAB", &[(id::INITIAL_WINDOW_SIZE, 1)]),
    (b"AAEAAAAA", &[(id::HEADER_TABLE_SIZE, 0)]),
    (b"AAUAAE4g", &[(id::MAX_FRAME_SIZE, 20_000)]),
    (b"AAQAAAAAAAQAAGQA", &[(id::INITIAL_WINDOW_SIZE, 25_600)]),
];

/// Invalid values of HTTP2-Settings: a length that base64 cannot have, another alphabet, half a
/// setting, and a window that is too large.
const INVALID: [&[u8]; 4] = [b"A", b"AA+A", b"AAM", b"AAT_____"];

const METHODS: [&[u8]; 3] = [b"GET", b"HEAD", b"CONNECT"];

/// A connection that was upgraded, in one of many ways.
pub fn connection(
    role: Role,
    config: Arc<Config>,
    choice: usize,
    now: Instant,
    model: &mut Model,
) -> Connection {
    for invalid in INVALID {
        assert!(Connection::server_upgraded(Arc::clone(&config), invalid, now).is_err());
    }
    let (connection, stream): (_, StreamKey) = match role {
        Role::Server => {
            let (value, entries) = SETTINGS[choice % SETTINGS.len()];
            for &(id, value) in entries {
                model.setting(id, value);
            }
            let upgraded = Connection::server_upgraded(config, value, now);
            upgraded.expect("settings in order")
        }
        Role::Client => {
            let own = Connection::http2_settings(&config);
            let taken = Connection::server_upgraded(Arc::default(), own.as_bytes(), now);
            assert!(taken.is_ok(), "{own}");
            Connection::client_upgraded(config, METHODS[choice % METHODS.len()], now)
        }
    };
    assert_eq!(stream.id(), 1);
    model.begin(stream, role == Role::Server, role == Role::Client);
    connection
}
