//! A request that is being answered: the source of the response's bytes, and what is owed to the
//! request's content. The rules that both protocols share stand here.

mod ending;
mod tunnel;

pub(crate) use ending::Replaced;

use std::rc::Rc;
use std::time::Instant;

use super::changes::FieldChanges;
use super::desk::Means;
use super::dialogue::{Exchange, Part};
use super::failure::Failure;
use super::handler::Request;
use super::host_key::HostKey;
use super::kept::ContentHold;
use super::running::{ContentBounds, Opening, Running, Size};
use super::wakes::{AlarmOwner, RequestKey, RequestPlace, WakeCause};
use crate::content::{Body, Least, Progress, Slice};
use crate::http::Fields;
use crate::http::grammar::decimal;
use crate::telemetry::access_log::Entry;
use crate::world::Files;

/// Memory of a handler for a request besides the content that it holds: its fields, mostly.
const HANDLER: usize = 2 << 10;

/// A request whose response is not complete.
pub(crate) struct ActiveRequest<F: Files> {
    source: Source<F>,
    wait: Waits,
    /// Status of the response; 0 before there is one.
    status: u16,
    /// Bytes of the request's content that were received and not given back to the peer's window.
    owed: usize,
    /// Bytes of the request's content so far.
    received: u64,
    /// Bytes of the response's content so far.
    sent: u64,
    /// The last turn in which content was sent.
    turn: Instant,
    /// The line of the access log, if there is a log.
    entry: Option<Box<Entry>>,
    /// The host that answers.
    host: HostKey,
}

/// The wake before which the request is not polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// None: it can go on.
    Not,
    /// The next try of its content, which a disk brings, or more work makes.
    Content,
    /// A wake of its exchange, or a part of the request.
    Exchange,
}

/// The maker of a response.
enum Source<F: Files> {
    /// Content, behind a head that was sent. The request's content is dropped.
    Content(Body<F>),
    /// An exchange.
    Exchange(Box<Running<F>>),
}

/// The state of a time that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerState {
    /// It is still to come.
    Pending,
    /// It has come.
    Fired,
}

/// A request whose content is larger than its handler or the server takes.
pub(crate) struct TooLarge;

impl<F: Files> ActiveRequest<F> {
    /// A request that is answered with a response of this status, whose head is sent.
    pub(crate) fn content(
        status: u16,
        body: Body<F>,
        now: Instant,
        entry: Option<Box<Entry>>,
    ) -> Self {
        ActiveRequest {
            status,
            ..Self::new(Source::Content(body), now, entry)
        }
    }

    /// A request that an exchange answers.
    pub(crate) fn exchange(
        exchange: Box<dyn Exchange<F>>,
        request: &Request<'_>,
        expectation: ContentHold,
        at: (RequestPlace, AlarmOwner),
        bounds: ContentBounds,
        now: Instant,
        entry: Option<Box<Entry>>,
    ) -> Self {
        let running = Running::new(exchange, request, expectation, at, bounds);
        Self::new(Source::Exchange(Box::new(running)), now, entry)
    }

    fn new(source: Source<F>, now: Instant, entry: Option<Box<Entry>>) -> Self {
        ActiveRequest {
            source,
            wait: Waits::Not,
            status: 0,
            owed: 0,
            received: 0,
            sent: 0,
            turn: now,
            entry,
            host: HostKey::Default,
        }
    }

    /// Remembers the host that answers.
    pub(crate) fn of_host(mut self, host: HostKey) -> Self {
        self.host = host;
        self
    }

    /// The host that answers.
    pub(crate) fn host(&self) -> HostKey {
        self.host
    }

    /// The memory behind it, which stays the same from its beginning to its end: the line of the log, and an estimate
    /// of what a handler keeps.
    pub(crate) fn memory(&self) -> usize {
        let entry = self.entry.as_ref().map_or(0, |entry| entry.memory());
        let source = match &self.source {
            Source::Content(_) => 0,
            Source::Exchange(_) => HANDLER + size_of::<Running<F>>(),
        };
        entry + source
    }

    /// Takes bytes of the request's content, of which there may be `most` where no exchange has a limit
    /// of its own.
    pub(crate) fn receive(
        &mut self,
        data: &[u8],
        most: u64,
        means: &Means,
    ) -> Result<(), TooLarge> {
        self.owed += data.len();
        self.received += data.len() as u64;
        let limit = match &self.source {
            Source::Content(_) => most,
            Source::Exchange(running) => running.limit(),
        };
        if self.received > limit {
            return Err(TooLarge);
        }
        if !data.is_empty() {
            self.pass(Part::Data(data), means);
        }
        Ok(())
    }

