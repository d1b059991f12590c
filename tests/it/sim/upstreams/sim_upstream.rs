//! The upstream's side of a connection, in the protocol of the run.

use super::outside::SmallOutside;
use super::{h1_upstream::H1Upstream, h2_upstream::H2Upstream};
use std::time::Duration;

/// The protocol that is spoken with upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// The upstream's side of a connection.
pub enum SimUpstream {
    Http1(H1Upstream),
    Http2(Box<H2Upstream>),
}

impl SimUpstream {
    /// The upstream of a connection that was just made.
    pub fn new(protocol: Protocol, outside: &mut SmallOutside) -> Self {
        match protocol {
            Protocol::Http1 => SimUpstream::Http1(H1Upstream::default()),
            Protocol::Http2 => SimUpstream::Http2(Box::new(H2Upstream::new(outside))),
        }
    }

    /// Hears what has come on its connection, and does what is due.
    pub fn act(&mut self, link: usize, outside: &mut SmallOutside) {
        match self {
            SimUpstream::Http1(upstream) => upstream.act(link, outside),
            SimUpstream::Http2(upstream) => upstream.act(link, outside),
        }
    }

    /// The time at which it does something.
    pub fn next_act(&self) -> Option<Duration> {
        match self {
            SimUpstream::Http1(_) => None,
            SimUpstream::Http2(upstream) => upstream.next_act(),
        }
    }
}
