//! A request that repeats the one before it, answered at once with the answer of that one: one look at its frame
//! takes the place of a stream's life.
//! This is one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).
//!
//! For the peer, the budgets and the observer it is as if the stream had lived for a moment. Where anything waits that
//! could have a part in it, nothing is done here, and the request takes the usual way.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::Connection;
use super::inbound::PeerPhase;
use super::sections::IDS_IN_RESERVE;
use crate::h2::frame::{FrameHeader, FrameType, MAX_STREAM_ID, flag};
use crate::h2::settings::Role;
use crate::h2::store::MAX_STREAMS;

/// The flags of a request that is one frame: whatever else a frame can have is for the usual way.
const WHOLE: u8 = flag::END_HEADERS | flag::END_STREAM;

impl Connection {
    /// Server: says that `input` begins with a request that is equal to the one that came last and has no content. It is
    /// known from the third of several equal requests on. [`answer_repeated`](Self::answer_repeated) answers it for the
    /// price of a comparison.
    pub fn is_repeated(&self, input: &[u8]) -> bool {
        self.split_repeated(input).is_some()
    }

    /// Server: takes the request that `input` begins with, if [`is_repeated`](Self::is_repeated), and answers it with the
    /// head that was sent last, by [`send_headers`](Self::send_headers), and this content. The caller knows that this is
    /// its answer still: that head was the answer's to the request that came last, and nothing has changed since. No
    /// event tells of the request, and its stream is over at once. False, and nothing is done, where the request or its
    /// answer has to go the usual way: something waits, or a window is too small.
    pub fn answer_repeated(&mut self, input: &mut &[u8], content: &[u8]) -> bool {
        let Some((header, block, rest)) = self.split_repeated(input) else {
            return false;
        };
        let (id, len) = (header.stream_id, content.len());
        if !self.has_place_at_once(id, len) || !self.outbound.can_repeat() {
            return false;
        }
        *input = rest;
        self.outbound.show_received(header, block);
        self.outbound.repeat_answer(id, content);
        // It is within the window, as is said above.
        let len = len as u32;
        let consumed = self.streams.pass_by(id, len);
        debug_assert_eq!(consumed, Ok(()));
        self.timing.count_sent(len);
        self.budget.request();
        self.budget.answered();
        true
    }

    /// The frame of such a request, its block, and the input behind it.
    fn split_repeated<'i>(&self, input: &'i [u8]) -> Option<(FrameHeader, &'i [u8], &'i [u8])> {
        let (header, behind) = FrameHeader::split_first(input)?;
        let (block, rest) = behind.split_at_checked(header.len as usize)?;
        let is_whole = header.kind == FrameType::HEADERS && header.flags == WHOLE;
        (is_whole && self.inbound.repeats(block)).then_some((header, block, rest))
    }

    /// Says that a stream of this identifier may begin and end now, with so many bytes of content.
    fn has_place_at_once(&self, id: u32, len: usize) -> bool {
        let is_new = id % 2 == 1
            && id > self.streams.highest_request()
            && id <= MAX_STREAM_ID - IDS_IN_RESERVE;
        let limit = self.agreement.concurrency_limit(&self.config);
        let is_admitted = u32::from(self.streams.active(Role::Client)) < limit
            && self.streams.len() < MAX_STREAMS;
        // Nothing is to be told, no priority has come ahead, nobody leaves, and no other stream is ready to send.
        let is_calm = self.role() == Role::Server
            && self.inbound.phase() == PeerPhase::Open
            && self.waiting.is_empty()
            && self.departure.is_staying()
            && !self.streams.any_ready();
        let peer = self.agreement.remote();
        let window = self.streams.send_window().available();
        let room = window
            .min(peer.initial_window_size)
            .min(peer.max_frame_size);
        is_new && is_admitted && is_calm && len <= room as usize
    }
}
