//! The connection: from bytes to events. Responses are in `response`, time is in `deadline`.

use super::body::{Body, Piece};
use super::config::Config;
use super::encode::{self, Content};
use super::error::Error;
use super::event::{Event, H2cUpgrade, Scheme, Version};
use super::exchange::{
    Exchange, Expectation, H2c, HeadProgress, Input, Persistence, RequestHalf, ResponseHalf, State,
};
use super::parse::{self, Head};
use super::response::{Refusal, WrittenRefusal};
use super::scan::Bounds;
use super::timer::Timer;
use crate::http::{Fields, Patience};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

/// Empty lines before a request that are skipped. Old clients send one behind the body of a POST
/// (RFC 9112 §2.2); more than a few is a peer that keeps us busy.
const EMPTY_LINES: u8 = 4;

/// One HTTP/1.1 or HTTP/1.0 connection of a server; the module says in which order it is used.
#[derive(Debug)]
pub struct Connection {
    pub(super) config: Arc<Config>,
    pub(super) output: Vec<u8>,
    /// Where in `output` the bytes begin that were not committed yet.
    pub(super) uncommitted: Option<u32>,
    pub(super) state: State,
    pub(super) timer: Timer,
    /// The latest time that we were told.
    pub(super) now: Instant,
    /// Requests so far.
    pub(super) requests: u32,
    /// Bytes of a body since it last had made enough progress, and the stall periods that have passed.
    pub(super) progress: u32,
    pub(super) periods: u16,
    pub(super) patience: Patience,
    pub(super) persistence: Persistence,
    input: Input,
    scheme: Scheme,
    h2c: H2c,
}

impl Connection {
    /// A connection on which no byte has arrived. The first one has to within
    /// [`Config::preface_timeout`].
    pub fn new(config: Arc<Config>, scheme: Scheme, now: Instant) -> Connection {
        let timer = Timer::after(now, config.preface_timeout);
        Connection {
            config,
            output: Vec::new(),
            uncommitted: None,
            state: State::Head(HeadProgress::default()),
            timer,
            now,
            requests: 0,
            progress: 0,
            periods: 0,
            patience: Patience::Short,
            persistence: Persistence::KeepAlive,
            input: Input::Starved,
            scheme,
            h2c: H2c::Ignored,
        }
    }

    /// Reports offers of `Upgrade: h2c` (RFC 7540 §3.2) from now on; over TLS there are none to
    /// take up. Without this call they are ignored.
    pub fn report_h2c(&mut self) {
        self.h2c = match self.scheme {
            Scheme::Http => H2c::Reported,
            Scheme::Https => H2c::Ignored,
        };
    }

