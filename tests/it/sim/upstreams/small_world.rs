//! The small world as the server sees it: sockets of upstreams and clients, without delays of the network.

use super::outside::{DialAnswer, SmallOutside};
use calmd::world::memory_files::{MemoryFile, MemoryFiles};
use calmd::world::{Extent, Peer, Polled, Ready, Sleep, Token, World};
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) struct SmallWorld(pub(super) Rc<RefCell<SmallOutside>>);

pub(super) struct SmallSocket(usize, Rc<RefCell<SmallOutside>>);

impl Drop for SmallSocket {
    fn drop(&mut self) {
        self.1.borrow_mut().links[self.0].is_closed = true;
    }
}

impl World for SmallWorld {
    type Files = MemoryFiles;
    type Socket = SmallSocket;

    fn now(&self) -> Instant {
        self.0.borrow().instant()
    }

    fn wall_clock(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000_000) + self.0.borrow().now
    }

    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<Polled> {
        let outside = &mut *self.0.borrow_mut();
        outside.now += Duration::from_micros(20);
        let until = timeout.map(|timeout| outside.now + timeout);
        loop {
            outside.act();
            outside.deliver(ready);
            if !ready.is_empty() {
                break;
            }
            let Some(next) = outside.next_event().into_iter().chain(until).min() else {
                outside.is_still = true;
                break;
            };
            outside.now = outside.now.max(next);
            if until.is_some_and(|until| until <= outside.now) {
                outside.deliver(ready);
                break;
            }
        }
        Ok(Polled {
            extent: Extent::Whole,
            sleep: Sleep::Undisturbed,
        })
    }

    fn accept(&mut self, _: usize) -> io::Result<(SmallSocket, Peer)> {
        let next = self.0.borrow_mut().backlog.pop_front();
        let link = next.ok_or(io::ErrorKind::WouldBlock)?;
        Ok((
            SmallSocket(link, self.0.clone()),
            Peer::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ))
    }

    fn connect(&mut self, address: SocketAddr) -> io::Result<SmallSocket> {
        let link = self.0.borrow_mut().dial(address.port());
        Ok(SmallSocket(link, self.0.clone()))
    }

    fn is_connected(&self, socket: &SmallSocket) -> io::Result<bool> {
        let dialled = self.0.borrow().links[socket.0].dialled;
        match dialled.expect("it was dialled").answer {
            DialAnswer::Accepted => Ok(true),
            DialAnswer::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
            DialAnswer::Silence => Ok(false),
        }
    }

    fn stop_listening(&mut self, _: usize) {}

    fn register(&mut self, socket: &mut SmallSocket, token: Token) -> io::Result<()> {
        let link = &mut self.0.borrow_mut().links[socket.0];
        let is_silent = |answer| answer == DialAnswer::Silence;
        link.token = Some(token);
        link.has_edge = !link
            .dialled
            .is_some_and(|dialled| is_silent(dialled.answer));
        Ok(())
    }

    fn read(&mut self, socket: &mut SmallSocket, buffer: &mut [u8]) -> io::Result<usize> {
        let mut outside = self.0.borrow_mut();
        let link = &mut outside.links[socket.0];
        if !link.arrived.is_empty() && std::mem::take(&mut link.panics) {
            drop(outside);
            // Without the hook, whose output would look like a failure.
            resume_unwind(Box::new("a read panics on purpose"));
        }
        let len = buffer.len().min(link.arrived.len());
        if link.is_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if len == 0 && !link.has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        for (place, byte) in buffer.iter_mut().zip(link.arrived.drain(..len)) {
            *place = byte;
        }
        Ok(len)
    }

    fn write(&mut self, socket: &mut SmallSocket, bytes: &[u8]) -> io::Result<usize> {
        let link = &mut self.0.borrow_mut().links[socket.0];
        if link.is_reset || link.dialled.is_some() && link.has_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let len = link.room().min(bytes.len());
        link.is_full |= len < bytes.len();
        if len == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        link.written.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn send_file(
        &mut self,
        _: &mut SmallSocket,
        _: &MemoryFile,
        _: u64,
        _: usize,
    ) -> io::Result<usize> {
        unreachable!("no file is served")
    }

    fn shutdown_write(&mut self, socket: &mut SmallSocket) -> io::Result<()> {
        // A client that has its whole answer closes.
        let link = &mut self.0.borrow_mut().links[socket.0];
        (link.has_ended, link.has_edge) = (true, true);
        Ok(())
    }

    fn reset_at_close(&mut self, socket: &mut SmallSocket) -> io::Result<()> {
        self.0.borrow_mut().links[socket.0].resets_at_close = true;
        Ok(())
    }
}
