//! A connection as it stands, for an operator, a debugger or a test that looks into it.
//!
//! A snapshot is a copy, made when it is asked for. Nothing is counted or kept for it at any other time.

use super::Connection;
use crate::h2::budget::{Budget, BudgetsLeft};
use crate::h2::frame::text::Blocks;
use crate::h2::settings::Role;
use crate::h2::store::StreamKey;
use crate::h2::stream::{Half, Stream, StreamState};
use crate::h2::turn::SendState;

/// A connection at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Our side.
    pub role: Role,
    /// Streams that live, in the order of their identifiers.
    pub streams: Vec<StreamSnapshot>,
    /// Bytes of DATA that may be sent on all streams together. Windows are below zero where a SETTINGS
    /// frame took back more than was left.
    pub send_window: i32,
    /// Bytes of DATA that the peer may send on all streams together.
    pub receive_window: i32,
    /// Bytes of DATA that came and that were not released.
    pub held: u32,
    /// Bytes in the output that were not taken.
    pub output: usize,
    /// The table of our encoder.
    pub encoder_table: TableSnapshot,
    /// The table of our decoder.
    pub decoder_table: TableSnapshot,
    /// Nuisance that the peer may still cause.
    pub budgets: BudgetsLeft,
}

/// A dynamic table of HPACK at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSnapshot {
    /// The size of its entries, as RFC 7541 §4.1 counts it.
    pub size: usize,
    /// The bound of that size.
    pub max_size: u32,
    /// Number of its entries.
    pub entries: usize,
}

/// A stream at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSnapshot {
    /// Its identifier.
    pub id: u32,
    /// Its state (RFC 9113 §5.1).
    pub state: StreamState,
    /// Its urgency (RFC 9218 §4.1).
    pub urgency: u8,
    /// Its response is of use in parts (RFC 9218 §4.2).
    pub incremental: bool,
    /// Bytes of DATA that may be sent on it, as far as its own window goes.
    pub send_window: i32,
    /// Bytes of DATA that the peer may send on it, as far as its own window goes.
    pub receive_window: i32,
    /// Bytes of DATA that came and that were not released.
    pub held: u32,
    /// Bytes that are left to send, if [`set_ready`](Connection::set_ready) was told their number.
    pub queued: Option<u64>,
    /// The obstacle to its next DATA frame.
    pub blocked_by: BlockedBy,
}

/// The obstacle to a stream's next DATA frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockedBy {
    /// Everything was sent: our half has ended.
    Ended,
    /// The head of its response, which was not sent yet.
    Head,
    /// Its user: no bytes are at hand.
    User,
    /// The peer: the stream's window is used up.
    StreamWindow,
    /// The peer: the stream's window is open, but too little for a frame, and there were enough small
    /// frames for now.
    SmallWindow,
    /// The peer: the connection's window is used up.
    ConnectionWindow,
    /// Its turn, or room in the output.
    Turn,
}

impl BlockedBy {
    /// The name for traces and panels.
    pub fn name(self) -> &'static str {
        match self {
            BlockedBy::Ended => "ended",
            BlockedBy::Head => "head",
            BlockedBy::User => "user",
            BlockedBy::StreamWindow => "stream-window",
            BlockedBy::SmallWindow => "small-window",
            BlockedBy::ConnectionWindow => "connection-window",
            BlockedBy::Turn => "turn",
        }
    }
}

impl Connection {
    /// The connection as it stands: streams, windows, tables, budgets. It takes time in proportion to
    /// the number of streams, and unpacks the encoder's table where that was
    /// [shrunk](Connection::shrink).
    pub fn snapshot(&self) -> Snapshot {
        let limit = self.agreement.concurrency_limit(&self.config);
        let connection_window = self.streams.send_window();
        let streams = self.streams.iter();
        let open = connection_window.available() > 0;
        Snapshot {
            role: self.role(),
            streams: streams
                .map(|stream| stream_snapshot(stream, open))
                .collect(),
            send_window: connection_window.value(),
            receive_window: self.inbound.window_value(),
            held: self.inbound.held(),
            output: self.outbound.queued(),
            encoder_table: self.outbound.table(),
            decoder_table: self.inbound.table(),
            budgets: self.budget.left(&self.config.budgets, limit),
        }
    }

    /// The field blocks that follow in both directions, those that are received first, for an observer that
    /// comes late and decodes them once more.
    pub fn field_blocks(&self) -> (Blocks, Blocks) {
        let announced = self.config.header_table_size;
        (self.inbound.blocks(announced), self.outbound.blocks())
    }

    /// Streams beyond our SETTINGS_MAX_CONCURRENT_STREAMS that the peer may try to open in all: the limit of
    /// [`BudgetsLeft::refused_streams`].
    pub fn refusals_allowed(&self) -> u32 {
        Budget::refusals(self.agreement.concurrency_limit(&self.config))
    }

    /// The streams that live, in the order of their identifiers, and the obstacle to the next DATA frame of
    /// each. Nothing is allocated for it.
    pub fn obstacles(&self) -> impl Iterator<Item = (StreamKey, BlockedBy)> {
        let open = self.streams.send_window().available() > 0;
        let slots = self.streams.iter_slots();
        slots.map(move |slot| {
            let obstacle = blocked_by(&self.streams[slot], open);
            (self.streams.key_of(slot), obstacle)
        })
    }
}

/// `open` says that the connection's window has room.
fn stream_snapshot(stream: &Stream, open: bool) -> StreamSnapshot {
    StreamSnapshot {
        id: stream.id,
        state: stream.state,
        urgency: stream.priority.urgency(),
        incremental: stream.priority.incremental(),
        send_window: stream.send_window.value(),
        receive_window: stream.receive_window.value(),
        held: stream.receive_window.held(),
        queued: stream.turn.known_remaining(),
        blocked_by: blocked_by(stream, open),
    }
}

fn blocked_by(stream: &Stream, open: bool) -> BlockedBy {
    match (stream.state.local(), stream.turn.state) {
        (None, _) => BlockedBy::Ended,
        (Some(Half::Head), _) => BlockedBy::Head,
        (Some(Half::Body), SendState::Resting) => BlockedBy::User,
        (_, SendState::Blocked) if stream.send_window.available() > 0 => BlockedBy::SmallWindow,
        (_, SendState::Blocked) => BlockedBy::StreamWindow,
        // A stream that is out of window is found out when its turn comes.
        (_, SendState::Ready) if stream.send_window.available() == 0 => BlockedBy::StreamWindow,
        (_, SendState::Ready) if !open => BlockedBy::ConnectionWindow,
        (_, SendState::Ready) => BlockedBy::Turn,
    }
}
