//! SETTINGS (RFC 9113 §6.5): the values of both sides, which of ours are acknowledged, and the rules
//! that each value obeys.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::config::Config;
use super::error::{ConnectionError, Misuse};
use super::flow::{DEFAULT_WINDOW, MAX_WINDOW};
use super::frame::{MAX_MAX_FRAME_SIZE, MIN_MAX_FRAME_SIZE};
use crate::hpack::INITIAL_TABLE_SIZE;

/// The identifiers that mean something to us.
pub mod id {
    /// SETTINGS_HEADER_TABLE_SIZE (RFC 9113 §6.5.2)
    pub const HEADER_TABLE_SIZE: u16 = 0x1;
    /// SETTINGS_ENABLE_PUSH
    pub const ENABLE_PUSH: u16 = 0x2;
    /// SETTINGS_MAX_CONCURRENT_STREAMS
    pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    /// SETTINGS_INITIAL_WINDOW_SIZE
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
    /// SETTINGS_MAX_FRAME_SIZE
    pub const MAX_FRAME_SIZE: u16 = 0x5;
    /// SETTINGS_MAX_HEADER_LIST_SIZE
    pub const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3)
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
    /// SETTINGS_NO_RFC7540_PRIORITIES (RFC 9218 §2.1)
    pub const NO_RFC7540_PRIORITIES: u16 = 0x9;
}

/// The side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens streams with odd identifiers, and sends requests.
    Client,
    /// Answers.
    Server,
}

impl Role {
    /// The other side.
    pub fn peer(self) -> Role {
        match self {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }

    /// The lowest bit of the identifiers of streams that this side opens (RFC 9113 §5.1.1).
    pub fn parity(self) -> u32 {
        match self {
            Role::Client => 1,
            Role::Server => 0,
        }
    }
}

/// One side's settings: what it is willing to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of the dynamic table that it keeps for its peer's field sections.
    pub header_table_size: u32,
    /// Streams that its peer may have open; `u32::MAX` is no limit.
    pub max_concurrent_streams: u32,
    /// Bytes of DATA that its peer may send on a new stream.
    pub initial_window_size: u32,
    /// The largest payload of a frame.
    pub max_frame_size: u32,
    /// The largest field section, as RFC 9113 §6.5.2 counts; `u32::MAX` is no limit. Advisory.
    pub max_header_list_size: u32,
    /// A client takes pushed responses.
    pub enable_push: bool,
    /// A server takes `:protocol` (RFC 8441).
    pub enable_connect_protocol: bool,
    /// The priorities of RFC 7540 are ignored (RFC 9218 §2.1).
    pub no_rfc7540_priorities: bool,
}

impl Settings {
    /// The settings that hold until SETTINGS say otherwise (RFC 9113 §6.5.2).
    pub const INITIAL: Settings = Settings {
        header_table_size: INITIAL_TABLE_SIZE,
        max_concurrent_streams: u32::MAX,
        initial_window_size: DEFAULT_WINDOW,
        max_frame_size: MIN_MAX_FRAME_SIZE,
        max_header_list_size: u32::MAX,
        enable_push: true,
        enable_connect_protocol: false,
        no_rfc7540_priorities: false,
    };

    /// The settings that a connection of this role announces.
    pub fn from_config(config: &Config, role: Role) -> Settings {
        Settings {
            header_table_size: config.header_table_size,
            max_concurrent_streams: config.max_concurrent_streams,
            initial_window_size: config.initial_window_size.min(MAX_WINDOW),
            max_frame_size: config
                .max_frame_size
                .clamp(MIN_MAX_FRAME_SIZE, MAX_MAX_FRAME_SIZE),
            max_header_list_size: config.max_header_list_size,
            // A server must not announce it otherwise than as 0, and has no need to (§6.5.2).
            enable_push: role == Role::Server || config.push,
            enable_connect_protocol: role == Role::Server && config.extended_connect,
            // A server hears Chromium's, which sends nothing else; a client sends none, as a rule.
            no_rfc7540_priorities: role == Role::Client && !config.rfc7540_priorities,
        }
    }

