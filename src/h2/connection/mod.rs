//! One connection: bytes in, events out; commands in, bytes out; and one deadline.
//!
//! ```text
//!            bytes                                        commands
//!              |                                             |
//!   receive: frame -> section / data / control     send: headers, data, control
//!              |          \        |        /                |
//!              |                    owners
//!              v                                             v
//!            event                                        output
//! ```
//!
//! A connection waits for its preface, then for the first SETTINGS, then takes frames until it is
//! closed. Leaving is independent of that; its states are drawn in `departure`.
//!
//! ```text
//!   Preface --> Settings --> Open --> Closed
//!   (server)                  error, close()
//! ```
//!
//! # Owners
//!
//! Each part of the state belongs to one file, which alone can touch it; what it does with others it
//! gets as arguments:
//!
//! | owner | has |
//! |---|---|
//! | `streams` | streams that live, whose turn it is, the connection's send window, identifiers |
//! | `inbound` | the peer's stage, its field blocks, the connection's receive window |
//! | `outbound` | bytes to send, our field blocks, the observer |
//! | `agreement` | settings of both sides |
//! | `departure` | GOAWAY of both sides |
//! | `timing` | the clock, looks at what does not progress |
//! | `waiting` | unanswered SETTINGS and PINGs, resets to be told, early priorities |
//! | [`budget`](crate::h2) | nuisance that the peer has caused |
//!
//! The other files tell the owners what a frame, a command or the time means for each of them. Receiving is in
//! `receive` (frames), `blocks` (HEADERS and what continues it), `sections` (what it means), `content` (DATA) and
//! `control` (the other frames); sending in `send` (HEADERS) and `transfer` (DATA, by the scheduler's grants), both for
//! a request that repeats another in `again`; the steps of every stream in `lifecycle`; time in `deadlines`, the end in
//! `shutdown`, the beginning out of HTTP/1.1 in `upgrade`, commands for other users than calmd in `library`; `snapshot`
//! shows all of it.

mod again;
mod agreement;
mod blocks;
mod content;
mod control;
mod deadlines;
mod departure;
mod inbound;
mod library;
mod lifecycle;
mod outbound;
mod receive;
mod repeated;
mod sections;
mod send;
mod shutdown;
mod snapshot;
mod streams;
mod timing;
mod transfer;
mod upgrade;
mod waiting;

use std::sync::Arc;
use std::time::Instant;

pub use outbound::{Direction, Observer};
pub use snapshot::{BlockedBy, Snapshot, StreamSnapshot, TableSnapshot};
pub use transfer::Grant;

use super::budget::Budget;
use super::flow::DEFAULT_WINDOW;
use super::settings::{Role, Settings};
use super::store::StreamKey;
use crate::h2::config::Config;
use agreement::Agreement;
use departure::Departure;
use inbound::{Inbound, PeerPhase};
use outbound::Outbound;
use streams::Streams;
use timing::Timing;
use waiting::Waiting;

/// One HTTP/2 connection without I/O, client or server.
pub struct Connection {
    config: Arc<Config>,
    streams: Streams,
    inbound: Inbound,
    outbound: Outbound,
    agreement: Agreement,
    departure: Departure,
    timing: Timing,
    waiting: Waiting,
    budget: Budget,
}

/// # The beginning
impl Connection {
    /// The server's side of a new connection. Our SETTINGS are in the output at once; the client's
    /// preface is the first thing that [`receive`](Self::receive) takes.
    pub fn server(config: Arc<Config>, now: Instant) -> Connection {
        let mut connection = Connection::new(config, Role::Server, now);
        connection.send_first_settings(now);
        connection
    }

    /// The client's side of a new connection. Preface and SETTINGS are in the output at once.
    pub fn client(config: Arc<Config>, now: Instant) -> Connection {
        let mut connection = Connection::new(config, Role::Client, now);
        connection.outbound.preface();
        connection.send_first_settings(now);
        connection
    }

    fn new(config: Arc<Config>, role: Role, now: Instant) -> Connection {
        Connection {
            streams: Streams::new(role),
            inbound: Inbound::new(role),
            outbound: Outbound::new(config.encoder_table_size as usize),
            agreement: Agreement::new(),
            departure: Departure::new(),
            timing: Timing::new(now),
            waiting: Waiting::default(),
            budget: Budget::default(),
            config,
        }
    }

    fn send_first_settings(&mut self, now: Instant) {
        let settings = Settings::from_config(&self.config, self.role());
        self.announce(settings, Settings::INITIAL, now);
        // SETTINGS cannot widen the connection's window (RFC 9113 §6.9.2).
        let wanted = self.config.connection_window_size;
        let increment = wanted.saturating_sub(DEFAULT_WINDOW);
        if increment > 0 && self.inbound.grow(increment).is_ok() {
            self.outbound.window_update(0, increment);
        }
    }

