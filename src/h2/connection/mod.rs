//! One connection: bytes in, events out; commands in, bytes out; and one deadline.
//!
//! ```text
//!            bytes                                        commands
//!              |                                             |
//!   receive: frame -> section / data / control     send: headers, data, control
//!              |          \        |        /                |
//!              |           streams, windows, settings, budget
//!              v                                             v
//!            event                                        output
//! ```
//!
//! A connection waits for its preface, then for the first SETTINGS, then takes frames until it is
//! closed. Leaving is independent of that, and of the peer's leaving:
//!
//! ```text
//!   Preface --> Settings --> Open --> Closed         Staying --> Announced --> Left
//!   (server)                  error, close()          shutdown()    PING ack, time, shutdown()
//! ```
//!
//! This file holds the state and what is asked about it. Receiving is in `receive` (frames), `blocks`
//! (HEADERS and what continues it), `sections` (what it means), `content` (DATA) and `control` (the
//! other frames); sending in `send` (HEADERS) and `transfer` (DATA, by the scheduler's grants); what
//! both do to streams in `streams`; time in `deadlines`, the end in `shutdown`, the beginning out of
//! HTTP/1.1 in `upgrade`, all other commands in `extensions`.

mod blocks;
mod content;
mod control;
mod deadlines;
mod extensions;
mod receive;
mod sections;
mod send;
mod shutdown;
mod streams;
mod transfer;
mod upgrade;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

pub use transfer::Grant;

use super::budget::Budget;
use super::clock::{Tick, TickClock};
use super::error::ErrorCode;
use super::event::Cause;
use super::flow::{DEFAULT_WINDOW, ReceiveWindow, Window};
use super::frame::{FrameHeader, PREFACE, encode};
use super::ids::Ids;
use super::priority::Priority;
use super::scheduler::Scheduler;
use super::settings::{Role, Settings};
use super::store::{Store, StreamKey};
use super::stream::Movement;
use crate::h2::config::Config;
use crate::hpack::{Decoder, Encoder, INITIAL_TABLE_SIZE};
use crate::http::Patience;
use blocks::Block;

/// How far the peer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerPhase {
    /// Its preface is being compared; so many bytes were right.
    Preface { matched: u8 },
    /// Its first frame has to be SETTINGS (RFC 9113 §3.4).
    Settings,
    /// Frames come.
    Open,
    /// Nothing is taken any more.
    Closed,
}

/// How far we have gone in leaving (RFC 9113 §6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// Not at all.
    Staying,
    /// GOAWAY with the highest identifier of all: streams may still arrive.
    Announced,
    /// GOAWAY with the last stream that counts.
    Left { last: u32 },
}

/// Which way a frame goes, for an observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    Received,
    /// To the peer.
    Sent,
}

/// Is shown every frame: its direction, its header, its payload.
pub type Observer = Box<dyn FnMut(Direction, FrameHeader, &[u8]) + Send>;

/// What most connections need only for a moment, or never.
#[derive(Default)]
struct Rare {
    /// SETTINGS that wait for their acknowledgement, and until when.
    settings: VecDeque<(Settings, Option<Tick>)>,
    /// PINGs that wait for their answer, and since when.
    pings: VecDeque<([u8; 8], Instant)>,
    /// Streams that ended without a frame of their own, to be told.
    resets: VecDeque<(StreamKey, ErrorCode, Cause)>,
    /// Priorities of streams that are still to come (RFC 9218 §7.1).
    priorities: Vec<(u32, Priority)>,
    /// When the second GOAWAY is due without an answer to the PING behind the first.
    leave_at: Option<Tick>,
    /// When small frames may be sent again that windows are open for.
    small_frames_at: Option<Tick>,
    observer: Option<Observer>,
}

impl Rare {
    fn memory(&self) -> usize {
        fn of<T>(queue: &VecDeque<T>) -> usize {
            queue.capacity() * size_of::<T>()
        }
        let queues = of(&self.settings) + of(&self.pings) + of(&self.resets);
        let priorities = self.priorities.capacity() * size_of::<(u32, Priority)>();
        size_of::<Self>() + queues + priorities
    }

    fn is_empty(&self) -> bool {
        self.settings.is_empty()
            && self.pings.is_empty()
            && self.resets.is_empty()
            && self.priorities.is_empty()
            && self.leave_at.is_none()
            && self.small_frames_at.is_none()
            && self.observer.is_none()
    }
}

