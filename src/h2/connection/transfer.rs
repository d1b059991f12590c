//! DATA as it goes: by the scheduler's grants, or pushed by the caller (RFC 9113 §6.1, §6.9,
//! RFC 9218 §10).
//!
//! ```text
//!   set_ready ---> poll_grant ---> begin_data, append ---> commit ---> poll_grant ...
//!                                      |             `---> abort
//!                                      `---> commit_elsewhere, for a payload that is sent by others;
//!                                            commit_apart, for one that lies behind its header there
//! ```
//!
//! A grant is made only when both windows, the peer's largest frame and the caller's room allow a
//! frame that is worth sending, so nothing has to be read before it can go. Two grants at a time, or
//! another command between `begin_data` and `commit`, would mix frames: do not.

use super::Connection;
use crate::h2::error::Misuse;
use crate::h2::frame::{FrameHeader, FrameType, HEADER_LEN, encode, flag};
use crate::h2::store::StreamKey;
use crate::h2::stream::{Half, Passage, Side, TransitionError};
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

/// # By grants
impl Connection {
    /// The stream has bytes to send (its head has been): `remaining` of them, if that is known, which
    /// decides what is its tail. With `Some(0)` only END_STREAM is left. Does nothing on a stream that
    /// cannot send.
    pub fn set_ready(&mut self, stream: StreamKey, remaining: Option<u64>) {
        let Some(slot) = self.store.slot(stream) else {
            return;
        };
        if self.store[slot].state.local() != Some(Half::Body) {
            return;
        }
        self.store[slot].turn.set_remaining(remaining);
        match self.store[slot].turn.state {
            SendState::Ready => {}
            SendState::Resting | SendState::Blocked => self.make_ready(slot),
        }
    }

    /// Whether a stream waits for the peer or for its turn, after `set_ready`.
    pub fn is_ready(&self, stream: StreamKey) -> bool {
        let slot = self.store.slot(stream);
        slot.is_some_and(|slot| self.store[slot].turn.state != SendState::Resting)
    }

    /// The next DATA frame, if one can go that fits `room` bytes of output with its header.
    pub fn poll_grant(&mut self, room: usize) -> Option<Grant> {
        let room = room.checked_sub(HEADER_LEN)?;
        while let Some(slot) = self.scheduler.next() {
            let turn = &self.store[slot].turn;
            let wanted = u32::try_from(turn.remaining()).unwrap_or(u32::MAX);
            let window = self.store[slot].send_window.available();
            if !self.is_worth_a_frame(window, wanted) {
                self.await_small_frames(window);
                self.scheduler
                    .remove(&mut self.store, slot, SendState::Blocked);
                continue;
            }
            let shared = self.send_window.available();
            if !self.is_worth_a_frame(shared, wanted) {
                self.await_small_frames(shared);
                return None;
            }
            let fits = u32::try_from(room).unwrap_or(u32::MAX);
            if fits < wanted.min(self.config.data_frame_floor) {
                return None;
            }
            let largest = self.remote.max_frame_size.min(fits);
            return Some(Grant {
                stream: self.store.key_of(slot),
                max_len: wanted.min(window).min(shared).min(largest),
            });
        }
        None
    }

    /// The bytes that the stream's next grants will be for, this one's with them, if nothing changes:
    /// as much as the windows allow, where no other stream takes turns with it. They are worth reading
    /// at once.
    pub fn run(&self, grant: &Grant) -> u32 {
        let Some(slot) = self.store.slot(grant.stream) else {
            return 0;
        };
        if self.scheduler.takes_turns(&self.store, slot) {
            return grant.max_len;
        }
        let wanted = u32::try_from(self.store[slot].turn.remaining()).unwrap_or(u32::MAX);
        let window = self.store[slot].send_window.available();
        wanted.min(window).min(self.send_window.available())
    }

    /// Reserves the header of the granted frame. The caller appends up to `max_len` bytes, then
    /// commits or aborts.
    pub fn begin_data(&mut self, grant: &Grant) -> &mut Vec<u8> {
        self.output.reserve(HEADER_LEN + grant.max_len as usize);
        self.data_frame = Some(encode::begin(&mut self.output));
        &mut self.output
    }

