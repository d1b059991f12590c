//! The table of upstream connections, which gives each its turns; `assign` finds one for each call,
//! `account` has their memory.

mod account;
mod assign;
#[cfg(debug_assertions)]
mod progress;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::channel::Channel;
use super::config::UpstreamLimits;
use super::connection::{UpstreamConnection, UpstreamWish};
use super::loss::UpstreamLoss;
use super::pool::{Freshness, Pool};
use super::shared::{SharedConnection, SharedWish};
use crate::content::DescriptorSupply;
use crate::exchange::{Call, CallPlace, Calls, Failure, Queue};
use crate::panics::{self, Panic};
use crate::proxy::Upstream;
use crate::server::deadlines::Deadlines;
use crate::server::lent::Buffers;
use crate::server::loop_effort::LoopEffort;
use crate::server::slots::Slots;
use crate::world::{Files, Outside, Token};
use crate::{h1, h2};

/// Worth of one turn of an upstream connection, in bytes of effort: a read and its copy are some 20 µs.
const TURN_EFFORT: usize = 32 << 10;

/// The upstream connections of an event loop.
pub(in crate::server) struct UpstreamTable<K, F: Files> {
    connections: Slots<Carrier<K, F>>,
    pools: Vec<Pool>,
    /// Bytes that the connections hold.
    held: usize,
    deadlines: Deadlines,
    /// Connections that have something to do.
    ready: Queue<Token>,
    calls: Calls,
    /// The kind of work that goes on, and the number of things that it still has.
    batch: (Work, usize),
    /// The note for a lack of descriptors.
    supply: DescriptorSupply,
    /// Panics that were caught and not reported yet.
    panics: Vec<Panic>,
    limits: UpstreamLimits,
    http1: Arc<h1::ClientConfig>,
    http2: Arc<h2::Config>,
}

/// Kinds of work.
#[derive(Clone, Copy)]
enum Work {
    /// Calls that have something for their connections.
    Calls,
    /// Connections that have something to do.
    Connections,
}

/// The outcome of work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Served {
    /// There was no more to do, or the effort is used up.
    All,
    /// Content was read into a buffer that is lent. It is sent best before anything else comes into the processor's
    /// cache.
    Lent,
}

/// A connection to a server. Both are boxed, because their sizes differ much.
enum Carrier<K, F: Files> {
    /// Of HTTP/1.1: it carries one call after another.
    Single(Box<UpstreamConnection<K, F>>),
    /// Of HTTP/2: it carries many calls at a time.
    Shared(Box<SharedConnection<K, F>>),
}

impl<K, F: Files> Carrier<K, F> {
    fn channel(&mut self) -> &mut Channel<K, F> {
        match self {
            Carrier::Single(connection) => connection.channel(),
            Carrier::Shared(connection) => connection.channel(),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        match self {
            Carrier::Single(connection) => connection.next_deadline(),
            Carrier::Shared(connection) => connection.next_deadline(),
        }
    }
}

/// The means of a turn of the table.
struct TableTurn<'t, K, F: Files> {
    world: &'t mut Outside<K, F>,
    buffers: &'t mut Buffers,
    now: Instant,
}

impl<K, F: Files> UpstreamTable<K, F> {
    /// A table for the calls to these upstreams, by their numbers.
    pub(in crate::server) fn new(
        upstreams: Vec<Upstream>,
        limits: UpstreamLimits,
        calls: Calls,
        supply: DescriptorSupply,
        now: Instant,
    ) -> Self {
        UpstreamTable {
            connections: Slots::with_room(0),
            pools: upstreams.into_iter().map(Pool::new).collect(),
            held: 0,
            deadlines: Deadlines::new(now, 0),
            ready: Queue::new(),
            calls,
            batch: (Work::Calls, 0),
            supply,
            panics: Vec::new(),
            http1: limits.http1(),
            http2: limits.http2(),
            limits,
        }
    }

