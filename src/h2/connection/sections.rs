//! Field sections as they come: HEADERS, PUSH_PROMISE and CONTINUATION (RFC 9113 §4.3, §6.2, §6.6,
//! §6.10, §8.1).
//!
//! A field block that fits its frame is decoded where it lies. One that is continued is gathered in a
//! buffer of its own, which is bounded and gone as soon as the block is whole.
//!
//! Every block is decoded, whatever becomes of its stream: the compression context is the
//! connection's (§4.3).

use std::time::Instant;

use super::receive::{Absent, Section, Step};
use super::{Connection, Leaving, Slot};
use crate::h2::clock::Tick;
use crate::h2::error::{ConnectionError, ErrorCode, Fault, StreamError};
use crate::h2::event::Event;
use crate::h2::field_section::{self, Malformed};
use crate::h2::frame::{FrameHeader, MAX_STREAM_ID, decode, flag};
use crate::h2::ids::Closing;
use crate::h2::priority::Priority;
use crate::h2::settings::Role;
use crate::h2::stream::{Content, Exchange, Half, Passage, Side, StreamState};
use crate::hpack::{DecodeError, DecodeLimits, Decoded};
use crate::http::field::Fields;

/// Identifiers that are left when a server begins to leave: as many as one more page of requests
/// could ever need.
const IDS_IN_RESERVE: u32 = 2_000;

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
        /// Its RFC 7540 priority makes the stream depend on itself.
        depends_on_itself: bool,
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
}

/// # Gathering
impl Connection {
    pub(super) fn receive_headers<'i>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Step<'i>, Fault> {
        let id = header.stream_id;
        let (fragment, priority) = decode::headers(header, payload)?;
        self.check_headers_stream(id)?;
        let head = BlockHead {
            stream_id: id,
            kind: BlockKind::Headers {
                end_stream: header.has(flag::END_STREAM),
                depends_on_itself: priority.is_some_and(|priority| priority.dependency == id),
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
    ) -> Result<Step<'i>, Fault> {
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
    ) -> Result<Step<'i>, Fault> {
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
        Ok(Step::Nothing)
    }

    pub(super) fn receive_continuation<'i>(
        &mut self,
        header: FrameHeader,
        fragment: &[u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Step<'i>, Fault> {
        let Some(mut block) = self.block.take() else {
            return Err(ConnectionError::protocol("CONTINUATION without HEADERS").into());
        };
        // CVE-2024-27316
        block.continuations += 1;
        if block.continuations > self.config.budgets.continuations {
            return Err(ConnectionError::calm("too many CONTINUATION frames").into());
        }
        self.check_block_len(block.bytes.len() + fragment.len())?;
        block.bytes.extend_from_slice(fragment);
        if header.has(flag::END_HEADERS) {
            return self.finish_block(block.head, &block.bytes, fields, now);
        }
        if fragment.is_empty() {
            self.budget.useless_frame(&self.config.budgets)?;
        }
        self.block = Some(block);
        Ok(Step::Nothing)
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
    ) -> Result<Step<'i>, Fault> {
        let decoded = self.decode_block(block, fields)?;
        let (end_stream, depends_on_itself) = match head.kind {
            BlockKind::Headers {
                end_stream,
                depends_on_itself,
            } => (end_stream, depends_on_itself),
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
        if depends_on_itself {
            // RFC 7540 §5.3.1; nothing obeys priorities, but this was always an error.
            let error = StreamError::protocol("stream depends on itself");
            return Err(Fault::stream(id, error));
        }
        match known {
            Some(slot) => self.receive_section(slot, decoded, fields, end_stream),
            None => self.receive_request(id, decoded, fields, end_stream, now),
        }
    }
}

/// # What sections mean
impl Connection {
    /// What is wrong about the identifier alone (§5.1.1).
    fn check_headers_stream(&self, id: u32) -> Result<(), ConnectionError> {
        if id == 0 {
            return Err(ConnectionError::protocol("HEADERS on stream 0"));
        }
        if self.store.find(id).is_some() {
            return Ok(());
        }
        match self.absent(id) {
            // Only clients open streams with HEADERS.
            Absent::Idle if self.role == Role::Server && id % 2 == 1 => Ok(()),
            Absent::Idle => Err(ConnectionError::protocol("HEADERS on an idle stream")),
            Absent::Closed(Closing::Skipped) => Err(ConnectionError::protocol(
                "stream identifier lower than one before",
            )),
            Absent::Closed(Closing::Ended) => {
                let reason = "HEADERS on a stream that had ended";
                Err(ConnectionError::new(ErrorCode::STREAM_CLOSED, reason))
            }
            Absent::Closed(Closing::ResetByPeer | Closing::ResetByUs) | Absent::Forgotten => Ok(()),
        }
    }

