//! Field blocks as they come: HEADERS, PUSH_PROMISE and CONTINUATION (RFC 9113 §4.3, §6.2, §6.6,
//! §6.10).
//!
//! A field block that fits its frame is decoded where it lies. One that is continued is gathered in a
//! buffer of its own, which is bounded and gone as soon as the block is whole.
//!
//! Every block is decoded, whatever becomes of its stream: the compression context is the
//! connection's (§4.3). What the fields mean is left to `sections`.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::time::Instant;

use super::Connection;
use super::inbound::{Block, BlockHead, BlockKind};
use super::receive::Received;
use super::repeated::DecodedHead;
use super::streams::Absent;
use crate::h2::error::{ConnectionError, FrameFault, StreamError};
use crate::h2::frame::decode;
use crate::h2::frame::{FrameHeader, flag};
use crate::h2::ids::Closing;
use crate::h2::settings::Role;
use crate::hpack::DecodeLimits;
use crate::http::field::Fields;

impl Connection {
    pub(super) fn receive_headers<'i>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        let id = header.stream_id;
        let (fragment, rfc7540) = decode::headers(header, payload)?;
        self.check_headers_stream(id)?;
        let head = BlockHead {
            stream_id: id,
            kind: BlockKind::Headers {
                end_stream: header.has(flag::END_STREAM),
                rfc7540,
            },
        };
        self.begin_block(header, head, fragment, fields, now)
    }

    pub(super) fn receive_push_promise<'i>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        let (promised, fragment) = decode::push_promise(header, payload)?;
        // §8.4: a server takes none, and a client only what its SETTINGS allow.
        if self.role() == Role::Server || !self.agreement.local().enable_push {
            return Err(ConnectionError::protocol("PUSH_PROMISE although push is disabled").into());
        }
        let id = header.stream_id;
        if id.is_multiple_of(2) || self.streams.absent(id) == Absent::Idle {
            let reason = "PUSH_PROMISE on a stream that is not a request's";
            return Err(ConnectionError::protocol(reason).into());
        }
        // §6.6: only behind our own reset a promise may still be on its way.
        let closed = self
            .streams
            .find(id)
            .is_none()
            .then(|| self.streams.absent(id));
        if let Some(Absent::Closed(Closing::Ended | Closing::ResetByPeer)) = closed {
            let reason = "PUSH_PROMISE on a stream that its sender has closed";
            return Err(ConnectionError::protocol(reason).into());
        }
        // §6.6: the promised stream has to be idle, and the server's.
        if promised == 0 || promised % 2 == 1 || promised <= self.streams.highest_promised() {
            let reason = "PUSH_PROMISE of a stream that is not idle";
            return Err(ConnectionError::protocol(reason).into());
        }
        let head = BlockHead {
            stream_id: id,
            kind: BlockKind::PushPromise { promised },
        };
        self.begin_block(header, head, fragment, fields, now)
    }

    fn begin_block<'i>(
        &mut self,
        header: FrameHeader,
        head: BlockHead,
        fragment: &[u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        if header.has(flag::END_HEADERS) {
            return self.finish_block(head, fragment, fields, now);
        }
        self.check_block_len(fragment.len())?;
        if fragment.is_empty() {
            self.budget.useless_frame(&self.config.budgets)?;
        }
        let deadline = self.timing.after(now, self.config.header_timeout);
        let block = Block::new(head, fragment, deadline);
        self.inbound.keep_block(block);
        Ok(Received::Nothing)
    }

    pub(super) fn receive_continuation<'i>(
        &mut self,
        header: FrameHeader,
        fragment: &[u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        let Some(mut block) = self.inbound.take_block() else {
            return Err(ConnectionError::protocol("CONTINUATION without HEADERS").into());
        };
        if block.count_continuation() > self.config.budgets.continuations {
            return Err(ConnectionError::calm("too many CONTINUATION frames").into());
        }
        self.check_block_len(block.bytes.len().saturating_add(fragment.len()))?;
        block.append(fragment);
        if header.has(flag::END_HEADERS) {
            return self.finish_block(block.head, &block.bytes, fields, now);
        }
        if fragment.is_empty() {
            self.budget.useless_frame(&self.config.budgets)?;
        }
        self.inbound.keep_block(block);
        Ok(Received::Nothing)
    }

    fn check_block_len(&self, len: usize) -> Result<(), ConnectionError> {
        if len > self.config.budgets.header_block_bytes {
            return Err(ConnectionError::calm("field block too long"));
        }
        Ok(())
    }

    fn decode_limits(&self) -> DecodeLimits {
        DecodeLimits {
            list_size: self.agreement.header_list_limit(&self.config),
            fields: self.config.budgets.header_fields,
            crumbs: self.config.budgets.cookie_crumbs,
            overrun: self.config.budgets.header_list_overrun,
        }
    }

    fn finish_block<'i>(
        &mut self,
        head: BlockHead,
        block: &[u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        let limits = self.decode_limits();
        let (end_stream, rfc7540) = match head.kind {
            BlockKind::Headers {
                end_stream,
                rfc7540,
            } => (end_stream, rfc7540),
            BlockKind::PushPromise { promised } => {
                let decoded = self.inbound.decode(block, fields, &limits)?;
                let result = self.promise(head.stream_id, promised, decoded, fields, now);
                return result.map_err(FrameFault::of_section);
            }
        };
        let id = head.stream_id;
        let own = rfc7540.is_some_and(|priority| priority.dependency == id);
        // RFC 7540 §5.3.1; nothing obeys dependencies, but this was always an error.
        let itself = || FrameFault::stream(id, StreamError::protocol("stream depends on itself"));
        if let Some(slot) = self.streams.find(id) {
            let decoded = if self.awaits_response(slot) {
                self.inbound.decode_response(block, fields, &limits)?
            } else {
                DecodedHead::New(self.inbound.decode(block, fields, &limits)?)
            };
            if own {
                return Err(itself().of_section());
            }
            let result = self.receive_section(slot, decoded, fields, end_stream);
            return result.map_err(FrameFault::of_section);
        }
        let decoded = self.inbound.decode_request(block, fields, &limits)?;
        if self.streams.absent(id) != Absent::Idle {
            let result = self.late_headers(id, block.len());
            return result.map_err(FrameFault::of_section);
        }
        self.streams.open_request(id);
        let result = if own {
            Err(itself())
        } else {
            self.receive_request(id, decoded, fields, end_stream, rfc7540, now)
        };
        result.map_err(FrameFault::of_request)
    }
}
