//! The connection's incoming direction: requests.

use super::config::Config;
use super::connection::{Connection, content_of};
use super::event::{Event, H2cUpgrade};
use super::exchange::{
    ConnectionState, Expectation, H2c, HeadProgress, OpenExchange, RequestHalf, ResponseHalf,
};
use super::head::{self, LastRequest, ParsedHead};
use crate::h1::body::{BodyBounds, BodyDecoder, BodyPart};
use crate::h1::encode::ContentPresence;
use crate::h1::error::Error;
use crate::h1::fields::{MOST_FIELDS, parse_trailers};
use crate::h1::message::{ContentEnd, Input, Persistence};
use crate::h1::scan::{Bounds, FirstLine};
use crate::h1::timer::Timer;
use crate::http::Fields;

/// The most empty lines before a request that are skipped. Old clients send one behind the body of a
/// POST (RFC 9112 §2.2); more than a few is a peer that keeps us busy.
const EMPTY_LINES: u8 = 4;

impl Connection {
    pub(super) fn step<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        last: Option<&mut LastRequest>,
    ) -> Result<Option<Event<'e>>, Error> {
        loop {
            match &mut self.state {
                ConnectionState::Head(_) => return self.receive_head(input, fields, last),
                ConnectionState::Exchange(exchange) => match &mut exchange.request {
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
                    RequestHalf::Tunnel => return Ok(self.receive_tunnel(input)),
                    RequestHalf::Done => return Ok(None),
                },
                ConnectionState::Closed(_) => {
                    *input = &[];
                    return Ok(None);
                }
                ConnectionState::Switched => return Ok(None),
            }
        }
    }

    fn receive_head<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        last: Option<&mut LastRequest>,
    ) -> Result<Option<Event<'e>>, Error> {
        let ConnectionState::Head(progress) = &mut self.state else {
            return Ok(None);
        };
        let begins = progress.scan.is_fresh();
        if begins {
            skip_empty_lines(input, &mut progress.empty_lines)?;
            if matches!(*input, b"" | b"\r") {
                self.run_dry()?;
                return Ok(None);
            }
        }
        let bounds = Bounds {
            first_line: FirstLine::Request(self.config.request_line_bytes),
            bytes: self.config.head_bytes,
            fields: self.config.head_fields.min(MOST_FIELDS),
            crumbs: self.config.head_crumbs,
        };
        let of = (&bounds, self.scheme);
        if begins
            && let Some(last) = &last
            && let Some((length, parsed, known)) = last.0.find(input, of)
        {
            fields.copy_from(known);
            let (section, rest) = input.split_at(length);
            *input = rest;
            return Ok(Some(self.begin_request(&parsed, section, fields)));
        }
        if begins {
            self.timer = Timer::after(self.now, self.config.header_timeout);
        }
        let Some(length) = progress.scan.advance(input, &bounds)? else {
            self.run_dry()?;
            return Ok(None);
        };
        let lines = progress.scan.field_lines();
        let (section, rest) = input.split_at(length);
        fields.clear();
        let parsed = head::parse_head(section, lines, self.scheme, fields)?;
        *input = rest;
        if let Some(last) = last {
            last.0.count();
            if let Some(known) = parsed.without_offer() {
                last.0.keep(section, of, fields, known);
            }
        }
        Ok(Some(self.begin_request(&parsed, section, fields)))
    }

    /// Begins the request of a whole head with these fields.
    fn begin_request<'e>(
        &mut self,
        parsed: &ParsedHead<'e>,
        section: &[u8],
        fields: &'e Fields,
    ) -> Event<'e> {
        let upgrade = self.begin_exchange(parsed, content_of(section));
        Event::Request {
            fields,
            end_stream: BodyDecoder::new(parsed.framing).is_none(),
            expects_continue: parsed.expects_continue,
            upgrade,
        }
    }

    fn begin_exchange<'i>(
        &mut self,
        head: &ParsedHead<'i>,
        content: ContentPresence,
    ) -> Option<H2cUpgrade<'i>> {
        self.requests = self.requests.saturating_add(1);
        let last = self.requests >= self.config.keep_alive_requests;
        if last || !head.keeps_alive || self.config.keep_alive_timeout.is_zero() {
            self.persistence = Persistence::Close;
        }
        let expectation = if head.expects_continue {
            Expectation::Pending
        } else {
            Expectation::None
        };
        self.timer = Timer::Off;
        let request = match BodyDecoder::new(head.framing) {
            Some(body) => {
                if expectation == Expectation::None {
                    self.await_body();
                }
                RequestHalf::Body(body)
            }
            None => RequestHalf::Done,
        };
        self.state = ConnectionState::Exchange(OpenExchange {
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
        let ConnectionState::Exchange(exchange) = &mut self.state else {
            return Ok(None);
        };
        let RequestHalf::Body(body) = &mut exchange.request else {
            return Ok(None);
        };
        let before = input.len();
        let piece = body.decode(input, &body_bounds(&self.config))?;
        if input.len() < before {
            if exchange.expectation == Expectation::Pending {
                // RFC 9110 §10.1.1: no 100 once some of the content has come.
                exchange.expectation = Expectation::None;
                self.await_body();
            }
            self.note_progress(before - input.len());
        }
        let event = match piece {
            BodyPart::Starved => {
                self.run_dry()?;
                return Ok(None);
            }
            BodyPart::Data(data) => {
                let end_stream = false;
                return Ok(Some(Event::Data { data, end_stream }));
            }
            BodyPart::Last(data) => Event::Data {
                data,
                end_stream: true,
            },
            BodyPart::Trailers(section) => {
                fields.clear();
                parse_trailers(section, fields)?;
                Event::Trailers { fields }
            }
        };
        self.finish_request();
        Ok(Some(event))
    }

    /// Takes all bytes of a tunnel, and its end.
    fn receive_tunnel<'e, 'i: 'e>(&mut self, input: &mut &'i [u8]) -> Option<Event<'e>> {
        let data = std::mem::take(input);
        let end_stream = data.is_empty() && self.input == Input::Finished;
        if end_stream {
            self.finish_request();
        } else if data.is_empty() {
            self.input = Input::Starved;
            return None;
        }
        Some(Event::Data { data, end_stream })
    }

    /// Drops a body as it arrives. Returns true at its end.
    fn drain(&mut self, input: &mut &[u8]) -> Result<bool, Error> {
        while let ConnectionState::Exchange(exchange) = &mut self.state {
            let RequestHalf::Draining { body, budget } = &mut exchange.request else {
                break;
            };
            // Bytes beyond the budget are not looked at, because an error in them would be found or not
            // depending on the cuts of the input.
            let within = usize::try_from(*budget).map_or(usize::MAX, |left| left.saturating_add(1));
            let (mut front, beyond) = input.split_at(within.min(input.len()));
            let offered = front.len();
            let piece = body.decode(&mut front, &body_bounds(&self.config))?;
            let taken = offered - front.len();
            let exhausted = matches!(piece, BodyPart::Starved) && !beyond.is_empty();
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
                BodyPart::Starved => {
                    self.run_dry()?;
                    return Ok(false);
                }
                BodyPart::Data(_) => {}
                BodyPart::Last(_) | BodyPart::Trailers(_) => self.finish_request(),
            }
        }
        Ok(true)
    }

    /// Discards the body of the current request, which is not wanted. It is dropped up to
    /// [`Config::drain_bytes`], so that the next request can be found behind it; if there is more of
    /// it, the connection closes after the response. It also closes if the client waits for `100
    /// Continue`: the client may then send the body or not, so the next bytes could be a body or a
    /// request (RFC 9110 §10.1.1). The time for the body begins when the response is complete.
    pub fn discard_body(&mut self) {
        let ConnectionState::Exchange(exchange) = &mut self.state else {
            return;
        };
        let RequestHalf::Body(body) = exchange.request else {
            return;
        };
        let budget = self.config.drain_bytes;
        let too_long = matches!(body, BodyDecoder::Length(length) if length > budget);
        if too_long || exchange.expectation == Expectation::Pending {
            self.abandon_body();
        } else {
            exchange.request = RequestHalf::Draining { body, budget };
            self.timer = Timer::Off;
        }
    }

    fn abandon_body(&mut self) {
        if let ConnectionState::Exchange(exchange) = &mut self.state {
            exchange.request = RequestHalf::Abandoned;
        }
        self.persistence = Persistence::Close;
        self.timer = Timer::Off;
        self.conclude();
    }

    /// Notes that the request has been received whole.
    fn finish_request(&mut self) {
        if let ConnectionState::Exchange(exchange) = &mut self.state {
            exchange.request = RequestHalf::Done;
        }
        self.timer = Timer::Off;
        self.conclude();
    }

    /// Goes on to the next request or closes, once the response is complete and so is the request.
    pub(super) fn conclude(&mut self) {
        let ConnectionState::Exchange(exchange) = &self.state else {
            return;
        };
        match (&exchange.response, &exchange.request, self.persistence) {
            // The other side of a tunnel has an end of its own.
            (ResponseHalf::Done, RequestHalf::Tunnel, _) => {}
            (ResponseHalf::Done, _, Persistence::Close) => {
                if self.content_end == ContentEnd::Missing {
                    self.content_end = ContentEnd::ByClose;
                }
                self.close();
            }
            (ResponseHalf::Done, RequestHalf::Done, Persistence::KeepAlive) => {
                self.state = ConnectionState::Head(HeadProgress::default());
                self.timer = Timer::after(self.now, self.config.keep_alive_timeout);
            }
            _ => {}
        }
    }

    /// Handles input that was looked at and is not enough. It is an error if nothing more will come,
    /// except between requests: a peer that ended its side there has had all its responses.
    pub(super) fn run_dry(&mut self) -> Result<(), Error> {
        if self.input != Input::Finished {
            self.input = Input::Starved;
            return Ok(());
        }
        match &self.state {
            ConnectionState::Head(progress) if progress.scan.is_fresh() => self.close(),
            ConnectionState::Head(_) => return Err(Error::Incomplete),
            ConnectionState::Exchange(exchange) => match exchange.request {
                RequestHalf::Body(_) => return Err(Error::Incomplete),
                // The response may still be read.
                RequestHalf::Draining { .. } => self.abandon_body(),
                RequestHalf::Abandoned | RequestHalf::Tunnel | RequestHalf::Done => {}
            },
            ConnectionState::Closed(_) | ConnectionState::Switched => {}
        }
        Ok(())
    }
}

/// Skips empty lines before a request line (RFC 9112 §2.2).
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

fn body_bounds(config: &Config) -> BodyBounds {
    BodyBounds {
        extension_bytes: config.chunk_extension_bytes,
        trailer_bytes: config.head_bytes,
        trailer_fields: config.head_fields.min(MOST_FIELDS),
    }
}
