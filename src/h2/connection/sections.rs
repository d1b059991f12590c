//! The meaning of a decoded field section: a new stream, a response, trailers, a promise, or nothing any
//! more (RFC 9113 §5.1, §6.6, §8.1).

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::time::Instant;

use super::Connection;
use super::receive::{Received, Section};
use super::repeated::DecodedHead;
use super::streams::Absent;
use crate::h2::error::{ConnectionError, ErrorCode, FrameFault, StreamError};
use crate::h2::field_section::{self, Malformed, RequestFacts, ResponseFacts};
use crate::h2::frame::MAX_STREAM_ID;
use crate::h2::frame::decode::Rfc7540Priority;
use crate::h2::ids::Closing;
use crate::h2::priority::Priority;
use crate::h2::settings::Role;
use crate::h2::stream::{Half, Passage, PromisedContent, RequestKind, Side, Signals, StreamState};
use crate::h2::turn::StreamSlot;
use crate::hpack::Decoded;
use crate::http::{Expected, Fields};

/// Identifiers that are left when a server begins to leave: as many as one more page of requests
/// could ever need.
pub(super) const IDS_IN_RESERVE: u32 = 2_000;

impl Connection {
    /// Checks what the identifier alone says (§5.1.1).
    pub(super) fn check_headers_stream(&self, id: u32) -> Result<(), ConnectionError> {
        if id == 0 {
            return Err(ConnectionError::protocol("HEADERS on stream 0"));
        }
        if self.streams.find(id).is_some() {
            return Ok(());
        }
        match self.streams.absent(id) {
            // Only clients open streams with HEADERS.
            Absent::Idle if self.role() == Role::Server && id % 2 == 1 => Ok(()),
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
    pub(super) fn late_headers<'i>(
        &mut self,
        id: u32,
        len: usize,
    ) -> Result<Received<'i>, FrameFault> {
        if self.streams.absent(id) == Absent::Closed(Closing::ResetByPeer) {
            let reason = "HEADERS behind RST_STREAM";
            return Err(FrameFault::stream(
                id,
                StreamError::new(ErrorCode::STREAM_CLOSED, reason),
            ));
        }
        self.budget.ignored(&self.config.budgets, len)?;
        Ok(Received::Nothing)
    }

