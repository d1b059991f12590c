//! What a connection holds, for the ledger, and how it goes when others need that more.

use super::{Connection, Phase, Turn};
use crate::h2::ErrorCode;
use crate::server::context::Context;
use crate::server::ledger::Standing;
use crate::server::limit_log::Limit;
use crate::server::transport::Transport;
use crate::world::World;
use std::io;

/// What the event loop's tables and the allocator add to a connection: a slot, a timer, an account,
/// a header for each of some blocks.
const OVERHEAD: usize = 128;

impl<W: World> Connection<W> {
    /// The memory of this process that the connection holds: an estimate, and never in proportion to
    /// anything to find out.
    pub fn memory(&self) -> usize {
        let transport = match &self.transport {
            Transport::Plain => 0,
            Transport::Tls(tls) => tls.memory(),
        };
        let buffers = self.kept.capacity() + self.unsent.memory();
        size_of::<Self>() + OVERHEAD + transport + buffers + self.protocol.memory()
    }

    /// What the connection does, as far as it matters for who goes first. One that has not asked for
    /// anything yet, or has been told everything, is as dispensable as an idle one.
    pub fn standing(&self) -> Standing {
        let idle = match self.phase {
            Phase::Opening { .. } | Phase::Lingering { .. } | Phase::Closed => true,
            Phase::Serving => self.unsent.is_empty() && self.protocol.is_idle(),
            Phase::Flushing | Phase::Ending => false,
        };
        if idle { Standing::Idle } else { Standing::Busy }
    }

    /// Closes for the sake of others, with GOAWAY where that can be said at once.
    pub fn shed(&mut self, limit: Limit, cx: &mut Context<W>) -> Turn {
        let what = match self.standing() {
            Standing::Idle => "idle, closed to make room",
            Standing::Busy => "closed to make room",
        };
        cx.report(limit, self.peer, what);
        if let Phase::Serving = self.phase
            && self.unsent.is_empty()
            && let Err(error) = self.take_leave(cx)
        {
            log::debug!("{}: {error}", self.peer);
        }
        self.close(cx)
    }

    fn take_leave(&mut self, cx: &mut Context<W>) -> io::Result<()> {
        let code = match self.standing() {
            Standing::Idle => ErrorCode::NO_ERROR,
            Standing::Busy => ErrorCode::ENHANCE_YOUR_CALM,
        };
        self.protocol.abandon(code);
        let output = self.protocol.take_output();
        let mut wire = std::mem::take(&mut cx.buffers.wire);
        let sent = self
            .send(&output, &mut wire, cx)
            .and_then(|()| self.end_output(&mut wire, cx));
        cx.buffers.wire = wire;
        sent
    }
}
