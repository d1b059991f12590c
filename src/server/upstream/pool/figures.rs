//! Counts and state of an upstream's servers, as metrics tell them, and connections that can be spared.

use std::time::Instant;

use super::{Pool, PoolServer, SharedRoom};
use crate::server::upstream::counts::{PoolFigures, ServerFigures};
use crate::server::upstream::loss::UpstreamLoss;
use crate::world::Token;

impl Pool {
    /// An attempt at a call was lost at a server.
    pub(in crate::server::upstream) fn note_loss(&mut self, server: usize, loss: UpstreamLoss) {
        if let Some(server) = self.servers.get_mut(server) {
            server.counts.add_loss(loss);
        }
    }

    /// A call begins anew that was lost at a server.
    pub(in crate::server::upstream) fn note_repeat(&mut self, server: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            server.counts.add_repeat();
        }
    }

    /// Connections that carry nothing, each with its server.
    pub(in crate::server::upstream) fn unused(&self) -> Vec<(usize, Token)> {
        let servers = self.servers.iter().enumerate();
        let idle = servers.flat_map(|(index, server)| {
            let unused = |room: &&SharedRoom| room.calls == 0;
            let shared = server.shared.iter().filter(unused).map(|room| room.token);
            let all = server.idle.iter().copied().chain(shared);
            all.map(move |token| (index, token))
        });
        idle.collect()
    }

    /// The state at the moment, for metrics.
    pub(in crate::server::upstream) fn figures(&self, now: Instant) -> PoolFigures {
        let figures = |server: &PoolServer| {
            let unused = server.shared.iter().filter(|room| room.calls == 0).count();
            ServerFigures {
                name: server.name.clone(),
                is_up: !server.is_spared(now),
                open: server.open,
                idle: server.idle.len() + unused,
                active: server.load(),
                counts: server.counts.clone(),
            }
        };
        PoolFigures {
            host: self.labels.0.clone(),
            mount: self.labels.1.clone(),
            waiting: self.waiting.len(),
            unserved: self.unserved,
            servers: self.servers.iter().map(figures).collect(),
        }
    }
}
