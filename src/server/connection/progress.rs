//! The assertion of progress, in debug builds: a turn has moved something, or its connection waits for
//! something that will wake it.
//!
//! | Wish behind the turn | Condition |
//! |---|---|
//! | another turn at once | bytes were read, parsed, made or written, a step of work on files was done (a listing takes many), or the phase has changed; a few turns in a row may do without |
//! | to wait | a deadline or a wake ends the wait; input that could be read is not left to an edge that never comes; output that the socket does not take has met its end or an appointed wake; content of a disk has a wake |
//!
//! A deadline that has passed and was dealt with is a wish for another turn at once; one that was not yet
//! dealt with brings a turn. A connection that stands in a queue may wish for nothing: its turn comes.

use super::{Connection, Phase, Wish};
use crate::server::protocol::Protocol;
use crate::server::services::Services;
use crate::server::watch::{Mark, TurnCause};
use crate::world::Files;
use std::time::Instant;

/// Turns that a connection has before it, whatever it wishes.
#[derive(Clone, Copy, Debug)]
pub struct Prospect {
    /// It stands in a queue of the event loop.
    pub is_queued: bool,
    /// A wake of one of its requests, or of its output, is appointed.
    pub has_wake: bool,
    /// Its deadline.
    pub deadline: Option<Instant>,
}

impl<K, F: Files> Connection<K, F> {
    /// Counts work on files, in bytes of effort, as progress of the turn.
    pub fn count_work(&mut self, on_files: usize) {
        self.watch.count(on_files);
    }

    /// Asserts that the turn that has ended with this wish has made progress, or that the wait behind it
    /// will end.
    pub fn assert_progress(&mut self, wish: Wish, prospect: Prospect, services: &Services<F>) {
        let is_due = prospect.deadline.is_some_and(|due| due <= services.now);
        let cause = self.watch.take_cause();
        match wish {
            Wish::Closed => {}
            Wish::Wait if prospect.is_queued => {}
            Wish::Wait if is_due && cause == TurnCause::Other => {}
            Wish::Wait if !is_due => {
                self.watch.sleeps();
                if let Some(fault) = self.forgotten(prospect, services) {
                    panic!("{fault}: {}", self.describe(prospect));
                }
            }
            Wish::Wait | Wish::Again | Wish::Introduced => {
                let mark = Mark {
                    phase: self.phase.name(),
                    protocol: self.protocol_name(),
                    has_ended: self.link.has_ended(),
                };
                let goes_on = self.watch.goes_on(mark);
                assert!(
                    goes_on,
                    "turn after turn without progress, {wish:?}: {}",
                    self.describe(prospect)
                );
            }
        }
    }

    /// Something that nothing will remind the connection of while it waits.
    fn forgotten(&self, prospect: Prospect, services: &Services<F>) -> Option<&'static str> {
        let is_sent = self.link.unsent().is_empty();
        let has_readable = match self.phase {
            Phase::Opening { .. } | Phase::Serving(_) => self.wants_input(&services.limits),
            Phase::Flushing(_) | Phase::Ending | Phase::Closed => false,
            Phase::Lingering { .. } => self.link.has_input(),
        };
        if prospect.deadline.is_none() && !prospect.has_wake {
            Some("a wait without a deadline and without a wake")
        } else if has_readable {
            Some("a wait for an edge while there may be input")
        } else if is_sent && matches!(self.phase, Phase::Flushing(_) | Phase::Ending) {
            Some("a wait for room in the socket while nothing is unsent")
        } else if self.link.unsent().lacks_descriptor() && !prospect.has_wake {
            Some("a wait for a descriptor without a wake")
        } else if self.waits_for_content() && !prospect.has_wake {
            Some("a wait for content without a wake")
        } else {
            None
        }
    }

    fn protocol_name(&self) -> &'static str {
        self.phase.protocol().map_or("nothing", Protocol::name)
    }

    /// True if a request waits for its content. A connection that only sends what it has polls none any more.
    fn waits_for_content(&self) -> bool {
        matches!(&self.phase, Phase::Serving(serving) if serving.protocol.waits_for_content())
    }

    fn describe(&self, prospect: Prospect) -> String {
        format!(
            "{}, {} over {}, {}, {} bytes kept, {} of a record, {} unsent, has input: {}, ended: {}, {prospect:?}",
            self.peer,
            self.protocol_name(),
            self.link.transport().name(),
            self.phase.name(),
            self.kept.len(),
            self.link.waiting(),
            self.link.unsent().held(),
            self.link.has_input(),
            self.link.has_ended(),
        )
    }
}

impl<F: Files> Phase<F> {
    fn name(&self) -> &'static str {
        match self {
            Phase::Opening { .. } => "opening",
            Phase::Serving(_) => "serving",
            Phase::Flushing(_) => "flushing",
            Phase::Ending => "ending",
            Phase::Lingering { .. } => "lingering",
            Phase::Closed => "closed",
        }
    }
}
