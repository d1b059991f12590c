//! The real world: mio's poll, the kernel's sockets, the machine's clocks.

use super::{Extent, Peer, Polled, Ready, Signal, Sleep, Succession, Token, World};
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::unix::SourceFd;
use mio::{Interest, Poll};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{self, SendFlags};
use rustix::process::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_mio::v1_0::Signals;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

mod cgroup;
mod control;
pub mod inherited;
mod listen_error;
mod listeners;
mod memory_bound;
mod tcp;
mod unix;

pub use control::ControlError;
use control::{ControlSocket, Predecessor};
pub use listen_error::ListenError;
use listeners::OsListener;
pub use memory_bound::MemoryBound;
use tcp::PortUse;

/// Events taken from the kernel at once: 12 bytes each, and no fairness is lost with fewer.
const EVENTS: usize = 256;

/// The last second of the year 9999, after 1970.
const LATEST: Duration = Duration::from_secs(253_402_300_799);

/// The longest sleep in the poll. It counts milliseconds in 31 bits, so a much longer sleep would become one of any
/// length.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 3600);

/// Both directions of a socket.
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// mio's token of the signal pipe; listeners are numbered from 0, sockets have a serial above.
const SIGNALS: mio::Token = mio::Token(Token::LAST_INDEX as usize);

/// mio's token of the socket to the helper process.
const HELPER: mio::Token = mio::Token(Token::LAST_INDEX as usize - 1);

/// mio's token of the control socket, and of the process that speaks by it.
const CONTROL: mio::Token = mio::Token(Token::LAST_INDEX as usize - 2);

/// Sockets, signals and clocks of this machine.
pub struct OsWorld<F> {
    poll: Poll,
    events: mio::Events,
    /// By their numbers; none where it was closed.
    listeners: Vec<Option<OsListener>>,
    ports: PortUse,
    /// The socket by which newer processes ask, if the operator wants one.
    control: Option<ControlSocket>,
    /// The process that has handed its listeners over, until it is told to go.
    predecessor: Option<Predecessor>,
    /// The operator's, if this process listens to them.
    signals: Option<Signals>,
    files: std::marker::PhantomData<F>,
}

/// A connected socket of either kind.
pub enum Socket {
    /// Over IP.
    Tcp(TcpStream),
    /// Within this machine.
    Unix(UnixStream),
}

impl Socket {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            Socket::Tcp(stream) => stream,
            Socket::Unix(stream) => stream,
        }
    }
}

/// True if no descriptor is left. Linux takes one before it looks for a waiting connection, so accept(2)
/// fails with this error even when none waits.
fn is_descriptor_limit(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

impl<F> OsWorld<F> {
    /// A poll that hears the operator's signals and has no listener yet.
    pub fn new() -> io::Result<Self> {
        let mut world = Self::without_signals()?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])?;
        let registry = world.poll.registry();
        registry.register(&mut signals, SIGNALS, Interest::READABLE)?;
        world.signals = Some(signals);
        Ok(world)
    }

    /// A world for a client, which a signal simply ends.
    pub fn without_signals() -> io::Result<Self> {
        Ok(OsWorld {
            poll: Poll::new()?,
            events: mio::Events::with_capacity(EVENTS),
            listeners: Vec::new(),
            ports: PortUse::Alone,
            control: None,
            predecessor: None,
            signals: None,
            files: std::marker::PhantomData,
        })
    }

    /// Asks for the readiness of a descriptor that is read elsewhere, such as standard input; false
    /// for a regular file, which is always ready.
    pub fn watch(&mut self, descriptor: BorrowedFd<'_>, token: Token) -> io::Result<bool> {
        let descriptor = descriptor.as_raw_fd();
        let mut source = SourceFd(&descriptor);
        let registry = self.poll.registry();
        match registry.register(&mut source, token.into(), Interest::READABLE) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Lets other processes listen on the TCP ports that are opened from now on. The kernel gives each
    /// connection to one of them, by a hash of its addresses.
    pub fn share_ports(&mut self) {
        self.ports = PortUse::Shared;
    }

    /// Asks for the answers of a helper process, or for what comes on a socket of a handler's own. They are
    /// read elsewhere (`Routes::tend`), each time until there are no more.
    pub fn watch_helper(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let descriptor = socket.as_raw_fd();
        let registry = self.poll.registry();
        registry.register(&mut SourceFd(&descriptor), HELPER, Interest::READABLE)
    }

    /// Does what `sendfile` does, through memory of ours.
    fn send_copy(
        &self,
        socket: &Socket,
        file: &impl AsFd,
        offset: u64,
        max: usize,
    ) -> io::Result<usize> {
        let mut bytes = [0; 16 << 10];
        let (room, _) = bytes.split_at_mut(max.min(16 << 10));
        let len = rustix::io::pread(file, &mut *room, offset)?;
        let (read, _) = room.split_at(len);
        if read.is_empty() {
            return Ok(0);
        }
        Ok(net::send(socket, read, SendFlags::NOSIGNAL)?)
    }
}