    /// Notes the readiness of a socket.
    pub(in crate::server) fn ready(&mut self, token: Token, readable: bool, read_closed: bool) {
        if let Some(connection) = self.connections.value(token) {
            connection.channel().ready(readable, read_closed);
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

    /// Does what there is to do, while `effort` is before `end`, or until content is lent.
    pub(in crate::server) fn serve(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        now: Instant,
        effort: &mut LoopEffort,
        end: usize,
    ) -> Served {
        let mut means = TableTurn {
            world,
            buffers,
            now,
        };
        let lent = self.calls.lent_bytes();
        let mut served = Served::All;
        while served == Served::All && effort.is_before(end) && self.serve_next(&mut means) {
            let world = &mut *means.world;
            effort.charge(TURN_EFFORT, || world.now());
            if self.calls.lent_bytes() > lent {
                served = Served::Lent;
            }
        }
        self.expire(&mut means);
        served
    }

    /// Does the next of the things that there are to do; false if there is none. Those of one kind that are there
    /// together are done together, and then those of the other: a call of a quick client has something to do again and
    /// again.
    fn serve_next(&mut self, means: &mut TableTurn<'_, K, F>) -> bool {
        if self.batch.1 == 0 {
            let calls = (Work::Calls, self.calls.waiting());
            let connections = (Work::Connections, self.ready.len());
            self.batch = match self.batch.0 {
                Work::Calls if connections.1 > 0 => connections,
                Work::Connections if calls.1 == 0 => connections,
                Work::Calls | Work::Connections => calls,
            };
        }
        self.batch.1 = self.batch.1.saturating_sub(1);
        match self.batch.0 {
            Work::Calls => {
                let Some(call) = self.calls.take() else {
                    return false;
                };
                self.handle_call(call, means);
            }
            Work::Connections => {
                let Some(token) = self.ready.pop_front() else {
                    return false;
                };
                self.connections.unqueue(token);
                self.turn(token, means);
            }
        }
        true
    }

    /// The panics since the last call.
    pub(in crate::server) fn take_panics(&mut self) -> Vec<Panic> {
        std::mem::take(&mut self.panics)
    }

    fn expire(&mut self, means: &mut TableTurn<'_, K, F>) {
        let mut expired = Vec::new();
        self.deadlines.expire(means.now, &mut expired);
        for index in expired {
            let Some(token) = self.connections.token(index) else {
                continue;
            };
            match self.connections.value(token) {
                Some(Carrier::Single(connection)) => {
                    let wish = connection.handle_timeout(means.now);
                    self.settle(token, wish, means);
                }
                Some(Carrier::Shared(connection)) => {
                    let wish = connection.handle_timeout(means.now);
                    self.settle_shared(token, wish, means);
                }
                None => {}
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
    fn handle_call(&mut self, call: Call, means: &mut TableTurn<'_, K, F>) {
        match call.place() {
            CallPlace::New if call.is_abandoned() => call.set_place(CallPlace::Over),
            CallPlace::New => self.assign(call, Freshness::Any, means),
            CallPlace::Waiting if call.is_abandoned() => {
                call.set_place(CallPlace::Over);
                if let Some(pool) = self.pools.get_mut(call.upstream()) {
                    pool.drop_abandoned();
                }
            }
            CallPlace::Connection(token) => match self.connections.value(token) {
                Some(Carrier::Single(connection)) => {
                    let is_over = call.is_abandoned();
                    // The last bytes of a tunnel's client may have come with its end.
                    if !is_over || connection.tunnels() {
                        self.turn(token, means);
                    }
                    if is_over && !self.is_ending(token) {
                        self.close(token, means);
                    }
                }
                Some(Carrier::Shared(connection)) => {
                    connection.tell(call);
                    self.enqueue(token);
                }
                None => {}
            },
            CallPlace::Waiting | CallPlace::Over => {}
        }
    }

    /// True if the last bytes of a tunnel's client are still on their way.
    fn is_ending(&mut self, token: Token) -> bool {
        matches!(self.connections.value(token), Some(Carrier::Single(connection)) if connection.is_ending())
    }

    /// Gives a connection a turn. A panic in it ends this connection and its call, and what was lent is made anew.
    fn turn(&mut self, token: Token, means: &mut TableTurn<'_, K, F>) {
        let Some(connection) = self.connections.value(token) else {
            return;
        };
        let limits = &self.limits;
        let TableTurn {
            world,
            buffers,
            now,
        } = means;
        match connection {
            Carrier::Single(connection) => {
                let wish = panics::catch(|| connection.take_turn(*world, buffers, limits, *now));
                let wish = wish.unwrap_or_else(|panic| {
                    self.panics.push(panic);
                    **buffers = Buffers::new();
                    UpstreamWish::Close(UpstreamLoss::Broken)
                });
                #[cfg(debug_assertions)]
                self.assert_progress(token, wish.into());
                self.settle(token, wish, means);
            }
            Carrier::Shared(connection) => {
                let wish = panics::catch(|| connection.take_turn(*world, buffers, limits, *now));
                let wish = wish.unwrap_or_else(|panic| {
                    self.panics.push(panic);
                    **buffers = Buffers::new();
                    connection.give_up(UpstreamLoss::Broken)
                });
                #[cfg(debug_assertions)]
                self.assert_progress(token, wish.into());
                self.settle_shared(token, wish, means);
            }
        }
    }

    /// Does what a connection wishes at the end of its turn.
    fn settle(&mut self, token: Token, wish: UpstreamWish, means: &mut TableTurn<'_, K, F>) {
        let Some(Carrier::Single(connection)) = self.connections.value(token) else {
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
                    pool.note_success(server.1, call.response_time());
                    pool.keep(server.1, token);
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
                        pool.note_success(server.1, call.response_time());
                    }
                    self.lose(call, server, loss, means);
                }
                return self.serve_waiting(server.0, means);
            }
        }
        self.note_state(token);
    }

    /// Does what a connection of many calls wishes, and lets calls go on that are over there.
    fn settle_shared(&mut self, token: Token, wish: SharedWish, means: &mut TableTurn<'_, K, F>) {
        let Some(Carrier::Shared(connection)) = self.connections.value(token) else {
            return;
        };
        let server = connection.server;
        let ended = connection.take_ended();
        // Calls that can go on now: a connection that is gone makes place for one too.
        let mut freed = ended.len();
        if let Some(pool) = self.pools.get_mut(server.0) {
            if let Some(room) = connection.room() {
                pool.set_room(server.1, token, room);
            }
            ended.iter().for_each(|_| pool.leave_place(server.1, token));
        }
        match wish {
            SharedWish::Wait => self.note_state(token),
            SharedWish::Again => {
                self.note_state(token);
                self.enqueue(token);
            }
            SharedWish::Close(_) => {
                connection.leave(means.world, means.buffers, &self.limits, means.now);
                self.remove(token, server);
                freed += 1;
            }
        }
        for (call, loss) in ended {
            if loss != UpstreamLoss::None {
                self.lose(call, server, loss, means);
                continue;
            }
            if !call.is_abandoned()
                && let Some(pool) = self.pools.get_mut(server.0)
            {
                pool.note_success(server.1, call.response_time());
            }
            call.set_place(CallPlace::Over);
        }
        for _ in 0..freed {
            self.serve_waiting(server.0, means);
        }
    }

    /// Notes the deadline of a connection and its memory, at the end of a turn.
    fn note_state(&mut self, token: Token) {
        let connection = self.connections.value(token);
        let deadline = connection.and_then(|connection| connection.next_deadline());
        self.deadlines.set(token.index, deadline);
        self.account(token);
    }

    /// Closes a connection that no call needs any more.
    fn close(&mut self, token: Token, means: &mut TableTurn<'_, K, F>) {
        let Some(Carrier::Single(connection)) = self.connections.value(token) else {
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
        if let Some(mut connection) = self.connections.remove(token) {
            self.held -= connection.channel().accounted;
        }
        if let Some(pool) = self.pools.get_mut(server.0) {
            pool.forget(server.1, token);
        }
    }
}
