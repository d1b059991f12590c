//! How long a connection waits, for what, and what it does when that time is over.

use super::{Connection, Idle, Memory, Phase, Stall, Turn};
use crate::server::context::Context;
use crate::world::World;
use std::time::{Duration, Instant};

/// A connection that is idle for this long gives back all memory that it can do without, at the price
/// of some 150 bytes more of fields in the next response: longer than the pauses of a client at work,
/// shorter than anybody's patience with our memory.
const HIBERNATE_AFTER: Duration = Duration::from_secs(1);

impl<W: World> Connection<W> {
    /// Notes since when the connection has had nothing to do.
    pub(super) fn note_idleness(&mut self, now: Instant) {
        let Phase::Serving = self.phase else {
            self.idle = None;
            return;
        };
        if !self.protocol.is_idle() || !self.unsent.is_empty() {
            self.idle = None;
            return;
        }
        let requests = self.protocol.requests();
        if self
            .idle
            .as_ref()
            .is_some_and(|idle| idle.requests == requests)
        {
            return;
        }
        // After a first request nobody knows whether a second follows. Given back at once, the memory
        // serves the next newcomer's first request, instead of leaving a hole for each of thousands.
        if requests <= 1 {
            self.protocol.shrink();
        }
        self.idle = Some(Idle {
            since: now,
            requests,
            memory: Memory::Spare,
        });
    }

    /// When [`Connection::handle_deadline`] is due.
    pub fn next_deadline(&self, cx: &Context<W>) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Opening { deadline } | Phase::Lingering { deadline, .. } => Some(deadline),
            _ => None,
        };
        let idle = self.idle.as_ref().map(|idle| match idle.memory {
            Memory::Spare => idle.since + HIBERNATE_AFTER,
            Memory::Least => idle.since + cx.timeouts.idle,
        });
        let stall = self.stall.as_ref().map(|stall| stall.deadline);
        let protocol = self.protocol.next_deadline();
        [phase, idle, stall, protocol].into_iter().flatten().min()
    }

    /// Deals with the deadlines that have passed.
    pub fn handle_deadline(&mut self, cx: &mut Context<W>) -> Turn {
        let now = cx.now;
        if let Phase::Opening { deadline } | Phase::Lingering { deadline, .. } = self.phase
            && deadline <= now
        {
            return self.close(cx);
        }
        if let Some(stall) = &mut self.stall
            && stall.deadline <= now
        {
            if stall.taken < cx.http2.stall_bytes as usize {
                log::debug!("{}: takes no output any more", self.peer);
                return self.close(cx);
            }
            *stall = Stall {
                deadline: now + cx.timeouts.write_stall,
                taken: 0,
            };
        }
        if self
            .protocol
            .next_deadline()
            .is_some_and(|deadline| deadline <= now)
            && self.protocol.handle_timeout(cx).is_err()
        {
            return self.finish(cx);
        }
        match &mut self.idle {
            Some(idle) if idle.since + cx.timeouts.idle <= now => {
                self.protocol.shutdown(now);
                self.idle = None;
            }
            Some(idle) if idle.memory == Memory::Spare && idle.since + HIBERNATE_AFTER <= now => {
                idle.memory = Memory::Least;
                self.protocol.hibernate();
                return Turn::Wait;
            }
            _ => {}
        }
        self.turn(cx)
    }

    /// Sends what the protocol still has to say, and closes.
    fn finish(&mut self, cx: &mut Context<W>) -> Turn {
        let output = self.protocol.take_output();
        let mut wire = std::mem::take(&mut cx.buffers.wire);
        let sent = self.send(&output, &mut wire, cx);
        cx.buffers.wire = wire;
        self.phase = Phase::Flushing;
        match sent {
            Ok(()) => self.turn(cx),
            Err(_) => self.close(cx),
        }
    }
}