    /// HEADERS on a stream that was reset.
    fn late_headers<'i>(&mut self, id: u32, len: usize) -> Result<Step<'i>, Fault> {
        if self.absent(id) == Absent::Closed(Closing::ResetByPeer) {
            let reason = "HEADERS behind RST_STREAM";
            return Err(Fault::stream(
                id,
                StreamError::new(ErrorCode::STREAM_CLOSED, reason),
            ));
        }
        self.budget.ignored(&self.config.budgets, len)?;
        Ok(Step::Nothing)
    }

    /// A server's new stream.
    fn receive_request<'i>(
        &mut self,
        id: u32,
        decoded: Decoded,
        fields: &mut Fields,
        end_stream: bool,
        now: Instant,
    ) -> Result<Step<'i>, Fault> {
        if matches!(self.leaving, Leaving::Left { .. }) {
            // §6.8: the client knows by now, or will, that we take no notice.
            self.requests.close(id, Closing::ResetByUs);
            self.budget.expect_late_data(self.local.initial_window_size);
            self.budget.ignored(&self.config.budgets, fields.size())?;
            return Ok(Step::Nothing);
        }
        self.admit(id)?;
        self.budget.request();
        let state = StreamState::Idle.pass(Side::Remote, Passage::Head { end_stream });
        let mut stream = self.new_stream(id, state.unwrap_or(StreamState::Closed));
        if decoded == Decoded::Whole {
            let request = match self.config.validate_inbound {
                true => field_section::request(fields, self.config.extended_connect),
                false => Ok(field_section::unchecked_request(fields)),
            };
            let request = request.map_err(|malformed| malformed_stream(id, malformed))?;
            stream.exchange = request.exchange;
            stream.priority = request.priority;
            if request.exchange != Exchange::Tunnel {
                stream.content = Content::new(request.content_length);
            }
        }
        if end_stream && stream.content.finish().is_err() {
            return Err(length_mismatch(id));
        }
        if let Some(priority) = self.early_priority(id) {
            stream.priority = priority;
        }
        let Some(stream) = self.insert(stream, now) else {
            return Err(refused(id));
        };
        if id > MAX_STREAM_ID - IDS_IN_RESERVE {
            self.shutdown(now);
        }
        if decoded == Decoded::Truncated {
            return Ok(Step::Event(Event::HeadersTooLarge { stream, end_stream }));
        }
        if self.config.join_cookies {
            field_section::join_cookies(fields);
        }
        Ok(Step::Section(Section::Request { stream, end_stream }))
    }

    /// SETTINGS_MAX_CONCURRENT_STREAMS (§5.1.2).
    fn admit(&mut self, id: u32) -> Result<(), Fault> {
        // Until our SETTINGS are acknowledged the client may not know the limit, but it holds.
        let (limit, known) = match self.local.max_concurrent_streams {
            u32::MAX => (self.config.max_concurrent_streams, false),
            limit => (limit, true),
        };
        if u32::from(self.peer_streams) < limit {
            return Ok(());
        }
        match known {
            true => self.budget.stream_error(&self.config.budgets)?,
            false => self.budget.early_refusal(limit)?,
        }
        Err(refused(id))
    }

    /// The priority that came before its stream (RFC 9218 §7.1): it overrides the request's own.
    fn early_priority(&mut self, id: u32) -> Option<Priority> {
        let priorities = &mut self.rare.as_mut()?.priorities;
        let position = priorities.iter().position(|&(other, _)| other == id)?;
        let (_, priority) = priorities.swap_remove(position);
        self.tidy();
        Some(priority)
    }

    /// A further section on a stream that lives: a response, or trailers.
    fn receive_section<'i>(
        &mut self,
        slot: Slot,
        decoded: Decoded,
        fields: &mut Fields,
        end_stream: bool,
    ) -> Result<Step<'i>, Fault> {
        let stream = self.store.key_of(slot);
        let id = stream.id();
        let half = match self.store[slot].state {
            StreamState::ReservedLocal => {
                return Err(ConnectionError::protocol("HEADERS on a promised stream").into());
            }
            state => state.remote(),
        };
        let Some(half) = half else {
            let reason = "HEADERS on a half-closed stream";
            let error = StreamError::new(ErrorCode::STREAM_CLOSED, reason);
            return Err(Fault::stream(id, error));
        };
        if decoded == Decoded::Truncated {
            let reason = "field section too large";
            let error = StreamError::new(ErrorCode::ENHANCE_YOUR_CALM, reason);
            return Err(Fault::stream(id, error));
        }
        match half {
            Half::Head => self.receive_response(slot, fields, end_stream),
            Half::Body if !end_stream => {
                // §8.1
                let error = StreamError::protocol("trailers that do not end the stream");
                Err(Fault::stream(id, error))
            }
            Half::Body => {
                if self.config.validate_inbound {
                    field_section::trailers(fields).map_err(|error| malformed_stream(id, error))?;
                }
                if self.store[slot].content.finish().is_err() {
                    return Err(length_mismatch(id));
                }
                self.pass_remote(slot, Passage::Trailers)?;
                Ok(Step::Section(Section::Trailers { stream }))
            }
        }
    }

    fn receive_response<'i>(
        &mut self,
        slot: Slot,
        fields: &mut Fields,
        end_stream: bool,
    ) -> Result<Step<'i>, Fault> {
        let stream = self.store.key_of(slot);
        let id = stream.id();
        let response = match self.config.validate_inbound {
            true => field_section::response(fields),
            false => field_section::unchecked_response(fields),
        };
        let response = response.map_err(|malformed| malformed_stream(id, malformed))?;
        if response.is_informational() {
            if end_stream {
                // §8.1.1
                let error = StreamError::protocol("informational response that ends the stream");
                return Err(Fault::stream(id, error));
            }
            self.pass_remote(slot, Passage::Informational)?;
            return Ok(Step::Section(Section::Informational { stream }));
        }
        let content = match (self.store[slot].exchange, response.status) {
            // RFC 9110 §6.4.1: a content-length of these is not their content's.
            (Exchange::Head, _) | (_, 204 | 304) => Content::new(Some(0)),
            (Exchange::Tunnel, 200..=299) => Content::UNKNOWN,
            _ => Content::new(response.content_length),
        };
        if end_stream && content.finish().is_err() {
            return Err(length_mismatch(id));
        }
        self.store[slot].content = content;
        self.pass_remote(slot, Passage::Head { end_stream })?;
        if self.config.join_cookies {
            field_section::join_cookies(fields);
        }
        Ok(Step::Section(Section::Response { stream, end_stream }))
    }

    /// A client's promised stream (§8.4.1).
    fn promise<'i>(
        &mut self,
        id: u32,
        promised: u32,
        decoded: Decoded,
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Step<'i>, Fault> {
        self.promised = promised;
        let Some(slot) = self.store.find(id) else {
            // §6.6: the request was reset while the promise was on its way.
            let error = StreamError::new(ErrorCode::CANCEL, "promised by a request that is reset");
            return Err(Fault::stream(promised, error));
        };
        if self.store[slot].state.remote().is_none() {
            return Err(ConnectionError::protocol("PUSH_PROMISE on a half-closed stream").into());
        }
        if decoded == Decoded::Truncated {
            let error = StreamError::new(ErrorCode::ENHANCE_YOUR_CALM, "field section too large");
            return Err(Fault::stream(promised, error));
        }
        let stream = self.store.key_of(slot);
        let state = StreamState::Idle.pass(Side::Remote, Passage::Promise);
        let mut new = self.new_stream(promised, state.unwrap_or(StreamState::Closed));
        if self.config.validate_inbound {
            let request = field_section::request(fields, false);
            let request = request.map_err(|error| malformed_stream(promised, error))?;
            new.exchange = request.exchange;
            if !matches!(fields.method(), Some(b"GET" | b"HEAD")) {
                // §8.4: safe, cacheable, and without content.
                let error = StreamError::protocol("promised request of another method");
                return Err(Fault::stream(promised, error));
            }
        }
        let Some(promised) = self.insert(new, now) else {
            return Err(refused(promised));
        };
        Ok(Step::Section(Section::PushPromise { stream, promised }))
    }

    /// Moves the peer's half on. The caller has looked at it, so nothing here is refused.
    pub(super) fn pass_remote(&mut self, slot: Slot, passage: Passage) -> Result<(), Fault> {
        let id = self.store[slot].id;
        self.pass(slot, Side::Remote, passage)
            .map_err(|_| Fault::stream(id, StreamError::protocol("frame out of order")))
    }
}

fn malformed_stream(id: u32, Malformed(reason): Malformed) -> Fault {
    Fault::stream(id, StreamError::protocol(reason))
}

/// §8.1.1
pub(super) fn length_mismatch(id: u32) -> Fault {
    Fault::stream(
        id,
        StreamError::protocol("content-length and content differ"),
    )
}

fn refused(id: u32) -> Fault {
    let error = StreamError::new(ErrorCode::REFUSED_STREAM, "too many streams");
    Fault::stream(id, error)
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
