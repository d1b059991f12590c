//! HTTP/2 on a connection: the core's events become requests of the handlers; in `batching` requests are read before
//! they are answered, in `repeating` those that repeat another get its answer, in `opening` the steps of an exchange
//! become heads, in `content` the scheduler's grants become DATA, and in `receiving` DATA of the client becomes content
//! of a request.

mod batching;
mod content;
mod looking;
mod open_requests;
mod opening;
mod receiving;
mod repeating;

use super::answering::{Accepted, Arrived};
use super::batch::BatchedHead;
use super::fault::Fault;
use super::limit_log::Limit;
use super::peer_name::PeerName;
use super::services::Services;
use super::taps::Taps;
use super::turn::Turn;
use crate::content::Body;
use crate::exchange::{ActiveRequest, ContentHold, RequestKey, Response};
use crate::h2::{self, Cause, ConnectionError, ErrorCode, Event, StreamError, StreamKey};
use crate::http::{Expected, Field, Fields, printable};
use crate::telemetry::access_log::Entry;
use crate::world::{Files, Peer};
use looking::observer;
use open_requests::{OpenRequests, SentHead, SharedFields};
use repeating::RepeatedAnswer;
use std::rc::Rc;
use std::time::Instant;

/// The reason in the log for a response whose head HTTP/2 cannot carry.
const UNSENDABLE: &str = "the response cannot be sent";

/// An HTTP/2 connection and the requests that are open on it.
pub struct H2Service<F: Files> {
    core: h2::Connection,
    open: OpenRequests<F>,
    requests: u32,
    peer: Peer,
    /// The number of the connection, for the log.
    id: u32,
    /// True once the first GOAWAY is said.
    is_leaving: bool,
    /// Microseconds of the last round trip that was measured, or 0.
    #[cfg(feature = "panel")]
    round_trip_us: u32,
}

impl<F: Files> H2Service<F> {
    /// A service that waits for the client's preface.
    pub fn new(client: PeerName, taps: &Taps, services: &Services<F>) -> Self {
        let mut core = h2::Connection::server(services.http2.clone(), services.now);
        core.set_observer(observer(&core, client, taps, services));
        Self::with_core(core, client)
    }

    fn with_core(core: h2::Connection, client: PeerName) -> Self {
        H2Service {
            core,
            open: OpenRequests::default(),
            requests: 0,
            peer: client.peer,
            id: client.id,
            is_leaving: false,
            #[cfg(feature = "panel")]
            round_trip_us: 0,
        }
    }

    /// A service for a connection that came by `Upgrade: h2c` (RFC 7540 §3.2): the request that
    /// asked for it is stream 1.
    pub fn upgraded(
        settings: &[u8],
        fields: &Fields,
        (client, taps): (PeerName, &Taps),
        turn: &mut Turn<'_, F>,
    ) -> Option<Self> {
        let (mut core, stream) = h2::Connection::server_upgraded(
            turn.services.http2.clone(),
            settings,
            turn.services.now,
        )
        .ok()?;
        core.set_observer(observer(&core, client, taps, turn.services));
        let mut service = Self::with_core(core, client);
        let head = BatchedHead {
            stream,
            end_stream: true,
            expected: Expected::Nothing,
            is_followed: false,
        };
        service.request(head, fields, turn);
        Some(service)
    }

    /// The core, for what every protocol has: output, deadlines.
    pub fn core(&mut self) -> &mut h2::Connection {
        &mut self.core
    }

    /// True if no request is open.
    pub fn is_idle(&self) -> bool {
        self.core.is_idle() && !self.open.has_postponed()
    }

