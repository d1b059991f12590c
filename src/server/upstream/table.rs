//! The table of upstream connections, which gives each its turns and finds one for each call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::UpstreamLimits;
use super::connection::{UpstreamConnection, UpstreamWish};
use super::loss::UpstreamLoss;
use super::pool::{Freshness, Pool, Route};
use crate::exchange::{Call, CallPlace, Calls, Failure, Queue};
use crate::h1;
use crate::panics;
use crate::proxy::{DialAddress, Upstream};
use crate::server::deadlines::Deadlines;
use crate::server::lent::Buffers;
use crate::server::slots::Slots;
use crate::world::{Token, World};

/// Attempts to send one request, at most: two upstream servers that are down together are not waited for
/// any longer.
const MOST_ATTEMPTS: u32 = 3;

/// Worth of one turn of an upstream connection, in bytes of effort: a read and its copy are some 20 µs.
const TURN_EFFORT: usize = 32 << 10;

/// The upstream connections of an event loop.
pub(in crate::server) struct UpstreamTable<W: World> {
    connections: Slots<UpstreamConnection<W>>,
    pools: Vec<Pool>,
    deadlines: Deadlines,
    /// Connections that have something to do.
    ready: Queue<Token>,
    calls: Calls,
    limits: UpstreamLimits,
    protocol: Arc<h1::ClientConfig>,
}

/// The means of a turn of the table.
struct TableTurn<'t, W: World> {
    world: &'t mut W,
    buffers: &'t mut Buffers,
    now: Instant,
}

impl<W: World> UpstreamTable<W> {
    /// A table for the calls to these upstreams, by their numbers.
    pub(in crate::server) fn new(
        upstreams: Vec<Upstream>,
        limits: UpstreamLimits,
        calls: Calls,
        now: Instant,
    ) -> Self {
        UpstreamTable {
            connections: Slots::with_room(0),
            pools: upstreams.into_iter().map(Pool::new).collect(),
            deadlines: Deadlines::new(now, 0),
            ready: Queue::new(),
            calls,
            protocol: limits.protocol(),
            limits,
        }
    }

    /// Notes the readiness of a socket.
    pub(in crate::server) fn ready(&mut self, token: Token, readable: bool, read_closed: bool) {
        if let Some(connection) = self.connections.value(token) {
            connection.ready(readable, read_closed);
            self.enqueue(token);
        }
    }

    fn enqueue(&mut self, token: Token) {
        if self.connections.queue(token) {
            self.ready.push_back(token);
        }
    }

    /// Time until there is something to do.
    pub(in crate::server) fn until_next(&self, now: Instant) -> Option<Duration> {
        if !self.calls.is_empty() || !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let waiting = self.pools.iter().filter_map(Pool::next_deadline).min();
        let waiting = waiting.map(|deadline| deadline.saturating_duration_since(now));
        waiting
            .into_iter()
            .chain(self.deadlines.until_next(now))
            .min()
    }

    /// Does what there is to do, while `effort` is under `end`.
    pub(in crate::server) fn serve(
        &mut self,
        world: &mut W,
        buffers: &mut Buffers,
        now: Instant,
        effort: &mut usize,
        end: usize,
    ) {
        let mut means = TableTurn {
            world,
            buffers,
            now,
        };
        while *effort < end {
            if let Some(call) = self.calls.take() {
                self.handle_call(call, &mut means);
            } else if let Some(token) = self.ready.pop_front() {
                self.connections.unqueue(token);
                self.turn(token, &mut means);
            } else {
                break;
            }
            *effort += TURN_EFFORT;
        }
        self.expire(&mut means);
    }

    fn expire(&mut self, means: &mut TableTurn<'_, W>) {
        let mut expired = Vec::new();
        self.deadlines.expire(means.now, &mut expired);
        for index in expired {
            if let Some(token) = self.connections.token(index)
                && let Some(connection) = self.connections.value(token)
            {
                let wish = connection.handle_timeout(means.now);
                self.settle(token, wish, means);
            }
        }
        for pool in &mut self.pools {
            while let Some(call) = pool.next_late(means.now) {
                call.set_place(CallPlace::Over);
                call.fail(Failure::upstream(
                    503,
                    "no connection to the upstream was free in time",
                ));
            }
        }
    }

