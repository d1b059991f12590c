//! Actions of clients on their ends of the connections.

use super::lane::{Cargo, Lane, Reader, Writer};
use super::{ClientEnd, Direction, Leave, Link, LinkId, Listening, Network, Received, ServerEnd};
use crate::sim::faults::Fault;
use crate::sim::rng::Rng;
use std::time::Duration;

impl Network {
    /// A new connection to a listener, with buffers of at least `least_bits` bits; none if the server
    /// does not listen.
    pub fn connect(&mut self, listener: usize, least_bits: usize) -> Option<LinkId> {
        if self.listeners[listener].state == Listening::Closed {
            return None;
        }
        let id = self.links.len();
        let latency = match self.rng.below(4) {
            0 => Duration::ZERO,
            1 => self.rng.pause(Duration::from_millis(100)),
            _ => self.rng.pause(Duration::from_millis(5)),
        };
        let capacity = |rng: &mut Rng| 1 << rng.between(least_bits, 20);
        self.links.push(Link {
            to_server: Lane::new(capacity(&mut self.rng)),
            to_client: Lane::new(capacity(&mut self.rng)),
            latency,
            server: ServerEnd::InBacklog,
            token: None,
            edge: None,
            blocked: false,
            awaits_room: false,
            client: ClientEnd::Open,
            leave: Leave::NotYet,
            client_wakes: true,
            harmed: false,
            lost_file: None,
            resets_at_close: false,
            overtaken: false,
        });
        self.listeners[listener].backlog.push_back(id);
        self.listeners[listener].edge = Some(self.now);
        Some(id)
    }

    /// Sends a prefix of `bytes` and returns its length.
    pub fn client_send(&mut self, id: LinkId, bytes: &[u8]) -> usize {
        let link = &self.links[id];
        let lane = &link.to_server;
        if lane.writer == Writer::Ended || link.to_client.reader == Reader::Reset {
            return 0;
        }
        let len = bytes.len().min(lane.room());
        self.send(id, Direction::ToServer, &bytes[..len]);
        len
    }

    pub fn client_receive(&mut self, id: LinkId, into: &mut Vec<u8>, max: usize) -> Received {
        let now = self.now;
        let link = &mut self.links[id];
        let lane = &mut link.to_client;
        if lane.reader == Reader::Reset {
            return Received::Reset;
        }
        if lane.arrived.is_empty() {
            return if lane.reader == Reader::Ended {
                Received::End
            } else {
                Received::Nothing
            };
        }
        let len = lane.take(into, max);
        // A third of the buffer has to be free before the writer is woken (tcp_write_space).
        if link.blocked && lane.room() >= lane.capacity / 3 {
            link.blocked = false;
            let at = now + link.latency;
            self.touch(id, at);
        }
        Received::Bytes(len)
    }

    /// Ends the client's direction.
    pub fn client_finish(&mut self, id: LinkId) {
        let link = &mut self.links[id];
        if link.to_server.writer == Writer::Open {
            link.to_server.writer = Writer::Ended;
            let at = self.now + link.latency;
            link.to_server.fly(at, Cargo::End);
        }
    }

    /// Closes the client's socket: an end, or a reset if that leaves bytes unread.
    pub fn client_close(&mut self, id: LinkId) {
        let link = &mut self.links[id];
        link.client = ClientEnd::Closed;
        if link.to_client.arrived.is_empty() {
            self.client_finish(id);
        } else {
            self.client_reset(id);
        }
    }

    /// Resets the connection. Bytes on their way to the server are lost as well.
    pub fn client_reset(&mut self, id: LinkId) {
        let link = &mut self.links[id];
        if link.server != ServerEnd::Closed {
            self.faults.count(Fault::PeerResets);
        }
        link.to_server.drop_flights();
        link.to_server.writer = Writer::Ended;
        let at = self.now + link.latency;
        link.to_server.fly(at, Cargo::Reset);
    }

    /// Notes that the client has got all that it is due. It has ended its direction or does so now, so
    /// the server has no reason to hold the connection.
    pub fn client_leaves(&mut self, id: LinkId) {
        let awake = self.awake();
        let link = &mut self.links[id];
        if link.leave == Leave::NotYet {
            link.leave = Leave::Said;
            link.note_leave(awake);
        }
    }

    /// Links that the server still holds when `patience` has passed after their clients have left.
    pub fn overdue(&self, patience: Duration) -> impl Iterator<Item = LinkId> {
        let is_overdue = move |id: &LinkId| match self.links[*id].leave {
            Leave::Heard(at) => at + patience < self.awake(),
            _ => false,
        };
        self.held_by_server().filter(is_overdue)
    }

    /// True if an event happened to the link since the last call.
    pub fn client_wakes(&mut self, id: LinkId) -> bool {
        std::mem::take(&mut self.links[id].client_wakes)
    }

    /// True if an event happened to the link that was not looked at.
    pub fn client_has_news(&self, id: LinkId) -> bool {
        self.links[id].client_wakes
    }

    /// True if the server has closed its direction, or the connection was reset.
    pub fn client_sees_end(&self, id: LinkId) -> bool {
        self.links[id].to_client.reader != Reader::Open
    }

    /// True if bytes of the client can never arrive any more.
    pub fn client_cannot_send(&self, id: LinkId) -> bool {
        let link = &self.links[id];
        link.to_server.writer == Writer::Ended || link.to_client.reader == Reader::Reset
    }

    /// True if the world ended the connection.
    pub fn is_harmed(&self, id: LinkId) -> bool {
        self.links[id].harmed
    }

    /// True if a reset has overtaken bytes that the server had sent. A server without descriptors
    /// closes connections that seem idle. It cannot know that a slow network still carries bytes which
    /// the kernel took long ago, and drops when the client sends to a closed socket.
    pub fn is_overtaken(&self, id: LinkId) -> bool {
        self.links[id].overtaken
    }

    /// The file whose content was lost on its way into the connection.
    pub fn lost_file(&self, id: LinkId) -> Option<&str> {
        self.links[id].lost_file.as_deref()
    }

    /// The links that the server holds.
    pub fn held_by_server(&self) -> impl Iterator<Item = LinkId> {
        let held = |id: &LinkId| self.links[*id].server == ServerEnd::Accepted;
        (0..self.links.len()).filter(held)
    }
}
