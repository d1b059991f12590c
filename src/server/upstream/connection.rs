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

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::config::UpstreamLimits;
use super::loss::UpstreamLoss;
use crate::exchange::Call;
use crate::h1::{ClientConfig, ClientConnection, ResponseError, ResponseEvent, Version};
use crate::http::Fields;
use crate::link::Link;
use crate::server::lent::Buffers;
use crate::world::World;
use rustls::client::UnbufferedClientConnection;

/// Bytes read at once: a quarter of what a socket of loopback holds, and the size of a piece of output.
const READ: usize = 64 << 10;

/// Bytes of a request's content that are written at once.
const PIECE: usize = 64 << 10;

/// Reads, or pieces written, in one turn. Others wait for some 50 µs.
const STEPS: usize = 2;

/// A connection to a server.
pub(super) struct UpstreamConnection<W: World> {
    link: Link<W, UnbufferedClientConnection>,
    core: ClientConnection,
    /// Bytes that came and were not taken: the beginning of a head, or of a chunk's line.
    input: Vec<u8>,
    stage: SocketStage,
    call: Option<Call>,
    /// Calls before the present one.
    calls: u32,
    reuse: Reuse,
    answer: ReplyProgress,
    /// The end of the time in which the server must take a byte, while output waits.
    write_deadline: Option<Instant>,
    /// The end of the time in which bytes must come or go, once another protocol has the connection.
    tunnel_deadline: Option<Instant>,
    /// Position of the upstream, and of its server.
    pub(super) server: (usize, usize),
}

enum SocketStage {
    /// The socket is not connected yet, and must be by then.
    Connecting(Instant),
    Open,
}

/// The fate of the connection after a response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Allowed,
    /// The server is of HTTP/1.0, which knows no chunks.
    Forbidden,
}

/// The part of the present response that has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReplyProgress {
    /// Not a byte.
    Awaited,
    /// Some.
    Begun,
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

impl<W: World> UpstreamConnection<W> {
    /// A connection whose socket is being connected, for a call.
    pub(super) fn new(
        socket: W::Socket,
        call: Call,
        server: (usize, usize),
        config: Arc<ClientConfig>,
        until: Instant,
        now: Instant,
    ) -> Self {
        UpstreamConnection {
            link: Link::new(socket, None),
            core: ClientConnection::new(config, now),
            input: Vec::new(),
            stage: SocketStage::Connecting(until),
            call: Some(call),
            calls: 0,
            reuse: Reuse::Allowed,
            answer: ReplyProgress::Awaited,
            write_deadline: None,
            tunnel_deadline: None,
            server,
        }
    }

    pub(super) fn socket(&mut self) -> &mut W::Socket {
        self.link.socket()
    }

    /// Remembers what the poll told.
    pub(super) fn ready(&mut self, readable: bool, read_closed: bool) {
        self.link.ready(readable, read_closed);
    }

    /// True if another protocol has the connection.
    pub(super) fn tunnels(&self) -> bool {
        self.core.is_tunnel()
    }

    /// Takes away the call that it carries.
    pub(super) fn take_call(&mut self) -> Option<Call> {
        self.call.take()
    }

    /// True if an idle connection is still open, as far as can be seen without asking the server. Bytes that
    /// answer nothing are as bad as an end.
    pub(super) fn is_alive(&mut self, world: &mut W) -> bool {
        let mut byte = [0];
        self.link.ready(true, false);
        matches!(self.link.receive(world, &mut byte), Ok(0))
            && !self.link.has_input()
            && !self.link.has_ended()
    }

    /// Takes a call. Its request is sent in the next turn.
    pub(super) fn take(&mut self, call: Call) {
        self.call = Some(call);
    }

