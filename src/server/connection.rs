//! One connection: socket, transport, protocol, and the states it goes through.
//!
//! ```text
//!         preface or request           error, end, drained            all sent       that too
//!  Opening ────────────────▶ Serving ─────────────────────▶ Flushing ──────▶ Ending ──────▶ Lingering
//!     │                         │                              │                │               │
//!     └── deadline ─────────────┴── socket error ──────────────┴── deadline ────┴── end ────────┴─▶ Closed
//! ```
//!
//! A connection keeps bytes of its own only while a frame, a head or a record is incomplete, or while
//! its socket takes no more. Readiness is edge-triggered, so it is remembered until the socket would
//! block; a connection that ran out of its turn's budget asks for another turn.

mod account;
mod ending;
mod idleness;
mod introduction;
mod looking;
mod phase;
#[cfg(debug_assertions)]
mod progress;
mod reading;
mod waiting;
mod writing;
mod wrong_port;

#[cfg(debug_assertions)]
pub use progress::Prospect;

use super::batch::Batch;
use super::lent::Buffers;
use super::listener_role::ListenerRole;
use super::protocol::{OutputRoom, Protocol};
use super::services::Services;
use super::taps::Taps;
use super::turn::{REQUEST_EFFORT, Turn};
use super::watch::ProgressWatch;
use crate::exchange::{RequestKey, WakeCause};
use crate::http::{Fields, Scheme};
use crate::link::{Link, Transport};
use crate::telemetry::access_log::Unsent;
use crate::tls::records::{Tls, WireBuffer};
use crate::tls::{self, Names, TlsContext};
use crate::world::{Files, Outside, Peer};
use introduction::Introduction;
#[cfg(feature = "panel")]
use looking::Seen;
use phase::{Farewell, Phase, Serving};
use reading::KEPT_SLACK;
use rustls::server::UnbufferedServerConnection;
use std::io;
use std::time::{Duration, Instant};

/// A piece of output that stayed this far below its size was not cut short by it: the protocol has no
/// more.
const OUTPUT_SLACK: usize = 2 << 10;

/// Effort of a step of the TLS handshake, in bytes: a signature takes longer than any other turn.
const HANDSHAKE_EFFORT: usize = 64 << 10;

/// Time that a connection has to be opened once the server stops: a handshake and a request over a slow
/// line, and no long wait for a preconnection that says nothing.
const LAST_OPENING: Duration = Duration::from_secs(1);

/// The wish of a connection after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To hear of readiness or of its deadline.
    Wait,
    /// Another turn as soon as the others have had theirs.
    Again,
    /// To be counted under the address that its header told, and then another turn.
    Introduced,
    /// To be forgotten.
    Closed,
}

/// One connection.
pub struct Connection<K, F: Files> {
    link: Link<Outside<K, F>, UnbufferedServerConnection>,
    phase: Phase<F>,
    peer: Peer,
    introduction: Introduction,
    /// The scheme that a balancer says the client used.
    introduced_scheme: Option<Scheme>,
    /// Input that the protocol could not take yet: an incomplete frame or head, or pipelined
    /// requests that wait for the response before them.
    kept: Vec<u8>,
    left: Left,
    flow: InputFlow,
    names: Names,
    role: ListenerRole,
    /// Lines of the log that wait for the socket.
    unlogged: Unsent,
    taps: Taps,
    #[cfg(feature = "panel")]
    seen: Option<Box<Seen>>,
    watch: ProgressWatch,
}

/// The reason for which input was kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// It is part of a frame or a head.
    Part,
    /// The turn's budget was used up: what is there is taken before more is read, so that no connection
    /// keeps more than one turn reads.
    Whole,
}

/// The kind of input that came last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InputFlow {
    /// Anything.
    Mixed,
    /// Content of requests, in frames of some length.
    Content,
}

/// Input of one read, in bytes, that says of what comes next.
const MUCH: usize = 8 << 10;