    /// The exchange of a call has something for its connection.
    fn handle_call(&mut self, call: Call, means: &mut TableTurn<'_, W>) {
        match call.place() {
            CallPlace::New if call.is_abandoned() => call.set_place(CallPlace::Over),
            CallPlace::New => self.assign(call, Freshness::Any, means),
            CallPlace::Waiting if call.is_abandoned() => {
                call.set_place(CallPlace::Over);
                if let Some(pool) = self.pools.get_mut(call.upstream()) {
                    pool.drop_abandoned();
                }
            }
            CallPlace::Connection(token) if call.is_abandoned() => {
                // The last bytes of a tunnel's client may have come with its end.
                let connection = self.connections.value(token);
                if connection.is_some_and(|connection| connection.tunnels()) {
                    self.turn(token, means);
                }
                self.close(token, means);
            }
            CallPlace::Connection(token) => self.turn(token, means),
            CallPlace::Waiting | CallPlace::Over => {}
        }
    }

    /// Finds a connection for a call.
    fn assign(&mut self, call: Call, freshness: Freshness, means: &mut TableTurn<'_, W>) {
        let upstream = call.upstream();
        loop {
            let most = self.limits.connections;
            let Some(pool) = self.pools.get_mut(upstream) else {
                return fail(&call, Failure::upstream(502, "there is no such upstream"));
            };
            match pool.route(freshness, most, means.now) {
                Route::Idle(server, token) => {
                    let connection = self.connections.value(token);
                    if connection.is_some_and(|connection| connection.is_alive(means.world)) {
                        return self.begin(call, token, means);
                    }
                    self.remove(token, (upstream, server));
                }
                Route::Dial(server, address) => {
                    return self.dial(call, (upstream, server), &address, means);
                }
                Route::None => {
                    call.set_place(CallPlace::Waiting);
                    if !pool.wait(call.clone(), means.now + self.limits.connect_timeout) {
                        let reason = "too many requests wait for the upstream";
                        fail(&call, Failure::upstream(503, reason));
                    }
                    return;
                }
            }
        }
    }

    fn begin(&mut self, call: Call, token: Token, means: &mut TableTurn<'_, W>) {
        call.count_attempt();
        call.set_place(CallPlace::Connection(token));
        if let Some(connection) = self.connections.value(token) {
            connection.take(call);
        }
        self.turn(token, means);
    }

