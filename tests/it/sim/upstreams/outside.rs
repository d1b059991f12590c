//! Everything outside of the server: its connections with clients and upstreams, and the time.

use super::client::SimClient;
use super::delivery::{Delivery, Given};
use super::sim_upstream::{Protocol, SimUpstream};
use crate::sim::rng::Rng;
use calmd::world::{Ready, Token};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Requests of a run.
pub const REQUESTS: usize = 40;

/// Bytes that a socket takes while its other end reads nothing.
const ROOM: usize = 16 << 10;

/// A connection, as both of its ends see it.
#[derive(Default)]
pub struct SimLink {
    /// Bytes on their way to the server, with the time of their arrival; none is the end.
    flying: VecDeque<(Duration, Option<Vec<u8>>)>,
    pub arrived: VecDeque<u8>,
    pub has_ended: bool,
    /// True if the other end has cut the connection off.
    pub is_reset: bool,
    /// Bytes that the server has written, and nobody has looked at.
    pub written: Vec<u8>,
    /// Time of a client's next read.
    pub reads_at: Duration,
    /// True after a write for which there was no room.
    pub is_full: bool,
    pub is_closed: bool,
    /// True if the server's close is a reset.
    pub resets_at_close: bool,
    pub token: Option<Token>,
    pub has_edge: bool,
    /// The way in which the connection was dialled; `None` for a client's.
    pub dialled: Option<Dialled>,
    /// True if its upstream says nothing more.
    is_over: bool,
    /// True if the server's next read panics.
    pub panics: bool,
}

/// A dialled connection.
#[derive(Clone, Copy)]
pub struct Dialled {
    pub port: u16,
    pub answer: DialAnswer,
}

/// The answer of an upstream's machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum DialAnswer {
    Accepted,
    Refused,
    /// None comes.
    Silence,
}

impl SimLink {
    /// Number of bytes that can still be written.
    pub fn room(&self) -> usize {
        ROOM.saturating_sub(self.written.len())
    }

    /// Takes what the server has written, which makes room.
    pub fn take_written(&mut self) -> Vec<u8> {
        self.has_edge |= std::mem::take(&mut self.is_full);
        std::mem::take(&mut self.written)
    }

    /// Cuts the connection off.
    pub fn reset(&mut self) {
        (self.is_reset, self.has_ended, self.has_edge) = (true, true, true);
        self.flying.clear();
        self.arrived.clear();
    }

    fn is_played(&self) -> bool {
        let is_accepted = |dialled: Dialled| dialled.answer == DialAnswer::Accepted;
        self.dialled.is_some_and(is_accepted) && !self.is_over && !self.is_closed
    }
}

/// Everything outside of the server.
pub struct SmallOutside {
    pub start: Instant,
    pub now: Duration,
    pub rng: Rng,
    pub links: Vec<SimLink>,
    pub backlog: VecDeque<usize>,
    clients: Vec<SimClient>,
    /// Clients at a time.
    together: usize,
    asked: usize,
    protocol: Protocol,
    upstreams: BTreeMap<usize, SimUpstream>,
    /// Connections that the server may have to one port.
    most_dialled: usize,
    /// The arrivals of each request at upstreams.
    pub deliveries: HashMap<usize, Vec<Delivery>>,
    pub done: usize,
    /// True once nothing is to come any more.
    pub is_still: bool,
}

impl SmallOutside {
    pub fn new(mut rng: Rng, protocol: Protocol, most_dialled: usize) -> Self {
        SmallOutside {
            start: Instant::now(),
            now: Duration::ZERO,
            together: rng.between(1, 10),
            rng,
            links: Vec::new(),
            backlog: VecDeque::new(),
            clients: Vec::new(),
            asked: 0,
            protocol,
            upstreams: BTreeMap::new(),
            most_dialled,
            deliveries: HashMap::new(),
            done: 0,
            is_still: false,
        }
    }

    pub fn instant(&self) -> Instant {
        self.start + self.now
    }

    pub fn open_link(&mut self) -> usize {
        self.links.push(SimLink::default());
        self.links.len() - 1
    }