/// Raises this process's limit of open files towards what so many connections need, each with a file
/// that is sent on it, as far as the system lets us, and returns it; `None` is no limit. Many systems start
/// programs with 1,024 for the sake of old ones that use select(2).
pub fn raise_open_files(connections: usize) -> Option<u64> {
    let wanted = 2 * connections as u64 + 128;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return limit.current;
    }
    limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        log::warn!(
            "the limit of open files stays as it is: {error}; raise it before the start (ulimit -n)"
        );
    }
    getrlimit(Resource::Nofile).current
}

impl From<Token> for mio::Token {
    fn from(token: Token) -> Self {
        let serial = u64::from(token.serial) << Token::INDEX_BITS;
        // Both have their bits: the slots give no higher ones.
        mio::Token((serial | u64::from(token.index)) as usize)
    }
}

impl From<mio::Token> for Token {
    fn from(token: mio::Token) -> Self {
        let bits = token.0 as u64;
        Token {
            index: bits as u32 & (u32::MAX >> (32 - Token::INDEX_BITS)),
            serial: (bits >> Token::INDEX_BITS) as u32,
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
        }
    }
}

/// The time of day by this machine's clock, brought into the years that the dates of HTTP and of certificates can
/// tell: a clock that is set to another year is wrong anyhow, and must not stop the program.
pub fn wall_clock() -> SystemTime {
    in_calendar(SystemTime::now())
}

/// The time that is nearest to this one in the years 1970 to 9999.
pub fn in_calendar(time: SystemTime) -> SystemTime {
    time.clamp(UNIX_EPOCH, UNIX_EPOCH + LATEST)
}

