//! Connections between clients and the server: two directions of bytes that take their time, and the
//! readiness that the server is told of.
//!
//! Readiness is that of epoll, edge-triggered. A link comes on the ready list when something happens:
//! bytes or an end arrive, or room comes about after a write fell short. The poll takes it off the
//! list and tells what is true then. An edge that was told never comes again.

mod client_side;
mod lane;
mod server_side;

use super::faults::{Fault, Faults};
use super::rng::Rng;
use calmd::world::{Extent, Ready, Token};
use lane::{Cargo, Lane, Reader};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// A connection between a client and the server; never used again for another.
pub type LinkId = usize;

/// What a client's read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    Bytes(usize),
    Nothing,
    /// The server closed its direction.
    End,
    /// The connection is gone, and with it what was not read.
    Reset,
}

/// All connections that ever were, and the time.
pub struct Network {
    pub now: Duration,
    pub faults: Faults,
    pub rng: Rng,
    links: Vec<Link>,
    listeners: Vec<Listener>,
    /// When the world last refused the server another connection.
    pub last_refusal: Option<Duration>,
    /// Of all links that were ever registered.
    tokens: Vec<Token>,
    /// For how long the server was not run so far, and since when it is not now.
    slept: Duration,
    asleep: Option<Duration>,
    /// A turn of the server has panicked: the connection that it closes next had it.
    panicked: bool,
    /// What the last poll told of all that was ready; the next one has room for the rest.
    told: Extent,
    /// Bytes moved and connections made or ended: what tells a server at work from one that spins.
    progress: u64,
}

/// Clients that wait to be accepted.
#[derive(Default)]
struct Listener {
    backlog: VecDeque<LinkId>,
    edge: Option<Duration>,
    state: Listening,
}

#[derive(Default, PartialEq, Eq)]
enum Listening {
    #[default]
    Open,
    Closed,
}

struct Link {
    to_server: Lane,
    to_client: Lane,
    latency: Duration,
    server: ServerEnd,
    token: Option<Token>,
    /// On the ready list, to be told from then on.
    edge: Option<Duration>,
    /// The server was told that there is no room.
    blocked: bool,
    client: ClientEnd,
    leave: Leave,
    /// Something happened that the client has not looked at.
    client_wakes: bool,
    /// A fault of the world ended it: nobody is to blame for what is missing.
    harmed: bool,
    /// The file whose content could not be sent on it where it was promised.
    lost_file: Option<Rc<str>>,
    /// A reset took the place of bytes of the server that were on their way.
    overtaken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ServerEnd {
    InBacklog,
    Accepted,
    Closed,
}

/// Whether the client has all that it is due, and has ended its direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leave {
    NotYet,
    Said,
    /// The server can know since it had been run for so long.
    Heard(Duration),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientEnd {
    Open,
    /// The client has let go of its socket.
    Closed,
}

impl Network {
    pub fn new(faults: Faults, rng: Rng, listeners: usize) -> Self {
        Network {
            now: Duration::ZERO,
            faults,
            rng,
            links: Vec::new(),
            listeners: (0..listeners).map(|_| Listener::default()).collect(),
            last_refusal: None,
            tokens: Vec::new(),
            slept: Duration::ZERO,
            asleep: None,
            panicked: false,
            told: Extent::Whole,
            progress: 0,
        }
    }

    /// Whether the server panics at this call.
    pub fn panics(&mut self, fault: Fault) -> bool {
        let strikes = self.faults.strikes(fault);
        match fault {
            // Whoever waits has to wait on.
            Fault::AcceptPanics if strikes => self.last_refusal = Some(self.now),
            _ => self.panicked |= strikes,
        }
        strikes
    }

    /// How long the server has been run so far.
    pub fn awake(&self) -> Duration {
        self.asleep.unwrap_or(self.now) - self.slept
    }

    /// The server is not run, for longer than it waits for anybody: nobody is to pay for that.
    pub fn fall_asleep(&mut self) {
        self.asleep = Some(self.now);
    }

    pub fn wake_up(&mut self) {
        if let Some(since) = self.asleep.take() {
            self.slept += self.now - since;
        }
    }

    /// Changes whenever something was achieved.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// When the next flight arrives.
    pub fn next_arrival(&self) -> Option<Duration> {
        let lanes = self
            .links
            .iter()
            .flat_map(|link| [&link.to_server, &link.to_client]);
        lanes.filter_map(Lane::next_arrival).min()
    }

    /// When there is a readiness to tell.
    pub fn next_readiness(&self) -> Option<Duration> {
        let links = self
            .links
            .iter()
            .filter_map(|link| link.token.and(link.edge));
        links
            .chain(self.listeners.iter().filter_map(|listener| listener.edge))
            .min()
    }

    /// Lets everything arrive that is due.
    pub fn deliver(&mut self) {
        for id in 0..self.links.len() {
            while let Some(cargo) = self.links[id].to_server.land(self.now) {
                self.arrive_at_server(id, cargo);
            }
            while let Some(cargo) = self.links[id].to_client.land(self.now) {
                self.arrive_at_client(id, cargo);
            }
        }
    }

