//! HTTP/1.1 on a connection: one request at a time; steps of its response become a message.

mod content;
mod looking;
mod repeating;

use super::answering::{Accepted, Arrived, TOO_LARGE};
use super::fault::Fault;
use super::h2_service::H2Service;
use super::limit_log::Limit;
use super::peer_name::PeerName;
use super::services::Services;
use super::taps::Taps;
use super::trace;
use super::turn::Turn;
use crate::exchange::{ActiveRequest, ContentHold, RequestKey, Response, Size};
use crate::h1::{self, BodyLength, ContentEnd, Event};
use crate::h2::Direction;
use crate::http::{Field, Fields, Scheme};
use crate::telemetry::access_log::{Entry, LostOutput, Unsent};
use crate::world::{Files, Peer};
use std::rc::Rc;
use std::time::Instant;

/// A handler that cannot pass a request's body on is given no more of it beyond this: what HTTP/2's
/// window is for a stream.
const HELD_BYTES: usize = 64 << 10;

/// Content to come, in bytes, of which much is read at once.
const MUCH: u64 = 32 << 10;

/// An HTTP/1.1 connection and the request that is open on it.
pub struct H1Service<F: Files> {
    core: h1::Connection,
    active: Option<ActiveRequest<F>>,
    requests: u32,
    peer: Peer,
    /// The number of the connection, for the log.
    id: u32,
    taps: Taps,
}

/// The outcome of a step.
pub enum Advance<F: Files> {
    /// The connection waits for the peer or for room in the output.
    Done,
    /// The connection is HTTP/2 from here on (RFC 7540 §3.2).
    Upgraded(Box<H2Service<F>>),
}

