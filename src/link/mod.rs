//! A link: one connected socket with the TLS session over it and the output that it did not take yet.
//!
//! Links that were accepted and links that were dialled differ only in their side of TLS, which is the
//! parameter `S` of [`Link`]. Above a link stands a protocol, below it a [`World`].
//!
//! ```text
//!   socket ─▶ receive ─▶ a lent buffer ─▶ open ─▶ the protocol's input
//!   socket ◀─ write queue ◀─ lent records ◀─ seal ◀─ the protocol's output and its splices
//! ```
//!
//! A link holds no buffer of its own but for an incomplete record and for unsent output: buffers are lent
//! by the caller, for the length of a turn. Deadlines, the order of reading and writing, and the end of a
//! connection are left to the caller.
//!
//! Readiness is edge-triggered, and a link remembers it:
//!
//! ```text
//!   Readable ── a short read, or none ──▶ Drained ── an edge ──▶ Readable
//!       └────── the peer has closed ──▶ Closing ── the end is read ──▶ Ended
//! ```

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod piece;
mod proxy_header;
mod splices;
mod stall;
mod transport;
mod write_queue;

pub use piece::{Layout, Wanted};
pub use proxy_header::{ProxyHeader, ProxyHeaderError};
pub use splices::{CLEAR, CLEAR_FRAMES, MOST_SPLICED, Splices, TLS_FRAMES};
pub use stall::{Stall, StallRule};
pub use transport::Transport;
use write_queue::Sequel;
pub use write_queue::{WriteError, WriteQueue};

use crate::tls::records::{Opened, Session, Tls, WireBuffer, room_behind};
use crate::world::{Files, Token, World};
use std::io::{self, IoSlice};

/// Number of parts of an output that are sealed between two looks at its splices.
const SEALED: usize = 8;

/// A connected socket, its TLS session, and its unsent output.
pub struct Link<W: World + ?Sized, S> {
    socket: W::Socket,
    transport: Transport<S>,
    unsent: WriteQueue<W::Files>,
    read: ReadSide,
    write: WriteSide,
    directions: Directions,
}

/// State of the socket's readable side, as far as the poll and the reads have told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadSide {
    /// The last read took everything; the poll will tell of more.
    Drained,
    /// There may be more to read.
    Readable,
    /// The peer has closed its side: reading ends in an end or an error, which no edge announces
    /// again.
    Closing,
    /// The end was read.
    Ended,
}

/// The directions in which the poll tells of the socket's readiness.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directions {
    /// Reading, as long as the socket has taken all output.
    Reading,
    Both,
}

/// State of our side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// Nothing follows but the end: within TLS the peer was told.
    Told,
    /// The socket sends no more.
    Ended,
}

impl<W: World + ?Sized, S: Session> Link<W, S> {
    /// A link over a socket that was dialled and is connected, or that is not registered. There may be something to
    /// read from the start.
    pub fn new(socket: W::Socket, tls: Option<Tls<S>>) -> Self {
        Link {
            socket,
            transport: match tls {
                Some(tls) => Transport::Tls(Box::new(tls)),
                None => Transport::Plain,
            },
            unsent: WriteQueue::default(),
            read: ReadSide::Readable,
            write: WriteSide::Open,
            directions: Directions::Both,
        }
    }

    /// A link over a socket that was accepted, and is about to be registered for reading: the poll tells of what has
    /// come before that, too.
    pub fn accepted(socket: W::Socket, tls: Option<Tls<S>>) -> Self {
        Link {
            read: ReadSide::Drained,
            directions: Directions::Reading,
            ..Link::new(socket, tls)
        }
    }

    /// The socket, to be registered.
    pub fn socket(&mut self) -> &mut W::Socket {
        &mut self.socket
    }

    /// The layer under the protocol.
    pub fn transport(&self) -> &Transport<S> {
        &self.transport
    }

    /// The TLS session over the socket.
    pub fn session_mut(&mut self) -> Option<&mut Tls<S>> {
        match &mut self.transport {
            Transport::Plain => None,
            Transport::Tls(tls) => Some(tls),
        }
    }

