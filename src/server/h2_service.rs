//! HTTP/2 on a connection: the core's events become answers of the site; in `content` the scheduler's
//! grants become DATA.

mod content;

use super::active_request::{ActiveRequest, exceeds, takes_content};
use super::context::Context;
use super::fault::Fault;
use super::ledger::PROGRESS_BYTES;
use super::limit_log::Limit;
use super::trace;
use crate::content::Body;
use crate::h2::{self, Cause, ConnectionError, ErrorCode, Event, StreamError, StreamKey};
use crate::http::{Expected, Field, Fields, Method};
use crate::site::{Answer, Head, Response};
use crate::telemetry::access_log::Entry;
use crate::world::{Files, Peer, World};
use std::rc::Rc;
use std::time::Instant;

/// An HTTP/2 connection and the requests that are open on it.
pub struct H2Service<F: Files> {
    core: h2::Connection,
    /// By the index of the stream's key.
    active: Vec<Option<ActiveRequest<F>>>,
    /// Streams whose next bytes a disk was asked for.
    cold: Vec<StreamKey>,
    /// New requests of handlers whose clients wait for 100 before they send content.
    expecting: Vec<StreamKey>,
    /// The memory behind `active`, but for what their handlers hold of requests.
    held: usize,
    requests: u32,
    peer: Peer,
    last_head: Option<SentHead>,
}

