//! HEADERS as they go: requests, responses and trailers (RFC 9113 §6.2, §8.1).

use std::time::Instant;

use super::Connection;
use super::lifecycle::refusal;
use crate::h2::config::Config;
use crate::h2::error::Misuse;
use crate::h2::field_section::{self, Malformed};
use crate::h2::frame::decode::Rfc7540Priority;
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
        self.open_stream(fields.into_iter(), None, end_stream, now)
    }

    /// Client: sends the request that was the last to be opened once more, on a new stream: what [`Connection::open`]
    /// would do with the same fields, for the price of a few bytes' copy. `method` is its method. `None`, and nothing is
    /// sent, where that has to encode them: the peer's table lacks some, or has changed, or something else was sent last.
    pub fn open_again(
        &mut self,
        method: &[u8],
        end_stream: bool,
        now: Instant,
    ) -> Result<Option<StreamKey>, Misuse> {
        let id = self.check_new_stream()?;
        let state = StreamState::Idle
            .pass(Side::Local, Passage::Head { end_stream })
            .map_err(refusal)?;
        if !self.outbound.repeat_headers(id, end_stream) {
            return Ok(None);
        }
        let kind = field_section::request_kind_of(method);
        self.insert_opened(id, state, kind, now).map(Some)
    }

    /// The identifier of a client's next stream, if it may be opened now.
    fn check_new_stream(&self) -> Result<u32, Misuse> {
        if self.role() != Role::Client {
            return Err(Misuse::WrongRole);
        }
        self.check_open()?;
        let id = self.streams.next_id().ok_or(Misuse::StreamIdsExhausted)?;
        let limit = self.agreement.remote().max_concurrent_streams;
        if u32::from(self.streams.active(self.role())) >= limit {
            return Err(Misuse::TooManyStreams { limit });
        }
        if self.streams.len() >= MAX_STREAMS {
            return Err(no_slot());
        }
        Ok(id)
    }

    /// Enters a client's stream whose request was sent. There is a slot for it, as was checked before.
    fn insert_opened(
        &mut self,
        id: u32,
        state: StreamState,
        kind: RequestKind,
        now: Instant,
    ) -> Result<StreamKey, Misuse> {
        self.streams.open_request(id);
        let mut stream = self.new_stream(id, state);
        stream.request_kind = kind;
        self.insert(stream, now).ok_or_else(no_slot)
    }

    pub(super) fn open_stream<'f>(
        &mut self,
        fields: impl Iterator<Item = Field<'f>>,
        priority: Option<Rfc7540Priority>,
        end_stream: bool,
        now: Instant,
    ) -> Result<StreamKey, Misuse> {
        let id = self.check_new_stream()?;
        let priority = priority.map(|priority| self.checked_priority(id, priority));
        let priority = priority.transpose()?;
        let state = StreamState::Idle
            .pass(Side::Local, Passage::Head { end_stream })
            .map_err(refusal)?;
        let extended = self.agreement.remote().enable_connect_protocol;
        let mut kind = RequestKind::Ordinary;
        let fields = fields.inspect(|field| {
            if field.name == b":method" {
                kind = field_section::request_kind_of(field.value);
            }
        });
        let check = |fields: &Fields| field_section::request(fields, extended).map(drop);
        let max = self.agreement.remote().max_frame_size;
        let outbound = &mut self.outbound;
        let fields = prepared(&self.config, fields, check)?;
        match (fields, priority) {
            (Prepared::AsIs(fields), None) => outbound.headers(id, end_stream, fields, max),
            (Prepared::Copied(fields), None) => {
                outbound.headers(id, end_stream, fields.iter(), max);
            }
            (Prepared::AsIs(fields), Some(priority)) => {
                outbound.headers_with_priority(id, end_stream, priority, fields, max);
            }
            (Prepared::Copied(fields), Some(priority)) => {
                outbound.headers_with_priority(id, end_stream, priority, fields.iter(), max);
            }
        }
        self.insert_opened(id, state, kind, now)
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
        let slot = self.streams.slot(stream).ok_or(Misuse::StreamClosed)?;
        let mut fields = fields.into_iter();
        let first = fields.next();
        let passage = passage_of(first, end_stream)?;
        let state = self.streams[slot].state;
        state.pass(Side::Local, passage).map_err(refusal)?;
        let limit = self.agreement.remote().max_concurrent_streams;
        if state == StreamState::ReservedLocal
            && u32::from(self.streams.active(self.role())) >= limit
        {
            // §8.4.2: a promise is not counted, its response is.
            return Err(Misuse::TooManyStreams { limit });
        }
        let check = |fields: &Fields| match passage {
            Passage::Trailers => field_section::trailers(fields),
            _ => field_section::response(fields).map(drop),
        };
        let max = self.agreement.remote().max_frame_size;
        let outbound = &mut self.outbound;
        match prepared(&self.config, first.into_iter().chain(fields), check)? {
            Prepared::AsIs(fields) => outbound.headers(stream.id(), end_stream, fields, max),
            Prepared::Copied(fields) => {
                outbound.headers(stream.id(), end_stream, fields.iter(), max)
            }
        }
        if !matches!(passage, Passage::Head { .. }) {
            outbound.forget_block();
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
        if !(100..200).contains(&status) || status == 101 {
            return Err(Misuse::InvalidValue);
        }
        self.send_status(stream, status, fields, false)
    }

    pub(super) fn send_status<'f>(
        &mut self,
        stream: StreamKey,
        status: u16,
        fields: impl IntoIterator<Item = Field<'f>>,
        end_stream: bool,
    ) -> Result<(), Misuse> {
        if self.role() != Role::Server {
            return Err(Misuse::WrongRole);
        }
        let digit = |unit| b'0' + (status / unit % 10) as u8;
        let digits = [digit(100), digit(10), digit(1)];
        let status = Field::new(b":status", &digits);
        let fields = fields.into_iter().map(|field| Field { ..field });
        self.send_headers(stream, std::iter::once(status).chain(fields), end_stream)
    }

    /// Sends the response head that was the last to be sent on another stream: what
    /// [`Connection::send_headers`] would do with the same fields, for the price of a few bytes' copy.
    /// False, and nothing is sent, where that has to encode them: the peer's table lacks some, or has
    /// changed, or something else was sent last.
    pub fn repeat_headers(&mut self, stream: StreamKey, end_stream: bool) -> Result<bool, Misuse> {
        let slot = self.streams.slot(stream).ok_or(Misuse::StreamClosed)?;
        let passage = Passage::Head { end_stream };
        let state = self.streams[slot].state;
        state.pass(Side::Local, passage).map_err(refusal)?;
        if self.role() != Role::Server || state == StreamState::ReservedLocal {
            // The limit of pushed responses is checked in `send_headers`.
            return Ok(false);
        }
        if !self.outbound.repeat_headers(stream.id(), end_stream) {
            return Ok(false);
        }
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
}

/// Fields as they are to be sent: in the normal case untouched and unseen.
pub(super) fn prepared<'f, I: Iterator<Item = Field<'f>>>(
    config: &Config,
    fields: I,
    check: impl Fn(&Fields) -> Result<(), Malformed>,
) -> Result<Prepared<I>, Misuse> {
    let (normalize, validate) = (config.normalize_outbound, config.validate_outbound);
    if !normalize && !validate {
        return Ok(Prepared::AsIs(fields));
    }
    let fields = if normalize {
        field_section::normalized(fields)
    } else {
        fields.fold(Fields::new(), |mut copy, field| {
            copy.push_field(field);
            copy
        })
    };
    if validate {
        check(&fields).map_err(Misuse::MalformedFields)?;
    }
    Ok(Prepared::Copied(fields))
}

/// No slot is left, whatever the peer allows.
pub(super) fn no_slot() -> Misuse {
    Misuse::TooManyStreams {
        limit: MAX_STREAMS as u32,
    }
}

/// A field section that is ready to be encoded.
pub(super) enum Prepared<I> {
    AsIs(I),
    Copied(Fields),
}

/// The meaning of a section, by its first field.
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