impl<K, F: Files> Connection<K, F> {
    /// A connection that was just accepted.
    pub fn new(
        socket: K,
        tls: Option<Tls<UnbufferedServerConnection>>,
        peer: Peer,
        services: &Services<F>,
    ) -> Self {
        let wait = match tls {
            Some(_) => services.timeouts.handshake,
            None => services.timeouts.preface,
        };
        Connection {
            link: Link::accepted(socket, tls),
            phase: Phase::Opening {
                deadline: services.now + wait,
                farewell: Farewell::None,
            },
            peer,
            introduction: Introduction::Direct,
            introduced_scheme: None,
            kept: Vec::new(),
            left: Left::Part,
            flow: InputFlow::Mixed,
            names: Names::Any,
            role: ListenerRole::Public,
            unlogged: Unsent::default(),
            taps: Taps::default(),
            #[cfg(feature = "panel")]
            seen: Seen::begin(services),
            watch: ProgressWatch::default(),
        }
    }

    /// The peer at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The socket, to be registered.
    pub fn socket(&mut self) -> &mut K {
        self.link.socket()
    }

    /// True while the TLS handshake is unfinished.
    pub fn is_handshaking(&self) -> bool {
        matches!(self.phase, Phase::Opening { .. }) && self.link.is_secure()
    }

    /// Remembers what the poll told.
    pub fn ready(&mut self, readable: bool, read_closed: bool) {
        self.link.ready(readable, read_closed);
    }

    /// Reads, serves and writes, within the budget of a turn.
    pub fn take_turn(&mut self, world: &mut Outside<K, F>, turn: &mut Turn<'_, F>) -> Wish {
        let Some(buffers) = turn.buffers.take() else {
            debug_assert!(false, "a turn has no other turn within it");
            return self.close(world, turn);
        };
        // An error may have left records of another connection there.
        buffers.wire.clear();
        let result = match self.phase {
            Phase::Opening { .. } if self.introduction == Introduction::Awaited => {
                self.take_introduction(buffers, world, turn)
            }
            Phase::Opening { .. } | Phase::Serving(_) => self.serve(buffers, world, turn),
            Phase::Flushing(_) | Phase::Ending => self.flush(&[], world, turn).map(|()| Wish::Wait),
            Phase::Lingering { .. } => self.linger(&mut buffers.read, world, turn),
            Phase::Closed => Ok(Wish::Closed),
        };
        let wish = result.and_then(|wish| self.settle(wish, &mut buffers.wire, world, turn));
        turn.buffers = Some(buffers);
        self.log_ended(world, turn);
        wish.unwrap_or_else(|error| {
            log::debug!("{}: {error}", turn.name(self.peer));
            turn.splices.clear();
            self.close(world, turn)
        })
    }

    /// A request, or the output, can go on. It does in the connection's next turn.
    pub fn wake(&mut self, request: RequestKey, cause: WakeCause) {
        if request == RequestKey::OUTPUT {
            self.link.wake();
        } else if let Some(protocol) = self.phase.protocol_mut() {
            protocol.wake(request, cause);
        }
    }

    /// Closes at once.
    pub fn close(&mut self, world: &mut Outside<K, F>, turn: &mut Turn<'_, F>) -> Wish {
        self.reset_within_content(world);
        if let Some(protocol) = self.phase.protocol_mut() {
            protocol.close(turn);
        }
        self.phase = Phase::Closed;
        if let Some(log) = &mut turn.services.log {
            log.record_ended(&mut self.unlogged, world.now());
        }
        Wish::Closed
    }

    /// Ends the connection after what is open on it. One that is just being opened is served first: its
    /// request waits already, or is on its way.
    pub fn shutdown(&mut self, world: &mut Outside<K, F>, turn: &mut Turn<'_, F>) -> Wish {
        let now = turn.services.now;
        match &mut self.phase {
            Phase::Opening { deadline, farewell } => {
                *deadline = (*deadline).min(now + LAST_OPENING);
                *farewell = Farewell::Due;
            }
            phase => {
                if let Some(protocol) = phase.protocol_mut() {
                    protocol.retire(now);
                }
            }
        }
        self.take_turn(world, turn)
    }