    /// True if there is a TLS session over the socket.
    pub fn is_secure(&self) -> bool {
        matches!(self.transport, Transport::Tls(_))
    }

    /// Output that the socket did not take yet.
    pub fn unsent(&self) -> &WriteQueue<W::Files> {
        &self.unsent
    }

    /// Memory of the session and of the unsent output in bytes, without the link itself.
    pub fn memory(&self) -> usize {
        let session = match &self.transport {
            Transport::Plain => 0,
            Transport::Tls(tls) => tls.memory(),
        };
        session + self.unsent.memory()
    }

    /// Gives back what the session does without until the next bytes.
    pub fn rest(&mut self) {
        if let Transport::Tls(tls) = &mut self.transport {
            tls.rest();
        }
    }

    /// Remembers what the poll told.
    pub fn ready(&mut self, readable: bool, read_closed: bool) {
        match self.read {
            ReadSide::Ended => {}
            _ if read_closed => self.read = ReadSide::Closing,
            ReadSide::Drained if readable => self.read = ReadSide::Readable,
            _ => {}
        }
    }

    /// True if there may be something to read without waiting, the end included.
    pub fn has_input(&self) -> bool {
        matches!(self.read, ReadSide::Readable | ReadSide::Closing)
    }

    /// True if the peer has closed its side, and the end was not read yet.
    pub fn is_closing(&self) -> bool {
        self.read == ReadSide::Closing
    }

    /// True if the peer's last byte was read.
    pub fn has_ended(&self) -> bool {
        self.read == ReadSide::Ended
    }