    /// Takes a prefix off the input and says what it means; at most one event a call.
    ///
    /// `None` means that more bytes are needed, to be offered behind what is left of the input, or
    /// that the response to the current request has to be complete first. `fields` is cleared and
    /// filled when the event has fields.
    ///
    /// After an error the connection takes nothing more. The response that tells the client is in
    /// the output already, unless a response head was sent before (RFC 9112 §9.5); see
    /// [`Connection::complete_refusal`].
    pub fn receive<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        now: Instant,
    ) -> Result<Option<Event<'e>>, Error> {
        self.now = now;
        self.timer.resume(now);
        if self.input == Input::Starved {
            self.input = Input::Flowing;
        }
        self.step(input, fields)
            .inspect_err(|error| self.fail(*error, input))
    }

    /// The peer has ended its side: nothing will follow the input that the caller has.
    ///
    /// If everything before was offered to [`Connection::receive`], a request that is incomplete is
    /// an error (RFC 9112 §8), and between requests the connection is over. Requests that were not
    /// looked at yet are still received and answered.
    pub fn finish_input(&mut self) -> Result<(), Error> {
        let starved = self.input == Input::Starved;
        self.input = Input::Finished;
        if !starved {
            return Ok(());
        }
        self.run_dry().inspect_err(|error| self.fail(*error, &[]))
    }

    fn step<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
    ) -> Result<Option<Event<'e>>, Error> {
        loop {
            match &mut self.state {
                State::Head(_) => return self.receive_head(input, fields),
                State::Exchange(exchange) => match &mut exchange.request {
                    RequestHalf::Body(_) => return self.receive_body(input, fields),
                    RequestHalf::Draining { .. } => {
                        if !self.drain(input)? {
                            return Ok(None);
                        }
                    }
                    RequestHalf::Abandoned => {
                        *input = &[];
                        return Ok(None);
                    }
                    RequestHalf::Done => return Ok(None),
                },
                State::Closed(_) => {
                    *input = &[];
                    return Ok(None);
                }
                State::Switched => return Ok(None),
            }
        }
    }

    fn receive_head<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
    ) -> Result<Option<Event<'e>>, Error> {
        let State::Head(progress) = &mut self.state else {
            return Ok(None);
        };
        if progress.scan.is_fresh() {
            skip_empty_lines(input, &mut progress.empty_lines)?;
            if matches!(*input, b"" | b"\r") {
                self.run_dry()?;
                return Ok(None);
            }
            self.timer = Timer::after(self.now, self.config.header_timeout);
        }
        let bounds = Bounds {
            request_line: Some(self.config.request_line_bytes),
            bytes: self.config.head_bytes,
            fields: self.config.head_fields.min(parse::MOST_FIELDS),
            crumbs: self.config.head_crumbs,
        };
        let Some(length) = progress.scan.advance(input, &bounds)? else {
            self.run_dry()?;
            return Ok(None);
        };
        let lines = progress.scan.field_lines();
        let (head, rest) = input.split_at(length);
        fields.clear();
        let parsed = parse::parse_head(head, lines, self.scheme, fields)?;
        *input = rest;
        let upgrade = self.begin_exchange(&parsed, content_of(head));
        Ok(Some(Event::Request {
            fields,
            end_stream: Body::new(parsed.framing).is_none(),
            expects_continue: parsed.expects_continue,
            upgrade,
        }))
    }

    fn begin_exchange<'i>(&mut self, head: &Head<'i>, content: Content) -> Option<H2cUpgrade<'i>> {
        self.requests = self.requests.saturating_add(1);
        let last = self.requests >= self.config.keep_alive_requests;
        if last || !head.keeps_alive || self.config.keep_alive_timeout.is_zero() {
            self.persistence = Persistence::Close;
        }
        let expectation = match head.expects_continue {
            true => Expectation::Pending,
            false => Expectation::None,
        };
        self.timer = Timer::Off;
        let request = match Body::new(head.framing) {
            Some(body) => {
                if expectation == Expectation::None {
                    self.await_body();
                }
                RequestHalf::Body(body)
            }
            None => RequestHalf::Done,
        };
        self.state = State::Exchange(Exchange {
            request,
            response: ResponseHalf::Awaiting,
            version: head.version,
            content,
            expectation,
        });
        match self.h2c {
            H2c::Reported => head.upgrade,
            H2c::Ignored => None,
        }
    }

    fn receive_body<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
    ) -> Result<Option<Event<'e>>, Error> {
        let State::Exchange(exchange) = &mut self.state else {
            return Ok(None);
        };
        let RequestHalf::Body(body) = &mut exchange.request else {
            return Ok(None);
        };
        let before = input.len();
        let piece = body.decode(input, &self.config)?;
        if input.len() < before {
            if exchange.expectation == Expectation::Pending {
                // RFC 9110 §10.1.1: no 100 once some of the content has come.
                exchange.expectation = Expectation::None;
                self.await_body();
            }
            self.note_progress(before - input.len());
        }
        let event = match piece {
            Piece::Starved => {
                self.run_dry()?;
                return Ok(None);
            }
            Piece::Data(data) => {
                let end_stream = false;
                return Ok(Some(Event::Data { data, end_stream }));
            }
            Piece::Last(data) => Event::Data {
                data,
                end_stream: true,
            },
            Piece::Trailers(section) => {
                fields.clear();
                parse::parse_trailers(section, fields)?;
                Event::Trailers { fields }
            }
        };
        self.finish_request();
        Ok(Some(event))
    }

    /// Throws a body away as it arrives. True once there is none any more.
    fn drain(&mut self, input: &mut &[u8]) -> Result<bool, Error> {
        while let State::Exchange(exchange) = &mut self.state {
            let RequestHalf::Draining { body, budget } = &mut exchange.request else {
                break;
            };
            // What is beyond the budget is not looked at, or an error in it would be found or not by
            // how the input is cut.
            let within = usize::try_from(*budget).map_or(usize::MAX, |left| left.saturating_add(1));
            let (mut front, beyond) = input.split_at(within.min(input.len()));
            let offered = front.len();
            let piece = body.decode(&mut front, &self.config)?;
            let taken = offered - front.len();
            let exhausted = matches!(piece, Piece::Starved) && !beyond.is_empty();
            *input = input.get(taken..).unwrap_or_default();
            match budget.checked_sub(taken as u64) {
                Some(left) if !exhausted => *budget = left,
                _ => {
                    self.abandon_body();
                    break;
                }
            }
            self.note_progress(taken);
            match piece {
                Piece::Starved => {
                    self.run_dry()?;
                    return Ok(false);
                }
                Piece::Data(_) => {}
                Piece::Last(_) | Piece::Trailers(_) => self.finish_request(),
            }
        }
        Ok(true)
    }

    /// Nobody reads the body of the current request: it is thrown away up to
    /// [`Config::drain_bytes`], so that the next request can be found behind it; if there is more of
    /// it, the connection closes after the response. It does too where the client waits for
    /// `100 Continue`: whether a body follows is then for the client to decide, and what comes next
    /// could be either (RFC 9110 §10.1.1). The peer has its time for it once the response is complete.
    pub fn discard_body(&mut self) {
        let State::Exchange(exchange) = &mut self.state else {
            return;
        };
        let RequestHalf::Body(body) = exchange.request else {
            return;
        };
        let budget = self.config.drain_bytes;
        let too_long = matches!(body, Body::Length(length) if length > budget);
        if too_long || exchange.expectation == Expectation::Pending {
            self.abandon_body();
        } else {
            exchange.request = RequestHalf::Draining { body, budget };
            self.timer = Timer::Off;
        }
    }

    fn abandon_body(&mut self) {
        if let State::Exchange(exchange) = &mut self.state {
            exchange.request = RequestHalf::Abandoned;
        }
        self.persistence = Persistence::Close;
        self.timer = Timer::Off;
        self.conclude();
    }

    /// The request has been received whole.
    fn finish_request(&mut self) {
        if let State::Exchange(exchange) = &mut self.state {
            exchange.request = RequestHalf::Done;
        }
        self.timer = Timer::Off;
        self.conclude();
    }

    /// Goes on to the next request or closes, once the response is complete and so is the request.
    pub(super) fn conclude(&mut self) {
        let State::Exchange(exchange) = &self.state else {
            return;
        };
        match (&exchange.response, &exchange.request, self.persistence) {
            (ResponseHalf::Done, _, Persistence::Close) => self.close(),
            (ResponseHalf::Done, RequestHalf::Done, Persistence::KeepAlive) => {
                self.state = State::Head(HeadProgress::default());
                self.timer = Timer::after(self.now, self.config.keep_alive_timeout);
            }
            _ => {}
        }
    }

    /// All that the caller has was looked at and is not enough. That is an error if nothing more
    /// will come; a peer that ended its side between requests has had all its responses.
    fn run_dry(&mut self) -> Result<(), Error> {
        if self.input != Input::Finished {
            self.input = Input::Starved;
            return Ok(());
        }
        match &self.state {
            State::Head(progress) if progress.scan.is_fresh() => self.close(),
            State::Head(_) => return Err(Error::Incomplete),
            State::Exchange(exchange) => match exchange.request {
                RequestHalf::Body(_) => return Err(Error::Incomplete),
                // The response may still be read.
                RequestHalf::Draining { .. } => self.abandon_body(),
                RequestHalf::Abandoned | RequestHalf::Done => {}
            },
            State::Closed(_) | State::Switched => {}
        }
        Ok(())
    }

    /// Answers an error where a response is still possible, and closes.
    pub(super) fn fail(&mut self, error: Error, input: &[u8]) {
        self.respond_and_close(error.status(), error.reason(), content_of(input));
    }

    /// Writes a last response if the current request has none yet, or if its head could not be read;
    /// `content` is then what is known about it.
    pub(super) fn respond_and_close(&mut self, status: u16, reason: &str, content: Content) {
        self.discard_uncommitted();
        let content = match &self.state {
            State::Head(_) => Some(content),
            State::Exchange(exchange) => match exchange.response {
                ResponseHalf::Awaiting => Some(exchange.content),
                _ => None,
            },
            State::Closed(_) | State::Switched => None,
        };
        let written = content.and_then(|content| {
            let (fields_at, length) =
                encode::error_response(&mut self.output, status, reason, content);
            Some(WrittenRefusal {
                refusal: Refusal {
                    status,
                    content_bytes: u16::try_from(length).unwrap_or(u16::MAX),
                },
                fields_at: u32::try_from(fields_at).ok().and_then(NonZeroU32::new)?,
            })
        });
        self.close();
        self.state = State::Closed(written);
    }

    /// Reads and writes nothing from here on.
    pub(super) fn close(&mut self) {
        self.state = State::Closed(None);
        self.timer = Timer::Off;
    }

    /// Ends the connection after the current response; at once if no request has begun.
    pub fn shutdown(&mut self) {
        self.persistence = Persistence::Close;
        if self.is_idle() {
            self.close();
        }
    }

    /// The next request is the last, and its response says so; it is waited for.
    pub fn expect_last(&mut self) {
        self.persistence = Persistence::Close;
    }

    /// Whether no request is open, begun, or waiting in input that was not offered yet.
    pub fn is_idle(&self) -> bool {
        match &self.state {
            State::Head(progress) => progress.scan.is_fresh() && self.input == Input::Starved,
            _ => false,
        }
    }

    /// Whether all that will ever be sent is in the output.
    pub fn wants_close(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Whether a request was received whose response has no head yet.
    pub fn awaiting_response(&self) -> bool {
        match &self.state {
            State::Exchange(exchange) => matches!(exchange.response, ResponseHalf::Awaiting),
            _ => false,
        }
    }

    /// Whether parts of the current request's body are still to be received as events.
    pub fn is_reading_body(&self) -> bool {
        match &self.state {
            State::Exchange(exchange) => matches!(exchange.request, RequestHalf::Body(_)),
            _ => false,
        }
    }

    /// Whether [`Connection::receive`] has a use for more bytes now.
    pub fn wants_input(&self) -> bool {
        match &self.state {
            State::Head(_) => true,
            State::Exchange(exchange) => {
                matches!(
                    exchange.request,
                    RequestHalf::Body(_) | RequestHalf::Draining { .. }
                )
            }
            State::Closed(_) | State::Switched => false,
        }
    }

    /// The version of the current request.
    pub fn version(&self) -> Version {
        match &self.state {
            State::Exchange(exchange) => exchange.version,
            _ => Version::Http11,
        }
    }

    /// The bytes to send so far.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Lends an empty buffer for the output; what is in the output already is kept in front.
    pub fn lend_output(&mut self, mut buffer: Vec<u8>) {
        buffer.extend_from_slice(&self.output);
        self.output = buffer;
    }

    /// Takes the output, and the buffer with it.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.uncommitted = None;
        if let State::Closed(written) = &mut self.state {
            *written = None;
        }
        std::mem::take(&mut self.output)
    }
}

/// RFC 9112 §2.2: empty lines before a request line.
fn skip_empty_lines(input: &mut &[u8], skipped: &mut u8) -> Result<(), Error> {
    while let Some(rest) = input.strip_prefix(b"\r\n") {
        if *skipped == EMPTY_LINES {
            return Err(Error::EmptyLines);
        }
        *skipped += 1;
        *input = rest;
    }
    Ok(())
}

/// Whether the response to a request that begins like this has content (RFC 9110 §9.3.2).
fn content_of(head: &[u8]) -> Content {
    match head.starts_with(b"HEAD ") {
        true => Content::Withheld,
        false => Content::Sent,
    }
}