/// One HTTP/2 connection without I/O, client or server.
pub struct Connection {
    config: Arc<Config>,
    /// Bytes to send.
    output: Vec<u8>,
    decoder: Decoder,
    encoder: Encoder,
    store: Store,
    scheduler: Scheduler,
    /// A field block whose end has not come yet (RFC 9113 §4.3).
    block: Option<Box<Block>>,
    rare: Option<Box<Rare>>,
    clock: TickClock,
    /// When the caller last told the time.
    heard: Tick,
    /// Ours, as far as the peer has acknowledged them.
    local: Settings,
    /// The peer's.
    remote: Settings,
    send_window: Window,
    receive_window: ReceiveWindow,
    /// Streams that the client opened.
    requests: Ids,
    /// The highest stream that the server promised.
    promised: u32,
    /// Active streams that the peer opened, which our SETTINGS_MAX_CONCURRENT_STREAMS bounds.
    peer_streams: u16,
    /// Active streams that we opened, which the peer's bounds.
    own_streams: u16,
    budget: Budget,
    /// DATA that was sent on any stream while one was ready.
    sent: Movement,
    stall_check: Option<Tick>,
    patience: Patience,
    /// The last stream of the lowest GOAWAY that came.
    peer_last: Option<u32>,
    leaving: Leaving,
    role: Role,
    phase: PeerPhase,
    /// Lots of input that were taken to their end; see [`Stream::born`].
    lots: u16,
    /// Where the DATA frame begins that is being made.
    data_frame: Option<usize>,
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
        connection.output.extend_from_slice(PREFACE);
        connection.send_first_settings(now);
        connection
    }

    fn new(config: Arc<Config>, role: Role, now: Instant) -> Connection {
        Connection {
            output: Vec::new(),
            decoder: Decoder::new(INITIAL_TABLE_SIZE as usize),
            encoder: Encoder::new(config.encoder_table_size as usize),
            store: Store::default(),
            scheduler: Scheduler::default(),
            block: None,
            rare: None,
            clock: TickClock::new(now),
            heard: Tick::default(),
            local: Settings::INITIAL,
            remote: Settings::INITIAL,
            send_window: Window::new(DEFAULT_WINDOW),
            receive_window: ReceiveWindow::new(DEFAULT_WINDOW),
            requests: Ids::default(),
            promised: 0,
            peer_streams: 0,
            own_streams: 0,
            budget: Budget::default(),
            sent: Movement::default(),
            stall_check: None,
            patience: Patience::Short,
            peer_last: None,
            leaving: Leaving::Staying,
            role,
            phase: match role {
                Role::Server => PeerPhase::Preface { matched: 0 },
                Role::Client => PeerPhase::Settings,
            },
            lots: 0,
            data_frame: None,
            config,
        }
    }

    fn send_first_settings(&mut self, now: Instant) {
        let settings = Settings::from_config(&self.config, self.role);
        self.announce(settings, Settings::INITIAL, now);
        // SETTINGS cannot widen the connection's window (RFC 9113 §6.9.2).
        let wanted = self.config.connection_window_size;
        let increment = wanted.saturating_sub(DEFAULT_WINDOW);
        if increment > 0 && self.receive_window.grow(increment).is_ok() {
            encode::window_update(&mut self.output, 0, increment);
        }
    }

    /// What a field section of the peer's may measure.
    fn header_list_limit(&self) -> usize {
        // Until our SETTINGS are acknowledged, what they say.
        let limit = match self.local.max_header_list_size {
            u32::MAX => self.config.max_header_list_size,
            limit => limit,
        };
        limit as usize
    }

    /// Sends what turns `before` into `settings`, and waits for the acknowledgement.
    fn announce(&mut self, settings: Settings, before: Settings, now: Instant) {
        encode::settings(&mut self.output, settings.changes(before));
        // A peer that has read them may make use of them before it acknowledges.
        self.local.max_frame_size = self.local.max_frame_size.max(settings.max_frame_size);
        let deadline = self.acknowledgement_due(now);
        self.rare().settings.push_back((settings, deadline));
    }
}

/// # Output
impl Connection {
    /// The bytes to send. Everything appends here. Whoever sends them in bounded amounts drains what
    /// was sent from the front and leaves the rest in order.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Lends an empty buffer to write into. What was queued is kept, in front.
    pub fn lend_output(&mut self, mut buffer: Vec<u8>) {
        debug_assert!(buffer.is_empty());
        if !self.output.is_empty() {
            buffer.extend_from_slice(&self.output);
        }
        self.output = buffer;
    }

    /// Takes the bytes to send, and the buffer with them.
    pub fn take_output(&mut self) -> Vec<u8> {
        let output = std::mem::take(&mut self.output);
        if !output.is_empty() {
            self.observe_output(&output);
        }
        output
    }

    /// Shows every frame to `observer`: received ones when they are taken apart, sent ones when
    /// [`take_output`](Self::take_output) hands them out. What was drained from
    /// [`output`](Self::output), or is sent elsewhere, is not seen. Without an observer nothing of
    /// this costs anything.
    pub fn set_observer(&mut self, observer: Option<Observer>) {
        self.rare().observer = observer;
        self.tidy();
    }

