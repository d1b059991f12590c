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

impl<F: Files> H2Service<F> {
    /// A request can go on.
    pub fn wake(&mut self, request: RequestKey, cause: WakeCause) {
        let RequestKey(id) = request;
        if let Some(stream) = self.core.stream(id)
            && let Some(active) = self.open.get_mut(stream)
            && active.wake(cause)
        {
            // While output waits no request is polled, and its handler may call its waker any number of times.
            self.open.push_pending(stream);
        }
    }

    /// True if streams wait for their content.
    #[cfg(debug_assertions)]
    pub fn waits_for_content(&self) -> bool {
        let mut active = self.open.iter();
        active.any(|active| active.wait() == Waits::Content)
    }

    /// True if a response goes on without its peer.
    pub fn goes_on_alone(&self) -> bool {
        let mut active = self.open.iter();
        active.any(ActiveRequest::goes_on_alone)
    }

    /// Polls the exchanges that can go on. Where a client keeps its content back until it hears 100
    /// (RFC 9110 §10.1.1), and some of it was in the input behind its request, it has been received by
    /// now, and nothing is asked for.
    pub(super) fn poll_pending(&mut self, turn: &mut Turn<'_, F>) {
        for stream in self.open.take_pending() {
            if self.core.contains(stream) {
                self.poll(stream, turn);
            }
        }
    }

    /// Lets a response go on: gives the request's window back, sends the head when there is one, and
    /// tells the scheduler that there may be content.
    pub(super) fn poll(&mut self, stream: StreamKey, turn: &mut Turn<'_, F>) {
        while let Some(active) = self.open.get_mut(stream) {
            let releasable = active.releasable();
            release(&mut self.core, stream, releasable);
            if active.wait() == Waits::Content {
                return;
            }
            if active.has_ended() {
                if !active.outlasts_response(turn.services.now)
                    && let Some(active) = self.open.take(stream)
                {
                    self.complete(stream, active, turn.services);
                }
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
                    self.open.note_due(due);
                    return;
                }
                Ok(Opening::Cold) => {
                    self.open.note_due(due);
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
        if let Some(active) = self.open.get(stream) {
            turn.services.routes.turn_to(active.host());
        }
        let end_stream = size == Size::None;
        if !self.send_exchange_head(stream, head, end_stream, turn) {
            self.remove(stream, Some(UNSENDABLE), turn.services);
        } else if !end_stream {
            let active = self.open.get(stream);
            let remaining = active.and_then(ActiveRequest::remaining);
            self.core.set_ready(stream, remaining);
        } else if let Some(active) = self.open.take(stream) {
            self.complete(stream, active, turn.services);
        }
    }

    /// Sends a head; false if it could not be sent. One that all connections are sent may be the same as the last one.
    /// Another is not remembered: it would be held for each connection.
    fn send_exchange_head(
        &mut self,
        stream: StreamKey,
        head: &Head,
        end_stream: bool,
        turn: &Turn<'_, F>,
    ) -> bool {
        #[cfg(feature = "proxy")]
        if turn.services.means.calls.keeps_response(&head.fields) {
            let fields = head.fields.clone();
            return self.send_shared_head(stream, head.status, fields, end_stream, turn);
        }
        self.send_head(stream, head.status, &head.fields, end_stream, turn)
    }

    /// Asks for a request again.
    fn ask_again(&mut self, stream: StreamKey, admission: LoginOutcome, turn: &mut Turn<'_, F>) {
        let Some((kept, entry)) = self.open.take(stream).and_then(ActiveRequest::into_kept) else {
            return;
        };
        match turn.accept_again(&kept, self.peer, key_of(stream), admission, entry) {
            Accepted::Response(response, entry) => self.respond(stream, response, entry, turn),
            Accepted::Exchange(active) => {
                self.open.insert(stream, active);
                self.poll(stream, turn);
            }
        }
    }

    /// An exchange has failed before its head.
    fn fail_open(&mut self, stream: StreamKey, failure: &Failure, turn: &mut Turn<'_, F>) {
        if let Some(active) = self.open.take(stream) {
            let (response, entry) = turn.services.answer_failure(active, failure, self.peer);
            self.respond(stream, response, entry, turn);
        }
    }

    /// Has the core put up with clients that send nothing more for now: their responses have begun, and wait
    /// for something else, as that of a call both ways does for a long time. The exchange watches over that.
    pub(super) fn excuse_silence(&mut self) {
        let silent = self.open.iter();
        for active in silent.filter(|active| active.may_be_silent()) {
            let stream = active.key().and_then(|RequestKey(id)| self.core.stream(id));
            if let Some(stream) = stream {
                self.core.excuse(stream);
            }
        }
    }

    /// Looks which exchanges have waited long enough, or too long.
    pub(super) fn handle_due(&mut self, turn: &mut Turn<'_, F>) {
        self.open.forget_due();
        let (mut fired, mut late, mut next) = (Vec::new(), Vec::new(), None);
        for active in self.open.iter_mut() {
            let Some(RequestKey(id)) = active.key() else {
                continue;
            };
            let Some(stream) = self.core.stream(id) else {
                continue;
            };
            match active.handle_timeout(turn.services.now) {
                Ok(TimerState::Fired) => fired.push(stream),
                Ok(TimerState::Pending) => next = active.due().into_iter().chain(next).min(),
                Err(failure) => late.push((stream, failure)),
            }
        }
        self.open.note_due(next);
        for stream in fired {
            self.open.push_pending(stream);
        }
        for (stream, failure) in late {
            let active = self.open.get(stream);
            if active.is_some_and(ActiveRequest::has_head) {
                self.cut_short(stream, &failure, turn.services);
            } else {
                self.fail_open(stream, &failure, turn);
            }
        }
    }
}
