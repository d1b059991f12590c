//! Commands and questions that calmd itself has no use for, and that a library of HTTP/2 has: SETTINGS,
//! windows by hand, priorities (RFC 9218, RFC 7540 §5.3), pushed responses, DATA without a grant, the client's side of
//! an upgrade (RFC 7540 §3.2), ALTSVC (RFC 7838), ORIGIN (RFC 8336), and frames of types that are nobody's here.
//! `tests/it/shape.rs` looks for more of them elsewhere.

use std::sync::Arc;
use std::time::Instant;

use super::Connection;
use super::inbound::PeerPhase;
use super::lifecycle::refusal;
use super::send::{Prepared, no_slot, prepared};
use super::upgrade::base64url_encode;
use crate::h2::config::Config;
use crate::h2::error::Misuse;
use crate::h2::event::Event;
use crate::h2::field_section;
use crate::h2::frame::decode::Rfc7540Priority;
use crate::h2::frame::{FrameType, MAX_STREAM_ID, extension};
use crate::h2::priority::Priority;
use crate::h2::settings::{Role, Settings};
use crate::h2::store::{MAX_STREAMS, StreamKey};
use crate::h2::stream::{Passage, Side, StreamState};
use crate::h2::turn::StreamSlot;
use crate::http::field::{Field, Fields};

impl Connection {
    /// Announces other settings (RFC 9113 §6.5): [`announced_settings`](Self::announced_settings)
    /// with some changed. They are in force when the peer has acknowledged them, which is told.
    pub fn update_settings(&mut self, settings: Settings, now: Instant) -> Result<(), Misuse> {
        if self.inbound.phase() == PeerPhase::Closed {
            return Err(Misuse::GoingAway);
        }
        let announced = self.announced_settings();
        settings.check(self.role(), announced)?;
        if settings.no_rfc7540_priorities != announced.no_rfc7540_priorities {
            // RFC 9218 §2.1: said once, in the first SETTINGS.
            return Err(Misuse::InvalidValue);
        }
        self.announce(settings, announced, now);
        Ok(())
    }

    /// Widens what the peer may send on a stream, or on the connection, for good: a WINDOW_UPDATE at
    /// once (RFC 9113 §6.9), on top of those that [`release`](Self::release) causes.
    pub fn widen_receive_window(
        &mut self,
        stream: Option<StreamKey>,
        increment: u32,
    ) -> Result<(), Misuse> {
        if self.inbound.phase() == PeerPhase::Closed {
            return Err(Misuse::GoingAway);
        }
        if increment == 0 {
            return Err(Misuse::InvalidValue);
        }
        let grown = match stream {
            None => self.inbound.grow(increment),
            Some(stream) => {
                let slot = self.streams.slot(stream).ok_or(Misuse::StreamClosed)?;
                let stream = &mut self.streams[slot];
                stream.state.remote().ok_or(Misuse::StreamClosed)?;
                stream.receive_window.grow(increment)
            }
        };
        grown.map_err(|_| Misuse::InvalidValue)?;
        let id = stream.map_or(0, StreamKey::id);
        self.outbound.window_update(id, increment);
        Ok(())
    }

    /// Gives a stream that we send on another priority, as the user sees fit (RFC 9218 §8: a server
    /// may know better than the client).
    pub fn set_priority(&mut self, stream: StreamKey, priority: Priority) {
        if let Some(slot) = self.streams.slot(stream) {
            self.streams.set_priority(slot, priority);
        }
    }

    /// Client: asks for another priority of a response (RFC 9218 §7.1).
    pub fn send_priority_update(
        &mut self,
        stream: StreamKey,
        priority: Priority,
    ) -> Result<(), Misuse> {
        if self.role() != Role::Client {
            return Err(Misuse::WrongRole);
        }
        let slot = self.streams.slot(stream).ok_or(Misuse::StreamClosed)?;
        self.streams.set_priority(slot, priority);
        let value = priority.to_string();
        self.outbound
            .extension(|out| extension::put_priority_update(out, stream.id(), value.as_bytes()));
        Ok(())
    }

    /// Client: tells the priority of a stream in the way of RFC 7540 §5.3, with PRIORITY. The stream may be one that is
    /// still to come, or that nobody will ever use. Deprecated (RFC 9113 §5.3.2), for servers that know nothing
    /// else; needs [`Config::rfc7540_priorities`](crate::h2::Config::rfc7540_priorities).
    pub fn send_rfc7540_priority(
        &mut self,
        stream_id: u32,
        priority: Rfc7540Priority,
    ) -> Result<(), Misuse> {
        let payload = self.checked_priority(stream_id, priority)?;
        self.check_frame(payload.len())?;
        self.outbound
            .frame(FrameType::PRIORITY, 0, stream_id, &payload);
        Ok(())
    }

