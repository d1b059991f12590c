//! Actions of the server on its ends of the connections: its system calls, which can fail.

use super::lane::{Cargo, Reader, Writer};
use super::{Direction, LinkId, Listening, Network, ServerEnd};
use crate::sim::faults::Fault;
use calmd::world::Token;
use std::io;
use std::rc::Rc;
use std::time::Duration;

impl Network {
    pub fn accept(&mut self, listener: usize) -> io::Result<LinkId> {
        let Some(id) = self.listeners[listener].backlog.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        self.progress += 1;
        if self.faults.strikes(Fault::AcceptAborted) {
            self.links[id].server = ServerEnd::Closed;
            self.harm(id);
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.links[id].server = ServerEnd::Accepted;
        Ok(id)
    }

    pub fn stop_listening(&mut self) {
        for index in 0..self.listeners.len() {
            self.listeners[index].state = Listening::Closed;
            for id in std::mem::take(&mut self.listeners[index].backlog) {
                self.links[id].server = ServerEnd::Closed;
                self.harm(id);
            }
        }
    }

    pub fn register(&mut self, id: LinkId, token: Token) -> io::Result<()> {
        if self.faults.strikes(Fault::RegisterFails) {
            self.harm(id);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.tokens.push(token);
        self.links[id].token = Some(token);
        self.links[id].edge = Some(self.now);
        Ok(())
    }

    pub fn await_room(&mut self, id: LinkId, token: Token) -> io::Result<()> {
        if self.faults.strikes(Fault::RegisterFails) {
            self.harm(id);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        assert_eq!(self.links[id].token, Some(token), "it is registered");
        self.links[id].awaits_room = true;
        self.touch(id, self.now);
        Ok(())
    }

    pub fn read(&mut self, id: LinkId, buffer: &mut [u8]) -> io::Result<usize> {
        if self.faults.strikes(Fault::ReadInterrupted) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.faults.strikes(Fault::ReadFails) {
            self.harm(id);
            return Err(io::ErrorKind::TimedOut.into());
        }
        let later = self.now + self.rng.pause(Duration::from_millis(20));
        let link = &mut self.links[id];
        if link.to_server.reader == Reader::Reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if link.to_server.arrived.is_empty() {
            return match link.to_server.reader {
                Reader::Ended => Ok(0),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        if self.faults.strikes(Fault::ReadBlocks) {
            self.touch(id, later);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut taken = Vec::new();
        let len = link.to_server.take(&mut taken, buffer.len());
        buffer[..len].copy_from_slice(&taken);
        link.client_wakes = true;
        self.progress += 1;
        Ok(len)
    }

    pub fn write(&mut self, id: LinkId, bytes: &[u8]) -> io::Result<usize> {
        if self.faults.strikes(Fault::WriteInterrupted) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.faults.strikes(Fault::WriteFails) {
            self.harm(id);
        }
        let link = &mut self.links[id];
        if link.to_client.writer == Writer::Ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = link.to_client.room();
        if room == 0 {
            link.blocked = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.faults.strikes(Fault::WriteBlocks) {
            // The edge is reported then if there is room enough, otherwise when the client makes room.
            link.blocked = true;
            let later = self.now + self.rng.pause(Duration::from_millis(20));
            self.touch(id, later);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut len = bytes.len().min(room);
        if len > 1 && self.faults.strikes(Fault::WriteShort) {
            len = self.rng.between(1, len - 1);
        }
        self.links[id].blocked = room < bytes.len();
        self.progress += 1;
        self.send(id, Direction::ToClient, &bytes[..len]);
        Ok(len)
    }

    /// Notes that content of a file could not be read when it was to be sent.
    pub fn lose_file(&mut self, id: LinkId, path: Rc<str>) {
        self.links[id].lost_file = Some(path);
    }

    pub fn shutdown_write(&mut self, id: LinkId) -> io::Result<()> {
        if self.faults.strikes(Fault::ShutdownFails) {
            self.harm(id);
        }
        self.progress += 1;
        let link = &mut self.links[id];
        if link.to_client.writer == Writer::Ended {
            return Err(io::ErrorKind::NotConnected.into());
        }
        link.to_client.writer = Writer::Ended;
        let at = self.now + link.latency;
        link.to_client.fly(at, Cargo::End);
        Ok(())
    }

    /// Has the close of the server's socket reset the connection.
    pub fn reset_at_close(&mut self, id: LinkId) {
        self.links[id].resets_at_close = true;
    }

    /// Closes the server's socket. Written bytes still arrive, unless the client sends, or has sent,
    /// bytes that the server does not read: then the connection is reset (RFC 9112 §9.6), as it is if the server
    /// wants that.
    pub fn close_server(&mut self, id: LinkId) {
        self.progress += 1;
        if std::mem::take(&mut self.panicked) {
            self.harm(id);
        }
        let link = &mut self.links[id];
        (link.server, link.token, link.edge) = (ServerEnd::Closed, None, None);
        if !link.to_server.arrived.is_empty() {
            self.faults.count(Fault::UnreadOnClose);
            self.reset_client(id);
        } else if link.resets_at_close {
            self.reset_client(id);
        } else if link.to_client.writer == Writer::Open {
            link.to_client.writer = Writer::Ended;
            let at = self.now + link.latency;
            link.to_client.fly(at, Cargo::End);
        }
    }

    pub(super) fn reset_client(&mut self, id: LinkId) {
        let link = &mut self.links[id];
        if link.to_client.reader == Reader::Open {
            link.overtaken |= link.to_client.is_flying();
            link.to_client.drop_flights();
            link.to_client.writer = Writer::Ended;
            let at = self.now + link.latency;
            link.to_client.fly(at, Cargo::Reset);
        }
    }

    /// Ends a connection by a fault of the world, for both sides.
    pub(super) fn harm(&mut self, id: LinkId) {
        let link = &mut self.links[id];
        link.harmed = true;
        link.to_server.reset();
        link.to_client.reset();
        link.client_wakes = true;
        self.touch(id, self.now);
    }
}
