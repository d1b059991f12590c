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

/// The trust in an answer that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerTrust {
    /// The end of the trust in the files and names that were looked at for it.
    until: Instant,
    /// Number of events before it was made.
    events: u32,
}

impl Trust {
    /// Begins a request, for which nothing was looked at yet.
    pub(crate) fn begin(&mut self, until: Instant) {
        self.until = Some(until);
    }

    /// Begins a request that gets an answer once more.
    pub(crate) fn repeat(&mut self, answer: AnswerTrust) {
        self.until = Some(answer.until);
    }

    /// The trust in the answer that was made, if there is any beyond its request.
    pub(crate) fn answer(&self) -> Option<AnswerTrust> {
        let events = self.events;
        self.until.map(|until| AnswerTrust { until, events })
    }

    /// True if an answer is what would be made now.
    pub(crate) fn holds(&self, answer: AnswerTrust, now: Instant) -> bool {
        now < answer.until && answer.events == self.events
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
