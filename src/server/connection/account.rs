//! The account of a connection in the ledger and in metrics, and its end when others need the memory more.

#[cfg(feature = "panel")]
use super::looking::Seen;
use super::{Connection, Phase, Wish};
use crate::h2::ErrorCode;
use crate::server::ledger::{PROGRESS_BYTES, Standing};
use crate::server::limit_log::Limit;
use crate::server::listener_role::ListenerRole;
use crate::server::metrics::Gauges;
use crate::server::protocol::Protocol;
use crate::server::turn::Turn;
use crate::world::{Files, Outside};

/// Bytes that the event loop's tables and the allocator add to a connection: a slot, a timer, an
/// account, a header for each of some blocks.
const OVERHEAD: usize = 128;

impl<K, F: Files> Connection<K, F> {
    /// The memory of this process that the connection holds: an estimate, and never in proportion to
    /// anything to find out.
    pub fn memory(&self) -> usize {
        let buffers = self.kept.capacity() + self.unlogged.memory();
        #[cfg(feature = "panel")]
        let buffers = buffers + Seen::memory(self.seen.as_deref());
        size_of::<Self>() + OVERHEAD + self.link.memory() + buffers + self.phase.memory()
    }

    /// The activity of the connection, which decides about the order of closing. A connection that has not
    /// asked for anything yet, or has been told everything, is as dispensable as an idle one; but bytes
    /// that were not read yet may be a request.
    pub fn standing(&self) -> Standing {
        let read = !self.link.has_input();
        let idle = match &self.phase {
            Phase::Opening { .. } => read,
            Phase::Serving(serving) => {
                read && self.link.unsent().is_empty() && serving.protocol.is_idle()
            }
            Phase::Flushing(_) | Phase::Ending => false,
            Phase::Lingering { .. } | Phase::Closed => true,
        };
        if idle { Standing::Idle } else { Standing::Busy }
    }

    /// The connection, as one that came by a listener of this role.
    pub fn with_role(mut self, role: ListenerRole) -> Self {
        self.role = role;
        self
    }

    /// The role of the listener that the connection came by.
    pub fn role(&self) -> ListenerRole {
        self.role
    }

    /// Adds the connection to what metrics show.
    pub fn show(&self, gauges: &mut Gauges) {
        let protocol = self.phase.protocol();
        gauges.add_connection(protocol.map(Protocol::label), self.stage());
        gauges.streams += protocol.map_or(0, Protocol::streams);
        gauges.obstacles.add_all(self.obstacles());
        gauges.stalled += u64::from(!self.link.unsent().is_empty());
        gauges.held.socket += self.link.memory();
        gauges.held.protocol += self.phase.memory();
        gauges.held.buffers += self.kept.capacity() + self.unlogged.memory();
    }

    /// Ends for the sake of others: with GOAWAY where that can be said at once, and time to read it, for which it is
    /// as one that has just become idle. A connection that had that time already is closed for good.
    pub fn shed(
        &mut self,
        limit: Limit,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> Wish {
        let standing = self.standing();
        let serving = match &mut self.phase {
            Phase::Serving(serving) if self.link.unsent().is_empty() => serving,
            _ => {
                turn.services
                    .report(limit, self.peer, "closed to make room");
                return self.close(world, turn);
            }
        };
        let (code, what) = match standing {
            Standing::Idle => (ErrorCode::NO_ERROR, "idle, closed to make room"),
            Standing::Busy => (ErrorCode::ENHANCE_YOUR_CALM, "closed to make room"),
        };
        turn.services.report(limit, self.peer, what);
        serving.protocol.abandon(code);
        turn.moved += PROGRESS_BYTES;
        self.finish(world, turn)
    }
}