    /// The entries that turn `before` into these.
    pub fn changes(self, before: Settings) -> impl Iterator<Item = (u16, u32)> {
        let (new, old) = (self.values(), before.values());
        new.into_iter()
            .zip(old)
            .filter_map(|(new, old)| (new != old).then_some(new))
    }

    /// Applies one entry that `role` sent. What is unknown is ignored (RFC 9113 §6.5.2).
    pub fn apply(&mut self, role: Role, entry: (u16, u32)) -> Result<(), ConnectionError> {
        let (id, value) = entry;
        match id {
            id::HEADER_TABLE_SIZE => self.header_table_size = value,
            id::ENABLE_PUSH => {
                let enabled = boolean(value, "SETTINGS_ENABLE_PUSH is neither 0 nor 1")?;
                if enabled && role == Role::Server {
                    let reason = "SETTINGS_ENABLE_PUSH from a server";
                    return Err(ConnectionError::protocol(reason));
                }
                self.enable_push = enabled;
            }
            id::MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = value,
            id::INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                let reason = "SETTINGS_INITIAL_WINDOW_SIZE is too large";
                return Err(ConnectionError::flow_control(reason));
            }
            id::INITIAL_WINDOW_SIZE => self.initial_window_size = value,
            id::MAX_FRAME_SIZE => {
                if !(MIN_MAX_FRAME_SIZE..=MAX_MAX_FRAME_SIZE).contains(&value) {
                    let reason = "SETTINGS_MAX_FRAME_SIZE is out of range";
                    return Err(ConnectionError::protocol(reason));
                }
                self.max_frame_size = value;
            }
            id::MAX_HEADER_LIST_SIZE => self.max_header_list_size = value,
            id::ENABLE_CONNECT_PROTOCOL => {
                let reason = "SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1";
                let enabled = boolean(value, reason)?;
                if self.enable_connect_protocol && !enabled {
                    // RFC 8441 §3: once 1, never 0 again.
                    let reason = "SETTINGS_ENABLE_CONNECT_PROTOCOL was taken back";
                    return Err(ConnectionError::protocol(reason));
                }
                self.enable_connect_protocol = enabled;
            }
            id::NO_RFC7540_PRIORITIES => {
                let reason = "SETTINGS_NO_RFC7540_PRIORITIES is neither 0 nor 1";
                self.no_rfc7540_priorities = boolean(value, reason)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks that `role` may announce these after `before`.
    pub fn check(self, role: Role, before: Settings) -> Result<(), Misuse> {
        let mut settings = before;
        for entry in self.changes(before) {
            settings
                .apply(role, entry)
                .map_err(|_| Misuse::InvalidValue)?;
        }
        Ok(())
    }

    /// The value of a setting; `None` for one that means nothing to us. Booleans are 0 or 1.
    pub fn value(self, id: u16) -> Option<u32> {
        let mut values = self.values().into_iter();
        values
            .find(|&(other, _)| other == id)
            .map(|(_, value)| value)
    }

    fn values(self) -> [(u16, u32); 8] {
        [
            (id::HEADER_TABLE_SIZE, self.header_table_size),
            (id::ENABLE_PUSH, self.enable_push.into()),
            (id::MAX_CONCURRENT_STREAMS, self.max_concurrent_streams),
            (id::INITIAL_WINDOW_SIZE, self.initial_window_size),
            (id::MAX_FRAME_SIZE, self.max_frame_size),
            (id::MAX_HEADER_LIST_SIZE, self.max_header_list_size),
            (
                id::ENABLE_CONNECT_PROTOCOL,
                self.enable_connect_protocol.into(),
            ),
            (id::NO_RFC7540_PRIORITIES, self.no_rfc7540_priorities.into()),
        ]
    }
}

fn boolean(value: u32, reason: &'static str) -> Result<bool, ConnectionError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ConnectionError::protocol(reason)),
    }
}
