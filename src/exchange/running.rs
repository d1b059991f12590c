//! An exchange under way: the parts that it was given, the wait that it is in, and its content so far.

mod waits;

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::changes::FieldChanges;
use super::desk::{Desk, Means, Room};
use super::dialogue::{Exchange, LoginOutcome, Part, Step, Until};
use super::failure::Failure;
use super::handler::Request;
use super::kept::{ContentHold, KeptRequest, Reception};
use super::response::Head;
use super::sendable;
use super::wakes::{AlarmOwner, RequestPlace};
use crate::content::{Body, Least, Progress, Slice};
use crate::http::{Fields, Method, status};
use crate::telemetry::access_log::Entry;
use crate::world::Files;

/// The part that is to be sent next of a response that an exchange makes, up to its head.
pub(crate) enum Opening {
    /// Nothing before a wake or a part of the request.
    Nothing,
    /// Nothing before the disk has had its time.
    Cold,
    /// `100 Continue`: the client keeps its content back until then (RFC 9110 §10.1.1).
    Continue,
    /// An informational response.
    Informational(Head),
    /// The head, and the content that follows.
    Head(Head, Size),
    /// The head behind which the connection is another protocol's.
    Switch(Head),
    /// The handlers are asked again, and the answer takes the place of this one.
    AskAgain(LoginOutcome),
}

/// The content behind a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// None.
    None,
    /// As many bytes as this.
    Known(u64),
    /// Content of a length that is not known yet.
    Unknown,
}

/// Bounds of a request's content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContentBounds {
    /// The most of it, in bytes, where the exchange has no limit of its own.
    pub most: u64,
    /// Bytes that the exchange may hold while the protocol still lets the peer send some, and keeps its
    /// time for that.
    pub hold: usize,
}

/// An exchange, and what is known of it.
pub(super) struct Running<F: Files> {
    exchange: Box<dyn Exchange<F>>,
    place: RequestPlace,
    alarm: AlarmOwner,
    method: Method,
    expectation: ContentHold,
    arrival: Reception,
    /// The most content of the request, in bytes.
    limit: u64,
    /// Bytes of content that the exchange may hold while the peer can still send some.
    hold: usize,
    /// A head that follows `100 Continue`.
    head: Option<Head>,
    /// Content that is sent from where it is.
    content: Body<F>,
    /// Bytes of content still to come, where the head says how many.
    left: Option<u64>,
    trailers: Option<Fields>,
    side: ResponseSide,
    /// The request, where the exchange has it asked for again.
    kept: Option<Box<KeptRequest>>,
    /// Changes of the fields of the head, if a rule of the host makes any.
    changes: Option<Rc<FieldChanges>>,
    /// Interim responses so far.
    interims: u8,
    wait: Wait,
    /// The end of the time for the present stage, once something else than the peer is waited for.
    end: Option<Instant>,
}

/// The response, beside a request that may go on behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ResponseSide {
    Open,
    /// It has ended, and the request has not.
    Ended,
}

/// The wait of an exchange.
#[derive(Clone, Copy)]
enum Wait {
    /// It has not said that it waits, or something has happened since.
    None,
    /// It waits for the peer, whose time is kept by the protocol.
    Peer,
    /// It waits for something else, and is polled again at this time.
    Other { poll: Option<Instant> },
    /// It may not send before this time.
    Paced { poll: Instant },
}

/// Interim responses to one request: more than any use of 102 and 103, and an end for a handler that
/// knows none.
const MOST_INTERIMS: u8 = 16;

/// The longest wait, whatever an exchange asks for: 30 days is for ever to any peer, and far from where
/// adding it to the clock could overflow.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The shortest wait for a time, whatever an exchange asks for: one that names a time that has passed
/// would keep the event loop from sleeping.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

