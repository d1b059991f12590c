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
use super::receive::{Absent, Received};
use crate::h2::clock::Tick;
use crate::h2::error::{ConnectionError, ErrorCode, FrameFault, StreamError};
use crate::h2::frame::decode::{self, Rfc7540Priority};
use crate::h2::frame::{FrameHeader, flag};
use crate::h2::ids::Closing;
use crate::h2::settings::Role;
use crate::hpack::{DecodeError, DecodeLimits, Decoded};
use crate::http::field::Fields;

/// What the frame that begins a field block says besides.
#[derive(Clone, Copy)]
struct BlockHead {
    stream_id: u32,
    kind: BlockKind,
}

#[derive(Clone, Copy)]
enum BlockKind {
    Headers {
        end_stream: bool,
        rfc7540: Option<Rfc7540Priority>,
    },
    PushPromise {
        promised: u32,
    },
}

/// A field block whose end has not come yet.
pub(super) struct Block {
    head: BlockHead,
    bytes: Vec<u8>,
    continuations: u32,
    deadline: Option<Tick>,
}

impl Block {
    pub(super) fn stream_id(&self) -> u32 {
        self.head.stream_id
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        self.deadline
    }

    pub(super) fn extend(&mut self, deadline: Option<Tick>) {
        self.deadline = deadline;
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>().saturating_add(self.bytes.capacity())
    }
}

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
        if self.role == Role::Server || !self.local.enable_push {
            return Err(ConnectionError::protocol("PUSH_PROMISE although push is disabled").into());
        }
        let id = header.stream_id;
        if id.is_multiple_of(2) || self.absent(id) == Absent::Idle {
            let reason = "PUSH_PROMISE on a stream that is not a request's";
            return Err(ConnectionError::protocol(reason).into());
        }
        // §6.6: only behind our own reset a promise may still be on its way.
        let closed = self.store.find(id).is_none().then(|| self.absent(id));
        if let Some(Absent::Closed(Closing::Ended | Closing::ResetByPeer)) = closed {
            let reason = "PUSH_PROMISE on a stream that its sender has closed";
            return Err(ConnectionError::protocol(reason).into());
        }
        // §6.6: the promised stream has to be idle, and the server's.
        if promised == 0 || promised % 2 == 1 || promised <= self.promised {
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
        self.block = Some(Box::new(Block {
            head,
            bytes: fragment.to_vec(),
            continuations: 0,
            deadline: self.clock.after(now, self.config.header_timeout),
        }));
        Ok(Received::Nothing)
    }

    pub(super) fn receive_continuation<'i>(
        &mut self,
        header: FrameHeader,
        fragment: &[u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        let Some(mut block) = self.block.take() else {
            return Err(ConnectionError::protocol("CONTINUATION without HEADERS").into());
        };
        // CVE-2024-27316
        block.continuations = block.continuations.saturating_add(1);
        if block.continuations > self.config.budgets.continuations {
            return Err(ConnectionError::calm("too many CONTINUATION frames").into());
        }
        self.check_block_len(block.bytes.len().saturating_add(fragment.len()))?;
        // At most eight times: what is held counts, so it grows by no more than came.
        block.bytes.reserve_exact(fragment.len());
        block.bytes.extend_from_slice(fragment);
        if header.has(flag::END_HEADERS) {
            return self.finish_block(block.head, &block.bytes, fields, now);
        }
        if fragment.is_empty() {
            self.budget.useless_frame(&self.config.budgets)?;
        }
        self.block = Some(block);
        Ok(Received::Nothing)
    }

    fn check_block_len(&self, len: usize) -> Result<(), ConnectionError> {
        if len > self.config.budgets.header_block_bytes {
            return Err(ConnectionError::calm("field block too long"));
        }
        Ok(())
    }

    fn decode_block(
        &mut self,
        block: &[u8],
        fields: &mut Fields,
    ) -> Result<Decoded, ConnectionError> {
        let limits = DecodeLimits {
            list_size: self.header_list_limit(),
            fields: self.config.budgets.header_fields,
            crumbs: self.config.budgets.cookie_crumbs,
            overrun: self.config.budgets.header_list_overrun,
        };
        fields.clear();
        self.decoder
            .decode(block, fields, &limits)
            .map_err(|error| {
                let code = match error {
                    DecodeError::ListTooLarge => ErrorCode::ENHANCE_YOUR_CALM,
                    _ => ErrorCode::COMPRESSION_ERROR,
                };
                ConnectionError::new(code, reason_of(error))
            })
    }

    fn finish_block<'i>(
        &mut self,
        head: BlockHead,
        block: &[u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        let decoded = self.decode_block(block, fields)?;
        let (end_stream, rfc7540) = match head.kind {
            BlockKind::Headers {
                end_stream,
                rfc7540,
            } => (end_stream, rfc7540),
            BlockKind::PushPromise { promised } => {
                return self.promise(head.stream_id, promised, decoded, fields, now);
            }
        };
        let id = head.stream_id;
        let known = self.store.find(id);
        if known.is_none() && self.absent(id) != Absent::Idle {
            return self.late_headers(id, block.len());
        }
        if known.is_none() {
            self.requests.open(id);
        }
        let own = rfc7540.is_some_and(|priority| priority.dependency == id);
        let result = match known {
            // RFC 7540 §5.3.1; nothing obeys dependencies, but this was always an error.
            _ if own => Err(FrameFault::stream(
                id,
                StreamError::protocol("stream depends on itself"),
            )),
            Some(slot) => return self.receive_section(slot, decoded, fields, end_stream),
            None => self.receive_request(id, decoded, fields, end_stream, rfc7540, now),
        };
        match known {
            Some(_) => result,
            None => result.map_err(FrameFault::of_request),
        }
    }
}

fn reason_of(error: DecodeError) -> &'static str {
    match error {
        DecodeError::InvalidIndex => "invalid index into a header table",
        DecodeError::IntegerOverflow => "integer too large in a field block",
        DecodeError::Huffman => "invalid Huffman code",
        DecodeError::Truncated => "field block ends within a field",
        DecodeError::TableSizeExceeded => "dynamic table size beyond its limit",
        DecodeError::TableSizeMisplaced => "dynamic table size update out of place",
        DecodeError::TableSizeMissing => "dynamic table size update missing",
        DecodeError::ListTooLarge => "field section far too large",
    }
}
