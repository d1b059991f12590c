//! DATA as it goes, by the scheduler's grants (RFC 9113 §6.1, §6.9, RFC 9218 §10).
//!
//! ```text
//!   set_ready ---> poll_grant ---> begin_data, append ---> commit ---> poll_grant ...
//!                           |          |             `---> abort
//!                           |          `---> commit_elsewhere, for a payload that is sent by others;
//!                           |                commit_apart, for one that lies behind its header there
//!                           `---> rest, for a stream that has nothing at hand
//! ```
//!
//! [`Connection::grant_whole`] takes the place of the first two for short content that is at hand.
//!
//! A grant is made only when both windows, the peer's largest frame and the caller's room allow a
//! frame that is worth sending, so nothing has to be read before it can go. Two grants at a time, or
//! another command between `begin_data` and `commit`, would mix frames: do not.

use super::Connection;
use crate::h2::frame::HEADER_LEN;
use crate::h2::priority::Priority;
use crate::h2::store::StreamKey;
use crate::h2::stream::{Half, Passage, Side, Stream};
use crate::h2::turn::{SendState, StreamSlot};

/// The permission to send one DATA frame.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Grant {
    /// The stream whose turn it is.
    pub stream: StreamKey,
    /// The most bytes that the frame may carry; 0 when only its end is left to send.
    pub max_len: u32,
}

impl Connection {
    /// The stream has bytes to send (its head has been): `remaining` of them, if that is known, which
    /// decides what is its tail. With `Some(0)` only END_STREAM is left. Does nothing on a stream that
    /// cannot send.
    pub fn set_ready(&mut self, stream: StreamKey, remaining: Option<u64>) {
        let Some(slot) = self.streams.slot(stream) else {
            return;
        };
        if self.streams[slot].state.local() != Some(Half::Body) {
            return;
        }
        self.streams[slot].turn.set_remaining(remaining);
        match self.streams[slot].turn.state {
            SendState::Ready => {}
            SendState::Resting | SendState::Blocked => self.make_ready(slot),
        }
    }

    /// Says that a stream waits for the peer or for its turn, after `set_ready`.
    pub fn is_ready(&self, stream: StreamKey) -> bool {
        let slot = self.streams.slot(stream);
        slot.is_some_and(|slot| self.streams[slot].turn.state != SendState::Resting)
    }

    /// The next DATA frame, if one can go that fits `room` bytes of output with its header.
    pub fn poll_grant(&mut self, room: usize) -> Option<Grant> {
        let room = room.checked_sub(HEADER_LEN)?;
        while let Some(slot) = self.streams.next() {
            let turn = &self.streams[slot].turn;
            let wanted = u32::try_from(turn.remaining()).unwrap_or(u32::MAX);
            let window = self.streams[slot].send_window.available();
            let shared = self.streams.send_window().available();
            // A wider window is worth no less, so the narrower one nearly always tells of both.
            let available = window.min(shared);
            if !self.is_worth_a_frame(available, wanted) {
                if !self.is_worth_a_frame(window, wanted) {
                    self.await_small_frames(window);
                    self.streams.set_aside(slot, SendState::Blocked);
                    continue;
                }
                self.await_small_frames(shared);
                return None;
            }
            let fits = u32::try_from(room).unwrap_or(u32::MAX);
            if fits < wanted.min(self.config.data_frame_floor) {
                return None;
            }
            let largest = self.agreement.remote().max_frame_size.min(fits);
            return Some(Grant {
                stream: self.streams.key_of(slot),
                max_len: wanted.min(available).min(largest),
            });
        }
        None
    }

    /// The permission to send all of a stream's content, `len` bytes, in one frame behind its head, without
    /// [`set_ready`](Self::set_ready). None where the scheduler would have a choice: another stream is ready, or this one
    /// may wait for others. None as well where a window, or the peer's largest frame, has no room for all of it.
    pub fn grant_whole(&self, stream: StreamKey, len: u32) -> Option<Grant> {
        let slot = self.streams.slot(stream)?;
        let Stream {
            state,
            priority,
            send_window,
            turn,
            ..
        } = &self.streams[slot];
        let is_next = priority.urgency() <= Priority::default().urgency()
            && turn.state == SendState::Resting
            && !self.streams.any_ready();
        let largest = self.agreement.remote().max_frame_size;
        let shared = self.streams.send_window().available();
        let has_room = len <= send_window.available().min(shared).min(largest);
        let max_len = len;
        (is_next && has_room && state.local() == Some(Half::Body))
            .then_some(Grant { stream, max_len })
    }

    /// The bytes that the stream's next grants will be for, this one's with them, if nothing changes:
    /// as much as the windows allow, where no other stream takes turns with it. They are worth reading
    /// at once.
    pub fn run(&self, grant: &Grant) -> u32 {
        let Some(slot) = self.streams.slot(grant.stream) else {
            return 0;
        };
        if self.streams.takes_turns(slot) {
            return grant.max_len;
        }
        let wanted = u32::try_from(self.streams[slot].turn.remaining()).unwrap_or(u32::MAX);
        let window = self.streams[slot].send_window.available();
        wanted
            .min(window)
            .min(self.streams.send_window().available())
    }

    /// Reserves the header of the granted frame. The caller appends up to `max_len` bytes, then
    /// commits or aborts.
    pub fn begin_data(&mut self, grant: &Grant) -> &mut Vec<u8> {
        self.outbound.begin_data(grant.max_len)
    }

