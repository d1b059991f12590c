//! Deadlines of a connection: what it waits for, how long, and what follows.

use super::introduction::Introduction;
use super::{Connection, Farewell, Phase, Wish};
use crate::http::Patience;
use crate::link::Transport;
use crate::server::config::Timeouts;
use crate::server::limit_log::Limit;
use crate::server::services::Services;
use crate::server::turn::Turn;
use crate::world::World;
use std::time::{Duration, Instant};

/// A connection that is idle for this long gives back all memory that it can do without, at the price
/// of a few microseconds for the next request: longer than the pauses of a client at work, shorter than
/// anybody's patience with our memory.
const SHRINK_AFTER: Duration = Duration::from_secs(1);

/// A wait for the peer, besides the waits of phase and protocol.
pub(super) enum Pause {
    /// Nothing.
    None,
    /// The next request: none is open.
    Idle {
        since: Instant,
        /// Requests when that was seen: a later request begins a new idle time, a PING does not.
        requests: u32,
        memory: Memory,
    },
    /// Room in the socket: by when it must have taken [`crate::h2::Config::stall_bytes`], unless
    /// patience is ample, and how many such periods it has not.
    Stalled {
        deadline: Instant,
        taken: u32,
        periods: u16,
    },
}

/// The memory of an idle connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// More than it needs, for the next request.
    Spare,
    /// No more than it needs.
    Least,
}

impl Pause {
    /// Output has begun to wait.
    pub(super) fn stalled(now: Instant, timeouts: &Timeouts) -> Pause {
        Pause::Stalled {
            deadline: now + timeouts.stall,
            taken: 0,
            periods: 0,
        }
    }

    /// The time at which the pause has to be looked at.
    fn deadline(&self, timeouts: &Timeouts) -> Option<Instant> {
        match *self {
            Pause::None => None,
            Pause::Idle { since, memory, .. } => Some(match memory {
                Memory::Spare => since + SHRINK_AFTER,
                Memory::Least => since + timeouts.idle,
            }),
            Pause::Stalled { deadline, .. } => Some(deadline),
        }
    }
}

impl<W: World> Connection<W> {
    /// Notes since when the connection has had nothing to do.
    pub(super) fn note_idleness(&mut self, now: Instant) {
        if !self.link.unsent().is_empty() {
            return;
        }
        if !matches!(self.phase, Phase::Serving { .. }) || !self.protocol.is_idle() {
            self.pause = Pause::None;
            return;
        }
        let requests = self.protocol.requests();
        if matches!(self.pause, Pause::Idle { requests: seen, .. } if seen == requests) {
            return;
        }
        // After a first request nobody knows whether a second follows. Given back at once, the memory
        // serves the next newcomer's first request, instead of leaving a hole for each of thousands.
        let memory = if requests <= 1 {
            self.protocol.shrink();
            Memory::Least
        } else {
            Memory::Spare
        };
        self.pause = Pause::Idle {
            since: now,
            requests,
            memory,
        };
    }

    /// The time at which [`Connection::handle_deadline`] is due.
    pub fn next_deadline(&self, timeouts: &Timeouts) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Opening { deadline } | Phase::Lingering { deadline, .. } => Some(deadline),
            Phase::Serving { first_by, old_at } => first_by.into_iter().chain(old_at).min(),
            Phase::Flushing | Phase::Ending | Phase::Closed => None,
        };
        let pause = self.pause.deadline(timeouts);
        let protocol = self.protocol.next_deadline();
        [phase, pause, protocol].into_iter().flatten().min()
    }

    /// Has the connection opened by this time.
    pub(super) fn reopen(&mut self, by: Instant) {
        if let Phase::Opening { deadline } = &mut self.phase {
            *deadline = match self.farewell {
                Farewell::None => by,
                Farewell::Due => *deadline,
            };
        }
    }

    /// True if the peer may have done its part unseen: its bytes lie in the socket, or the socket has room,
    /// while the connection waits for its turn.
    fn may_be_neglected(&self) -> bool {
        self.link.has_input() || !self.link.unsent().is_empty()
    }

    /// Deals with the deadlines that have passed. After a disk that kept everybody waiting, or too many
    /// others in the queue, it may be ours that they have: nobody is judged before what waits for us
    /// was seen to.
    pub fn handle_deadline(&mut self, world: &mut W, turn: &mut Turn<'_, W::Files>) -> Wish {
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
        if let Phase::Opening { deadline } | Phase::Lingering { deadline, .. } = self.phase
            && deadline <= now
        {
            self.report_opening(turn.services);
            return self.close(world, turn);
        }
        if let Phase::Serving {
            first_by: Some(first_by),
            ..
        } = self.phase
            && first_by <= now
        {
            self.bid_farewell(now);
        }
        if let Phase::Serving { old_at, .. } = &mut self.phase
            && old_at.take_if(|at| *at <= now).is_some()
        {
            self.protocol.end_of_age(now);
            return self.take_turn(world, turn);
        }
        if self.has_stalled(turn.services) {
            turn.services
                .report(Limit::Stall, self.peer, "output was not taken");
            return self.close(world, turn);
        }
        self.enter(turn);
        if self
            .protocol
            .next_deadline()
            .is_some_and(|deadline| deadline <= now)
            && self.protocol.handle_timeout(&self.kept, turn).is_err()
        {
            return self.finish(world, turn);
        }
        if let Pause::Idle { since, memory, .. } = &mut self.pause {
            if *since + turn.services.timeouts.idle <= now {
                self.protocol.shutdown(now);
                self.pause = Pause::None;
            } else if *memory == Memory::Spare && *since + SHRINK_AFTER <= now {
                *memory = Memory::Least;
                self.protocol.shrink();
                return Wish::Wait;
            }
        }
        self.take_turn(world, turn)
    }

    /// Looks at what the peer has taken of the output that waits, if it is time for that; says whether it
    /// was too little for too long.
    fn has_stalled(&mut self, services: &Services<W::Files>) -> bool {
        let Pause::Stalled {
            deadline,
            taken,
            periods,
        } = &mut self.pause
        else {
            return false;
        };
        if *deadline > services.now {
            return false;
        }
        *periods = if *taken >= services.http2.stall_bytes {
            0
        } else {
            periods.saturating_add(1)
        };
        if *periods == 0 {
            *taken = 0;
        }
        *deadline = services.now + services.timeouts.stall;
        let allowed = match services.patience {
            Patience::Short => Duration::ZERO,
            Patience::Ample => services.timeouts.slow,
        };
        *periods > 0 && services.timeouts.stall * u32::from(*periods) >= allowed
    }

    /// Tells what did not come in time, if that is why the connection is closed. Browsers connect
    /// ahead and may then have nothing to ask: who has said nothing is not told of.
    fn report_opening(&self, services: &mut Services<W::Files>) {
        let Phase::Opening { .. } = self.phase else {
            return;
        };
        match self.link.transport() {
            // That time was cut short.
            _ if self.farewell == Farewell::Due => {}
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