    fn observe_output(&mut self, mut output: &[u8]) {
        let Some(observer) = self.rare.as_mut().and_then(|rare| rare.observer.as_mut()) else {
            return;
        };
        output = output.strip_prefix(PREFACE).unwrap_or(output);
        while let Some((header, behind)) = FrameHeader::split_first(output) {
            let Some((payload, rest)) = behind.split_at_checked(header.len as usize) else {
                break;
            };
            observer(Direction::Sent, header, payload);
            output = rest;
        }
    }
}

/// # What a connection knows
impl Connection {
    /// Which side this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether a stream still lives.
    pub fn contains(&self, stream: StreamKey) -> bool {
        self.store.slot(stream).is_some()
    }

    /// The key of a living stream.
    pub fn stream(&self, id: u32) -> Option<StreamKey> {
        self.store.find(id).map(|slot| self.store.key_of(slot))
    }

    /// The number of living streams, promised ones included.
    pub fn streams(&self) -> usize {
        self.store.len()
    }

    /// The active streams of those that one side opened: what a SETTINGS_MAX_CONCURRENT_STREAMS
    /// counts.
    pub fn active_streams(&self, opened_by: Role) -> usize {
        match opened_by == self.role {
            true => self.own_streams.into(),
            false => self.peer_streams.into(),
        }
    }

    /// Whether no stream lives and no field block is under way.
    pub fn is_idle(&self) -> bool {
        self.store.is_empty() && self.block.is_none()
    }

    /// Whether nothing is taken any more: an error, or [`close`](Self::close).
    pub fn is_closed(&self) -> bool {
        self.phase == PeerPhase::Closed
    }

    /// Our settings, as far as the peer has acknowledged them.
    pub fn local_settings(&self) -> &Settings {
        &self.local
    }

    /// The peer's settings.
    pub fn remote_settings(&self) -> &Settings {
        &self.remote
    }

    /// What may be sent on a stream now: the smaller of its window and the connection's.
    pub fn send_window(&self, stream: StreamKey) -> Option<u32> {
        let slot = self.store.slot(stream)?;
        let window = self.store[slot].send_window.available();
        Some(window.min(self.send_window.available()))
    }

    /// What the peer may send on a stream now: the smaller of its window and the connection's.
    pub fn receive_window(&self, stream: StreamKey) -> Option<u32> {
        let slot = self.store.slot(stream)?;
        let window = self.store[slot].receive_window.available();
        Some(window.min(self.receive_window.available()))
    }

    /// What may be sent on all streams together.
    pub fn connection_send_window(&self) -> u32 {
        self.send_window.available()
    }

    /// What the peer may send on all streams together.
    pub fn connection_receive_window(&self) -> u32 {
        self.receive_window.available()
    }

    /// The priority of a stream.
    pub fn priority(&self, stream: StreamKey) -> Option<Priority> {
        self.store
            .slot(stream)
            .map(|slot| self.store[slot].priority)
    }

    /// The memory behind this connection in bytes, found out in constant time: what is allocated,
    /// and content of the peer's that was not released yet, since its receiver may hold it.
    pub fn memory(&self) -> usize {
        let block = self.block.as_ref().map_or(0, |block| block.memory());
        let rare = self.rare.as_ref().map_or(0, |rare| rare.memory());
        let hpack = self.decoder.heap() + self.encoder.heap();
        let held = self.receive_window.held() as usize;
        self.store.heap() + self.output.capacity() + block + rare + hpack + held
    }

    /// Gives back the memory that an idle connection does not need. What is needed again is
    /// allocated again, so this is for connections that have been idle for a while.
    pub fn shrink(&mut self) {
        self.store.shrink();
        self.decoder.shrink();
        self.encoder.shrink();
        if self.output.is_empty() {
            self.output = Vec::new();
        }
        self.tidy();
    }
}

#[cfg(test)]
impl Connection {
    /// Whether no field block is kept.
    pub(in crate::h2) fn block_is_gone(&self) -> bool {
        self.block.is_none()
    }

    /// Whether nothing rare is kept.
    pub(in crate::h2) fn is_tidy(&self) -> bool {
        self.rare.is_none()
    }

    /// The bytes that are allocated, but for what HPACK keeps.
    pub(crate) fn heap(&self) -> usize {
        self.store.heap() + self.output.capacity() + usize::from(!self.is_tidy())
    }

    /// The bytes that HPACK keeps.
    pub(crate) fn heap_of_hpack(&self) -> usize {
        self.decoder.heap() + self.encoder.heap()
    }

    /// The bytes that a stream has left to send.
    pub(in crate::h2) fn remaining(&self, stream: StreamKey) -> u64 {
        let slot = self.store.slot(stream).expect("a living stream");
        self.store[slot].turn.remaining()
    }

    /// Makes the next request's identifier the one after this.
    pub(in crate::h2) fn requests_open(&mut self, id: u32) {
        self.requests.open(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        assert!(
            size_of::<Connection>() <= 464,
            "{}",
            size_of::<Connection>()
        );
    }
}
