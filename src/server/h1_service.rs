//! HTTP/1.1 on a connection: one request at a time, answered by the site.

use super::active_request::{ActiveRequest, CUT_SHORT, exceeds, takes_content};
use super::context::{Context, Layer};
use super::fault::Fault;
use super::h2_service::H2Service;
use super::ledger::PROGRESS_BYTES;
use super::limit_log::Limit;
use super::piece::{Layout, Wanted};
use super::splices::{self, MOST_SPLICED};
use super::trace;
use crate::content::{BodyError, Progress, Slice};
use crate::h1::{self, BodyLength, Event, Scheme};
use crate::h2::Direction;
use crate::http::{Field, Fields, Method, status};
use crate::site::{Answer, Response};
use crate::telemetry::access_log::Entry;
use crate::world::{Files, Peer, World};
use std::time::Instant;

/// A handler that cannot pass a request's body on is given no more of it beyond this: what HTTP/2's
/// window is for a stream.
const HELD_BYTES: usize = 64 << 10;

/// An HTTP/1.1 connection and the request that is open on it.
pub struct H1Service<F: Files> {
    core: h1::Connection,
    active: Option<ActiveRequest<F>>,
    disk: Disk,
    requests: u32,
    peer: Peer,
}

/// What is known of the open response's next bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    /// They may be had.
    Warm,
    /// A disk was asked for them.
    Asked,
}

/// What became of a step.
pub enum Step<F: Files> {
    /// The connection waits for the peer or for room in the output.
    Done,
    /// The connection is HTTP/2 from here on (RFC 7540 §3.2).
    Upgraded(Box<H2Service<F>>),
}

impl<F: Files> H1Service<F> {
    /// A service that waits for a request.
    pub fn new<W: World<Files = F>>(scheme: Scheme, peer: Peer, cx: &Context<W>) -> Self {
        let mut core = h1::Connection::new(cx.http1.clone(), scheme, cx.now);
        if cx.http2.h2c_upgrade && scheme == Scheme::Http {
            core.report_h2c();
        }
        H1Service {
            core,
            active: None,
            disk: Disk::Warm,
            requests: 0,
            peer,
        }
    }

    /// The core, for what every protocol has: output, deadlines.
    pub fn core(&mut self) -> &mut h1::Connection {
        &mut self.core
    }

    /// The memory that it takes; the output is lent.
    pub fn memory(&self) -> usize {
        let active = self.active.as_ref();
        size_of::<Self>() + active.map_or(0, |active| active.memory() + active.held())
    }

    /// Requests so far.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Whether no request is open.
    pub fn is_idle(&self) -> bool {
        self.active.is_none() && self.core.is_idle()
    }

    /// Whether the connection is to be closed once its output is sent.
    pub fn is_over(&self) -> bool {
        self.active.is_none() && self.core.wants_close()
    }

