//! Accepting connections, and closing others where there is no room.
//!
//! A newcomer needs a place, a descriptor and memory. Where one of these is short, the first connection in the order
//! of the [`Ledger`](super::Ledger) is closed, if it is dispensable; where none is, newcomers wait.

use super::{CROWD, EventLoop};
use crate::content::Supply;
use crate::http::{Patience, Scheme};
use crate::panics;
use crate::server::connection::{Connection, Wish};
use crate::server::limit_log::Limit;
use crate::server::listener_role::ListenerRole;
use crate::tls::records::Tls;
use crate::world::{PeerSet, World};
use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::time::{Duration, Instant};

/// While there is no room for newcomers, it is looked for again after this long: no edge will tell of
/// a connection that already waits.
const ACCEPT_RETRY: Duration = Duration::from_millis(250);

/// The most connections that wait on a listener (`somaxconn`). Those that come while these are accepted do not count.
const MOST_WAITING: usize = 4096;

/// Number of connections that may linger beyond the limit of connections, to read why they were closed:
/// enough for clients that close at once, too few to matter where attackers do not.
pub(crate) const LEAVING: usize = 64;

/// A listener: the scheme of its connections, what they are served, and its backlog.
pub(super) struct Listener {
    /// Balancers that introduce the clients of its connections; empty where clients come by themselves.
    pub(super) balancers: PeerSet,
    pub(super) scheme: Scheme,
    pub(super) role: ListenerRole,
    pub(super) backlog: Backlog,
}

#[derive(PartialEq, Eq)]
pub(super) enum Backlog {
    Empty,
    Waiting,
    /// Waiting connections are left there, because the operator wants it so.
    #[cfg(feature = "panel")]
    Held,
}

impl Listener {
    /// Notes that a connection waits.
    pub(super) fn fill(&mut self) {
        #[cfg(feature = "panel")]
        if self.backlog == Backlog::Held {
            return;
        }
        self.backlog = Backlog::Waiting;
    }
}

/// The state of accepting.
pub(super) enum Accepting {
    Open,
    /// Out of places, descriptors or memory until then, or until a connection is closed.
    Paused {
        until: Instant,
        limit: Limit,
    },
}

