//! The connection: from bytes to events. Responses are in `response`, time is in `deadline`.

use super::config::Config;
use super::event::Event;
use super::exchange::{
    ConnectionState, H2c, HeadProgress, OpenExchange, RequestHalf, ResponseHalf,
};
use super::head::LastRequest;
use super::refusal::{Refusal, WrittenRefusal};
#[cfg(feature = "server")]
use crate::h1::body::BodyDecoder;
use crate::h1::encode::{self, ContentPresence};
use crate::h1::error::Error;
use crate::h1::message::{ContentEnd, Input, Persistence, Version};
use crate::h1::output::OutgoingBytes;
use crate::h1::timer::Timer;
use crate::http::Scheme;
use crate::http::{Fields, Patience};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time for which an idle connection is kept when the server ends, behind its last request. A client that asks one
/// thing after another has the next request on its way, which would meet a reset. nginx has
/// `keepalive_min_timeout` for that.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// One HTTP/1.1 or HTTP/1.0 connection of a server. The module's doc tells the order of calls.
#[derive(Debug)]
pub struct Connection {
    pub(super) config: Arc<Config>,
    pub(super) output: OutgoingBytes,
    pub(super) state: ConnectionState,
    pub(super) timer: Timer,
    /// The latest time that the caller told.
    pub(super) now: Instant,
    /// Number of requests so far.
    pub(super) requests: u32,
    /// Bytes of a body since it last had made enough progress, and the stall periods that have passed.
    pub(super) progress: u32,
    pub(super) periods: u16,
    pub(super) patience: Patience,
    pub(super) persistence: Persistence,
    pub(super) content_end: ContentEnd,
    pub(super) input: Input,
    pub(super) scheme: Scheme,
    pub(super) h2c: H2c,
}

