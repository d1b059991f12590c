//! Bytes to frames to what happened (RFC 9113 §3.4, §4).

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::time::Instant;

use super::Connection;
use super::inbound::PeerPhase;
use super::streams::Absent;
use crate::h2::error::{ConnectionError, ErrorCode, FrameFault, StreamError};
use crate::h2::event::{Cause, Event};
use crate::h2::frame::decode::Rfc7540Priority;
use crate::h2::frame::{FrameHeader, FrameType, PREFACE, flag};
use crate::h2::ids::Closing;
use crate::h2::settings::Role;
use crate::h2::store::StreamKey;
use crate::http::{Expected, Fields};

/// The outcome of some input.
pub(super) enum Received<'i> {
    /// Nothing that the user has to know.
    Nothing,
    /// Too few bytes for a frame.
    Incomplete,
    /// This.
    Event(Event<'i>),
    /// A field section, which is in the caller's `fields`.
    Section(Section),
}

/// A field section that came whole.
#[derive(Clone, Copy)]
pub(super) enum Section {
    Request {
        stream: StreamKey,
        end_stream: bool,
        expected: Expected,
        rfc7540: Option<Rfc7540Priority>,
    },
    TooLarge {
        stream: StreamKey,
        end_stream: bool,
    },
    Response {
        stream: StreamKey,
        end_stream: bool,
    },
    Informational {
        stream: StreamKey,
    },
    Trailers {
        stream: StreamKey,
    },
    PushPromise {
        stream: StreamKey,
        promised: StreamKey,
    },
    /// A request that did not become a stream.
    Rejected {
        stream_id: u32,
        error: StreamError,
    },
    /// A section by which a stream that lived is over.
    Broken {
        stream: StreamKey,
        error: StreamError,
    },
    /// A section of a stream that does not live.
    BrokenElsewhere {
        stream_id: u32,
        error: StreamError,
    },
}

impl Section {
    /// Fields are attached at the very end: until then they may be written over by the next frame.
    fn event(self, fields: &Fields) -> Event<'_> {
        match self {
            Section::Request {
                stream,
                end_stream,
                expected,
                rfc7540,
            } => Event::Request {
                stream,
                fields,
                end_stream,
                expected,
                rfc7540,
            },
            Section::TooLarge { stream, end_stream } => Event::HeadersTooLarge {
                stream,
                fields,
                end_stream,
            },
            Section::Response { stream, end_stream } => Event::Response {
                stream,
                fields,
                end_stream,
            },
            Section::Informational { stream } => Event::Informational { stream, fields },
            Section::Trailers { stream } => Event::Trailers { stream, fields },
            Section::PushPromise { stream, promised } => Event::PushPromise {
                stream,
                promised,
                fields,
            },
            Section::Rejected { stream_id, error } => Event::RequestRejected {
                stream_id,
                fields,
                error,
            },
            Section::Broken { stream, error } => Event::StreamReset {
                stream,
                code: error.code,
                by: Cause::Error(error.reason),
                section: Some(fields),
            },
            Section::BrokenElsewhere { stream_id, error } => Event::StreamError {
                stream_id,
                error,
                section: Some(fields),
            },
        }
    }
}

