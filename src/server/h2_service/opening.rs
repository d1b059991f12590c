//! Exchanges up to the heads of their responses, and the wakes and times that they wait for.

use super::receiving::release;
use super::{H2Service, UNSENDABLE, key_of};
use crate::exchange::{
    ActiveRequest, Failure, Head, LoginOutcome, Opening, RequestKey, Size, TimerState, Waits,
    WakeCause,
};
use crate::h2::StreamKey;
use crate::server::answering::Accepted;
use crate::server::turn::Turn;
use crate::world::Files;
use std::time::Instant;

impl<F: Files> H2Service<F> {
    /// A request can go on.
    pub fn wake(&mut self, request: RequestKey, cause: WakeCause) {
        let RequestKey(id) = request;
        if let Some(stream) = self.core.stream(id)
            && let Some(active) = self.active.get_mut(stream.index()).and_then(Option::as_mut)
            && active.wake(cause)
            // While output waits nobody polls, and a handler may be woken any number of times.
            && !self.pending.contains(&stream)
        {
            self.pending.push(stream);
        }
    }

    /// True if streams wait for a disk.
    #[cfg(debug_assertions)]
    pub fn waits_for_disk(&self) -> bool {
        let mut active = self.active.iter().flatten();
        active.any(|active| active.wait() == Waits::Disk)
    }

    /// True if a response goes on without its peer.
    pub fn goes_on_alone(&self) -> bool {
        let mut active = self.active.iter().flatten();
        active.any(ActiveRequest::goes_on_alone)
    }

    /// Polls the exchanges that can go on. Where a client keeps its content back until it hears 100
    /// (RFC 9110 §10.1.1), and some of it was in the input behind its request, it has been received by
    /// now, and nothing is asked for.
    pub(super) fn poll_pending(&mut self, turn: &mut Turn<'_, F>) {
        for stream in std::mem::take(&mut self.pending) {
            if self.core.contains(stream) {
                self.poll(stream, turn);
            }
        }
    }

    /// Lets a response go on: gives the request's window back, sends the head when there is one, and
    /// tells the scheduler that there may be content.
    pub(super) fn poll(&mut self, stream: StreamKey, turn: &mut Turn<'_, F>) {
        while let Some(active) = self.active.get_mut(stream.index()).and_then(Option::as_mut) {
            let releasable = active.releasable();
            release(&mut self.core, stream, releasable);
            if active.wait() == Waits::Disk {
                return;
            }
            if active.has_head() {
                self.core.set_ready(stream, active.remaining());
                return;
            }
            let opening = active.open(turn.services.routes.reads(), &turn.services.means);
            // The exchange may have let go of content just now, and nothing else would open the window.
            let (due, releasable) = (active.due(), active.releasable());
            release(&mut self.core, stream, releasable);
            match opening {
                Ok(Opening::Nothing) => {
                    self.note_due(due);
                    return;
                }
                Ok(Opening::Cold) => {
                    self.note_due(due);
                    turn.await_disk(key_of(stream));
                    return;
                }
                Ok(Opening::Continue) => {
                    let sent = self.core.send_informational(stream, 100, []);
                    debug_assert_eq!(sent, Ok(()), "no head was sent");
                }
                Ok(Opening::Informational(head)) => {
                    let sent =
                        self.core
                            .send_informational(stream, head.status, head.fields.iter());
                    debug_assert_eq!(sent, Ok(()), "no head was sent");
                }
                Ok(Opening::Switch(_)) => {
                    // RFC 9113 §8.6
                    let failure = Failure::new(500, "HTTP/2 has no switch of protocols");
                    return self.fail_open(stream, &failure, turn);
                }
                Ok(Opening::AskAgain(admission)) => return self.ask_again(stream, admission, turn),
                Ok(Opening::Head(head, size)) => return self.begin(stream, &head, size, turn),
                Err(failure) => return self.fail_open(stream, &failure, turn),
            }
        }
    }

    /// Sends the head of an exchange's response.
    fn begin(&mut self, stream: StreamKey, head: &Head, size: Size, turn: &mut Turn<'_, F>) {
        if let Some(active) = self.active.get(stream.index()).and_then(Option::as_ref) {
            turn.services.routes.turn_to(active.host());
        }
        let end_stream = size == Size::None;
        if !self.send_head(stream, head.status, &head.fields, end_stream, turn) {
            self.remove(stream, Some(UNSENDABLE), turn.services);
        } else if !end_stream {
            let active = self.active.get(stream.index()).and_then(Option::as_ref);
            let remaining = active.and_then(ActiveRequest::remaining);
            self.core.set_ready(stream, remaining);
        } else if let Some(active) = self.take(stream) {
            self.complete(stream, active, turn.services);
        }
    }

    /// Asks for a request again.
    fn ask_again(&mut self, stream: StreamKey, admission: LoginOutcome, turn: &mut Turn<'_, F>) {
        let Some((kept, entry)) = self.take(stream).and_then(ActiveRequest::into_kept) else {
            return;
        };
        match turn.accept_again(&kept, self.peer, key_of(stream), admission, entry) {
            Accepted::Response(response, entry) => self.respond(stream, response, entry, turn),
            Accepted::Exchange(active) => {
                self.insert(stream, active);
                self.poll(stream, turn);
            }
        }
    }

    /// An exchange has failed before its head.
    fn fail_open(&mut self, stream: StreamKey, failure: &Failure, turn: &mut Turn<'_, F>) {
        if let Some(active) = self.take(stream) {
            let (response, entry) = turn.services.answer_failure(active, failure, self.peer);
            self.respond(stream, response, entry, turn);
        }
    }

    /// An exchange waits for this time, if for any.
    pub(super) fn note_due(&mut self, due: Option<Instant>) {
        self.due = self.due.into_iter().chain(due).min();
    }

    /// Has the core put up with clients that send nothing more for now: their responses have begun, and wait
    /// for something else, as that of a call both ways does for a long time. The exchange watches over that.
    pub(super) fn excuse_silence(&mut self) {
        let silent = self.active.iter().flatten();
        for active in silent.filter(|active| active.may_be_silent()) {
            let stream = active.key().and_then(|RequestKey(id)| self.core.stream(id));
            if let Some(stream) = stream {
                self.core.excuse(stream);
            }
        }
    }

    /// Looks which exchanges have waited long enough, or too long.
    pub(super) fn handle_due(&mut self, turn: &mut Turn<'_, F>) {
        self.due = None;
        let mut late = Vec::new();
        for active in self.active.iter_mut().flatten() {
            let Some(RequestKey(id)) = active.key() else {
                continue;
            };
            let Some(stream) = self.core.stream(id) else {
                continue;
            };
            match active.handle_timeout(turn.services.now) {
                Ok(TimerState::Fired) => self.pending.push(stream),
                Ok(TimerState::Pending) => {
                    self.due = self.due.into_iter().chain(active.due()).min()
                }
                Err(failure) => late.push((stream, failure)),
            }
        }
        for (stream, failure) in late {
            let active = self.active.get(stream.index()).and_then(Option::as_ref);
            if active.is_some_and(ActiveRequest::has_head) {
                self.cut_short(stream, &failure, turn.services);
            } else {
                self.fail_open(stream, &failure, turn);
            }
        }
    }
}
