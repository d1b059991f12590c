//! One HTTP/2 connection to a server of an upstream: it carries many calls at a time.
//!
//! ```text
//!  call ─▶ unbegun ─▶ a stream ─▶ ended, with its response or its loss
//!             │                     ▲
//!             └── refused, leaving ─┘
//! ```
//!
//! A stream's window is opened as its exchange takes content, so a slow client slows its own call and no other: the
//! connection's window has room for all streams.

mod carried;
mod events;
mod sending;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::channel::{Channel, ChannelStage, ReceivedBytes};
use super::config::{STREAMS, UpstreamLimits};
use super::counts::UpstreamBytes;
use super::loss::UpstreamLoss;
use crate::exchange::Call;
use crate::h1::BodyLength;
use crate::h2::{self, ErrorCode, Misuse, StreamKey};
use crate::http::{Field, Fields};
use crate::server::lent::Buffers;
use crate::world::{Files, Outside};
use carried::CarriedCall;

/// Unsent output in bytes with which no more is read: answers to PING and SETTINGS would only add to it.
const BACKLOG: usize = 128 << 10;

/// Reads, and pieces written, in one turn. Others wait for some 50 µs.
const STEPS: usize = 2;

/// An HTTP/2 connection to a server, and the calls on it.
pub(super) struct SharedConnection<K, F: Files> {
    channel: Channel<K, F>,
    core: h2::Connection,
    /// By the index of the stream's key.
    calls: Vec<Option<CarriedCall>>,
    carried: usize,
    /// Calls whose requests were not begun.
    unbegun: VecDeque<Call>,
    /// Calls whose exchanges have something to tell.
    told: Vec<Call>,
    /// Calls that are over here.
    ended: Vec<(Call, UpstreamLoss)>,
    openness: Openness,
    /// The last time at which bytes came.
    heard: Option<Instant>,
    /// The end of its time without calls.
    idle_until: Option<Instant>,
    /// Position of the upstream, and of its server.
    pub(super) server: (usize, usize),
}

/// The connection's willingness to take more calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Openness {
    /// It takes calls; the server has not said how many.
    New,
    Open,
    /// The server leaves, or is not heard of.
    Leaving,
}

/// The outlook of one direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SharedFlow {
    Paused,
    More,
}

/// The wish of a connection at the end of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SharedWish {
    /// To be told of its socket, its calls or its deadline.
    Wait,
    /// Another turn.
    Again,
    /// To be closed.
    Close(UpstreamLoss),
}

impl<K, F: Files> SharedConnection<K, F> {
    /// A connection on a channel that was not open before.
    pub(super) fn new(
        channel: Channel<K, F>,
        server: (usize, usize),
        config: Arc<h2::Config>,
        now: Instant,
    ) -> Self {
        SharedConnection {
            channel,
            core: h2::Connection::client(config, now),
            calls: Vec::new(),
            carried: 0,
            unbegun: VecDeque::new(),
            told: Vec::new(),
            ended: Vec::new(),
            openness: Openness::New,
            heard: None,
            idle_until: None,
            server,
        }
    }

    pub(super) fn channel(&mut self) -> &mut Channel<K, F> {
        &mut self.channel
    }

    /// Its memory by the holder, without that of its calls: content that the core counts until it is released
    /// lies with them.
    pub(super) fn memory(&self) -> UpstreamBytes {
        let calls = self.calls.iter().flatten();
        let passed_on: usize = calls.map(CarriedCall::unreleased).sum();
        let tables = self.calls.capacity() * size_of::<Option<CarriedCall>>();
        let core = self.core.memory().saturating_sub(passed_on);
        UpstreamBytes {
            socket: self.channel.memory(),
            protocol: size_of::<Self>() + tables + core,
            calls: 0,
        }
    }

    /// Takes one more call. Its request is sent in the next turn.
    pub(super) fn take(&mut self, call: Call) {
        call.set_seat(None);
        self.idle_until = None;
        self.unbegun.push_back(call);
    }

    /// The exchange of a call has something to tell, which is heard in the next turn.
    pub(super) fn tell(&mut self, call: Call) {
        self.told.push(call);
    }

    /// Takes the calls that are over here.
    pub(super) fn take_ended(&mut self) -> Vec<(Call, UpstreamLoss)> {
        std::mem::take(&mut self.ended)
    }

    /// True if it carries no call.
    pub(super) fn is_idle(&self) -> bool {
        self.carried == 0 && self.unbegun.is_empty()
    }

    /// Calls that it may carry at a time; `None` as long as the server has not said so.
    pub(super) fn room(&self) -> Option<usize> {
        let theirs = self.core.remote_settings().max_concurrent_streams;
        match self.openness {
            Openness::New => None,
            Openness::Open => Some(usize::try_from(theirs).unwrap_or(STREAMS).min(STREAMS)),
            Openness::Leaving => Some(0),
        }
    }

