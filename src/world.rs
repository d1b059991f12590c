//! The world outside: sockets, files and the clock, as traits.
//!
//! The event loop and the site are generic over these, so that the tests run the very same code over
//! a simulated world with a virtual clock and seeded faults. The real world is [`os`].

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod effort;
mod file_reads;
pub mod files;
mod help;
mod listen;
#[expect(clippy::indexing_slicing, reason = "for tests, whose failure it is")]
pub mod memory_files;
mod metadata;
mod network;
pub mod os;
mod tree;
mod user;

use std::fmt;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

pub use file_reads::{FileReads, Residence};
pub use help::{FileHelper, HelpAnswer, HelpId, HelpOutcome, PasswordHelper, PasswordOutcome};
pub use listen::{ListenAddress, UnixSocket};
pub use metadata::{FileKind, Metadata};
pub use network::{AddressBlock, PeerSet};
pub use tree::{Files, NamesDirectory, RootChange};
pub use user::User;

/// Sockets and the clock. Nothing here blocks but [`World::poll`].
pub trait World {
    /// The tree of the site's files.
    type Files: Files;
    /// A connected, non-blocking stream socket.
    type Socket;

    /// The monotonic clock; the event loop reads it once a turn.
    fn now(&self) -> Instant;

    /// The time of day, for `date` fields and logs.
    fn wall_clock(&self) -> SystemTime;

    /// Waits until something is ready, at most for `timeout`, and appends what is. Readiness is reported when it
    /// begins (edge-triggered): the caller reads or writes until `WouldBlock`, or remembers that there is more to do.
    /// Events that are left over for want of room are told by the next polls, before later ones.
    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<Polled>;

    /// Takes the next connection that waits on the listener of this number.
    fn accept(&mut self, listener: usize) -> io::Result<(Self::Socket, Peer)>;

    /// Begins to connect to an address. The socket is to be registered; it becomes writable when
    /// [`World::is_connected`] can tell the outcome.
    fn connect(&mut self, address: SocketAddr) -> io::Result<Self::Socket>;

    /// Begins to connect to the Unix socket of this path, as [`World::connect`] does to an address. A world
    /// without such sockets says so.
    fn connect_local(&mut self, path: &Path) -> io::Result<Self::Socket> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// True if a socket that was dialled is connected, false while that is under way.
    fn is_connected(&self, socket: &Self::Socket) -> io::Result<bool>;

    /// Tells an older process, if one has handed its listeners over, that this one serves from now on. An
    /// error is that another process is to serve instead.
    fn begin_serving(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Hears what a newer process says that is to serve in our place, behind [`Ready::Control`].
    fn hear_control(&mut self) -> Succession {
        Succession::None
    }

    /// Closes the first `count` listeners: they accept no new connection. The others keep their numbers.
    fn stop_listening(&mut self, count: usize);

    /// Asks for the readiness of a socket, in both directions, under this token.
    fn register(&mut self, socket: &mut Self::Socket, token: Token) -> io::Result<()>;

    /// Asks for the readiness of a socket to be read, under this token. A new socket has room for output, so that the
    /// next poll would tell of every one that is registered in both directions.
    fn register_reading(&mut self, socket: &mut Self::Socket, token: Token) -> io::Result<()> {
        self.register(socket, token)
    }

    /// Asks for the readiness of a socket in both directions from now on, where [`World::register_reading`] came
    /// before. The next poll tells of a socket that has room by now.
    fn await_room(&mut self, socket: &mut Self::Socket, token: Token) -> io::Result<()> {
        let _ = (socket, token);
        Ok(())
    }

    /// Reads up to `buffer.len()` bytes; 0 is the end of the peer's stream.
    fn read(&mut self, socket: &mut Self::Socket, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes a prefix of `bytes` and returns its length.
    fn write(&mut self, socket: &mut Self::Socket, bytes: &[u8]) -> io::Result<usize>;

    /// Writes as [`World::write`] does where more follows at once, so that the bytes need not travel by
    /// themselves.
    fn write_more(&mut self, socket: &mut Self::Socket, bytes: &[u8]) -> io::Result<usize> {
        self.write(socket, bytes)
    }

    /// Writes a prefix of the slices, at least one, as if they were one, and returns its length.
    fn write_gathered(
        &mut self,
        socket: &mut Self::Socket,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        match slices.first() {
            Some(first) => self.write(socket, first),
            None => Ok(0),
        }
    }

    /// Writes up to `max` bytes of the file from `offset` on, and returns how many: 0 at the end of
    /// the file.
    fn send_file(
        &mut self,
        socket: &mut Self::Socket,
        file: &<Self::Files as Files>::File,
        offset: u64,
        max: usize,
    ) -> io::Result<usize>;

    /// Ends our direction of the stream; the other stays open.
    fn shutdown_write(&mut self, socket: &mut Self::Socket) -> io::Result<()>;

    /// Has the socket reset its connection when it is dropped, so that the peer's read fails. Bytes that the peer has
    /// not read yet may be lost.
    fn reset_at_close(&mut self, socket: &mut Self::Socket) -> io::Result<()>;
}

/// A world as an object, with sockets of the type `K` and files of the type `F`: for code that only reads and writes
/// sockets and looks at the clock. A call through it takes a nanosecond, beside a system call of a few hundred.
pub type Outside<K, F> = dyn World<Socket = K, Files = F>;

/// An event that [`World::poll`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Connections wait on this listener.
    Listener(usize),
    /// The operator sent a signal.
    Signal(Signal),
    /// The helper process answered, or ended.
    Helper,
    /// A newer process has something to say.
    Control,
    /// A socket became ready to be read, to be written, or both. Unsent output is tried in each turn, so the event
    /// does not say whether bytes can be written.
    Socket {
        /// The token it was registered under.
        token: Token,
        /// Bytes, the end of the stream, or an error can be read.
        readable: bool,
        /// The peer has closed its direction, or the connection failed: even after a short read
        /// there is something to read.
        read_closed: bool,
    },
}

/// The outcome of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Part of the ready sockets and listeners that the poll told of.
    pub extent: Extent,
    /// The kind of sleep before it.
    pub sleep: Sleep,
}