impl<F: Files> Running<F> {
    pub(super) fn new(
        exchange: Box<dyn Exchange<F>>,
        request: &Request<'_>,
        expectation: ContentHold,
        (place, alarm): (RequestPlace, AlarmOwner),
        bounds: ContentBounds,
    ) -> Self {
        Running {
            limit: exchange.content_limit().unwrap_or(bounds.most),
            hold: bounds.hold,
            kept: exchange
                .asks_again()
                .then(|| Box::new(KeptRequest::new(request, expectation, bounds.hold))),
            exchange,
            place,
            alarm,
            method: request.method,
            expectation,
            arrival: Reception::Open,
            head: None,
            content: Body::Empty,
            left: None,
            trailers: None,
            side: ResponseSide::Open,
            changes: None,
            interims: 0,
            wait: Wait::None,
            end: None,
        }
    }

    pub(super) fn place(&self) -> RequestPlace {
        self.place
    }

    pub(super) fn method(&self) -> Method {
        self.method
    }

    pub(super) fn changes(&self) -> Option<Rc<FieldChanges>> {
        self.changes.clone()
    }

    pub(super) fn change_head(&mut self, changes: Option<Rc<FieldChanges>>) {
        self.changes = changes;
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn held(&self) -> usize {
        let kept = self.kept.as_ref().map_or(0, |kept| kept.data.len());
        self.exchange.held() + kept
    }

    pub(super) fn take_kept(&mut self) -> Option<Box<KeptRequest>> {
        self.kept.take()
    }

    /// Gives the exchange a part of its request.
    pub(super) fn receive(&mut self, part: Part<'_>, means: &Means) {
        if let Some(kept) = &mut self.kept
            && !matches!(part, Part::Gone)
        {
            return kept.receive(&part);
        }
        match part {
            Part::Data(_) | Part::Trailers(_) => self.expectation = ContentHold::Nothing,
            // Nothing is kept back any more: 100 behind the end would ask for nothing.
            Part::End => {
                self.arrival = Reception::Complete;
                self.expectation = ContentHold::Nothing;
            }
            Part::Gone => {}
        }
        self.wait = Wait::None;
        self.end = None;
        let mut desk = Desk::new(means, self.place, &mut self.alarm);
        self.exchange.receive(part, &mut desk);
    }

    /// Something happened that the exchange may have waited for. Its time goes on, because only content,
    /// or a part of the request, is progress.
    pub(super) fn wake(&mut self) {
        self.wait = Wait::None;
    }

    /// The time at which the exchange is to be polled again or given up, if nothing happens before.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.wait {
            Wait::None | Wait::Peer => None,
            Wait::Other { poll } => poll.into_iter().chain(self.end).min(),
            Wait::Paced { poll } => Some(poll),
        }
    }

    /// True if its time is over.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.waits_for_other() && self.end.is_some_and(|end| end <= now)
    }

    /// True if the exchange waits for something else than its peer.
    pub(super) fn waits_for_other(&self) -> bool {
        matches!(self.wait, Wait::Other { .. })
    }

    /// True if an upstream makes the response.
    pub(super) fn is_forwarded(&self) -> bool {
        self.exchange.is_forwarded()
    }

    /// True while bytes of another protocol go both ways.
    pub(super) fn is_tunnel(&self) -> bool {
        self.exchange.is_tunnel()
    }

    /// Tells the line of the log the time that an upstream took.
    pub(super) fn tell_upstream_time(&self, entry: &mut Option<Box<Entry>>) {
        if let (Some(entry), Some(time)) = (entry, self.exchange.upstream_time()) {
            entry.set_upstream_time(time);
        }
    }

    /// True if the exchange has content that it may not send yet.
    pub(super) fn is_paced(&self) -> bool {
        matches!(self.wait, Wait::Paced { .. })
    }

    /// Asks for the head.
    pub(super) fn open(&mut self, reads: &mut F::Reads, means: &Means) -> Result<Opening, Failure> {
        if let Some(head) = self.head.take() {
            return self.begin(head);
        }
        let mut out = Vec::new();
        let mut room = Room::new(reads, &mut out, 0);
        let mut desk = Desk::new(means, self.place, &mut self.alarm);
        match self.exchange.poll(&mut room, &mut desk)? {
            Step::AskAgain(admission) if self.kept.is_some() => Ok(Opening::AskAgain(admission)),
            Step::AskAgain(_) => Err(Failure::misuse("it does not ask again")),
            Step::Wait(until) if self.kept.is_some() => {
                self.wait_for(until, means.handler_timeout, means.now)?;
                Ok(match until {
                    Until::Disk => Opening::Cold,
                    _ => Opening::Nothing,
                })
            }
            Step::Wait(until) => {
                let most = self.exchange.head_timeout();
                let most = most.unwrap_or(means.handler_timeout);
                self.wait_for(until, most, means.now)?;
                Ok(match (self.take_expectation(), until) {
                    (ContentHold::UntilContinue, _) => Opening::Continue,
                    (ContentHold::Nothing, Until::Disk) => Opening::Cold,
                    (ContentHold::Nothing, _) => Opening::Nothing,
                })
            }
            Step::Informational(_) if self.interims == MOST_INTERIMS => {
                Err(Failure::misuse("too many interim responses"))
            }
            Step::Informational(head) if matches!(head.status, 102..200) => {
                self.interims += 1;
                let head = sendable::head(head, self.method)?;
                Ok(Opening::Informational(head))
            }
            Step::Informational(_) => Err(Failure::misuse("no status of an interim response")),
            Step::Head(head) | Step::Only(head) if !(200..1000).contains(&head.status) => {
                Err(Failure::misuse("no status of a response"))
            }
            // It has refused the request already, and does not want the content.
            Step::Head(head) if head.status >= 300 => self.begin(head),
            Step::Head(head) => match self.take_expectation() {
                ContentHold::UntilContinue => {
                    self.head = Some(head);
                    Ok(Opening::Continue)
                }
                ContentHold::Nothing => self.begin(head),
            },
            Step::Only(head) => self.begin_only(head),
            Step::Switch(head) if head.status == 101 => {
                (self.wait, self.end) = (Wait::None, None);
                Ok(Opening::Switch(head))
            }
            Step::Switch(_) => Err(Failure::misuse("no status of a switch")),
            Step::Content(_) | Step::Written | Step::End(_) => {
                Err(Failure::misuse("content before the head"))
            }
        }
    }

    fn take_expectation(&mut self) -> ContentHold {
        std::mem::replace(&mut self.expectation, ContentHold::Nothing)
    }

    fn begin(&mut self, mut head: Head) -> Result<Opening, Failure> {
        (self.wait, self.end) = (Wait::None, None);
        if let Some(changes) = self.changes.take() {
            changes.apply(&mut head.fields);
        }
        let head = if self.exchange.is_forwarded() {
            sendable::forwarded_head(head, self.method)?
        } else {
            sendable::head(head, self.method)?
        };
        let withheld = self.method == Method::Head || status::has_no_content(head.status);
        let size = match head.len {
            _ if withheld => Size::None,
            Some(0) => Size::None,
            Some(len) => Size::Known(len),
            None => Size::Unknown,
        };
        self.left = match size {
            Size::Known(len) => Some(len),
            Size::None | Size::Unknown => None,
        };
        Ok(Opening::Head(head, size))
    }

    fn begin_only(&mut self, mut head: Head) -> Result<Opening, Failure> {
        (self.wait, self.end, self.left) = (Wait::None, None, None);
        if let Some(changes) = self.changes.take() {
            changes.apply(&mut head.fields);
        }
        Ok(Opening::Head(sendable::only_head(head)?, Size::None))
    }

    /// The content that comes next, if it is worth sending from where it is: only where its length was
    /// told, as each chunk of HTTP/1.1 has a frame around it.
    pub(super) fn next_slice(&mut self, max: u64, least: Least) -> Option<&mut Slice<F>> {
        let left = self.left?;
        if self.content.is_empty()
            && left > 0
            && let Some(slice) = self.exchange.take_slice(left)
        {
            (self.wait, self.end) = (Wait::None, None);
            self.content = Body::One(slice);
        }
        self.content.next_slice(max.min(left), least)
    }

    /// Bytes of content still to come, where the head has promised how many.
    pub(super) fn left(&self) -> Option<u64> {
        self.left
    }

    /// Notes that so many bytes of content are sent.
    pub(super) fn count(&mut self, len: usize) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(len as u64);
        }
        if self.content.is_empty() {
            self.content = Body::Empty;
        }
    }

    /// The fields behind the content, once.
    pub(super) fn take_trailers(&mut self) -> Option<Fields> {
        self.trailers.take()
    }

    /// Time has passed, in which content may have gone from where it was.
    pub(super) fn look_again(&mut self) {
        self.content.look_again();
    }

    /// Appends up to `max` bytes of content to `out`.
    pub(super) fn read(
        &mut self,
        reads: &mut F::Reads,
        out: &mut Vec<u8>,
        max: usize,
        means: &Means,
    ) -> Result<Progress, Failure> {
        let start = out.len();
        loop {
            let before = out.len();
            let room = self.bounded(max - (before - start));
            if !self.content.is_empty() {
                if room == 0 {
                    return Ok(Progress::More);
                }
                let progress = self.content.read(reads, out, room)?;
                self.count(out.len() - before);
                match progress {
                    Progress::Cold | Progress::Unfinished if before == start => {
                        return Ok(progress);
                    }
                    Progress::Cold | Progress::Unfinished => return Ok(Progress::More),
                    Progress::More | Progress::End | Progress::Waiting => continue,
                }
            }
            let mut place = Room::new(reads, out, room);
            let mut desk = Desk::new(means, self.place, &mut self.alarm);
            let step = self.exchange.poll(&mut place, &mut desk)?;
            let written = out.len() - before;
            if written > 0 {
                self.count(written);
                (self.wait, self.end) = (Wait::None, None);
            }
            match step {
                Step::End(trailers) => return self.end(trailers),
                // No more is sent than was promised.
                _ if written == 0 && self.left == Some(0) => return self.end(None),
                Step::Written if written == 0 && room > 0 => {
                    return Err(Failure::misuse("no content though there was room"));
                }
                Step::Written => {}
                Step::Content(slice) if slice.is_empty() => {
                    return Err(Failure::misuse("content without a byte"));
                }
                Step::Content(slice) if self.left.is_some_and(|left| left < slice.len()) => {
                    return Err(Failure::misuse("more content than was promised"));
                }
                Step::Content(slice) => {
                    (self.wait, self.end) = (Wait::None, None);
                    self.content = Body::One(slice);
                }
                Step::Wait(_) if out.len() > start => return Ok(Progress::More),
                Step::Wait(until) => {
                    let idle = self.exchange.idle_timeout();
                    let idle = idle.unwrap_or(means.handler_timeout);
                    self.wait_for(until, idle, means.now)?;
                    return Ok(match until {
                        Until::Disk => Progress::Cold,
                        _ => Progress::Waiting,
                    });
                }
                Step::Informational(_)
                | Step::Head(_)
                | Step::Only(_)
                | Step::Switch(_)
                | Step::AskAgain(_) => {
                    return Err(Failure::misuse("a head behind the head"));
                }
            }
            if room == 0 {
                return Ok(Progress::More);
            }
        }
    }

    /// As much of `max` as the head has promised.
    fn bounded(&self, max: usize) -> usize {
        let left = self.left.unwrap_or(u64::MAX);
        usize::try_from(left).map_or(max, |left| left.min(max))
    }

    fn end(&mut self, trailers: Option<Fields>) -> Result<Progress, Failure> {
        if self.left.is_some_and(|left| left > 0) || !self.content.is_empty() {
            return Err(Failure::misuse("less content than was promised"));
        }
        self.trailers = trailers.map(sendable::trailers).transpose()?;
        Ok(Progress::End)
    }
}