    /// A connection to an upstream.
    pub fn dial(&mut self, port: u16) -> usize {
        let answer = match self.rng.below(1000) {
            0..100 => DialAnswer::Refused,
            100..110 => DialAnswer::Silence,
            _ => DialAnswer::Accepted,
        };
        let id = self.open_link();
        self.links[id].dialled = Some(Dialled { port, answer });
        if answer == DialAnswer::Accepted {
            let upstream = SimUpstream::new(self.protocol, self);
            self.upstreams.insert(id, upstream);
        }
        let to_port = |link: &&SimLink| link.dialled.is_some_and(|dialled| dialled.port == port);
        let open = self.links.iter().filter(|link| !link.is_closed);
        let open = open.filter(to_port).count();
        assert!(open <= self.most_dialled, "{open} connections to one port");
        id
    }

    /// Sends bytes to the server, in pieces and late by chance.
    pub fn send(&mut self, link: usize, bytes: &[u8], pause: Duration) {
        let mut at = self.now;
        let mut rest = bytes;
        while !rest.is_empty() {
            let len = self.rng.between(1, rest.len());
            let (piece, later) = rest.split_at(len);
            at += self.rng.pause(pause);
            self.links[link]
                .flying
                .push_back((at, Some(piece.to_vec())));
            rest = later;
        }
    }

    /// Ends a connection behind what was sent on it.
    pub fn end(&mut self, link: usize) {
        let last = self.links[link]
            .flying
            .back()
            .map_or(self.now, |(at, _)| *at);
        let at = last.max(self.now) + self.rng.pause(Duration::from_millis(2));
        self.links[link].flying.push_back((at, None));
        self.links[link].is_over = true;
    }

    /// Has the server panic when it reads next, which loses what is on its way.
    pub fn panic_at(&mut self, link: usize) {
        self.links[link].panics = true;
        let deliveries = self.deliveries.values_mut().flatten();
        for delivery in deliveries.filter(|delivery| delivery.link == link) {
            if delivery.given == Given::Whole {
                delivery.given = Given::Unsure;
            }
        }
    }

    /// Lets all act that are outside of the server.
    pub fn act(&mut self) {
        for (link, mut upstream) in std::mem::take(&mut self.upstreams) {
            if self.links[link].is_played() {
                upstream.act(link, self);
                self.upstreams.insert(link, upstream);
            }
        }
        for mut client in std::mem::take(&mut self.clients) {
            if client.act(self) {
                let deliveries = self.deliveries.get(&client.number);
                client.judge(deliveries.map_or(&[], Vec::as_slice));
                self.done += 1;
            } else {
                self.clients.push(client);
            }
        }
        while self.clients.len() < self.together && self.asked < REQUESTS {
            self.asked += 1;
            let client = SimClient::ask(self.asked, self);
            self.clients.push(client);
        }
    }

    /// Lets bytes arrive, and tells of the sockets that have become ready.
    pub fn deliver(&mut self, ready: &mut Vec<Ready>) {
        for link in &mut self.links {
            while link.flying.front().is_some_and(|(at, _)| *at <= self.now) {
                match link.flying.pop_front() {
                    Some((_, Some(bytes))) => link.arrived.extend(bytes),
                    _ => link.has_ended = true,
                }
                link.has_edge = true;
            }
            if let Some(token) = link.token.filter(|_| link.has_edge && !link.is_closed) {
                link.has_edge = false;
                ready.push(Ready::Socket {
                    token,
                    readable: link.has_ended || !link.arrived.is_empty(),
                    read_closed: link.has_ended,
                });
            }
        }
        if !self.backlog.is_empty() {
            ready.push(Ready::Listener(0));
        }
    }

    /// The next time at which something happens outside of the server.
    pub fn next_event(&self) -> Option<Duration> {
        let links = self.links.iter().filter(|link| !link.is_closed);
        let arrivals = links.filter_map(|link| Some(link.flying.front()?.0));
        let clients = self.clients.iter();
        let clients = clients.filter_map(|client| client.next_act(self));
        let played = self.upstreams.iter();
        let played = played.filter(|(link, _)| self.links[**link].is_played());
        let acts = played.filter_map(|(_, upstream)| upstream.next_act());
        arrivals.chain(clients).chain(acts).min()
    }
}