/// The handing over of the listeners to a newer process, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// No newer process serves.
    None,
    /// A newer process serves on the listeners.
    Complete,
}

/// The kind of a poll's sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Until something was ready or the time was up, as far as the system tells.
    Undisturbed,
    /// Until something else ended it: the process may have been stopped meanwhile.
    Interrupted,
}

/// Names a registered socket. `serial` tells a slot's present user from those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The slot, at most [`Token::LAST_INDEX`].
    pub index: u32,
    /// Never 0, at most [`Token::LAST_SERIAL`], and different for successive users of a slot.
    pub serial: u32,
}

impl Token {
    /// Bits of an index. It shares a word of the poll with the serial, and that has the processor's
    /// size: on 32 bits there are a million connections at most, more than their memory has room for.
    pub const INDEX_BITS: u32 = if usize::BITS > 32 { 32 } else { 20 };

    const SERIAL_BITS: u32 = if usize::BITS > 32 { 32 } else { 12 };

    /// The highest index of a slot.
    pub const LAST_INDEX: u32 = Token::UPSTREAM - 1;

    /// The bit of an index that tells an upstream connection, which was dialled, from a downstream one,
    /// which was accepted.
    const UPSTREAM: u32 = 1 << (Token::INDEX_BITS - 1);

    /// The highest serial; 1 follows. By then nothing is told any more of the slot's old users.
    pub const LAST_SERIAL: u32 = u32::MAX >> (32 - Token::SERIAL_BITS);
}

impl Token {
    /// The token of a connection that was dialled. No slot of accepted ones has its index.
    pub fn upstream(index: u32, serial: u32) -> Self {
        let index = index | Token::UPSTREAM;
        Token { index, serial }
    }

    /// The slot and serial of a connection that was dialled, as [`Token::upstream`] was given them; `None`
    /// for one that was accepted.
    pub fn dialled(self) -> Option<Token> {
        (self.index & Token::UPSTREAM != 0).then_some(Token {
            index: self.index & !Token::UPSTREAM,
            serial: self.serial,
        })
    }
}

const _: () = assert!(Token::INDEX_BITS + Token::SERIAL_BITS <= usize::BITS);

/// An order that the operator gives by signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT or SIGTERM: finish and exit.
    Stop,
    /// SIGHUP: read settings and certificates again.
    Reload,
    /// SIGUSR1: open the log file again.
    ReopenLog,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A host; IPv4 addresses are plain, not mapped into IPv6.
    Ip(IpAddr),
    /// A process on this machine, over a Unix socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Ip(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix:"),
        }
    }
}

/// The part that was seen of something that is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// As much as the bound allowed; there is more.
    Partial,
}