    /// The bytes of a priority of RFC 7540 that this side may send for a stream.
    pub(super) fn checked_priority(
        &self,
        stream_id: u32,
        priority: Rfc7540Priority,
    ) -> Result<[u8; Rfc7540Priority::LEN], Misuse> {
        if self.role() != Role::Client {
            return Err(Misuse::WrongRole);
        }
        if !self.config.rfc7540_priorities {
            return Err(Misuse::Rfc7540Disabled);
        }
        // §5.3.1: no stream depends on itself.
        let is_stream = (1..=MAX_STREAM_ID).contains(&stream_id);
        if !is_stream || priority.dependency == stream_id {
            return Err(Misuse::InvalidValue);
        }
        priority.encode().ok_or(Misuse::InvalidValue)
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
        self.outbound
            .extension(|out| extension::put_altsvc(out, id, origin, value));
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
        self.outbound
            .extension(|out| extension::put_origin(out, origins));
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
        self.outbound.frame(kind, flags, stream_id, payload);
        Ok(())
    }

    fn check_server_frame(&self, len: usize) -> Result<(), Misuse> {
        match self.role() {
            Role::Server => self.check_frame(len),
            Role::Client => Err(Misuse::WrongRole),
        }
    }

    fn too_large(&self, len: usize) -> Misuse {
        Misuse::FrameTooLarge {
            len: len as u64,
            max: self.agreement.remote().max_frame_size,
        }
    }

    fn check_frame(&self, len: usize) -> Result<(), Misuse> {
        if self.inbound.phase() == PeerPhase::Closed {
            return Err(Misuse::GoingAway);
        }
        if len > self.agreement.remote().max_frame_size as usize {
            return Err(self.too_large(len));
        }
        Ok(())
    }
}

/// # Requests and responses in other forms
impl Connection {
    /// Client: sends a request on a new stream, with a priority of RFC 7540 §5.3 in its HEADERS. Deprecated (RFC
    /// 9113 §5.3.2), for servers that know nothing else; needs
    /// [`Config::rfc7540_priorities`](crate::h2::Config::rfc7540_priorities).
    pub fn open_with_priority<'f>(
        &mut self,
        fields: impl IntoIterator<Item = Field<'f>>,
        priority: Rfc7540Priority,
        end_stream: bool,
        now: Instant,
    ) -> Result<StreamKey, Misuse> {
        self.open_stream(fields.into_iter(), Some(priority), end_stream, now)
    }

    /// Server: sends the head of a final response, of a status from 200 to 999: [`send_headers`](Self::send_headers) with
    /// `:status` in front. Without `end_stream` its content follows.
    pub fn send_response<'f>(
        &mut self,
        stream: StreamKey,
        status: u16,
        fields: impl IntoIterator<Item = Field<'f>>,
        end_stream: bool,
    ) -> Result<(), Misuse> {
        if !(200..1_000).contains(&status) {
            return Err(Misuse::InvalidValue);
        }
        self.send_status(stream, status, fields, end_stream)
    }

    /// Gives back all that an event's content took from the windows: [`release`](Self::release) of its
    /// `flow_controlled_len`, for a user that has used the content up at once. Does nothing for an event without
    /// content, so it may be called for each.
    pub fn release_event(&mut self, event: &Event<'_>) -> Result<(), Misuse> {
        match *event {
            Event::Data {
                stream,
                flow_controlled_len,
                ..
            } => self.release(stream, flow_controlled_len),
            _ => Ok(()),
        }
    }
}

/// # DATA by hand
impl Connection {
    /// Sends DATA at once: within both windows and the peer's largest frame, or not at all.
    pub fn send_data(
        &mut self,
        stream: StreamKey,
        data: &[u8],
        end_stream: bool,
    ) -> Result<(), Misuse> {
        let slot = self.check_data_to_send(stream, data.len())?;
        self.outbound.data(stream.id(), data, end_stream);
        self.sent_data(slot, data.len() as u32, end_stream);
        Ok(())
    }

    /// Sends DATA at once with `padding` zero bytes behind the data (RFC 9113 §10.7), which, with the byte that
    /// tells their number, count against the windows too.
    pub fn send_padded_data(
        &mut self,
        stream: StreamKey,
        data: &[u8],
        padding: u8,
        end_stream: bool,
    ) -> Result<(), Misuse> {
        let len = 1 + data.len() + usize::from(padding);
        let slot = self.check_data_to_send(stream, len)?;
        self.outbound
            .padded_data(stream.id(), data, padding, end_stream);
        self.sent_data(slot, len as u32, end_stream);
        Ok(())
    }

