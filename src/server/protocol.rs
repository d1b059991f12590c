//! The protocol that a connection speaks, once that is known.

use super::batch::Batch;
use super::fault::Fault;
use super::h1_service::{Advance, H1Service};
use super::h2_service::H2Service;
use super::obstacle::ObstacleCounts;
use super::peer_name::PeerName;
use super::services::Services;
use super::taps::Taps;
use super::turn::Turn;
use crate::exchange::{RequestKey, WakeCause};
use crate::h1::ContentEnd;
#[cfg(feature = "panel")]
use crate::h2::Budgets;
use crate::h2::ErrorCode;
use crate::h2::frame::PREFACE;
use crate::http::{Fields, Scheme};
#[cfg(feature = "panel")]
use crate::inspect::{H2Whole, RequestWhole};
use crate::link::Transport;
use crate::telemetry::access_log::{LostOutput, Unsent};
use crate::world::Files;
use rustls::server::UnbufferedServerConnection;
use std::time::Instant;

/// Room in the output of a connection, which decides about everything that may be put into it.
#[derive(Clone, Copy)]
pub enum OutputRoom {
    /// The socket has taken everything: a piece of so many bytes may be made, with content of responses.
    Piece(usize),
    /// Output waits for the socket: short answers that input calls for may be made, up to so many bytes.
    Answers(usize),
    /// Too much output waits: nothing may be made.
    None,
}

/// The protocol that a connection speaks.
pub enum Protocol<F: Files> {
    /// HTTP/1.1 and HTTP/1.0
    H1(Box<H1Service<F>>),
    /// HTTP/2
    H2(Box<H2Service<F>>),
}

impl<F: Files> Protocol<F> {
    /// Decides by ALPN on TLS, by the first bytes on cleartext: only HTTP/2 begins with its preface
    /// (RFC 9113 §3.3, §3.4). None while either is incomplete.
    pub fn choose(
        transport: &Transport<UnbufferedServerConnection>,
        input: &[u8],
        (scheme, client, taps): (Scheme, PeerName, &Taps),
        services: &Services<F>,
    ) -> Option<Self> {
        let h2 = match transport {
            Transport::Tls(tls) if tls.is_handshaking() => return None,
            Transport::Tls(tls) => tls.alpn() == Some(b"h2"),
            Transport::Plain if input.len() < PREFACE.len() && PREFACE.starts_with(input) => {
                return None;
            }
            // Nothing but a preface begins so: the method is reserved for it (RFC 7540 §11.6), and a
            // wrong one is answered as HTTP/2.
            Transport::Plain => input.starts_with(b"PRI "),
        };
        Some(if h2 {
            Protocol::H2(Box::new(H2Service::new(client, taps, services)))
        } else {
            Protocol::H1(Box::new(H1Service::new(scheme, client, taps, services)))
        })
    }

