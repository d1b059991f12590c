//! Everything but the server: the network, the clients' views of it, the operator, and the time.

use super::clients::Client;
use super::faults::Fault;
use super::files::Contents;
use super::network::Network;
use super::rng::Rng;
use calmd::world::Signal;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::ClientConfig;

/// From the operator's order to the end, the server waits so long for open responses.
const DRAIN: Duration = Duration::from_secs(30);

/// A client knows what the server does after this long at most: the word of it comes behind all that
/// is still on its way to a slow reader.
const NEWS: Duration = Duration::from_secs(20);

/// What the server has to spare, and so whom it may send away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Enough for everybody: nobody.
    Ample,
    /// Too few connections or descriptors: those who have not asked for anything, for a newcomer.
    Scarce,
    /// Too little memory: anybody.
    Tight,
}

/// Everything but the server.
pub struct Outside {
    pub network: Network,
    pub rng: Rng,
    pub contents: Contents,
    /// Whom the clients trust.
    pub trust: Arc<ClientConfig>,
    /// Files that the server has open.
    pub open_files: usize,
    pub room: Room,
    /// Sockets and files that the server can have.
    pub descriptor_limit: usize,
    /// What the operator orders, and when; soonest first.
    pub orders: VecDeque<(Duration, Signal)>,
    /// When the order to stop was given.
    pub stopped: Option<Duration>,
    /// Time that has passed since the server last looked at the clock.
    pub lost: Duration,
    /// Nothing will happen any more, and the server waits for it.
    pub silent: bool,
    pub start: Instant,
}

impl Outside {
    pub fn new(network: Network, rng: Rng, contents: Contents, trust: Arc<ClientConfig>) -> Self {
        Outside {
            trust,
            network,
            rng,
            contents,
            open_files: 0,
            room: Room::Ample,
            descriptor_limit: usize::MAX,
            orders: VecDeque::new(),
            stopped: None,
            lost: Duration::ZERO,
            silent: false,
            start: Instant::now(),
        }
    }

    /// The server panics here and now, if that fault strikes. Without the hook: what it would write
    /// looks like a failure of the test.
    pub fn panic_by_chance(outside: &RefCell<Outside>, fault: Fault) {
        if outside.borrow_mut().network.panics(fault) {
            resume_unwind(Box::new("on purpose"));
        }
    }

    /// The present as a clock shows it.
    pub fn instant(&self) -> Instant {
        self.start + self.network.now
    }

    /// What the server has had to spare, at the least, from this time on.
    pub fn room_since(&self, time: Duration) -> Room {
        let refused = self.network.last_refusal;
        if self.room == Room::Ample && refused.is_some_and(|at| at + NEWS >= time) {
            return Room::Scarce;
        }
        self.room
    }

    /// Time passes while the server is busy.
    pub fn lose(&mut self, time: Duration) {
        self.lost += time;
    }

    /// Lets arrive what is due, and everybody act who has a reason.
    pub fn step(&mut self, clients: &mut [Box<dyn Client>]) {
        self.network.deliver();
        for client in clients {
            client.run(self);
        }
    }

    /// When something will happen that the server does not do.
    pub fn next_event(&self, clients: &[Box<dyn Client>]) -> Option<Duration> {
        let wakes = clients.iter().filter_map(|client| client.next_wake());
        wakes.chain(self.network.next_arrival()).min()
    }

    /// When there is something to tell the server.
    pub fn next_news(&self) -> Option<Duration> {
        let order = self.orders.front().map(|(at, _)| *at);
        [order, self.network.next_readiness()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The operator's order, once it is time for it.
    pub fn order(&mut self) -> Option<Signal> {
        let (at, signal) = *self.orders.front()?;
        if at > self.network.now {
            return None;
        }
        self.orders.pop_front();
        if signal == Signal::Stop {
            self.stopped = Some(self.network.now);
        }
        Some(signal)
    }

    /// Whether the server was told to stop: what has not begun may be refused.
    pub fn is_stopping(&self) -> bool {
        self.stopped.is_some()
    }

    /// Whether the server has stopped waiting for what is open.
    pub fn is_stopped(&self) -> bool {
        self.stopped
            .is_some_and(|at| self.network.now >= at + DRAIN)
    }
}
