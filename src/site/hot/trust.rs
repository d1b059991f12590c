//! The time for which an answer stays true without another look at the disk.

use std::time::Instant;

/// The trust in what was found for one request, and the changes that end the trust in earlier answers.
#[derive(Default)]
pub(crate) struct Trust {
    /// The earliest end of the trust in anything that the answer is made with; `None` if one of these things is
    /// trusted for this request alone.
    until: Option<Instant>,
    /// Number of events after which answers are made anew.
    events: u32,
}

impl Trust {
    /// Begins a request, for which nothing was looked at yet.
    pub(crate) fn begin(&mut self, until: Instant) {
        self.until = Some(until);
    }

    /// The end of the trust in the answer, unless an event comes before that.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The number of events so far.
    pub(crate) fn events(&self) -> u32 {
        self.events
    }

    /// Notes that the answer is made with something that is trusted until then.
    pub(super) fn limit(&mut self, until: Instant) {
        self.until = self.until.map(|before| before.min(until));
    }

    /// Notes that the answer is made with something that the next request has to look at again.
    pub(super) fn give_up(&mut self) {
        self.until = None;
    }

    /// Ends the trust in all answers so far, and in the one that is being made: files have changed, or may have.
    pub(super) fn end(&mut self) {
        self.events = self.events.wrapping_add(1);
        self.until = None;
    }

    /// The trust of a cache that has forgotten everything.
    pub(super) fn ended(&self) -> Self {
        Trust {
            until: None,
            events: self.events.wrapping_add(1),
        }
    }
}
