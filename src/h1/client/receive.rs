//! The connection's incoming direction: responses.

use super::config::ClientConfig;
use super::connection::ClientConnection;
use super::error::ResponseError;
use super::event::ResponseEvent;
#[cfg(feature = "proxy")]
use super::event::SharedResponse;
use super::head::{self, LastResponse, ParsedResponse};
use super::state::{Asked, ClientState, Hundred, OpenRequest, Reply, RequestContent, Upgrade};
use crate::h1::body::{BodyBounds, BodyDecoder, BodyPart};
use crate::h1::fields::{MOST_FIELDS, parse_trailers};
use crate::h1::message::{Input, Persistence};
use crate::h1::scan::{Bounds, FirstLine, Scan};
use crate::h1::timer::Timer;
use crate::http::grammar::trim;
use crate::http::{Fields, status};
#[cfg(feature = "proxy")]
use std::time::Instant;

impl ClientConnection {
    pub(super) fn step<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        last: Option<&mut LastResponse>,
    ) -> Result<Option<ResponseEvent<'e>>, ResponseError> {
        match &self.state {
            ClientState::Open(open) => match open.reply {
                Reply::Head(_) => self.receive_head(input, fields, last),
                Reply::Body(_) => self.receive_body(input, fields),
                Reply::UntilClose => Ok(self.receive_rest(input)),
                Reply::Done => self.expect_silence(input),
            },
            ClientState::Idle => self.expect_silence(input),
            ClientState::Closed => {
                *input = &[];
                Ok(None)
            }
            ClientState::Tunnel => Ok(None),
        }
    }

    /// Refuses bytes that come while no response is awaited. They are no response, and the connection
    /// cannot be used again (RFC 9112 §9.2).
    fn expect_silence<'e>(
        &mut self,
        input: &[u8],
    ) -> Result<Option<ResponseEvent<'e>>, ResponseError> {
        if !input.is_empty() {
            return Err(ResponseError::Unsolicited);
        }
        if self.has_ended() {
            self.close();
        }
        Ok(None)
    }

    fn receive_head<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        last: Option<&mut LastResponse>,
    ) -> Result<Option<ResponseEvent<'e>>, ResponseError> {
        let ClientState::Open(open) = &mut self.state else {
            return Ok(None);
        };
        let tunnels = open.asked == Asked::Tunnel;
        // The head of a tunnel has another meaning.
        let mut last = last.filter(|_| !tunnels);
        let Reply::Head(scan) = &mut open.reply else {
            return Ok(None);
        };
        if input.is_empty() {
            return match (self.input, open.informational) {
                (Input::Flowing | Input::Starved, _) => Ok(None),
                (Input::Finished, 0) => Err(ResponseError::NoResponse),
                (Input::Finished, _) => Err(ResponseError::Incomplete),
            };
        }
        let begins = scan.is_fresh();
        let bounds = head_bounds(&self.config);
        if begins
            && let Some(last) = &mut last
            && let Some((length, head, known)) = last.0.find(input, (&bounds, ()))
        {
            fields.copy_from(known);
            *input = input.get(length..).unwrap_or_default();
            return self.take_head(&head, tunnels, fields);
        }
        head::check_start(input)?;
        let Some(length) = scan.advance(input, &bounds)? else {
            if self.has_ended() {
                return Err(ResponseError::Incomplete);
            }
            if begins {
                self.await_reply();
            }
            return Ok(None);
        };
        let lines = scan.field_lines();
        let (section, rest) = input.split_at(length);
        fields.clear();
        let head = head::parse_head(section, lines, tunnels, fields)?;
        if let Some(last) = last {
            last.0.keep(section, (&bounds, ()), fields, head);
        }
        *input = rest;
        self.take_head(&head, tunnels, fields)
    }

    /// Takes the head of a final response off the input, if its bytes are those of the `last` head, and returns its
    /// fields where they lie: who gets the same ones again knows them. Otherwise nothing is taken.
    #[cfg(feature = "proxy")]
    pub(crate) fn receive_last_head(
        &mut self,
        input: &mut &[u8],
        last: &LastResponse,
        now: Instant,
    ) -> Option<SharedResponse> {
        let is_awaited = matches!(&self.state, ClientState::Open(OpenRequest {
            reply: Reply::Head(scan),
            asked: Asked::Content | Asked::HeadAlone,
            ..
        }) if scan.is_fresh());
        if !is_awaited {
            return None;
        }
        let (length, head, fields) = last.0.find(input, (&head_bounds(&self.config), ()))?;
        if head.status < 200 {
            return None;
        }
        *input = input.get(length..).unwrap_or_default();
        self.now = now;
        self.timer.resume(now);
        let end_stream = self.begin_reply(&head);
        self.note_event(input);
        Some(SharedResponse {
            fields: fields.clone(),
            version: head.version,
            end_stream,
        })
    }

    /// Takes a whole head with these fields.
    fn take_head<'e>(
        &mut self,
        head: &ParsedResponse,
        tunnels: bool,
        fields: &'e Fields,
    ) -> Result<Option<ResponseEvent<'e>>, ResponseError> {
        match head.status {
            101 => self.switch_protocols(fields),
            100..=199 => self.note_informational(head.status, fields),
            200..=299 if tunnels => Ok(Some(self.enter_tunnel(fields))),
            _ => Ok(Some(self.begin_response(head, fields))),
        }
    }

    /// Switches to the protocols that the response names, if the request offered each of them and is
    /// complete (RFC 9110 §7.8).
    fn switch_protocols<'e>(
        &mut self,
        fields: &'e Fields,
    ) -> Result<Option<ResponseEvent<'e>>, ResponseError> {
        match &self.state {
            ClientState::Open(OpenRequest {
                content: RequestContent::Done,
                upgrade: Upgrade::Offered(offered),
                ..
            }) if is_offered(fields, offered) => Ok(Some(self.enter_tunnel(fields))),
            _ => Err(ResponseError::UnaskedSwitch),
        }
    }

    fn enter_tunnel<'e>(&mut self, fields: &'e Fields) -> ResponseEvent<'e> {
        self.state = ClientState::Tunnel;
        self.timer = Timer::Off;
        ResponseEvent::Switched { fields }
    }

    fn note_informational<'e>(
        &mut self,
        status: u16,
        fields: &'e Fields,
    ) -> Result<Option<ResponseEvent<'e>>, ResponseError> {
        if let ClientState::Open(open) = &mut self.state {
            if open.informational == self.config.informational {
                return Err(ResponseError::TooManyInformational);
            }
            open.informational += 1;
            open.reply = Reply::Head(Scan::default());
            if status == 100 {
                open.hundred = Hundred::NotAwaited;
            }
        }
        self.await_reply();
        Ok(Some(ResponseEvent::Informational { fields }))
    }

    fn begin_response<'e>(
        &mut self,
        head: &ParsedResponse,
        fields: &'e Fields,
    ) -> ResponseEvent<'e> {
        ResponseEvent::Response {
            fields,
            version: head.version,
            end_stream: self.begin_reply(head),
        }
    }

    /// Begins the content behind the final head (RFC 9112 §6.3); true if there is none.
    fn begin_reply(&mut self, head: &ParsedResponse) -> bool {
        let mut end_stream = false;
        self.server_version = head.version;
        if !head.keeps_alive {
            self.persistence = Persistence::Close;
        }
        if let ClientState::Open(open) = &mut self.state {
            let without_content =
                open.asked == Asked::HeadAlone || status::has_no_content(head.status);
            open.reply = match head.framing {
                _ if without_content => Reply::Done,
                Some(framing) => BodyDecoder::new(framing).map_or(Reply::Done, Reply::Body),
                None => Reply::UntilClose,
            };
            end_stream = matches!(open.reply, Reply::Done);
            // The server may take what comes now for the content or for a request (RFC 9110 §10.1.1).
            if let RequestContent::Sending(outgoing) = open.content
                && open.hundred != Hundred::NotAwaited
            {
                self.persistence = Persistence::Close;
                if open.hundred == Hundred::Awaited {
                    open.hundred = Hundred::NotAwaited;
                    self.output.discard(Some(outgoing));
                    open.content = RequestContent::Abandoned;
                }
            }
            if matches!(open.reply, Reply::UntilClose) {
                self.persistence = Persistence::Close;
            }
        }
        if end_stream {
            self.finish_response();
        } else {
            self.await_reply();
        }
        end_stream
    }

    fn receive_body<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
    ) -> Result<Option<ResponseEvent<'e>>, ResponseError> {
        let ClientState::Open(open) = &mut self.state else {
            return Ok(None);
        };
        let Reply::Body(body) = &mut open.reply else {
            return Ok(None);
        };
        let before = input.len();
        let piece = body.decode(input, &body_bounds(&self.config))?;
        if input.len() < before {
            self.await_reply();
        }
        match piece {
            BodyPart::Starved if self.has_ended() => Err(ResponseError::Incomplete),
            BodyPart::Starved => Ok(None),
            BodyPart::Data(data) => Ok(Some(ResponseEvent::Data {
                data,
                end_stream: false,
            })),
            BodyPart::Last(data) => {
                self.finish_response();
                Ok(Some(ResponseEvent::Data {
                    data,
                    end_stream: true,
                }))
            }
            BodyPart::Trailers(section) => {
                fields.clear();
                parse_trailers(section, fields)?;
                self.finish_response();
                Ok(Some(ResponseEvent::Trailers { fields }))
            }
        }
    }

    /// Receives content that ends with the connection.
    fn receive_rest<'e, 'i: 'e>(&mut self, input: &mut &'i [u8]) -> Option<ResponseEvent<'e>> {
        let data = std::mem::take(input);
        let end_stream = self.has_ended();
        if end_stream {
            self.finish_response();
        } else if data.is_empty() {
            return None;
        } else {
            self.await_reply();
        }
        Some(ResponseEvent::Data { data, end_stream })
    }

    fn finish_response(&mut self) {
        if let ClientState::Open(open) = &mut self.state {
            open.reply = Reply::Done;
        }
        self.timer = Timer::Off;
        self.conclude();
    }
}

/// True if the head names a protocol, and none that was not offered. Names differ in letters alone where
/// they differ (RFC 9110 §7.8).
fn is_offered(fields: &Fields, offered: &[u8]) -> bool {
    let members = |list| <[u8]>::split(list, |byte| *byte == b',').map(trim);
    let mut named = fields.values("upgrade").flat_map(members).peekable();
    named.peek().is_some()
        && named.all(|name| members(offered).any(|each| each.eq_ignore_ascii_case(name)))
}

fn head_bounds(config: &ClientConfig) -> Bounds {
    Bounds {
        first_line: FirstLine::Status,
        bytes: config.head_bytes,
        fields: config.head_fields.min(MOST_FIELDS),
        crumbs: 0,
    }
}

fn body_bounds(config: &ClientConfig) -> BodyBounds {
    BodyBounds {
        extension_bytes: config.chunk_extension_bytes,
        trailer_bytes: config.head_bytes,
        trailer_fields: config.head_fields.min(MOST_FIELDS),
    }
}
