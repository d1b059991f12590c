//! The streams of a connection: those that live, whose turn it is among them, the window that they share
//! for sending, and what is remembered of those that are over.

use crate::h2::flow::{DEFAULT_WINDOW, Exceeded, Overflow, ReceiveWindow, Window};
use crate::h2::frame::MAX_STREAM_ID;
use crate::h2::ids::{Closing, Ids};
use crate::h2::priority::Priority;
use crate::h2::scheduler::Scheduler;
use crate::h2::settings::Role;
use crate::h2::store::{Store, StreamKey};
use crate::h2::stream::{Passage, Side, Stream, StreamState, TransitionError};
use crate::h2::turn::{SendState, StreamSlot};

/// A stream that does not live, as its identifier tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// Nobody has used it yet.
    Idle,
    /// It was closed long ago, or is of a kind of which nothing is remembered.
    Forgotten,
    /// It was closed so.
    Closed(Closing),
}

/// The rest of a stream that is over: twelve bytes of its eighty, since it is moved at the end of every
/// request.
pub(super) struct EndedStream {
    pub(super) receive_window: ReceiveWindow,
    pub(super) closing: Closing,
}

/// All streams of a connection.
pub(super) struct Streams {
    store: Store,
    scheduler: Scheduler,
    /// Bytes of DATA that may be sent on all of them together.
    send_window: Window,
    /// Streams that the client opened.
    requests: Ids,
    /// The highest stream that the server promised.
    promised: u32,
    /// Active streams that the peer opened, which our SETTINGS_MAX_CONCURRENT_STREAMS bounds.
    active_of_peer: u16,
    /// Active streams that we opened, which the peer's bounds.
    active_of_ours: u16,
    role: Role,
}

impl Streams {
    pub(super) fn new(role: Role) -> Self {
        Streams {
            store: Store::default(),
            scheduler: Scheduler::default(),
            send_window: Window::new(DEFAULT_WINDOW),
            requests: Ids::default(),
            promised: 0,
            active_of_peer: 0,
            active_of_ours: 0,
            role,
        }
    }

    /// Our side of the connection.
    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Forgets those that live: the connection is over.
    pub(super) fn clear(&mut self) {
        self.store = Store::default();
        self.scheduler = Scheduler::default();
        (self.active_of_peer, self.active_of_ours) = (0, 0);
    }

    /// Gives back the memory of streams that have ended.
    pub(super) fn shrink(&mut self) {
        self.store.shrink();
    }

    /// Bytes that are allocated.
    pub(super) fn heap(&self) -> usize {
        self.store.heap()
    }
}

/// # Those that live
impl Streams {
    /// The number of streams, promised ones included.
    pub(super) fn len(&self) -> usize {
        self.store.len()
    }

    /// Says that no stream lives.
    pub(super) fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// The stream of this identifier.
    pub(super) fn find(&self, id: u32) -> Option<StreamSlot> {
        self.store.find(id)
    }

    /// The stream of a key.
    pub(super) fn slot(&self, key: StreamKey) -> Option<StreamSlot> {
        self.store.slot(key)
    }

    /// The key of a stream.
    pub(super) fn key_of(&self, slot: StreamSlot) -> StreamKey {
        self.store.key_of(slot)
    }

    /// All of them, for a walk that may end some.
    pub(super) fn slots(&self) -> Vec<StreamSlot> {
        self.store.slots().collect()
    }

    /// All of them, in the order of their identifiers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.store.slots().map(|slot| &self.store[slot])
    }

    /// Their slots, in the order of their identifiers.
    pub(super) fn iter_slots(&self) -> impl Iterator<Item = StreamSlot> {
        self.store.slots()
    }

    /// All of them, to be looked at or changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.store.iter_mut()
    }

    /// The last stream that we opened above `id`.
    pub(super) fn last_of_ours_above(&self, id: u32) -> Option<StreamSlot> {
        self.store.last_above(id, self.role.parity())
    }

    /// Active streams of those that one side opened.
    pub(super) fn active(&self, opened_by: Role) -> u16 {
        if opened_by == self.role {
            self.active_of_ours
        } else {
            self.active_of_peer
        }
    }

    fn active_mut(&mut self, id: u32) -> &mut u16 {
        if id % 2 == self.role.parity() {
            &mut self.active_of_ours
        } else {
            &mut self.active_of_peer
        }
    }

    /// Adds a stream; `None` if there is no slot left.
    pub(super) fn insert(&mut self, stream: Stream) -> Option<StreamKey> {
        let (id, active) = (stream.id, stream.state.is_active());
        let key = self.store.insert(stream)?;
        if active {
            *self.active_mut(id) += 1;
        }
        Some(key)
    }

    /// Moves a stream on. A stream that is closed thereby is gone, and given.
    pub(super) fn pass(
        &mut self,
        slot: StreamSlot,
        side: Side,
        passage: Passage,
    ) -> Result<Option<EndedStream>, TransitionError> {
        let stream = &mut self.store[slot];
        let state = stream.state.pass(side, passage)?;
        if state == StreamState::Closed {
            let closing = match (passage, side) {
                (Passage::Reset, Side::Remote) => Closing::ResetByPeer,
                (Passage::Reset, Side::Local) if stream.state.remote().is_some() => {
                    Closing::ResetByUs
                }
                _ => Closing::Ended,
            };
            return Ok(Some(self.remove(slot, closing)));
        }
        let was_active = stream.state.is_active();
        stream.state = state;
        if !was_active && state.is_active() {
            let id = stream.id;
            *self.active_mut(id) += 1;
        }
        if state.local().is_none() {
            self.set_aside(slot, SendState::Resting);
        }
        Ok(None)
    }

    /// Removes a stream, and notes what its late frames have to be told.
    pub(super) fn remove(&mut self, slot: StreamSlot, closing: Closing) -> EndedStream {
        self.set_aside(slot, SendState::Resting);
        let stream = self.store.remove(slot);
        if stream.state.is_active() {
            *self.active_mut(stream.id) -= 1;
        }
        self.close(stream.id, closing);
        EndedStream {
            receive_window: stream.receive_window,
            closing,
        }
    }
}

