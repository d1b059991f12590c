//! The connection's other direction: responses.

use super::connection::Connection;
use super::exchange::{ConnectionState, Expectation, OpenExchange, RequestHalf, ResponseHalf};
use super::refusal::{Refusal, WrittenRefusal};
use crate::h1::encode::{self, ContentPresence};
use crate::h1::message::{BodyLength, ContentEnd, Persistence, Version};
use crate::h1::output::{Outgoing, Sent};
use crate::http::{Field, status};
use std::time::Instant;

impl Connection {
    /// True while the client waits for `100 Continue`, or a final status, before it sends its content
    /// (RFC 9110 §10.1.1). The first byte of content ends the wait.
    pub fn awaits_continue(&self) -> bool {
        match &self.state {
            ConnectionState::Exchange(exchange) => exchange.expectation == Expectation::Pending,
            _ => false,
        }
    }

    /// Writes `100 Continue` if the client waits for it and nothing else was written; else does
    /// nothing (RFC 9110 §10.1.1).
    pub fn send_continue(&mut self) {
        let ConnectionState::Exchange(exchange) = &mut self.state else {
            return;
        };
        let awaiting = matches!(exchange.response, ResponseHalf::Awaiting);
        if awaiting && exchange.expectation == Expectation::Pending {
            exchange.expectation = Expectation::None;
            self.output.bytes.extend_from_slice(encode::CONTINUE);
            self.await_body();
        }
    }