    /// Leaves gracefully, for the first of the reasons to leave. A second one, within the time for the second
    /// GOAWAY, does not hasten that: requests are on their way.
    pub fn leave(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_leaving, true) {
            self.core.shutdown(now);
        }
    }

    /// Open streams.
    pub fn streams(&self) -> usize {
        self.core.streams()
    }

    /// The kernel got what was made so far.
    pub fn note_first_bytes(&mut self, clock: &mut dyn FnMut() -> Instant) {
        for active in self.open.iter_mut() {
            active.note_first_byte(clock);
        }
    }

    /// The memory that it takes. What handlers hold of requests, their windows know.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.core.memory() + self.open.memory()
    }

    /// Requests so far.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// The time at which [`H2Service::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.core
            .next_deadline()
            .into_iter()
            .chain(self.open.due())
            .min()
    }

    fn handle(&mut self, event: Event<'_>, turn: &mut Turn<'_, F>) {
        match event {
            Event::HeadersTooLarge { stream, fields, .. } => {
                turn.requests = turn.requests.saturating_sub(1);
                turn.services
                    .report(Limit::HeaderSize, self.peer, "header section too large");
                self.requests = self.requests.wrapping_add(1);
                let reason = "header section too large";
                turn.log_refusal(self.peer, "HTTP/2.0", fields, reason, (431, 0));
                // Whether it was a HEAD may be in what was cut off, so there is no content.
                let response = Response {
                    status: 431,
                    fields: turn.services.routes.common_fields(),
                    body: Body::Empty,
                };
                self.respond(stream, response, None, turn);
            }
            Event::Data {
                stream,
                data,
                flow_controlled_len,
                end_stream,
            } => {
                self.release_padding(stream, data, flow_controlled_len);
                self.data(stream, data, end_stream, turn);
            }
            Event::Trailers { stream, fields } => {
                if let Some(active) = self.open.get_mut(stream) {
                    active.receive_trailers(fields, &turn.services.means);
                }
                self.data(stream, &[], true, turn);
            }
            Event::StreamReset {
                stream, by, code, ..
            } => {
                let mut why = None;
                match by {
                    Cause::Stalled => {
                        why = Some("a stream did not move");
                        turn.services
                            .report(Limit::Stall, self.peer, "a stream did not move");
                    }
                    Cause::Error(reason) => {
                        turn.requests = turn.requests.saturating_sub(1);
                        why = Some(reason);
                        let id = stream.id();
                        log::debug!("{}: stream {id}: {code}: {reason}", self.name());
                    }
                    Cause::Peer | Cause::GoAway => {}
                }
                self.remove(stream, why, turn.services);
            }
            Event::RequestRejected {
                stream_id,
                fields,
                error,
            } => {
                // They count as requests do, or they could flood the log, as do faults of streams below.
                turn.requests = turn.requests.saturating_sub(1);
                turn.log_refusal(self.peer, "HTTP/2.0", fields, error.reason, (0, 0));
                if error == StreamError::TOO_MANY {
                    turn.services
                        .report(Limit::Streams, self.peer, "one stream too many, refused");
                } else {
                    log::debug!("{}: request on stream {stream_id}: {error}", self.name());
                }
            }
            Event::StreamError {
                stream_id, error, ..
            } => {
                turn.requests = turn.requests.saturating_sub(1);
                log::debug!("{}: stream {stream_id}: {error}", self.name());
            }
            Event::GoAway { code, debug, .. } => log::debug!(
                "{}: GOAWAY received: {code} \"{}\"",
                self.name(),
                printable(debug)
            ),
            #[cfg(feature = "panel")]
            Event::PingAcknowledged { round_trip, .. } => {
                let micros = u32::try_from(round_trip.as_micros());
                self.round_trip_us = micros.unwrap_or(u32::MAX);
            }
            _ => {}
        }
    }

    /// Has a request answered. Gives the answer if equal requests follow that get it as well.
    fn request(
        &mut self,
        head: BatchedHead,
        fields: &Fields,
        turn: &mut Turn<'_, F>,
    ) -> Option<RepeatedAnswer<F>> {
        let BatchedHead {
            stream,
            end_stream,
            expected,
            is_followed,
        } = head;
        self.requests = self.requests.wrapping_add(1);
        let expectation = match expected {
            Expected::Continue => ContentHold::UntilContinue,
            Expected::Nothing | Expected::Unknown => ContentHold::Nothing,
        };
        let accepted = turn.accept(&Arrived {
            fields,
            peer: self.peer,
            version: "HTTP/2.0",
            key: key_of(stream),
            expectation,
            hold: self.core.most_held(),
            refusal: match expected {
                // As HTTP/1.1 without Host (RFC 9112 §3.2).
                _ if fields.authority().is_none() => Some(400),
                Expected::Unknown => Some(417),
                Expected::Nothing | Expected::Continue => None,
            },
        });
        match accepted {
            Accepted::Response(response, entry) => {
                let answer = is_followed.then(|| RepeatedAnswer::of(&response, turn));
                self.respond(stream, response, entry, turn);
                answer.flatten()
            }
            Accepted::Exchange(mut active) => {
                if end_stream {
                    active.finish_request(&turn.services.means);
                }
                self.open.insert(stream, active);
                match expectation {
                    ContentHold::UntilContinue => self.open.push_pending(stream),
                    ContentHold::Nothing => self.poll(stream, turn),
                }
                None
            }
        }
    }

    /// Sends a response whose head is known; its content waits for grants.
    fn respond(
        &mut self,
        stream: StreamKey,
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
        let remaining = active.remaining();
        let end_stream = remaining == Some(0);
        if !self.send_shared_head(stream, status, fields, end_stream, turn) {
            let reason = Some(UNSENDABLE);
            active.abandon(&mut turn.services.log, reason, &turn.services.means);
        } else if end_stream || self.send_whole(stream, &mut active, turn) {
            self.complete(stream, active, turn.services);
        } else {
            self.open.insert(stream, active);
            self.core.set_ready(stream, remaining);
        }
    }

    /// Sends a head whose fields may be those of the response before it, in which case it is the same.
    /// False if it could not be sent, and the stream was reset.
    fn send_shared_head(
        &mut self,
        stream: StreamKey,
        status: u16,
        fields: Rc<Fields>,
        end_stream: bool,
        turn: &Turn<'_, F>,
    ) -> bool {
        let head = SentHead {
            fields: SharedFields(fields),
            date: turn.services.date_tick(),
            status,
        };
        if self.open.repeats(&head) && self.core.repeat_headers(stream, end_stream) == Ok(true) {
            return true;
        }
        let is_sent = self.send_head(stream, status, &head.fields.0, end_stream, turn);
        if is_sent {
            self.open.remember_head(head);
        }
        is_sent
    }

    /// Sends a head; false if it could not be sent, and the stream was reset.
    fn send_head(
        &mut self,
        stream: StreamKey,
        status: u16,
        fields: &Fields,
        end_stream: bool,
        turn: &Turn<'_, F>,
    ) -> bool {
        let digits = status_digits(status);
        let status = std::iter::once(Field::new(b":status", &digits));
        let last = turn.last_fields();
        let fields = status.chain(fields.iter()).chain(last);
        self.open.forget_head();
        let result = self.core.send_headers(stream, fields, end_stream);
        if let Err(misuse) = result {
            log::error!("{}: a response was not sent: {misuse}", self.peer);
            self.core.reset(stream, ErrorCode::INTERNAL_ERROR);
        }
        result.is_ok()
    }

    /// A response has been sent whole. What still comes of the request is dropped (RFC 9113 §8.1).
    fn complete(
        &mut self,
        stream: StreamKey,
        mut active: ActiveRequest<F>,
        services: &mut Services<F>,
    ) {
        active.conclude(&mut services.log, None);
        self.core.discard(stream);
    }

    fn remove(
        &mut self,
        stream: StreamKey,
        reason: Option<&'static str>,
        services: &mut Services<F>,
    ) {
        if let Some(mut active) = self.open.take(stream) {
            active.abandon(&mut services.log, reason, &services.means);
        }
    }

    /// The connection is over: every open request is concluded as it stands.
    pub fn close(&mut self, turn: &mut Turn<'_, F>) {
        while let Some((_, fields)) = self.open.take_postponed() {
            self.refuse(&fields, "closed before it was answered", turn);
        }
        let services = &mut *turn.services;
        for mut active in self.open.take_all() {
            active.abandon(&mut services.log, None, &services.means);
        }
    }

    /// Deals with a deadline of the core, or of an exchange, that has passed.
    pub fn handle_timeout(&mut self, turn: &mut Turn<'_, F>) -> Result<(), Fault> {
        if self.open.due().is_some_and(|due| due <= turn.services.now) {
            self.handle_due(turn);
        }
        self.excuse_silence();
        self.core.set_patience(turn.services.patience);
        let result = self.core.handle_timeout(turn.services.now);
        result.map_err(|error| self.fail(error, turn.services))
    }

    /// The core has ended the connection.
    fn fail(&self, error: ConnectionError, services: &mut Services<F>) -> Fault {
        log::debug!("{}: {error}", self.name());
        if let Some(limit) = Limit::of_h2(&error) {
            services.report(limit, self.peer, error.reason);
        }
        Fault
    }

    /// Gives back what an idle connection does not need.
    pub fn shrink(&mut self) {
        self.core.shrink();
        self.open.shrink();
    }

    /// Gives back what the next request allocates again at a low price.
    pub fn trim(&mut self) {
        self.core.trim();
        self.open.shrink();
    }
}

/// A stream as wakes name it.
fn key_of(stream: StreamKey) -> RequestKey {
    RequestKey(stream.id())
}

fn status_digits(status: u16) -> [u8; 3] {
    let digit = |value: u16| b'0' + (value % 10) as u8;
    [digit(status / 100), digit(status / 10), digit(status)]
}

#[cfg(test)]
mod tests;
