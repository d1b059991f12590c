//! Time (RFC 9113 §6.5.3, §10.5): one deadline for all that is waited for.
//!
//! - A preface has to come, SETTINGS have to be acknowledged, a field block has to be completed, a shutdown has to go on.
//! - Streams have to progress. Four times in every `stall_timeout` those that wait for the peer are
//!   looked at, and what has not moved `stall_bytes` for five looks is reset with CANCEL, or for the looks of
//!   `slow_timeout` where patience is ample. PING, SETTINGS and WINDOW_UPDATE move nothing, so they keep
//!   nothing alive.
//!
//! ```text
//!   waits for                      is looked at with
//!   its own window                 its own progress
//!   the connection's, the socket   the whole connection's: some stream has to progress
//!   content that the peer owes     its own progress, as a server and outside of tunnels, unless it is excused
//!   its user                       nothing
//! ```

use std::time::{Duration, Instant};

use super::Connection;
use super::inbound::PeerPhase;
use crate::h2::clock::Tick;
use crate::h2::error::{ConnectionError, ErrorCode};
use crate::h2::event::Cause;
use crate::h2::settings::Role;
use crate::h2::store::StreamKey;
use crate::h2::stream::{Half, RequestKind};
use crate::h2::turn::{SendState, StreamSlot};
use crate::http::Patience;

impl Connection {
    /// The time at which [`handle_timeout`](Self::handle_timeout) has to be called, unless something
    /// else comes first.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        // Without a stream nobody has to wake for it. The next one may find it due: that is a look more
        // than it would have had, and none is early.
        let stall_check = self.timing.stall_check();
        let deadlines = [
            stall_check.filter(|_| !self.streams.is_empty()),
            self.waiting.settings_deadline(),
            self.waiting.small_frames_at(),
            self.departure.due(),
            self.inbound.block_deadline(),
        ];
        let next = deadlines.into_iter().flatten().reduce(Tick::earlier)?;
        Some(self.timing.instant(next))
    }

    /// Time that is left until [`next_deadline`](Self::next_deadline), zero where it has passed, in the form that a poll
    /// takes; `None` to wait for as long as it takes.
    pub fn timeout(&self, now: Instant) -> Option<Duration> {
        let deadline = self.next_deadline()?;
        Some(deadline.saturating_duration_since(now))
    }

    /// Does what is due. Streams that are given up are told by the next
    /// [`receive`](Self::receive).
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ConnectionError> {
        if self.is_closed() {
            return Ok(());
        }
        let tick = self.timing.hear(now);
        let due = |deadline: Option<Tick>| deadline.is_some_and(|deadline| deadline.is_due(tick));
        if due(self.waiting.settings_deadline()) {
            let error = match self.inbound.phase() {
                // Browsers connect ahead, and may then have nothing to ask.
                PeerPhase::Preface { matched: 0 } => {
                    ConnectionError::new(ErrorCode::NO_ERROR, "nothing came")
                }
                PeerPhase::Preface { .. } => ConnectionError::LATE_PREFACE,
                _ => {
                    let reason = "SETTINGS not acknowledged in time";
                    ConnectionError::new(ErrorCode::SETTINGS_TIMEOUT, reason)
                }
            };
            return Err(self.fail(error));
        }
        if due(self.inbound.block_deadline()) {
            return Err(self.fail(ConnectionError::LATE_FIELD_BLOCK));
        }
        if due(self.departure.due()) {
            self.leave();
        }
        if due(self.waiting.small_frames_at()) {
            self.allow_small_frames();
        }
        if due(self.timing.stall_check()) {
            self.timing.disarm_stall_check();
            self.cancel_stalled();
            if !self.streams.is_empty() {
                self.timing.arm_stall_check(&self.config, now);
            }
        }
        Ok(())
    }

    /// The caller does not read for a while, because of output that waits: this is not for the peer to
    /// answer for, so everything that it is waited for has its whole time again. To be called as long
    /// as that lasts; whether output is taken at all is the caller's to watch.
    pub fn pause_input(&mut self, now: Instant) {
        self.await_acknowledgement(now);
        let completed_by = self.timing.after(now, self.config.header_timeout);
        self.inbound.extend_block(completed_by);
        if self.timing.stall_check().is_some() {
            self.timing.arm_stall_check(&self.config, now);
        }
    }

    /// The time by which what is sent now has to be acknowledged, or the preface before that to come.
    pub(super) fn acknowledgement_due(&mut self, now: Instant) -> Option<Tick> {
        let timeout = match self.inbound.phase() {
            PeerPhase::Preface { .. } => self.config.preface_timeout,
            _ => self.config.settings_timeout,
        };
        self.timing.after(now, timeout)
    }

    /// Gives the peer the whole time again for everything that it has to acknowledge.
    pub(super) fn await_acknowledgement(&mut self, now: Instant) {
        let by = self.acknowledgement_due(now);
        self.waiting.extend_settings(by);
    }

    /// Sets the time for which what does not progress is put up with, from the next look on; a short
    /// one as long as this was not called.
    pub fn set_patience(&mut self, patience: Patience) {
        self.timing.set_patience(patience);
    }

    /// Does not hold the past silence of the peer against a stream whose content it owes: the stream's user
    /// waits for something else, and watches over the time itself. To be called before each
    /// [`handle_timeout`](Self::handle_timeout) for as long as that lasts.
    pub fn excuse(&mut self, stream: StreamKey) {
        if let Some(slot) = self.streams.slot(stream) {
            self.streams[slot].received.restart();
        }
    }

    fn cancel_stalled(&mut self) {
        let checks = self.timing.patient_checks(&self.config);
        let any_ready = self.streams.any_ready();
        let enough = self.config.stall_bytes;
        let starved = self.timing.is_starved(any_ready, enough, checks);
        for slot in self.streams.slots() {
            if !self.is_stalled(slot, starved, checks) {
                continue;
            }
            if self.streams[slot].discards.is_some() && self.streams[slot].state.local().is_none() {
                // Its user has nothing to do with it any more.
                self.reset_slot(slot, ErrorCode::NO_ERROR);
            } else {
                let stream = self.reset_slot(slot, ErrorCode::CANCEL);
                let reset = (stream, ErrorCode::CANCEL, Cause::Stalled);
                self.waiting.push_reset(reset);
            }
        }
    }

    fn is_stalled(&mut self, slot: StreamSlot, starved: bool, checks: u16) -> bool {
        let enough = self.config.stall_bytes;
        let enough_content = self.config.upload_stall_bytes;
        let server = self.role() == Role::Server;
        let stream = &mut self.streams[slot];
        let sending = match stream.turn.state {
            SendState::Blocked => stream.sent.is_stalled(enough, checks),
            SendState::Ready => starved,
            SendState::Resting => {
                stream.sent.restart();
                false
            }
        };
        // Where its user still holds much, the peer may not be able to send more.
        let awaited = server
            && stream.request_kind != RequestKind::Tunnel
            && stream.state.remote() == Some(Half::Body)
            && stream.receive_window.is_open();
        if !awaited {
            stream.received.restart();
            return sending;
        }
        stream.received.is_stalled(enough_content, checks) || sending
    }
}