    /// Writes the head of the response to the current request. With an interim status (1xx) a final
    /// one is still due, and HTTP/1.0 gets none (RFC 9110 §15.2).
    ///
    /// Pseudo-header fields are left out, and so are fields that frame the message or concern the
    /// connection, because they are written here. The caller adds `date`, because it has a clock. If no
    /// content follows (HEAD, a status without content, or no length) the response is complete.
    ///
    /// Does nothing when no response is due, as after an error.
    pub fn send_head<'f>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = Field<'f>>,
        length: BodyLength,
    ) {
        self.write_head(status, length, |out, length| {
            for field in fields {
                if is_passed_on(field.name, length) {
                    encode::field(out, field);
                }
            }
        });
    }

    /// As [`Connection::send_head`] of fields whose lines were made before, and of `more` fields behind them.
    /// The length is not [`BodyLength::None`], with which a `content-length` of the fields is sent.
    #[cfg(feature = "server")]
    pub(crate) fn send_head_of_lines<'f>(
        &mut self,
        status: u16,
        lines: &encode::FieldLines,
        more: impl IntoIterator<Item = Field<'f>>,
        length: BodyLength,
    ) {
        debug_assert!(
            length != BodyLength::None,
            "the length may be among the fields"
        );
        self.write_head(status, length, |out, length| {
            lines.append(out);
            for field in more {
                if is_passed_on(field.name, length) {
                    encode::field(out, field);
                }
            }
        });
    }

    /// Sends a whole response: this head, and this content, whose length it tells. False, and nothing is sent, where no
    /// such response is due, its content would not be sent or not yet, or the head tells of connections with another
    /// timeout.
    #[cfg(feature = "server")]
    pub(crate) fn send_whole(&mut self, head: &encode::SharedHead, content: &[u8]) -> bool {
        let ConnectionState::Exchange(exchange) = &self.state else {
            return false;
        };
        let is_plain = exchange.content == ContentPresence::Sent
            && matches!(
                (&exchange.request, &exchange.response),
                (RequestHalf::Done, ResponseHalf::Awaiting)
            )
            && head.tells(self.config.keep_alive_timeout.as_secs());
        if is_plain {
            let further = self.further_requests();
            head.append(&mut self.output.bytes, further);
            self.output.bytes.extend_from_slice(content);
            self.finish_response();
        }
        is_plain
    }

    /// Writes a head whose field lines are written by `write_fields`.
    fn write_head(
        &mut self,
        status: u16,
        length: BodyLength,
        write_fields: impl FnOnce(&mut Vec<u8>, Length),
    ) {
        let ConnectionState::Exchange(exchange) = &mut self.state else {
            return;
        };
        if !matches!(exchange.response, ResponseHalf::Awaiting) {
            return;
        }
        let interim = status < 200;
        if interim && exchange.version == Version::Http10 {
            return;
        }
        let length = Length::new(status, length, exchange);
        if !interim {
            exchange.response = length.half();
            // Without its 100 the client may send its body or not, and a body cannot be told from a
            // request (RFC 9110 §10.1.1).
            if exchange.expectation == Expectation::Pending || length == Length::UntilClose {
                self.persistence = Persistence::Close;
                if length == Length::UntilClose {
                    self.content_end = ContentEnd::Missing;
                }
            }
        }
        self.output.bytes.reserve(encode::HEAD_ROOM);
        encode::status_line(&mut self.output.bytes, status);
        write_fields(&mut self.output.bytes, length);
        length.encode(&mut self.output.bytes);
        if !interim {
            self.encode_persistence();
        }
        self.output.bytes.extend_from_slice(b"\r\n");
        if !interim && matches!(length.half(), ResponseHalf::Done) {
            self.finish_response();
        }
    }

    /// Room for content of the response: up to `max_len` bytes are appended to the buffer, then
    /// committed. Chunk framing takes [`CHUNK_OVERHEAD`](crate::h1::CHUNK_OVERHEAD) more bytes.
    pub fn begin_data(&mut self, max_len: usize) -> &mut Vec<u8> {
        self.output.begin(self.state.outgoing(), max_len)
    }

    /// Sends the bytes that were appended since [`Connection::begin_data`], if there are any. `end` is
    /// true if the content is complete.
    ///
    /// A response that ends before its announced length is cut off: the connection closes, which
    /// tells the client (RFC 9112 §8). More than that length is never sent.
    pub fn commit(&mut self, end: bool, now: Instant) {
        self.now = now;
        if let ConnectionState::Exchange(exchange) = &mut self.state
            && let ResponseHalf::Sending(outgoing) = &mut exchange.response
        {
            let sent = self.output.commit(outgoing, end);
            self.note_sent(sent);
        } else {
            self.output.discard(None);
        }
    }

    /// Sends what was appended since [`Connection::begin_data`] as the last of the content, and these
    /// fields behind it (RFC 9112 §7.1.2). Only chunks have a place for them: behind other content they
    /// are left out.
    pub fn commit_trailers<'f>(
        &mut self,
        fields: impl IntoIterator<Item = Field<'f>>,
        now: Instant,
    ) {
        if self.state.outgoing() == Some(Outgoing::Chunked) {
            self.now = now;
            self.output.end_with_trailers(fields.into_iter());
            self.note_sent(Sent::Whole);
        } else {
            self.commit(true, now);
        }
    }

    /// Sends `len` bytes of content that are not in the output. The caller sends exactly so many behind
    /// the bytes that are in it, before bytes that are appended later. The response must have a known
    /// length, of which at least `len` bytes are left. [`Connection::begin_data`] is not called.
    pub fn commit_elsewhere(&mut self, len: u64, end: bool, now: Instant) {
        self.now = now;
        if let ConnectionState::Exchange(exchange) = &mut self.state
            && let ResponseHalf::Sending(outgoing) = &mut exchange.response
        {
            let sent = outgoing.send(len, end);
            self.note_sent(sent);
        } else {
            debug_assert!(false, "no response is open");
        }
    }

    fn note_sent(&mut self, sent: Sent) {
        match sent {
            Sent::Part => {}
            Sent::Whole => self.finish_response(),
            Sent::TooShort => self.close(),
        }
    }

    /// Answers the current request with a small complete response of a status, and closes. If the head
    /// of a response was sent already, only closes.
    pub fn refuse(&mut self, status: u16) {
        self.respond_and_close(status, "", ContentPresence::Sent);
    }

    /// Closes without completing the response, whose content cannot be had. Bytes that were not
    /// committed are taken back.
    pub fn abort(&mut self) {
        self.discard_uncommitted();
        self.close();
    }

    /// Completes the response that an error or [`Connection::refuse`] has just written by the fields
    /// that only the caller knows: `date`, which a server with a clock has to send (RFC 9110 §6.6.1),
    /// and the fields that all its responses have. Returns that response, once; none if none was
    /// written.
    pub fn complete_refusal<'f>(
        &mut self,
        fields: impl Iterator<Item = Field<'f>>,
    ) -> Option<Refusal> {
        let ConnectionState::Closed(written) = &mut self.state else {
            return None;
        };
        let WrittenRefusal { refusal, fields_at } = written.take()?;
        let mut lines = Vec::new();
        for field in fields {
            encode::field(&mut lines, field);
        }
        let fields_at = (fields_at.get() as usize).min(self.output.bytes.len());
        self.output.bytes.splice(fields_at..fields_at, lines);
        Some(refusal)
    }

    /// Takes up an offer of h2c: writes `101 Switching Protocols` (RFC 7540 §3.2). The output and the
    /// rest of the input are HTTP/2's from here on.
    pub fn switch_protocols(&mut self) {
        if self.awaiting_response() {
            self.output
                .bytes
                .extend_from_slice(encode::SWITCHING_PROTOCOLS);
            self.close();
            self.state = ConnectionState::Switched;
        }
    }

    /// Takes up the offer of another protocol: writes `101 Switching Protocols` with these fields, of which
    /// `upgrade` names the protocol (RFC 9110 §7.8). From here on the connection's bytes are that protocol's:
    /// they come as [`Event::Data`](super::Event::Data), and what is committed is sent as it is, each up to its own
    /// end: behind the end of ours, [`Connection::has_ended_tunnel`] is true until the client's comes. Does nothing when
    /// no response is due, or when content of the request is.
    pub fn begin_tunnel<'f>(&mut self, fields: impl IntoIterator<Item = Field<'f>>) {
        let ConnectionState::Exchange(exchange) = &mut self.state else {
            return;
        };
        if !matches!(
            (&exchange.request, &exchange.response),
            (RequestHalf::Done, ResponseHalf::Awaiting)
        ) {
            return;
        }
        exchange.request = RequestHalf::Tunnel;
        exchange.response = ResponseHalf::Sending(Outgoing::UntilClose);
        self.persistence = Persistence::Close;
        let out = &mut self.output.bytes;
        encode::status_line(out, 101);
        out.extend_from_slice(b"connection: upgrade\r\n");
        for field in fields {
            if field.name == b"upgrade" || encode::is_passed_on(field.name) {
                encode::field(out, field);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Takes back the bytes that were appended since [`Connection::begin_data`] and not committed.
    pub(super) fn discard_uncommitted(&mut self) {
        self.output.discard(self.state.outgoing());
    }

    /// Notes the end of the response. The rest of the request's body is not wanted any more.
    fn finish_response(&mut self) {
        self.discard_body();
        let ConnectionState::Exchange(exchange) = &mut self.state else {
            return;
        };
        exchange.response = ResponseHalf::Done;
        if matches!(exchange.request, RequestHalf::Draining { .. }) {
            self.await_body();
        }
        self.conclude();
    }

    fn encode_persistence(&mut self) {
        let seconds = self.config.keep_alive_timeout.as_secs();
        match self.further_requests() {
            None => encode::close(&mut self.output.bytes),
            Some(further) => encode::keep_alive(&mut self.output.bytes, seconds, further),
        }
    }

    /// The number of requests that may follow the present one; none at all if the connection closes behind it.
    fn further_requests(&self) -> Option<u32> {
        let most = self.config.keep_alive_requests;
        let goes_on = self.persistence == Persistence::KeepAlive;
        goes_on.then(|| most.saturating_sub(self.requests))
    }
}

/// Announcement of a response's length (RFC 9112 §6.3, RFC 9110 §8.6).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    /// None, because there is never content.
    Nothing,
    /// The caller's `content-length`, if it has one. No content follows: it is the length that GET, or
    /// 200 instead of 304, would have sent.
    AsGiven,
    /// `content-length`, and no content follows.
    Alone(u64),
    /// `content-length`, and content of that length.
    Known(u64),
    /// `transfer-encoding: chunked`.
    Chunked,
    /// The close of the connection.
    UntilClose,
}

impl Length {
    fn new(status: u16, length: BodyLength, exchange: &OpenExchange) -> Length {
        match (length, exchange.content) {
            (BodyLength::None, _) if status == 304 => Length::AsGiven,
            _ if status::has_no_content(status) => Length::Nothing,
            (BodyLength::None, ContentPresence::Withheld) => Length::AsGiven,
            (BodyLength::Known(length), ContentPresence::Withheld) => Length::Alone(length),
            (BodyLength::Unknown, ContentPresence::Withheld) => Length::Nothing,
            (BodyLength::None, ContentPresence::Sent) => Length::Alone(0),
            (BodyLength::Known(length), ContentPresence::Sent) => Length::Known(length),
            (BodyLength::Unknown, ContentPresence::Sent) => match exchange.version {
                Version::Http11 => Length::Chunked,
                Version::Http10 => Length::UntilClose,
            },
        }
    }

    /// The part that is to be sent behind the head.
    fn half(self) -> ResponseHalf {
        match self {
            Length::Known(length) => ResponseHalf::Sending(Outgoing::Length(length)),
            Length::Chunked => ResponseHalf::Sending(Outgoing::Chunked),
            Length::UntilClose => ResponseHalf::Sending(Outgoing::UntilClose),
            Length::Nothing | Length::AsGiven | Length::Alone(_) => ResponseHalf::Done,
        }
    }

    fn encode(self, out: &mut Vec<u8>) {
        match self {
            Length::Known(length) | Length::Alone(length) => encode::content_length(out, length),
            Length::Chunked => out.extend_from_slice(encode::CHUNKED),
            Length::Nothing | Length::AsGiven | Length::UntilClose => {}
        }
    }
}

/// True if a field of the caller is sent; see [`encode::is_passed_on`].
fn is_passed_on(name: &[u8], length: Length) -> bool {
    match name.len() {
        14 if name.eq_ignore_ascii_case(b"content-length") => length == Length::AsGiven,
        _ => encode::is_passed_on(name),
    }
}

#[cfg(feature = "server")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::Config;
    use crate::http::{Fields, Scheme};

    /// The output of a connection that was asked for a file, and answers by `send`.
    fn answer(send: impl FnOnce(&mut Connection)) -> String {
        let now = Instant::now();
        let mut connection = Connection::new(Config::default().into(), Scheme::Http, now);
        let mut input = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice();
        let mut fields = Fields::new();
        let event = connection.receive(&mut input, &mut fields, now);
        assert!(matches!(event, Ok(Some(_))));
        send(&mut connection);
        String::from_utf8(connection.take_output()).expect("ASCII")
    }

    #[test]
    fn a_response_that_is_sent_whole_is_that_of_its_head_and_its_content() {
        let fields = Fields::from_iter([("content-length", "7"), ("etag", "\"a\"")]);
        let last = || std::iter::once(Field::new(b"date", b"today"));
        let mut head = encode::SharedHead::default();
        let seconds = Config::default().keep_alive_timeout.as_secs();
        head.set(404, fields.iter().chain(last()), 4, seconds);
        let mut of_others = encode::SharedHead::default();
        of_others.set(404, fields.iter().chain(last()), 4, seconds + 1);
        let now = Instant::now();
        for (request, is_sent) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                true,
            ),
            ("GET / HTTP/1.0\r\n\r\n", true),
            ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", false),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
                false,
            ),
        ] {
            let ask = || {
                let mut connection = Connection::new(Config::default().into(), Scheme::Http, now);
                let (mut input, mut fields) = (request.as_bytes(), Fields::new());
                let event = connection.receive(&mut input, &mut fields, now);
                assert!(matches!(event, Ok(Some(_))));
                connection
            };
            assert!(!ask().send_whole(&of_others, b"gone"), "{request}");
            let mut whole = ask();
            assert_eq!(whole.send_whole(&head, b"gone"), is_sent, "{request}");
            let mut parts = ask();
            if is_sent {
                parts.send_head(404, fields.iter().chain(last()), BodyLength::Known(4));
                parts.begin_data(4).extend_from_slice(b"gone");
                parts.commit(true, now);
            }
            let seen = |mut it: Connection| (it.wants_close(), it.is_idle(), it.take_output());
            assert_eq!(seen(whole), seen(parts), "{request}");
        }
    }

    #[test]
    fn a_head_of_lines_is_the_head_of_their_fields() {
        let fields = Fields::from_iter([
            (":status", "200"),
            ("etag", "\"a\""),
            ("content-length", "7"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("split", "a\r\nb: c"),
            ("content-type", "text/plain"),
        ]);
        let more = || [Field::new(b"date", b"today"), Field::new(b"upgrade", b"x")];
        let lines = encode::FieldLines::new(fields.iter());
        for length in [
            BodyLength::Known(0),
            BodyLength::Known(5),
            BodyLength::Unknown,
        ] {
            let by_lines = answer(|connection| {
                connection.send_head_of_lines(200, &lines, more(), length);
            });
            let by_fields = answer(|connection| {
                connection.send_head(200, fields.iter().chain(more()), length);
            });
            assert_eq!(by_lines, by_fields);
            assert!(
                by_lines.contains("etag: \"a\"\r\ncontent-type: text/plain\r\ndate: today\r\n")
            );
        }
    }
}
