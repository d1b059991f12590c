//! The socket of an upstream connection up to the bytes of its protocol: connecting, TLS, reading, writing.
//!
//! ```text
//!  Connecting ──▶ Greeting (TLS) ──▶ Open
//! ```

use std::io;
use std::time::{Duration, Instant};

use super::loss::UpstreamLoss;
use crate::h1::LastResponse;
use crate::http::Fields;
use crate::link::{Link, Splices, Transport};
use crate::server::lent::Buffers;
use crate::server::reply_buffers::REPLY_BUFFER;
#[cfg(debug_assertions)]
use crate::server::watch::Mark;
use crate::server::watch::ProgressWatch;
use crate::tls::records::{Tls, WireBuffer, room_behind};
use crate::world::{Files, Outside};
use rustls::client::UnbufferedClientConnection;

/// Bytes read at once, and the size of a piece of output.
const READ: usize = REPLY_BUFFER;

/// A socket that was dialled, and what it did not take yet.
pub(super) struct Channel<K, F: Files> {
    link: Link<Outside<K, F>, UnbufferedClientConnection>,
    stage: ChannelStage,
    /// Bytes that came and were not taken: the beginning of a head, of a frame, or of a chunk's line.
    rest: Vec<u8>,
    /// The end of the time in which the server must take a byte, while output waits.
    write_deadline: Option<Instant>,
    /// The connection's memory in the account of all.
    pub(super) accounted: usize,
    pub(super) watch: ProgressWatch,
}

/// The stage of a channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelStage {
    /// The socket is not connected yet, and must be by then.
    Connecting(Instant),
    /// TLS is being agreed on, and must be by then.
    Greeting(Instant),
    Open,
}

/// Bytes for the protocol, and the means to read them.
pub(super) struct ReceivedBytes<'b> {
    /// Those that were not taken before, and those that have come.
    pub(super) bytes: &'b [u8],
    /// Lent for field sections.
    pub(super) fields: &'b mut Fields,
    /// The head of the last response of any connection.
    pub(super) last: &'b mut LastResponse,
    /// True if any has come.
    pub(super) is_news: bool,
}

impl<K, F: Files> Channel<K, F> {
    /// A channel whose socket is being connected.
    pub(super) fn new(
        socket: K,
        tls: Option<Tls<UnbufferedClientConnection>>,
        until: Instant,
    ) -> Self {
        Channel {
            link: Link::new(socket, tls),
            stage: ChannelStage::Connecting(until),
            rest: Vec::new(),
            write_deadline: None,
            accounted: 0,
            watch: ProgressWatch::default(),
        }
    }

    pub(super) fn socket(&mut self) -> &mut K {
        self.link.socket()
    }

    /// Remembers what the poll told.
    pub(super) fn ready(&mut self, readable: bool, read_closed: bool) {
        self.link.ready(readable, read_closed);
    }

    /// True if it is connected, and TLS is agreed on where there is TLS.
    pub(super) fn is_open(&self) -> bool {
        self.stage == ChannelStage::Open
    }

    /// True if there may be something to read, the end included.
    pub(super) fn has_input(&self) -> bool {
        self.link.has_input()
    }

    /// True if the server has ended its side.
    pub(super) fn has_ended(&self) -> bool {
        self.link.has_ended()
    }

    /// True if the socket has taken all output.
    pub(super) fn is_flushed(&self) -> bool {
        self.link.unsent().is_empty()
    }

