//! The poll loop: one turn after another, until the operator says stop.
//!
//! A turn polls, gives each connection that is ready its turn, as far as its effort goes, and a few of
//! those that are queued;
//! fires deadlines, accepts what waits, and writes the log. Nothing that one peer does ends it, not even
//! a panic in a turn that we give it: that ends its connection.
//!
//! A connection that takes much is queued, however often it is ready, and between a few turns of the queue
//! the poll is asked again: a connection that wants little waits for those few, not for all that want much. One of
//! which nothing is known yet waits for those that are known to want little, where there is much to do.
//!
//! Whenever the connections together hold too much, or a newcomer finds all places taken, some of them are closed:
//! that and accepting are in `admission`, the order in [`Ledger`].

mod admission;
mod balancers;
#[cfg(feature = "panel")]
mod inspecting;
mod late;
mod observing;
#[cfg(feature = "panel")]
mod steering;
mod stopping;
mod told;
#[cfg(feature = "panel")]
mod tracing;
mod turn;
#[cfg(feature = "proxy")]
mod upstreams;

pub(crate) use admission::LEAVING;
use admission::{Accepting, Backlog, Listener};

use super::addresses::AddressCounts;
use super::connection::{Connection, Wish};
use super::deadlines::Deadlines;
use super::ledger::Ledger;
use super::lent::Lent;
use super::listener_role::ListenerRole;
use super::loop_effort::LoopEffort;
use super::reload::Reload;
use super::services::Services;
use super::slots::{Slots, Weight};
use super::turn::Turn;
#[cfg(feature = "proxy")]
use super::upstream::UpstreamTable;
use crate::allocator;
use crate::exchange::{Queue, Wake, WakeCause};
use crate::http::Scheme;
#[cfg(feature = "panel")]
use crate::inspect::PeerTrace;
use crate::routes::Routes;
use crate::telemetry::notify::Notice;
use crate::world::{Outside, PeerSet, Ready, Token, World};
use late::Late;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};
use stopping::LoopState;
use told::Told;

/// Readiness that one poll tells of, in general.
const READY: usize = 256;

/// Connections of the queue that have a turn before the poll is asked again. A turn takes 100 µs
/// at most, or 200 over TLS, so that others wait for less than a millisecond; a poll takes one, and is not
/// felt beside four.
const QUEUED_TURNS: usize = 4;

/// Handshakes that take a step before the poll is asked again, behind all others: a step with a
/// signature takes 100 µs, or a millisecond with a long RSA key.
const HANDSHAKE_TURNS: usize = 2;

/// The tables of all connections have room for as many as may be, from the start, and for at most so
/// many: 64 bytes for each in all, which are addresses until they are used. A table that grew in a crowd
/// would lie above what the crowd leaves behind, and keep the allocator from giving that back.
/// This is one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).
const MOST_ROOM: usize = 64 << 10;

/// Number of connections that are a crowd: whenever half of those left have gone, until none is, the
/// allocator tidies up.
const CROWD: usize = 64;

/// The server.
pub struct EventLoop<W: World> {
    world: W,
    services: Services<W::Files>,
    lent: Lent<W::Files>,
    listeners: Vec<Listener>,
    connections: Slots<Connection<W::Socket, W::Files>>,
    /// The most connections since the allocator last tidied up; 0 as long as there was no crowd.
    crowd: usize,
    deadlines: Deadlines,
    ledger: Ledger,
    addresses: AddressCounts,
    /// Connections that are closed first for a new one, as far as they are known in this turn.
    dispensable: VecDeque<u32>,
    /// Connections that were closed for others last, and may still read why.
    leaving: VecDeque<Token>,
    /// Connections that want another turn.
    queue: Queue<Token>,
    /// Those of them that are in their TLS handshake.
    handshakes: Queue<Token>,
    late: Late,
    /// Connections whose deadlines have passed, in that order.
    expired: Queue<Token>,
    /// The effort of this turn of the loop so far.
    effort: LoopEffort,
    /// Number of connections that came by listeners for metrics.
    scrapers: usize,
    /// Number of connections in their TLS handshake.
    handshaking: usize,
    /// Slot from which on a handshake is looked for that is closed for a new connection.
    hand: u32,
    /// Wakes that are due and were not delivered yet.
    wakes: Queue<Wake>,
    ready: Vec<Ready>,
    told: Told,
    accepting: Accepting,
    /// Patience is short until then, because a connection had to wait or was closed for want of room.
    short_until: Option<Instant>,
    state: LoopState,
    /// The panel's orders that have an effect for longer.
    #[cfg(feature = "panel")]
    steering: steering::Steering,
    /// The trace of connections, if the operator wants one.
    #[cfg(feature = "panel")]
    trace: Option<Box<PeerTrace>>,
    /// Connections that were dialled, where there are upstreams.
    #[cfg(feature = "proxy")]
    upstreams: Option<Box<UpstreamTable<W::Socket, W::Files>>>,
}

