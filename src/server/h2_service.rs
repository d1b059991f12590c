//! HTTP/2 on a connection: the core's events become requests of the handlers; in `opening` the steps
//! of an exchange become heads, in `content` the scheduler's grants become DATA.

mod content;
mod opening;

use super::answering::{Accepted, Arrived, TOO_LARGE};
use super::context::Context;
use super::fault::Fault;
use super::limit_log::Limit;
use super::trace;
use crate::content::Body;
use crate::exchange::{ActiveRequest, ContentHold, RequestKey, Response};
use crate::h2::{self, Cause, ConnectionError, ErrorCode, Event, StreamError, StreamKey};
use crate::http::{Expected, Field, Fields};
use crate::telemetry::access_log::Entry;
use crate::world::{Files, Peer, World};
use std::rc::Rc;
use std::time::Instant;

/// An HTTP/2 connection and the requests that are open on it.
pub struct H2Service<F: Files> {
    core: h2::Connection,
    /// By the index of the stream's key.
    active: Vec<Option<ActiveRequest<F>>>,
    /// Streams whose exchanges are polled behind the input: those that can go on, and new ones whose
    /// clients wait for 100 before they send content.
    pending: Vec<StreamKey>,
    /// The earliest time that an exchange waits for, or an earlier one.
    due: Option<Instant>,
    /// The memory behind `active`, but for what their handlers hold of requests.
    held: usize,
    requests: u32,
    peer: Peer,
    last_head: Option<SentHead>,
}

/// The source of the last response head.
struct SentHead {
    fields: Rc<Fields>,
    date: u32,
    status: u16,
}

impl<F: Files> H2Service<F> {
    /// A service that waits for the client's preface.
    pub fn new<W: World<Files = F>>(peer: Peer, cx: &Context<W>) -> Self {
        let mut core = h2::Connection::server(cx.http2.clone(), cx.now);
        observe(&mut core, peer, cx.http2.header_table_size);
        Self::with_core(core, peer)
    }

    fn with_core(core: h2::Connection, peer: Peer) -> Self {
        H2Service {
            core,
            active: Vec::new(),
            pending: Vec::new(),
            due: None,
            held: 0,
            requests: 0,
            peer,
            last_head: None,
        }
    }

    /// A service for a connection that came by `Upgrade: h2c` (RFC 7540 §3.2): the request that
    /// asked for it is stream 1.
    pub fn upgraded<W: World<Files = F>>(
        settings: &[u8],
        fields: &Fields,
        peer: Peer,
        cx: &mut Context<W>,
    ) -> Option<Self> {
        let (mut core, stream) =
            h2::Connection::server_upgraded(cx.http2.clone(), settings, cx.now).ok()?;
        observe(&mut core, peer, cx.http2.header_table_size);
        let mut service = Self::with_core(core, peer);
        service.request(stream, fields, true, Expected::Nothing, cx);
        Some(service)
    }

    /// The core, for what every protocol has: output, deadlines.
    pub fn core(&mut self) -> &mut h2::Connection {
        &mut self.core
    }

    /// True if no request is open.
    pub fn is_idle(&self) -> bool {
        self.core.is_idle()
    }

    /// The memory that it takes. What handlers hold of requests, their windows know.
    pub fn memory(&self) -> usize {
        let tables = self.active.capacity() * size_of::<Option<ActiveRequest<F>>>()
            + self.pending.capacity() * size_of::<StreamKey>();
        size_of::<Self>() + self.core.memory() + tables + self.held
    }

