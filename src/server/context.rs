//! The state that connections share for the length of a turn.

use super::config::{Config, Limits, Timeouts};
use super::limit_log::{Limit, LimitLog};
use super::own_time::OwnTime;
use crate::exchange::{Means, RequestKey, RequestPlace, Wakes};
use crate::http::{Field, Fields, Patience, Scheme, date};
use crate::link::Splices;
use crate::panics::Panic;
use crate::routes::Routes;
use crate::telemetry::access_log::{AccessLog, Arrival, Ended, Entry};
use crate::tls::records::WireBuffer;
use crate::tls::{Names, TlsContext};
use crate::world::{Peer, Polled, Token, World};
use crate::{h1, h2};
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The world, the handlers, the log, the time, and the buffers that are lent to one connection after
/// another.
pub struct Context<W: World> {
    /// Sockets and clocks.
    pub(super) world: W,
    /// The answerers of requests.
    pub(super) routes: Routes<W::Files>,
    /// Means of exchanges: wakes, the time, and the time that they have.
    pub(super) means: Means,
    /// The connection whose turn it is.
    pub(super) token: Token,
    /// The access log, if there is one.
    pub(super) log: Option<AccessLog>,
    /// Certificate and sessions of TLS connections, where there is a listener for them.
    pub(super) tls: Option<TlsContext>,
    /// The limits that fired, for the operator.
    pub(super) limit_log: LimitLog,
    /// Bounds of HTTP/1.1.
    pub(super) http1: Arc<h1::Config>,
    /// Settings and bounds of HTTP/2.
    pub(super) http2: Arc<h2::Config>,
    /// Bounds of what a connection holds.
    pub(super) limits: Limits,
    /// The size of a piece of output: less than [`Limits::output_bytes`] where memory is short.
    pub(super) piece: usize,
    /// Bounds of what a connection waits for.
    pub(super) timeouts: Timeouts,
    /// The patience with peers that take or send too little.
    pub(super) patience: Patience,
    /// The time of this turn, by which everybody's deadlines are kept: the loop's own, from which its
    /// absences are taken out. Not to be mixed with [`World::now`].
    pub(super) now: Instant,
    time: OwnTime,
    /// The time of this turn by the machine's clock, with which what takes time is measured.
    pub(super) began: Instant,
    /// The time of day of this turn.
    wall: SystemTime,
    /// Content that the connection has moved in its turn, either way, and what a slow reader took of
    /// what waited for it, in bytes; see [`super::ledger::PROGRESS_BYTES`].
    pub(super) moved: usize,
    /// The buffers of this turn.
    pub(super) buffers: Buffers,
    /// Content between the bytes of the output that is being made.
    pub(super) splices: Splices<W::Files>,
    /// Requests that the connection may still make in this turn.
    pub(super) requests: usize,
    /// Work on files that may still be done for it in this turn, in bytes of effort.
    pub(super) file_effort: usize,
    /// Effort of the turn so far: bytes in and out, and what the work on requests is worth in
    /// bytes.
    pub(super) effort: usize,
    /// The beginning, by the machine's clock, of a turn that may take longer than its bytes say.
    pub(super) measured_from: Option<Instant>,
    /// The scheme of the connection, which decides how content gets into its output.
    pub(super) scheme: Scheme,
    /// The names that the connection's requests may be for.
    pub(super) names: Names,
    date: Date,
}

/// Worth of the work on a request, in bytes that are moved: it takes some 1.5 µs, and so do 2 KiB
/// through the socket.
pub const REQUEST_EFFORT: usize = 2 << 10;