impl<W: World + 'static> EventLoop<W> {
    /// A loop over the listeners of `world`, in their order.
    pub fn new(world: W, mut services: Services<W::Files>, listeners: &[Scheme]) -> Self {
        let listener = |scheme: &Scheme| Listener {
            scheme: *scheme,
            role: ListenerRole::Public,
            balancers: PeerSet::default(),
            backlog: Backlog::Empty,
        };
        #[cfg(feature = "proxy")]
        let upstreams = upstreams::table(&mut services);
        // A table of places for all of them would be numbered beyond what the poll can tell.
        let most = Token::LAST_INDEX as usize - LEAVING;
        let limits = &mut services.limits;
        limits.max_connections = limits.max_connections.min(most);
        let room = limits.max_connections.min(MOST_ROOM) + LEAVING;
        EventLoop {
            deadlines: Deadlines::new(services.now, room),
            ledger: Ledger::new(limits, &services.timeouts, services.now, room),
            addresses: AddressCounts::new(limits.connections_per_address),
            world,
            effort: LoopEffort::new(services.began),
            services,
            lent: Lent::new(),
            listeners: listeners.iter().map(listener).collect(),
            connections: Slots::with_room(room),
            crowd: 0,
            dispensable: VecDeque::new(),
            leaving: VecDeque::with_capacity(LEAVING + 1),
            queue: Queue::new(),
            late: Late::new(),
            expired: Queue::new(),
            handshakes: Queue::new(),
            scrapers: 0,
            handshaking: 0,
            hand: 0,
            wakes: Queue::new(),
            ready: Vec::with_capacity(READY),
            told: Told::Everything,
            accepting: Accepting::Open,
            short_until: None,
            state: LoopState::Running,
            #[cfg(feature = "panel")]
            steering: steering::Steering::default(),
            #[cfg(feature = "panel")]
            trace: None,
            #[cfg(feature = "proxy")]
            upstreams,
        }
    }

    /// Runs until the operator stops it and the last connection is done or the time for that is up.
    /// An error is the poll's own, and nothing that a peer can cause.
    pub fn run(&mut self) -> io::Result<()> {
        self.world.begin_serving()?;
        self.services.tell_manager(Notice::Ready);
        while !self.is_done() {
            self.turn()?;
        }
        // Requests that are still open have their line in the log, and their handlers hear of the end.
        for token in self.connections.tokens() {
            self.give_turn(token, Connection::close);
        }
        #[cfg(feature = "panel")]
        self.write_trace();
        if let Some(log) = &mut self.services.log {
            log.finish(self.services.now);
        }
        self.services.limit_log.finish();
        Ok(())
    }

    /// True once the operator has stopped the loop and no connection is waited for any more.
    pub fn is_done(&self) -> bool {
        match self.state {
            LoopState::Running | LoopState::Leaving { .. } => false,
            LoopState::Draining { deadline } => {
                self.connections.count() == 0 || deadline <= self.services.now
            }
            LoopState::Stopped => true,
        }
    }

    /// Bytes that all connections hold together, by their accounts.
    pub fn memory(&self) -> usize {
        self.ledger.total()
    }

    /// The handlers.
    pub fn routes(&mut self) -> &mut Routes<W::Files> {
        &mut self.services.routes
    }

    /// Adds a reader of the configuration, which is asked when the operator wants everything read again.
    pub fn set_reloader(&mut self, reloader: Box<dyn Reload<W::Files>>) {
        self.services.reloader = Some(reloader);
    }

    /// The number of connections.
    pub fn connections(&self) -> usize {
        self.connections.count()
    }

    /// One turn of the loop, which sleeps until there is something to do.
    pub fn turn(&mut self) -> io::Result<()> {
        let timeout = self.poll_timeout();
        if timeout != Some(Duration::ZERO) {
            self.services.end_turn(self.world.now());
        }
        let mut ready = std::mem::take(&mut self.ready);
        let polled = self.world.poll(&mut ready, timeout)?;
        self.told = self.told.after(polled.extent, self.connections.count());
        let clocks = (self.world.now(), self.world.wall_clock());
        self.services.begin_turn(timeout, polled, clocks);
        self.effort = LoopEffort::new(self.services.began);
        #[cfg(feature = "panel")]
        self.record_history();
        for event in ready.drain(..) {
            self.handle(event);
        }
        self.leave_when_due();
        self.hasten_the_end();
        self.ready = ready;
        self.serve_late();
        for _ in 0..QUEUED_TURNS {
            let token = self.queue.pop_front();
            self.take_queued(token);
            if self.effort.is_spent() {
                break;
            }
        }
        for _ in 0..HANDSHAKE_TURNS {
            let token = self.handshakes.pop_front();
            self.take_queued(token);
        }
        #[cfg(feature = "proxy")]
        self.serve_upstreams();
        self.deliver_wakes();
        self.expire();
        self.relieve();
        self.accept();
        if let Some(log) = &mut self.services.log {
            log.flush(self.services.now);
        }
        self.work_behind();
        self.observe_on();
        #[cfg(feature = "panel")]
        self.write_trace();
        self.tidy();
        self.services.tend(self.connections.count());
        Ok(())
    }

    /// The longest sleep of the poll: none while a connection is queued, waits to be accepted, or was not
    /// told of.
    fn poll_timeout(&self) -> Option<Duration> {
        if !self.queue.is_empty()
            || !self.late.is_empty()
            || !self.handshakes.is_empty()
            || !self.expired.is_empty()
            || !self.wakes.is_empty()
            || self.is_observing()
            || self.told != Told::Everything
        {
            return Some(Duration::ZERO);
        }
        let accept = if self.wants_accept() {
            match self.accepting {
                Accepting::Open => Some(Duration::ZERO),
                Accepting::Paused { until, .. } => {
                    Some(until.saturating_duration_since(self.services.now))
                }
            }
        } else {
            None
        };
        let log = self
            .services
            .log
            .as_ref()
            .and_then(|log| log.next_deadline());
        let log = log.map(|deadline| deadline.saturating_duration_since(self.services.now));
        let state = self.state.deadline();
        let state = state.map(|deadline| deadline.saturating_duration_since(self.services.now));
        let wake = self.services.means.wakes.until_next(self.services.now);
        let next = self.deadlines.until_next(self.services.now);
        let work = self.services.routes.next_work();
        let tending = self.services.until_tending();
        #[cfg(feature = "proxy")]
        let work = self.until_upstreams().into_iter().chain(work).min();
        let waits = [next, accept, log, state, wake, work, tending];
        waits.into_iter().flatten().min()
    }

    fn handle(&mut self, event: Ready) {
        match event {
            Ready::Listener(index) => {
                if let Some(listener) = self.listeners.get_mut(index) {
                    listener.fill();
                }
                if let Accepting::Paused { limit, .. } = self.accepting {
                    let now = self.services.now;
                    self.services
                        .limit_log
                        .report(limit, "newcomers", "must wait", now);
                }
            }
            Ready::Signal(signal) => self.signal(signal),
            Ready::Helper => {
                self.take_help();
                self.services.routes.take_passwords(self.services.now);
                self.services.routes.take_news();
            }
            Ready::Control => self.hear_control(),
            Ready::Socket {
                token,
                readable,
                read_closed,
                ..
            } => {
                let Some(connection) = self.connections.value(token) else {
                    #[cfg(feature = "proxy")]
                    self.note_upstream(token, readable, read_closed);
                    return;
                };
                connection.ready(readable, read_closed);
                if self.scrapers > 0 && !self.has_observed(token) {
                    self.enqueue(token);
                    return;
                }
                let weight = self.connections.weight(token);
                match weight {
                    Weight::Heavy => self.enqueue(token),
                    Weight::Light if self.effort.is_spent() => self.put_off(token, weight),
                    Weight::Unknown if self.effort.is_begun() => {
                        self.put_off(token, weight);
                    }
                    Weight::Light | Weight::Unknown => {
                        self.with(token, Connection::take_turn);
                        return;
                    }
                }
                // Until then it is not idle any more.
                self.account(token, 0);
            }
        }
    }

    /// Has a ready connection wait for those that are late before it.
    fn put_off(&mut self, token: Token, weight: Weight) {
        if self.connections.queue(token) {
            self.late.push(token, weight);
        }
    }

    /// Gives connections a turn that are late, in their order, as far as the effort goes: a half of it for each kind,
    /// and for the second what the first leaves.
    fn serve_late(&mut self) {
        for weight in [Weight::Light, Weight::Unknown] {
            let end = self.effort.half_share_end();
            while self.effort.is_before(end)
                && let Some(token) = self.late.pop(weight)
            {
                self.take_queued(Some(token));
            }
        }
    }

    fn enqueue(&mut self, token: Token) {
        if self.connections.queue(token) {
            let connection = self.connections.value(token);
            if connection.is_some_and(|connection| connection.is_handshaking()) {
                self.handshakes.push_back(token);
            } else {
                self.queue.push_back(token);
            }
        }
    }

    /// Gives a connection a turn. If all connections then hold more memory than there may be, some are closed.
    fn with(
        &mut self,
        token: Token,
        act: impl FnOnce(
            &mut Connection<W::Socket, W::Files>,
            &mut Outside<W::Socket, W::Files>,
            &mut Turn<'_, W::Files>,
        ) -> Wish,
    ) {
        self.give_turn(token, act);
        self.make_room();
    }

    /// Has the allocator tidy up as a crowd goes. That is for the end of a turn: what the turn itself
    /// needed may lie above all that the crowd leaves behind, as does what was remembered of files and of heads
    /// while the crowd was there.
    fn tidy(&mut self) {
        if self.services.routes.take_freed() {
            allocator::tidy();
        }
        let count = self.connections.count();
        if self.crowd > 0 && count <= self.crowd / 2 {
            self.crowd = count;
            self.services.forget_known();
            #[cfg(feature = "proxy")]
            self.lent.buffers.forget_known();
            allocator::tidy();
        }
    }

    /// Gives connections a turn whose requests can go on, as far as the effort goes.
    fn deliver_wakes(&mut self) {
        if self.wakes.is_empty() {
            let now = self.services.now;
            self.services.means.wakes.take_due(now, &mut self.wakes);
        }
        let end = self.effort.share_end();
        while self.effort.is_before(end)
            && let Some(Wake { place, .. }) = self.wakes.front()
        {
            let token = place.connection;
            let mut tries_content = false;
            // All requests of a connection that are next go on in one turn.
            let is_its = |wake: &Wake| wake.place.connection == token;
            while let Some(wake) = self.wakes.pop_front_if(is_its) {
                tries_content |= wake.cause == WakeCause::Content;
                if let Some(connection) = self.connections.value(token) {
                    connection.wake(wake.place.request, wake.cause);
                }
            }
            self.with(token, |connection, world, turn| {
                // A step of a listing takes much and sends little.
                if tries_content {
                    turn.measure(|| world.now());
                }
                connection.take_turn(world, turn)
            });
        }
    }

    /// Gives connections a turn whose deadlines have passed, behind all those that were ready.
    fn expire(&mut self) {
        if self.told != Told::Everything {
            return;
        }
        self.services.patience = self.patience();
        // Later ones stay with the wheel meanwhile, so that each connection is in the queue once.
        if self.expired.is_empty() {
            let mut expired = Vec::new();
            self.deadlines.expire(self.services.now, &mut expired);
            let tokens = expired.into_iter();
            for token in tokens.filter_map(|index| self.connections.token(index)) {
                self.expired.push_back(token);
            }
        }
        let end = self.effort.share_end();
        while self.effort.is_before(end)
            && let Some(token) = self.expired.pop_front()
        {
            self.with(token, Connection::handle_deadline);
        }
    }
}

#[cfg(test)]
mod tests;
