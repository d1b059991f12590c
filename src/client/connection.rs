//! One connection: the link to the server, and the core between it and the requests.

use super::error::Error;
use super::qlog::TraceFile;
use super::requests::{Requests, Responses};
use super::trace::Tracer;
use super::url::Url;
use crate::h2::{self, ErrorCode};
use crate::http::Fields;
use crate::link::{Link, Splices, Transport};
use crate::tls::records::{Tls, WireBuffer};
use crate::world::{Ready, Token, World};
use rustls::client::UnbufferedClientConnection;
use std::sync::Arc;
use std::time::Instant;

/// Bytes read from the socket at once: four frames of the usual largest size.
const READ: usize = 64 << 10;

/// A connection to an origin.
pub struct Connection<W: World> {
    url: Url,
    link: Link<W, UnbufferedClientConnection>,
    token: Token,
    core: Option<h2::Connection>,
    /// Lent to the socket.
    wire: Vec<u8>,
    /// Bytes that came and are not taken yet, in front: after a turn an incomplete frame.
    plain: Vec<u8>,
    /// Number of those bytes.
    came: usize,
    sealed: WireBuffer,
    /// Lent to the core for field sections.
    fields: Fields,
    /// Shows the core's frames, and is told the time of each turn.
    trace: Option<Tracer>,
    qlog: Option<TraceFile>,
    /// The server's first bytes were HTTP/2.
    greeted: bool,
    /// It was used before and has been silent since: it may be closed without our knowing yet.
    stale: bool,
}

impl<W: World> Connection<W> {
    /// On a connected socket; nothing has been said.
    pub fn new(
        url: Url,
        socket: W::Socket,
        token: Token,
        tls: Option<Tls<UnbufferedClientConnection>>,
    ) -> Self {
        Connection {
            url,
            link: Link::new(socket, tls),
            token,
            core: None,
            wire: Vec::new(),
            plain: Vec::new(),
            came: 0,
            sealed: WireBuffer::default(),
            fields: Fields::new(),
            trace: None,
            qlog: None,
            greeted: false,
            stale: false,
        }
    }

    /// Goes through the TLS handshake, if there is to be one, and sees to it that h2 was agreed on.
    pub fn shake_hands(
        &mut self,
        world: &mut W,
        limit: Instant,
        trace: Option<&Tracer>,
    ) -> Result<(), Error> {
        let mut ready = Vec::new();
        // The first turn says hello.
        self.open(world, 0)?;
        while self.is_handshaking() {
            self.flush_sealed(world)?;
            if self.link.has_ended() {
                return Err(Error::Closed(self.url.authority()));
            }
            let now = world.now();
            if now >= limit {
                return Err(Error::TimedOut(self.url.authority()));
            }
            if !self.link.has_input() {
                ready.clear();
                let left = limit.saturating_duration_since(now);
                world.poll(&mut ready, Some(left)).map_err(Error::World)?;
                ready.iter().for_each(|ready| self.note(ready));
            }
            self.read(world)?;
        }
        self.flush_sealed(world)?;
        if let Transport::Tls(tls) = self.link.transport() {
            if let Some(trace) = trace {
                trace.handshake(world.now(), tls.common());
            }
            if tls.alpn() != Some(b"h2") {
                return Err(Error::NoHttp2(self.url.authority()));
            }
        }
        Ok(())
    }

    /// Begins HTTP/2, whose frames are shown to those who want that.
    pub fn begin(
        &mut self,
        config: Arc<h2::Config>,
        now: Instant,
        (trace, qlog): (Option<Tracer>, Option<TraceFile>),
    ) {
        self.trace = trace;
        self.qlog = qlog;
        self.tell_time(now);
        let mut core = h2::Connection::client(config, now);
        let shown = self.trace.as_ref().map(Tracer::observer);
        let written = self.qlog.as_ref().map(|qlog| qlog.observer(&core));
        core.set_observer(match (shown, written) {
            (Some(mut shown), Some(mut written)) => {
                Some(Box::new(move |direction, header, payload| {
                    shown(direction, header, payload);
                    written(direction, header, payload);
                }))
            }
            (shown, written) => shown.or(written),
        });
        self.core = Some(core);
    }