/// Work of so much time, in bytes that are moved: as [`REQUEST_EFFORT`], 2 KiB take 1.5 µs.
fn worth(took: Duration) -> usize {
    let bytes = took.as_nanos() * REQUEST_EFFORT as u128 / 1_500;
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Bytes that a turn mostly needs of each buffer: a chunk of output, and what records add to it.
const BUFFER: usize = 100 << 10;

/// Buffers that are lent to one connection after another, so that none needs its own.
///
/// They have their size from the start: one that grew in a crowd would lie above what the crowd
/// leaves behind, and keep the allocator from giving that back.
#[derive(Default)]
pub struct Buffers {
    /// Bytes from the socket.
    pub read: Vec<u8>,
    /// Bytes out of TLS records.
    pub plain: Vec<u8>,
    /// Bytes of the protocol on their way out.
    pub output: Vec<u8>,
    /// Bytes sealed in TLS records.
    pub wire: WireBuffer,
    /// The field section of the message that is being read.
    pub fields: Fields,
}

impl Buffers {
    fn new() -> Self {
        Buffers {
            read: Vec::with_capacity(BUFFER),
            plain: Vec::with_capacity(BUFFER),
            output: Vec::with_capacity(BUFFER),
            wire: WireBuffer::with_capacity(BUFFER),
            fields: Fields::new(),
        }
    }
}

impl<W: World> Context<W> {
    /// A context for this configuration.
    pub fn new(
        world: W,
        routes: impl Into<Routes<W::Files>>,
        log: Option<AccessLog>,
        config: &Config,
    ) -> Self {
        let (now, wall) = (world.now(), world.wall_clock());
        let Config {
            http1,
            http2,
            limits,
            timeouts,
        } = config.derived();
        Context {
            world,
            routes: routes.into(),
            means: Means {
                wakes: Wakes::new(),
                now,
                world_now: now,
                handler_timeout: config.timeouts.handler,
            },
            token: Token {
                index: 0,
                serial: 0,
            },
            log,
            tls: None,
            limit_log: LimitLog::default(),
            http1: Arc::new(http1),
            http2: Arc::new(http2),
            piece: limits.output_bytes,
            limits,
            timeouts,
            patience: Patience::Ample,
            now,
            time: OwnTime::new(now),
            began: now,
            wall,
            moved: 0,
            buffers: Buffers::new(),
            splices: Splices::default(),
            requests: 0,
            file_effort: 0,
            effort: 0,
            measured_from: None,
            scheme: Scheme::Http,
            names: Names::Any,
            date: Date::default(),
        }
    }

    /// The loop is about to sleep: what it has done since it last did may have taken long.
    pub(super) fn end_turn(&mut self) {
        self.time.work(self.world.now());
        self.set_now();
    }

    fn set_now(&mut self) {
        self.now = self.time.now();
        (self.means.now, self.means.world_now) = (self.now, self.time.world());
    }

    /// Has a request of the connection polled again once a disk has had its time.
    pub(super) fn await_disk(&mut self, request: RequestKey) {
        let place = RequestPlace {
            connection: self.token,
            request,
        };
        self.means.wakes.retry(place, self.now);
    }

    /// Reads the clocks, behind a poll that was to sleep for `timeout` at most.
    pub(super) fn begin_turn(&mut self, timeout: Option<Duration>, polled: Polled) {
        let now = self.world.now();
        match timeout {
            Some(Duration::ZERO) => self.time.work(now),
            _ => self.time.sleep(now, timeout, polled.sleep),
        }
        self.set_now();
        self.began = now;
        self.wall = self.world.wall_clock();
        if date::seconds(self.wall) < self.date.second {
            self.routes.handle_clock_set_back();
        }
        self.date.update(self.wall);
    }

    /// Makes anew what a turn that panicked may have left half done: what was lent to its connection,
    /// and what it may have been about to change. Handlers of a library's user are their own affair.
    pub(super) fn recover(&mut self) {
        self.buffers = Buffers::new();
        self.splices = Splices::default();
        (self.requests, self.effort, self.moved) = (0, 0, 0);
        self.measured_from = None;
        self.charge_files();
        self.routes.recover();
        if let Some(log) = &mut self.log {
            log.recover();
        }
    }

    /// A panic was caught in a turn of `whom`.
    pub(super) fn report_panic(&mut self, whom: impl Display, panic: &Panic) {
        self.limit_log.report_panic(whom, panic, self.now);
    }

    /// The TLS session with `peer` failed.
    pub(super) fn report_tls(&mut self, peer: Peer, error: &rustls::Error) {
        self.limit_log.add(Limit::Tls);
        log::debug!("{peer}: TLS: {error}");
    }

    /// A limit fired for `peer`, as `what` says.
    pub(super) fn report(&mut self, limit: Limit, peer: Peer, what: &str) {
        self.limit_log.report(limit, peer, what, self.now);
    }

    /// Charges the turn with the work on files so far: opening and reading them takes time, however
    /// few bytes are sent for it.
    pub(super) fn charge_files(&mut self) {
        let effort = self.routes.take_effort();
        self.effort += effort;
        self.file_effort = self.file_effort.saturating_sub(effort);
    }

    /// True if the connection's work on files has to go on in another turn.
    pub(super) fn is_out_of_file_effort(&mut self) -> bool {
        self.charge_files();
        self.file_effort == 0
    }

    /// Has the time of the turn measured from here on, because its bytes may tell too little of it.
    pub(super) fn measure(&mut self) {
        if self.measured_from.is_none() {
            self.measured_from = Some(self.world.now());
        }
    }

    /// Charges the turn with the time that it took, where that was measured and is more than its bytes
    /// are worth.
    pub(super) fn charge_time(&mut self) {
        if let Some(begin) = self.measured_from.take() {
            let took = self.world.now().saturating_duration_since(begin);
            self.effort = self.effort.max(worth(took));
        }
    }

    /// True if the connection may make another request in this turn.
    pub(super) fn may_request(&self) -> bool {
        self.requests > 0 && self.file_effort > 0
    }

    /// True if the request is for somebody else: a client may use a connection for other names than it
    /// asked for (RFC 9113 §9.1.1), but none that we do not have (RFC 9110 §15.5.20).
    pub(super) fn is_misdirected(&mut self, request: &Fields) -> bool {
        match (self.names, &mut self.tls, request.authority()) {
            (Names::Certificate, Some(tls), Some(authority)) => !tls.covers(authority),
            _ => false,
        }
    }

    /// The `date` field of a response.
    fn date(&self) -> Field<'_> {
        Field::new(b"date", self.date.text.as_bytes())
    }

    /// The fields at the end of every response's head: `date`, and what only TLS may carry.
    pub(super) fn last_fields(&self) -> impl Iterator<Item = Field<'_>> {
        let secure = match self.scheme {
            Scheme::Http => None,
            Scheme::Https => self.routes.secure_field(),
        };
        std::iter::once(self.date()).chain(secure)
    }

    /// Another number for each text of [`Context::date`].
    pub(super) fn date_tick(&self) -> u32 {
        self.date.second as u32
    }

    /// The beginning of a request's line in the log, if there is a log.
    pub(super) fn log_entry(
        &mut self,
        peer: Peer,
        version: &'static str,
        fields: &Fields,
    ) -> Option<Box<Entry>> {
        let log = self.log.as_mut()?;
        Some(log.entry(&Arrival {
            peer: match peer {
                Peer::Ip(address) => Some(address),
                Peer::Unix => None,
            },
            scheme: self.scheme.as_str(),
            version,
            fields,
            at: self.began,
            wall: self.wall,
        }))
    }

    /// Logs a request that is refused before anybody is asked for an answer: `status` is that of the
    /// response, with so many bytes of content, or 0 where there is none.
    pub(super) fn log_refusal(
        &mut self,
        peer: Peer,
        version: &'static str,
        fields: &Fields,
        reason: &'static str,
        (status, body_bytes): (u16, u64),
    ) {
        let entry = self.log_entry(peer, version, fields);
        if let (Some(log), Some(entry)) = (&mut self.log, entry) {
            log.end(Ended {
                entry,
                status,
                body_bytes,
                reason: Some(reason),
            });
        }
    }
}

/// The time of day in the form of HTTP, rendered once a second.
#[derive(Default)]
struct Date {
    second: u64,
    text: String,
}

impl Date {
    fn update(&mut self, time: SystemTime) {
        let second = date::seconds(time);
        if self.second != second || self.text.is_empty() {
            self.second = second;
            // In place: a new text every second could come to lie anywhere.
            self.text.clear();
            self.text.push_str(&date::format(time));
        }
    }
}