/// # Whose turn it is
impl Streams {
    /// Bytes of DATA that may be sent on all of them together.
    pub(super) fn send_window(&self) -> Window {
        self.send_window
    }

    /// WINDOW_UPDATE of the connection came.
    pub(super) fn widen(&mut self, increment: u32) -> Result<(), Overflow> {
        self.send_window.widen(increment)
    }

    /// DATA goes over the wire on a stream: it counts against both windows.
    pub(super) fn consume(&mut self, slot: StreamSlot, len: u32) -> Result<(), Exceeded> {
        self.store[slot].send_window.consume(len)?;
        self.send_window.consume(len)
    }

    /// A request's stream begins and ends at once, with so many bytes of DATA.
    pub(super) fn pass_by(&mut self, id: u32, len: u32) -> Result<(), Exceeded> {
        self.requests.open(id);
        self.requests.close(id, Closing::Ended);
        self.send_window.consume(len)
    }

    /// Says that a stream is ready to send.
    pub(super) fn any_ready(&self) -> bool {
        !self.scheduler.is_empty()
    }

    /// The stream whose turn it is.
    pub(super) fn next(&self) -> Option<StreamSlot> {
        self.scheduler.next()
    }

    /// The stream waits for its turn from now on.
    pub(super) fn line_up(&mut self, slot: StreamSlot) {
        self.scheduler.insert(&mut self.store, slot);
    }

    /// The stream waits for something else from now on.
    pub(super) fn set_aside(&mut self, slot: StreamSlot, state: SendState) {
        self.scheduler.remove(&mut self.store, slot, state);
    }

    /// The stream has had its turn and goes on.
    pub(super) fn rotate(&mut self, slot: StreamSlot) {
        self.scheduler.rotate(&self.store, slot);
    }

    /// Says that others have their turn between two frames of this stream, which is next.
    pub(super) fn takes_turns(&self, slot: StreamSlot) -> bool {
        self.scheduler.takes_turns(&self.store, slot)
    }

    /// Gives a stream another priority.
    pub(super) fn set_priority(&mut self, slot: StreamSlot, priority: Priority) {
        self.scheduler.set_priority(&mut self.store, slot, priority);
    }
}

/// # Identifiers
impl Streams {
    /// The highest identifier that the client used.
    pub(super) fn highest_request(&self) -> u32 {
        self.requests.highest()
    }

    /// The highest stream that the server promised.
    pub(super) fn highest_promised(&self) -> u32 {
        self.promised
    }

    /// The highest stream that `opener` opened or promised.
    pub(super) fn highest(&self, opener: Role) -> u32 {
        match opener {
            Role::Client => self.requests.highest(),
            Role::Server => self.promised,
        }
    }

    /// The identifier that the next stream of ours will have, if there is one left.
    pub(super) fn next_id(&self) -> Option<u32> {
        let next = match self.highest(self.role) {
            // Stream 0 is the connection, so the server begins with 2.
            0 => 2 - self.role.parity(),
            highest => highest + 2,
        };
        (next <= MAX_STREAM_ID).then_some(next)
    }

    /// The client uses a new identifier.
    pub(super) fn open_request(&mut self, id: u32) {
        self.requests.open(id);
    }

    /// The server uses a new identifier.
    pub(super) fn open_promise(&mut self, id: u32) {
        self.promised = id;
    }

    /// Notes what late frames of a stream have to be told.
    pub(super) fn close(&mut self, id: u32, closing: Closing) {
        if id % 2 == 1 {
            self.requests.close(id, closing);
        }
    }

    /// Tells an identifier whose stream does not live.
    pub(super) fn absent(&self, id: u32) -> Absent {
        let opener = if id % 2 == 1 {
            Role::Client
        } else {
            Role::Server
        };
        if id > self.highest(opener) {
            return Absent::Idle;
        }
        match opener {
            Role::Client => match self.requests.closing(id) {
                Some(closing) => Absent::Closed(closing),
                None => Absent::Forgotten,
            },
            Role::Server => Absent::Forgotten,
        }
    }
}

impl std::ops::Index<StreamSlot> for Streams {
    type Output = Stream;

    fn index(&self, slot: StreamSlot) -> &Stream {
        &self.store[slot]
    }
}

impl std::ops::IndexMut<StreamSlot> for Streams {
    fn index_mut(&mut self, slot: StreamSlot) -> &mut Stream {
        &mut self.store[slot]
    }
}
