//! The phases of a connection's life, each with all that belongs to it.

use super::idleness::Idleness;
use crate::server::config::Timeouts;
use crate::server::protocol::Protocol;
use crate::world::Files;
use std::time::Instant;

/// The stage of a connection's life.
pub(super) enum Phase<F: Files> {
    /// No protocol yet: the handshake or the preface is incomplete.
    Opening {
        deadline: Instant,
        farewell: Farewell,
    },
    /// Requests and responses.
    Serving(Serving<F>),
    /// Nothing more is read; closes when everything is sent. The requests of the protocol, if there was
    /// one, are open as long as their output waits.
    Flushing(Option<Protocol<F>>),
    /// Everything is sent but the word that nothing follows, which only TLS has.
    Ending,
    /// Everything is sent and our direction closed; reads until the peer closes too, so that no
    /// reset overtakes what it has not read (RFC 9112 §9.6).
    Lingering { deadline: Instant, budget: usize },
    /// To be forgotten.
    Closed,
}

/// The earlier of two times, as far as they are set.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        _ => one.or(other),
    }
}

/// The word to the peer that the server stops.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// Not due, or said already.
    None,
    /// With the first request, or when the time for opening has passed without one.
    Due,
}

/// A connection on which requests come.
pub(super) struct Serving<F: Files> {
    pub protocol: Protocol<F>,
    /// The wait for the next request, if none is open and all output is sent.
    pub idle: Option<Idleness>,
    /// Ends that are appointed. Hardly any connection has one, and a pointer is eight bytes.
    ends: Option<Box<AppointedEnds>>,
}

/// Times at which a connection ends without a fault of its peer.
struct AppointedEnds {
    /// While the word that the server stops is due with the first request, it is said then without one.
    first_by: Option<Instant>,
    /// The time at which the connection has grown old, if it may not become older.
    old_at: Option<Instant>,
}

impl<F: Files> Phase<F> {
    /// The protocol, while its requests may be open.
    pub(super) fn protocol(&self) -> Option<&Protocol<F>> {
        match self {
            Phase::Serving(serving) => Some(&serving.protocol),
            Phase::Flushing(protocol) => protocol.as_ref(),
            _ => None,
        }
    }

    /// The protocol, while its requests may be open.
    pub(super) fn protocol_mut(&mut self) -> Option<&mut Protocol<F>> {
        match self {
            Phase::Serving(serving) => Some(&mut serving.protocol),
            Phase::Flushing(protocol) => protocol.as_mut(),
            _ => None,
        }
    }

    /// Reads nothing more: what is left of the connection is to send what it has.
    pub(super) fn stop(&mut self) {
        *self = match std::mem::replace(self, Phase::Closed) {
            Phase::Opening { .. } => Phase::Flushing(None),
            Phase::Serving(serving) => Phase::Flushing(Some(serving.protocol)),
            later => later,
        };
    }

    /// The memory of the phase in bytes, beside its own size.
    pub(super) fn memory(&self) -> usize {
        match self {
            Phase::Serving(serving) => serving.memory(),
            phase => phase.protocol().map_or(0, Protocol::memory),
        }
    }

    /// The time at which something of the phase is due, if there is one.
    pub(super) fn deadline(&self, timeouts: &Timeouts) -> Option<Instant> {
        match self {
            Phase::Opening { deadline, .. } | Phase::Lingering { deadline, .. } => Some(*deadline),
            Phase::Serving(serving) => serving.deadline(timeouts),
            Phase::Flushing(protocol) => protocol.as_ref().and_then(Protocol::next_deadline),
            Phase::Ending | Phase::Closed => None,
        }
    }
}

impl<F: Files> Serving<F> {
    /// A connection whose protocol has just become known.
    pub(super) fn begin(
        mut protocol: Protocol<F>,
        first_by: Option<Instant>,
        old_at: Option<Instant>,
    ) -> Self {
        if first_by.is_some() {
            protocol.expect_last();
        }
        let has_ends = first_by.or(old_at).is_some();
        Serving {
            protocol,
            idle: None,
            ends: has_ends.then(|| Box::new(AppointedEnds { first_by, old_at })),
        }
    }

    /// The first deadline of the protocol, of the wait for the next request, and of the appointed ends.
    fn deadline(&self, timeouts: &Timeouts) -> Option<Instant> {
        let idle = self.idle.as_ref().map(|idle| idle.deadline(timeouts));
        let first = earlier(self.protocol.next_deadline(), idle);
        match self.ends.as_deref() {
            None => first,
            Some(ends) => earlier(first, earlier(ends.first_by, ends.old_at)),
        }
    }

    /// Says that the server stops, if that is due; true if it was.
    pub(super) fn bid_farewell(&mut self, now: Instant) -> bool {
        let ends = self.ends.as_deref_mut();
        let is_due = ends.and_then(|ends| ends.first_by.take()).is_some();
        if is_due {
            self.protocol.shutdown(now);
        }
        is_due
    }

    /// Deals with the appointed ends that have passed; true if one has, whose words are to be sent.
    pub(super) fn meet_ends(&mut self, now: Instant) -> bool {
        let is_past = |at: &mut Instant| *at <= now;
        let Some(ends) = self.ends.as_deref_mut() else {
            return false;
        };
        let is_old = ends.old_at.take_if(is_past).is_some();
        let is_last = ends.first_by.take_if(is_past).is_some();
        if is_last {
            self.protocol.shutdown(now);
        } else if is_old {
            self.protocol.end_of_age(now);
        }
        is_last || is_old
    }

    /// Notes since when there has been nothing to do.
    pub(super) fn note_idleness(&mut self, now: Instant) {
        if !self.protocol.is_idle() {
            self.idle = None;
            return;
        }
        let goes_on = |idle: &Idleness| idle.goes_on(&self.protocol);
        if !self.idle.as_ref().is_some_and(goes_on) {
            self.idle = Some(Idleness::begin(now, &mut self.protocol));
        }
    }

    /// Deals with an idle time that has passed. True if only memory was given back, and the wait goes on.
    pub(super) fn meet_idleness(&mut self, now: Instant, timeouts: &Timeouts) -> bool {
        let Some(idle) = &mut self.idle else {
            return false;
        };
        if idle.is_over(now, timeouts) {
            self.protocol.shutdown(now);
            self.idle = None;
            return false;
        }
        idle.give_back(now, &mut self.protocol)
    }

    /// The memory behind the connection's protocol and its appointed ends.
    fn memory(&self) -> usize {
        let ends = self.ends.as_ref().map_or(0, |_| size_of::<AppointedEnds>());
        self.protocol.memory() + ends
    }
}