    /// Sends what was appended since `begin_data`. No bytes without `end_stream` send nothing, and
    /// the stream rests until the next `set_ready`; with `end_stream` the stream's sending half is
    /// over, and the stream itself if the peer's is.
    ///
    /// # Panics
    /// If nothing was begun, or more was appended than granted.
    pub fn commit(&mut self, grant: Grant, end_stream: bool) {
        let start = self
            .data_frame
            .take()
            .expect("begin_data comes before commit");
        let len = self.output.len() - start - HEADER_LEN;
        assert!(len <= grant.max_len as usize, "more bytes than granted");
        let slot = match self.store.slot(grant.stream) {
            Some(slot) if len > 0 || end_stream => slot,
            living => {
                self.output.truncate(start);
                if let Some(slot) = living {
                    self.scheduler
                        .remove(&mut self.store, slot, SendState::Resting);
                }
                return;
            }
        };
        let flags = if end_stream { flag::END_STREAM } else { 0 };
        encode::finish(
            &mut self.output,
            start,
            FrameType::DATA,
            flags,
            grant.stream.id(),
        );
        self.scheduler.rotate(&self.store, slot);
        self.sent_data(slot, len as u32, end_stream);
    }

    /// Sends `len` bytes, at least one, that are not in the output, and without `begin_data`: the
    /// frame's header is, and the caller sees to it that exactly so many bytes follow it on the wire,
    /// before anything that is appended later. For what can be sent without being copied, such as
    /// a range of a file.
    ///
    /// # Panics
    /// If that is more than was granted.
    pub fn commit_elsewhere(&mut self, grant: Grant, len: u32, end_stream: bool) {
        let header = self.commit_apart(grant, len, end_stream);
        self.output.extend_from_slice(&header);
    }

    /// The same, but with the header elsewhere too: it is returned, and comes before the payload.
    ///
    /// # Panics
    /// If that is more than was granted.
    #[must_use]
    pub fn commit_apart(&mut self, grant: Grant, len: u32, end_stream: bool) -> [u8; HEADER_LEN] {
        assert!(len <= grant.max_len, "more bytes than granted");
        let header = FrameHeader {
            len,
            kind: FrameType::DATA,
            flags: if end_stream { flag::END_STREAM } else { 0 },
            stream_id: grant.stream.id(),
        };
        if let Some(slot) = self.store.slot(grant.stream) {
            self.scheduler.rotate(&self.store, slot);
            self.sent_data(slot, len, end_stream);
        } else {
            debug_assert!(false, "a grant is used at once");
        }
        header.encode()
    }

    /// Takes back what was appended since `begin_data`, if it was called, and the frame's header. The
    /// same grant is made again until something changes: usually a reset of the stream follows.
    pub fn abort(&mut self, _grant: Grant) {
        if let Some(start) = self.data_frame.take() {
            self.output.truncate(start);
        }
    }

    /// Whether so many bytes are worth a frame: all that is wanted, or as much as is reasonable, or
    /// the peer's windows are odd rather than hostile so far (CVE-2019-9511).
    fn is_worth_a_frame(&self, available: u32, wanted: u32) -> bool {
        if available >= wanted.min(self.config.data_frame_floor) {
            return true;
        }
        let whole = self.remote.initial_window_size;
        let is_whole = whole >= LEAST_WHOLE_WINDOW && available >= whole;
        is_whole || available > 0 && self.budget.allows_small_frame(&self.config.budgets)
    }

    /// Accounts for a DATA frame that is in the output.
    fn sent_data(&mut self, slot: StreamSlot, len: u32, end_stream: bool) {
        let stream = &mut self.store[slot];
        // The grant, or the check of `send_data`, was within both windows.
        let own = stream.send_window.consume(len);
        let shared = self.send_window.consume(len);
        debug_assert_eq!((own, shared), (Ok(()), Ok(())));
        stream.turn.sent(len);
        stream.sent.add(len, self.config.stall_bytes);
        self.sent.add(len, self.config.stall_bytes);
        if end_stream {
            self.budget.answered();
            let passed = self.pass(slot, Side::Local, Passage::Data { end_stream });
            debug_assert!(passed.is_ok());
            return;
        }
        self.budget.data_frame(len < self.config.data_frame_floor);
    }