    fn dial(
        &mut self,
        call: Call,
        server: (usize, usize),
        address: &DialAddress,
        means: &mut TableTurn<'_, W>,
    ) {
        let socket = match address {
            DialAddress::Tcp(address) => means.world.connect(*address),
            DialAddress::Unix(path) => means.world.connect_local(path),
        };
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => {
                call.count_attempt();
                if let Some(pool) = self.pools.get_mut(server.0) {
                    pool.uncount(server.1);
                }
                return self.lose(call, server, UpstreamLoss::of_dial(&error), means);
            }
        };
        let until = means.now + self.limits.connect_timeout;
        let protocol = self.protocol.clone();
        let connection =
            UpstreamConnection::new(socket, call.clone(), server, protocol, until, means.now);
        let token = self.connections.insert(connection);
        if let Some(connection) = self.connections.value(token) {
            let named = Token::upstream(token.index, token.serial);
            if let Err(error) = means.world.register(connection.socket(), named) {
                connection.take_call();
                call.count_attempt();
                self.remove(token, server);
                return self.lose(call, server, UpstreamLoss::of_dial(&error), means);
            }
        }
        self.begin(call, token, means);
    }

    /// Gives a connection a turn. A panic in it ends this connection and its call.
    fn turn(&mut self, token: Token, means: &mut TableTurn<'_, W>) {
        let Some(connection) = self.connections.value(token) else {
            return;
        };
        let limits = &self.limits;
        let wish =
            panics::catch(|| connection.take_turn(means.world, means.buffers, limits, means.now));
        let wish = wish.unwrap_or_else(|panic| {
            log::error!("an upstream connection: {panic}");
            UpstreamWish::Close(UpstreamLoss::Broken)
        });
        self.settle(token, wish, means);
    }

    /// Does what a connection wishes at the end of its turn.
    fn settle(&mut self, token: Token, wish: UpstreamWish, means: &mut TableTurn<'_, W>) {
        let Some(connection) = self.connections.value(token) else {
            return;
        };
        let server = connection.server;
        match wish {
            UpstreamWish::Wait => {}
            UpstreamWish::Again => self.enqueue(token),
            UpstreamWish::Idle => {
                let Some(call) = connection.take_call() else {
                    // It was idle before.
                    return;
                };
                call.set_place(CallPlace::Over);
                if let Some(pool) = self.pools.get_mut(server.0) {
                    pool.note_success(server.1);
                    if !pool.keep(server.1, token) {
                        return self.close(token, means);
                    }
                }
                self.serve_waiting(server.0, means);
            }
            UpstreamWish::Close(loss) => {
                let call = connection.take_call();
                self.remove(token, server);
                if let Some(call) = call {
                    if loss == UpstreamLoss::None
                        && let Some(pool) = self.pools.get_mut(server.0)
                    {
                        pool.note_success(server.1);
                    }
                    self.lose(call, server, loss, means);
                }
                return self.serve_waiting(server.0, means);
            }
        }
        let deadline = self.connections.value(token);
        let deadline = deadline.and_then(|connection| connection.next_deadline());
        self.deadlines.set(token.index, deadline);
    }

    /// The connection of a call is gone: the call begins anew where nobody can notice, or has failed.
    fn lose(
        &mut self,
        call: Call,
        server: (usize, usize),
        loss: UpstreamLoss,
        means: &mut TableTurn<'_, W>,
    ) {
        let pool = self.pools.get_mut(server.0);
        let attempts = pool.map_or(1, |pool| {
            if loss.is_of_server() {
                pool.note_failure(server.1, loss.failure().reason(), means.now);
            }
            pool.attempts()
        });
        if call.is_answered() || call.is_abandoned() {
            call.set_place(CallPlace::Over);
            return;
        }
        let goes_on = match loss {
            // Nothing was sent.
            UpstreamLoss::Unreachable(_) => call.attempts() < attempts.min(MOST_ATTEMPTS),
            UpstreamLoss::Stale => call.may_repeat() && call.attempts() < MOST_ATTEMPTS,
            UpstreamLoss::NoResponse => {
                call.may_repeat() && call.attempts() < attempts.min(MOST_ATTEMPTS)
            }
            _ => false,
        };
        if !goes_on {
            return fail(&call, loss.failure());
        }
        call.rewind();
        call.set_place(CallPlace::New);
        self.assign(call, Freshness::New, means);
    }

    /// Closes a connection that nobody waits for any more.
    fn close(&mut self, token: Token, means: &mut TableTurn<'_, W>) {
        let Some(connection) = self.connections.value(token) else {
            return;
        };
        let server = connection.server;
        if let Some(call) = connection.take_call() {
            call.set_place(CallPlace::Over);
        }
        self.remove(token, server);
        self.serve_waiting(server.0, means);
    }

    fn remove(&mut self, token: Token, server: (usize, usize)) {
        self.deadlines.set(token.index, None);
        self.connections.remove(token);
        if let Some(pool) = self.pools.get_mut(server.0) {
            pool.forget(server.1, token);
        }
    }

    /// Lets a call go on that waits for a connection.
    fn serve_waiting(&mut self, upstream: usize, means: &mut TableTurn<'_, W>) {
        let waiting = self.pools.get_mut(upstream).and_then(Pool::next_waiting);
        if let Some(call) = waiting {
            call.set_place(CallPlace::New);
            self.assign(call, Freshness::Any, means);
        }
    }
}

fn fail(call: &Call, failure: Failure) {
    call.set_place(CallPlace::Over);
    call.fail(failure);
}