    /// Sends what turns `before` into `settings`, and waits for the acknowledgement.
    fn announce(&mut self, settings: Settings, before: Settings, now: Instant) {
        self.outbound.settings(settings.changes(before));
        self.agreement.announce(settings);
        let deadline = self.acknowledgement_due(now);
        self.waiting.push_settings(settings, deadline);
    }
}

/// # Output
impl Connection {
    /// The bytes to send. Everything appends here. A caller that sends them in bounded amounts drains
    /// what was sent from the front and leaves the rest in order.
    pub fn output(&mut self) -> &mut Vec<u8> {
        self.outbound.output()
    }

    /// Lends an empty buffer to write into. What was queued is kept, in front.
    pub fn lend_output(&mut self, buffer: Vec<u8>) {
        self.outbound.lend(buffer);
    }

    /// Takes the bytes to send, and the buffer with them.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.outbound.take()
    }

    /// Shows every frame to `observer`: received ones when they are taken apart, sent ones when they
    /// are made, which is the order in which both go over the wire. Those that wait in the output are
    /// shown at once, so that an observer that is set behind [`server`](Self::server) or
    /// [`client`](Self::client) misses none; one that is set later has to come between two frames, not
    /// while a part of one was drained from [`output`](Self::output). Without an observer a frame costs
    /// one comparison.
    pub fn set_observer(&mut self, observer: Option<Observer>) {
        self.outbound.set_observer(observer);
    }
}

/// # What a connection knows
impl Connection {
    /// Our side of the connection.
    pub fn role(&self) -> Role {
        self.streams.role()
    }

    /// Says that a stream still lives.
    pub fn contains(&self, stream: StreamKey) -> bool {
        self.streams.slot(stream).is_some()
    }

    /// The key of a living stream.
    pub fn stream(&self, id: u32) -> Option<StreamKey> {
        self.streams.find(id).map(|slot| self.streams.key_of(slot))
    }

    /// The number of living streams, promised ones included.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Says that no stream lives and no field block is under way.
    pub fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.inbound.continued().is_none()
    }

    /// Says that nothing is taken any more: an error, or [`close`](Self::close).
    pub fn is_closed(&self) -> bool {
        self.inbound.phase() == PeerPhase::Closed
    }

    /// Our settings, as far as the peer has acknowledged them.
    pub fn local_settings(&self) -> &Settings {
        self.agreement.local()
    }

    /// The peer's settings.
    pub fn remote_settings(&self) -> &Settings {
        self.agreement.remote()
    }

    /// The memory behind this connection in bytes, found out in constant time: what is allocated,
    /// and content of the peer's that was not released yet, since its receiver may hold it.
    pub fn memory(&self) -> usize {
        let hpack = self.inbound.table_heap() + self.outbound.table_heap();
        let input = self.inbound.block_heap() + self.inbound.held() as usize;
        let output = self.outbound.waiting_heap();
        self.streams.heap() + input + output + hpack + self.waiting.heap()
    }

    /// Gives back the memory that a connection without streams can do without at a low price: the next
    /// request allocates it again.
    pub fn trim(&mut self) {
        self.streams.shrink();
        // The larger tables first: what stays of the smaller ones takes a place that these leave, and not one
        // behind them, which would keep the hole.
        self.outbound.shrink();
        self.inbound.trim();
    }

    /// Gives back all memory that an idle connection does not need. The next request takes a few microseconds
    /// more for it, so this is for connections that have been idle for a while.
    pub fn shrink(&mut self) {
        self.streams.shrink();
        self.outbound.shrink();
        self.inbound.shrink();
    }
}

#[cfg(test)]
impl Connection {
    /// Says that no field block is kept.
    pub(in crate::h2) fn block_is_gone(&self) -> bool {
        self.inbound.continued().is_none()
    }

    /// Says that the box of what waits is not there.
    pub(in crate::h2) fn is_tidy(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The bytes that are allocated, but for what HPACK keeps.
    pub(crate) fn heap(&self) -> usize {
        self.streams.heap() + self.outbound.waiting_heap() + usize::from(!self.is_tidy())
    }

    /// The bytes that HPACK keeps.
    pub(crate) fn heap_of_hpack(&self) -> usize {
        self.inbound.table_heap() + self.outbound.table_heap()
    }

    /// The bytes that a stream has left to send.
    pub(in crate::h2) fn remaining(&self, stream: StreamKey) -> u64 {
        let slot = self.streams.slot(stream).expect("a living stream");
        self.streams[slot].turn.remaining()
    }

    /// Makes the next request's identifier the one after this.
    pub(in crate::h2) fn requests_open(&mut self, id: u32) {
        self.streams.open_request(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        let owners = [
            size_of::<Streams>(),
            size_of::<Inbound>(),
            size_of::<Outbound>(),
            size_of::<Agreement>(),
            size_of::<Departure>(),
            size_of::<Timing>(),
            size_of::<Waiting>(),
            size_of::<Budget>(),
        ];
        let size = size_of::<Connection>();
        assert!(size <= 424, "{size}, of which {owners:?}");
    }
}
