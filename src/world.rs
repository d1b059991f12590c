//! The world outside: sockets, files and the clock, as traits.
//!
//! The event loop and the site are generic over these, so that the tests run the very same code over
//! a simulated world with a virtual clock and seeded faults. The real world is [`os`].

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod effort;
pub mod files;
mod listen;
#[expect(clippy::indexing_slicing, reason = "for tests, whose failure it is")]
pub mod memory_files;
pub mod os;
mod user;

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

pub use listen::{ListenAddress, UnixSocket};
pub use user::User;

/// Sockets and the clock. Nothing here blocks but [`World::poll`].
pub trait World {
    /// The files of the site.
    type Files: Files;
    /// A connected, non-blocking stream socket.
    type Socket;

    /// The monotonic clock; the event loop reads it once a turn.
    fn now(&self) -> Instant;

    /// The time of day, for `date` fields and logs.
    fn wall_clock(&self) -> SystemTime;

    /// Waits until something is ready, at most for `timeout`, and appends what is. Readiness is
    /// reported when it begins (edge-triggered): whoever is told reads or writes until
    /// `WouldBlock`, or remembers that there is more to do. What is left over for want of room is told
    /// by the next polls, before anything that became ready later.
    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<Polled>;

    /// Takes the next connection that waits on the listener of this number.
    fn accept(&mut self, listener: usize) -> io::Result<(Self::Socket, Peer)>;

    /// Closes all listeners: nobody new is let in.
    fn stop_listening(&mut self);

    /// Asks for the readiness of a socket, in both directions, under this token.
    fn register(&mut self, socket: &mut Self::Socket, token: Token) -> io::Result<()>;

    /// Reads up to `buffer.len()` bytes; 0 is the end of the peer's stream.
    fn read(&mut self, socket: &mut Self::Socket, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes a prefix of `bytes` and returns its length.
    fn write(&mut self, socket: &mut Self::Socket, bytes: &[u8]) -> io::Result<usize>;

    /// The same when more follows at once, so that these bytes need not travel by themselves.
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
}

/// What [`World::poll`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Connections wait on this listener.
    Listener(usize),
    /// The operator sent a signal.
    Signal(Signal),
    /// A socket became ready.
    Socket {
        /// The token it was registered under.
        token: Token,
        /// Bytes, the end of the stream, or an error can be read.
        readable: bool,
        /// Bytes can be written.
        writable: bool,
        /// The peer has closed its direction, or the connection failed: even after a short read
        /// there is something to read.
        read_closed: bool,
    },
}

/// How a poll went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Whether it told of everything that was ready.
    pub extent: Extent,
    /// How it slept until then.
    pub sleep: Sleep,
}

/// How a poll slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Until something was ready or the time was up, as far as anybody can tell.
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

    /// The highest index.
    pub const LAST_INDEX: u32 = u32::MAX >> (32 - Token::INDEX_BITS);

    /// The highest serial; 1 follows. By then nothing is told any more of the slot's old users.
    pub const LAST_SERIAL: u32 = u32::MAX >> (32 - Token::SERIAL_BITS);
}

const _: () = assert!(Token::INDEX_BITS + Token::SERIAL_BITS <= usize::BITS);

/// What an operator asks for by signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT or SIGTERM: finish and exit.
    Stop,
    /// SIGHUP: read the certificate again.
    Reload,
    /// SIGUSR1: open the log file again.
    ReopenLog,
}

/// Who is at the other end of a connection.
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