    fn arrive_at_server(&mut self, id: LinkId, cargo: Cargo) {
        if self.faults.strikes(Fault::NetworkResets) {
            self.harm(id);
            return;
        }
        let awake = self.awake();
        let link = &mut self.links[id];
        if link.server == ServerEnd::Closed {
            if let Cargo::Bytes(_) = cargo {
                self.faults.count(Fault::UnreadOnClose);
                self.reset_client(id);
            }
            return;
        }
        if let Cargo::Reset = cargo {
            // Nothing that the server still sends will be heard.
            link.to_client.reset();
        }
        link.to_server.unload(cargo);
        link.note_leave(awake);
        self.touch(id, self.now);
    }

    fn arrive_at_client(&mut self, id: LinkId, cargo: Cargo) {
        let link = &mut self.links[id];
        link.client_wakes = true;
        match (link.client, &cargo) {
            (ClientEnd::Closed, Cargo::Bytes(_)) => self.client_reset(id),
            (ClientEnd::Closed, _) => {}
            (ClientEnd::Open, _) => link.to_client.unload(cargo),
        }
    }

    /// Puts a link on the ready list.
    fn touch(&mut self, id: LinkId, at: Duration) {
        let link = &mut self.links[id];
        if link.edge.is_some() && link.token.is_some() {
            self.faults.count(Fault::ReadinessMerged);
        }
        link.edge = Some(link.edge.map_or(at, |edge| edge.min(at)));
    }

    /// Takes what is due off the ready list, all of it or what there is room for.
    pub fn collect(&mut self, ready: &mut Vec<Ready>) -> Extent {
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if listener.edge.is_some_and(|edge| edge <= self.now) {
                listener.edge = None;
                if !listener.backlog.is_empty() {
                    ready.push(Ready::Listener(index));
                }
            }
        }
        let first = if self.links.is_empty() {
            0
        } else {
            self.rng.below(self.links.len())
        };
        for offset in 0..self.links.len() {
            let id = (first + offset) % self.links.len();
            let link = &mut self.links[id];
            let Some(token) = link.token else { continue };
            if link.edge.is_none_or(|edge| edge > self.now) {
                continue;
            }
            let may_be_full = self.told == Extent::Whole && !ready.is_empty();
            if may_be_full && self.faults.strikes(Fault::PollFull) {
                self.told = Extent::Partial;
                return Extent::Partial;
            }
            if self.faults.strikes(Fault::PollDelays) {
                link.edge = Some(self.now + self.rng.pause(Duration::from_millis(50)));
                continue;
            }
            link.edge = None;
            ready.extend(link.readiness(token));
        }
        self.told = Extent::Whole;
        Extent::Whole
    }

    /// Readiness of some socket that may not be ready at all, or not even be there any more.
    pub fn spurious(&mut self) -> Option<Ready> {
        if self.tokens.is_empty() || !self.faults.strikes(Fault::PollSpurious) {
            return None;
        }
        let recent = self.rng.below(self.tokens.len().min(8));
        let token = self.tokens[self.tokens.len() - 1 - recent];
        let (readable, writable) = (self.rng.chance(500), self.rng.chance(500));
        Some(Ready::Socket {
            token,
            readable,
            writable,
            read_closed: false,
        })
    }

    fn send(&mut self, id: LinkId, direction: Direction, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut len = bytes.len();
            if self.faults.strikes(Fault::ArrivalSplit) {
                len = self.rng.between(1, len);
            }
            let late = self.faults.strikes(Fault::ArrivalLate);
            let delay = Duration::from_millis(if late { 800 } else { 1 });
            let link = &mut self.links[id];
            let at = self.now + link.latency + self.rng.pause(delay);
            let (now, later) = bytes.split_at(len);
            direction.lane(link).fly(at, Cargo::Bytes(now.to_vec()));
            bytes = later;
        }
    }
}
#[derive(Clone, Copy)]
enum Direction {
    ToServer,
    ToClient,
}

impl Direction {
    fn lane(self, link: &mut Link) -> &mut Lane {
        match self {
            Direction::ToServer => &mut link.to_server,
            Direction::ToClient => &mut link.to_client,
        }
    }
}

impl Link {
    /// Notes when the server has heard that the client leaves.
    fn note_leave(&mut self, awake: Duration) {
        if self.leave == Leave::Said && self.to_server.reader != Reader::Open {
            self.leave = Leave::Heard(awake);
        }
    }

    /// What is true of the server's socket now; nothing is not told.
    fn readiness(&self, token: Token) -> Option<Ready> {
        let reset = self.to_server.reader == Reader::Reset;
        let read_closed = reset || self.to_server.reader == Reader::Ended;
        let readable = read_closed || !self.to_server.arrived.is_empty();
        let lane = &self.to_client;
        let writable = reset || lane.room() >= lane.capacity / 3;
        let any = readable || writable;
        any.then_some(Ready::Socket {
            token,
            readable,
            writable,
            read_closed,
        })
    }
}
