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
//!   content that the peer owes     its own progress, as a server and outside of tunnels
//!   its user                       nothing
//! ```

use std::time::{Duration, Instant};

use super::{Connection, PeerPhase};
use crate::h2::clock::Tick;
use crate::h2::error::{ConnectionError, ErrorCode};
use crate::h2::event::Cause;
use crate::h2::settings::Role;
use crate::h2::stream::{Half, Movement, RequestKind};
use crate::h2::turn::{SendState, StreamSlot};
use crate::http::Patience;

impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) has to be called, unless something else comes
    /// first.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        // Without a stream nobody has to wake for it. The next one may find it due: that is a look more
        // than it would have had, and none is early.
        let mut next = self.stall_check.filter(|_| !self.store.is_empty());
        let mut consider = |deadline: Option<Tick>| {
            if let Some(deadline) = deadline {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            }
        };
        if let Some(rare) = &self.rare {
            consider(rare.settings.front().and_then(|&(_, deadline)| deadline));
            consider(rare.leave_at);
            consider(rare.small_frames_at);
        }
        consider(self.block.as_ref().and_then(|block| block.deadline()));
        next.map(|tick| self.clock.instant(tick))
    }

    /// Does what is due. Streams that are given up are told by the next
    /// [`receive`](Self::receive).
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ConnectionError> {
        if self.is_closed() {
            return Ok(());
        }
        let tick = self.clock.tick(now);
        self.heard = tick;
        let due = |deadline: Option<Tick>| deadline.is_some_and(|deadline| deadline <= tick);
        let settings = self.rare.as_ref().and_then(|rare| rare.settings.front());
        if due(settings.and_then(|&(_, deadline)| deadline)) {
            let (code, reason) = match self.phase {
                // Browsers connect ahead, and may then have nothing to ask.
                PeerPhase::Preface { matched: 0 } => (ErrorCode::NO_ERROR, "nothing came"),
                PeerPhase::Preface { .. } => {
                    let reason = "preface not completed in time";
                    (ErrorCode::SETTINGS_TIMEOUT, reason)
                }
                _ => {
                    let reason = "SETTINGS not acknowledged in time";
                    (ErrorCode::SETTINGS_TIMEOUT, reason)
                }
            };
            return Err(self.fail(ConnectionError::new(code, reason)));
        }
        if due(self.block.as_ref().and_then(|block| block.deadline())) {
            return Err(self.fail(ConnectionError::calm("field block not completed in time")));
        }
        if due(self.rare.as_ref().and_then(|rare| rare.leave_at)) {
            self.leave();
        }
        if due(self.rare.as_ref().and_then(|rare| rare.small_frames_at)) {
            self.allow_small_frames();
        }
        if due(self.stall_check) {
            self.stall_check = None;
            self.cancel_stalled();
            if !self.store.is_empty() {
                self.arm_stall_check(now);
            }
        }
        Ok(())
    }

    /// The caller does not read for a while, because of output that waits: this is not for the peer to
    /// answer for, so everything that it is waited for has its whole time again. To be called as long
    /// as that lasts; whether output is taken at all is the caller's to watch.
    pub fn pause_input(&mut self, now: Instant) {
        self.await_acknowledgement(now);
        let completed_by = self.clock.after(now, self.config.header_timeout);
        if let Some(block) = &mut self.block {
            block.extend(completed_by);
        }
        if self.stall_check.is_some() {
            self.arm_stall_check(now);
        }
    }

    /// By when what is sent now has to be acknowledged, or the preface before that to come.
    pub(super) fn acknowledgement_due(&self, now: Instant) -> Option<Tick> {
        let timeout = match self.phase {
            PeerPhase::Preface { .. } => self.config.preface_timeout,
            _ => self.config.settings_timeout,
        };
        self.clock.after(now, timeout)
    }

    /// Gives the peer the whole time again for everything that it has to acknowledge.
    pub(super) fn await_acknowledgement(&mut self, now: Instant) {
        let by = self.acknowledgement_due(now);
        if let Some(rare) = &mut self.rare {
            for (_, deadline) in &mut rare.settings {
                *deadline = by;
            }
        }
    }

    pub(super) fn arm_stall_check(&mut self, now: Instant) {
        self.stall_check = self.clock.after(now, self.check_interval());
    }

    fn check_interval(&self) -> Duration {
        self.config.stall_timeout / u32::from(Movement::CHECKS_PER_PERIOD)
    }

    /// Says how long what does not progress is put up with, from the next look on; for a short time as
    /// long as this was not called.
    pub fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Looks without progress that are put up with.
    fn patient_checks(&self) -> u16 {
        let interval = self.check_interval().as_millis().max(1);
        let ample = self.config.slow_timeout.as_millis() / interval;
        match self.patience {
            Patience::Short => Movement::CHECKS_PER_PERIOD,
            // One less than could be counted to.
            Patience::Ample => u16::try_from(ample).unwrap_or(u16::MAX).min(u16::MAX - 1),
        }
    }

    fn cancel_stalled(&mut self) {
        let checks = self.patient_checks();
        let starved = self.is_starved(checks);
        let slots: Vec<StreamSlot> = self.store.slots().collect();
        for slot in slots {
            if !self.is_stalled(slot, starved, checks) {
                continue;
            }
            if self.store[slot].discards.is_some() && self.store[slot].state.local().is_none() {
                // Its user has nothing to do with it any more.
                self.reset_slot(slot, ErrorCode::NO_ERROR);
            } else {
                let stream = self.reset_slot(slot, ErrorCode::CANCEL);
                let reset = (stream, ErrorCode::CANCEL, Cause::Stalled);
                self.rare().resets.push_back(reset);
            }
        }
    }

    /// Whether streams are ready and the connection as a whole sends too little.
    fn is_starved(&mut self, checks: u16) -> bool {
        if self.scheduler.is_empty() {
            self.sent.restart();
            return false;
        }
        self.sent.is_stalled(self.config.stall_bytes, checks)
    }

    fn is_stalled(&mut self, slot: StreamSlot, starved: bool, checks: u16) -> bool {
        let enough = self.config.stall_bytes;
        let enough_content = self.config.upload_stall_bytes;
        let server = self.role == Role::Server;
        let stream = &mut self.store[slot];
        let sending = match stream.turn.state {
            SendState::Blocked => stream.sent.is_stalled(enough, checks),
            SendState::Ready => starved,
            SendState::Resting => {
                stream.sent.restart();
                false
            }
        };
        // Content that its user still holds is not the peer's to send.
        let awaited = server
            && stream.request_kind != RequestKind::Tunnel
            && stream.state.remote() == Some(Half::Body)
            && stream.receive_window.held() == 0;
        let receiving = match awaited {
            true => stream.received.is_stalled(enough_content, checks),
            false => {
                stream.received.restart();
                false
            }
        };
        sending || receiving
    }
}
