//! Clients of the server: good clients, which must get all that they ask for, and bad ones, which must
//! not harm them.

pub mod ask;
mod h1;
mod h1_parser;
mod h2;
mod raw;
mod wire;

use super::faults::Fault;
use super::network::LinkId;
use super::outside::{Outside, Room};
use super::rng::Rng;
use ask::Ask;
use h1::H1Client;
use h2::H2Client;
use raw::RawClient;
use std::collections::VecDeque;
use std::time::Duration;
use wire::Security;

/// A client outside of the server.
pub trait Client {
    /// Acts, if an event happened on the connection or the time has come.
    fn run(&mut self, outside: &mut Outside);

    /// Time to act even without an event. It is later than the last time.
    fn next_wake(&self) -> Option<Duration>;

    /// True if the client has got all that it is due.
    fn is_content(&self) -> bool;

    /// Kind of the client and the events that it waits for, for the message of a failure.
    fn describe(&self) -> String;
}

/// Action of a good client on its connection when it has got all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    Close,
    Reset,
    /// The client ends its own direction and waits for the server.
    HalfClose,
    /// The client does nothing until the server closes.
    Stay,
    /// The farewell was said.
    Said,
}

/// State of a client's hold on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tie {
    Held,
    Cut,
}

impl Farewell {
    fn random(rng: &mut Rng) -> Self {
        *rng.pick(&[
            Farewell::Close,
            Farewell::Reset,
            Farewell::HalfClose,
            Farewell::Stay,
        ])
    }

    fn say(&mut self, outside: &mut Outside, link: LinkId) -> Tie {
        match *self {
            Farewell::Stay | Farewell::Said => return Tie::Held,
            Farewell::Close => outside.network.client_close(link),
            Farewell::Reset => outside.network.client_reset(link),
            Farewell::HalfClose => {
                outside.network.faults.count(Fault::PeerHalfCloses);
                outside.network.client_finish(link);
            }
        }
        match std::mem::replace(self, Farewell::Said) {
            Farewell::HalfClose => Tie::Held,
            _ => Tie::Cut,
        }
    }
}

/// The names of the protocols in ALPN.
const H1: &[u8] = b"http/1.1";
const H2: &[u8] = b"h2";

/// Good clients of both protocols, and bad ones.
pub fn anybody(outside: &mut Outside) -> Vec<Box<dyn Client>> {
    let mut clients: Vec<Box<dyn Client>> = Vec::new();
    for _ in 0..outside.rng.between(1, 4) {
        let (asks, security) = (asks(outside), Security::random(outside, H2));
        clients.push(Box::new(H2Client::new(asks, security, outside)));
    }
    for _ in 0..outside.rng.between(1, 4) {
        let (asks, security) = (asks(outside), Security::random(outside, H1));
        clients.push(Box::new(H1Client::new(asks, security, outside)));
    }
    for _ in 0..outside.rng.below(8) {
        clients.push(Box::new(RawClient::random(outside)));
    }
    if outside.room == Room::Tight {
        for _ in 0..outside.rng.between(2, 6) {
            clients.push(Box::new(RawClient::stalled_reader(outside)));
        }
    }
    clients
}

/// One good client of each protocol, with TLS and without, each with a few requests of each kind.
pub fn good(outside: &mut Outside) -> Vec<Box<dyn Client>> {
    let mut clients: Vec<Box<dyn Client>> = Vec::new();
    let securities = |protocol| [Security::Cleartext, Security::tls(outside, protocol)];
    let (h1, h2) = (securities(H1), securities(H2));
    for security in h2 {
        let asks = Ask::some(&mut outside.rng);
        clients.push(Box::new(H2Client::new(asks, security, outside)));
    }
    for security in h1 {
        let asks = Ask::some(&mut outside.rng);
        clients.push(Box::new(H1Client::new(asks, security, outside)));
    }
    clients
}

fn asks(outside: &mut Outside) -> VecDeque<Ask> {
    let count = outside.rng.between(1, 12);
    (0..count)
        .map(|_| Ask::random(&mut outside.rng, &outside.contents))
        .collect()
}