impl<F: Files> H1Service<F> {
    /// A service that waits for a request.
    pub fn new(scheme: Scheme, client: PeerName, taps: &Taps, services: &Services<F>) -> Self {
        let mut core = h1::Connection::new(services.http1.clone(), scheme, services.now);
        if services.http2.h2c_upgrade && scheme == Scheme::Http {
            core.report_h2c();
        }
        H1Service {
            core,
            active: None,
            requests: 0,
            peer: client.peer,
            id: client.id,
            taps: taps.clone(),
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

    /// True if no request is open.
    pub fn is_idle(&self) -> bool {
        self.active.is_none() && self.core.is_idle()
    }

    /// True if the connection is to be closed once its output is sent.
    pub fn is_over(&self) -> bool {
        self.active.is_none() && self.core.wants_close()
    }

    /// The meaning that the end of the connection has for the last response.
    pub fn content_end(&self) -> ContentEnd {
        self.core.content_end()
    }

    /// The time at which [`H1Service::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let due = self.active.as_ref().and_then(ActiveRequest::due);
        self.core.next_deadline().into_iter().chain(due).min()
    }

    /// The peer will send no more than what is `kept`.
    pub fn finish_input(&mut self, kept: &[u8], turn: &mut Turn<'_, F>) -> Result<(), Fault> {
        let result = self.core.finish_input();
        result.map_err(|error| self.fail(error, kept, turn))
    }

    /// True if more bytes from the peer would be of use now.
    pub fn wants_input(&self) -> bool {
        match &self.active {
            Some(active) => self.core.wants_input() && active.held() < HELD_BYTES,
            None => self.core.wants_input(),
        }
    }

    /// True if much content of the open request is to come, and its exchange has passed on what came before.
    pub fn receives_content(&self) -> bool {
        let is_free = |active: &ActiveRequest<F>| active.held() == 0;
        let to_come = self.core.body_to_come();
        to_come.is_some_and(|to_come| to_come >= MUCH) && self.active.as_ref().is_some_and(is_free)
    }

    /// Takes what it can of `input`, answers, and fills the output up to `limit` bytes.
    pub fn advance(
        &mut self,
        input: &mut &[u8],
        fields: &mut Fields,
        limit: usize,
        turn: &mut Turn<'_, F>,
    ) -> Result<Advance<F>, Fault> {
        while self.core.output().len() + turn.splices.len() < limit {
            if self.wants_input() && turn.may_request() {
                let Services {
                    last_request, now, ..
                } = &mut *turn.services;
                let before = last_request.number();
                match self.core.receive_like(input, fields, last_request, *now) {
                    Ok(Some(event)) => {
                        let number = turn.services.last_request.number();
                        let repeats = (number == before).then_some(number);
                        match self.handle(event, repeats, turn)? {
                            Some(upgraded) => return Ok(Advance::Upgraded(upgraded)),
                            None => continue,
                        }
                    }
                    Ok(None) => {}
                    Err(error) => return Err(self.fail(error, input, turn)),
                }
            }
            let was_full = !self.wants_input();
            if !self.produce(limit, turn)? {
                // An exchange that has let go of content may have the rest of its request in `input`.
                if was_full && self.wants_input() && turn.may_request() {
                    continue;
                }
                break;
            }
        }
        if !self.wants_input() {
            // The peer is not to blame for bytes that it is not asked for.
            self.core.pause_input(turn.services.now);
        }
        Ok(Advance::Done)
    }

    /// Takes an event. `repeats` is the number of the last request, if the request of the event is equal to it.
    fn handle(
        &mut self,
        event: Event<'_>,
        repeats: Option<u64>,
        turn: &mut Turn<'_, F>,
    ) -> Result<Option<Box<H2Service<F>>>, Fault> {
        match event {
            Event::Request {
                fields,
                end_stream,
                expects_continue,
                upgrade,
            } => {
                if let Some(upgrade) = upgrade
                    && let Some(service) = self.upgrade(upgrade.settings, fields, turn)
                {
                    return Ok(Some(Box::new(service)));
                }
                let expectation = if expects_continue {
                    ContentHold::UntilContinue
                } else {
                    ContentHold::Nothing
                };
                self.request(fields, (end_stream, expectation), repeats, turn);
            }
            Event::Data { data, end_stream } => {
                self.data(data, turn)?;
                self.end_request(end_stream, turn);
            }
            Event::Trailers { fields } => {
                if let Some(active) = &mut self.active {
                    active.receive_trailers(fields, &turn.services.means);
                }
                self.end_request(true, turn);
            }
        }
        Ok(None)
    }

    fn upgrade(
        &mut self,
        settings: &[u8],
        fields: &Fields,
        turn: &mut Turn<'_, F>,
    ) -> Option<H2Service<F>> {
        let mut service = H2Service::upgraded(settings, fields, (self.name(), &self.taps), turn)?;
        self.core.switch_protocols();
        let mut output = self.core.take_output();
        output.append(&mut service.core().take_output());
        *service.core().output() = output;
        Some(service)
    }

    fn request(
        &mut self,
        fields: &Fields,
        (end_stream, expectation): (bool, ContentHold),
        repeats: Option<u64>,
        turn: &mut Turn<'_, F>,
    ) {
        self.requests = self.requests.wrapping_add(1);
        if repeats.is_some_and(|number| self.answer_again(number, fields, turn)) {
            return;
        }
        let version = self.core.version().as_str();
        self.show_head(Direction::Received, version, fields.iter());
        let accepted = turn.accept(&Arrived {
            fields,
            peer: self.peer,
            version,
            key: self.key(),
            expectation,
            hold: HELD_BYTES,
            refusal: None,
        });
        match accepted {
            Accepted::Response(response, entry) => {
                if let Some(number) = repeats {
                    Self::learn_answer(number, &response, turn);
                }
                if !end_stream {
                    self.core.discard_body();
                }
                self.respond(response, entry, turn);
            }
            Accepted::Exchange(active) => {
                self.active = Some(active);
                self.end_request(end_stream, turn);
            }
        }
    }

    /// The name of the open request.
    fn key(&self) -> RequestKey {
        RequestKey(self.requests)
    }

    fn data(&mut self, data: &[u8], turn: &mut Turn<'_, F>) -> Result<(), Fault> {
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        turn.moved += data.len();
        turn.content += data.len();
        let most = turn.services.limits.request_body_bytes;
        if active.receive(data, most, &turn.services.means).is_ok() {
            return Ok(());
        }
        if active.has_head() {
            turn.services.report(Limit::BodySize, self.peer, TOO_LARGE);
            return Err(self.cut_off(TOO_LARGE, turn.services));
        }
        if let Some(active) = self.active.take() {
            self.core.discard_body();
            let (response, entry) = turn.services.refuse_content(active, self.peer);
            self.respond(response, entry, turn);
        }
        Ok(())
    }

    /// The request has been received whole, where it `ended`.
    fn end_request(&mut self, ended: bool, turn: &mut Turn<'_, F>) {
        if let Some(active) = &mut self.active
            && ended
        {
            active.finish_request(&turn.services.means);
            if active.has_ended() {
                self.complete(turn.services);
            }
        }
    }

    /// Sends a response whose head is known; its content follows as there is room.
    fn respond(
        &mut self,
        Response {
            status,
            fields,
            body,
        }: Response<F>,
        entry: Option<Box<Entry>>,
        turn: &mut Turn<'_, F>,
    ) {
        // Each part is found and read like a file of its own.
        turn.requests = turn.requests.saturating_sub(body.parts());
        let mut active = ActiveRequest::content(status, body, turn.services.now, entry);
        let length = length_of(active.size());
        self.trace_response(status, fields.iter());
        self.send_head(status, &fields, length, turn);
        if length == BodyLength::None {
            active.conclude(&mut turn.services.log, None);
            self.active = None;
        } else {
            self.active = Some(active);
        }
    }

    /// Sends a head, whose fields other responses may share.
    fn send_head(
        &mut self,
        status: u16,
        fields: &Rc<Fields>,
        length: BodyLength,
        turn: &mut Turn<'_, F>,
    ) {
        turn.services.head_lines.note(fields);
        let last = turn.last_fields();
        match turn.services.head_lines.get(fields) {
            // Without content the fields tell its length.
            Some(lines) if length != BodyLength::None => {
                self.core.send_head_of_lines(status, lines, last, length);
            }
            _ => self
                .core
                .send_head(status, fields.iter().chain(last), length),
        }
    }

    fn trace_response<'f>(&self, status: u16, fields: impl Iterator<Item = Field<'f>> + Clone) {
        if trace::is_on() || !self.taps.is_empty() {
            let line = format!("HTTP/1.1 {status}");
            self.show_head(Direction::Sent, &line, fields);
        }
    }