    /// The protocol's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Protocol::H1(_) => "HTTP/1.1",
            Protocol::H2(_) => "HTTP/2",
        }
    }

    /// Takes what it can of `input`, and fills the output as far as there is room. HTTP/1.1 has no short
    /// answers: its responses wait for a whole piece.
    pub fn advance(
        &mut self,
        input: &mut &[u8],
        (fields, batch): (&mut Fields, &mut Batch),
        room: OutputRoom,
        turn: &mut Turn<'_, F>,
    ) -> Result<(), Fault> {
        turn.content_end = 0;
        match self {
            Protocol::H1(service) => {
                let OutputRoom::Piece(limit) = room else {
                    service.core().pause_input(turn.services.now);
                    return Ok(());
                };
                if let Advance::Upgraded(service) = service.advance(input, fields, limit, turn)? {
                    *self = Protocol::H2(service);
                    return self.advance(input, (fields, batch), room, turn);
                }
            }
            Protocol::H2(service) => match room {
                OutputRoom::None => service.core().pause_input(turn.services.now),
                OutputRoom::Answers(limit) => service.receive(input, batch, limit, turn)?,
                OutputRoom::Piece(limit) => {
                    turn.content_end = limit;
                    service.receive(input, batch, limit, turn)?;
                    service.produce(limit, turn);
                }
            },
        }
        Ok(())
    }

    /// Lends an empty buffer for the output.
    pub fn lend_output(&mut self, buffer: Vec<u8>) {
        match self {
            Protocol::H1(service) => service.core().lend_output(buffer),
            Protocol::H2(service) => service.core().lend_output(buffer),
        }
    }

    /// Takes the output back, and what was written into it.
    pub fn take_output(&mut self) -> Vec<u8> {
        match self {
            Protocol::H1(service) => service.core().take_output(),
            Protocol::H2(service) => service.core().take_output(),
        }
    }

    /// True if more bytes from the peer would be of use, with this room for answers to them.
    pub fn wants_input(&self, room: OutputRoom) -> bool {
        match (self, room) {
            (_, OutputRoom::None) => false,
            (Protocol::H1(service), OutputRoom::Piece(_)) => service.wants_input(),
            (Protocol::H1(_), OutputRoom::Answers(_)) => false,
            (Protocol::H2(_), _) => true,
        }
    }

    /// True if much content of a request is to come, and nothing else before its end: it takes no more time than its
    /// bytes tell, however much of it is read at once.
    pub fn receives_content(&self) -> bool {
        match self {
            Protocol::H1(service) => service.receives_content(),
            Protocol::H2(_) => false,
        }
    }

    /// True if input may have any number of parts, each of which takes time of its own: frames.
    pub fn has_small_parts(&self) -> bool {
        matches!(self, Protocol::H2(_))
    }

    /// True if the protocol is through with the connection.
    pub fn is_over(&mut self) -> bool {
        match self {
            Protocol::H1(service) => service.is_over(),
            Protocol::H2(service) => service.core().is_drained(),
        }
    }

    /// The meaning that the end of the connection has for the content of the last response. HTTP/2 ends each response
    /// by itself.
    pub fn content_end(&self) -> ContentEnd {
        match self {
            Protocol::H1(service) => service.content_end(),
            Protocol::H2(_) => ContentEnd::Told,
        }
    }

    /// True if no request is open.
    pub fn is_idle(&self) -> bool {
        match self {
            Protocol::H1(service) => service.is_idle(),
            Protocol::H2(service) => service.is_idle(),
        }
    }

    /// Requests so far. An idle connection whose number has grown was used; one whose number has not was only kept
    /// awake.
    pub fn requests(&self) -> u32 {
        match self {
            Protocol::H1(service) => service.requests(),
            Protocol::H2(service) => service.requests(),
        }
    }

    /// A request can go on.
    pub fn wake(&mut self, request: RequestKey, cause: WakeCause) {
        match self {
            Protocol::H1(service) => service.wake(request, cause),
            Protocol::H2(service) => service.wake(request, cause),
        }
    }

    /// True if a response goes on without its peer: a disk brings its content, or a rule holds it back for a time.
    pub fn goes_on_alone(&self) -> bool {
        match self {
            Protocol::H1(service) => service.goes_on_alone(),
            Protocol::H2(service) => service.goes_on_alone(),
        }
    }

    /// True if a response waits for its content.
    #[cfg(debug_assertions)]
    pub fn waits_for_content(&self) -> bool {
        match self {
            Protocol::H1(service) => service.waits_for_content(),
            Protocol::H2(service) => service.waits_for_content(),
        }
    }

    /// True if a handler alone is waited for, and nothing is read until it has answered.
    pub fn waits_for_handler(&self) -> bool {
        match self {
            Protocol::H1(service) => service.waits_for_handler(),
            Protocol::H2(_) => false,
        }
    }

    /// The peer will send no more than what is `kept`.
    pub fn finish_input(&mut self, kept: &[u8], turn: &mut Turn<'_, F>) -> Result<(), Fault> {
        match self {
            Protocol::H1(service) => service.finish_input(kept, turn),
            Protocol::H2(_) => Ok(()),
        }
    }

    /// True if the peer's end is to be passed on in another turn, because it is one side's of a tunnel.
    pub fn hears_end(&self) -> bool {
        match self {
            Protocol::H1(service) => service.hears_end(),
            Protocol::H2(_) => false,
        }
    }

    /// True if nothing more is sent, though input is still of use: our side of a tunnel has ended.
    pub fn has_ended_output(&mut self) -> bool {
        match self {
            Protocol::H1(service) => service.core().has_ended_tunnel(),
            Protocol::H2(_) => false,
        }
    }

    /// Asks the protocol to end the connection after the open requests (RFC 9113 §6.8).
    pub fn shutdown(&mut self, now: Instant) {
        match self {
            Protocol::H1(service) => service.core().shutdown(),
            Protocol::H2(service) => service.leave(now),
        }
    }

    /// The server ends.
    pub fn retire(&mut self, now: Instant) {
        match self {
            Protocol::H1(service) => service.core().retire(now),
            Protocol::H2(_) => self.shutdown(now),
        }
    }

    /// The connection is old enough: its client learns that it is to open another one, and loses no request.
    pub fn end_of_age(&mut self, now: Instant) {
        match self {
            Protocol::H1(service) => service.core().end_after_next(),
            Protocol::H2(_) => self.shutdown(now),
        }
    }

    /// The connection is to end after its first request. HTTP/2 is told when that has come: clients open
    /// no stream any more after GOAWAY.
    pub fn expect_last(&mut self) {
        if let Protocol::H1(service) = self {
            service.core().expect_last();
        }
    }

    /// The memory that it takes.
    pub fn memory(&self) -> usize {
        match self {
            Protocol::H1(service) => service.memory(),
            Protocol::H2(service) => service.memory(),
        }
    }

    /// The protocol's name in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Protocol::H1(_) => "h1",
            Protocol::H2(_) => "h2",
        }
    }

    /// Open streams of HTTP/2.
    pub fn streams(&self) -> usize {
        match self {
            Protocol::H1(_) => 0,
            Protocol::H2(service) => service.streams(),
        }
    }

    /// Open requests.
    #[cfg(feature = "panel")]
    pub fn open_requests(&self) -> usize {
        match self {
            Protocol::H1(service) => usize::from(!service.is_idle()),
            Protocol::H2(service) => service.streams(),
        }
    }

    /// Responses by their obstacles; `is_full` says that the socket takes no more.
    pub(super) fn obstacles(&self, is_full: bool) -> ObstacleCounts {
        match self {
            Protocol::H1(service) => {
                let mut counts = ObstacleCounts::default();
                counts.add(service.obstacle(is_full));
                counts
            }
            Protocol::H2(service) => service.obstacles(is_full),
        }
    }

    /// Shows frames and heads from now on to these taps, instead of those before.
    #[cfg(feature = "panel")]
    pub fn tap(&mut self, taps: &Taps, services: &Services<F>) {
        match self {
            Protocol::H1(service) => service.tap(taps),
            Protocol::H2(service) => service.tap(taps, services),
        }
    }

    /// Tells taps the state of HTTP/2, from time to time.
    #[cfg(feature = "panel")]
    pub fn tell_state(&self, taps: &Taps) {
        if let Protocol::H2(service) = self {
            service.tell_state(taps);
        }
    }

    /// Measures the round trip, where the protocol can.
    #[cfg(feature = "panel")]
    pub fn measure_round_trip(&mut self, now: Instant) {
        if let Protocol::H2(service) = self {
            service.measure_round_trip(now);
        }
    }

    /// All of it for those who look: the state of HTTP/2, or the request of HTTP/1.1.
    #[cfg(feature = "panel")]
    pub(super) fn whole(
        &self,
        is_full: bool,
        limits: &Budgets,
    ) -> (Option<H2Whole>, Option<RequestWhole>) {
        match self {
            Protocol::H1(service) => (None, service.whole(is_full)),
            Protocol::H2(service) => (Some(service.whole(is_full, limits)), None),
        }
    }

    /// The kernel got what was made so far, at the time that `clock` tells: the first bytes of responses
    /// among it.
    pub fn note_first_bytes(&mut self, clock: &mut dyn FnMut() -> Instant) {
        match self {
            Protocol::H1(service) => service.note_first_byte(clock),
            Protocol::H2(service) => service.note_first_bytes(clock),
        }
    }

    /// Asks the protocol to end the connection at once, and to say so if it can.
    pub fn abandon(&mut self, code: ErrorCode) {
        if let Protocol::H2(service) = self {
            service.core().close(code, None, b"making room");
        }
    }

    /// The time at which [`Protocol::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self {
            Protocol::H1(service) => service.next_deadline(),
            Protocol::H2(service) => service.next_deadline(),
        }
    }

    /// Deals with a deadline of the protocol that has passed; `kept` is what came and is incomplete.
    pub fn handle_timeout(&mut self, kept: &[u8], turn: &mut Turn<'_, F>) -> Result<(), Fault> {
        match self {
            Protocol::H1(service) => service.handle_timeout(kept, turn),
            Protocol::H2(service) => service.handle_timeout(turn),
        }
    }

    /// Gives back what the next request allocates again at a low price.
    pub fn trim(&mut self) {
        if let Protocol::H2(service) = self {
            service.trim();
        }
    }

    /// Gives back what an idle connection does not need.
    pub fn shrink(&mut self) {
        if let Protocol::H2(service) = self {
            service.shrink();
        }
    }

    /// The end of the output is lost: open requests are concluded, and the lines of all whose content is
    /// among it say why. `unlogged` are the requests that ended before, whose output waited.
    pub fn lose(&mut self, lost: LostOutput, unlogged: &mut Unsent, turn: &mut Turn<'_, F>) {
        match self {
            Protocol::H1(service) => service.lose(lost, unlogged, turn.services),
            // Its output holds no file: ranges of files are read when their frames are made.
            Protocol::H2(service) => service.close(turn),
        }
    }

    /// The connection is over: open requests are concluded as they stand.
    pub fn close(&mut self, turn: &mut Turn<'_, F>) {
        match self {
            Protocol::H1(service) => service.close(turn.services),
            Protocol::H2(service) => service.close(turn),
        }
    }
}
