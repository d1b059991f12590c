//! The frames that carry no part of a message (RFC 9113 §6.3–§6.9, RFC 9218 §7.1, RFC 7838 §4,
//! RFC 8336 §2).

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::time::Instant;

use super::receive::{Absent, Received};
use super::{Connection, Leaving, PeerPhase};
use crate::h2::budget::Haste;
use crate::h2::error::{ConnectionError, ErrorCode, FrameFault, StreamError};
use crate::h2::event::{Cause, Event, Origins, SettingsEntries};
use crate::h2::flow::difference;
use crate::h2::frame::decode::Rfc7540Priority;
use crate::h2::frame::{FrameHeader, FrameType, HEADER_LEN, decode, encode, flag};
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
                return Ok(match self.config.report_extensions {
                    true => Received::Event(Event::Rfc7540Priority {
                        stream_id: id,
                        priority,
                    }),
                    false => Received::Nothing,
                });
            }
            Some(_) => StreamError::protocol("stream depends on itself"),
            None => StreamError::new(
                ErrorCode::FRAME_SIZE_ERROR,
                "PRIORITY is not five bytes long",
            ),
        };
        if self.store.find(id).is_none() && self.absent(id) == Absent::Idle {
            // RST_STREAM on an idle stream would be an error of ours (§6.4).
            return Err(ConnectionError::new(error.code, error.reason).into());
        }
        Err(FrameFault::stream(id, error))
    }

    /// Gives a stream the urgency of a PRIORITY frame. Whether its parts are of use, only a `priority`
    /// field says.
    fn obey_rfc7540(&mut self, id: u32, priority: Rfc7540Priority) {
        if self.role == Role::Client {
            return;
        }
        let Some(urgency) = self.obeyed_urgency(priority) else {
            return;
        };
        if let Some(slot) = self.store.find(id)
            && self.store[slot].signals == Signals::Any
        {
            let priority = Priority::new(urgency, self.store[slot].priority.incremental());
            self.scheduler.set_priority(&mut self.store, slot, priority);
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
        let Some(slot) = self.store.find(id) else {
            self.check_not_idle(id, "RST_STREAM on an idle stream")?;
            self.budget.ignored(&self.config.budgets, HEADER_LEN)?;
            return Ok(Received::Nothing);
        };
        self.charge_reset(slot)?;
        let stream = self.store.key_of(slot);
        self.pass_remote(slot, Passage::Reset)?;
        Ok(Received::Event(Event::StreamReset {
            stream,
            code,
            by: Cause::Peer,
        }))
    }

    /// A request that its client resets is charged, unless much of the response was sent.
    fn charge_reset(&mut self, slot: StreamSlot) -> Result<(), ConnectionError> {
        let stream = &self.store[slot];
        if stream.id % 2 == self.role.parity()
            || stream.state.local().is_none()
            || stream.sent.is_substantial()
        {
            return Ok(());
        }
        let haste = match stream.born == self.lots {
            true => Haste::Hasty,
            false => Haste::Early,
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
            if self.send_window.widen(increment).is_err() {
                return Err(ConnectionError::flow_control("connection window too large").into());
            }
            return Ok(Received::Event(Event::WindowUpdated {
                stream: None,
                increment,
            }));
        }
        let of_zero = || FrameFault::stream(id, StreamError::protocol("WINDOW_UPDATE of 0"));
        let Some(slot) = self.store.find(id) else {
            self.check_not_idle(id, "WINDOW_UPDATE on an idle stream")?;
            return match self.absent(id) {
                // Wrong in any case: that does not hang on whether the stream has just ended.
                Absent::Closed(Closing::Ended) if increment == 0 => Err(of_zero()),
                _ => Ok(Received::Nothing),
            };
        };
        if self.store[slot].state == StreamState::ReservedRemote {
            // §5.1: its sender is the only one with anything to send on it.
            let reason = "WINDOW_UPDATE on a stream that its sender promised";
            return Err(ConnectionError::protocol(reason).into());
        }
        if increment == 0 {
            return Err(of_zero());
        }
        if self.store[slot].send_window.widen(increment).is_err() {
            let code = ErrorCode::FLOW_CONTROL_ERROR;
            let error = StreamError::new(code, "stream window too large");
            return Err(FrameFault::stream(id, error));
        }
        self.unblock(slot);
        Ok(Received::Event(Event::WindowUpdated {
            stream: Some(self.store.key_of(slot)),
            increment,
        }))
    }

    fn check_not_idle(&self, id: u32, reason: &'static str) -> Result<(), ConnectionError> {
        match self.absent(id) {
            Absent::Idle => Err(ConnectionError::protocol(reason)),
            _ => Ok(()),
        }
    }

    /// RFC 9218 §7.1: from clients only; the stream may be one that is still to come.
    pub(super) fn receive_priority_update<'i>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> ReceivedResult<'i> {
        let (stream_id, value) = decode::priority_update(payload)?;
        if self.role == Role::Client {
            return Err(ConnectionError::protocol("PRIORITY_UPDATE from a server").into());
        }
        if header.stream_id != 0 || stream_id == 0 {
            let reason = "PRIORITY_UPDATE on a stream, or of stream 0";
            return Err(ConnectionError::protocol(reason).into());
        }
        self.charge_ignored(payload)?;
        let priority = Priority::parse(value);
        if let Some(slot) = self.store.find(stream_id) {
            self.scheduler.set_priority(&mut self.store, slot, priority);
            self.store[slot].signals = Signals::Rfc9218;
        } else if self.absent(stream_id) != Absent::Idle {
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

    /// The latest few: whoever sends more of them ahead does without.
    fn keep_early_priority(&mut self, id: u32, priority: Priority) {
        let limit = self.config.budgets.early_priorities;
        let highest = self.requests.highest();
        let priorities = &mut self.rare().priorities;
        priorities.retain(|&(other, _)| other != id && other > highest);
        if priorities.len() < limit {
            priorities.push((id, priority));
        }
        self.tidy();
    }
}

/// # The connection
impl Connection {
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
        let now = self.clock.tick(now);
        self.budget
            .settings(&self.config.budgets, entries.len(), now)?;
        self.apply_remote_settings(entries)?;
        self.phase = PeerPhase::Open;
        encode::settings_ack(&mut self.output);
        Ok(Received::Event(Event::SettingsChanged {
            entries: SettingsEntries(entries),
        }))
    }

    /// The values, in order (§6.5.3).
    pub(super) fn apply_remote_settings(
        &mut self,
        entries: &[[u8; 6]],
    ) -> Result<(), ConnectionError> {
        let before = self.remote;
        for entry in entries.iter().copied().map(decode::setting) {
            let old = self.remote;
            self.remote.apply(self.role.peer(), entry)?;
            if self.remote.header_table_size != old.header_table_size {
                // Every value counts: the smallest one has to be announced (RFC 7541 §4.2).
                let size = self.remote.header_table_size;
                self.encoder.set_peer_max_table_size(size);
            }
        }
        if self.phase == PeerPhase::Open
            && before.no_rfc7540_priorities != self.remote.no_rfc7540_priorities
        {
            // RFC 9218 §2.1
            let reason = "SETTINGS_NO_RFC7540_PRIORITIES changed";
            return Err(ConnectionError::protocol(reason));
        }
        let difference = difference(before.initial_window_size, self.remote.initial_window_size);
        if difference == 0 {
            return Ok(());
        }
        for stream in self.store.iter_mut() {
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
        let waiting = self
            .rare
            .as_mut()
            .and_then(|rare| rare.settings.pop_front());
        let Some((settings, _)) = waiting else {
            self.budget.useless_frame(&self.config.budgets)?;
            return Ok(Received::Nothing);
        };
        self.tidy();
        let before = std::mem::replace(&mut self.local, settings);
        // What was announced since then may already be in use.
        for (later, _) in self.rare.iter().flat_map(|rare| &rare.settings) {
            self.local.max_frame_size = self.local.max_frame_size.max(later.max_frame_size);
        }
        self.apply_local_settings(before)?;
        Ok(Received::Event(Event::SettingsAcknowledged { settings }))
    }

    fn apply_local_settings(&mut self, before: Settings) -> Result<(), ConnectionError> {
        let Settings {
            header_table_size,
            initial_window_size,
            ..
        } = self.local;
        if header_table_size != before.header_table_size {
            self.decoder.set_max_table_size(header_table_size as usize);
        }
        let difference = difference(before.initial_window_size, initial_window_size);
        if difference != 0 {
            for stream in self.store.iter_mut() {
                // Only a window that its user grew by hand can pass the maximum; it stays there.
                let _ = stream.receive_window.adjust(difference);
                // What was too little to announce of a large window may be all of a smaller one: then
                // nothing can come any more whose release would announce it.
                if stream.state.remote().is_some()
                    && let Some(increment) = stream.receive_window.poll_update()
                {
                    encode::window_update(&mut self.output, stream.id, increment);
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
            let now = self.clock.tick(now);
            self.budget.ping(&self.config.budgets, now)?;
            encode::ping(&mut self.output, flag::ACK, payload);
            return Ok(Received::Event(Event::Ping { payload }));
        }
        let Some(sent) = self.take_ping(payload) else {
            self.budget.useless_frame(&self.config.budgets)?;
            return Ok(Received::Nothing);
        };
        if self.is_shutdown_ping(payload) && self.leaving == Leaving::Announced {
            self.leave();
            return Ok(Received::Nothing);
        }
        Ok(Received::Event(Event::PingAcknowledged {
            payload,
            round_trip: now.saturating_duration_since(sent),
        }))
    }

    fn take_ping(&mut self, payload: [u8; 8]) -> Option<Instant> {
        let pings = &mut self.rare.as_mut()?.pings;
        let position = pings.iter().position(|(other, _)| *other == payload)?;
        let (_, sent) = pings.remove(position)?;
        self.tidy();
        Some(sent)
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
        if self
            .peer_last
            .is_some_and(|last| goaway.last_stream_id > last)
        {
            let reason = "GOAWAY with a higher stream than before";
            return Err(ConnectionError::protocol(reason).into());
        }
        self.charge_ignored(payload)?;
        self.peer_last = Some(goaway.last_stream_id);
        // Streams of ours above it were never looked at, and never will be.
        let parity = self.role.parity();
        while let Some(slot) = self.store.last_above(goaway.last_stream_id, parity) {
            let stream = self.store.key_of(slot);
            self.remove(slot, Closing::ResetByUs);
            let reset = (stream, ErrorCode::REFUSED_STREAM, Cause::GoAway);
            self.rare().resets.push_front(reset);
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

    /// Frames of extensions: those that a client knows, and those that nobody does (§5.5).
    pub(super) fn receive_extension<'i>(
        &mut self,
        header: FrameHeader,
        payload: &'i [u8],
    ) -> ReceivedResult<'i> {
        self.charge_ignored(payload)?;
        let event = match (header.kind, self.role) {
            (FrameType::ALTSVC, Role::Client) => match decode::altsvc(payload) {
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