    /// The response has been sent whole. The rest of the request's body is dropped.
    fn complete(&mut self, services: &mut Services<F>) {
        if self.core.is_reading_body() {
            self.core.discard_body();
        }
        if let Some(mut active) = self.active.take() {
            active.conclude(&mut services.log, None);
        }
    }

    /// The kernel got what was made so far.
    pub fn note_first_byte(&mut self, clock: &mut dyn FnMut() -> Instant) {
        if let Some(active) = &mut self.active {
            active.note_first_byte(clock);
        }
    }

    /// The connection is over: the request is concluded as it stands.
    pub fn close(&mut self, services: &mut Services<F>) {
        if let Some(mut active) = self.active.take() {
            active.abandon(&mut services.log, None, &services.means);
        }
    }

    /// The end of the output is lost: the open request is concluded, and before it those whose content
    /// is among what is lost.
    pub fn lose(
        &mut self,
        mut lost: LostOutput,
        unlogged: &mut Unsent,
        services: &mut Services<F>,
    ) {
        let mut active = self.active.take();
        let reason = active.as_mut().and_then(|active| active.lose(&mut lost));
        if let Some(log) = &mut services.log {
            log.lose(lost, unlogged);
        }
        if let Some(mut active) = active {
            active.abandon(&mut services.log, reason, &services.means);
        }
    }

    /// Deals with a deadline of the core, or of the exchange, that has passed.
    pub fn handle_timeout(&mut self, kept: &[u8], turn: &mut Turn<'_, F>) -> Result<(), Fault> {
        if let Some(active) = &mut self.active
            && let Err(failure) = active.handle_timeout(turn.services.now)
        {
            if active.has_head() {
                return Err(self.cut_short(&failure, turn.services));
            }
            self.fail_open(&failure, turn);
        }
        if self
            .active
            .as_ref()
            .is_some_and(ActiveRequest::may_be_silent)
        {
            self.core.excuse_body();
        }
        self.core.set_patience(turn.services.patience);
        let result = self.core.handle_timeout(turn.services.now);
        result.map_err(|error| self.fail(error, kept, turn))
    }

    /// The core has ended the connection, at the beginning of `input`. Its answer wants the fields of
    /// every response, and its line in the log.
    fn fail(&mut self, error: h1::Error, input: &[u8], turn: &mut Turn<'_, F>) -> Fault {
        log::debug!("{}: {error}", self.name());
        if let Some(limit) = Limit::of_h1(error) {
            turn.services.report(limit, self.peer, error.reason());
        }
        let common = turn.services.routes.common_fields();
        let fields = common.iter().chain(turn.last_fields());
        let refusal = self.core.complete_refusal(fields);
        match (self.active.take(), refusal) {
            // An open request has its line already: what was wrong was its content.
            (Some(mut active), refusal) => {
                if let Some(refusal) = refusal {
                    active.refuse(refusal.status, refusal.content_bytes.into());
                }
                active.abandon(
                    &mut turn.services.log,
                    Some(error.reason()),
                    &turn.services.means,
                );
            }
            (None, Some(refusal)) if turn.services.log.is_some() => {
                let mut fields = Fields::new();
                let version = h1::glimpse(input, &mut fields);
                let answer = (refusal.status, refusal.content_bytes.into());
                turn.log_refusal(self.peer, version, &fields, error.reason(), answer);
            }
            _ => {}
        }
        Fault
    }
}

/// The framing of content of this size.
fn length_of(size: Size) -> BodyLength {
    match size {
        Size::None => BodyLength::None,
        Size::Known(len) => BodyLength::Known(len),
        Size::Unknown => BodyLength::Unknown,
    }
}