    /// Tells traces the time of the frames that come next, and the state of the connection from time to time.
    pub fn tell_time(&self, now: Instant) {
        if let Some(trace) = &self.trace {
            trace.tell_time(now);
        }
        if let Some(qlog) = &self.qlog {
            qlog.tell_time(now);
            if let Some(core) = &self.core {
                qlog.add_state(|| core.snapshot());
            }
        }
    }

    /// A URL of the origin.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The protocol.
    pub fn core(&mut self) -> &mut h2::Connection {
        self.core.as_mut().expect("begin comes before any request")
    }

    /// True if the connection was used before and has been silent since, so that a request on it may have
    /// come too late.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// True if the server still listens, as far as can be seen without asking it.
    pub fn is_reusable(&mut self, world: &mut W) -> bool {
        self.stale = true;
        let mut ready = Vec::new();
        let polled = world.poll(&mut ready, Some(std::time::Duration::ZERO));
        ready.iter().for_each(|ready| self.note(ready));
        polled.is_ok() && self.read(world).is_ok() && !self.is_over() && !self.core().is_drained()
    }

    /// True if nothing can be sent or received any more.
    pub fn is_over(&self) -> bool {
        self.link.has_ended() || self.core.as_ref().is_some_and(|core| core.is_closed())
    }

    /// True if the socket took everything, so that more is worth making.
    pub fn has_room(&self) -> bool {
        self.link.unsent().is_empty()
    }

    /// True if there may be more to read without waiting.
    pub fn has_input(&self) -> bool {
        self.link.has_input()
    }

    /// Remembers what the poll says about our socket.
    pub fn note(&mut self, ready: &Ready) {
        if let Ready::Socket {
            token,
            readable,
            read_closed,
            ..
        } = ready
            && *token == self.token
        {
            self.link.ready(*readable, *read_closed);
        }
    }

    /// Takes what came while nothing was asked for, such as the word that the server takes no more: it may
    /// have been read already, and then no poll tells of it. The connection stays stale.
    pub fn catch_up<R: Responses>(
        &mut self,
        world: &mut W,
        requests: &mut Requests<'_, R>,
    ) -> Result<(), Error> {
        let stale = self.stale;
        let done = self.receive(world, requests);
        self.stale = stale;
        done
    }