    /// The place in `buffer` for the next `len` bytes from the socket, behind those of an incomplete
    /// record.
    pub fn room<'b>(&self, buffer: &'b mut Vec<u8>, len: usize) -> &'b mut [u8] {
        match &self.transport {
            Transport::Plain => room_behind(&[], buffer, len),
            Transport::Tls(tls) => tls.room(buffer, len),
        }
    }

    /// Number of bytes that wait for the rest of a record.
    pub fn waiting(&self) -> usize {
        match &self.transport {
            Transport::Plain => 0,
            Transport::Tls(tls) => tls.waiting(),
        }
    }

    /// Reads once. A read shorter than the buffer took everything: the next edge will tell of more.
    /// Returns the number of bytes, 0 also where there was nothing.
    pub fn receive(&mut self, world: &mut W, buffer: &mut [u8]) -> io::Result<usize> {
        match world.read(&mut self.socket, buffer) {
            Ok(0) => {
                self.read = ReadSide::Ended;
                Ok(0)
            }
            Ok(len) => {
                if len < buffer.len() && self.read == ReadSide::Readable {
                    self.read = ReadSide::Drained;
                }
                Ok(len)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.read = ReadSide::Drained;
                Ok(0)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Appends to `plain` what the `read` bytes hold that were put where [`Link::room`] said, and to
    /// `wire` what the handshake answers. After an error, `wire` ends with the alert for the peer.
    pub fn open(
        &mut self,
        buffer: &mut [u8],
        read: usize,
        plain: &mut Vec<u8>,
        wire: &mut WireBuffer,
    ) -> Result<(), rustls::Error> {
        match &mut self.transport {
            Transport::Plain => plain.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Transport::Tls(tls) => {
                if tls.open(buffer, read, plain, wire)? == Opened::Ended {
                    self.read = ReadSide::Ended;
                }
            }
        }
        Ok(())
    }

    /// Seals `output`, with the splices in their places, into records at the end of `wire`. Leaves
    /// `splices` empty. Without a session there is nothing to seal, and both are written as they are.
    pub fn seal(
        &mut self,
        output: &[u8],
        splices: &mut Splices<W::Files>,
        wire: &mut WireBuffer,
    ) -> Result<(), rustls::Error> {
        let Transport::Tls(tls) = &mut self.transport else {
            return Ok(());
        };
        let mut sealed = 0;
        while sealed < output.len() || !splices.is_empty() {
            let mut pieces = [IoSlice::new(&[]); SEALED];
            let gathered = splices.gather(output, sealed, &mut pieces);
            debug_assert!(gathered > 0, "no file is sent from where it is under TLS");
            let mut len = 0;
            for piece in pieces.iter().take(gathered) {
                tls.seal(piece, wire)?;
                len += piece.len();
            }
            splices.advance(&mut sealed, len);
        }
        splices.clear();
        Ok(())
    }

    /// Notes that our direction ends behind what is written next, and appends the word for that to `wire`, once, which
    /// only TLS has (close_notify).
    pub fn seal_end(&mut self, wire: &mut WireBuffer) {
        if self.write == WriteSide::Open {
            self.write = WriteSide::Told;
            if let Transport::Tls(tls) = &mut self.transport {
                tls.seal_end(wire);
            }
        }
    }

    /// True if the peer was told within TLS that nothing follows.
    pub fn has_told_end(&self) -> bool {
        self.is_secure() && self.write == WriteSide::Told
    }

    /// True if our direction of the socket has ended.
    pub fn has_ended_output(&self) -> bool {
        self.write == WriteSide::Ended
    }

    /// Writes the unsent output, then `bytes` with the splices in their places; keeps the rest, and
    /// leaves `splices` empty. Returns the number of bytes that the socket took. Behind [`Link::seal_end`] the last of
    /// them wait in the kernel for [`Link::shutdown_write`], so that one packet carries both.
    pub fn write(
        &mut self,
        world: &mut W,
        reads: &mut <W::Files as Files>::Reads,
        bytes: &[u8],
        splices: &mut Splices<W::Files>,
    ) -> Result<usize, WriteError> {
        let sequel = match self.write {
            WriteSide::Open | WriteSide::Ended => Sequel::Open,
            WriteSide::Told => Sequel::End,
        };
        let output = (bytes, splices);
        self.unsent
            .write(world, reads, &mut self.socket, output, sequel)
    }

    /// Writes the unsent output, then `bytes`, into which nothing is spliced.
    #[cfg(any(feature = "client", feature = "proxy"))]
    pub fn write_bytes(&mut self, world: &mut W, bytes: &[u8]) -> io::Result<usize> {
        self.unsent.write_bytes(world, &mut self.socket, bytes)
    }

    /// Has the poll tell when the socket has room for the unsent output. `token` is that of the registration.
    pub fn await_room(&mut self, world: &mut W, token: Token) -> io::Result<()> {
        if self.directions == Directions::Reading {
            world.await_room(&mut self.socket, token)?;
            self.directions = Directions::Both;
        }
        Ok(())
    }

    /// True, once, if the unsent output is to be tried again without an edge: a descriptor is lacking.
    pub fn take_lack(&mut self) -> bool {
        self.unsent.take_lack()
    }

    /// Notes that the time for another try has come.
    pub fn wake(&mut self) {
        self.unsent.wake();
    }

    /// The watch over the unsent output, if it is watched and there is some.
    pub fn stall(&mut self) -> Option<&mut Stall> {
        self.unsent.stall()
    }

    /// Watches over the unsent output, of which the socket took some bytes; `begun` is for output that has just
    /// begun to wait.
    pub fn watch_unsent(&mut self, taken: usize, begun: Stall) {
        self.unsent.watch(taken, begun);
    }

    /// Gives the unsent output up.
    pub fn drop_unsent(&mut self) {
        self.unsent = WriteQueue::default();
    }

    /// Forgets the session: bytes that are still read are not opened any more.
    pub fn drop_session(&mut self) {
        self.transport = Transport::Plain;
    }

    /// Ends our direction of the socket, once; the other stays open.
    pub fn shutdown_write(&mut self, world: &mut W) -> io::Result<()> {
        if self.has_ended_output() {
            return Ok(());
        }
        self.write = WriteSide::Ended;
        world.shutdown_write(&mut self.socket)
    }
}