impl Connection {
    /// Takes bytes from the front of `input` until something happened, and tells it; `fields` is
    /// lent for field sections. To be called until it returns `Ok(None)`: then what is left of
    /// `input` is an incomplete frame, to be offered again with more bytes behind it.
    ///
    /// Events that no frame caused (streams that stalled, or that the peer's GOAWAY gave up) come first.
    /// On `Err` GOAWAY is in the output and nothing more is taken. All events that came before an
    /// error were told before it.
    pub fn receive<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        now: Instant,
    ) -> Result<Option<Event<'e>>, ConnectionError> {
        loop {
            let step = match self.step(input, fields, now) {
                Ok(step) => step,
                Err(FrameFault::Stream { id, error }) => match self.stream_error(id, error) {
                    Ok(step) => step,
                    Err(error) => return Err(self.fail(error)),
                },
                Err(FrameFault::Section { id, error }) => match self.section_error(id, error) {
                    Ok(step) => step,
                    Err(error) => return Err(self.fail(error)),
                },
                Err(FrameFault::Request { id, error }) => match self.reject(id, error) {
                    Ok(step) => step,
                    Err(error) => return Err(self.fail(error)),
                },
                Err(FrameFault::Connection(error)) => return Err(self.fail(error)),
            };
            match step {
                Received::Nothing => {}
                Received::Incomplete => {
                    self.inbound.end_batch();
                    self.timing.hear(now);
                    return Ok(None);
                }
                Received::Event(event) => return Ok(Some(event)),
                Received::Section(section) => return Ok(Some(section.event(fields))),
            }
        }
    }

    fn step<'i>(
        &mut self,
        input: &mut &'i [u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        // What no frame caused comes first.
        if let Some((stream, code, by)) = self.waiting.pop_reset() {
            return Ok(Received::Event(Event::StreamReset {
                stream,
                code,
                by,
                section: None,
            }));
        }
        match self.inbound.phase() {
            PeerPhase::Settings | PeerPhase::Open => {}
            PeerPhase::Preface { matched } => return self.receive_preface(input, matched, now),
            PeerPhase::Closed => {
                *input = &[];
                return Ok(Received::Incomplete);
            }
        }
        let Some((header, behind)) = FrameHeader::split_first(input) else {
            return Ok(Received::Incomplete);
        };
        self.check_header(header)
            .map_err(|fault| fault.of_frame(header))?;
        let Some((payload, rest)) = behind.split_at_checked(header.len as usize) else {
            return Ok(Received::Incomplete);
        };
        *input = rest;
        self.outbound.show_received(header, payload);
        self.receive_frame(header, payload, fields, now)
            .map_err(|fault| fault.of_frame(header))
    }

    /// The client's preface (RFC 9113 §3.4): wrong from its first wrong byte on.
    fn receive_preface<'i>(
        &mut self,
        input: &mut &'i [u8],
        matched: u8,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        let expected = PREFACE.get(usize::from(matched)..).unwrap_or_default();
        let (begin, rest) = input.split_at(expected.len().min(input.len()));
        if !expected.starts_with(begin) {
            return Err(ConnectionError::protocol("not the connection preface").into());
        }
        *input = rest;
        if begin.len() == expected.len() {
            self.inbound.enter(PeerPhase::Settings);
            self.await_acknowledgement(now);
            return Ok(Received::Nothing);
        }
        self.inbound.enter(PeerPhase::Preface {
            matched: matched.saturating_add(begin.len() as u8),
        });
        Ok(Received::Incomplete)
    }

    /// Checks what a header alone says: nothing is waited for that will be refused.
    fn check_header(&self, header: FrameHeader) -> Result<(), FrameFault> {
        if self.inbound.phase() == PeerPhase::Settings
            && (header.kind != FrameType::SETTINGS || header.has(flag::ACK))
        {
            // RFC 9113 §3.4
            return Err(ConnectionError::protocol("the first frame is not SETTINGS").into());
        }
        if header.len > self.agreement.local().max_frame_size {
            // §4.2
            return Err(ConnectionError::frame_size("frame larger than allowed").into());
        }
        // §4.3, §6.10: a field block is contiguous, and nothing is continued that was not begun.
        let continued = self.inbound.continued();
        match (continued, header.kind) {
            (None, FrameType::CONTINUATION) => {
                Err(ConnectionError::protocol("CONTINUATION without HEADERS").into())
            }
            (Some(id), FrameType::CONTINUATION) if id == header.stream_id => Ok(()),
            (Some(_), _) => Err(ConnectionError::protocol("a frame within a field block").into()),
            (None, _) => Ok(()),
        }
    }

    fn receive_frame<'i>(
        &mut self,
        header: FrameHeader,
        payload: &'i [u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<Received<'i>, FrameFault> {
        match header.kind {
            FrameType::DATA => self.receive_data(header, payload),
            FrameType::HEADERS => self.receive_headers(header, payload, fields, now),
            FrameType::CONTINUATION => self.receive_continuation(header, payload, fields, now),
            FrameType::PUSH_PROMISE => self.receive_push_promise(header, payload, fields, now),
            FrameType::PRIORITY => self.receive_priority(header, payload),
            FrameType::RST_STREAM => self.receive_rst_stream(header, payload),
            FrameType::SETTINGS => self.receive_settings(header, payload, now),
            FrameType::PING => self.receive_ping(header, payload, now),
            FrameType::GOAWAY => self.receive_goaway(header, payload),
            FrameType::WINDOW_UPDATE => self.receive_window_update(header, payload),
            _ => self.receive_extension(header, payload),
        }
    }

    /// RFC 9113 §5.4.2, of streams that live and of those that are over.
    fn stream_error<'i>(
        &mut self,
        id: u32,
        error: StreamError,
    ) -> Result<Received<'i>, ConnectionError> {
        self.charge_stream_error(error)?;
        if let Some(slot) = self.streams.find(id) {
            let stream = self.reset_slot(slot, error.code);
            return Ok(Received::Event(Event::StreamReset {
                stream,
                code: error.code,
                by: Cause::Error(error.reason),
                section: None,
            }));
        }
        self.reset_absent(id, error.code);
        Ok(Received::Event(Event::StreamError {
            stream_id: id,
            error,
            section: None,
        }))
    }

    /// A stream error whose cause is a field section, which is told with it.
    fn section_error<'i>(
        &mut self,
        id: u32,
        error: StreamError,
    ) -> Result<Received<'i>, ConnectionError> {
        self.charge_stream_error(error)?;
        let section = match self.streams.find(id) {
            Some(slot) => Section::Broken {
                stream: self.reset_slot(slot, error.code),
                error,
            },
            None => {
                self.reset_absent(id, error.code);
                Section::BrokenElsewhere {
                    stream_id: id,
                    error,
                }
            }
        };
        Ok(Received::Section(section))
    }

    /// A request that does not become a stream.
    fn reject<'i>(&mut self, id: u32, error: StreamError) -> Result<Received<'i>, ConnectionError> {
        self.charge_stream_error(error)?;
        self.reset_absent(id, error.code);
        Ok(Received::Section(Section::Rejected {
            stream_id: id,
            error,
        }))
    }

    /// Charges for a stream error, but for a refused stream, which has a budget of its own, and for a
    /// cancelled promise, which is no fault: its fields are charged as ignored bytes.
    fn charge_stream_error(&mut self, error: StreamError) -> Result<(), ConnectionError> {
        if matches!(error.code, ErrorCode::REFUSED_STREAM | ErrorCode::CANCEL) {
            return Ok(());
        }
        self.budget.stream_error(&self.config.budgets)
    }

    /// RST_STREAM on a stream that does not live.
    fn reset_absent(&mut self, id: u32, code: ErrorCode) {
        match self.streams.absent(id) {
            // Its user never heard of it: it was new, or is skipped. Its content may be on the way.
            Absent::Closed(Closing::Skipped) => {
                self.streams.close(id, Closing::ResetByUs);
                self.budget.expect_late_data(self.widest_initial_window());
            }
            // A promise that did not become a stream. Its response may be on the way.
            Absent::Forgotten if self.role() == Role::Client && id.is_multiple_of(2) => {
                self.budget.expect_late_data(self.widest_initial_window());
            }
            Absent::Closed(_) | Absent::Forgotten | Absent::Idle => {}
        }
        self.outbound.rst_stream(id, code);
    }
}