    /// Reads once and tells the requests what happened.
    pub fn receive<R: Responses>(
        &mut self,
        world: &mut W,
        requests: &mut Requests<'_, R>,
    ) -> Result<(), Error> {
        let read = if self.link.has_input() {
            self.read(world)
        } else {
            Ok(())
        };
        self.greet()?;
        let now = world.now();
        self.tell_time(now);
        let core = self.core.as_mut().expect("begin comes before receive");
        let came = self.plain.get(..self.came).unwrap_or_default();
        let mut input = came;
        let done = loop {
            match core.receive(&mut input, &mut self.fields, now) {
                Ok(Some(event)) => {
                    requests.handle(event, core, now)?;
                    self.stale = false;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(Error::Protocol(self.url.authority(), error)),
            }
        };
        let (left, taken) = (input.len(), came.len() - input.len());
        self.plain.copy_within(taken..self.came, 0);
        self.came = left;
        if done.is_err() {
            // The GOAWAY that says why; the error is what counts.
            let _ = self.flush(world);
        }
        done.and(read)
    }

    /// The first bytes tell whether it is HTTP/2 at all.
    fn greet(&mut self) -> Result<(), Error> {
        if self.greeted {
            return Ok(());
        }
        let came = self.plain.get(..self.came).unwrap_or_default();
        if came.starts_with(b"HTTP/1.") {
            return Err(Error::NoHttp2(self.url.authority()));
        }
        // A TLS alert (RFC 8446 §5.1).
        if came.starts_with(&[21, 3]) {
            return Err(Error::SpeaksTls(self.url.authority()));
        }
        self.greeted = came.len() >= b"HTTP/1.".len();
        Ok(())
    }

    /// Takes what the socket has, up to a bufferful, to the end of `plain`.
    fn read(&mut self, world: &mut W) -> Result<(), Error> {
        let is_secure = self.link.is_secure();
        let room = if is_secure {
            self.link.room(&mut self.wire, READ)
        } else {
            // The bytes need not be copied. Those behind `came` stay initialised.
            let end = self.came + READ;
            if self.plain.len() < end {
                self.plain.resize(end, 0);
            }
            self.plain.get_mut(self.came..end).unwrap_or_default()
        };
        let read = self.link.receive(world, room);
        let len = read.map_err(|error| Error::Socket(self.url.authority(), error))?;
        if is_secure {
            return self.open(world, len);
        }
        self.came += len;
        Ok(())
    }

    /// Takes what `wire` holds, into which `len` bytes were read, out of its records.
    fn open(&mut self, world: &mut W, len: usize) -> Result<(), Error> {
        let (wire, plain, sealed) = (&mut self.wire, &mut self.plain, &mut self.sealed);
        plain.truncate(self.came);
        let opened = self.link.open(wire, len, plain, sealed);
        self.came = plain.len();
        opened.map_err(|error| {
            // The alert that says why, as far as the socket takes it; the error is what counts.
            let _ = self.flush_sealed(world);
            tls_error(self.url.authority(), error)
        })
    }

    fn is_handshaking(&self) -> bool {
        matches!(self.link.transport(), Transport::Tls(tls) if tls.is_handshaking())
    }

    /// Sends what the core has to say.
    pub fn flush(&mut self, world: &mut W) -> Result<(), Error> {
        let Some(core) = &mut self.core else {
            return Ok(());
        };
        let mut output = core.take_output();
        let done = if self.link.is_secure() {
            let sealed = self
                .link
                .seal(&output, &mut Splices::default(), &mut self.sealed);
            match sealed {
                Ok(()) => self.flush_sealed(world),
                Err(error) => Err(tls_error(self.url.authority(), error)),
            }
        } else {
            self.write(world, &output)
        };
        output.clear();
        if let Some(core) = &mut self.core {
            core.lend_output(output);
        }
        // What the server said before it closed is worth more than that it closed. It lies in the socket,
        // and the end or an error behind it.
        match done {
            Err(Error::Socket(..)) if !self.link.has_ended() => {
                self.link.ready(true, true);
                Ok(())
            }
            done => done,
        }
    }

    fn flush_sealed(&mut self, world: &mut W) -> Result<(), Error> {
        let mut sealed = std::mem::take(&mut self.sealed);
        let written = self.write(world, sealed.filled());
        sealed.clear();
        self.sealed = sealed;
        written
    }

    fn write(&mut self, world: &mut W, bytes: &[u8]) -> Result<(), Error> {
        let written = self.link.write_bytes(world, bytes);
        written
            .map(drop)
            .map_err(|error| Error::Socket(self.url.authority(), error))
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.tell_time(now);
        let core = self.core();
        if core.next_deadline().is_none_or(|deadline| deadline > now) {
            return Ok(());
        }
        core.handle_timeout(now)
            .map_err(|error| Error::Protocol(self.url.authority(), error))
    }

    /// Tells the server that the connection ends, as far as the socket takes it at once: GOAWAY, close_notify.
    pub fn leave(&mut self, world: &mut W) {
        self.tell_time(world.now());
        if let Some(core) = &mut self.core {
            core.close(ErrorCode::NO_ERROR, None, b"");
        }
        let _ = self.flush(world);
        self.link.seal_end(&mut self.sealed);
        let _ = self.flush_sealed(world);
        let _ = self.link.shutdown_write(world);
    }
}

fn tls_error(authority: String, error: rustls::Error) -> Error {
    match error {
        rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)
        | rustls::Error::NoApplicationProtocol => Error::NoHttp2(authority),
        rustls::Error::InvalidCertificate(reason) => Error::Certificate(authority, reason),
        error => Error::Tls(authority, error),
    }
}
