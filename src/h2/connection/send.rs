//! HEADERS as they go: requests, responses, trailers and promises (RFC 9113 §6.2, §6.6, §8.1).

use std::time::Instant;

use super::Connection;
use super::streams::next_id;
use super::transfer::refusal;
use crate::h2::error::Misuse;
use crate::h2::field_section;
use crate::h2::frame::{FrameType, HEADER_LEN, encode, flag};
use crate::h2::settings::Role;
use crate::h2::store::{MAX_STREAMS, StreamKey};
use crate::h2::stream::{Passage, RequestKind, Side, StreamState};
use crate::h2::turn::StreamSlot;
use crate::http::field::{Field, Fields};

impl Connection {
    /// Client: sends a request on a new stream. Without `end_stream` its content follows.
    pub fn open<'f>(
        &mut self,
        fields: impl IntoIterator<Item = Field<'f>>,
        end_stream: bool,
        now: Instant,
    ) -> Result<StreamKey, Misuse> {
        if self.role != Role::Client {
            return Err(Misuse::WrongRole);
        }
        self.check_open()?;
        let id = self.next_stream_id().ok_or(Misuse::StreamIdsExhausted)?;
        let limit = self.remote.max_concurrent_streams;
        if u32::from(self.own_streams) >= limit || self.store.len() >= MAX_STREAMS {
            return Err(Misuse::TooManyStreams);
        }
        let state = StreamState::Idle
            .pass(Side::Local, Passage::Head { end_stream })
            .map_err(refusal)?;
        let extended = self.remote.enable_connect_protocol;
        let mut kind = RequestKind::Ordinary;
        let fields = fields.into_iter().inspect(|field| {
            if field.name == b":method" {
                kind = field_section::request_kind_of(field.value);
            }
        });
        let check = |fields: &Fields| field_section::request(fields, extended).is_ok();
        let flags = end_stream_flag(end_stream);
        match self.prepared(fields, check)? {
            Prepared::AsIs(fields) => self.write_headers(id, flags, fields),
            Prepared::Copied(fields) => self.write_headers(id, flags, fields.iter()),
        }
        self.requests.open(id);
        let mut stream = self.new_stream(id, state);
        stream.request_kind = kind;
        // There was a slot above.
        self.insert(stream, now).ok_or(Misuse::TooManyStreams)
    }

    /// The identifier that the next stream of ours will have; `None` when there is none left.
    pub fn next_stream_id(&self) -> Option<u32> {
        let parity = self.role.parity();
        next_id(self.highest(parity), parity)
    }

    /// Sends a field section on a stream that lives: with `:status` in front a response, of which any
    /// number of informational ones (1xx) may come before the final one; without it trailers, which
    /// end the stream.
    pub fn send_headers<'f>(
        &mut self,
        stream: StreamKey,
        fields: impl IntoIterator<Item = Field<'f>>,
        end_stream: bool,
    ) -> Result<(), Misuse> {
        let slot = self.store.slot(stream).ok_or(Misuse::StreamClosed)?;
        let mut fields = fields.into_iter();
        let first = fields.next();
        let passage = passage_of(first, end_stream)?;
        let state = self.store[slot].state;
        state.pass(Side::Local, passage).map_err(refusal)?;
        let limit = self.remote.max_concurrent_streams;
        if state == StreamState::ReservedLocal && u32::from(self.own_streams) >= limit {
            // §8.4.2: a promise is not counted, its response is.
            return Err(Misuse::TooManyStreams);
        }
        let check = |fields: &Fields| match passage {
            Passage::Trailers => field_section::trailers(fields).is_ok(),
            _ => field_section::response(fields).is_ok(),
        };
        let flags = end_stream_flag(end_stream);
        match self.prepared(first.into_iter().chain(fields), check)? {
            Prepared::AsIs(fields) => self.write_headers(stream.id(), flags, fields),
            Prepared::Copied(fields) => self.write_headers(stream.id(), flags, fields.iter()),
        }
        self.passed_headers(slot, passage, end_stream)
    }

    /// Server: sends an informational response (RFC 9110 §15.2): 100 where a request expects it and its
    /// content did not come yet, 103 with links. Any number of them comes before the final one. 101
    /// is not used in HTTP/2 (RFC 9113 §8.6).
    pub fn send_informational<'f>(
        &mut self,
        stream: StreamKey,
        status: u16,
        fields: impl IntoIterator<Item = Field<'f>>,
    ) -> Result<(), Misuse> {
        if self.role != Role::Server {
            return Err(Misuse::WrongRole);
        }
        if !(100..200).contains(&status) || status == 101 {
            return Err(Misuse::InvalidValue);
        }
        let digits = [
            b'1',
            b'0' + (status / 10 % 10) as u8,
            b'0' + (status % 10) as u8,
        ];
        let status = Field::new(b":status", &digits);
        let fields = fields.into_iter().map(|field| Field { ..field });
        self.send_headers(stream, std::iter::once(status).chain(fields), false)
    }

    /// Sends the response head that was the last to be sent on another stream: what
    /// [`Connection::send_headers`] would do with the same fields, for the price of a few bytes' copy.
    /// False, and nothing is sent, where that has to encode them: the peer's table lacks some, or has
    /// changed, or something else was sent last.
    pub fn repeat_headers(&mut self, stream: StreamKey, end_stream: bool) -> Result<bool, Misuse> {
        let slot = self.store.slot(stream).ok_or(Misuse::StreamClosed)?;
        let passage = Passage::Head { end_stream };
        let state = self.store[slot].state;
        state.pass(Side::Local, passage).map_err(refusal)?;
        if self.role != Role::Server || state == StreamState::ReservedLocal {
            // Whether there is room for a pushed response is a question for `send_headers`.
            return Ok(false);
        }
        let Some(block) = self.encoder.repeatable().filter(|block| is_response(block)) else {
            return Ok(false);
        };
        let flags = flag::END_HEADERS | end_stream_flag(end_stream);
        let output = &mut self.output;
        encode::frame(output, FrameType::HEADERS, flags, stream.id(), block);
        self.passed_headers(slot, passage, end_stream)?;
        Ok(true)
    }

    fn passed_headers(
        &mut self,
        slot: StreamSlot,
        passage: Passage,
        end_stream: bool,
    ) -> Result<(), Misuse> {
        if end_stream {
            self.budget.answered();
        }
        self.pass(slot, Side::Local, passage).map_err(refusal)?;
        Ok(())
    }

    /// Server: promises a response to a request that `fields` make up (RFC 9113 §8.4), on a stream
    /// of the client's that is still open for sending. The response is sent on the returned stream,
    /// once the client's SETTINGS_MAX_CONCURRENT_STREAMS has room for it.
    pub fn push<'f>(
        &mut self,
        parent: StreamKey,
        fields: impl IntoIterator<Item = Field<'f>>,
        now: Instant,
    ) -> Result<StreamKey, Misuse> {
        if self.role != Role::Server {
            return Err(Misuse::WrongRole);
        }
        self.check_open()?;
        let slot = self.store.slot(parent).ok_or(Misuse::StreamClosed)?;
        if self.store[slot].state.local().is_none() {
            return Err(Misuse::StreamClosed);
        }
        if !self.remote.enable_push || parent.id().is_multiple_of(2) {
            return Err(Misuse::PushDisabled);
        }
        let id = self.next_stream_id().ok_or(Misuse::StreamIdsExhausted)?;
        if self.store.len() >= MAX_STREAMS {
            return Err(Misuse::TooManyStreams);
        }
        let state = StreamState::Idle
            .pass(Side::Local, Passage::Promise)
            .map_err(refusal)?;
        let check = |fields: &Fields| field_section::request(fields, false).is_ok();
        match self.prepared(fields.into_iter(), check)? {
            Prepared::AsIs(fields) => self.write_push_promise(parent.id(), id, fields),
            Prepared::Copied(fields) => self.write_push_promise(parent.id(), id, fields.iter()),
        }
        self.promised = id;
        let stream = self.new_stream(id, state);
        self.insert(stream, now).ok_or(Misuse::TooManyStreams)
    }

    /// Fields as they are to be sent: in the normal case untouched and unseen.
    fn prepared<'f, I: Iterator<Item = Field<'f>>>(
        &self,
        fields: I,
        check: impl Fn(&Fields) -> bool,
    ) -> Result<Prepared<I>, Misuse> {
        let (normalize, validate) = (
            self.config.normalize_outbound,
            self.config.validate_outbound,
        );
        if !normalize && !validate {
            return Ok(Prepared::AsIs(fields));
        }
        let fields = match normalize {
            true => field_section::normalized(fields),
            false => fields.fold(Fields::new(), |mut copy, field| {
                copy.push_field(field);
                copy
            }),
        };
        match !validate || check(&fields) {
            true => Ok(Prepared::Copied(fields)),
            false => Err(Misuse::MalformedFields),
        }
    }

    fn write_headers<'f>(&mut self, id: u32, flags: u8, fields: impl Iterator<Item = Field<'f>>) {
        let start = encode::begin(&mut self.output);
        self.encoder.encode(fields, &mut self.output);
        self.finish_block_of(start, FrameType::HEADERS, flags, id);
    }

    fn write_push_promise<'f>(
        &mut self,
        parent: u32,
        promised: u32,
        fields: impl Iterator<Item = Field<'f>>,
    ) {
        let start = encode::begin(&mut self.output);
        self.output.extend_from_slice(&promised.to_be_bytes());
        self.encoder.encode(fields, &mut self.output);
        self.finish_block_of(start, FrameType::PUSH_PROMISE, 0, parent);
    }

    fn finish_block_of(&mut self, start: usize, kind: FrameType, flags: u8, id: u32) {
        debug_assert!(self.output.len() >= start + HEADER_LEN);
        let max = self.remote.max_frame_size as usize;
        encode::finish_block(&mut self.output, start, kind, flags, id, max);
    }
}

/// A field section that is ready to be encoded.
enum Prepared<I> {
    AsIs(I),
    Copied(Fields),
}

fn end_stream_flag(end_stream: bool) -> u8 {
    if end_stream { flag::END_STREAM } else { 0 }
}

/// Whether a block is that of a final response: it begins with one of the statuses of HPACK's static
/// table, 200 to 500 (RFC 7541 Appendix A).
fn is_response(block: &[u8]) -> bool {
    matches!(block.first(), Some(0x88..=0x8e))
}

/// What a section means, by its first field.
fn passage_of(first: Option<Field<'_>>, end_stream: bool) -> Result<Passage, Misuse> {
    let status = first.filter(|field| field.name == b":status");
    match (status, end_stream) {
        // §8.1: trailers end the stream, informational responses never do.
        (None, false) => Err(Misuse::OutOfOrder),
        (None, true) => Ok(Passage::Trailers),
        (Some(status), end_stream) => match (status.value.first(), end_stream) {
            (Some(b'1'), true) => Err(Misuse::OutOfOrder),
            (Some(b'1'), false) => Ok(Passage::Informational),
            _ => Ok(Passage::Head { end_stream }),
        },
    }
}