    /// Takes the fields behind the request's content.
    pub(crate) fn receive_trailers(&mut self, fields: &Fields, means: &Means) {
        self.pass(Part::Trailers(fields), means);
    }

    /// Nothing more of the request will come.
    pub(crate) fn finish_request(&mut self, means: &Means) {
        self.pass(Part::End, means);
    }

    fn pass(&mut self, part: Part<'_>, means: &Means) {
        if let Source::Exchange(running) = &mut self.source {
            running.receive(part, means);
            if self.wait == Waits::Exchange {
                self.wait = Waits::Not;
            }
        }
    }

    /// True if the request announces more content than is taken.
    pub(crate) fn announces_too_much(&self, request: &Fields) -> bool {
        match &self.source {
            Source::Content(_) => false,
            Source::Exchange(running) => exceeds(request, running.limit()),
        }
    }

    /// Bytes of the request's content that the exchange still holds.
    pub(crate) fn held(&self) -> usize {
        match &self.source {
            Source::Exchange(running) => running.held(),
            Source::Content(_) => 0,
        }
    }

    /// Bytes that can be given back to the peer's window now.
    pub(crate) fn releasable(&mut self) -> u32 {
        let releasable = self.owed.saturating_sub(self.held());
        self.owed -= releasable;
        u32::try_from(releasable).unwrap_or(u32::MAX)
    }

    /// The wake before which it is not to be polled.
    pub(crate) fn wait(&self) -> Waits {
        self.wait
    }

    /// Content has to be brought by a disk, which was asked for it, or made by more work.
    pub(crate) fn await_content(&mut self) {
        self.wait = Waits::Content;
    }

    /// Takes a wake. True if the request is to be polled: while it waits for a disk, a call of its waker does not end
    /// that wait.
    pub(crate) fn wake(&mut self, cause: WakeCause) -> bool {
        let is_awaited = match cause {
            WakeCause::Content => self.wait == Waits::Content,
            WakeCause::Waker => self.wait != Waits::Content,
        };
        if is_awaited {
            self.go_on();
        }
        is_awaited
    }

    fn go_on(&mut self) {
        self.wait = Waits::Not;
        if let Source::Exchange(running) = &mut self.source {
            running.wake();
        }
    }

