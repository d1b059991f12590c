//! A request that is being answered: where the response's bytes come from, and what is owed to the
//! request's body.

use crate::content::{Body, BodyError, Least, Progress, Slice};
use crate::http::Fields;
use crate::site;
use crate::telemetry::access_log::{AccessLog, Ended, Entry};
use crate::world::Files;
use std::time::Instant;

/// The end of a response whose content could not be had.
pub const CUT_SHORT: &str = "the rest could not be read";

/// What a handler keeps of a request besides its body: its fields, mostly.
const HANDLER: usize = 2 << 10;

/// A request whose response is not complete.
pub struct ActiveRequest<F: Files> {
    source: Source<F>,
    /// Bytes of the request body that were received and not given back to the peer's window.
    owed: usize,
    /// Bytes of the request body so far.
    received: u64,
    /// Status of the response; 0 before there is one.
    status: u16,
    content: Content,
    /// Bytes of the response's content so far.
    sent: u64,
    /// The last turn in which content was sent.
    turn: Instant,
    /// The line of the access log, if there is a log.
    entry: Option<Box<Entry>>,
}

/// Whether the response may have content (RFC 9110 §9.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Allowed,
    HeadOnly,
}

/// What produces the response.
enum Source<F: Files> {
    /// The site: head sent, content to come. The request's body interests nobody.
    Content(Body<F>),
    /// A handler, which reads the request's body and has the head when it has it.
    Handler(Box<dyn site::Exchange>),
}

impl<F: Files> ActiveRequest<F> {
    /// A request whose answer is this content.
    pub fn content(body: Body<F>, now: Instant, entry: Option<Box<Entry>>) -> Self {
        Self::new(Source::Content(body), Content::Allowed, now, entry)
    }

    /// A request that a handler answers, without content if `head_only`.
    pub fn handler(
        handler: Box<dyn site::Exchange>,
        head_only: bool,
        now: Instant,
        entry: Option<Box<Entry>>,
    ) -> Self {
        let content = if head_only {
            Content::HeadOnly
        } else {
            Content::Allowed
        };
        Self::new(Source::Handler(handler), content, now, entry)
    }

    fn new(source: Source<F>, content: Content, now: Instant, entry: Option<Box<Entry>>) -> Self {
        ActiveRequest {
            source,
            owed: 0,
            received: 0,
            status: 0,
            content,
            sent: 0,
            turn: now,
            entry,
        }
    }

    /// The memory behind it, the same from its beginning to its end: the line of the log, and in
    /// general what a handler keeps.
    pub fn memory(&self) -> usize {
        let entry = self.entry.as_ref().map_or(0, |entry| entry.memory());
        let source = match &self.source {
            Source::Content(_) => 0,
            Source::Handler(_) => HANDLER,
        };
        entry + source
    }

    /// Whether the handler's head is the whole response.
    pub fn is_head_only(&self) -> bool {
        self.content == Content::HeadOnly
    }

    /// The beginning of the log's line, for the response that takes this one's place.
    pub fn take_entry(&mut self) -> Option<Box<Entry>> {
        self.entry.take()
    }

    /// Takes bytes of the request body; returns how many it has so far.
    pub fn receive(&mut self, data: &[u8]) -> u64 {
        self.owed += data.len();
        self.received += data.len() as u64;
        if let Source::Handler(handler) = &mut self.source {
            handler.receive(data);
        }
        self.received
    }

    /// Whether some of the request body came.
    pub fn has_received(&self) -> bool {
        self.received > 0
    }

    /// The request body has ended.
    pub fn finish_request(&mut self) {
        if let Source::Handler(handler) = &mut self.source {
            handler.finish();
        }
    }

    /// Bytes of the request body that the handler still holds.
    pub fn held(&self) -> usize {
        match &self.source {
            Source::Handler(handler) => handler.held(),
            Source::Content(_) => 0,
        }
    }

    /// Bytes that can be given back to the peer's window now.
    pub fn releasable(&mut self) -> u32 {
        let releasable = self.owed.saturating_sub(self.held());
        self.owed -= releasable;
        u32::try_from(releasable).unwrap_or(u32::MAX)
    }

    /// The handler's response head, once, when there is one.
    pub fn head(&mut self) -> Option<site::Head> {
        match &mut self.source {
            Source::Handler(handler) if self.status == 0 => handler.head(),
            _ => None,
        }
    }

    /// The response has begun with this status.
    pub fn set_status(&mut self, status: u16) {
        self.status = status;
    }

    /// The response was another than that of the source: of this status, with so many bytes.
    pub fn refuse(&mut self, status: u16, content_bytes: u64) {
        self.status = status;
        self.sent = content_bytes;
    }

    /// Whether the response's head was sent.
    pub fn has_head(&self) -> bool {
        self.status != 0
    }

    /// Bytes of content still to come, if that is known.
    pub fn remaining(&self) -> Option<u64> {
        match &self.source {
            Source::Content(body) => body.len(),
            Source::Handler(_) => None,
        }
    }

    /// What comes next of the content, if it is worth sending from where it is.
    pub fn next_slice(&mut self, max: u64, least: Least, now: Instant) -> Option<&mut Slice<F>> {
        self.begin_turn(now);
        match &mut self.source {
            Source::Content(body) => body.next_slice(max, least),
            Source::Handler(_) => None,
        }
    }

    /// So many bytes of that were taken; says whether they were the last.
    pub fn count_sent(&mut self, len: usize) -> Progress {
        self.sent += len as u64;
        match self.remaining() {
            Some(0) => Progress::End,
            _ => Progress::More,
        }
    }

    /// Appends up to `max` bytes of content.
    pub fn read(
        &mut self,
        reads: &mut F::Reads,
        out: &mut Vec<u8>,
        max: usize,
        now: Instant,
    ) -> Result<Progress, BodyError> {
        self.begin_turn(now);
        let before = out.len();
        let progress = match &mut self.source {
            Source::Content(body) => body.read(reads, out, max),
            Source::Handler(handler) => handler.read(out, max),
        };
        self.sent += (out.len() - before) as u64;
        progress
    }

    /// What was found about the content's whereabouts holds for the length of a turn.
    fn begin_turn(&mut self, now: Instant) {
        if self.turn != now {
            self.turn = now;
            if let Source::Content(body) = &mut self.source {
                body.look_again();
            }
        }
    }

    /// The request is over, complete or cut short: its line of the log can be written, with the reason
    /// if there is one.
    pub fn conclude(&mut self, log: &mut Option<AccessLog>, reason: Option<&'static str>) {
        if let (Some(log), Some(entry)) = (log, self.entry.take()) {
            log.end(Ended {
                entry,
                status: self.status,
                body_bytes: self.sent,
                reason,
            });
        }
    }
}

/// Whether a handler wants the content that a client keeps back until it is asked for it: not where it
/// has refused the request already (RFC 9110 §10.1.1).
pub fn takes_content(head: Option<&site::Head>) -> bool {
    head.is_none_or(|head| head.status < 300)
}

/// Whether the request announces a body of more than `limit` bytes.
pub fn exceeds(request: &Fields, limit: u64) -> bool {
    let announced = request
        .value("content-length")
        .and_then(|value| std::str::from_utf8(value).ok());
    announced
        .and_then(|value| value.parse::<u64>().ok())
        .is_some_and(|len| len > limit)
}
