//! The life of every stream, whatever frame or command causes its steps: it begins, moves on, holds and
//! gives back its windows, ends.

use std::time::Instant;

use super::Connection;
use super::inbound::PeerPhase;
use super::streams::EndedStream;
use crate::h2::error::{ErrorCode, Misuse};
use crate::h2::event::Event;
use crate::h2::flow::{self, ReceiveWindow, Window};
use crate::h2::ids::Closing;
use crate::h2::priority::Priority;
use crate::h2::settings::Settings;
use crate::h2::store::StreamKey;
use crate::h2::stream::{
    Movement, Passage, PromisedContent, RequestKind, Side, Signals, Stream, StreamState,
    TransitionError,
};
use crate::h2::turn::{SendTurn, StreamSlot};

impl Connection {
    /// A new stream with the windows that hold now.
    pub(super) fn new_stream(&self, id: u32, state: StreamState) -> Stream {
        Stream {
            id,
            state,
            request_kind: RequestKind::Ordinary,
            priority: Priority::default(),
            signals: Signals::Any,
            turn: SendTurn::default(),
            send_window: Window::new(self.agreement.remote().initial_window_size),
            receive_window: ReceiveWindow::new(self.agreement.local().initial_window_size),
            content: PromisedContent::UNKNOWN,
            discards: None,
            sent: Movement::default(),
            received: Movement::default(),
            born: self.inbound.batches(),
        }
    }

    /// Adds a stream; `None` if there is no slot left.
    pub(super) fn insert(&mut self, stream: Stream, now: Instant) -> Option<StreamKey> {
        let key = self.streams.insert(stream)?;
        if self.timing.stall_check().is_none() {
            self.timing.arm_stall_check(&self.config, now);
        }
        Some(key)
    }

    /// Moves a stream on; a stream that is closed thereby is gone.
    pub(super) fn pass(
        &mut self,
        slot: StreamSlot,
        side: Side,
        passage: Passage,
    ) -> Result<(), TransitionError> {
        if let Some(ended) = self.streams.pass(slot, side, passage)? {
            self.settle(ended);
        }
        Ok(())
    }

    /// Removes a stream that no frame ends.
    pub(super) fn remove(&mut self, slot: StreamSlot, closing: Closing) {
        let ended = self.streams.remove(slot, closing);
        self.settle(ended);
    }

    /// Gives back what a stream that is over held of the connection's window, and allows for what its
    /// peer may have on the way.
    fn settle(&mut self, ended: EndedStream) {
        let window = ended.receive_window;
        if ended.closing == Closing::ResetByUs {
            let acknowledged = self.agreement.local().initial_window_size;
            let growth = self.widest_initial_window() - acknowledged;
            self.budget
                .expect_late_data(window.available().saturating_add(growth));
        }
        self.release_connection(window.held());
    }

    /// Ends a stream with RST_STREAM.
    pub(super) fn reset_slot(&mut self, slot: StreamSlot, code: ErrorCode) -> StreamKey {
        let key = self.streams.key_of(slot);
        let passed = self.pass(slot, Side::Local, Passage::Reset);
        debug_assert!(passed.is_ok(), "every living stream can be reset");
        self.outbound.rst_stream(key.id(), code);
        key
    }

    /// Resets a stream (RFC 9113 §6.4). A key of a stream that has ended does nothing.
    pub fn reset(&mut self, stream: StreamKey, code: ErrorCode) {
        if let Some(slot) = self.streams.slot(stream) {
            self.reset_slot(slot, code);
        }
    }

    /// Received DATA was used up: its bytes are given back to both windows, in WINDOW_UPDATE frames
    /// that wait until they are worth it. All bytes that [`Event::Data`] says the
    /// frame took count, its padding included, in one go or in several. What a stream has not released when
    /// it ends, the connection's window gets by itself: releasing on a stream that is over does nothing.
    /// More than is held is [`Misuse::ReleasedTooMuch`], and nothing is given back.
    pub fn release(&mut self, stream: StreamKey, len: u32) -> Result<(), Misuse> {
        let Some(slot) = self.streams.slot(stream) else {
            return Ok(());
        };
        let held = self.streams[slot].receive_window.held();
        if len > held {
            return Err(Misuse::ReleasedTooMuch { len, held });
        }
        self.give_back(slot, len);
        Ok(())
    }

    /// Gives back what an event's padding took from the windows, for a user that passes the content on and releases
    /// that when it has gone. Does nothing for an event without content.
    pub fn release_padding(&mut self, event: &Event<'_>) -> Result<(), Misuse> {
        match *event {
            Event::Data {
                stream,
                data,
                flow_controlled_len,
                ..
            } => self.release(stream, flow_controlled_len - data.len() as u32),
            _ => Ok(()),
        }
    }

    /// Gives up to `len` held bytes back to both windows.
    pub(super) fn give_back(&mut self, slot: StreamSlot, len: u32) {
        let stream = &mut self.streams[slot];
        let released = stream.receive_window.release(len);
        // Nothing more can come on a half that has ended.
        if stream.state.remote().is_some()
            && let Some(increment) = stream.receive_window.poll_update()
        {
            self.outbound.window_update(stream.id, increment);
        }
        self.release_connection(released);
    }

    /// Half of a stream's window in bytes. While less DATA than that is held, the peer can still send more, and one
    /// that does not is judged by [`stall_timeout`](crate::h2::Config::stall_timeout). A peer whose window is shut is
    /// not judged.
    pub fn most_held(&self) -> usize {
        let agreed = self.agreement.local().initial_window_size;
        flow::most_held(agreed.min(self.config.initial_window_size)) as usize
    }

    /// Drops what the peer still sends on this stream: it is checked, given back to the windows and not told. When it
    /// is more than `drain_bytes`, or does not come, the stream is reset with NO_ERROR: for a server whose response
    /// is complete before the request is (RFC 9113 §8.1).
    pub fn discard(&mut self, stream: StreamKey) {
        if let Some(slot) = self.streams.slot(stream) {
            self.give_back(slot, u32::MAX);
            self.streams[slot].discards = Some(self.config.drain_bytes);
        }
    }

    pub(super) fn release_connection(&mut self, len: u32) {
        if len == 0 {
            return;
        }
        self.inbound.release(len);
        if self.inbound.phase() != PeerPhase::Closed
            && let Some(increment) = self.inbound.poll_update()
        {
            self.outbound.window_update(0, increment);
        }
    }

    /// Refuses what is new on a connection that one side leaves.
    pub(super) fn check_open(&self) -> Result<(), Misuse> {
        if self.inbound.phase() == PeerPhase::Closed || !self.departure.is_staying() {
            return Err(Misuse::GoingAway);
        }
        Ok(())
    }

    /// The largest initial window that the peer may be going by: it may have seen SETTINGS whose
    /// acknowledgement is still on its way.
    pub(super) fn widest_initial_window(&self) -> u32 {
        let waiting = self.waiting.settings();
        let windows = waiting.map(|settings| settings.initial_window_size);
        windows.fold(self.agreement.local().initial_window_size, u32::max)
    }

    /// Our settings as they were last announced, acknowledged or not.
    pub fn announced_settings(&self) -> Settings {
        let last = self.waiting.last_settings();
        last.unwrap_or(*self.agreement.local())
    }
}

/// A refused transition, as the fault of the caller that asked for it.
pub(super) fn refusal(refusal: TransitionError) -> Misuse {
    match refusal {
        TransitionError::Closed => Misuse::StreamClosed,
        TransitionError::OutOfOrder => Misuse::OutOfOrder,
    }
}
