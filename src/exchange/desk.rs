//! The means of a handler: the time, wakes, room for content.

use std::cell::Cell;
use std::time::{Duration, Instant};

#[cfg(feature = "proxy")]
use super::call::{CallHead, Caller, Calls};
use super::failure::Failure;
use super::wakes::{AlarmOwner, RequestPlace, Waker, Wakes};
use crate::content::{Body, Progress};
use crate::world::Files;

/// The event loop's means, of which each exchange is lent a [`Desk`].
pub(crate) struct Means {
    pub(crate) wakes: Wakes,
    /// Calls that have something for their upstream connections.
    #[cfg(feature = "proxy")]
    pub(crate) calls: Calls,
    /// The time of this turn, by the event loop's own clock.
    pub(crate) now: Instant,
    /// The time of this turn in the world, where files change while the event loop is absent.
    pub(crate) world_now: Instant,
    /// The time that an exchange has for its head.
    pub(crate) handler_timeout: Duration,
    /// Work of handlers in this turn that its bytes do not tell, in bytes of effort.
    pub(crate) effort: Cell<usize>,
}

/// The means that a handler has for one request. It knows nothing of the connection below.
pub struct Desk<'a> {
    means: &'a Means,
    place: RequestPlace,
    alarm: &'a mut AlarmOwner,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(means: &'a Means, place: RequestPlace, alarm: &'a mut AlarmOwner) -> Self {
        Desk {
            means,
            place,
            alarm,
        }
    }

    /// The time of this turn.
    pub fn now(&self) -> Instant {
        self.means.now
    }

    /// The time of this turn in the world.
    pub(crate) fn world_now(&self) -> Instant {
        self.means.world_now
    }

    /// Charges the turn with work that its bytes do not tell, such as writing to a file: as many bytes as would
    /// take the same time to send. A connection whose turn is used up is queued behind the others.
    pub fn charge(&self, effort: usize) {
        let sum = self.means.effort.get().saturating_add(effort);
        self.means.effort.set(sum);
    }

    /// A handle that has this request polled again. All handles of a request do the same.
    pub fn waker(&mut self) -> Waker {
        self.alarm.waker(&self.means.wakes, self.place)
    }

    /// The calls of all requests.
    #[cfg(feature = "proxy")]
    pub(crate) fn calls(&self) -> &Calls {
        &self.means.calls
    }

    /// Calls the upstream of this number: sends it a request, whose content follows. Whenever something
    /// of the response comes, this request is polled again.
    #[cfg(feature = "proxy")]
    pub(crate) fn call(&mut self, upstream: usize, head: CallHead) -> Caller {
        let waker = self.waker();
        Caller::begin(&self.means.calls, upstream, head, waker, self.means.now)
    }
}

/// Room for content of a response, bounded by the peer's windows and the connection's output.
pub struct Room<'a, F: Files> {
    reads: &'a mut F::Reads,
    out: &'a mut Vec<u8>,
    left: usize,
}

impl<'a, F: Files> Room<'a, F> {
    pub(crate) fn new(reads: &'a mut F::Reads, out: &'a mut Vec<u8>, left: usize) -> Self {
        Room { reads, out, left }
    }

    /// Bytes that can still be written.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Writes the beginning of `content`, as much as there is room for, and returns its length.
    pub fn write(&mut self, content: &[u8]) -> usize {
        let written = content.get(..self.left).unwrap_or(content);
        self.out.extend_from_slice(written);
        self.left -= written.len();
        written.len()
    }

    /// Writes up to `most` bytes of a body, at least one of which there is room for.
    pub(crate) fn fill(&mut self, body: &mut Body<F>, most: u64) -> Result<Progress, Failure> {
        let most = usize::try_from(most).map_or(self.left, |most| most.min(self.left));
        let before = self.out.len();
        let progress = body.read(self.reads, self.out, most)?;
        self.left -= self.out.len() - before;
        Ok(progress)
    }

    /// Leaves room for `most` bytes at most, until [`Room::widen`] is given the rest.
    pub(crate) fn narrow(&mut self, most: u64) -> usize {
        let most = usize::try_from(most).map_or(self.left, |most| most.min(self.left));
        let withheld = self.left - most;
        self.left = most;
        withheld
    }

    /// Gives the room back that was withheld.
    pub(crate) fn widen(&mut self, withheld: usize) {
        self.left += withheld;
    }

    /// Reads of open files.
    pub fn reads(&mut self) -> &mut F::Reads {
        self.reads
    }
}