    /// The time at which [`SharedConnection::handle_timeout`] is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let channel = self.channel.next_deadline();
        if !self.channel.is_open() {
            return channel;
        }
        let calls = self.calls.iter().flatten();
        let calls = calls.filter_map(|carried| carried.deadline);
        let own = channel.into_iter().chain(self.idle_until).chain(calls);
        own.chain(self.core.next_deadline()).min()
    }

    /// Deals with a deadline that has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> SharedWish {
        if let Err(loss) = self.channel.check_time(now) {
            return self.give_up(loss);
        }
        if !self.channel.is_open() {
            return SharedWish::Wait;
        }
        if self.core.handle_timeout(now).is_err() {
            return self.give_up(UpstreamLoss::Protocol);
        }
        if self.idle_until.is_some_and(|until| until <= now) {
            return self.give_up(UpstreamLoss::None);
        }
        let is_late = |carried: &&CarriedCall| carried.deadline.is_some_and(|until| until <= now);
        let late = self.calls.iter().flatten().filter(is_late);
        for stream in late.map(|carried| carried.stream).collect::<Vec<_>>() {
            self.give_up_call(stream);
        }
        // Resets are sent in a turn.
        SharedWish::Again
    }

    /// Gives a call up whose response does not come.
    fn give_up_call(&mut self, stream: StreamKey) {
        let Some(carried) = self.remove(stream) else {
            return;
        };
        self.core.reset(stream, ErrorCode::CANCEL);
        if self.heard.is_none_or(|heard| heard < carried.began) {
            // Other calls would wait here in vain too.
            self.openness = Openness::Leaving;
        }
        let loss = carried.lateness();
        self.end(carried.call, loss);
    }

    /// Sends GOAWAY, as far as the socket takes it at once.
    pub(super) fn leave(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) {
        if self.channel.is_open() {
            self.core.close(ErrorCode::NO_ERROR, None, b"");
            self.flush(world, buffers, limits, now);
        }
    }

    /// Goes on with all calls.
    pub(super) fn take_turn(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> SharedWish {
        match self.channel.open(world, buffers) {
            Ok(ChannelStage::Open) if self.channel.is_agreed(b"h2") => {}
            Ok(ChannelStage::Open) => return self.give_up(UpstreamLoss::NoTls),
            Ok(_) => {
                self.drop_abandoned();
                return SharedWish::Wait;
            }
            Err(loss) => return self.give_up(loss),
        }
        self.core.lend_output(std::mem::take(&mut buffers.output));
        let done = self.go_on(world, buffers, limits, now);
        let mut output = self.core.take_output();
        output.clear();
        buffers.output = output;
        match done {
            Err(loss) => self.give_up(loss),
            Ok(flow) => self.wish(flow, limits, now),
        }
    }

    fn go_on(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> Result<SharedFlow, UpstreamLoss> {
        // Streams that were given up are told before their numbers are used again.
        self.receive(&mut &[][..], &mut buffers.fields, limits, now)?;
        self.hear(limits, now);
        let mut flow = SharedFlow::Paused;
        for _ in 0..STEPS {
            self.begin_requests(limits, now);
            let written = self.write(world, buffers, limits, now);
            flow = written.max(self.read(world, buffers, limits, now)?);
            if flow == SharedFlow::Paused {
                break;
            }
        }
        self.begin_requests(limits, now);
        let written = self.write(world, buffers, limits, now);
        Ok(flow.max(written))
    }

    /// Takes up what the exchanges have to tell.
    fn hear(&mut self, limits: &UpstreamLimits, now: Instant) {
        for call in std::mem::take(&mut self.told) {
            let Some(seat) = call.seat() else {
                // Its request is begun with what there is.
                continue;
            };
            let Some(carried) = self.calls.get_mut(seat).and_then(Option::as_mut) else {
                continue;
            };
            let stream = carried.stream;
            if call.is_abandoned() && !carried.is_ending() {
                self.core.reset(stream, ErrorCode::CANCEL);
                if let Some(carried) = self.remove(stream) {
                    self.end(carried.call, UpstreamLoss::None);
                }
                continue;
            }
            if carried.has_unreleased() {
                carried.release(&mut self.core, now + limits.idle_timeout);
            }
            carried.make_ready(&mut self.core);
        }
        self.drop_abandoned();
    }

    /// Ends calls that were not begun and whose exchanges are gone.
    fn drop_abandoned(&mut self) {
        if self.unbegun.iter().any(Call::is_abandoned) {
            for call in std::mem::take(&mut self.unbegun) {
                if call.is_abandoned() {
                    self.end(call, UpstreamLoss::None);
                } else {
                    self.unbegun.push_back(call);
                }
            }
        }
    }

    /// Begins as many requests as there may be.
    fn begin_requests(&mut self, limits: &UpstreamLimits, now: Instant) {
        while let Some(call) = self.unbegun.front() {
            let head = call.head();
            if head.is_tunnel() && !self.core.remote_settings().enable_connect_protocol {
                if self.openness == Openness::New {
                    // Its SETTINGS are on their way.
                    return;
                }
                if let Some(call) = self.unbegun.pop_front() {
                    self.end(call, UpstreamLoss::NoTunnel);
                }
                continue;
            }
            let end_stream = head.length == BodyLength::None;
            let length = match head.length {
                BodyLength::Known(length) => length.to_string(),
                BodyLength::None | BodyLength::Unknown => String::new(),
            };
            let length = Some(Field::new(b"content-length", length.as_bytes()));
            let length = length.filter(|field| !field.value.is_empty());
            let stream = if self.carried < STREAMS {
                let fields = head.fields.iter().chain(length);
                self.core.open(fields, end_stream, now)
            } else {
                Err(Misuse::TooManyStreams {
                    limit: STREAMS as u32,
                })
            };
            let Some(call) = self.unbegun.pop_front() else {
                return;
            };
            match stream {
                Ok(stream) => self.insert(call, stream, end_stream, limits, now),
                Err(Misuse::TooManyStreams { .. }) if self.openness == Openness::New => {
                    return self.unbegun.push_front(call);
                }
                Err(Misuse::TooManyStreams { .. }) => self.end(call, UpstreamLoss::Refused),
                Err(Misuse::GoingAway | Misuse::StreamIdsExhausted) => {
                    self.openness = Openness::Leaving;
                    self.end(call, UpstreamLoss::Refused);
                }
                Err(_) => self.end(call, UpstreamLoss::Unsendable),
            }
        }
    }

    fn insert(
        &mut self,
        call: Call,
        stream: StreamKey,
        end_stream: bool,
        limits: &UpstreamLimits,
        now: Instant,
    ) {
        let seat = stream.index();
        call.set_seat(Some(seat));
        let mut carried = CarriedCall::new(call, stream, now);
        if end_stream {
            carried.complete_request(now + limits.response_timeout);
        } else if carried.waits_for_head() {
            carried.deadline = Some(now + limits.response_timeout);
        }
        carried.make_ready(&mut self.core);
        if seat >= self.calls.len() {
            self.calls.resize_with(seat + 1, || None);
        }
        if let Some(place) = self.calls.get_mut(seat) {
            *place = Some(carried);
            self.carried += 1;
        }
    }

    fn carried(&mut self, stream: StreamKey) -> Option<&mut CarriedCall> {
        let carried = self.calls.get_mut(stream.index())?.as_mut();
        carried.filter(|carried| carried.stream == stream)
    }

    fn remove(&mut self, stream: StreamKey) -> Option<CarriedCall> {
        self.carried(stream)?;
        self.carried -= 1;
        self.calls.get_mut(stream.index())?.take()
    }

    fn end(&mut self, call: Call, loss: UpstreamLoss) {
        call.set_seat(None);
        self.ended.push((call, loss));
    }

    /// True if answers of the protocol have room in the output.
    pub(super) fn wants_input(&self) -> bool {
        self.channel.unsent() <= BACKLOG
    }

    /// Reads once.
    fn read(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> Result<SharedFlow, UpstreamLoss> {
        if !self.channel.has_input() {
            return Ok(SharedFlow::Paused);
        }
        if !self.wants_input() {
            self.core.pause_input(now);
            return Ok(SharedFlow::Paused);
        }
        let ReceivedBytes {
            mut bytes,
            fields,
            is_news,
            last: _,
        } = self.channel.receive(world, buffers)?;
        if is_news {
            self.heard = Some(now);
        }
        self.receive(&mut bytes, fields, limits, now)?;
        self.channel.keep(bytes);
        if self.channel.has_ended() {
            return Err(UpstreamLoss::Broken);
        }
        Ok(SharedFlow::More)
    }

    /// Takes what `input` holds, and leaves the beginning of a frame there.
    fn receive(
        &mut self,
        input: &mut &[u8],
        fields: &mut Fields,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> Result<(), UpstreamLoss> {
        loop {
            match self.core.receive(input, fields, now) {
                Ok(None) => return Ok(()),
                Ok(Some(event)) => self.handle(event, limits, now),
                Err(_) => return Err(UpstreamLoss::Protocol),
            }
        }
    }

    fn wish(&mut self, flow: SharedFlow, limits: &UpstreamLimits, now: Instant) -> SharedWish {
        if self.is_idle() {
            if self.openness == Openness::Leaving {
                return SharedWish::Close(UpstreamLoss::None);
            }
            self.idle_until.get_or_insert(now + limits.keep_alive);
        }
        match flow {
            SharedFlow::More => SharedWish::Again,
            SharedFlow::Paused => SharedWish::Wait,
        }
    }

    /// Ends all calls, each with the loss as it concerns it.
    pub(super) fn give_up(&mut self, loss: UpstreamLoss) -> SharedWish {
        self.openness = Openness::Leaving;
        let was_heard = self.heard.is_some();
        for carried in std::mem::take(&mut self.calls).into_iter().flatten() {
            let loss = carried.judge(loss, was_heard);
            self.end(carried.call, loss);
        }
        self.carried = 0;
        for call in std::mem::take(&mut self.unbegun) {
            // Nothing of it was sent.
            let loss = match loss {
                UpstreamLoss::None | UpstreamLoss::Broken => UpstreamLoss::Refused,
                loss => loss,
            };
            self.end(call, loss);
        }
        SharedWish::Close(loss)
    }
}