/// What the last response head was made from.
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
            cold: Vec::new(),
            expecting: Vec::new(),
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

    /// Whether no request is open.
    pub fn is_idle(&self) -> bool {
        self.core.is_idle()
    }

    /// The memory that it takes. What handlers hold of requests, their windows know.
    pub fn memory(&self) -> usize {
        let tables = self.active.capacity() * size_of::<Option<ActiveRequest<F>>>()
            + (self.cold.capacity() + self.expecting.capacity()) * size_of::<StreamKey>();
        size_of::<Self>() + self.core.memory() + tables + self.held
    }

    /// Requests so far.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// When [`H2Service::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.core.next_deadline()
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
        if !self.expecting.is_empty() {
            self.send_continues(cx);
        }
        Ok(())
    }

    /// Asks for the content that clients keep back until then (RFC 9110 §10.1.1). Where some of it was
    /// in the input behind its request, it has been received by now, and nothing is asked for.
    fn send_continues<W: World<Files = F>>(&mut self, cx: &mut Context<W>) {
        for stream in std::mem::take(&mut self.expecting) {
            if !self.core.contains(stream) {
                continue;
            }
            let Some(active) = self.active.get_mut(stream.index()).and_then(Option::as_mut) else {
                continue;
            };
            if active.has_received() || active.has_head() {
                continue;
            }
            let head = active.head();
            if takes_content(head.as_ref()) {
                let sent = self.core.send_informational(stream, 100, []);
                debug_assert_eq!(sent, Ok(()), "no head was sent");
            }
            self.begin_response(stream, head, cx);
        }
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
                    fields: cx.site.common_fields(),
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
            Event::Trailers { stream, .. } => self.data(stream, &[], true, cx),
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
        cx.moved += PROGRESS_BYTES;
        cx.requests = cx.requests.saturating_sub(1);
        let entry = cx.log_entry(self.peer, "HTTP/2.0", fields);
        let answer = match fields.authority() {
            // As HTTP/1.1 without Host (RFC 9112 §3.2).
            None => cx.site.refuse(fields, 400),
            Some(_) if expected == Expected::Unknown => cx.site.refuse(fields, 417),
            Some(_) => cx.respond(fields),
        };
        match answer {
            Answer::Response(response) => self.respond(stream, response, entry, cx),
            Answer::Exchange(_) if exceeds(fields, cx.limits.request_body_bytes) => {
                self.answer_413(stream, entry, cx);
            }
            Answer::Exchange(handler) => {
                let head_only = fields.method().map(Method::from_bytes) == Some(Method::Head);
                let mut active = ActiveRequest::handler(handler, head_only, cx.now, entry);
                if end_stream {
                    active.finish_request();
                }
                self.insert(stream, active);
                if expected == Expected::Continue {
                    self.expecting.push(stream);
                } else {
                    self.poll_handler(stream, cx);
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
        let mut active = ActiveRequest::content(response.body, cx.now, entry);
        let remaining = active.remaining();
        let end_stream = remaining == Some(0);
        active.set_status(response.status);
        self.send_shared_head(stream, response.status, response.fields, end_stream, cx);
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
        if active.receive(data) > cx.limits.request_body_bytes {
            self.refuse_body(stream, cx);
            return;
        }
        if end_stream {
            active.finish_request();
        }
        self.poll_handler(stream, cx);
    }

    /// The body is larger than anything that we take: 413, or the end of a response under way.
    fn refuse_body<W: World<Files = F>>(&mut self, stream: StreamKey, cx: &mut Context<W>) {
        let Some(mut active) = self.take(stream) else {
            return;
        };
        if active.has_head() {
            active.conclude(&mut cx.log, None);
            self.core.reset(stream, ErrorCode::CANCEL);
            cx.report(Limit::BodySize, self.peer, "request body too large");
        } else {
            self.answer_413(stream, active.take_entry(), cx);
        }
    }

    fn answer_413<W: World<Files = F>>(
        &mut self,
        stream: StreamKey,
        entry: Option<Box<Entry>>,
        cx: &mut Context<W>,
    ) {
        cx.report(Limit::BodySize, self.peer, "request body too large");
        let response = cx.site.error(413);
        self.respond(stream, response, entry, cx);
    }

    /// Lets a handler go on after its request has: sends its head when it has one, tells the
    /// scheduler that there may be content, and gives the window back.
    fn poll_handler<W: World<Files = F>>(&mut self, stream: StreamKey, cx: &mut Context<W>) {
        let Some(active) = self.active.get_mut(stream.index()).and_then(Option::as_mut) else {
            return;
        };
        self.core.release(stream, active.releasable());
        let head = active.head();
        self.begin_response(stream, head, cx);
    }

    /// Sends a handler's head if it has one now, and tells the scheduler of content.
    fn begin_response<W: World<Files = F>>(
        &mut self,
        stream: StreamKey,
        head: Option<Head>,
        cx: &mut Context<W>,
    ) {
        let Some(active) = self.active.get_mut(stream.index()).and_then(Option::as_mut) else {
            return;
        };
        if let Some(head) = head {
            active.set_status(head.status);
            let end_stream = active.is_head_only() || head.len == Some(0);
            self.send_head(stream, head.status, &head.fields, end_stream, cx);
            if end_stream {
                if let Some(active) = self.take(stream) {
                    self.complete(stream, active, cx);
                }
                return;
            }
        } else if !active.has_head() {
            return;
        }
        if let Some(active) = self.active.get(stream.index()).and_then(Option::as_ref) {
            self.core.set_ready(stream, active.remaining());
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
            active.conclude(&mut cx.log, reason);
        }
    }

    /// The connection is over: every open request is concluded as it stands.
    pub fn close<W: World>(&mut self, cx: &mut Context<W>) {
        self.held = 0;
        for mut active in self.active.drain(..).flatten() {
            active.conclude(&mut cx.log, None);
        }
    }

    /// Deals with a deadline of the core that has passed.
    pub fn handle_timeout<W: World>(&mut self, cx: &mut Context<W>) -> Result<(), Fault> {
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
mod tests {
    use super::*;
    use crate::h2::frame::PREFACE;
    use crate::server::connection::Connection;
    use crate::world::files::Root;
    use crate::world::os::OsWorld;
    use std::sync::Arc;

    /// The sum of what the structs take, the shell's too, and what their collections say that they
    /// hold. What an allocator counts for the core alone is in `tests/it/h2/memory.rs`.
    #[test]
    fn a_connection_that_served_one_request_and_is_idle_takes_under_a_kibibyte() {
        let now = Instant::now();
        let core = h2::Connection::server(Arc::new(h2::Config::default()), now);
        let mut service = H2Service::<Root>::with_core(core, Peer::Unix);
        // SETTINGS, SETTINGS ack, and HEADERS with literals that become entries.
        let block = b"\x82\x86\x41\x09localhost\x44\x03/1k\x7a\x08idle/1.0";
        let mut bytes = [
            PREFACE.as_slice(),
            b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0",
        ]
        .concat();
        bytes.extend_from_slice(&[0, 0, block.len() as u8, 1, 5, 0, 0, 0, 1]);
        bytes.extend_from_slice(block);
        let (mut input, mut fields, mut requests) = (bytes.as_slice(), Fields::new(), 0);
        while let Some(event) = service.core.receive(&mut input, &mut fields, now).unwrap() {
            if let Event::Request { stream, .. } = event {
                requests += 1;
                let head = [
                    Field::new(b":status", b"200"),
                    Field::new(b"content-type", b"text/plain; charset=utf-8"),
                    Field::new(b"etag", b"\"0123456789abcdef0123456789abcdef\""),
                ];
                service.core.send_headers(stream, head, true).unwrap();
            }
        }
        drop(service.core.take_output());
        service.shrink();
        let structs = size_of::<Connection<OsWorld<Root>>>() + size_of::<H2Service<Root>>();
        let heap = service.core.heap() + service.core.heap_of_hpack();
        assert!(requests == 1 && structs + heap < 1024, "{structs} + {heap}");
    }
}
