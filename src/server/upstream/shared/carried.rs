//! One call on a stream of an HTTP/2 connection.

use std::time::Instant;

use crate::exchange::Call;
use crate::h1::ResponseError;
use crate::h2::{self, StreamKey};
use crate::server::upstream::loss::UpstreamLoss;

/// A call on a stream.
pub(super) struct CarriedCall {
    pub(super) call: Call,
    pub(super) stream: StreamKey,
    pub(super) began: Instant,
    kind: CarriedKind,
    request: RequestStage,
    reply: ReplyStage,
    /// Bytes of the response that the stream's window still counts.
    unreleased: u32,
    /// The end of the time in which the server must go on.
    pub(super) deadline: Option<Instant>,
}

/// The relation of a request's end to its response's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CarriedKind {
    /// The end of the response ends the request too (RFC 9113 §8.1).
    Message,
    /// Each has an end of its own (RFC 8441 §5).
    Tunnel,
}

/// The part of a request that was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RequestStage {
    Open,
    Complete,
}

/// The part of a response that has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReplyStage {
    Awaited,
    Begun,
}

impl CarriedCall {
    pub(super) fn new(call: Call, stream: StreamKey, now: Instant) -> Self {
        let kind = if call.head().is_tunnel() {
            CarriedKind::Tunnel
        } else {
            CarriedKind::Message
        };
        CarriedCall {
            call,
            stream,
            began: now,
            kind,
            request: RequestStage::Open,
            reply: ReplyStage::Awaited,
            unreleased: 0,
            deadline: None,
        }
    }

    /// The whole request was sent. The response must begin by then.
    pub(super) fn complete_request(&mut self, until: Instant) {
        self.request = RequestStage::Complete;
        if self.reply == ReplyStage::Awaited {
            self.deadline = Some(until);
        }
    }

    /// Content of the request was sent. In a tunnel that is a sign of life, as bytes of the server are.
    pub(super) fn note_sent(&mut self, until: Instant) {
        if self.kind == CarriedKind::Tunnel && self.reply == ReplyStage::Begun {
            self.deadline = Some(until);
        }
    }

    /// True if the response has to begin though the request is not complete: a tunnel opens by it.
    pub(super) fn waits_for_head(&self) -> bool {
        self.kind == CarriedKind::Tunnel
    }

    /// True if the client's side of a tunnel has ended, and the server does not know all of it.
    pub(super) fn is_ending(&self) -> bool {
        self.kind == CarriedKind::Tunnel && self.is_sending() && self.call.is_complete()
    }

    /// True if a tunnel goes on behind the end of the server's side.
    pub(super) fn outlasts_reply(&self) -> bool {
        self.kind == CarriedKind::Tunnel
            && self.is_sending()
            && (self.is_ending() || !self.call.is_abandoned())
    }

    /// True if both sides of a tunnel have ended, or its exchange takes nothing of the server's side any more.
    pub(super) fn is_over(&self) -> bool {
        self.kind == CarriedKind::Tunnel
            && !self.is_sending()
            && (self.call.is_answered() || self.call.is_abandoned())
    }

    /// True if some of the request was not sent.
    pub(super) fn is_sending(&self) -> bool {
        self.request == RequestStage::Open
    }

    /// Tells the core that there is content of the request, or its end.
    pub(super) fn make_ready(&self, core: &mut h2::Connection) {
        if self.is_sending() && self.call.has_content() {
            // The end alone needs no window.
            let is_end = !self.call.holds_content();
            core.set_ready(self.stream, is_end.then_some(0));
        }
    }

    /// The head of the response has come. Something must follow by then.
    pub(super) fn begin_reply(&mut self, until: Instant) {
        self.reply = ReplyStage::Begun;
        self.deadline = Some(until);
    }

    /// Bytes of the response that the window counts.
    pub(super) fn unreleased(&self) -> usize {
        self.unreleased as usize
    }

    /// True if the window counts bytes that could be given back.
    pub(super) fn has_unreleased(&self) -> bool {
        self.unreleased > 0
    }

    /// Passes on content of the response, of which a frame took `len` bytes of the window.
    pub(super) fn pass_on(&mut self, content: &[u8], len: u32) {
        self.unreleased = self.unreleased.saturating_add(len);
        self.call.give_content(content);
    }

    /// Gives the window of taken content back. Something must follow by then; nothing has to while the
    /// exchange has no room for it.
    pub(super) fn release(&mut self, core: &mut h2::Connection, until: Instant) {
        if !self.call.wants_reply() {
            self.deadline = None;
            return;
        }
        let released = core.release(self.stream, std::mem::take(&mut self.unreleased));
        debug_assert_eq!(released, Ok(()), "the window counts them");
        self.deadline = Some(until);
    }

    /// The loss of a response that is late.
    pub(super) fn lateness(&self) -> UpstreamLoss {
        UpstreamLoss::Response(match self.reply {
            ReplyStage::Awaited => ResponseError::ResponseTimeout,
            ReplyStage::Begun => ResponseError::ContentTimeout,
        })
    }

    /// The loss of the connection as it concerns this call.
    pub(super) fn judge(&self, loss: UpstreamLoss, was_heard: bool) -> UpstreamLoss {
        match (loss, self.reply) {
            _ if self.call.is_answered() => UpstreamLoss::None,
            (UpstreamLoss::Broken, ReplyStage::Awaited) if was_heard => UpstreamLoss::Stale,
            (UpstreamLoss::Broken, ReplyStage::Awaited) => UpstreamLoss::NoResponse,
            (loss, _) => loss,
        }
    }
}
