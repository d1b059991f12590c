//! Calls: requests that are forwarded to an upstream, each between the exchange that forwards it and the
//! connection that carries it.
//!
//! ```text
//!             begin, add_content, finish             take_content
//!  exchange ─────────────────────────────▶ Call ◀───────────────── upstream connection
//!           ◀───────────────────────────── Call ◀─────────────────
//!             take_interim, take_head, …             give_head, give_content, complete, fail
//! ```
//!
//! Neither side knows the other. The exchange's side puts the call into [`Calls`] whenever there is
//! something for the connection to do; the connection's side calls the request's [`Waker`]. A call holds
//! content of the request that flow control already counts, and of the response as much as one read
//! brings, because the connection reads on only where [`Call::wants_reply`].

mod calls;
mod head;
mod made;
mod outgoing;
mod reply;
mod spare;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::wakes::Waker;
use crate::content::LentBytes;
use crate::http::Fields;
use crate::world::Token;
pub(crate) use calls::Calls;
pub(crate) use head::{CallHead, Repeats};
pub(crate) use made::HeadMaker;
use outgoing::OutgoingContent;
pub(crate) use outgoing::TakenContent;
pub(crate) use reply::CallEnd;
use reply::{CallReply, ReplyContent};

/// Content of a response, in bytes, with which no more is read from its upstream: a quarter of what one
/// read brings, so that a fast reader never waits for the next read.
const ENOUGH: usize = 16 << 10;

/// Interim responses that are passed on of one response: more than any use of 102 and 103. Others are
/// dropped.
const MOST_INTERIMS: usize = 8;

/// Room for the fields that an exchange adds to the head of a response, so that it is made of the upstream's in place.
const ADDED_FIELDS: usize = 4;
const ADDED_BYTES: usize = 128;

/// The stage of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallPlace {
    /// No connection was looked for.
    New,
    /// All connections to the upstream are taken.
    Waiting,
    /// A connection carries it.
    Connection(Token),
    /// It is over.
    Over,
}

/// The connection's handle of a call.
#[derive(Clone)]
pub(crate) struct Call(Rc<SharedCall>);

/// The exchange's handle of a call, which ends the call when it is dropped.
pub(crate) struct Caller(Call);

struct SharedCall {
    upstream: usize,
    head: CallHead,
    waker: Waker,
    calls: Calls,
    queued: Cell<bool>,
    place: Cell<CallPlace>,
    /// The number by which a connection of many calls knows this one.
    seat: Cell<Option<usize>>,
    /// Attempts so far.
    attempts: Cell<u32>,
    began: Instant,
    /// Time from the beginning to the head of the response.
    response_time: Cell<Option<Duration>>,
    state: RefCell<CallState>,
}

struct CallState {
    content: OutgoingContent,
    /// Fields behind the content of the request.
    trailers: Option<Fields>,
    reply: CallReply,
    /// True if the connection has stopped reading until there is room.
    is_paused: bool,
    /// True if the exchange is gone.
    is_abandoned: bool,
}

impl CallState {
    /// Bytes that count as the call's own. Those that are lent count elsewhere.
    fn held(&self) -> usize {
        let head = self.reply.head.as_ref().map_or(0, |head| head.heap());
        self.content.kept() + head + self.reply.content.copied()
    }
}

impl Call {
    /// The number of the upstream that is called.
    pub(crate) fn upstream(&self) -> usize {
        self.0.upstream
    }

    /// The head to send.
    pub(crate) fn head(&self) -> &CallHead {
        &self.0.head
    }

    pub(crate) fn place(&self) -> CallPlace {
        self.0.place.get()
    }

    pub(crate) fn set_place(&self, place: CallPlace) {
        self.0.place.set(place);
    }

    /// The number by which a connection of many calls knows this one, once it has been given one.
    pub(crate) fn seat(&self) -> Option<usize> {
        self.0.seat.get()
    }

    pub(crate) fn set_seat(&self, seat: Option<usize>) {
        self.0.seat.set(seat);
    }

    /// Counts an attempt to send the request, and returns their number.
    pub(crate) fn count_attempt(&self) -> u32 {
        let attempts = self.0.attempts.get() + 1;
        self.0.attempts.set(attempts);
        attempts
    }

