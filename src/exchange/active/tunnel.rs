//! Tunnels: requests and responses that end each for itself.

use std::time::Instant;

use super::{ActiveRequest, Source, Waits};
use crate::world::Files;

impl<F: Files> ActiveRequest<F> {
    /// True while bytes of another protocol go both ways.
    pub(crate) fn is_tunnel(&self) -> bool {
        match &self.source {
            Source::Exchange(running) => running.is_tunnel(),
            Source::Content(_) => false,
        }
    }

    /// The response has ended. True if its request goes on nevertheless, up to its own end, or to a wake behind
    /// which this is asked again.
    pub(crate) fn outlasts_response(&mut self, now: Instant) -> bool {
        let Source::Exchange(running) = &mut self.source else {
            return false;
        };
        let goes_on = running.outlasts_response(now);
        if goes_on {
            self.wait = Waits::Exchange;
        }
        goes_on
    }

    /// True if the response has ended and its request went on.
    pub(crate) fn has_ended(&self) -> bool {
        match &self.source {
            Source::Exchange(running) => running.has_ended(),
            Source::Content(_) => false,
        }
    }
}
