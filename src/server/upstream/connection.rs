//! One connection to a server of an upstream: it carries one call after another.
//!
//! ```text
//!  Connecting ──▶ Open: begin ─▶ content of the request ─▶ ┐
//!      │            ▲                response ◀─────────── ┤
//!      │            └─ idle, kept in the pool ◀────────────┘
//!      └──▶ UpstreamLoss ◀─ error, end, deadline
//! ```
//!
//! Reading stops while the client's side has no room, and the core's clock with it. Bytes behind a response
//! end the connection, and never reach a client.

mod reading;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::channel::{Channel, ChannelStage};
use super::config::UpstreamLimits;
use super::counts::UpstreamBytes;
use super::loss::UpstreamLoss;
use crate::exchange::Call;
use crate::h1::{ClientConfig, ClientConnection, RequestLines, ResponseError, Version};
use crate::server::head_lines::LastLines;
use crate::server::lent::Buffers;
use crate::tls::records::WireBuffer;
use crate::world::{Files, Outside};

/// Bytes of a request's content that are written at once.
const PIECE: usize = 64 << 10;

/// Reads, or pieces written, in one turn. Others wait for some 50 µs.
const STEPS: usize = 2;

/// A connection to a server.
pub(super) struct UpstreamConnection<K, F: Files> {
    channel: Channel<K, F>,
    core: ClientConnection,
    call: Option<Call>,
    /// Calls before the present one.
    calls: u32,
    reuse: Reuse,
    answer: ReplyProgress,
    /// The end of the time in which bytes must come or go, once another protocol has the connection.
    tunnel_deadline: Option<Instant>,
    outward: Outward,
    /// Position of the upstream, and of its server.
    pub(super) server: (usize, usize),
}

/// The fate of the connection after a response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Allowed,
    /// The server is of HTTP/1.0, which knows no chunks.
    Forbidden,
}

impl Reuse {
    /// Notes the version of a response.
    fn note(&mut self, version: Version) {
        if version == Version::Http10 {
            *self = Reuse::Forbidden;
        }
    }
}

/// The part of the present response that has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReplyProgress {
    /// Not a byte.
    Awaited,
    /// Some.
    Begun,
}

/// The client's side of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outward {
    Open,
    /// Its last bytes are on their way to the socket.
    Last,
    /// The server knows its end.
    Ended,
}

/// The outlook of one direction of the connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flow {
    /// It waits for the socket or for the other side of the call.
    Paused,
    /// It can go on in another turn.
    More,
}

/// The wish of a connection at the end of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpstreamWish {
    /// To be told of its socket, its call or its deadline.
    Wait,
    /// Another turn.
    Again,
    /// To be kept for the next call.
    Idle,
    /// To be closed: its call has ended, or is not carried any further.
    Close(UpstreamLoss),
}

impl<K, F: Files> UpstreamConnection<K, F> {
    /// A connection on a channel that was not open before.
    pub(super) fn new(
        channel: Channel<K, F>,
        server: (usize, usize),
        config: Arc<ClientConfig>,
        now: Instant,
    ) -> Self {
        UpstreamConnection {
            channel,
            core: ClientConnection::new(config, now),
            call: None,
            calls: 0,
            reuse: Reuse::Allowed,
            answer: ReplyProgress::Awaited,
            tunnel_deadline: None,
            outward: Outward::Open,
            server,
        }
    }

    pub(super) fn channel(&mut self) -> &mut Channel<K, F> {
        &mut self.channel
    }

    /// Its memory by the holder, without that of its call.
    pub(super) fn memory(&self) -> UpstreamBytes {
        UpstreamBytes {
            socket: self.channel.memory(),
            protocol: size_of::<Self>(),
            calls: 0,
        }
    }

    /// True if another protocol has the connection.
    pub(super) fn tunnels(&self) -> bool {
        self.core.is_tunnel()
    }

    /// True if the client's side of a tunnel has ended, and the server does not know all of it.
    pub(super) fn is_ending(&self) -> bool {
        let is_complete = self.call.as_ref().is_some_and(Call::is_complete);
        self.tunnels() && is_complete && self.outward != Outward::Ended
    }