    fn make_ready(&mut self, slot: StreamSlot) {
        let stream = &self.store[slot];
        let wanted = u32::try_from(stream.turn.remaining()).unwrap_or(u32::MAX);
        if self.is_worth_a_frame(stream.send_window.available(), wanted) {
            self.scheduler.insert(&mut self.store, slot);
        } else {
            let available = stream.send_window.available();
            self.store[slot].turn.state = SendState::Blocked;
            self.await_small_frames(available);
        }
    }

    /// A window is open, but so little that only a small frame could use it, and there were enough of those
    /// for now: the sender slows down.
    fn await_small_frames(&mut self, available: u32) {
        if available == 0 {
            return;
        }
        let at = self.heard.later(SMALL_FRAMES_TICKS);
        self.rare().small_frames_at.get_or_insert(at);
    }

    /// Small frames may be sent again, by whoever has a window for one.
    pub(super) fn allow_small_frames(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.small_frames_at = None;
        }
        self.budget.forgive_small_frames();
        self.unblock_all();
    }

    /// The stream's window was widened.
    pub(super) fn unblock(&mut self, slot: StreamSlot) {
        if self.store[slot].turn.state == SendState::Blocked {
            self.make_ready(slot);
        }
    }

    /// All streams' windows were.
    pub(super) fn unblock_all(&mut self) {
        let slots: Vec<StreamSlot> = self.store.slots().collect();
        slots.into_iter().for_each(|slot| self.unblock(slot));
    }
}

/// An eighth of a second: what a peer far away needs to open its windows once more.
const SMALL_FRAMES_TICKS: u32 = 2;

/// A window of fewer bytes is not worth a frame even when it is all that the peer ever allows: an
/// eighth of the floor, where the header is 7 % of the frame.
const LEAST_WHOLE_WINDOW: u32 = 128;

/// # By hand
impl Connection {
    /// Sends DATA at once: within both windows and the peer's largest frame, or not at all.
    pub fn send_data(
        &mut self,
        stream: StreamKey,
        data: &[u8],
        end_stream: bool,
    ) -> Result<(), Misuse> {
        let slot = self.check_data_to_send(stream, data.len())?;
        let flags = if end_stream { flag::END_STREAM } else { 0 };
        encode::frame(&mut self.output, FrameType::DATA, flags, stream.id(), data);
        self.sent_data(slot, data.len() as u32, end_stream);
        Ok(())
    }

    /// The same with `padding` zero bytes behind the data (RFC 9113 §10.7), which, with the byte that
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
        let end = if end_stream { flag::END_STREAM } else { 0 };
        let start = encode::begin(&mut self.output);
        self.output.push(padding);
        self.output.extend_from_slice(data);
        self.output.resize(start + HEADER_LEN + len, 0);
        let flags = end | flag::PADDED;
        encode::finish(&mut self.output, start, FrameType::DATA, flags, stream.id());
        self.sent_data(slot, len as u32, end_stream);
        Ok(())
    }

    fn check_data_to_send(&self, stream: StreamKey, len: usize) -> Result<StreamSlot, Misuse> {
        let slot = self.store.slot(stream).ok_or(Misuse::StreamClosed)?;
        let state = self.store[slot].state;
        // Whether it ends the stream does not decide whether it may be sent.
        let passage = Passage::Data { end_stream: false };
        state.pass(Side::Local, passage).map_err(refusal)?;
        if len > self.remote.max_frame_size as usize {
            return Err(Misuse::FrameTooLarge);
        }
        let window = self.send_window(stream).unwrap_or(0);
        if len > window as usize {
            return Err(Misuse::WindowExceeded);
        }
        Ok(slot)
    }
}

/// What a refused transition is when the caller asked for it.
pub(super) fn refusal(refusal: TransitionError) -> Misuse {
    match refusal {
        TransitionError::Closed => Misuse::StreamClosed,
        TransitionError::OutOfOrder => Misuse::OutOfOrder,
    }
}
