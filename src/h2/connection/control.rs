//! The frames that carry no part of a message (RFC 9113 §6.3–§6.9, RFC 9218 §7.1, RFC 7838 §4,
//! RFC 8336 §2).

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::time::Instant;

use super::Connection;
use super::inbound::PeerPhase;
use super::receive::Received;
use super::shutdown::SHUTDOWN_PING;
use super::streams::Absent;
use crate::h2::budget::Haste;
use crate::h2::error::{ConnectionError, ErrorCode, FrameFault, StreamError};
use crate::h2::event::{Cause, Event, Origins, SettingsEntries};
use crate::h2::flow::difference;
use crate::h2::frame::decode::Rfc7540Priority;
use crate::h2::frame::{FrameHeader, FrameType, HEADER_LEN, decode, extension, flag};
use crate::h2::ids::Closing;
use crate::h2::priority::Priority;
use crate::h2::settings::{Role, Settings};
use crate::h2::stream::{Passage, Signals, StreamState};
use crate::h2::turn::StreamSlot;

type ReceivedResult<'i> = Result<Received<'i>, FrameFault>;

/// # Streams
impl Connection {
    /// RFC 9113 §6.3: deprecated, but Chromium says by nothing else that a response has become more
    /// urgent. Of a stream that does not live, nothing is kept.
    pub(super) fn receive_priority<'i>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> ReceivedResult<'i> {
        let id = header.stream_id;
        if id == 0 {
            return Err(ConnectionError::protocol("PRIORITY on stream 0").into());
        }
        self.charge_ignored(payload)?;
        let error = match decode::priority(payload) {
            Some(priority) if priority.dependency != id => {
                self.obey_rfc7540(id, priority);
                if !self.config.report_extensions {
                    return Ok(Received::Nothing);
                }
                return Ok(Received::Event(Event::Rfc7540Priority {
                    stream_id: id,
                    priority,
                }));
            }
            Some(_) => StreamError::protocol("stream depends on itself"),
            None => StreamError::new(
                ErrorCode::FRAME_SIZE_ERROR,
                "PRIORITY is not five bytes long",
            ),
        };
        if self.streams.find(id).is_none() && self.streams.absent(id) == Absent::Idle {
            // RST_STREAM on an idle stream would be an error of ours (§6.4).
            return Err(ConnectionError::new(error.code, error.reason).into());
        }
        Err(FrameFault::stream(id, error))
    }

    /// Gives a stream the urgency of a PRIORITY frame. Whether its parts are of use, only a `priority`
    /// field says.
    fn obey_rfc7540(&mut self, id: u32, priority: Rfc7540Priority) {
        if self.role() == Role::Client {
            return;
        }
        let Some(urgency) = self.obeyed_urgency(priority) else {
            return;
        };
        if let Some(slot) = self.streams.find(id)
            && self.streams[slot].signals == Signals::Any
        {
            let priority = Priority::new(urgency, self.streams[slot].priority.incremental());
            self.streams.set_priority(slot, priority);
        }
    }

    /// RFC 9113 §6.4.
    pub(super) fn receive_rst_stream<'i>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> ReceivedResult<'i> {
        let id = header.stream_id;
        let code = decode::rst_stream(payload)?;
        if id == 0 {
            return Err(ConnectionError::protocol("RST_STREAM on stream 0").into());
        }
        let Some(slot) = self.streams.find(id) else {
            self.check_not_idle(id, "RST_STREAM on an idle stream")?;
            self.budget.ignored(&self.config.budgets, HEADER_LEN)?;
            return Ok(Received::Nothing);
        };
        self.charge_reset(slot)?;
        let stream = self.streams.key_of(slot);
        self.pass_remote(slot, Passage::Reset)?;
        Ok(Received::Event(Event::StreamReset {
            stream,
            code,
            by: Cause::Peer,
            section: None,
        }))
    }

