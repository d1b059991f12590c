//! The settings of both sides (RFC 9113 §6.5): ours as far as the peer has acknowledged them, and the
//! peer's. Announced ones whose acknowledgement has not come yet wait in
//! [`Waiting`](super::waiting::Waiting).

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use crate::h2::config::Config;
use crate::h2::error::ConnectionError;
use crate::h2::frame::decode;
use crate::h2::settings::{Role, Settings};

/// The settings that hold.
pub(super) struct Agreement {
    local: Settings,
    remote: Settings,
}

impl Agreement {
    pub(super) fn new() -> Self {
        Agreement {
            local: Settings::INITIAL,
            remote: Settings::INITIAL,
        }
    }

    /// Ours, as far as the peer has acknowledged them.
    pub(super) fn local(&self) -> &Settings {
        &self.local
    }

    /// The peer's.
    pub(super) fn remote(&self) -> &Settings {
        &self.remote
    }

    /// The largest field section that is taken. Until our SETTINGS are acknowledged, the limit is the
    /// one that they announce.
    pub(super) fn header_list_limit(&self, config: &Config) -> usize {
        let limit = match self.local.max_header_list_size {
            u32::MAX => config.max_header_list_size,
            limit => limit,
        };
        limit as usize
    }

    /// Streams of the peer's that may be active at a time. Until our SETTINGS are acknowledged the
    /// peer may not know the limit, but it holds.
    pub(super) fn concurrency_limit(&self, config: &Config) -> u32 {
        match self.local.max_concurrent_streams {
            u32::MAX => config.max_concurrent_streams,
            limit => limit,
        }
    }

    /// Ours were sent. A peer that has read them may make use of larger frames before it acknowledges.
    pub(super) fn announce(&mut self, settings: Settings) {
        self.local.max_frame_size = self.local.max_frame_size.max(settings.max_frame_size);
    }

    /// Ours were acknowledged; gives those that held before.
    pub(super) fn acknowledge(&mut self, settings: Settings) -> Settings {
        std::mem::replace(&mut self.local, settings)
    }

    /// The peer's SETTINGS, sent by `role`: their values in order (§6.5.3). `resize` is told every other
    /// size of the table, since the smallest one has to be announced (RFC 7541 §4.2). Gives those that
    /// held before.
    pub(super) fn apply_remote(
        &mut self,
        role: Role,
        entries: &[[u8; 6]],
        mut resize: impl FnMut(u32),
    ) -> Result<Settings, ConnectionError> {
        let before = self.remote;
        for entry in entries.iter().copied().map(decode::setting) {
            let old = self.remote.header_table_size;
            self.remote.apply(role, entry)?;
            if self.remote.header_table_size != old {
                resize(self.remote.header_table_size);
            }
        }
        Ok(before)
    }
}
