//! The servers of one upstream: their idle connections, their load, their health, and the calls that wait.
//!
//! Health is passive: a server that cannot be reached, or ends a new connection without a response, is spared for a
//! second, then for two, up to a minute; the first response ends that. A spared server is asked all the same where no
//! other is left, because its own error tells more than one of ours.

mod figures;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::STREAMS;
use super::counts::CallCounts;
use crate::exchange::Call;
use crate::proxy::{
    DialAddress, Upstream, UpstreamScheme, UpstreamServer, UpstreamTls, UpstreamVersion,
};
use crate::world::Token;

/// Calls that wait for a free connection to one upstream. More are refused at once: they could hardly be
/// served before their time is up.
const MOST_WAITING: usize = 1_024;

/// Time for which a server is spared after its first failure. It doubles with each further one.
const FIRST_REST: Duration = Duration::from_secs(1);

/// Doublings of [`FIRST_REST`]: a minute is long for a server that is back, and short for its log.
const MOST_DOUBLINGS: u32 = 6;

/// The servers of an upstream.
pub(super) struct Pool {
    /// The host and the path whose requests come here, as they are told in metrics.
    labels: (String, String),
    servers: Vec<PoolServer>,
    waiting: VecDeque<(Instant, Call)>,
    /// Calls that no connection was free for.
    unserved: u64,
}

/// A server, and the connections to it.
struct PoolServer {
    name: String,
    addresses: Vec<DialAddress>,
    /// The address that is dialled next.
    next: usize,
    /// Connections, idle ones included.
    open: usize,
    idle: Vec<Token>,
    scheme: UpstreamScheme,
    tls: Option<UpstreamTls>,
    /// Connections of many calls.
    shared: Vec<SharedRoom>,
    /// Calls on a connection that the server has last allowed.
    streams: usize,
    health: ServerHealth,
    counts: CallCounts,
}

/// A connection that carries many calls.
struct SharedRoom {
    token: Token,
    calls: usize,
    /// The most that it may carry: none if the server leaves.
    most: usize,
}

/// A server's health, as far as calls have shown it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerHealth {
    Up,
    /// It failed so often in a row, and is spared until then.
    Down {
        failures: u32,
        until: Instant,
    },
}

/// The way to a connection for a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// By an idle connection to this server.
    Idle(usize, Token),
    /// By a connection to this server that may carry other calls too.
    Shared(usize, Token),
    /// By a new connection to this server.
    Dial(usize, DialAddress),
    /// None is free.
    None,
}

/// The kind of connection that a call may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Any.
    Any,
    /// A new one, because an idle one was stale.
    New,
}

impl PoolServer {
    fn new(server: UpstreamServer) -> Self {
        PoolServer {
            name: server.name,
            addresses: server.addresses,
            next: 0,
            open: 0,
            idle: Vec::new(),
            scheme: server.scheme,
            tls: server.tls,
            shared: Vec::new(),
            streams: STREAMS,
            health: ServerHealth::Up,
            counts: CallCounts::new(),
        }
    }

    fn is_spared(&self, now: Instant) -> bool {
        matches!(self.health, ServerHealth::Down { until, .. } if until > now)
    }

    /// Calls that are being carried.
    fn load(&self) -> usize {
        match self.scheme.version() {
            UpstreamVersion::Http1 => self.open - self.idle.len(),
            UpstreamVersion::Http2 => self.shared.iter().map(|room| room.calls).sum(),
        }
    }

    /// Takes a place on a connection of many calls: the fullest that has room, so that others become idle.
    fn take_place(&mut self) -> Option<Token> {
        let free = self.shared.iter_mut().filter(|room| room.calls < room.most);
        let room = free.max_by_key(|room| room.calls)?;
        room.calls += 1;
        Some(room.token)
    }

    /// True if one more call finds a place: of `most` for calls, and on a connection or one of `most` for these. One
    /// whose server leaves has none.
    fn has_place(&self, most: usize) -> bool {
        let is_free = |room: &SharedRoom| room.calls < room.most;
        let has_connection =
            self.open < most || !self.idle.is_empty() || self.shared.iter().any(is_free);
        has_connection && self.load() < most
    }

    fn room(&mut self, token: Token) -> Option<&mut SharedRoom> {
        self.shared.iter_mut().find(|room| room.token == token)
    }
}

impl Pool {
    pub(super) fn new(upstream: Upstream) -> Self {
        let servers = upstream.servers.into_iter();
        Pool {
            labels: (upstream.host, upstream.mount),
            servers: servers.map(PoolServer::new).collect(),
            waiting: VecDeque::new(),
            unserved: 0,
        }
    }

    /// Finds the way for a call: by the server with the fewest calls of those that are well. A new connection
    /// is counted from here on.
    pub(super) fn route(&mut self, freshness: Freshness, most: usize, now: Instant) -> Route {
        let servers = self.servers.iter().enumerate();
        let best = servers
            .filter(|(_, server)| server.has_place(most))
            .min_by_key(|(_, server)| (server.is_spared(now), server.load()));
        let Some((index, _)) = best else {
            return Route::None;
        };
        let Some(server) = self.servers.get_mut(index) else {
            return Route::None;
        };
        if (freshness == Freshness::Any || server.open >= most)
            && let Some(token) = server.idle.pop()
        {
            return Route::Idle(index, token);
        }
        if (freshness == Freshness::Any || server.open >= most)
            && let Some(token) = server.take_place()
        {
            return Route::Shared(index, token);
        }
        if server.open >= most {
            return Route::None;
        }
        let Some(address) = server
            .addresses
            .get(server.next % server.addresses.len().max(1))
        else {
            return Route::None;
        };
        server.open += 1;
        Route::Dial(index, address.clone())
    }

