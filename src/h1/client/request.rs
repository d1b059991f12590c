//! The connection's outgoing direction: requests.

use super::connection::ClientConnection;
use super::error::Unsendable;
use super::request_head::SendableHead;
use super::state::{Asked, ClientState, Hundred, OpenRequest, Reply, RequestContent, Upgrade};
use crate::h1::encode;
use crate::h1::message::{BodyLength, Persistence, Version};
use crate::h1::output::{Outgoing, Sent};
use crate::h1::scan::Scan;
use crate::http::{Expected, Field};
use std::time::Instant;

impl ClientConnection {
    /// Writes the head of a request; unless its length is [`BodyLength::None`], content follows.
    ///
    /// `:method`, `:authority` and `:path` make the request line and `host`. Fields that frame the
    /// message or concern the connection are left out, because they are written here; but `upgrade` is
    /// sent, and offers the protocols that it names. With `expect: 100-continue` and content, see
    /// [`ClientConnection::awaits_continue`].
    ///
    /// Nothing is written of a request that a server could read as another one.
    pub fn send_request<'f, F>(
        &mut self,
        fields: F,
        length: BodyLength,
        now: Instant,
    ) -> Result<(), Unsendable>
    where
        F: IntoIterator<Item = Field<'f>>,
        F::IntoIter: Clone,
    {
        if !self.is_idle() {
            return Err(Unsendable::NotIdle);
        }
        let fields = fields.into_iter();
        let head = SendableHead::check(fields.clone(), length)?;
        // RFC 9112 §6.1: a server of HTTP/1.0 would take the chunks for its next request.
        if length == BodyLength::Unknown && self.server_version == Version::Http10 {
            return Err(Unsendable::Content);
        }
        self.now = now;
        head.encode(&mut self.output.bytes, fields, self.persistence);
        let content = RequestContent::of(length);
        let awaits_continue =
            content != RequestContent::Done && head.expected == Expected::Continue;
        let upgrade = match head.upgrade {
            Some(protocols) => Upgrade::Offered(protocols.into()),
            None => Upgrade::NotOffered,
        };
        let hundred = if awaits_continue {
            Hundred::Awaited
        } else {
            Hundred::NotAwaited
        };
        self.open_request(content, Asked::by(head.method), upgrade, hundred);
        Ok(())
    }

    /// The head of a request is written, and its response is awaited.
    pub(super) fn open_request(
        &mut self,
        content: RequestContent,
        asked: Asked,
        upgrade: Upgrade,
        hundred: Hundred,
    ) {
        self.state = ClientState::Open(OpenRequest {
            content,
            reply: Reply::Head(Scan::default()),
            asked,
            upgrade,
            hundred,
            informational: 0,
        });
        self.await_reply();
    }

    /// Room for content of the request: up to `max_len` bytes are appended to the buffer, then
    /// committed. Chunk framing takes [`CHUNK_OVERHEAD`](crate::h1::CHUNK_OVERHEAD) more bytes.
    pub fn begin_data(&mut self, max_len: usize) -> &mut Vec<u8> {
        self.output.begin(self.state.outgoing(), max_len)
    }

    /// Sends the bytes that were appended since [`ClientConnection::begin_data`], if there are any.
    /// `end` is true if the content is complete.
    ///
    /// A request that ends before its announced length cannot be completed: the connection closes, which
    /// tells the server (RFC 9112 §8). More than that length is never sent.
    pub fn commit(&mut self, end: bool, now: Instant) {
        self.now = now;
        if let ClientState::Open(open) = &mut self.state
            && let RequestContent::Sending(outgoing) = &mut open.content
        {
            let sent = self.output.commit(outgoing, end);
            self.note_sent(sent);
        } else {
            self.output.discard(None);
        }
    }

    /// Sends `len` bytes of content that are not in the output. The caller sends exactly so many behind
    /// the bytes that are in it, before bytes that are appended later. The request must have a known
    /// length, of which at least `len` bytes are left. [`ClientConnection::begin_data`] is not called.
    pub fn commit_elsewhere(&mut self, len: u64, end: bool, now: Instant) {
        self.now = now;
        if let ClientState::Open(open) = &mut self.state
            && let RequestContent::Sending(outgoing) = &mut open.content
        {
            let sent = outgoing.send(len, end);
            self.note_sent(sent);
        } else {
            debug_assert!(false, "no content is being sent");
        }
    }

    /// Ends chunked content with a trailer section (RFC 9112 §7.1.2). Fields that frame or route a
    /// message are left out (RFC 9110 §6.5.1).
    pub fn send_trailers<'f, F>(&mut self, trailers: F, now: Instant) -> Result<(), Unsendable>
    where
        F: IntoIterator<Item = Field<'f>>,
        F::IntoIter: Clone,
    {
        if self.state.outgoing() != Some(Outgoing::Chunked) {
            return Err(Unsendable::Trailers);
        }
        let trailers = trailers.into_iter();
        if !trailers.clone().all(encode::is_sendable) {
            return Err(Unsendable::Field);
        }
        self.now = now;
        self.output.end_with_trailers(trailers);
        self.note_sent(Sent::Whole);
        Ok(())
    }

    fn note_sent(&mut self, sent: Sent) {
        match sent {
            Sent::Part => self.go_on_without_continue(),
            Sent::Whole => self.finish_request(RequestContent::Done),
            Sent::TooShort => self.close(),
        }
    }

    fn go_on_without_continue(&mut self) {
        if let ClientState::Open(open) = &mut self.state
            && open.hundred == Hundred::Awaited
        {
            open.hundred = Hundred::GivenUp;
            self.await_reply();
        }
    }

    /// Sends no more content: the final response came without it, or it cannot be had. The server cannot
    /// know where a next request would begin, so the connection closes after the response.
    pub fn abandon_content(&mut self, now: Instant) {
        self.now = now;
        if self.is_sending() {
            self.output.discard(self.state.outgoing());
            self.persistence = Persistence::Close;
            self.finish_request(RequestContent::Abandoned);
        }
    }

    fn finish_request(&mut self, content: RequestContent) {
        if let ClientState::Open(open) = &mut self.state {
            open.content = content;
            open.hundred = Hundred::NotAwaited;
        }
        self.await_reply();
        self.conclude();
    }
}