    /// Number of attempts so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.0.attempts.get()
    }

    /// True if the exchange is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.state.borrow().is_abandoned
    }

    /// True if the response has ended, one way or the other.
    pub(crate) fn is_answered(&self) -> bool {
        self.0.state.borrow().reply.end.is_some() || self.place() == CallPlace::Over
    }

    /// True if the request can be sent once more from its beginning, to the same effect.
    pub(crate) fn may_repeat(&self) -> bool {
        self.0.head.repeats == Repeats::Allowed && self.is_whole()
    }

    /// True if all of the request that has come is still here.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.state.borrow().content.is_whole()
    }

    /// Begins the request anew on another connection.
    pub(crate) fn rewind(&self) {
        self.0.change(|state| state.content.rewind());
    }

    /// Appends up to `most` bytes of content to `out`.
    pub(crate) fn take_content(&self, out: &mut Vec<u8>, most: usize) -> TakenContent {
        let taken = self.0.change(|state| state.content.take(out, most));
        if taken.len > 0 {
            // The sender's window can be opened.
            self.0.waker.wake();
        }
        taken
    }

    /// Fields behind the content, once that has ended.
    pub(crate) fn trailers(&self) -> Option<Fields> {
        self.0.state.borrow().trailers.clone()
    }

    /// True if there is content to send, or its end.
    pub(crate) fn has_content(&self) -> bool {
        self.0.state.borrow().content.has_more()
    }

    /// The upstream has switched protocols: what follows the request is the client's side of a tunnel.
    pub(crate) fn open_tunnel(&self) {
        self.0.state.borrow_mut().content.reopen();
    }

    /// True if all content of the request has come.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.state.borrow().content.is_complete()
    }

    /// Has the exchange look whether the call is over, though its response has ended before.
    pub(crate) fn wake(&self) {
        self.0.waker.wake();
    }

    /// True if bytes of content wait to be sent.
    pub(crate) fn holds_content(&self) -> bool {
        self.0.state.borrow().content.held() > 0
    }

    /// True if more of the response can be read. Otherwise the connection is told when it can.
    pub(crate) fn wants_reply(&self) -> bool {
        let mut state = self.0.state.borrow_mut();
        let wants = state.reply.content.len() < ENOUGH;
        state.is_paused = !wants;
        wants
    }

    /// Gives an informational response. The request is not sent again.
    pub(crate) fn give_interim(&self, fields: &Fields) {
        self.0.change(|state| {
            state.content.settle();
            if state.reply.interims_so_far < MOST_INTERIMS {
                state.reply.interims_so_far += 1;
                state.reply.interims.push_back(fields.clone());
                self.0.waker.wake();
            }
        });
    }

    /// Gives the head of the response, which came at the time `now`. The request is not sent again.
    pub(crate) fn give_head(&self, fields: &Fields, now: Instant) {
        let mut head = self.spare_head();
        Rc::make_mut(&mut head).copy_with_room(fields, ADDED_FIELDS, ADDED_BYTES);
        self.give_own_head(head, now);
    }

    /// A head that nobody else holds, to read the response's into.
    pub(crate) fn spare_head(&self) -> Rc<Fields> {
        self.0.calls.spare_head()
    }

    /// Gives the head of the response in the place that it was read into.
    pub(crate) fn give_own_head(&self, head: Rc<Fields>, now: Instant) {
        let time = now.saturating_duration_since(self.0.began);
        self.0.response_time.set(Some(time));
        self.0.change(|state| {
            state.content.settle();
            state.reply.head = Some(head);
        });
        self.0.waker.wake();
    }

    /// Gives content of the response.
    pub(crate) fn give_content(&self, content: &[u8]) {
        self.0.change(|state| {
            if !state.is_abandoned {
                if state.reply.content.lacks_buffer() {
                    let buffer = self.0.calls.spare_content();
                    state.reply.content.take_buffer(buffer);
                }
                state.reply.content.add(content);
            }
        });
        self.0.waker.wake();
    }

    /// Gives content of the response in the buffer that it was read into.
    pub(crate) fn lend_content(&self, buffer: &Rc<[u8]>, range: Range<usize>) {
        self.0.change(|state| {
            if !state.is_abandoned {
                let account = self.0.calls.lent();
                state.reply.content.lend(buffer, range, account);
            }
        });
        self.0.waker.wake();
    }

    /// The response has been received whole.
    pub(crate) fn complete(&self, trailers: Option<&Fields>) {
        self.end(CallEnd::Complete(trailers.cloned()));
    }

    /// The response, or the rest of it, cannot be had.
    pub(crate) fn fail(&self, failure: Failure) {
        self.end(CallEnd::Failed(failure));
    }

    fn end(&self, end: CallEnd) {
        let mut state = self.0.state.borrow_mut();
        state.reply.end.get_or_insert(end);
        self.0.waker.wake();
    }

    /// Time from the beginning of the call to the head of its response, if that has come.
    pub(crate) fn response_time(&self) -> Option<Duration> {
        self.0.response_time.get()
    }

    /// The event loop looks at the call.
    fn leave_queue(&self) {
        self.0.queued.set(false);
    }

    /// Has the event loop look at the call.
    fn notify(&self) {
        if !self.0.queued.replace(true) {
            self.0.calls.add(self.clone());
        }
    }
}