impl<W: World + 'static> EventLoop<W> {
    pub(super) fn wants_accept(&self) -> bool {
        let waiting = |listener: &Listener| listener.backlog == Backlog::Waiting;
        self.listeners.iter().any(waiting)
    }

    fn has_backlog(&self, index: usize) -> bool {
        let listener = self.listeners.get(index);
        listener.is_some_and(|listener| listener.backlog == Backlog::Waiting)
    }

    /// Accepts waiting connections, as far as there is room and the turn's budget goes.
    pub(super) fn accept(&mut self) {
        if let Accepting::Paused { until, .. } = self.accepting
            && until > self.services.now
        {
            return;
        }
        self.accepting = Accepting::Open;
        for index in 0..self.listeners.len() {
            for _ in 0..self.services.limits.turn_accepts {
                if !self.has_backlog(index) || !self.has_room() || !self.accept_one(index) {
                    break;
                }
            }
        }
        self.dispensable = VecDeque::new();
    }

    /// Accepts the connections that wait before the listeners close: each is connected for its client, and closing
    /// the listener would reset it.
    pub(super) fn accept_last(&mut self) {
        for index in 0..self.listeners.len() {
            for _ in 0..MOST_WAITING {
                if !self.has_room() || !self.accept_one(index) {
                    break;
                }
            }
        }
        self.dispensable = VecDeque::new();
    }

    /// True if one more connection can be accepted, if need be in the place of another; else accepting
    /// pauses.
    fn has_room(&mut self) -> bool {
        if self.ledger.is_tight() {
            self.pause(Limit::Memory);
            return false;
        }
        if self.connections.count() < self.services.limits.max_connections {
            return true;
        }
        self.find_dispensable(Limit::Connections)
    }

    /// True if a connection could be closed for a new one; else accepting pauses.
    fn find_dispensable(&mut self, limit: Limit) -> bool {
        if self.dispensable.is_empty() {
            self.dispensable = self.ledger.first_dispensable(self.services.now).into();
        }
        if self.dispensable.is_empty() {
            self.pause(limit);
        }
        !self.dispensable.is_empty()
    }

    /// Makes a descriptor free by closing a dispensable connection. False if none is dispensable, or if its
    /// descriptor becomes free in a later turn only.
    fn free_descriptor(&mut self, whom: &str, reason: impl Display) -> bool {
        self.note_shortage();
        while let Some(token) = self.leaving.pop_front() {
            if self.connections.value(token).is_some() {
                self.give_turn(token, Connection::close);
                return true;
            }
        }
        if self.find_dispensable(Limit::Descriptors) {
            self.shed_dispensable(Limit::Descriptors);
        } else {
            let what = format!("must wait: {reason}; raise the limit of open files (ulimit -n)");
            let log = &mut self.services.limit_log;
            log.report(Limit::Descriptors, whom, &what, self.services.now);
        }
        false
    }

    /// Notes that memory, descriptors or places are short. The shortage lasts until each connection without progress
    /// was looked at once more, and a little longer.
    fn note_shortage(&mut self) {
        let looks = self.services.timeouts.stall + self.services.timeouts.stall / 4;
        self.short_until = Some(self.services.now + looks);
    }

    /// The patience with peers that take or send too little.
    pub(super) fn patience(&mut self) -> Patience {
        if self.ledger.is_tight() {
            self.note_shortage();
        }
        match self.short_until {
            Some(until) if until > self.services.now => Patience::Short,
            _ => Patience::Ample,
        }
    }

    fn pause(&mut self, limit: Limit) {
        self.note_shortage();
        let until = self.services.now + ACCEPT_RETRY;
        self.accepting = Accepting::Paused { until, limit };
    }

    /// Closes the first dispensable connection for a newcomer.
    fn shed_dispensable(&mut self, limit: Limit) {
        if let Some(index) = self.dispensable.pop_front() {
            self.shed(index, limit);
        }
    }

    /// Closes dispensable connections: a batch in each turn while memory is tight, one in each turn while there are
    /// too few descriptors to open files.
    pub(super) fn relieve(&mut self) {
        let supply = self.services.routes.take_supply();
        if supply != Supply::Enough {
            let what = "none is left to open them; raise the limit of open files (ulimit -n)";
            let log = &mut self.services.limit_log;
            log.report(Limit::Descriptors, "files", what, self.services.now);
        }
        if supply == Supply::Short {
            self.free_descriptor("files", "none is left");
        }
        if self.ledger.is_tight() {
            for index in self.ledger.first_dispensable(self.services.now) {
                if self.ledger.is_tight() {
                    self.shed(index, Limit::Memory);
                }
            }
        }
    }

    /// Closes connections until the others have the memory that they need.
    pub(super) fn make_room(&mut self) {
        #[cfg(feature = "proxy")]
        self.spare_upstreams();
        while self.ledger.is_over() {
            let first = self.ledger.first(self.services.now);
            if first.is_empty() {
                // Upstream connections that are under way hold the rest.
                return;
            }
            for index in first {
                if self.ledger.is_over() {
                    self.shed(index, Limit::Memory);
                    #[cfg(feature = "proxy")]
                    self.account_upstreams();
                }
            }
        }
    }

    /// Closes a connection for the sake of others. The last of these may linger.
    pub(super) fn shed(&mut self, index: u32, limit: Limit) {
        let Some(token) = self.connections.token(index) else {
            return;
        };
        if limit != Limit::Handshakes {
            self.note_shortage();
        }
        self.give_turn(token, |connection, world, turn| {
            connection.shed(limit, world, turn)
        });
        self.leaving.push_back(token);
        if self.leaving.len() > LEAVING
            && let Some(token) = self.leaving.pop_front()
        {
            self.give_turn(token, Connection::close);
        }
    }

    /// Counts one more handshake; if there are too many, the oldest is closed. The slots are visited like the hours
    /// on a clock: the newcomer takes the slot that the hand has just left, so the hand comes to all others before
    /// it.
    fn begin_handshake(&mut self) {
        if self.handshaking >= self.services.limits.handshakes()
            && let Some(index) = self
                .connections
                .find_from(self.hand, Connection::is_handshaking)
        {
            self.hand = index + 1;
            self.shed(index, Limit::Handshakes);
        }
        self.handshaking += 1;
    }

    /// Accepts one connection; false if no more can be accepted now.
    fn accept_one(&mut self, index: usize) -> bool {
        let Some(listener) = self.listeners.get(index) else {
            return false;
        };
        let (scheme, role) = (listener.scheme, listener.role);
        // What is caught here has touched no table yet.
        let newcomer = match panics::catch(|| self.newcomer(index, scheme)) {
            Ok(newcomer) => newcomer,
            Err(panic) => {
                self.recover();
                self.services.report_panic("a newcomer", &panic);
                // Should every one panic, there is time for others in between.
                let until = self.services.now + ACCEPT_RETRY;
                let limit = Limit::InternalError;
                self.accepting = Accepting::Paused { until, limit };
                return false;
            }
        };
        let connection = match newcomer {
            Ok(Some(connection)) => connection.with_role(role),
            // It cannot be served; others may wait behind it.
            Ok(None) => return true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Some(listener) = self.listeners.get_mut(index) {
                    listener.backlog = Backlog::Empty;
                }
                return false;
            }
            // The peer was gone before we came; others may wait behind it.
            Err(error) if is_peers(&error) => return true,
            Err(error) => return self.free_descriptor("newcomers", error),
        };
        let mut connection = connection;
        let peer = connection.peer();
        #[cfg(feature = "panel")]
        if role == ListenerRole::Public && self.is_blocked(peer) {
            return true;
        }
        if !self.let_in(index, &mut connection) {
            return true;
        }
        if !self.admit(role) {
            if connection.is_counted() {
                self.addresses.leave(peer);
            }
            return true;
        }
        if connection.is_handshaking() {
            self.begin_handshake();
        }
        let token = self.connections.insert(connection);
        log::debug!("{peer} #{}: accepted", token.serial);
        #[cfg(feature = "panel")]
        self.trace_newcomer(token);
        if self.crowd > 0 || self.connections.count() >= CROWD {
            self.crowd = self.crowd.max(self.connections.count());
        }
        if self.connections.count() > self.services.limits.max_connections {
            self.shed_dispensable(Limit::Connections);
        }
        self.with(token, |connection, world, turn| {
            match world.register_reading(connection.socket(), token) {
                // What this one has sent already may be much: the next poll tells of it.
                Ok(()) => Wish::Wait,
                Err(error) => {
                    log::warn!("a connection could not be registered: {error}");
                    connection.close(world, turn)
                }
            }
        });
        true
    }

    /// The next connection that waits on a listener; none if there is nothing that it can be served with.
    fn newcomer(
        &mut self,
        index: usize,
        scheme: Scheme,
    ) -> io::Result<Option<Connection<W::Socket, W::Files>>> {
        let (socket, peer) = self.world.accept(index)?;
        let tls = match (scheme, &self.services.tls) {
            (Scheme::Http, _) => None,
            (Scheme::Https, Some(tls)) => match Tls::new(tls.config().clone()) {
                Ok(tls) => Some(tls),
                Err(_) => return Ok(None),
            },
            (Scheme::Https, None) => return Ok(None),
        };
        Ok(Some(Connection::new(socket, tls, peer, &self.services)))
    }
}

/// True if accepting failed for a reason of the peer's own (accept(2)).
fn is_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, PermissionDenied, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
            | TimedOut
    )
}
