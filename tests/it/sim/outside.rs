//! The world outside of the server: the network, the clients' views of it, the operator, and the time.

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

/// Time that the server waits for open responses, from the operator's order to the end.
const DRAIN: Duration = Duration::from_secs(30);

/// Time after which a client knows of a close by the server, at most. The news comes behind all bytes
/// that are on their way to a slow reader.
const NEWS: Duration = Duration::from_secs(20);

/// Free resources of the server, which decide the connections that it may close.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Enough for all connections: none may be closed.
    Ample,
    /// Too few connections or descriptors: connections without a request may be closed for a new one.
    Scarce,
    /// Too little memory: any connection may be closed.
    Tight,
}

/// The world outside of the server.
pub struct Outside {
    pub network: Network,
    pub rng: Rng,
    pub contents: Contents,
    /// The certificate that the clients trust.
    pub trust: Arc<ClientConfig>,
    /// Number of files that the server has open.
    pub open_files: usize,
    pub room: Room,
    /// Number of sockets and files that the server can have.
    pub descriptor_limit: usize,
    /// The operator's orders with their times, soonest first.
    pub orders: VecDeque<(Duration, Signal)>,
    /// Time at which the order to stop was given.
    pub stopped: Option<Duration>,
    /// Time that has passed since the server last looked at the clock.
    pub lost: Duration,
    /// True if no event will happen any more and the server waits.
    pub silent: bool,
    pub start: Instant,
    /// True if the client of the product has something to do, so that the server's poll ends.
    pub client_woken: bool,
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
            client_woken: false,
        }
    }

    /// Panics if the fault strikes. The panic hook is left out, because its output looks like a failure
    /// of the test.
    pub fn panic_by_chance(outside: &RefCell<Outside>, fault: Fault) {
        if outside.borrow_mut().network.panics(fault) {
            resume_unwind(Box::new("on purpose"));
        }
    }

    /// The present time of the virtual clock.
    pub fn instant(&self) -> Instant {
        self.start + self.network.now
    }

    /// The smallest free resources of the server from a time on.
    pub fn room_since(&self, time: Duration) -> Room {
        let refused = self.network.last_refusal;
        if self.room == Room::Ample && refused.is_some_and(|at| at + NEWS >= time) {
            return Room::Scarce;
        }
        self.room
    }

    /// Lets time pass while the server is busy.
    pub fn lose(&mut self, time: Duration) {
        self.lost += time;
    }

    /// Lets all due flights arrive, and all clients act that have a reason.
    pub fn step(&mut self, clients: &mut [Box<dyn Client>]) {
        self.network.deliver();
        for client in clients {
            client.run(self);
        }
    }

    /// Time of the next event that is not caused by the server.
    pub fn next_event(&self, clients: &[Box<dyn Client>]) -> Option<Duration> {
        let wakes = clients.iter().filter_map(|client| client.next_wake());
        wakes.chain(self.network.next_arrival()).min()
    }

    /// Time at which there is an event to report to the server.
    pub fn next_news(&self) -> Option<Duration> {
        let order = self.orders.front().map(|(at, _)| *at);
        [order, self.network.next_readiness()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The operator's next order, once its time has come.
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

    /// True if the server was told to stop. Requests that have not begun may then be refused.
    pub fn is_stopping(&self) -> bool {
        self.stopped.is_some()
    }

    /// True if the server no longer waits for open responses.
    pub fn is_stopped(&self) -> bool {
        self.stopped
            .is_some_and(|at| self.network.now >= at + DRAIN)
    }
}
