//! What happens to every stream, whatever frame or command causes it: it begins, moves on, holds and
//! gives back its windows, ends.

use std::time::Instant;

use super::{Connection, Leaving, PeerPhase, Rare};
use crate::h2::error::{ErrorCode, Misuse};
use crate::h2::flow::{ReceiveWindow, Window};
use crate::h2::frame::{MAX_STREAM_ID, encode};
use crate::h2::ids::Closing;
use crate::h2::priority::Priority;
use crate::h2::store::StreamKey;
use crate::h2::stream::{
    Movement, Passage, PromisedContent, RequestKind, Side, Signals, Stream, StreamState,
    TransitionError,
};
use crate::h2::turn::{SendState, SendTurn, StreamSlot};

impl Connection {
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Gives the box of rare things back when nothing is left in it.
    pub(super) fn tidy(&mut self) {
        if self.rare.as_ref().is_some_and(|rare| rare.is_empty()) {
            self.rare = None;
        }
    }

    /// The parity of the identifiers that the peer opens.
    pub(super) fn peer_parity(&self) -> u32 {
        self.role.peer().parity()
    }

    /// The highest stream that was opened or promised by the side whose streams have this parity.
    pub(super) fn highest(&self, parity: u32) -> u32 {
        match parity {
            1 => self.requests.highest(),
            _ => self.promised,
        }
    }

    /// The last stream of the peer's that a GOAWAY of ours may name.
    pub(super) fn last_peer_stream(&self) -> u32 {
        let highest = self.highest(self.peer_parity());
        match self.leaving {
            Leaving::Left { last } => last.min(highest),
            _ => highest,
        }
    }

    /// A new stream with the windows that hold now.
    pub(super) fn new_stream(&self, id: u32, state: StreamState) -> Stream {
        Stream {
            id,
            state,
            request_kind: RequestKind::Ordinary,
            priority: Priority::default(),
            signals: Signals::Any,
            turn: SendTurn::default(),
            send_window: Window::new(self.remote.initial_window_size),
            receive_window: ReceiveWindow::new(self.local.initial_window_size),
            content: PromisedContent::UNKNOWN,
            discards: None,
            sent: Movement::default(),
            received: Movement::default(),
            born: self.lots,
        }
    }

    /// Adds a stream; `None` if there is no slot left.
    pub(super) fn insert(&mut self, stream: Stream, now: Instant) -> Option<StreamKey> {
        let (id, active) = (stream.id, stream.state.is_active());
        let key = self.store.insert(stream)?;
        if active {
            *self.active_mut(id) += 1;
        }
        if self.stall_check.is_none() {
            self.arm_stall_check(now);
        }
        Some(key)
    }

    /// The count of active streams on the side that opened this one.
    pub(super) fn active_mut(&mut self, id: u32) -> &mut u16 {
        match id % 2 == self.role.parity() {
            true => &mut self.own_streams,
            false => &mut self.peer_streams,
        }
    }

    /// Moves a stream on; a stream that is closed thereby is gone.
    pub(super) fn pass(
        &mut self,
        slot: StreamSlot,
        side: Side,
        passage: Passage,
    ) -> Result<(), TransitionError> {
        let stream = &mut self.store[slot];
        let state = stream.state.pass(side, passage)?;
        if state == StreamState::Closed {
            let closing = match (passage, side) {
                (Passage::Reset, Side::Remote) => Closing::ResetByPeer,
                (Passage::Reset, Side::Local) if stream.state.remote().is_some() => {
                    Closing::ResetByUs
                }
                _ => Closing::Ended,
            };
            self.remove(slot, closing);
            return Ok(());
        }
        let was_active = stream.state.is_active();
        stream.state = state;
        if !was_active && state.is_active() {
            let id = stream.id;
            *self.active_mut(id) += 1;
        }
        if state.local().is_none() {
            self.scheduler
                .remove(&mut self.store, slot, SendState::Resting);
        }
        Ok(())
    }

    /// Removes a stream, gives back what it held of the connection's window, and notes what its late
    /// frames have to be told.
    pub(super) fn remove(&mut self, slot: StreamSlot, closing: Closing) {
        self.scheduler
            .remove(&mut self.store, slot, SendState::Resting);
        let stream = self.store.remove(slot);
        if stream.state.is_active() {
            *self.active_mut(stream.id) -= 1;
        }
        if stream.id % 2 == 1 {
            self.requests.close(stream.id, closing);
        }
        if closing == Closing::ResetByUs {
            let growth = self.widest_initial_window() - self.local.initial_window_size;
            let window = stream.receive_window.available();
            self.budget.expect_late_data(window.saturating_add(growth));
        }
        self.release_connection(stream.receive_window.held());
    }

    /// Ends a stream with RST_STREAM.
    pub(super) fn reset_slot(&mut self, slot: StreamSlot, code: ErrorCode) -> StreamKey {
        let key = self.store.key_of(slot);
        let passed = self.pass(slot, Side::Local, Passage::Reset);
        debug_assert!(passed.is_ok(), "every living stream can be reset");
        encode::rst_stream(&mut self.output, key.id(), code);
        key
    }

    /// Resets a stream (RFC 9113 §6.4). A key of a stream that has ended does nothing.
    pub fn reset(&mut self, stream: StreamKey, code: ErrorCode) {
        if let Some(slot) = self.store.slot(stream) {
            self.reset_slot(slot, code);
        }
    }

    /// Received DATA was used up: its bytes are given back to both windows, in WINDOW_UPDATE frames
    /// that wait until they are worth it. What a stream has not released when it ends, the
    /// connection's window gets by itself; releasing it again does nothing.
    pub fn release(&mut self, stream: StreamKey, len: u32) {
        let Some(slot) = self.store.slot(stream) else {
            return;
        };
        let stream = &mut self.store[slot];
        let released = stream.receive_window.release(len);
        // Nothing more can come on a half that has ended.
        if stream.state.remote().is_some()
            && let Some(increment) = stream.receive_window.poll_update()
        {
            encode::window_update(&mut self.output, stream.id, increment);
        }
        self.release_connection(released);
    }

    /// Nobody reads what the peer still sends on this stream: it is checked, given back to the windows
    /// and not told. When it is more than `drain_bytes`, or does not come, the stream is reset with
    /// NO_ERROR: for a server whose response is complete before the request is (RFC 9113 §8.1).
    pub fn discard(&mut self, stream: StreamKey) {
        self.release(stream, u32::MAX);
        if let Some(slot) = self.store.slot(stream) {
            self.store[slot].discards = Some(self.config.drain_bytes);
        }
    }

    pub(super) fn release_connection(&mut self, len: u32) {
        if len == 0 {
            return;
        }
        self.receive_window.release(len);
        if self.phase != PeerPhase::Closed
            && let Some(increment) = self.receive_window.poll_update()
        {
            encode::window_update(&mut self.output, 0, increment);
        }
    }

    /// Whether something new may begin.
    pub(super) fn check_open(&self) -> Result<(), Misuse> {
        let staying = self.leaving == Leaving::Staying && self.peer_last.is_none();
        match self.phase != PeerPhase::Closed && staying {
            true => Ok(()),
            false => Err(Misuse::GoingAway),
        }
    }
}

/// The identifier after `highest` of this parity, if there is one left.
pub(super) fn next_id(highest: u32, parity: u32) -> Option<u32> {
    let next = match highest {
        // Stream 0 is the connection, so the server begins with 2.
        0 => 2 - parity,
        _ => highest + 2,
    };
    (next <= MAX_STREAM_ID).then_some(next)
}