    /// A request that its client resets is charged, unless much of the response was sent.
    fn charge_reset(&mut self, slot: StreamSlot) -> Result<(), ConnectionError> {
        let stream = &self.streams[slot];
        if stream.id % 2 == self.streams.role().parity()
            || stream.state.local().is_none()
            || stream.sent.is_substantial()
        {
            return Ok(());
        }
        let haste = if stream.born == self.inbound.batches() {
            Haste::Hasty
        } else {
            Haste::Early
        };
        self.budget.reset_by_peer(&self.config.budgets, haste)
    }

    /// RFC 9113 §6.9.
    pub(super) fn receive_window_update<'i>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> ReceivedResult<'i> {
        let id = header.stream_id;
        let increment = decode::window_update(payload)?;
        if id == 0 {
            if increment == 0 {
                return Err(ConnectionError::protocol("WINDOW_UPDATE of 0").into());
            }
            if self.streams.widen(increment).is_err() {
                return Err(ConnectionError::flow_control("connection window too large").into());
            }
            return Ok(Received::Event(Event::WindowUpdated {
                stream: None,
                increment,
            }));
        }
        let of_zero = || FrameFault::stream(id, StreamError::protocol("WINDOW_UPDATE of 0"));
        let Some(slot) = self.streams.find(id) else {
            self.check_not_idle(id, "WINDOW_UPDATE on an idle stream")?;
            return match self.streams.absent(id) {
                // Wrong in any case: that does not hang on whether the stream has just ended.
                Absent::Closed(Closing::Ended) if increment == 0 => Err(of_zero()),
                _ => Ok(Received::Nothing),
            };
        };
        if self.streams[slot].state == StreamState::ReservedRemote {
            // §5.1: its sender is the only one with anything to send on it.
            let reason = "WINDOW_UPDATE on a stream that its sender promised";
            return Err(ConnectionError::protocol(reason).into());
        }
        if increment == 0 {
            return Err(of_zero());
        }
        if self.streams[slot].send_window.widen(increment).is_err() {
            let code = ErrorCode::FLOW_CONTROL_ERROR;
            let error = StreamError::new(code, "stream window too large");
            return Err(FrameFault::stream(id, error));
        }
        self.unblock(slot);
        Ok(Received::Event(Event::WindowUpdated {
            stream: Some(self.streams.key_of(slot)),
            increment,
        }))
    }

    fn check_not_idle(&self, id: u32, reason: &'static str) -> Result<(), ConnectionError> {
        match self.streams.absent(id) {
            Absent::Idle => Err(ConnectionError::protocol(reason)),
            _ => Ok(()),
        }
    }

    /// RFC 9218 §7.1: from clients only; the stream may be one that is still to come.
    fn receive_priority_update<'i>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> ReceivedResult<'i> {
        let (stream_id, value) = extension::priority_update(payload)?;
        if self.role() == Role::Client {
            return Err(ConnectionError::protocol("PRIORITY_UPDATE from a server").into());
        }
        if header.stream_id != 0 || stream_id == 0 {
            let reason = "PRIORITY_UPDATE on a stream, or of stream 0";
            return Err(ConnectionError::protocol(reason).into());
        }
        self.charge_ignored(payload)?;
        let priority = Priority::parse(value);
        if let Some(slot) = self.streams.find(stream_id) {
            self.streams.set_priority(slot, priority);
            self.streams[slot].signals = Signals::Rfc9218;
        } else if self.streams.absent(stream_id) != Absent::Idle {
            return Ok(Received::Nothing);
        } else if stream_id % 2 == 0 {
            // §7.1: of pushes only those that were promised.
            return Err(ConnectionError::protocol("PRIORITY_UPDATE of an idle push").into());
        } else {
            self.keep_early_priority(stream_id, priority);
        }
        Ok(Received::Event(Event::PriorityUpdated {
            stream_id,
            priority,
        }))
    }

    /// Keeps the latest few: a peer that sends more of them ahead does without.
    fn keep_early_priority(&mut self, id: u32, priority: Priority) {
        let limit = self.config.budgets.early_priorities;
        let highest = self.streams.highest_request();
        self.waiting.keep_priority(id, priority, highest, limit);
    }
}