impl Connection {
    /// A connection on which no byte has arrived. The first one has to within
    /// [`Config::preface_timeout`].
    pub fn new(config: Arc<Config>, scheme: Scheme, now: Instant) -> Connection {
        let timer = Timer::after(now, config.preface_timeout);
        Connection {
            config,
            output: OutgoingBytes::default(),
            state: ConnectionState::Head(HeadProgress::default()),
            timer,
            now,
            requests: 0,
            progress: 0,
            periods: 0,
            patience: Patience::Short,
            persistence: Persistence::KeepAlive,
            content_end: ContentEnd::Told,
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

    /// Takes a prefix off the input and returns its meaning, at most one event a call.
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
        self.receive_known(input, fields, None, now)
    }

    /// As [`Connection::receive`], but a head whose bytes are those of the `last` one is compared instead of parsed.
    /// Several connections can have one `last`.
    pub fn receive_like<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        last: &mut LastRequest,
        now: Instant,
    ) -> Result<Option<Event<'e>>, Error> {
        self.receive_known(input, fields, Some(last), now)
    }

    fn receive_known<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        last: Option<&mut LastRequest>,
        now: Instant,
    ) -> Result<Option<Event<'e>>, Error> {
        self.now = now;
        self.timer.resume(now);
        if self.input == Input::Starved {
            self.input = Input::Flowing;
        }
        self.step(input, fields, last)
            .inspect_err(|error| self.fail(*error, input))
    }

    /// Notes that the peer has ended its side: nothing will follow the caller's input.
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

    /// Answers an error, if a response is still possible, and closes.
    pub(super) fn fail(&mut self, error: Error, input: &[u8]) {
        self.respond_and_close(error.status(), error.reason(), content_of(input));
    }

    /// Writes a last response if the current request has none yet, or if its head could not be read.
    /// `content` is then all that is known about it.
    pub(super) fn respond_and_close(
        &mut self,
        status: u16,
        reason: &str,
        content: ContentPresence,
    ) {
        self.discard_uncommitted();
        let content = match &self.state {
            ConnectionState::Head(_) => Some(content),
            ConnectionState::Exchange(exchange) => match exchange.response {
                ResponseHalf::Awaiting => Some(exchange.content),
                _ => None,
            },
            ConnectionState::Closed(_) | ConnectionState::Switched => None,
        };
        let written = content.and_then(|content| {
            let (fields_at, length) =
                encode::error_response(&mut self.output.bytes, status, reason, content);
            Some(WrittenRefusal {
                refusal: Refusal {
                    status,
                    content_bytes: u16::try_from(length).unwrap_or(u16::MAX),
                },
                fields_at: u32::try_from(fields_at).ok().and_then(NonZeroU32::new)?,
            })
        });
        self.close();
        self.state = ConnectionState::Closed(written);
    }

    /// Closes the connection: it reads and writes nothing from here on.
    pub(super) fn close(&mut self) {
        self.state = ConnectionState::Closed(None);
        self.timer = Timer::Off;
    }

    /// Ends the connection after the current response; at once if no request has begun.
    pub fn shutdown(&mut self) {
        self.persistence = Persistence::Close;
        if self.is_idle() {
            self.close();
        }
    }

    /// Ends the connection because the server ends. A client that has asked a moment ago is likely to ask again:
    /// its next request is waited for, for a second, and its response announces the end.
    pub fn retire(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.now);
        if self.is_idle() && self.requests > 0 && since < LAST_REQUEST {
            self.persistence = Persistence::Close;
            self.timer = Timer::after(now, LAST_REQUEST);
        } else {
            self.shutdown();
        }
    }

    /// Makes the request behind the present one the last one, which its response announces. It is waited for as
    /// any other.
    pub fn end_after_next(&mut self) {
        self.requests = self.requests.max(self.config.keep_alive_requests);
    }

    /// Makes the next request the last one, which its response announces. It is waited for.
    pub fn expect_last(&mut self) {
        self.persistence = Persistence::Close;
    }

    /// True if no request is open, begun, or waiting in input that was not offered yet.
    pub fn is_idle(&self) -> bool {
        match &self.state {
            ConnectionState::Head(progress) => {
                progress.scan.is_fresh() && self.input == Input::Starved
            }
            _ => false,
        }
    }

    /// True if all that will ever be sent is in the output.
    pub fn wants_close(&self) -> bool {
        matches!(self.state, ConnectionState::Closed(_))
    }

    /// The meaning that the end of the connection has for the content of the last response. A client of HTTP/1.0 sees
    /// no difference between an orderly end and the end of content without a length. So the caller closes in order if
    /// all output is sent and this is not [`ContentEnd::Missing`]. Otherwise, unless it is [`ContentEnd::Told`], the
    /// caller has the connection reset, and sends no `close_notify` within TLS (RFC 9112 §8, §9.8). A tunnel's bytes
    /// are no content: their protocol tells its own ends.
    pub fn content_end(&self) -> ContentEnd {
        self.content_end
    }

    /// True if a request was received whose response has no head yet.
    pub fn awaiting_response(&self) -> bool {
        match &self.state {
            ConnectionState::Exchange(exchange) => {
                matches!(exchange.response, ResponseHalf::Awaiting)
            }
            _ => false,
        }
    }

    /// True if parts of the current request's body are still to be received as events.
    pub fn is_reading_body(&self) -> bool {
        match &self.state {
            ConnectionState::Exchange(exchange) => matches!(exchange.request, RequestHalf::Body(_)),
            _ => false,
        }
    }

    /// Bytes of the current request's body that are still to come, if their number is known: that of chunks is not.
    #[cfg(feature = "server")]
    pub(crate) fn body_to_come(&self) -> Option<u64> {
        match &self.state {
            ConnectionState::Exchange(exchange) => match exchange.request {
                RequestHalf::Body(BodyDecoder::Length(left)) => Some(left),
                _ => None,
            },
            _ => None,
        }
    }

    /// True if [`Connection::receive`] has a use for more bytes now.
    pub fn wants_input(&self) -> bool {
        match &self.state {
            ConnectionState::Head(_) => true,
            ConnectionState::Exchange(exchange) => {
                matches!(
                    exchange.request,
                    RequestHalf::Body(_) | RequestHalf::Draining { .. } | RequestHalf::Tunnel
                )
            }
            ConnectionState::Closed(_) | ConnectionState::Switched => false,
        }
    }

    /// True if our side of a tunnel has ended: behind the output that there is, the sending side of the socket is
    /// to be shut. The client may go on.
    pub fn has_ended_tunnel(&self) -> bool {
        matches!(
            &self.state,
            ConnectionState::Exchange(OpenExchange {
                request: RequestHalf::Tunnel,
                response: ResponseHalf::Done,
                ..
            })
        )
    }

    /// True if the client has ended its side of a tunnel, and [`Connection::receive`] was not called since.
    pub fn has_unheard_end(&self) -> bool {
        let is_tunnel = matches!(
            &self.state,
            ConnectionState::Exchange(exchange) if matches!(exchange.request, RequestHalf::Tunnel)
        );
        is_tunnel && self.input == Input::Finished
    }

    /// The version of the current request.
    pub fn version(&self) -> Version {
        match &self.state {
            ConnectionState::Exchange(exchange) => exchange.version,
            _ => Version::Http11,
        }
    }

    /// The bytes to send so far.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output.bytes
    }

    /// Lends an empty buffer for the output; bytes that are in the output already are kept in front.
    pub fn lend_output(&mut self, buffer: Vec<u8>) {
        self.output.lend(buffer);
    }

    /// Takes the output, and the buffer with it.
    pub fn take_output(&mut self) -> Vec<u8> {
        if let ConnectionState::Closed(written) = &mut self.state {
            *written = None;
        }
        self.output.take()
    }
}

/// Presence of content in the response to a request that begins with `head` (RFC 9110 §9.3.2).
pub(super) fn content_of(head: &[u8]) -> ContentPresence {
    if head.starts_with(b"HEAD ") {
        ContentPresence::Withheld
    } else {
        ContentPresence::Sent
    }
}