    fn check_data_to_send(&self, stream: StreamKey, len: usize) -> Result<StreamSlot, Misuse> {
        let slot = self.streams.slot(stream).ok_or(Misuse::StreamClosed)?;
        let state = self.streams[slot].state;
        // The end of the stream makes no difference to what may be sent.
        let passage = Passage::Data { end_stream: false };
        state.pass(Side::Local, passage).map_err(refusal)?;
        if len > self.agreement.remote().max_frame_size as usize {
            return Err(self.too_large(len));
        }
        let window = self.send_window(stream).unwrap_or(0);
        if len > window as usize {
            let len = len as u64;
            return Err(Misuse::WindowExceeded { len, window });
        }
        Ok(slot)
    }
}

/// # Pushed responses
impl Connection {
    /// The identifier that the next stream of ours will have; `None` when there is none left.
    pub fn next_stream_id(&self) -> Option<u32> {
        self.streams.next_id()
    }

    /// Server: promises a response to a request that `fields` make up (RFC 9113 §8.4), on a stream
    /// of the client's that is still open for sending. The response is sent on the returned stream,
    /// once the client's SETTINGS_MAX_CONCURRENT_STREAMS has room for it.
    pub fn push<'f>(
        &mut self,
        parent: StreamKey,
        fields: impl IntoIterator<Item = Field<'f>>,
        now: Instant,
    ) -> Result<StreamKey, Misuse> {
        if self.role() != Role::Server {
            return Err(Misuse::WrongRole);
        }
        self.check_open()?;
        let slot = self.streams.slot(parent).ok_or(Misuse::StreamClosed)?;
        if self.streams[slot].state.local().is_none() {
            return Err(Misuse::StreamClosed);
        }
        if !self.agreement.remote().enable_push || parent.id().is_multiple_of(2) {
            return Err(Misuse::PushDisabled);
        }
        let id = self.streams.next_id().ok_or(Misuse::StreamIdsExhausted)?;
        if self.streams.len() >= MAX_STREAMS {
            return Err(no_slot());
        }
        let state = StreamState::Idle
            .pass(Side::Local, Passage::Promise)
            .map_err(refusal)?;
        let check = |fields: &Fields| field_section::request(fields, false).map(drop);
        let max = self.agreement.remote().max_frame_size;
        let outbound = &mut self.outbound;
        match prepared(&self.config, fields.into_iter(), check)? {
            Prepared::AsIs(fields) => outbound.push_promise(parent.id(), id, fields, max),
            Prepared::Copied(fields) => outbound.push_promise(parent.id(), id, fields.iter(), max),
        }
        self.streams.open_promise(id);
        let stream = self.new_stream(id, state);
        self.insert(stream, now).ok_or_else(no_slot)
    }
}

/// # HTTP/2 out of an HTTP/1.1 request of ours
impl Connection {
    /// The client's side, once 101 came: stream 1 waits for the response to the request of this
    /// method. Preface and SETTINGS are in the output.
    pub fn client_upgraded(
        config: Arc<Config>,
        method: &[u8],
        now: Instant,
    ) -> (Connection, StreamKey) {
        let mut connection = Connection::client(config, now);
        let stream = connection.upgraded_stream(Side::Local, method, now);
        (connection, stream.expect("the first stream has a slot"))
    }

    /// The value of the `HTTP2-Settings` field that a client sends with its request.
    pub fn http2_settings(config: &Config) -> String {
        let settings = Settings::from_config(config, Role::Client);
        let mut payload = Vec::new();
        for (id, value) in settings.changes(Settings::INITIAL) {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        base64url_encode(&payload)
    }
}

/// # What a connection knows of windows and streams
impl Connection {
    /// The active streams of those that one side opened: what a SETTINGS_MAX_CONCURRENT_STREAMS
    /// counts.
    pub fn active_streams(&self, opened_by: Role) -> usize {
        self.streams.active(opened_by).into()
    }

    /// Bytes that may be sent on a stream now: the smaller of its window and the connection's.
    pub fn send_window(&self, stream: StreamKey) -> Option<u32> {
        let slot = self.streams.slot(stream)?;
        let window = self.streams[slot].send_window.available();
        Some(window.min(self.connection_send_window()))
    }

    /// Bytes that the peer may send on a stream now: the smaller of its window and the connection's.
    pub fn receive_window(&self, stream: StreamKey) -> Option<u32> {
        let slot = self.streams.slot(stream)?;
        let window = self.streams[slot].receive_window.available();
        Some(window.min(self.connection_receive_window()))
    }

    /// Bytes that may be sent on all streams together.
    pub fn connection_send_window(&self) -> u32 {
        self.streams.send_window().available()
    }

    /// Bytes that the peer may send on all streams together.
    pub fn connection_receive_window(&self) -> u32 {
        self.inbound.window()
    }

    /// The priority of a stream.
    pub fn priority(&self, stream: StreamKey) -> Option<Priority> {
        self.streams
            .slot(stream)
            .map(|slot| self.streams[slot].priority)
    }
}