    /// A server's new stream.
    pub(super) fn receive_request<'i>(
        &mut self,
        id: u32,
        decoded: DecodedHead<RequestFacts>,
        fields: &mut Fields,
        end_stream: bool,
        rfc7540: Option<Rfc7540Priority>,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        if self.departure.has_left() {
            // §6.8 lets us take no notice, but there are clients that wait for an answer until their
            // time is up (HAProxy): they can try elsewhere at once.
            self.budget.ignored(&self.config.budgets, fields.size())?;
            return Err(FrameFault::stream(id, StreamError::LEAVING));
        }
        self.admit(id)?;
        self.budget.request();
        let state = StreamState::Idle.pass(Side::Remote, Passage::Head { end_stream });
        let mut stream = self.new_stream(id, state.unwrap_or(StreamState::Closed));
        if let Some(urgency) = rfc7540.and_then(|priority| self.obeyed_urgency(priority)) {
            stream.priority = Priority::new(urgency, false);
        }
        let request = match decoded {
            DecodedHead::Repeated(request) => Some(request),
            DecodedHead::New(Decoded::Truncated) => None,
            DecodedHead::New(Decoded::Whole) if self.config.validate_inbound => {
                let checked = field_section::request(fields, self.config.extended_connect);
                Some(checked.map_err(|malformed| malformed_stream(id, malformed))?)
            }
            DecodedHead::New(Decoded::Whole) => Some(field_section::unchecked_request(fields)),
        };
        let mut expected = Expected::Nothing;
        if let Some(request) = request {
            stream.request_kind = request.kind;
            stream.priority = request.priority.unwrap_or(stream.priority);
            expected = request.expected;
            if request.kind != RequestKind::Tunnel {
                stream.content = PromisedContent::new(request.content_length);
            }
        }
        if end_stream && stream.content.finish().is_err() {
            return Err(length_mismatch(id));
        }
        // It overrides the request's own (RFC 9218 §7.1).
        if let Some(priority) = self.waiting.take_priority(id) {
            stream.priority = priority;
            stream.signals = Signals::Rfc9218;
        }
        let Some(stream) = self.insert(stream, now) else {
            return Err(refused(id));
        };
        if id > MAX_STREAM_ID - IDS_IN_RESERVE {
            self.shutdown(now);
        }
        let Some(request) = request else {
            return Ok(Received::Section(Section::TooLarge { stream, end_stream }));
        };
        if let DecodedHead::New(_) = decoded {
            if self.config.join_cookies {
                field_section::join_cookies(fields);
            }
            self.inbound.learn_request(fields, request);
        }
        Ok(Received::Section(Section::Request {
            stream,
            end_stream,
            expected,
            rfc7540,
        }))
    }

    /// SETTINGS_MAX_CONCURRENT_STREAMS (§5.1.2).
    fn admit(&mut self, id: u32) -> Result<(), FrameFault> {
        let limit = self.agreement.concurrency_limit(&self.config);
        if u32::from(self.streams.active(self.role().peer())) < limit {
            return Ok(());
        }
        self.budget.refusal(limit)?;
        Err(refused(id))
    }

    /// The urgency of a priority of RFC 7540, unless the client says that it does not mean any
    /// (RFC 9218 §2.1).
    pub(super) fn obeyed_urgency(&self, priority: Rfc7540Priority) -> Option<u8> {
        if self.agreement.remote().no_rfc7540_priorities {
            return None;
        }
        priority.urgency()
    }

    /// True if the next section on a stream is a response of the server's.
    pub(super) fn awaits_response(&self, slot: StreamSlot) -> bool {
        self.streams[slot].state.remote() == Some(Half::Head)
    }

    /// A further section on a stream that lives: a response, or trailers.
    pub(super) fn receive_section<'i>(
        &mut self,
        slot: StreamSlot,
        decoded: DecodedHead<ResponseFacts>,
        fields: &mut Fields,
        end_stream: bool,
    ) -> Result<Received<'i>, FrameFault> {
        let stream = self.streams.key_of(slot);
        let id = stream.id();
        let half = match self.streams[slot].state {
            StreamState::ReservedLocal => {
                return Err(ConnectionError::protocol("HEADERS on a promised stream").into());
            }
            StreamState::ReservedRemote => {
                self.admit(id)?;
                Some(Half::Head)
            }
            state => state.remote(),
        };
        let Some(half) = half else {
            let reason = "HEADERS on a half-closed stream";
            let error = StreamError::new(ErrorCode::STREAM_CLOSED, reason);
            return Err(FrameFault::stream(id, error));
        };
        match decoded {
            DecodedHead::New(Decoded::Truncated) => {
                let reason = "field section too large";
                let error = StreamError::new(ErrorCode::ENHANCE_YOUR_CALM, reason);
                return Err(FrameFault::stream(id, error));
            }
            DecodedHead::New(Decoded::Whole) if self.config.trim_inbound => {
                field_section::trim_values(fields);
            }
            DecodedHead::New(Decoded::Whole) | DecodedHead::Repeated(_) => {}
        }
        match half {
            Half::Head => self.receive_response(slot, decoded, fields, end_stream),
            Half::Body if !end_stream => {
                // §8.1
                let error = StreamError::protocol("trailers that do not end the stream");
                Err(FrameFault::stream(id, error))
            }
            Half::Body => {
                if self.config.validate_inbound {
                    field_section::trailers(fields).map_err(|error| malformed_stream(id, error))?;
                }
                if self.streams[slot].content.finish().is_err() {
                    return Err(length_mismatch(id));
                }
                field_section::drop_forbidden_trailers(fields);
                let discarded = self.streams[slot].discards.is_some();
                self.pass_remote(slot, Passage::Trailers)?;
                if discarded {
                    return Ok(Received::Nothing);
                }
                Ok(Received::Section(Section::Trailers { stream }))
            }
        }
    }

    fn receive_response<'i>(
        &mut self,
        slot: StreamSlot,
        decoded: DecodedHead<ResponseFacts>,
        fields: &mut Fields,
        end_stream: bool,
    ) -> Result<Received<'i>, FrameFault> {
        let stream = self.streams.key_of(slot);
        let id = stream.id();
        let response = match decoded {
            DecodedHead::Repeated(response) => Ok(response),
            DecodedHead::New(_) if self.config.validate_inbound => field_section::response(fields),
            DecodedHead::New(_) => field_section::unchecked_response(fields),
        };
        let response = response.map_err(|malformed| malformed_stream(id, malformed))?;
        if response.is_informational() {
            if end_stream {
                // §8.1.1
                let error = StreamError::protocol("informational response that ends the stream");
                return Err(FrameFault::stream(id, error));
            }
            self.pass_remote(slot, Passage::Informational)?;
            return Ok(Received::Section(Section::Informational { stream }));
        }
        let content = match (self.streams[slot].request_kind, response.status) {
            // RFC 9110 §6.4.1: a content-length of these is not their content's.
            (RequestKind::Head, _) | (_, 204 | 304) => PromisedContent::new(Some(0)),
            (RequestKind::Tunnel, 200..=299) => PromisedContent::UNKNOWN,
            _ => PromisedContent::new(response.content_length),
        };
        if end_stream && content.finish().is_err() {
            return Err(length_mismatch(id));
        }
        self.streams[slot].content = content;
        self.pass_remote(slot, Passage::Head { end_stream })?;
        self.budget.response();
        if let DecodedHead::New(_) = decoded {
            if self.config.join_cookies {
                field_section::join_cookies(fields);
            }
            self.inbound.learn_response(fields, response);
        }
        Ok(Received::Section(Section::Response { stream, end_stream }))
    }

    /// A client's promised stream (§8.4.1).
    pub(super) fn promise<'i>(
        &mut self,
        id: u32,
        promised: u32,
        decoded: Decoded,
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        self.streams.open_promise(promised);
        let Some(slot) = self.streams.find(id) else {
            // §6.6: the request was reset while the promise was on its way.
            self.budget.ignored(&self.config.budgets, fields.size())?;
            let error = StreamError::new(ErrorCode::CANCEL, "promised by a request that is reset");
            return Err(FrameFault::stream(promised, error));
        };
        if self.streams[slot].state.remote().is_none() {
            return Err(ConnectionError::protocol("PUSH_PROMISE on a half-closed stream").into());
        }
        if decoded == Decoded::Truncated {
            let error = StreamError::new(ErrorCode::ENHANCE_YOUR_CALM, "field section too large");
            return Err(FrameFault::stream(promised, error));
        }
        if !self.announced_settings().enable_push {
            // §8.4: on its way while the server did not know, and nobody wants it.
            self.budget.ignored(&self.config.budgets, fields.size())?;
            let error = StreamError::new(ErrorCode::CANCEL, "promised while push is disabled");
            return Err(FrameFault::stream(promised, error));
        }
        self.admit_promise(promised)?;
        let stream = self.streams.key_of(slot);
        let state = StreamState::Idle.pass(Side::Remote, Passage::Promise);
        let mut new = self.new_stream(promised, state.unwrap_or(StreamState::Closed));
        if self.config.trim_inbound {
            field_section::trim_values(fields);
        }
        if self.config.validate_inbound {
            let request = field_section::request(fields, false);
            let request = request.map_err(|error| malformed_stream(promised, error))?;
            new.request_kind = request.kind;
            let is_safe = matches!(fields.method(), Some(b"GET" | b"HEAD"));
            if !is_safe || request.content_length.is_some_and(|length| length > 0) {
                // §8.4: safe, cacheable, and without content.
                let error = StreamError::protocol("promised request that is no plain GET");
                return Err(FrameFault::stream(promised, error));
            }
        }
        let Some(promised) = self.insert(new, now) else {
            return Err(refused(promised));
        };
        Ok(Received::Section(Section::PushPromise { stream, promised }))
    }

    /// Bounds the promises that are kept by our SETTINGS_MAX_CONCURRENT_STREAMS, because each has the
    /// fields of its request. §5.1.2 does not count them until their responses begin, but a promise may
    /// always be refused (§8.4).
    fn admit_promise(&mut self, promised: u32) -> Result<(), FrameFault> {
        let limit = self.agreement.concurrency_limit(&self.config);
        let living = self.streams.iter();
        let pushed = living.filter(|stream| stream.id.is_multiple_of(2)).count();
        if pushed < limit as usize {
            return Ok(());
        }
        self.budget.refusal(limit)?;
        Err(refused(promised))
    }

    /// Moves the peer's half on. The caller has looked at it, so nothing here is refused.
    pub(super) fn pass_remote(
        &mut self,
        slot: StreamSlot,
        passage: Passage,
    ) -> Result<(), FrameFault> {
        let id = self.streams[slot].id;
        self.pass(slot, Side::Remote, passage)
            .map_err(|_| FrameFault::stream(id, StreamError::protocol("frame out of order")))
    }
}

fn malformed_stream(id: u32, Malformed(reason): Malformed) -> FrameFault {
    FrameFault::stream(id, StreamError::protocol(reason))
}

/// §8.1.1
pub(super) fn length_mismatch(id: u32) -> FrameFault {
    FrameFault::stream(
        id,
        StreamError::protocol("content-length and content differ"),
    )
}

fn refused(id: u32) -> FrameFault {
    FrameFault::stream(id, StreamError::TOO_MANY)
}