    /// Takes an idle connection. There are no more than there may be connections, and each is closed when its time
    /// is up: a busy moment is likely to come back before, and dialling anew costs more than a request.
    pub(super) fn keep(&mut self, server: usize, token: Token) {
        if let Some(server) = self.servers.get_mut(server) {
            server.idle.push(token);
        }
    }

    /// The version of HTTP of a server, and the means of TLS with it.
    pub(super) fn protocol(&self, server: usize) -> (UpstreamVersion, Option<&UpstreamTls>) {
        match self.servers.get(server) {
            Some(server) => (server.scheme.version(), server.tls.as_ref()),
            None => (UpstreamVersion::Http1, None),
        }
    }

    /// A connection that was dialled for a call is one of many calls.
    pub(super) fn share(&mut self, server: usize, token: Token) {
        if let Some(server) = self.servers.get_mut(server) {
            let most = server.streams;
            server.shared.push(SharedRoom {
                token,
                calls: 1,
                most,
            });
        }
    }

    /// Notes the number of calls that a connection may carry.
    pub(super) fn set_room(&mut self, server: usize, token: Token, most: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            if most > 0 {
                server.streams = most;
            }
            if let Some(room) = server.room(token) {
                room.most = most;
            }
        }
    }

    /// A call on a connection of many calls is over.
    pub(super) fn leave_place(&mut self, server: usize, token: Token) {
        let server = self.servers.get_mut(server);
        if let Some(room) = server.and_then(|server| server.room(token)) {
            room.calls = room.calls.saturating_sub(1);
        }
    }

    /// A connection was closed.
    pub(super) fn forget(&mut self, server: usize, token: Token) {
        if let Some(server) = self.servers.get_mut(server) {
            server.open -= 1;
            server.idle.retain(|idle| *idle != token);
            server.shared.retain(|room| room.token != token);
        }
    }

    /// A connection that was counted was not made.
    pub(super) fn uncount(&mut self, server: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            server.open -= 1;
        }
    }

    /// A response came whole from a server, its head after so long.
    pub(super) fn note_success(&mut self, server: usize, time: Option<Duration>) {
        let Some(server) = self.servers.get_mut(server) else {
            return;
        };
        server.counts.add_answer(time);
        if server.health != ServerHealth::Up {
            log::info!("upstream {}: answers again", server.name);
            server.health = ServerHealth::Up;
        }
    }

    /// A server has failed in a way that the next call would meet too: it is spared for some time. Its next
    /// address is tried next.
    pub(super) fn note_failure(&mut self, server: usize, reason: &str, now: Instant) {
        let Some(server) = self.servers.get_mut(server) else {
            return;
        };
        server.next = server.next.wrapping_add(1);
        let failures = match server.health {
            ServerHealth::Up => {
                // Once, not for each request.
                log::warn!("upstream {}: {reason}", server.name);
                1
            }
            // Calls that were under way together count once.
            ServerHealth::Down { until, .. } if until > now => return,
            ServerHealth::Down { failures, .. } => failures.saturating_add(1),
        };
        let doublings = failures.saturating_sub(1).min(MOST_DOUBLINGS);
        server.health = ServerHealth::Down {
            failures,
            until: now + FIRST_REST * 2_u32.pow(doublings),
        };
    }

    /// Attempts that make sense for one call: each address of each server once.
    pub(super) fn attempts(&self) -> u32 {
        let addresses = self.servers.iter().map(|server| server.addresses.len());
        u32::try_from(addresses.sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// True if a call finds a place.
    pub(super) fn has_place(&self, most: usize) -> bool {
        self.servers.iter().any(|server| server.has_place(most))
    }

    /// Has a call wait for a free connection until then; false if too many do.
    pub(super) fn wait(&mut self, call: Call, until: Instant) -> bool {
        let has_room = self.waiting.len() < MOST_WAITING;
        if has_room {
            self.waiting.push_back((until, call));
        } else {
            self.unserved += 1;
        }
        has_room
    }

    /// Takes the call that has waited longest.
    pub(super) fn next_waiting(&mut self) -> Option<Call> {
        self.waiting.pop_front().map(|(_, call)| call)
    }

    /// Takes the next call whose time is up.
    pub(super) fn next_late(&mut self, now: Instant) -> Option<Call> {
        let (until, _) = self.waiting.front()?;
        if *until <= now {
            self.unserved += 1;
            self.next_waiting()
        } else {
            None
        }
    }

    /// The time at which the next call has waited too long.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(until, _)| *until)
    }

    /// Forgets calls whose exchanges are gone.
    pub(super) fn drop_abandoned(&mut self) {
        self.waiting.retain(|(_, call)| !call.is_abandoned());
    }
}

#[cfg(test)]
mod tests;
