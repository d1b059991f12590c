//! Connections for calls: found, dialled, and found anew for a call whose connection was lost.

use std::time::Instant;

use super::{Carrier, TableTurn, UpstreamTable};
use crate::content::Supply;
use crate::exchange::{Call, CallPlace, Failure};
use crate::proxy::{DialAddress, UpstreamTls, UpstreamVersion};
use crate::server::upstream::channel::Channel;
use crate::server::upstream::connection::UpstreamConnection;
use crate::server::upstream::loss::UpstreamLoss;
use crate::server::upstream::pool::{Freshness, Pool, Route};
use crate::server::upstream::shared::SharedConnection;
use crate::world::{Files, Token};

/// Attempts to send one request, at most: two upstream servers that are down together are not waited for
/// any longer.
const MOST_ATTEMPTS: u32 = 3;

impl<K, F: Files> UpstreamTable<K, F> {
    /// Finds a connection for a call.
    pub(super) fn assign(
        &mut self,
        call: Call,
        freshness: Freshness,
        means: &mut TableTurn<'_, K, F>,
    ) {
        let upstream = call.upstream();
        loop {
            let most = self.limits.connections;
            let Some(pool) = self.pools.get_mut(upstream) else {
                return fail(&call, Failure::upstream(502, "there is no such upstream"));
            };
            match pool.route(freshness, most, means.now) {
                Route::Idle(server, token) => {
                    let connection = self.connections.value(token);
                    let channel = connection.map(Carrier::channel);
                    // A request that can be sent once more needs no system call to be sure.
                    let is_silent = |channel: &mut Channel<K, F>| {
                        channel.is_silent()
                            && (call.may_repeat() || channel.is_silent_now(means.world))
                    };
                    if channel.is_some_and(is_silent) {
                        return self.begin(call, token, means);
                    }
                    self.remove(token, (upstream, server));
                }
                Route::Shared(server, token) => {
                    if self.is_open(token, means) {
                        return self.begin(call, token, means);
                    }
                    if let Some(pool) = self.pools.get_mut(upstream) {
                        pool.leave_place(server, token);
                    }
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

    /// True if a connection of many calls takes one more, as far as can be seen without asking the server.
    /// One that is idle is looked at, because the server may have closed it.
    fn is_open(&mut self, token: Token, means: &mut TableTurn<'_, K, F>) -> bool {
        if let Some(Carrier::Shared(connection)) = self.connections.value(token)
            && connection.is_idle()
        {
            connection.channel().ready(true, false);
            self.turn(token, means);
        }
        match self.connections.value(token) {
            Some(Carrier::Shared(connection)) => connection.room() != Some(0),
            Some(Carrier::Single(_)) | None => false,
        }
    }

    fn begin(&mut self, call: Call, token: Token, means: &mut TableTurn<'_, K, F>) {
        call.count_attempt();
        call.set_place(CallPlace::Connection(token));
        match self.connections.value(token) {
            Some(Carrier::Single(connection)) => {
                connection.take(call);
                self.turn(token, means);
            }
            Some(Carrier::Shared(connection)) => {
                connection.take(call);
                self.enqueue(token);
            }
            None => {}
        }
    }

    fn dial(
        &mut self,
        call: Call,
        server: (usize, usize),
        address: &DialAddress,
        means: &mut TableTurn<'_, K, F>,
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
        let token = match self.insert(socket, server, until, means.now) {
            Ok(token) => token,
            Err(_) => {
                call.count_attempt();
                if let Some(pool) = self.pools.get_mut(server.0) {
                    pool.uncount(server.1);
                }
                return self.lose(call, server, UpstreamLoss::NoTls, means);
            }
        };
        if let Some(connection) = self.connections.value(token) {
            let named = Token::upstream(token.index, token.serial);
            let registered = means.world.register(connection.channel().socket(), named);
            if let Err(error) = registered {
                call.count_attempt();
                self.remove(token, server);
                return self.lose(call, server, UpstreamLoss::of_dial(&error), means);
            }
        }
        self.begin(call, token, means);
    }

    /// A connection of the server's protocol on a socket that is being connected.
    fn insert(
        &mut self,
        socket: K,
        server: (usize, usize),
        until: Instant,
        now: Instant,
    ) -> Result<Token, rustls::Error> {
        let pool = self.pools.get_mut(server.0);
        let (version, tls) = match &pool {
            Some(pool) => pool.protocol(server.1),
            None => (UpstreamVersion::Http1, None),
        };
        let channel = Channel::new(socket, tls.map(UpstreamTls::session).transpose()?, until);
        let carrier = match version {
            UpstreamVersion::Http1 => {
                let config = self.http1.clone();
                Carrier::Single(Box::new(UpstreamConnection::new(
                    channel, server, config, now,
                )))
            }
            UpstreamVersion::Http2 => {
                let config = self.http2.clone();
                Carrier::Shared(Box::new(SharedConnection::new(
                    channel, server, config, now,
                )))
            }
        };
        let token = self.connections.insert(carrier);
        if let Some(pool) = pool
            && version == UpstreamVersion::Http2
        {
            pool.share(server.1, token);
        }
        Ok(token)
    }

    /// The connection of a call is gone: the call begins anew if its request may be repeated, or has failed.
    pub(super) fn lose(
        &mut self,
        call: Call,
        server: (usize, usize),
        loss: UpstreamLoss,
        means: &mut TableTurn<'_, K, F>,
    ) {
        if loss == UpstreamLoss::NoDescriptor {
            self.supply.note(Supply::Short);
        }
        let pool = self.pools.get_mut(server.0);
        let attempts = pool.map_or(1, |pool| {
            // A call whose client has gone is no failure.
            if loss != UpstreamLoss::None && !call.is_abandoned() {
                pool.note_loss(server.1, loss);
            }
            if loss.is_of_server() {
                pool.note_failure(server.1, loss.failure().reason(), means.now);
            }
            pool.attempts()
        });
        if call.is_answered() || call.is_abandoned() {
            call.set_place(CallPlace::Over);
            // The exchange of a tunnel has not given up its client's side.
            call.wake();
            return;
        }
        let goes_on = match loss {
            // Nothing was sent.
            UpstreamLoss::Unreachable(_) => call.attempts() < attempts.min(MOST_ATTEMPTS),
            UpstreamLoss::Refused => call.is_whole() && call.attempts() < MOST_ATTEMPTS,
            UpstreamLoss::Stale => call.may_repeat() && call.attempts() < MOST_ATTEMPTS,
            UpstreamLoss::NoResponse => {
                call.may_repeat() && call.attempts() < attempts.min(MOST_ATTEMPTS)
            }
            _ => false,
        };
        if !goes_on {
            return fail(&call, loss.failure());
        }
        if let Some(pool) = self.pools.get_mut(server.0) {
            pool.note_repeat(server.1);
        }
        call.rewind();
        call.set_place(CallPlace::New);
        self.assign(call, Freshness::New, means);
    }

    /// Lets a call go on that waits for a connection, if there is a place for it: otherwise it keeps its turn.
    pub(super) fn serve_waiting(&mut self, upstream: usize, means: &mut TableTurn<'_, K, F>) {
        let most = self.limits.connections;
        let pool = self.pools.get_mut(upstream);
        let waiting = pool
            .filter(|pool| pool.has_place(most))
            .and_then(Pool::next_waiting);
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