    /// The time at which [`ActiveRequest::handle_timeout`] is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.source {
            Source::Exchange(running) => running.due(),
            Source::Content(_) => None,
        }
    }

    /// The key of a request that an exchange answers.
    pub(crate) fn key(&self) -> Option<RequestKey> {
        match &self.source {
            Source::Exchange(running) => Some(running.place().request),
            Source::Content(_) => None,
        }
    }

    /// Handles a time that may have come. If one has, the exchange is to be polled. It is an error if the exchange's
    /// own time is over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<TimerState, Failure> {
        let Source::Exchange(running) = &mut self.source else {
            return Ok(TimerState::Pending);
        };
        if running.due().is_none_or(|due| due > now) {
            return Ok(TimerState::Pending);
        }
        if running.is_late(now) {
            return Err(Failure::late());
        }
        self.go_on();
        Ok(TimerState::Fired)
    }

    /// True if an exchange waits for something else than its peer.
    pub(crate) fn waits_for_exchange(&self) -> bool {
        match &self.source {
            Source::Exchange(running) => self.wait == Waits::Exchange && running.waits_for_other(),
            Source::Content(_) => false,
        }
    }

    /// True if the peer may keep the rest of its content back: the response has begun, and its exchange waits
    /// for something else, within a time of its own.
    pub(crate) fn may_be_silent(&self) -> bool {
        self.has_head() && self.waits_for_exchange()
    }

    /// True if an upstream makes the response.
    pub(crate) fn is_forwarded(&self) -> bool {
        match &self.source {
            Source::Exchange(running) => running.is_forwarded(),
            Source::Content(_) => false,
        }
    }

    /// True if it goes on without its peer: content that it has is waited for, or may not be sent yet.
    pub(crate) fn goes_on_alone(&self) -> bool {
        match &self.source {
            _ if self.wait == Waits::Content => true,
            Source::Exchange(running) => self.wait == Waits::Exchange && running.is_paced(),
            Source::Content(_) => false,
        }
    }

    /// Bytes of content so far: of the request, and of the response.
    #[cfg(feature = "panel")]
    pub(crate) fn moved(&self) -> (u64, u64) {
        (self.received, self.sent)
    }

    /// Asks an exchange for its head.
    pub(crate) fn open(&mut self, reads: &mut F::Reads, means: &Means) -> Result<Opening, Failure> {
        let Source::Exchange(running) = &mut self.source else {
            return Ok(Opening::Nothing);
        };
        let opening = running.open(reads, means)?;
        match &opening {
            Opening::Nothing => self.wait = Waits::Exchange,
            Opening::Cold => self.wait = Waits::Content,
            Opening::Head(head, _) | Opening::Switch(head) => {
                self.status = head.status;
                running.tell_upstream_time(&mut self.entry);
            }
            Opening::Continue | Opening::Informational(_) | Opening::AskAgain(_) => {}
        }
        Ok(opening)
    }

    /// True if the response's head was sent.
    pub(crate) fn has_head(&self) -> bool {
        self.status != 0
    }

    /// The content that is to be announced for a response that was begun with
    /// [`ActiveRequest::content`].
    pub(crate) fn size(&self) -> Size {
        match self.remaining() {
            Some(0) => Size::None,
            Some(len) => Size::Known(len),
            None => Size::Unknown,
        }
    }

    /// Bytes of content still to come, if that is known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        match &self.source {
            Source::Content(body) => body.len(),
            Source::Exchange(running) => running.left(),
        }
    }

    /// Bytes of content still to come, if all of it is in memory.
    pub(crate) fn len_in_memory(&self) -> Option<u64> {
        match &self.source {
            Source::Content(body) => body.len_in_memory(),
            Source::Exchange(_) => None,
        }
    }

    /// The content that comes next, if it is worth sending from where it is.
    pub(crate) fn next_slice(
        &mut self,
        max: u64,
        least: Least,
        now: Instant,
    ) -> Option<&mut Slice<F>> {
        self.begin_turn(now);
        match &mut self.source {
            Source::Content(body) => body.next_slice(max, least),
            Source::Exchange(running) => running.next_slice(max, least),
        }
    }

    /// Counts bytes of that content that are sent; says whether they were the last.
    pub(crate) fn count_sent(&mut self, len: usize) -> Progress {
        self.sent += len as u64;
        match &mut self.source {
            Source::Content(body) if body.is_empty() => Progress::End,
            Source::Content(_) => Progress::More,
            Source::Exchange(running) => {
                running.count(len);
                Progress::More
            }
        }
    }

    /// Appends up to `max` bytes of content.
    pub(crate) fn read(
        &mut self,
        reads: &mut F::Reads,
        out: &mut Vec<u8>,
        max: usize,
        means: &Means,
    ) -> Result<Progress, Failure> {
        self.begin_turn(means.now);
        let before = out.len();
        let progress = match &mut self.source {
            Source::Content(body) => body.read(reads, out, max).map_err(Failure::from),
            Source::Exchange(running) => running.read(reads, out, max, means),
        };
        self.sent += (out.len() - before) as u64;
        if let Ok(Progress::Waiting) = progress {
            self.wait = Waits::Exchange;
        }
        progress
    }

    /// The fields behind the content, once, when the content has ended.
    pub(crate) fn take_trailers(&mut self) -> Option<Fields> {
        match &mut self.source {
            Source::Exchange(running) => running.take_trailers(),
            Source::Content(_) => None,
        }
    }

    /// Forgets where content was found in an earlier turn.
    fn begin_turn(&mut self, now: Instant) {
        if self.turn != now {
            self.turn = now;
            match &mut self.source {
                Source::Content(body) => body.look_again(),
                Source::Exchange(running) => running.look_again(),
            }
        }
    }

    /// The kernel got what was sent so far, at the time that `clock` tells.
    pub(crate) fn note_first_byte(&mut self, clock: &mut dyn FnMut() -> Instant) {
        if self.status != 0
            && let Some(entry) = &mut self.entry
        {
            entry.note_first_byte(clock);
        }
    }

    /// Has the fields of the exchange's head changed, and those of a response that takes its place.
    pub(crate) fn change_head(&mut self, changes: Option<Rc<FieldChanges>>) {
        if let Source::Exchange(running) = &mut self.source {
            running.change_head(changes);
        }
    }
}

/// True if the request announces more than `limit` bytes of content.
fn exceeds(request: &Fields, limit: u64) -> bool {
    let announced = request.value("content-length").and_then(decimal);
    announced.is_some_and(|len| len > limit)
}