    /// Sends the bytes that were appended since `begin_data`; with `end_stream` the stream's sending
    /// half is over, and the stream itself if the peer's is. Without bytes and without `end_stream` it
    /// is [`rest`](Self::rest).
    ///
    /// # Panics
    /// If nothing was begun, or more was appended than granted.
    pub fn commit(&mut self, grant: Grant, end_stream: bool) {
        let len = self.outbound.begun_len();
        let len = len.expect("begin_data comes before commit");
        assert!(len <= grant.max_len as usize, "more bytes than granted");
        let slot = match self.streams.slot(grant.stream) {
            Some(slot) if len > 0 || end_stream => slot,
            _ => return self.rest(grant),
        };
        self.outbound.finish_data(grant.stream.id(), end_stream);
        self.streams.rotate(slot);
        self.sent_data(slot, len as u32, end_stream);
    }

    /// Sends nothing: the stream has no bytes at hand, and is granted none until the next
    /// [`set_ready`](Self::set_ready).
    pub fn rest(&mut self, grant: Grant) {
        self.outbound.abort_data();
        if let Some(slot) = self.streams.slot(grant.stream) {
            self.streams.set_aside(slot, SendState::Resting);
        }
    }

    /// Sends `len` bytes, at least one, that are not in the output, and without `begin_data`: the
    /// frame's header is, and the caller sees to it that exactly that many bytes follow it on the wire,
    /// before anything that is appended later. For payloads that can be sent without being copied, such
    /// as a range of a file.
    ///
    /// # Panics
    /// If that is more than was granted.
    pub fn commit_elsewhere(&mut self, grant: Grant, len: u32, end_stream: bool) {
        let header = self.commit_apart(grant, len, end_stream);
        self.outbound.output().extend_from_slice(&header);
    }

    /// Sends `len` bytes, at least one, that lie behind their header in another buffer than the output:
    /// the header is returned, and the caller sees to it that both go over the wire in that order.
    ///
    /// # Panics
    /// If that is more than was granted.
    #[must_use]
    pub fn commit_apart(&mut self, grant: Grant, len: u32, end_stream: bool) -> [u8; HEADER_LEN] {
        assert!(len <= grant.max_len, "more bytes than granted");
        let id = grant.stream.id();
        let header = self.outbound.data_apart(id, len, end_stream);
        if let Some(slot) = self.streams.slot(grant.stream) {
            self.streams.rotate(slot);
            self.sent_data(slot, len, end_stream);
        } else {
            debug_assert!(false, "a grant is used at once");
        }
        header
    }

    /// Takes back what was appended since `begin_data`, if it was called, and the frame's header. The
    /// same grant is made again until something changes: usually a reset of the stream follows.
    pub fn abort(&mut self, _grant: Grant) {
        self.outbound.abort_data();
    }

    /// Says that this many bytes are worth a frame: all that is wanted, or as much as is reasonable, or
    /// the peer's windows are odd rather than hostile so far (CVE-2019-9511).
    fn is_worth_a_frame(&self, available: u32, wanted: u32) -> bool {
        if available >= wanted.min(self.config.data_frame_floor) {
            return true;
        }
        let whole = self.agreement.remote().initial_window_size;
        let is_whole = whole >= LEAST_WHOLE_WINDOW && available >= whole;
        is_whole || available > 0 && self.budget.allows_small_frame(&self.config.budgets)
    }

    /// Accounts for a DATA frame that is in the output.
    pub(super) fn sent_data(&mut self, slot: StreamSlot, len: u32, end_stream: bool) {
        // The grant, or the check of `send_data`, was within both windows.
        let consumed = self.streams.consume(slot, len);
        debug_assert_eq!(consumed, Ok(()));
        let stream = &mut self.streams[slot];
        stream.turn.sent(len);
        stream.sent.add(len, self.config.stall_bytes);
        self.timing.count_sent(len);
        if end_stream {
            self.budget.answered();
            let passed = self.pass(slot, Side::Local, Passage::Data { end_stream });
            debug_assert!(passed.is_ok());
            return;
        }
        self.budget.data_frame(len < self.config.data_frame_floor);
    }

    fn make_ready(&mut self, slot: StreamSlot) {
        let stream = &self.streams[slot];
        let wanted = u32::try_from(stream.turn.remaining()).unwrap_or(u32::MAX);
        if self.is_worth_a_frame(stream.send_window.available(), wanted) {
            self.streams.line_up(slot);
        } else {
            let available = stream.send_window.available();
            self.streams[slot].turn.state = SendState::Blocked;
            self.await_small_frames(available);
        }
    }

    /// A window is open, but so little that only a small frame could use it, and there were enough of those
    /// for now: the sender slows down.
    fn await_small_frames(&mut self, available: u32) {
        if available == 0 {
            return;
        }
        let at = self.timing.heard().later(SMALL_FRAMES_TICKS);
        self.waiting.await_small_frames(at);
    }

    /// Small frames may be sent again, by each stream that has a window for one.
    pub(super) fn allow_small_frames(&mut self) {
        self.waiting.allow_small_frames();
        self.budget.forgive_small_frames();
        self.unblock_all();
    }

    /// The stream's window was widened.
    pub(super) fn unblock(&mut self, slot: StreamSlot) {
        if self.streams[slot].turn.state == SendState::Blocked {
            self.make_ready(slot);
        }
    }

    /// All streams' windows were.
    pub(super) fn unblock_all(&mut self) {
        for slot in self.streams.slots() {
            self.unblock(slot);
        }
    }
}

/// An eighth of a second: what a peer far away needs to open its windows once more.
const SMALL_FRAMES_TICKS: u32 = 2;

/// A window of fewer bytes is not worth a frame even when it is all that the peer ever allows: an
/// eighth of the floor, where the header is 7 % of the frame.
const LEAST_WHOLE_WINDOW: u32 = 128;