    /// When [`H1Service::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.core.next_deadline()
    }

    /// The peer will send no more than what is `kept`.
    pub fn finish_input<W: World<Files = F>>(
        &mut self,
        kept: &[u8],
        cx: &mut Context<W>,
    ) -> Result<(), Fault> {
        let result = self.core.finish_input();
        result.map_err(|error| self.fail(error, kept, cx))
    }

    /// Whether more bytes from the peer would be of use now.
    pub fn wants_input(&self) -> bool {
        match &self.active {
            Some(active) => self.core.wants_input() && active.held() < HELD_BYTES,
            None => self.core.wants_input(),
        }
    }

    /// Takes what it can of `input`, answers, and fills the output up to `limit` bytes.
    pub fn advance<W: World<Files = F>>(
        &mut self,
        input: &mut &[u8],
        fields: &mut Fields,
        limit: usize,
        cx: &mut Context<W>,
    ) -> Result<Step<F>, Fault> {
        while self.core.output().len() + cx.splices.len() < limit {
            if self.wants_input() && cx.may_request() {
                match self.core.receive(input, fields, cx.now) {
                    Ok(Some(event)) => match self.handle(event, cx) {
                        Some(upgraded) => return Ok(Step::Upgraded(Box::new(upgraded))),
                        None => continue,
                    },
                    Ok(None) => {}
                    Err(error) => return Err(self.fail(error, input, cx)),
                }
            }
            if !self.produce(limit, cx)? {
                break;
            }
        }
        if !self.wants_input() {
            // The peer is not to blame for bytes that nobody asks it for.
            self.core.pause_input(cx.now);
        }
        Ok(Step::Done)
    }

    fn handle<W: World<Files = F>>(
        &mut self,
        event: Event<'_>,
        cx: &mut Context<W>,
    ) -> Option<H2Service<F>> {
        match event {
            Event::Request {
                fields,
                end_stream,
                upgrade,
                ..
            } => {
                if let Some(upgrade) = upgrade
                    && let Some(service) = self.upgrade(upgrade.settings, fields, cx)
                {
                    return Some(service);
                }
                self.request(fields, end_stream, cx);
            }
            Event::Data { data, end_stream } => self.data(data, end_stream, cx),
            Event::Trailers { .. } => self.data(&[], true, cx),
        }
        None
    }

    fn upgrade<W: World<Files = F>>(
        &mut self,
        settings: &[u8],
        fields: &Fields,
        cx: &mut Context<W>,
    ) -> Option<H2Service<F>> {
        let mut service = H2Service::upgraded(settings, fields, self.peer, cx)?;
        self.core.switch_protocols();
        let mut output = self.core.take_output();
        output.append(&mut service.core().take_output());
        *service.core().output() = output;
        Some(service)
    }

    fn request<W: World<Files = F>>(
        &mut self,
        fields: &Fields,
        end_stream: bool,
        cx: &mut Context<W>,
    ) {
        self.requests = self.requests.wrapping_add(1);
        cx.moved += PROGRESS_BYTES;
        cx.requests = cx.requests.saturating_sub(1);
        let version = self.core.version().as_str();
        if trace::is_on() {
            trace::head(self.peer, Direction::Received, version, fields.iter());
        }
        let entry = cx.log_entry(self.peer, version, fields);
        match cx.respond(fields) {
            Answer::Response(response) => {
                if !end_stream {
                    self.core.discard_body();
                }
                self.respond(response, entry, cx);
            }
            Answer::Exchange(_) if exceeds(fields, cx.limits.request_body_bytes) => {
                self.core.discard_body();
                self.refuse_body(entry, cx);
            }
            Answer::Exchange(handler) => {
                let head_only = fields.method().map(Method::from_bytes) == Some(Method::Head);
                let mut active = ActiveRequest::handler(handler, head_only, cx.now, entry);
                if end_stream {
                    active.finish_request();
                }
                self.active = Some(active);
            }
        }
    }

    fn data<W: World<Files = F>>(&mut self, data: &[u8], end_stream: bool, cx: &mut Context<W>) {
        let Some(active) = &mut self.active else {
            return;
        };
        let received = active.receive(data);
        cx.moved += data.len();
        if received > cx.limits.request_body_bytes && !active.has_head() {
            let entry = active.take_entry();
            self.core.discard_body();
            self.refuse_body(entry, cx);
        } else if end_stream {
            active.finish_request();
        }
    }

    /// The body is larger than anything that we take.
    fn refuse_body<W: World<Files = F>>(&mut self, entry: Option<Box<Entry>>, cx: &mut Context<W>) {
        cx.report(Limit::BodySize, self.peer, "request body too large");
        let response = cx.site.error(413);
        self.respond(response, entry, cx);
    }

    /// Sends a response whose head is known; its content follows as there is room.
    fn respond<W: World<Files = F>>(
        &mut self,
        response: Response<F>,
        entry: Option<Box<Entry>>,
        cx: &mut Context<W>,
    ) {
        // Each part is found and read like a file of its own.
        cx.requests = cx.requests.saturating_sub(response.body.parts());
        let mut active = ActiveRequest::content(response.body, cx.now, entry);
        let length = match active.remaining() {
            Some(0) => BodyLength::None,
            Some(len) => BodyLength::Known(len),
            None => BodyLength::Unknown,
        };
        active.set_status(response.status);
        let fields = response.fields.iter();
        self.trace_response(response.status, fields.clone());
        self.core
            .send_head(response.status, fields.chain(cx.last_fields()), length);
        if length == BodyLength::None {
            active.conclude(&mut cx.log, None);
            self.active = None;
        } else {
            self.active = Some(active);
        }
    }

    fn trace_response<'f>(&self, status: u16, fields: impl Iterator<Item = Field<'f>>) {
        if trace::is_on() {
            let line = format!("HTTP/1.1 {status}");
            trace::head(self.peer, Direction::Sent, &line, fields);
        }
    }

    /// Makes one step with the open response; false when there is nothing to do.
    fn produce<W: World<Files = F>>(
        &mut self,
        limit: usize,
        cx: &mut Context<W>,
    ) -> Result<bool, Fault> {
        let Some(active) = &mut self.active else {
            return Ok(false);
        };
        if !active.has_head() {
            return Ok(self.produce_head(cx));
        }
        if self.disk == Disk::Asked {
            return Ok(false);
        }
        let before = self.core.output().len();
        let room = limit.saturating_sub(before + cx.splices.len() + h1::CHUNK_OVERHEAD);
        if room == 0 {
            return Ok(false);
        }
        let (max, least) = match cx.layer {
            Layer::Clear => (MOST_SPLICED, splices::CLEAR),
            Layer::Tls => (room, splices::TLS_FRAMES),
        };
        if let Some(slice) = active.next_slice(max as u64, least, cx.now) {
            return match splice(slice, before, room, cx) {
                Ok(Some(len)) => {
                    cx.moved += len;
                    let end = active.count_sent(len) == Progress::End;
                    self.core.commit_elsewhere(len as u64, end, cx.now);
                    if end {
                        self.complete(cx);
                    }
                    Ok(true)
                }
                Ok(None) => {
                    self.disk = Disk::Asked;
                    Ok(false)
                }
                Err(error) => self.cut_short(&error, cx),
            };
        }
        let output = self.core.begin_data(room);
        let progress = active.read(cx.site.reads(), output, room, cx.now);
        cx.moved += output.len() - before;
        active.releasable();
        match progress {
            Ok(Progress::End) => {
                self.core.commit(true, cx.now);
                self.complete(cx);
                Ok(true)
            }
            Ok(Progress::More | Progress::Waiting) => {
                self.core.commit(false, cx.now);
                Ok(self.core.output().len() > before)
            }
            Ok(Progress::Cold) => {
                self.core.commit(false, cx.now);
                self.disk = Disk::Asked;
                Ok(false)
            }
            Err(error) => self.cut_short(&error, cx),
        }
    }

    /// The rest of the response cannot be had.
    fn cut_short<W: World>(
        &mut self,
        error: &BodyError,
        cx: &mut Context<W>,
    ) -> Result<bool, Fault> {
        cx.report_cut(self.peer, error);
        self.core.abort();
        if let Some(mut active) = self.active.take() {
            active.conclude(&mut cx.log, Some(CUT_SHORT));
        }
        Err(Fault)
    }

    /// Whether the response waits for a disk.
    pub fn is_cold(&self) -> bool {
        self.disk == Disk::Asked
    }

    /// Lets a response that waits for a disk try again.
    pub fn retry_cold(&mut self) {
        self.disk = Disk::Warm;
    }

    /// Sends a handler's head if there is one, and before it `100 Continue` where the client waits for
    /// it: what has come of the content was received first.
    fn produce_head<W: World<Files = F>>(&mut self, cx: &mut Context<W>) -> bool {
        let Some(active) = &mut self.active else {
            return false;
        };
        active.releasable();
        let head = active.head();
        let continues = self.core.awaits_continue() && takes_content(head.as_ref());
        if continues {
            self.core.send_continue();
        }
        let Some(head) = head else {
            return continues;
        };
        active.set_status(head.status);
        let empty = active.is_head_only() || status::has_no_content(head.status);
        let length = match head.len {
            _ if empty => BodyLength::None,
            Some(0) => BodyLength::None,
            Some(len) => BodyLength::Known(len),
            None => BodyLength::Unknown,
        };
        self.trace_response(head.status, head.fields.iter());
        self.core.send_head(
            head.status,
            head.fields.iter().chain(cx.last_fields()),
            length,
        );
        if length == BodyLength::None {
            self.complete(cx);
        }
        true
    }

    /// The response has been sent whole. What is left of the request's body interests nobody.
    fn complete<W: World>(&mut self, cx: &mut Context<W>) {
        if self.core.is_reading_body() {
            self.core.discard_body();
        }
        self.close(cx);
    }

    /// The connection or the request is over: the request is concluded as it stands.
    pub fn close<W: World>(&mut self, cx: &mut Context<W>) {
        if let Some(mut active) = self.active.take() {
            active.conclude(&mut cx.log, None);
        }
    }

    /// Deals with a deadline of the core that has passed.
    pub fn handle_timeout<W: World<Files = F>>(
        &mut self,
        kept: &[u8],
        cx: &mut Context<W>,
    ) -> Result<(), Fault> {
        self.core.set_patience(cx.patience);
        let result = self.core.handle_timeout(cx.now);
        result.map_err(|error| self.fail(error, kept, cx))
    }

    /// The core has ended the connection, at the beginning of `input`. Its answer wants the fields of
    /// every response, and its line in the log.
    fn fail<W: World<Files = F>>(
        &mut self,
        error: h1::Error,
        input: &[u8],
        cx: &mut Context<W>,
    ) -> Fault {
        log::debug!("{}: {error}", self.peer);
        if let Some(limit) = Limit::of_h1(error) {
            cx.report(limit, self.peer, error.reason());
        }
        let common = cx.site.common_fields();
        let fields = common.iter().chain(cx.last_fields());
        let refusal = self.core.complete_refusal(fields);
        match (self.active.take(), refusal) {
            // An open request has its line already: what was wrong was its content.
            (Some(mut active), refusal) => {
                if let Some(refusal) = refusal {
                    active.refuse(refusal.status, refusal.content_bytes.into());
                }
                active.conclude(&mut cx.log, Some(error.reason()));
            }
            (None, Some(refusal)) if cx.log.is_some() => {
                let mut fields = Fields::new();
                let version = h1::glimpse(input, &mut fields);
                let answer = (refusal.status, refusal.content_bytes.into());
                cx.log_refusal(self.peer, version, &fields, error.reason(), answer);
            }
            _ => {}
        }
        Fault
    }
}

/// Puts the slice's next bytes behind the first `at` bytes of the output: from where they are, or as one
/// frame without a header, for which there is room. Under TLS, no file is sent from where it is; nor is
/// one that a disk has to bring, as sending it would wait. Returns how many bytes they are; `None` before
/// the disk has brought them.
fn splice<W: World>(
    slice: &mut Slice<W::Files>,
    at: usize,
    room: usize,
    cx: &mut Context<W>,
) -> Result<Option<usize>, BodyError> {
    let reads = cx.site.reads();
    Ok(match slice {
        Slice::File(file) if cx.layer == Layer::Tls || file.is_cold() => {
            let wanted = Wanted {
                header: 0,
                payload: room,
                run: room,
                layout: Layout::Dense,
            };
            let frame = cx.splices.push_frame(at, reads, file, &wanted)?;
            frame.map(|frame| frame.len())
        }
        slice => slice.take(reads, MOST_SPLICED as u64)?.map(|range| {
            let len = range.len() as usize;
            cx.splices.push(at, range);
            len
        }),
    })
}
