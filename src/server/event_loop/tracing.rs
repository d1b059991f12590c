//! The trace of connections that the operator has asked for at the start.

use std::io;

use super::EventLoop;
use crate::inspect::{PeerTrace, TraceConfig};
use crate::server::listener_role::ListenerRole;
use crate::world::{Token, World};

impl<W: World + 'static> EventLoop<W> {
    /// Traces connections from now on.
    pub fn trace_peers(&mut self, config: &TraceConfig) -> io::Result<()> {
        let trace = PeerTrace::create(config, self.world.now(), self.world.wall_clock())?;
        self.trace = Some(Box::new(trace));
        Ok(())
    }

    /// Traces a newcomer, if it belongs into the trace. Behind a balancer that introduces its clients, its
    /// address is that of the balancer.
    pub(super) fn trace_newcomer(&mut self, token: Token) {
        if let Some(trace) = &mut self.trace
            && let Some(connection) = self.connections.value(token)
            && connection.role() == ListenerRole::Public
            && let Some(tap) = trace.follow(token.serial, connection.peer(), self.services.now)
        {
            connection.watch(tap, &self.services);
        }
    }

    /// Writes the part of the trace that has come.
    pub(super) fn write_trace(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.write();
        }
    }
}