    /// True if it carries a call.
    #[cfg(debug_assertions)]
    pub(super) fn has_call(&self) -> bool {
        self.call.is_some()
    }

    /// Takes away the call that it carries.
    pub(super) fn take_call(&mut self) -> Option<Call> {
        self.call.take()
    }

    /// Takes a call. Its request is sent in the next turn.
    pub(super) fn take(&mut self, call: Call) {
        self.call = Some(call);
    }

    /// The time at which [`UpstreamConnection::handle_timeout`] is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let channel = self.channel.next_deadline();
        if !self.channel.is_open() {
            return channel;
        }
        let own = channel.into_iter().chain(self.tunnel_deadline);
        own.chain(self.core.next_deadline()).min()
    }

    /// Deals with a deadline that has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> UpstreamWish {
        if let Err(loss) = self.channel.check_time(now) {
            return UpstreamWish::Close(loss);
        }
        if !self.channel.is_open() {
            return UpstreamWish::Wait;
        }
        if self.tunnel_deadline.is_some_and(|deadline| deadline <= now) {
            return UpstreamWish::Close(UpstreamLoss::Response(ResponseError::ContentTimeout));
        }
        match self.core.handle_timeout(now) {
            Err(error) => UpstreamWish::Close(UpstreamLoss::Response(error)),
            Ok(()) if self.core.wants_close() => UpstreamWish::Close(UpstreamLoss::None),
            Ok(()) => UpstreamWish::Wait,
        }
    }

    /// Goes on with the call: sends what there is of the request, reads what there is room for.
    pub(super) fn take_turn(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> UpstreamWish {
        match self.channel.open(world, buffers) {
            Ok(ChannelStage::Open) => {}
            Ok(_) => return UpstreamWish::Wait,
            Err(loss) => return UpstreamWish::Close(loss),
        }
        self.core.lend_output(std::mem::take(&mut buffers.output));
        let wish = self.carry(world, buffers, limits, now);
        let mut output = self.core.take_output();
        output.clear();
        buffers.output = output;
        wish
    }

    /// Carries the call a step further, with output that is lent.
    fn carry(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> UpstreamWish {
        if let Err(loss) = self.begin(&mut buffers.request_lines, now) {
            return UpstreamWish::Close(loss);
        }
        let written = self.write(world, &mut buffers.wire, limits, now);
        match self.read(world, buffers, limits, now) {
            Err(loss) => UpstreamWish::Close(self.judge(loss)),
            Ok(read) => self.wish(written.max(read)),
        }
    }

    /// Sends the head of a call that was not begun.
    fn begin(
        &mut self,
        known: &mut LastLines<RequestLines>,
        now: Instant,
    ) -> Result<(), UpstreamLoss> {
        let Some(call) = &self.call else {
            return Ok(());
        };
        if call.is_answered() || self.core.is_sending() || !self.core.is_idle() {
            return Ok(());
        }
        let head = call.head();
        self.answer = ReplyProgress::Awaited;
        // Some applications send content behind the head of a response to HEAD, which could be taken for the
        // next response.
        if head.fields.method() == Some(b"HEAD") {
            self.core.expect_last();
        }
        let length = head.length;
        known.note(&head.fields, |fields| {
            RequestLines::new(fields.iter(), length)
        });
        if let Some(lines) = known.get(&head.fields)
            && self.core.send_request_lines(lines, length, now)
        {
            return Ok(());
        }
        let sent = self.core.send_request(head.fields.iter(), length, now);
        sent.map_err(|_| UpstreamLoss::Unsendable)
    }

    /// Writes what waits, then content, as long as the socket takes it.
    fn write(
        &mut self,
        world: &mut Outside<K, F>,
        wire: &mut WireBuffer,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> Flow {
        for _ in 0..STEPS {
            match self.write_piece(world, wire, limits, now) {
                Ok(Flow::More) => {}
                Ok(Flow::Paused) => return Flow::Paused,
                Err(_) => {
                    self.core.abandon_content(now);
                    self.channel.give_up_writing();
                    self.outward = Outward::Ended;
                    return Flow::Paused;
                }
            }
        }
        Flow::More
    }

    /// Makes the next piece of content where the socket has room, and writes what there is.
    fn write_piece(
        &mut self,
        world: &mut Outside<K, F>,
        wire: &mut WireBuffer,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> io::Result<Flow> {
        let has_content = |call: &Option<Call>| call.as_ref().is_some_and(Call::has_content);
        if self.channel.is_flushed()
            && self.core.is_sending()
            && has_content(&self.call)
            && let Some(call) = &self.call
        {
            let taken = call.take_content(self.core.begin_data(PIECE), PIECE);
            self.core.commit(taken.is_last, now);
        }
        let mut output = std::mem::take(self.core.output());
        if self.core.is_tunnel()
            && self.outward == Outward::Open
            && self.channel.is_flushed()
            && let Some(call) = &self.call
            && call.take_content(&mut output, PIECE).is_last
        {
            self.outward = Outward::Last;
        }
        if output.is_empty() && self.channel.is_flushed() {
            *self.core.output() = output;
            self.end_outward(world, wire)?;
            return Ok(Flow::Paused);
        }
        let patience = limits.idle_timeout;
        let written = self.channel.write(world, wire, &mut output, patience, now);
        *self.core.output() = output;
        if written? > 0 && self.core.is_tunnel() {
            self.tunnel_deadline = Some(now + patience);
        }
        if !self.channel.is_flushed() {
            return Ok(Flow::Paused);
        }
        self.end_outward(world, wire)?;
        let tunnels = self.core.is_tunnel() && self.call.as_ref().is_some_and(Call::holds_content);
        Ok(
            if tunnels || self.core.is_sending() && has_content(&self.call) {
                Flow::More
            } else {
                Flow::Paused
            },
        )
    }

    /// Passes on the end of the client's side, behind its last bytes.
    fn end_outward(&mut self, world: &mut Outside<K, F>, wire: &mut WireBuffer) -> io::Result<()> {
        if self.outward == Outward::Last && self.channel.end_output(world, wire)? {
            self.outward = Outward::Ended;
        }
        Ok(())
    }

    /// The loss as it concerns the call.
    fn judge(&self, loss: UpstreamLoss) -> UpstreamLoss {
        let Some(call) = &self.call else {
            return UpstreamLoss::None;
        };
        let is_silent = self.answer == ReplyProgress::Awaited;
        match loss {
            _ if call.is_answered() => UpstreamLoss::None,
            UpstreamLoss::Broken | UpstreamLoss::Response(ResponseError::NoResponse)
                if is_silent =>
            {
                if self.calls > 0 {
                    UpstreamLoss::Stale
                } else {
                    UpstreamLoss::NoResponse
                }
            }
            loss => loss,
        }
    }

    fn wish(&mut self, flow: Flow) -> UpstreamWish {
        if self.core.is_tunnel() {
            return self.wish_of_tunnel(flow);
        }
        let is_answered = self.call.as_ref().is_none_or(Call::is_answered);
        if self.core.wants_close() || (is_answered && !self.is_reusable()) {
            return UpstreamWish::Close(self.judge(UpstreamLoss::Broken));
        }
        if is_answered && !self.channel.has_input() {
            self.calls = self.calls.saturating_add(1);
            return UpstreamWish::Idle;
        }
        if flow == Flow::More || is_answered {
            return UpstreamWish::Again;
        }
        UpstreamWish::Wait
    }

    /// A tunnel ends when both its sides have. One whose client is gone ends with the client's side.
    fn wish_of_tunnel(&self, flow: Flow) -> UpstreamWish {
        let is_over = |call: &Call| call.is_answered() || call.is_abandoned();
        if self.outward == Outward::Ended && self.call.as_ref().is_none_or(is_over) {
            UpstreamWish::Close(UpstreamLoss::None)
        } else if flow == Flow::More {
            UpstreamWish::Again
        } else {
            UpstreamWish::Wait
        }
    }

    /// True if the next request can follow.
    fn is_reusable(&self) -> bool {
        self.reuse == Reuse::Allowed && self.core.is_idle() && self.channel.is_flushed()
    }
}
