//! Deadlines of a connection: what it waits for, how long, and what follows.

use super::idleness::Idleness;
use super::introduction::Introduction;
use super::phase::earlier;
use super::{Connection, Farewell, Phase, Wish};
use crate::http::Patience;
use crate::link::{StallRule, Transport};
use crate::server::config::Timeouts;
use crate::server::limit_log::Limit;
use crate::server::services::Services;
use crate::server::turn::Turn;
use crate::world::{Files, Outside};
use std::time::{Duration, Instant};

impl<K, F: Files> Connection<K, F> {
    /// Notes since when the connection has had nothing to do.
    pub(super) fn note_idleness(&mut self, now: Instant) {
        if let Phase::Serving(serving) = &mut self.phase
            && self.link.unsent().is_empty()
        {
            serving.note_idleness(now);
            if serving.idle.as_ref().is_some_and(Idleness::is_frugal) {
                self.link.rest();
            }
        }
    }

    /// The time at which [`Connection::handle_deadline`] is due.
    pub fn next_deadline(&self, timeouts: &Timeouts) -> Option<Instant> {
        let stall = self.link.unsent().stall_deadline();
        earlier(self.phase.deadline(timeouts), stall)
    }

    /// Has the connection opened by this time.
    pub(super) fn reopen(&mut self, by: Instant) {
        if let Phase::Opening {
            deadline,
            farewell: Farewell::None,
        } = &mut self.phase
        {
            *deadline = by;
        }
    }

    /// True if the peer may have done its part unseen: its bytes lie in the socket, or the socket has room,
    /// while the connection waits for its turn.
    fn may_be_neglected(&self) -> bool {
        self.link.has_input() || !self.link.unsent().is_empty()
    }

    /// Handles the deadlines that have passed. They may have passed by our own fault: a disk kept the loop waiting,
    /// or the queue was long. So input and output that wait for us come first, and the peer is judged after them.
    pub fn handle_deadline(&mut self, world: &mut Outside<K, F>, turn: &mut Turn<'_, F>) -> Wish {
        let now = turn.services.now;
        #[cfg(debug_assertions)]
        self.watch.begin_deadline();
        // A small frame on each of a hundred streams takes long, and is few bytes.
        turn.measure(|| world.now());
        if self.may_be_neglected() {
            let wish = self.take_turn(world, turn);
            let is_due = |deadline| deadline <= now;
            let next = self.next_deadline(&turn.services.timeouts);
            if wish == Wish::Closed || !next.is_some_and(is_due) {
                return wish;
            }
        }
        if let Phase::Opening { deadline, .. } | Phase::Lingering { deadline, .. } = self.phase
            && deadline <= now
        {
            self.report_opening(turn.services);
            return self.close(world, turn);
        }
        if let Phase::Serving(serving) = &mut self.phase
            && serving.meet_ends(now)
        {
            return self.take_turn(world, turn);
        }
        if self.has_stalled(turn.services) {
            turn.services
                .report(Limit::Stall, self.peer, "output was not taken");
            return self.close(world, turn);
        }
        self.enter(turn);
        if let Some(protocol) = self.phase.protocol_mut()
            && protocol.next_deadline().is_some_and(|due| due <= now)
        {
            if protocol.handle_timeout(&self.kept, turn).is_err() {
                return self.finish(world, turn);
            }
        } else if let Phase::Serving(serving) = &mut self.phase
            && serving.meet_idleness(now, &turn.services.timeouts)
        {
            self.link.rest();
            return Wish::Wait;
        }
        self.take_turn(world, turn)
    }

    /// Looks at what the peer has taken of the output that waits, if it is time for that. True if it was too little
    /// for too long.
    fn has_stalled(&mut self, services: &Services<F>) -> bool {
        let allowed = match services.patience {
            Patience::Short => Duration::ZERO,
            Patience::Ample => services.timeouts.slow,
        };
        let rule = StallRule {
            period: services.timeouts.stall,
            bytes: services.http2.stall_bytes,
            allowed,
        };
        let stall = self.link.stall();
        stall.is_some_and(|stall| stall.judge(services.now, rule))
    }

    /// Reports what did not come in time, if the connection is closed for that. Browsers connect ahead of their
    /// requests, and may then have none: a connection that has sent nothing is not reported.
    fn report_opening(&self, services: &mut Services<F>) {
        let Phase::Opening { farewell, .. } = self.phase else {
            return;
        };
        match self.link.transport() {
            // The server stops, which has cut the time short.
            _ if farewell == Farewell::Due => {}
            _ if self.introduction == Introduction::Awaited => {
                if !self.kept.is_empty() {
                    services.report(
                        Limit::ProxyHeader,
                        self.peer,
                        "the PROXY header is too slow",
                    );
                }
            }
            Transport::Tls(_) => {
                services.report(Limit::HandshakeTime, self.peer, "handshake too slow")
            }
            Transport::Plain if self.kept.is_empty() => {}
            Transport::Plain => {
                services.report(Limit::FirstRequestTime, self.peer, "preface too slow")
            }
        }
    }
}
