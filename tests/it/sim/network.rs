//! Connections between clients and the server: two directions of bytes with delays, and the readiness
//! that the server is told of.
//!
//! Readiness is edge-triggered, as that of epoll. A link comes on the ready list when an event happens:
//! bytes or an end arrive, or room appears after a short write. The poll takes it off the list and
//! reports its state at that time. An edge that was reported never comes again.

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

/// Number of a connection between a client and the server. It is never used again for another.
pub type LinkId = usize;

/// Result of a client's read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    Bytes(usize),
    Nothing,
    /// The server closed its direction.
    End,
    /// The connection was reset, and unread bytes are lost.
    Reset,
}

/// All connections of the run, and the time.
pub struct Network {
    pub now: Duration,
    pub faults: Faults,
    pub rng: Rng,
    links: Vec<Link>,
    listeners: Vec<Listener>,
    /// Time at which the world last refused the server another connection.
    pub last_refusal: Option<Duration>,
    /// The tokens of all links that were ever registered.
    tokens: Vec<Token>,
    /// Time for which the server did not run so far. `asleep` is the time since which it does not run
    /// now.
    slept: Duration,
    asleep: Option<Duration>,
    /// True after a turn of the server has panicked. The next connection that it closes is the one of
    /// that turn.
    panicked: bool,
    /// Extent of the last poll's report of all ready sockets. The next poll has room for the rest.
    told: Extent,
    /// Count of bytes moved and connections made or ended. It tells a working server from one that
    /// spins.
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
    /// The time of the link's edge, if it is on the ready list.
    edge: Option<Duration>,
    /// True after a write of the server fell short.
    blocked: bool,
    /// True once the server wants to hear of room for its output.
    awaits_room: bool,
    client: ClientEnd,
    leave: Leave,
    /// True after an event that the client has not looked at.
    client_wakes: bool,
    /// True if a fault of the world ended the connection. Missing bytes are then excused.
    harmed: bool,
    /// The file whose promised content could not be sent on the connection.
    lost_file: Option<Rc<str>>,
    /// True once the close of the server's socket is to reset the connection.
    resets_at_close: bool,
    /// True if a reset overtook bytes of the server that were on their way.
    overtaken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ServerEnd {
    InBacklog,
    Accepted,
    Closed,
}

/// Progress of a client's leave. A client leaves when it has got all that it is due, and has ended its
/// direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leave {
    NotYet,
    Said,
    /// The server can know of the leave since it had run for the given time.
    Heard(Duration),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientEnd {
    Open,
    /// The client has closed its socket.
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

    /// Decides if the server panics at this call.
    pub fn panics(&mut self, fault: Fault) -> bool {
        let strikes = self.faults.strikes(fault);
        match fault {
            // Clients that wait to be accepted have to wait longer.
            Fault::AcceptPanics if strikes => self.last_refusal = Some(self.now),
            _ => self.panicked |= strikes,
        }
        strikes
    }

    /// Time for which the server has run so far.
    pub fn awake(&self) -> Duration {
        self.asleep.unwrap_or(self.now) - self.slept
    }

    /// Stops the server for longer than all its deadlines. No client may be cut off for that.
    pub fn fall_asleep(&mut self) {
        self.asleep = Some(self.now);
    }

    pub fn wake_up(&mut self) {
        if let Some(since) = self.asleep.take() {
            self.slept += self.now - since;
        }
    }

    /// A count that changes whenever the server makes progress.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// Time at which the next flight arrives.
    pub fn next_arrival(&self) -> Option<Duration> {
        let lanes = self
            .links
            .iter()
            .flat_map(|link| [&link.to_server, &link.to_client]);
        lanes.filter_map(Lane::next_arrival).min()
    }

    /// Time at which there is readiness to report.
    pub fn next_readiness(&self) -> Option<Duration> {
        let links = self
            .links
            .iter()
            .filter_map(|link| link.token.and(link.edge));
        links
            .chain(self.listeners.iter().filter_map(|listener| listener.edge))
            .min()
    }

    /// Lets all flights arrive that are due.
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
            // Later bytes of the server will not be received.
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

    /// Takes due links off the ready list: all of them, or as many as there is room for.
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

    /// Readiness of a socket that may not be ready, or may not exist any more.
    pub fn spurious(&mut self) -> Option<Ready> {
        if self.tokens.is_empty() || !self.faults.strikes(Fault::PollSpurious) {
            return None;
        }
        let recent = self.rng.below(self.tokens.len().min(8));
        let token = self.tokens[self.tokens.len() - 1 - recent];
        let readable = self.rng.chance(500);
        Some(Ready::Socket {
            token,
            readable,
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
    /// Notes the time at which the server has heard that the client leaves.
    fn note_leave(&mut self, awake: Duration) {
        if self.leave == Leave::Said && self.to_server.reader != Reader::Open {
            self.leave = Leave::Heard(awake);
        }
    }

    /// The readiness of the server's socket now; none if it is not ready.
    fn readiness(&self, token: Token) -> Option<Ready> {
        let reset = self.to_server.reader == Reader::Reset;
        let read_closed = reset || self.to_server.reader == Reader::Ended;
        let readable = read_closed || !self.to_server.arrived.is_empty();
        let lane = &self.to_client;
        let writable = reset || self.awaits_room && lane.room() >= lane.capacity / 3;
        let any = readable || writable;
        any.then_some(Ready::Socket {
            token,
            readable,
            read_closed,
        })
    }
}