impl<F: super::Files<File: AsFd>> World for OsWorld<F> {
    type Files = F;
    type Socket = Socket;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> SystemTime {
        wall_clock()
    }

    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<Polled> {
        let mut sleep = Sleep::Undisturbed;
        let timeout = timeout.map(|timeout| timeout.min(LONGEST_SLEEP));
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                sleep = Sleep::Interrupted;
                // What is ready all the same. A poll that does not sleep is not interrupted.
                self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
            }
            result => result?,
        }
        let mut told = 0;
        for event in &self.events {
            told += 1;
            let token = Token::from(event.token());
            if event.token() == SIGNALS {
                // The operator's signal ended it, and nothing worse.
                sleep = Sleep::Undisturbed;
                let signals = self.signals.iter_mut().flat_map(Signals::pending);
                ready.extend(signals.filter_map(signal).map(Ready::Signal));
            } else if token.serial == 0 {
                ready.push(match event.token() {
                    HELPER => Ready::Helper,
                    CONTROL => Ready::Control,
                    _ => Ready::Listener(token.index as usize),
                });
            } else {
                let read_closed = event.is_read_closed() || event.is_error();
                ready.push(Ready::Socket {
                    token,
                    readable: event.is_readable() || read_closed,
                    read_closed,
                });
            }
        }
        let extent = if told < EVENTS {
            Extent::Whole
        } else {
            Extent::Partial
        };
        Ok(Polled { extent, sleep })
    }

    fn accept(&mut self, listener: usize) -> io::Result<(Socket, Peer)> {
        let listener = self.listeners.get(listener).and_then(Option::as_ref);
        let listener = listener.ok_or(io::ErrorKind::WouldBlock)?;
        match listener.accept() {
            Err(error) if is_descriptor_limit(&error) && !listener.has_newcomer() => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            accepted => accepted,
        }
    }

    fn connect(&mut self, address: SocketAddr) -> io::Result<Socket> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Socket::Tcp(stream))
    }

    fn connect_local(&mut self, path: &Path) -> io::Result<Socket> {
        Ok(Socket::Unix(UnixStream::connect(path)?))
    }

    fn is_connected(&self, socket: &Socket) -> io::Result<bool> {
        let Socket::Tcp(stream) = socket else {
            return Ok(true);
        };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn begin_serving(&mut self) -> io::Result<()> {
        self.dismiss_predecessor()
    }

    fn hear_control(&mut self) -> Succession {
        self.hear_successor()
    }

    fn stop_listening(&mut self, count: usize) {
        self.close_listeners(count);
    }

    fn register(&mut self, socket: &mut Socket, token: Token) -> io::Result<()> {
        let registry = self.poll.registry();
        registry.register(socket.source(), token.into(), BOTH)
    }

    fn register_reading(&mut self, socket: &mut Socket, token: Token) -> io::Result<()> {
        let registry = self.poll.registry();
        registry.register(socket.source(), token.into(), Interest::READABLE)
    }

    fn await_room(&mut self, socket: &mut Socket, token: Token) -> io::Result<()> {
        // For good: as long as no write falls short, no edge comes of it.
        let registry = self.poll.registry();
        registry.reregister(socket.source(), token.into(), BOTH)
    }

    fn read(&mut self, socket: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
        match socket {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
        match socket {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
        }
    }

    fn write_more(&mut self, socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
        Ok(net::send(
            socket,
            bytes,
            SendFlags::MORE | SendFlags::NOSIGNAL,
        )?)
    }

    fn write_gathered(&mut self, socket: &mut Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match socket {
            Socket::Tcp(stream) => stream.write_vectored(slices),
            Socket::Unix(stream) => stream.write_vectored(slices),
        }
    }

    fn send_file(
        &mut self,
        socket: &mut Socket,
        file: &F::File,
        mut offset: u64,
        max: usize,
    ) -> io::Result<usize> {
        match rustix::fs::sendfile(&*socket, file, Some(&mut offset), max) {
            // A file system that has no pages to lend.
            Err(Errno::INVAL | Errno::NOSYS) => self.send_copy(socket, file, offset, max),
            sent => Ok(sent?),
        }
    }

    fn shutdown_write(&mut self, socket: &mut Socket) -> io::Result<()> {
        match socket {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    fn reset_at_close(&mut self, socket: &mut Socket) -> io::Result<()> {
        match socket {
            // The close does not linger for what was not sent, and tells the peer so (socket(7), SO_LINGER).
            Socket::Tcp(stream) => Ok(set_socket_linger(stream, Some(Duration::ZERO))?),
            // Unix sockets know no reset: a read of the peer fails only if bytes of the peer were not read here.
            Socket::Unix(_) => Ok(()),
        }
    }
}

fn signal(number: i32) -> Option<Signal> {
    match number {
        SIGINT | SIGTERM => Some(Signal::Stop),
        SIGHUP => Some(Signal::Reload),
        SIGUSR1 => Some(Signal::ReopenLog),
        // SIGUSR2, which other servers take for the order to upgrade: here it does nothing, and does not end the
        // process.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_from_the_poll_as_they_went_in() {
        for index in [0, 1, Token::LAST_INDEX] {
            for serial in [1, 2, Token::LAST_SERIAL] {
                let token = Token { index, serial };
                assert_eq!(Token::from(mio::Token::from(token)), token);
                assert_ne!(mio::Token::from(token), SIGNALS);
                assert_ne!(mio::Token::from(token), HELPER);
                assert_ne!(mio::Token::from(token), CONTROL);
            }
        }
        assert_eq!(Token::from(SIGNALS).serial, 0);
    }
}
