//! Commands about the connection and about extensions: PING, SETTINGS, windows by hand, priorities
//! (RFC 9218), ALTSVC (RFC 7838), ORIGIN (RFC 8336), and frames of types that are nobody's here.

use std::time::Instant;

use super::{Connection, PeerPhase};
use crate::h2::error::Misuse;
use crate::h2::frame::{FrameType, MAX_STREAM_ID, encode};
use crate::h2::priority::Priority;
use crate::h2::settings::{Role, Settings};
use crate::h2::store::StreamKey;

impl Connection {
    /// Sends PING (RFC 9113 §6.7). Its answer is told with the round trip.
    pub fn ping(&mut self, payload: [u8; 8], now: Instant) {
        if self.phase != PeerPhase::Closed {
            self.send_ping(payload, now);
        }
    }

    pub(super) fn send_ping(&mut self, payload: [u8; 8], now: Instant) {
        encode::ping(&mut self.output, 0, payload);
        self.rare().pings.push_back((payload, now));
    }

    /// Announces other settings (RFC 9113 §6.5): [`announced_settings`](Self::announced_settings)
    /// with some changed. They are in force when the peer has acknowledged them, which is told.
    pub fn update_settings(&mut self, settings: Settings, now: Instant) -> Result<(), Misuse> {
        if self.phase == PeerPhase::Closed {
            return Err(Misuse::GoingAway);
        }
        let announced = self.announced_settings();
        settings.check(self.role, announced)?;
        if settings.no_rfc7540_priorities != announced.no_rfc7540_priorities {
            // RFC 9218 §2.1: said once, in the first SETTINGS.
            return Err(Misuse::InvalidValue);
        }
        self.announce(settings, announced, now);
        Ok(())
    }

    /// Our settings as they were last announced, acknowledged or not.
    pub fn announced_settings(&self) -> Settings {
        let waiting = self.rare.as_ref().and_then(|rare| rare.settings.back());
        waiting.map_or(self.local, |&(settings, _)| settings)
    }

    /// The largest initial window that the peer may be going by: it may have seen SETTINGS whose
    /// acknowledgement is still on its way.
    pub(super) fn widest_initial_window(&self) -> u32 {
        let waiting = self.rare.iter().flat_map(|rare| &rare.settings);
        let windows = waiting.map(|(settings, _)| settings.initial_window_size);
        windows.fold(self.local.initial_window_size, u32::max)
    }

    /// Widens what the peer may send on a stream, or on the connection, for good: a WINDOW_UPDATE at
    /// once (RFC 9113 §6.9), on top of those that [`release`](Self::release) causes.
    pub fn widen_receive_window(
        &mut self,
        stream: Option<StreamKey>,
        increment: u32,
    ) -> Result<(), Misuse> {
        if self.phase == PeerPhase::Closed {
            return Err(Misuse::GoingAway);
        }
        if increment == 0 {
            return Err(Misuse::InvalidValue);
        }
        let window = match stream {
            None => &mut self.receive_window,
            Some(stream) => {
                let slot = self.store.slot(stream).ok_or(Misuse::StreamClosed)?;
                let stream = &mut self.store[slot];
                stream.state.remote().ok_or(Misuse::StreamClosed)?;
                &mut stream.receive_window
            }
        };
        window.grow(increment).map_err(|_| Misuse::InvalidValue)?;
        let id = stream.map_or(0, StreamKey::id);
        encode::window_update(&mut self.output, id, increment);
        Ok(())
    }

    /// Gives a stream that we send on another priority, as the user sees fit (RFC 9218 §8: a server
    /// may know better than the client).
    pub fn set_priority(&mut self, stream: StreamKey, priority: Priority) {
        if let Some(slot) = self.store.slot(stream) {
            self.scheduler.set_priority(&mut self.store, slot, priority);
        }
    }

    /// Client: asks for another priority of a response (RFC 9218 §7.1).
    pub fn send_priority_update(
        &mut self,
        stream: StreamKey,
        priority: Priority,
    ) -> Result<(), Misuse> {
        if self.role != Role::Client {
            return Err(Misuse::WrongRole);
        }
        let slot = self.store.slot(stream).ok_or(Misuse::StreamClosed)?;
        self.scheduler.set_priority(&mut self.store, slot, priority);
        let value = priority.to_string();
        encode::priority_update(&mut self.output, stream.id(), value.as_bytes());
        Ok(())
    }

    /// Server: names an alternative service (RFC 7838 §4), for the origin of a request's stream or,
    /// without one, for `origin`.
    pub fn send_altsvc(
        &mut self,
        stream: Option<StreamKey>,
        origin: &[u8],
        value: &[u8],
    ) -> Result<(), Misuse> {
        self.check_server_frame(2 + origin.len() + value.len())?;
        if stream.is_some_and(|stream| !self.contains(stream)) {
            return Err(Misuse::StreamClosed);
        }
        if origin.is_empty() != stream.is_some() || origin.len() > usize::from(u16::MAX) {
            return Err(Misuse::InvalidValue);
        }
        let id = stream.map_or(0, StreamKey::id);
        encode::altsvc(&mut self.output, id, origin, value);
        Ok(())
    }

    /// Server: names the origins that the connection may be used for (RFC 8336 §2).
    pub fn send_origin<'a>(
        &mut self,
        origins: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
    ) -> Result<(), Misuse> {
        let origins = origins.into_iter();
        self.check_server_frame(origins.clone().map(|origin| 2 + origin.len()).sum())?;
        if origins
            .clone()
            .any(|origin| origin.len() > usize::from(u16::MAX))
        {
            return Err(Misuse::InvalidValue);
        }
        encode::origin(&mut self.output, origins);
        Ok(())
    }

    /// Sends a frame of an extension's type: what RFC 9113 defines has commands of its own.
    pub fn send_frame(
        &mut self,
        kind: FrameType,
        flags: u8,
        stream_id: u32,
        payload: &[u8],
    ) -> Result<(), Misuse> {
        if kind.0 <= FrameType::CONTINUATION.0 {
            return Err(Misuse::ReservedFrameType);
        }
        if stream_id > MAX_STREAM_ID {
            return Err(Misuse::InvalidValue);
        }
        self.check_frame(payload.len())?;
        encode::frame(&mut self.output, kind, flags, stream_id, payload);
        Ok(())
    }

    fn check_server_frame(&self, len: usize) -> Result<(), Misuse> {
        match self.role {
            Role::Server => self.check_frame(len),
            Role::Client => Err(Misuse::WrongRole),
        }
    }

    fn check_frame(&self, len: usize) -> Result<(), Misuse> {
        if self.phase == PeerPhase::Closed {
            return Err(Misuse::GoingAway);
        }
        match len <= self.remote.max_frame_size as usize {
            true => Ok(()),
            false => Err(Misuse::FrameTooLarge),
        }
    }
}
