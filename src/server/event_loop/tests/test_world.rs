//! A world whose sockets are buffers, whose clock is set by hand, and whose calls can panic.

use crate::world::memory_files::{MemoryFile, MemoryFiles};
use crate::world::{Extent, Peer, Polled, Ready, Sleep, Token, World};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

/// A call of the server that can panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketCall {
    Accept,
    Register,
    Read,
    Write,
    ShutdownWrite,
    Drop,
}

/// One connection, as both sides see it.
#[derive(Default)]
pub(super) struct TestLink {
    pub(super) incoming: Vec<u8>,
    pub(super) outgoing: Vec<u8>,
    pub(super) ended: bool,
    /// Number of bytes that the socket still takes.
    pub(super) room: usize,
    pub(super) token: Option<Token>,
    /// The next call of this kind panics.
    pub(super) panics_at: Option<SocketCall>,
    pub(super) closed: bool,
    /// Number of reads that found nothing.
    pub(super) vain_reads: usize,
    /// The server wants to hear of room for its output.
    pub(super) awaits_room: bool,
    /// The last bytes wait for what follows them.
    pub(super) held: bool,
    /// The end of the server's direction, and true if it took along the bytes before it.
    pub(super) output_end: Option<bool>,
    /// The server resets the connection when it closes it; or its peer has, and reads fail.
    pub(super) is_reset: bool,
}

pub(super) type Shared = Rc<RefCell<TestLink>>;

pub(super) struct TestSocket(pub(super) Shared);

impl Drop for TestSocket {
    fn drop(&mut self) {
        self.0.borrow_mut().closed = true;
        strike(&self.0, SocketCall::Drop);
    }
}

/// Panics without the hook, whose output would look like a failure.
pub(super) fn strike(link: &Shared, call: SocketCall) {
    if link
        .borrow_mut()
        .panics_at
        .take_if(|at| *at == call)
        .is_some()
    {
        resume_unwind(Box::new(format!("{call:?} panics on purpose")));
    }
}

#[derive(Clone, Default)]
pub(super) struct TestOutside(pub(super) Rc<RefCell<OutsideState>>);

#[derive(Default)]
pub(super) struct OutsideState {
    pub(super) passed: Duration,
    /// Time that each read and each write of bytes takes.
    pub(super) call_takes: Duration,
    /// Time that each look at the clock takes.
    pub(super) look_takes: Duration,
    /// Time that the polls sleep from here on, each as long as it may.
    pub(super) asleep: Duration,
    pub(super) ready: Vec<Ready>,
    pub(super) backlog: [VecDeque<Shared>; 2],
    /// Connections that the server has dialled.
    pub(super) dialled: Vec<Shared>,
    /// The next connection that is dialled fails for want of a descriptor.
    pub(super) lacks_descriptor: bool,
}

impl TestOutside {
    /// Lets the time of a call pass.
    fn work(&self) {
        let mut state = self.0.borrow_mut();
        let takes = state.call_takes;
        state.passed += takes;
    }
}

pub(super) struct TestWorld {
    pub(super) start: Instant,
    pub(super) outside: TestOutside,
}

impl World for TestWorld {
    type Files = MemoryFiles;
    type Socket = TestSocket;

    fn now(&self) -> Instant {
        let mut outside = self.outside.0.borrow_mut();
        let takes = outside.look_takes;
        outside.passed += takes;
        self.start + outside.passed
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<Polled> {
        let mut outside = self.outside.0.borrow_mut();
        ready.append(&mut outside.ready);
        if ready.is_empty() {
            let slept = outside.asleep.min(timeout.unwrap_or(Duration::MAX));
            outside.passed += slept;
            outside.asleep -= slept;
        }
        Ok(Polled {
            extent: Extent::Whole,
            sleep: Sleep::Undisturbed,
        })
    }

    fn accept(&mut self, listener: usize) -> io::Result<(TestSocket, Peer)> {
        let mut outside = self.outside.0.borrow_mut();
        let backlog = &mut outside.backlog[listener];
        let link = backlog.front().ok_or(io::ErrorKind::WouldBlock)?.clone();
        strike(&link, SocketCall::Accept);
        backlog.pop_front();
        Ok((TestSocket(link), Peer::Ip([192, 0, 2, 7].into())))
    }

    fn connect(&mut self, _: SocketAddr) -> io::Result<Self::Socket> {
        let mut outside = self.outside.0.borrow_mut();
        if std::mem::take(&mut outside.lacks_descriptor) {
            return Err(rustix::io::Errno::MFILE.into());
        }
        let link = Shared::default();
        link.borrow_mut().room = usize::MAX;
        outside.dialled.push(link.clone());
        Ok(TestSocket(link))
    }

    fn is_connected(&self, _: &Self::Socket) -> io::Result<bool> {
        Ok(true)
    }

    fn stop_listening(&mut self, _count: usize) {}

    fn register(&mut self, socket: &mut TestSocket, token: Token) -> io::Result<()> {
        strike(&socket.0, SocketCall::Register);
        let mut link = socket.0.borrow_mut();
        link.token = Some(token);
        if !link.incoming.is_empty() || link.ended {
            let read_closed = link.ended;
            self.outside.0.borrow_mut().ready.push(Ready::Socket {
                token,
                readable: true,
                read_closed,
            });
        }
        Ok(())
    }

    fn await_room(&mut self, socket: &mut TestSocket, token: Token) -> io::Result<()> {
        let mut link = socket.0.borrow_mut();
        assert_eq!(link.token, Some(token), "it is registered");
        link.awaits_room = true;
        Ok(())
    }

    fn read(&mut self, socket: &mut TestSocket, buffer: &mut [u8]) -> io::Result<usize> {
        strike(&socket.0, SocketCall::Read);
        let mut link = socket.0.borrow_mut();
        let len = link.incoming.len().min(buffer.len());
        if len == 0 && link.is_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if len == 0 && !link.ended {
            link.vain_reads += 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        for (slot, byte) in buffer.iter_mut().zip(link.incoming.drain(..len)) {
            *slot = byte;
        }
        self.outside.work();
        Ok(len)
    }

    fn write(&mut self, socket: &mut TestSocket, bytes: &[u8]) -> io::Result<usize> {
        strike(&socket.0, SocketCall::Write);
        let mut link = socket.0.borrow_mut();
        let len = bytes.len().min(link.room);
        if len == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        link.room -= len;
        link.outgoing.extend_from_slice(&bytes[..len]);
        link.held = false;
        self.outside.work();
        Ok(len)
    }

    fn write_more(&mut self, socket: &mut TestSocket, bytes: &[u8]) -> io::Result<usize> {
        let len = self.write(socket, bytes)?;
        socket.0.borrow_mut().held = true;
        Ok(len)
    }

    fn send_file(
        &mut self,
        socket: &mut TestSocket,
        file: &MemoryFile,
        offset: u64,
        max: usize,
    ) -> io::Result<usize> {
        let mut content = Vec::new();
        let mut files = MemoryFiles::new();
        crate::world::FileReads::read_at(&mut files, file, offset, &mut content, max)?;
        if content.is_empty() {
            return Ok(0);
        }
        self.write(socket, &content)
    }

    fn shutdown_write(&mut self, socket: &mut TestSocket) -> io::Result<()> {
        strike(&socket.0, SocketCall::ShutdownWrite);
        let mut link = socket.0.borrow_mut();
        link.output_end = Some(std::mem::take(&mut link.held));
        Ok(())
    }

    fn reset_at_close(&mut self, socket: &mut TestSocket) -> io::Result<()> {
        socket.0.borrow_mut().is_reset = true;
        Ok(())
    }
}