    /// The time at which [`UpstreamConnection::handle_timeout`] is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.stage {
            SocketStage::Connecting(until) => Some(until),
            SocketStage::Open => {
                let core = self.core.next_deadline();
                let own = self.write_deadline.into_iter().chain(self.tunnel_deadline);
                core.into_iter().chain(own).min()
            }
        }
    }

    /// Deals with a deadline that has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> UpstreamWish {
        if let SocketStage::Connecting(until) = self.stage {
            if until > now {
                return UpstreamWish::Wait;
            }
            return UpstreamWish::Close(UpstreamLoss::Unreachable(io::ErrorKind::TimedOut));
        }
        if self.write_deadline.is_some_and(|deadline| deadline <= now) {
            return UpstreamWish::Close(UpstreamLoss::Stalled);
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
        world: &mut W,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> UpstreamWish {
        if let SocketStage::Connecting(_) = self.stage {
            match world.is_connected(self.link.socket()) {
                Ok(true) => self.stage = SocketStage::Open,
                Ok(false) => return UpstreamWish::Wait,
                Err(error) => return UpstreamWish::Close(UpstreamLoss::Unreachable(error.kind())),
            }
        }
        if let Err(loss) = self.begin(now) {
            return UpstreamWish::Close(loss);
        }
        self.core.lend_output(std::mem::take(&mut buffers.output));
        let written = self.write(world, limits, now);
        let read = self.read(world, buffers, limits, now);
        let mut output = self.core.take_output();
        output.clear();
        buffers.output = output;
        match read {
            Err(loss) => UpstreamWish::Close(self.judge(loss)),
            Ok(read) => self.wish(written.max(read)),
        }
    }

    /// Sends the head of a call that was not begun.
    fn begin(&mut self, now: Instant) -> Result<(), UpstreamLoss> {
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
        let sent = self.core.send_request(head.fields.iter(), head.length, now);
        sent.map_err(|_| UpstreamLoss::Unsendable)
    }

    /// Writes what waits, then content, as long as the socket takes it.
    fn write(&mut self, world: &mut W, limits: &UpstreamLimits, now: Instant) -> Flow {
        for _ in 0..STEPS {
            match self.write_piece(world, limits, now) {
                Ok(Flow::More) => {}
                Ok(Flow::Paused) => return Flow::Paused,
                Err(_) => {
                    // The server may have said why before it closed. That lies in the socket, and the end
                    // behind it.
                    self.link.drop_unsent();
                    self.core.abandon_content(now);
                    self.write_deadline = None;
                    self.link.ready(true, true);
                    return Flow::Paused;
                }
            }
        }
        Flow::More
    }

    /// Makes the next piece of content where the socket has room, and writes what there is.
    fn write_piece(
        &mut self,
        world: &mut W,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> io::Result<Flow> {
        let has_content = |call: &Option<Call>| call.as_ref().is_some_and(Call::has_content);
        if self.link.unsent().is_empty()
            && self.core.is_sending()
            && has_content(&self.call)
            && let Some(call) = &self.call
        {
            let taken = call.take_content(self.core.begin_data(PIECE), PIECE);
            self.core.commit(taken.is_last, now);
        }
        let mut output = std::mem::take(self.core.output());
        if self.core.is_tunnel()
            && self.link.unsent().is_empty()
            && let Some(call) = &self.call
        {
            call.take_content(&mut output, PIECE);
        }
        if output.is_empty() && self.link.unsent().is_empty() {
            *self.core.output() = output;
            return Ok(Flow::Paused);
        }
        let written = self.link.write_bytes(world, &output);
        output.clear();
        *self.core.output() = output;
        if written? > 0 {
            self.write_deadline = None;
            if self.core.is_tunnel() {
                self.tunnel_deadline = Some(now + limits.idle_timeout);
            }
        }
        if !self.link.unsent().is_empty() {
            self.write_deadline.get_or_insert(now + limits.idle_timeout);
            return Ok(Flow::Paused);
        }
        let tunnels = self.core.is_tunnel() && self.call.as_ref().is_some_and(Call::holds_content);
        Ok(
            if tunnels || self.core.is_sending() && has_content(&self.call) {
                Flow::More
            } else {
                Flow::Paused
            },
        )
    }

    /// True if more of the response can be passed on, or an end is looked for.
    fn wants_input(&self) -> bool {
        match &self.call {
            Some(call) if !call.is_answered() => call.wants_reply(),
            _ => true,
        }
    }

    /// Reads while there is something to read and room for it.
    fn read(
        &mut self,
        world: &mut W,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> Result<Flow, UpstreamLoss> {
        for _ in 0..STEPS {
            if self.core.is_tunnel() {
                self.tunnel_deadline
                    .get_or_insert(now + limits.idle_timeout);
            }
            if !self.link.has_input() {
                return Ok(Flow::Paused);
            }
            if !self.wants_input() {
                self.core.pause_input(now);
                return Ok(Flow::Paused);
            }
            let room = self.link.room(&mut buffers.read, READ);
            let read = self
                .link
                .receive(world, room)
                .map_err(|_| UpstreamLoss::Broken)?;
            if self.link.has_ended() {
                self.core.finish_input();
            }
            if read > 0 {
                self.answer = ReplyProgress::Begun;
            }
            if self.core.is_tunnel() {
                self.pass_on(read, buffers, now + limits.idle_timeout);
                continue;
            }
            let bytes = buffers.read.get(..read).unwrap_or_default();
            if self.input.is_empty() {
                let taken = self.receive(bytes, &mut buffers.fields, now)?;
                self.input
                    .extend_from_slice(bytes.get(taken..).unwrap_or_default());
            } else {
                let mut input = std::mem::take(&mut self.input);
                input.extend_from_slice(bytes);
                let taken = self.receive(&input, &mut buffers.fields, now)?;
                input.drain(..taken);
                if !input.is_empty() {
                    self.input = input;
                }
            }
        }
        Ok(Flow::More)
    }

    /// Passes on the first bytes that were read of another protocol, or its end.
    fn pass_on(&mut self, read: usize, buffers: &Buffers, deadline: Instant) {
        self.tunnel_deadline = Some(deadline);
        let Some(call) = &self.call else {
            return;
        };
        if let Some(bytes @ [_, ..]) = buffers.read.get(..read) {
            call.give_content(bytes);
        }
        if self.link.has_ended() {
            call.complete(None);
        }
    }

    /// Passes on what `input` holds of the response, and returns the number of bytes that were taken.
    fn receive(
        &mut self,
        mut input: &[u8],
        fields: &mut Fields,
        now: Instant,
    ) -> Result<usize, UpstreamLoss> {
        let len = input.len();
        loop {
            let event = self.core.receive(&mut input, fields, now);
            let Some(event) = event.map_err(UpstreamLoss::Response)? else {
                return Ok(len - input.len());
            };
            let Some(call) = &self.call else {
                return Err(UpstreamLoss::Response(ResponseError::Unsolicited));
            };
            match event {
                ResponseEvent::Informational { fields } => {
                    call.note_answer();
                    call.give_interim(fields);
                }
                ResponseEvent::Response {
                    fields,
                    version,
                    end_stream,
                } => {
                    call.note_answer();
                    call.give_head(fields);
                    if version == Version::Http10 {
                        self.reuse = Reuse::Forbidden;
                    }
                    if end_stream {
                        call.complete(None);
                    }
                }
                ResponseEvent::Data { data, end_stream } => {
                    call.give_content(data);
                    if end_stream {
                        call.complete(None);
                    }
                }
                ResponseEvent::Trailers { fields } => call.complete(Some(fields)),
                ResponseEvent::Switched { fields } => {
                    call.note_answer();
                    call.give_head(fields);
                    // The first bytes of the other protocol.
                    if !input.is_empty() {
                        call.give_content(input);
                    }
                    return Ok(len);
                }
            }
        }
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
        let is_answered = self.call.as_ref().is_none_or(Call::is_answered);
        if self.core.wants_close() || (is_answered && !self.is_reusable()) {
            return UpstreamWish::Close(self.judge(UpstreamLoss::Broken));
        }
        if is_answered && !self.link.has_input() {
            self.calls = self.calls.saturating_add(1);
            return UpstreamWish::Idle;
        }
        if flow == Flow::More || is_answered {
            return UpstreamWish::Again;
        }
        UpstreamWish::Wait
    }

    /// True if the next request can follow.
    fn is_reusable(&self) -> bool {
        self.reuse == Reuse::Allowed && self.core.is_idle() && self.link.unsent().is_empty()
    }
}