impl Caller {
    /// Begins a call.
    pub(super) fn begin(
        calls: &Calls,
        upstream: usize,
        head: CallHead,
        waker: Waker,
        now: Instant,
    ) -> Self {
        let call = Call(Rc::new(SharedCall {
            upstream,
            head,
            waker,
            calls: calls.clone(),
            queued: Cell::new(false),
            place: Cell::new(CallPlace::New),
            seat: Cell::new(None),
            attempts: Cell::new(0),
            began: now,
            response_time: Cell::new(None),
            state: RefCell::new(CallState {
                content: OutgoingContent::new(),
                trailers: None,
                reply: CallReply::default(),
                is_paused: false,
                is_abandoned: false,
            }),
        }));
        call.notify();
        Caller(call)
    }

    /// Adds content of the request.
    pub(crate) fn add_content(&self, content: &[u8]) {
        self.state().borrow_mut().content.add(content);
        self.0.notify();
    }

    /// Adds fields behind the content of the request, whose end comes next.
    pub(crate) fn add_trailers(&self, trailers: Fields) {
        self.state().borrow_mut().trailers = Some(trailers);
    }

    /// The content of the request is complete.
    pub(crate) fn finish_content(&self) {
        self.state().borrow_mut().content.finish();
        self.0.notify();
    }

    /// Bytes of the request that no connection has taken.
    pub(crate) fn held(&self) -> usize {
        self.state().borrow().content.held()
    }

    /// True if no connection carries the call any more.
    pub(crate) fn is_over(&self) -> bool {
        self.0.place() == CallPlace::Over
    }

    /// Takes the next informational response.
    pub(crate) fn take_interim(&self) -> Option<Fields> {
        self.state().borrow_mut().reply.interims.pop_front()
    }

    /// Takes the head of the response.
    pub(crate) fn take_head(&self) -> Option<Rc<Fields>> {
        // Half of those who ask come before it, and change no account.
        self.state().borrow().reply.head.as_ref()?;
        self.0.0.change(|state| state.reply.head.take())
    }

    /// True if nothing of the response is still to come, nor to be taken but its end.
    pub(crate) fn ends_here(&self) -> bool {
        let reply = &self.state().borrow().reply;
        reply.content.is_empty() && matches!(reply.end, Some(CallEnd::Complete(None)))
    }

    /// Takes content of the response, as much as `take` says of what it is shown.
    pub(crate) fn take_reply(&self, take: impl FnOnce(&[u8], &[u8]) -> usize) -> usize {
        self.take_content(|content| {
            let (front, back) = content.next();
            let taken = take(front, back);
            content.advance(taken);
            taken
        })
    }

    /// Takes the content of the response that comes next where it is, if it lies in the buffer that it was read
    /// into, and is no more than `most`.
    pub(crate) fn take_lent(&self, most: u64) -> Option<LentBytes> {
        self.take_content(|content| {
            let (next, _) = content.next();
            if next.len() as u64 <= most {
                content.take_lent()
            } else {
                None
            }
        })
    }

    /// Takes content. Its connection goes on if it has waited for that.
    fn take_content<T>(&self, take: impl FnOnce(&mut ReplyContent) -> T) -> T {
        let (taken, goes_on) = self.0.0.change(|state| {
            let content = &mut state.reply.content;
            let taken = take(content);
            (taken, state.is_paused && content.len() < ENOUGH)
        });
        if goes_on {
            self.0.notify();
        }
        taken
    }

    /// Takes the end of the response, behind all its content.
    pub(crate) fn take_end(&self) -> Option<CallEnd> {
        let mut state = self.state().borrow_mut();
        if state.reply.content.is_empty() {
            state.reply.end.take()
        } else {
            None
        }
    }

    /// Time from the beginning of the call to the head of its response, if that has come.
    pub(crate) fn response_time(&self) -> Option<Duration> {
        self.0.response_time()
    }

    fn state(&self) -> &RefCell<CallState> {
        &self.0.0.state
    }
}

impl SharedCall {
    /// Changes the state, and the count of what calls hold with it.
    fn change<T>(&self, change: impl FnOnce(&mut CallState) -> T) -> T {
        let mut state = self.state.borrow_mut();
        let before = state.held();
        let changed = change(&mut state);
        self.calls.count(before, state.held());
        changed
    }
}

impl Drop for SharedCall {
    fn drop(&mut self) {
        self.calls.count(self.state.get_mut().held(), 0);
        self.calls.give_back(&self.head.fields);
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // The response is not taken any more. Content may still be on its way into a tunnel.
        self.0.0.change(|state| {
            state.is_abandoned = true;
            let buffer = state.reply.content.give_up();
            self.0.0.calls.keep_content(buffer);
            state.reply.head = None;
            state.content.settle();
        });
        if self.0.place() != CallPlace::Over {
            self.0.notify();
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SharedCall {
            upstream, place, ..
        } = &*self.0.0;
        f.debug_struct("Caller")
            .field("upstream", upstream)
            .field("place", place)
            .finish_non_exhaustive()
    }
}