/// Read access to one directory tree, the site's root. Nothing outside of it can be named.
pub trait Files: 'static {
    /// An open regular file or directory.
    type File;

    /// An open directory whose names are read.
    type Directory: 'static;

    /// Opens what `path` names beneath the root: relative, without a leading slash; empty is the root
    /// itself. Symlinks are followed as long as they stay beneath the root. What is neither a
    /// regular file nor a directory is `NotFound`; nothing here waits for a FIFO or a device.
    fn open(&mut self, path: &[u8]) -> io::Result<(Self::File, Metadata)>;

    /// Looks whether the root's name was given to another directory, and serves that from now on if it
    /// was; what is open stays as it is. The name may lead nowhere for a while: then the old one stays.
    fn follow_root(&mut self) -> RootChange {
        RootChange::Same
    }

    /// Looks up anew which files are the server's own and must not be opened.
    fn look_up_private(&mut self) {}

    /// Describes what `path` names, only to be compared with what was opened by that name: it may follow
    /// a symlink out of the root, where no file is that was opened beneath it.
    fn look_up(&mut self, path: &[u8]) -> io::Result<Metadata> {
        self.open(path).map(|(_, metadata)| metadata)
    }

    /// Appends up to `max` bytes of the file from `offset` on to `out`, and returns how many: 0 at the
    /// end of the file.
    fn read_at(
        &mut self,
        file: &Self::File,
        offset: u64,
        out: &mut Vec<u8>,
        max: usize,
    ) -> io::Result<usize>;

    /// Fills the slices, one behind the other, with the bytes of the file from `offset` on, and returns
    /// how many: 0 at the end of the file.
    fn read_scattered(
        &mut self,
        file: &Self::File,
        offset: u64,
        slices: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        let mut bytes = Vec::new();
        let len = slices.iter().map(|slice| slice.len()).sum();
        let read = self.read_at(file, offset, &mut bytes, len)?;
        let mut rest = bytes.as_slice();
        for slice in slices {
            let (first, after) = rest.split_at(slice.len().min(rest.len()));
            for (place, byte) in slice.iter_mut().zip(first) {
                *place = *byte;
            }
            rest = after;
        }
        Ok(read)
    }

    /// The same with bytes that are in memory, of which there may be fewer: `WouldBlock` if a disk has
    /// to bring even the first. Any other error says that this cannot be told, or is one that
    /// [`Files::read_scattered`] tells as well.
    fn read_resident(
        &mut self,
        file: &Self::File,
        offset: u64,
        slices: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        self.read_scattered(file, offset, slices)
    }

    /// Whether these bytes of the file, at least one, can be had without waiting for a disk, as far as
    /// the first and the last of them show. `UnexpectedEof` if the file ends before theirs.
    fn residence(&mut self, file: &Self::File, offset: u64, len: u64) -> io::Result<Residence> {
        let _ = (file, offset, len);
        Ok(Residence::Memory)
    }

    /// Asks a disk for these bytes, and does not wait for them.
    fn ask_for(&mut self, file: &Self::File, offset: u64, len: u64) -> io::Result<()> {
        let _ = (file, offset, len);
        Ok(())
    }

    /// What the file is now, for a file that is already open.
    fn metadata(&mut self, file: &Self::File) -> io::Result<Metadata>;

    /// Opens the directory at `path` to read its names.
    fn open_directory(&mut self, path: &[u8]) -> io::Result<Self::Directory>;

    /// Reads the next names, looking at `max` of them at most; [`Extent::Partial`] where there may be
    /// more. Names of what is neither a regular file nor a directory are left out.
    fn read_directory(
        &mut self,
        directory: &mut Self::Directory,
        max: usize,
    ) -> io::Result<Listing>;

    /// Gives up a descriptor that is kept for want of others; false if there is none.
    fn lend_descriptor(&mut self) -> bool {
        false
    }

    /// Takes back what was lent; false while the system has no descriptors for that.
    fn restore_descriptors(&mut self) -> bool {
        true
    }

    /// Takes what the calls since the last time are worth, in the bytes of [`Effort`](effort::Effort).
    fn take_effort(&mut self) -> usize {
        0
    }

    /// Adds work on what was read of files to what [`Files::take_effort`] takes.
    fn add_effort(&mut self, _bytes: usize) {}

    /// The time by the clock that stamps modification times.
    fn now(&self) -> SystemTime;
}

/// The outcome of looking the root's name up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootChange {
    /// It names the directory that is served, or none that could be.
    Same,
    /// It names another directory, which is served from now on.
    Moved,
}

/// Where bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residence {
    /// In memory, as far as can be told.
    Memory,
    /// On a disk, some of them.
    Disk,
}

/// Names of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The entries, without `.` and `..`.
    pub entries: Vec<ListingEntry>,
    /// Whether these are the last.
    pub extent: Extent,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingEntry {
    /// The name: any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// What it names.
    pub metadata: Metadata,
}

/// Whether something that is bounded was seen whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// There is nothing more.
    Whole,
    /// There is more than the bound allowed.
    Partial,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Regular file or directory.
    pub kind: FileKind,
    /// Length in bytes.
    pub len: u64,
    /// When the content last changed.
    pub modified: SystemTime,
    /// Device, inode and time of last status change: what tells that a file was replaced by another
    /// of the same length and time.
    pub identity: (u64, u64, i128),
    /// Names that it has.
    pub links: u64,
}

/// The kinds of files that a site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}