    /// One turn of a connection on which requests come. An error is the socket's, and final.
    fn serve(
        &mut self,
        buffers: &mut Buffers,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<Wish> {
        let Buffers {
            read,
            plain,
            output,
            wire,
            fields,
            batch,
            ..
        } = buffers;
        self.flush(&[], world, turn)?;
        let mut long = self.take_long();
        let is_long = long.is_some();
        let mut input = match &mut long {
            Some(kept) => self.long_input(kept, read, wire, world, turn)?,
            None => self.input(read, plain, wire, world, turn)?,
        };
        if let Phase::Flushing(_) = self.phase {
            return Ok(Wish::Wait);
        }
        self.left = Left::Part;
        if let Phase::Opening { deadline, farewell } = self.phase {
            self.choose_protocol(input, (deadline, farewell), turn);
        }
        if self.is_handshaking() {
            turn.effort += HANDSHAKE_EFFORT;
        }
        let wish = match self.phase {
            Phase::Serving(_) => {
                let len = input.len();
                let wish = self.take_input(&mut input, output, wire, (fields, batch), world, turn);
                turn.charge_files();
                let requests = turn.most_requests - turn.requests;
                let parsed = len - input.len();
                self.watch.count(parsed);
                turn.effort += parsed + requests * REQUEST_EFFORT;
                wish?
            }
            // There is nothing to say yet.
            _ if self.wants_input(&turn.services.limits) => Wish::Again,
            _ => Wish::Wait,
        };
        self.flush_records(wire, world, turn)?;
        if matches!(self.phase, Phase::Opening { .. } | Phase::Serving(_)) {
            let left = input.len();
            if !is_long && left > 0 {
                self.kept.extend_from_slice(input);
            }
            if let Some(kept) = long {
                self.keep_long(kept, left);
            }
        }
        if let Phase::Serving(serving) = &mut self.phase
            && serving.protocol.requests() > 0
            && serving.bid_farewell(turn.services.now)
        {
            return Ok(Wish::Again);
        }
        Ok(wish)
    }

    /// Begins to serve, once the input tells the protocol.
    fn choose_protocol(
        &mut self,
        input: &[u8],
        (deadline, farewell): (Instant, Farewell),
        turn: &mut Turn<'_, F>,
    ) {
        let client = (self.client_scheme(), turn.name(self.peer), &self.taps);
        let chosen = Protocol::choose(self.link.transport(), input, client, turn.services);
        let Some(protocol) = chosen else {
            return;
        };
        let (name, layer) = (protocol.name(), self.link.transport().name());
        log::debug!("{}: {name} over {layer}", turn.name(self.peer));
        if let (Some(metrics), Transport::Tls(tls)) =
            (&mut turn.services.metrics, self.link.transport())
        {
            metrics.tls.add(tls.common());
        }
        let first_by = match farewell {
            Farewell::Due => Some(deadline),
            Farewell::None => None,
        };
        let old_at = turn.services.end_of_age();
        self.phase = Phase::Serving(Serving::begin(protocol, first_by, old_at));
    }

    /// Gives the protocol its input: of much at once, which comes only where content of requests came before, a part
    /// after another as long as each is mostly content. The rest has another turn, as it would have if it had been
    /// read then.
    fn take_input(
        &mut self,
        input: &mut &[u8],
        output: &mut Vec<u8>,
        wire: &mut WireBuffer,
        (fields, batch): (&mut Fields, &mut Batch),
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<Wish> {
        let part = turn.services.limits.turn_read_bytes + KEPT_SLACK;
        let mut most = match self.flow {
            InputFlow::Content => part,
            InputFlow::Mixed => usize::MAX,
        };
        loop {
            let whole = *input;
            let (mut first, rest) = whole.split_at(whole.len().min(most));
            let (len, before) = (first.len(), turn.content);
            turn.is_followed = !rest.is_empty();
            let wish = self.exchange(&mut first, output, wire, (fields, batch), world, turn);
            let taken = len - first.len();
            *input = whole.get(taken..).unwrap_or_default();
            let is_content = taken > 0 && turn.content - before >= taken / 4 * 3;
            let protocol = self.phase.protocol();
            self.flow =
                if is_content && taken >= MUCH && protocol.is_some_and(Protocol::has_small_parts) {
                    InputFlow::Content
                } else {
                    InputFlow::Mixed
                };
            self.left = if turn.may_request() && rest.is_empty() {
                Left::Part
            } else {
                Left::Whole
            };
            let is_blocked = !self.link.unsent().is_empty();
            if rest.is_empty() || is_blocked || !matches!(self.phase, Phase::Serving(_)) {
                return wish;
            }
            wish?;
            if taken == 0 {
                // The rest of a frame is behind it.
                most = usize::MAX;
            } else if !is_content || !turn.may_request() {
                return Ok(Wish::Again);
            }
        }
    }

    /// Lets the protocol take its input and fill the output, and sends that, until there is no more
    /// of either, the socket blocks, or the turn's budget is used up.
    fn exchange(
        &mut self,
        input: &mut &[u8],
        output: &mut Vec<u8>,
        wire: &mut WireBuffer,
        (fields, batch): (&mut Fields, &mut Batch),
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<Wish> {
        let mut written = 0;
        turn.requests = turn.most_requests;
        self.enter(turn);
        // What another connection left there names its host.
        #[cfg(feature = "panel")]
        {
            fields.clear();
            batch.clear();
        }
        #[cfg(feature = "panel")]
        self.tell_watches(|| world.now(), turn.services);
        loop {
            let room = self.output_room(turn.piece, &turn.services.limits);
            let Phase::Serving(Serving { protocol, .. }) = &mut self.phase else {
                return Ok(Wish::Wait);
            };
            protocol.lend_output(std::mem::take(output));
            let result = protocol.advance(input, (fields, batch), room, turn);
            *output = protocol.take_output();
            #[cfg(feature = "panel")]
            self.note_host(&[&*fields, batch.first()]);
            let made = output.len() + turn.splices.len();
            let sent = self.send(output, wire, world, turn);
            output.clear();
            sent?;
            if result.is_err() {
                self.phase.stop();
            }
            if let Phase::Flushing(_) = self.phase {
                return Ok(Wish::Wait);
            }
            self.watch.count(made);
            written += made;
            turn.effort += made;
            if !turn.may_request() {
                return Ok(Wish::Again);
            }
            let goes_on = match room {
                OutputRoom::Piece(limit) => made + OUTPUT_SLACK >= limit,
                // What was held back while the socket was blocked has its turn now.
                OutputRoom::Answers(_) | OutputRoom::None => true,
            };
            if !goes_on || !self.link.unsent().is_empty() {
                return Ok(if self.wants_input(&turn.services.limits) {
                    Wish::Again
                } else {
                    Wish::Wait
                });
            }
            if written >= turn.services.limits.turn_write_bytes {
                return Ok(Wish::Again);
            }
        }
    }

    /// Names this connection in the turn, for the code that makes output.
    fn enter(&self, turn: &mut Turn<'_, F>) {
        turn.names = self.names;
        turn.role = self.role;
        if turn.services.told_from == 0 {
            turn.tls = self.link.transport().tls_version();
            let tls = turn.services.tls.as_ref();
            if tls.is_some_and(TlsContext::wants_clients) {
                let certificate = self.link.transport().peer_certificate();
                turn.client = certificate.map(tls::subject);
            }
        }
        turn.client_scheme = self.client_scheme();
        turn.scheme = if self.link.is_secure() {
            Scheme::Https
        } else {
            Scheme::Http
        };
    }
}
