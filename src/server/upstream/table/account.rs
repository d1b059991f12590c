//! Memory of upstream connections: counted as they have their turns, told to metrics, given back when it is short.

use std::time::Instant;

use super::{Carrier, UpstreamTable};
use crate::server::upstream::counts::{UpstreamBytes, UpstreamFigures};
use crate::server::upstream::pool::Pool;
use crate::world::{Files, Token};

impl<K, F: Files> Carrier<K, F> {
    /// The memory of the connection by its holder, without that of its calls.
    fn memory(&self) -> UpstreamBytes {
        match self {
            Carrier::Single(connection) => connection.memory(),
            Carrier::Shared(connection) => connection.memory(),
        }
    }
}

impl<K, F: Files> UpstreamTable<K, F> {
    /// Bytes that all connections and their calls hold, as the connections were at the end of their last turns.
    pub(in crate::server) fn held(&self) -> usize {
        self.held + self.calls.held()
    }

    /// Enters the memory of a connection at the end of a turn.
    pub(super) fn account(&mut self, token: Token) {
        if let Some(carrier) = self.connections.value(token) {
            let UpstreamBytes {
                socket, protocol, ..
            } = carrier.memory();
            let held = socket + protocol;
            let before = std::mem::replace(&mut carrier.channel().accounted, held);
            self.held = self.held + held - before;
        }
    }

    /// Closes the connections that carry nothing.
    pub(in crate::server) fn close_unused(&mut self) {
        for upstream in 0..self.pools.len() {
            let unused = self.pools.get(upstream).map(Pool::unused);
            for (server, token) in unused.unwrap_or_default() {
                self.remove(token, (upstream, server));
            }
        }
    }

    /// The state at the moment, for metrics.
    pub(in crate::server) fn figures(&self, now: Instant) -> UpstreamFigures {
        let mut held = UpstreamBytes {
            calls: self.calls.held(),
            ..UpstreamBytes::default()
        };
        let connections =
            (0..self.connections.end()).filter_map(|index| self.connections.at(index));
        for (_, carrier) in connections {
            let memory = carrier.memory();
            held.socket += memory.socket;
            held.protocol += memory.protocol;
        }
        UpstreamFigures {
            pools: self.pools.iter().map(|pool| pool.figures(now)).collect(),
            held,
            most: self.limits.connections,
        }
    }
}