    /// Memory behind it, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.link.memory() + self.rest.capacity()
    }

    /// Bytes of output that the socket did not take.
    pub(super) fn unsent(&self) -> usize {
        self.link.unsent().held()
    }

    /// The time at which [`Channel::check_time`] is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.stage {
            ChannelStage::Connecting(until) | ChannelStage::Greeting(until) => Some(until),
            ChannelStage::Open => self.write_deadline,
        }
    }

    /// Deals with a deadline that has passed.
    pub(super) fn check_time(&self, now: Instant) -> Result<(), UpstreamLoss> {
        match (self.stage, self.write_deadline) {
            (ChannelStage::Connecting(until) | ChannelStage::Greeting(until), _)
                if until <= now =>
            {
                Err(UpstreamLoss::Unreachable(io::ErrorKind::TimedOut))
            }
            (ChannelStage::Open, Some(deadline)) if deadline <= now => Err(UpstreamLoss::Stalled),
            _ => Ok(()),
        }
    }

    /// Goes on with the beginning.
    pub(super) fn open(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
    ) -> Result<ChannelStage, UpstreamLoss> {
        if let ChannelStage::Connecting(until) = self.stage {
            match world.is_connected(self.link.socket()) {
                Ok(true) => self.stage = self.greet(world, buffers, until)?,
                Ok(false) => {}
                Err(error) => return Err(UpstreamLoss::Unreachable(error.kind())),
            }
        }
        while let ChannelStage::Greeting(_) = self.stage
            && self.link.has_input()
        {
            self.go_on_greeting(world, buffers)?;
        }
        Ok(self.stage)
    }

    /// The first words on a connected socket.
    fn greet(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        until: Instant,
    ) -> Result<ChannelStage, UpstreamLoss> {
        if !self.link.is_secure() {
            return Ok(ChannelStage::Open);
        }
        self.unseal(world, buffers, 0)?;
        Ok(ChannelStage::Greeting(until))
    }

    /// Takes what the server says in the handshake, and answers it.
    fn go_on_greeting(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
    ) -> Result<(), UpstreamLoss> {
        let room = self.link.room(&mut buffers.read, READ);
        let len = self.link.receive(world, room);
        let len = len.map_err(|_| UpstreamLoss::NoTls)?;
        self.count_read(len);
        buffers.plain.clear();
        self.unseal(world, buffers, len)?;
        // The first words of the protocol may have come too.
        self.rest.extend_from_slice(&buffers.plain);
        let Transport::Tls(tls) = self.link.transport() else {
            return Ok(());
        };
        if !tls.is_handshaking() {
            self.stage = ChannelStage::Open;
        } else if self.link.has_ended() {
            return Err(UpstreamLoss::NoTls);
        }
        Ok(())
    }

    /// Takes the `len` bytes that were read out of their records, behind what is in the buffer, and sends what
    /// the session answers.
    fn unseal(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        len: usize,
    ) -> Result<(), UpstreamLoss> {
        let Buffers {
            read, plain, wire, ..
        } = buffers;
        let opened = self.link.open(read, len, plain, wire);
        if !wire.filled().is_empty() {
            // An end is found by the next read.
            let _ = self.link.write_bytes(world, wire.filled());
            wire.clear();
        }
        opened.map_err(|error| match error {
            rustls::Error::InvalidCertificate(_) => UpstreamLoss::Untrusted,
            _ => UpstreamLoss::NoTls,
        })
    }

    /// True if this protocol was agreed on (RFC 7301), or there is no TLS to agree on one.
    pub(super) fn is_agreed(&self, protocol: &[u8]) -> bool {
        match self.link.transport() {
            Transport::Plain => true,
            Transport::Tls(tls) => tls.alpn() == Some(protocol),
        }
    }

    /// True if a connection that waits for nothing is still open, as far as the poll has told. Bytes that answer
    /// nothing are as bad as an end.
    pub(super) fn is_silent(&self) -> bool {
        !self.link.has_input() && !self.link.has_ended()
    }

    /// True if the socket of such a connection has nothing to read now, which costs a system call to know.
    pub(super) fn is_silent_now(&mut self, world: &mut Outside<K, F>) -> bool {
        let mut byte = [0];
        self.link.ready(true, false);
        matches!(self.link.receive(world, &mut byte), Ok(0)) && self.is_silent()
    }

    /// Counts bytes that were read, and a read that a signal has interrupted as one.
    fn count_read(&mut self, len: usize) {
        let is_interrupted = len == 0 && self.link.has_input();
        self.watch.count(len.max(usize::from(is_interrupted)));
    }

    /// The name of its stage.
    #[cfg(debug_assertions)]
    pub(super) fn stage(&self) -> &'static str {
        match self.stage {
            ChannelStage::Connecting(_) => "connecting",
            ChannelStage::Greeting(_) => "greeting",
            ChannelStage::Open => "open",
        }
    }

    /// Notes the end of a turn that another one follows at once. False after too many that moved nothing.
    #[cfg(debug_assertions)]
    pub(super) fn goes_on(&mut self) -> bool {
        let mark = Mark {
            phase: self.stage(),
            protocol: "",
            has_ended: self.link.has_ended(),
        };
        self.watch.goes_on(mark)
    }

    /// Reads once.
    pub(super) fn receive<'b>(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &'b mut Buffers,
    ) -> Result<ReceivedBytes<'b>, UpstreamLoss> {
        if self.link.is_secure() {
            return self.receive_sealed(world, buffers);
        }
        let Buffers {
            read,
            fields,
            last_response: last,
            ..
        } = buffers;
        let room = room_behind(&self.rest, read, READ);
        let len = self.link.receive(world, room);
        let len = len.map_err(|_| UpstreamLoss::Broken)?;
        self.count_read(len);
        let whole = self.rest.len() + len;
        self.rest = Vec::new();
        Ok(ReceivedBytes {
            bytes: read.get(..whole).unwrap_or_default(),
            fields,
            last,
            is_news: len > 0,
        })
    }

    /// True if bytes come as they are read, and none wait: content can be read into a buffer that it is sent from.
    pub(super) fn can_lend(&self) -> bool {
        !self.link.is_secure() && self.rest.is_empty()
    }

    /// Reads once into a buffer that is lent, and returns the number of bytes that have come.
    pub(super) fn receive_into(
        &mut self,
        world: &mut Outside<K, F>,
        buffer: &mut [u8],
    ) -> Result<usize, UpstreamLoss> {
        let len = self.link.receive(world, buffer);
        let len = len.map_err(|_| UpstreamLoss::Broken)?;
        self.count_read(len);
        Ok(len)
    }

    /// Reads once, and takes what came out of its records.
    fn receive_sealed<'b>(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &'b mut Buffers,
    ) -> Result<ReceivedBytes<'b>, UpstreamLoss> {
        let room = self.link.room(&mut buffers.read, READ);
        let len = self.link.receive(world, room);
        let len = len.map_err(|_| UpstreamLoss::Broken)?;
        self.count_read(len);
        if self.link.has_ended() {
            // An attacker on the way could have cut it off: in TLS only close_notify is an end (RFC 8446 §6.1).
            return Err(UpstreamLoss::Broken);
        }
        buffers.plain.clear();
        buffers.plain.append(&mut self.rest);
        let before = buffers.plain.len();
        let opened = self.unseal(world, buffers, len);
        opened.map_err(|_| UpstreamLoss::Broken)?;
        let Buffers {
            plain,
            fields,
            last_response: last,
            ..
        } = buffers;
        Ok(ReceivedBytes {
            is_news: plain.len() > before,
            bytes: plain,
            fields,
            last,
        })
    }

    /// Keeps bytes that the protocol did not take, for the next read.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        self.rest = rest.to_vec();
    }

    /// Writes `output`, behind what waits, and leaves it empty. Returns the number of bytes that the socket
    /// took; within `patience` it must take some of the rest.
    pub(super) fn write(
        &mut self,
        world: &mut Outside<K, F>,
        wire: &mut WireBuffer,
        output: &mut Vec<u8>,
        patience: Duration,
        now: Instant,
    ) -> io::Result<usize> {
        let written = if self.link.is_secure() {
            let sealed = self.link.seal(output, &mut Splices::default(), wire);
            let written = sealed.map_err(io::Error::other);
            let written = written.and_then(|()| self.link.write_bytes(world, wire.filled()));
            wire.clear();
            written
        } else {
            self.link.write_bytes(world, output)
        };
        output.clear();
        let written = written?;
        self.watch.count(written);
        if written > 0 {
            self.write_deadline = None;
        }
        if !self.is_flushed() {
            self.write_deadline.get_or_insert(now + patience);
        }
        Ok(written)
    }

    /// Ends our side behind all output, which the socket has taken; the server's goes on. False if the last word
    /// within TLS waits for the socket.
    pub(super) fn end_output(
        &mut self,
        world: &mut Outside<K, F>,
        wire: &mut WireBuffer,
    ) -> io::Result<bool> {
        wire.clear();
        self.link.seal_end(wire);
        let written = self.link.write_bytes(world, wire.filled());
        wire.clear();
        written?;
        if self.is_flushed() {
            self.link.shutdown_write(world)?;
        }
        Ok(self.link.has_ended_output())
    }

    /// The server takes no more. It may have said why before it closed: that lies in the socket, and the end
    /// behind it.
    pub(super) fn give_up_writing(&mut self) {
        self.link.drop_unsent();
        self.write_deadline = None;
        self.link.ready(true, true);
    }
}