    /// Requests so far.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// The time at which [`H2Service::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.core.next_deadline().into_iter().chain(self.due).min()
    }

    /// Takes what it can of `input` and answers, while the output is under `limit` bytes.
    pub fn receive<W: World<Files = F>>(
        &mut self,
        input: &mut &[u8],
        fields: &mut Fields,
        limit: usize,
        cx: &mut Context<W>,
    ) -> Result<(), Fault> {
        while self.core.output().len() < limit && cx.may_request() {
            match self.core.receive(input, fields, cx.now) {
                Ok(Some(event)) => self.handle(event, cx),
                Ok(None) => break,
                Err(error) => return Err(self.fail(error, cx)),
            }
        }
        if !self.pending.is_empty() {
            self.poll_pending(cx);
        }
        Ok(())
    }

    fn handle<W: World<Files = F>>(&mut self, event: Event<'_>, cx: &mut Context<W>) {
        match event {
            Event::Request {
                stream,
                fields,
                end_stream,
                expected,
                ..
            } => {
                let expected = if end_stream && expected == Expected::Continue {
                    Expected::Nothing
                } else {
                    expected
                };
                self.request(stream, fields, end_stream, expected, cx);
            }
            Event::HeadersTooLarge { stream, fields, .. } => {
                cx.requests = cx.requests.saturating_sub(1);
                cx.report(Limit::HeaderSize, self.peer, "header section too large");
                self.requests = self.requests.wrapping_add(1);
                let reason = "header section too large";
                cx.log_refusal(self.peer, "HTTP/2.0", fields, reason, (431, 0));
                // Whether it was a HEAD may be in what was cut off, so there is no content.
                let response = Response {
                    status: 431,
                    fields: cx.routes.common_fields(),
                    body: Body::Empty,
                };
                self.respond(stream, response, None, cx);
            }
            Event::Data {
                stream,
                data,
                end_stream,
                ..
            } => {
                self.data(stream, data, end_stream, cx);
            }
            Event::Trailers { stream, fields } => {
                if let Some(active) = self.active.get_mut(stream.index()).and_then(Option::as_mut) {
                    active.receive_trailers(fields, &cx.means);
                }
                self.data(stream, &[], true, cx);
            }
            Event::StreamReset { stream, by, code } => {
                let mut why = None;
                match by {
                    Cause::Stalled => {
                        why = Some("a stream did not move");
                        cx.report(Limit::Stall, self.peer, "a stream did not move");
                    }
                    Cause::Error(reason) => {
                        why = Some(reason);
                        let id = stream.id();
                        log::debug!("{}: stream {id}: {code}: {reason}", self.peer);
                    }
                    Cause::Peer | Cause::GoAway => {}
                }
                self.remove(stream, why, cx);
            }
            Event::RequestRejected {
                stream_id,
                fields,
                error,
            } => {
                // They count as requests do, or they could flood the log.
                cx.requests = cx.requests.saturating_sub(1);
                cx.log_refusal(self.peer, "HTTP/2.0", fields, error.reason, (0, 0));
                if error == StreamError::TOO_MANY {
                    cx.report(Limit::Streams, self.peer, "one stream too many, refused");
                } else {
                    log::debug!("{}: request on stream {stream_id}: {error}", self.peer);
                }
            }
            Event::StreamError { stream_id, error } => {
                log::debug!("{}: stream {stream_id}: {error}", self.peer);
            }
            _ => {}
        }
    }

    fn request<W: World<Files = F>>(
        &mut self,
        stream: StreamKey,
        fields: &Fields,
        end_stream: bool,
        expected: Expected,
        cx: &mut Context<W>,
    ) {
        self.requests = self.requests.wrapping_add(1);
        let expectation = match expected {
            Expected::Continue => ContentHold::UntilContinue,
            Expected::Nothing | Expected::Unknown => ContentHold::Nothing,
        };
        let accepted = cx.accept(&Arrived {
            fields,
            peer: self.peer,
            version: "HTTP/2.0",
            key: key_of(stream),
            expectation,
            refusal: match expected {
                // As HTTP/1.1 without Host (RFC 9112 §3.2).
                _ if fields.authority().is_none() => Some(400),
                Expected::Unknown => Some(417),
                Expected::Nothing | Expected::Continue => None,
            },
        });
        match accepted {
            Accepted::Response(response, entry) => self.respond(stream, response, entry, cx),
            Accepted::Exchange(mut active) => {
                if end_stream {
                    active.finish_request(&cx.means);
                }
                self.insert(stream, active);
                match expectation {
                    ContentHold::UntilContinue => self.pending.push(stream),
                    ContentHold::Nothing => self.poll(stream, cx),
                }
            }
        }
    }

    /// Sends a response whose head is known; its content waits for grants.
    fn respond<W: World<Files = F>>(
        &mut self,
        stream: StreamKey,
        response: Response<F>,
        entry: Option<Box<Entry>>,
        cx: &mut Context<W>,
    ) {
        // Each part is found and read like a file of its own.
        cx.requests = cx.requests.saturating_sub(response.body.parts());
        let (status, fields) = (response.status, response.fields.clone());
        let active = ActiveRequest::content(response, cx.now, entry);
        let remaining = active.remaining();
        let end_stream = remaining == Some(0);
        self.send_shared_head(stream, status, fields, end_stream, cx);
        if end_stream {
            self.complete(stream, active, cx);
        } else {
            self.insert(stream, active);
            self.core.set_ready(stream, remaining);
        }
    }

    /// Sends a head whose fields may be those of the response before it, in which case it is the same.
    fn send_shared_head<W: World>(
        &mut self,
        stream: StreamKey,
        status: u16,
        fields: Rc<Fields>,
        end_stream: bool,
        cx: &Context<W>,
    ) {
        let date = cx.date_tick();
        let is_same = |last: &SentHead| {
            Rc::ptr_eq(&last.fields, &fields) && (last.status, last.date) == (status, date)
        };
        if self.last_head.as_ref().is_some_and(is_same)
            && self.core.repeat_headers(stream, end_stream) == Ok(true)
        {
            return;
        }
        if self.send_head(stream, status, &fields, end_stream, cx) {
            self.last_head = Some(SentHead {
                fields,
                date,
                status,
            });
        }
    }

    /// Sends a head; false if it could not be sent, and the stream was reset.
    fn send_head<W: World>(
        &mut self,
        stream: StreamKey,
        status: u16,
        fields: &Fields,
        end_stream: bool,
        cx: &Context<W>,
    ) -> bool {
        let digits = status_digits(status);
        let status = std::iter::once(Field::new(b":status", &digits));
        let last = cx.last_fields();
        let fields = status.chain(fields.iter()).chain(last);
        self.last_head = None;
        let result = self.core.send_headers(stream, fields, end_stream);
        if let Err(misuse) = result {
            log::error!("{}: a response was not sent: {misuse}", self.peer);
            self.core.reset(stream, ErrorCode::INTERNAL_ERROR);
        }
        result.is_ok()
    }

    fn data<W: World<Files = F>>(
        &mut self,
        stream: StreamKey,
        data: &[u8],
        end_stream: bool,
        cx: &mut Context<W>,
    ) {
        let Some(active) = self.active.get_mut(stream.index()).and_then(Option::as_mut) else {
            self.core
                .release(stream, u32::try_from(data.len()).unwrap_or(u32::MAX));
            return;
        };
        cx.moved += data.len();
        let most = cx.limits.request_body_bytes;
        if active.receive(data, most, &cx.means).is_err() {
            self.refuse_body(stream, cx);
            return;
        }
        if end_stream {
            active.finish_request(&cx.means);
        }
        self.poll(stream, cx);
    }

    /// The body is larger than anything that we take: 413, or the end of a response under way.
    fn refuse_body<W: World<Files = F>>(&mut self, stream: StreamKey, cx: &mut Context<W>) {
        let Some(mut active) = self.take(stream) else {
            return;
        };
        if active.has_head() {
            active.abandon(&mut cx.log, None, &cx.means);
            self.core.reset(stream, ErrorCode::CANCEL);
            cx.report(Limit::BodySize, self.peer, TOO_LARGE);
        } else {
            let (response, entry) = cx.refuse_content(active, self.peer);
            self.respond(stream, response, entry, cx);
        }
    }

    /// A response has been sent whole. What still comes of the request interests nobody any more
    /// (RFC 9113 §8.1).
    fn complete<W: World>(
        &mut self,
        stream: StreamKey,
        mut active: ActiveRequest<F>,
        cx: &mut Context<W>,
    ) {
        active.conclude(&mut cx.log, None);
        self.core.discard(stream);
    }

    fn insert(&mut self, stream: StreamKey, active: ActiveRequest<F>) {
        let index = stream.index();
        if index >= self.active.len() {
            self.active.resize_with(index + 1, || None);
        }
        self.held += active.memory();
        if let Some(place) = self.active.get_mut(index) {
            *place = Some(active);
        }
    }

    fn take(&mut self, stream: StreamKey) -> Option<ActiveRequest<F>> {
        let active = self.active.get_mut(stream.index())?.take()?;
        self.held -= active.memory();
        Some(active)
    }

    fn remove<W: World>(
        &mut self,
        stream: StreamKey,
        reason: Option<&'static str>,
        cx: &mut Context<W>,
    ) {
        if let Some(mut active) = self.take(stream) {
            active.abandon(&mut cx.log, reason, &cx.means);
        }
    }

    /// The connection is over: every open request is concluded as it stands.
    pub fn close<W: World>(&mut self, cx: &mut Context<W>) {
        self.held = 0;
        self.due = None;
        for mut active in self.active.drain(..).flatten() {
            active.abandon(&mut cx.log, None, &cx.means);
        }
    }

    /// Deals with a deadline of the core, or of an exchange, that has passed.
    pub fn handle_timeout<W: World<Files = F>>(
        &mut self,
        cx: &mut Context<W>,
    ) -> Result<(), Fault> {
        if self.due.is_some_and(|due| due <= cx.now) {
            self.handle_due(cx);
        }
        self.core.set_patience(cx.patience);
        let result = self.core.handle_timeout(cx.now);
        result.map_err(|error| self.fail(error, cx))
    }

    /// The core has ended the connection.
    fn fail<W: World>(&self, error: ConnectionError, cx: &mut Context<W>) -> Fault {
        log::debug!("{}: {error}", self.peer);
        if let Some(limit) = Limit::of_h2(&error) {
            cx.report(limit, self.peer, error.reason);
        }
        Fault
    }

    /// Gives back what an idle connection does not need.
    pub fn shrink(&mut self) {
        self.core.shrink();
        self.active = Vec::new();
        self.last_head = None;
    }
}

/// A stream as wakes name it.
fn key_of(stream: StreamKey) -> RequestKey {
    RequestKey(stream.id())
}

/// Has the connection's frames shown, if anybody wants to see them.
fn observe(core: &mut h2::Connection, peer: Peer, table: u32) {
    if trace::is_on() {
        core.set_observer(Some(trace::observer(peer, table)));
    }
}

fn status_digits(status: u16) -> [u8; 3] {
    let digit = |value: u16| b'0' + (value % 10) as u8;
    [digit(status / 100), digit(status / 10), digit(status)]
}

#[cfg(test)]
mod tests;