/// # The connection
impl Connection {
    /// Sends PING (RFC 9113 §6.7). Its answer is told with the round trip.
    pub fn ping(&mut self, payload: [u8; 8], now: Instant) {
        if self.inbound.phase() != PeerPhase::Closed {
            self.outbound.ping(0, payload);
            self.waiting.push_ping(payload, now);
        }
    }

    /// RFC 9113 §6.5.
    pub(super) fn receive_settings<'i>(
        &mut self,
        header: FrameHeader,
        payload: &'i [u8],
        now: Instant,
    ) -> ReceivedResult<'i> {
        if header.stream_id != 0 {
            return Err(ConnectionError::protocol("SETTINGS on a stream").into());
        }
        if header.has(flag::ACK) {
            if !payload.is_empty() {
                let reason = "acknowledgement of SETTINGS with a payload";
                return Err(ConnectionError::frame_size(reason).into());
            }
            return self.receive_settings_ack();
        }
        let entries = decode::settings(payload)?;
        let now = self.timing.hear(now);
        self.budget
            .settings(&self.config.budgets, entries.len(), now)?;
        let before = *self.agreement.remote();
        self.apply_remote_settings(entries)?;
        self.inbound.enter(PeerPhase::Open);
        self.outbound.settings_ack();
        Ok(Received::Event(Event::SettingsChanged {
            entries: SettingsEntries { entries, before },
        }))
    }

    /// The values, in order (§6.5.3).
    pub(super) fn apply_remote_settings(
        &mut self,
        entries: &[[u8; 6]],
    ) -> Result<(), ConnectionError> {
        let outbound = &mut self.outbound;
        let resize = |size| outbound.set_peer_max_table_size(size);
        let peer = self.streams.role().peer();
        let before = self.agreement.apply_remote(peer, entries, resize)?;
        let remote = self.agreement.remote();
        if self.inbound.phase() == PeerPhase::Open
            && before.no_rfc7540_priorities != remote.no_rfc7540_priorities
        {
            // RFC 9218 §2.1
            let reason = "SETTINGS_NO_RFC7540_PRIORITIES changed";
            return Err(ConnectionError::protocol(reason));
        }
        let difference = difference(before.initial_window_size, remote.initial_window_size);
        if difference == 0 {
            return Ok(());
        }
        for stream in self.streams.iter_mut() {
            // §6.9.2: a window past the maximum is the connection's end.
            let adjusted = stream.send_window.adjust(difference);
            adjusted.map_err(|_| ConnectionError::flow_control("stream window too large"))?;
        }
        if difference > 0 {
            self.unblock_all();
        }
        Ok(())
    }

    fn receive_settings_ack<'i>(&mut self) -> ReceivedResult<'i> {
        let Some(settings) = self.waiting.pop_settings() else {
            self.budget.useless_frame(&self.config.budgets)?;
            return Ok(Received::Nothing);
        };
        let before = self.agreement.acknowledge(settings);
        // What was announced since then may already be in use.
        for later in self.waiting.settings() {
            self.agreement.announce(*later);
        }
        self.apply_local_settings(before)?;
        Ok(Received::Event(Event::SettingsAcknowledged {
            settings,
            before,
        }))
    }

    fn apply_local_settings(&mut self, before: Settings) -> Result<(), ConnectionError> {
        let Settings {
            header_table_size,
            initial_window_size,
            ..
        } = *self.agreement.local();
        self.inbound.change_limits();
        if header_table_size != before.header_table_size {
            self.inbound.set_max_table_size(header_table_size);
        }
        let difference = difference(before.initial_window_size, initial_window_size);
        if difference != 0 {
            for stream in self.streams.iter_mut() {
                // Only a window that its user grew by hand can pass the maximum; it stays there.
                let _ = stream.receive_window.adjust(difference);
                // What was too little to announce of a large window may be all of a smaller one: then
                // nothing can come any more whose release would announce it.
                if stream.state.remote().is_some()
                    && let Some(increment) = stream.receive_window.poll_update()
                {
                    self.outbound.window_update(stream.id, increment);
                }
            }
        }
        Ok(())
    }

    /// RFC 9113 §6.7.
    pub(super) fn receive_ping<'i>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        now: Instant,
    ) -> ReceivedResult<'i> {
        if header.stream_id != 0 {
            return Err(ConnectionError::protocol("PING on a stream").into());
        }
        let payload = decode::ping(payload)?;
        if !header.has(flag::ACK) {
            let now = self.timing.hear(now);
            self.budget.ping(&self.config.budgets, now)?;
            self.outbound.ping(flag::ACK, payload);
            return Ok(Received::Event(Event::Ping { payload }));
        }
        let Some(sent) = self.waiting.take_ping(payload) else {
            self.budget.useless_frame(&self.config.budgets)?;
            return Ok(Received::Nothing);
        };
        if payload == SHUTDOWN_PING && self.departure.due().is_some() {
            self.leave();
            return Ok(Received::Nothing);
        }
        Ok(Received::Event(Event::PingAcknowledged {
            payload,
            round_trip: now.saturating_duration_since(sent),
        }))
    }

    /// RFC 9113 §6.8.
    pub(super) fn receive_goaway<'i>(
        &mut self,
        header: FrameHeader,
        payload: &'i [u8],
    ) -> ReceivedResult<'i> {
        if header.stream_id != 0 {
            return Err(ConnectionError::protocol("GOAWAY on a stream").into());
        }
        let goaway = decode::goaway(payload)?;
        if !self.departure.peer_leaves(goaway.last_stream_id) {
            let reason = "GOAWAY with a higher stream than before";
            return Err(ConnectionError::protocol(reason).into());
        }
        self.charge_ignored(payload)?;
        // Streams of ours above it were never looked at, and never will be.
        while let Some(slot) = self.streams.last_of_ours_above(goaway.last_stream_id) {
            let stream = self.streams.key_of(slot);
            self.remove(slot, Closing::ResetByUs);
            let reset = (stream, ErrorCode::REFUSED_STREAM, Cause::GoAway);
            self.waiting.push_reset_front(reset);
        }
        Ok(Received::Event(Event::GoAway {
            last_stream_id: goaway.last_stream_id,
            code: goaway.code,
            debug: goaway.debug,
        }))
    }

    /// A frame came that says little or nothing to us.
    fn charge_ignored(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        let len = HEADER_LEN.saturating_add(payload.len());
        self.budget.ignored(&self.config.budgets, len)
    }

    /// Frames of extensions: priorities, those that a client knows, and those that nobody does (§5.5).
    pub(super) fn receive_extension<'i>(
        &mut self,
        header: FrameHeader,
        payload: &'i [u8],
    ) -> ReceivedResult<'i> {
        if header.kind == FrameType::PRIORITY_UPDATE {
            return self.receive_priority_update(header, payload);
        }
        self.charge_ignored(payload)?;
        let event = match (header.kind, self.role()) {
            (FrameType::ALTSVC, Role::Client) => match extension::altsvc(payload) {
                // RFC 7838 §4: an origin on stream 0, and only there.
                Some((origin, value)) if origin.is_empty() != (header.stream_id == 0) => {
                    Event::AlternativeService {
                        stream_id: header.stream_id,
                        origin,
                        value,
                    }
                }
                _ => return Ok(Received::Nothing),
            },
            // RFC 8336 §2: on stream 0, else ignored.
            (FrameType::ORIGIN, Role::Client) if header.stream_id == 0 => Event::Origin {
                origins: Origins(payload),
            },
            (FrameType::ORIGIN, Role::Client) => return Ok(Received::Nothing),
            _ if self.config.report_extensions => Event::UnknownFrame { header, payload },
            _ => return Ok(Received::Nothing),
        };
        Ok(Received::Event(event))
    }
}
