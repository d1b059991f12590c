//! Content on its way out, for users that leave it to the windows when it goes.

use std::collections::HashMap;
use std::fmt;

use super::connection::{Connection, Grant};
use super::error::{ErrorCode, Misuse};
use super::event::Event;
use super::store::StreamKey;
use crate::http::{Field, Fields};

/// Content that waits for the windows of its streams: bytes in memory, and a source that is read when they have gone.
/// Trailers and the end wait behind it.
///
/// It does what [`Connection::poll_grant`] asks of its caller, in the order that the scheduler has:
///
/// ```
/// # use std::time::Instant;
/// # use calmd::h2::{Connection, Outbox};
/// # use calmd::http::Fields;
/// # let now = Instant::now();
/// # let mut connection = Connection::client(Default::default(), now);
/// # let request = Fields::request("POST", "https", "x", "/");
/// let mut outbox = Outbox::default();
/// let stream = connection.open(request.iter(), false, now)?;
/// outbox.push(&mut connection, stream, &[b'x'; 100_000]);
/// outbox.end(&mut connection, stream);
/// // As much as the windows take: after each event, and before the output is written.
/// outbox.fill(&mut connection, usize::MAX);
/// assert_eq!(outbox.waiting(), 100_000 - 65_535);
/// # Ok::<_, calmd::h2::Misuse>(())
/// ```
///
/// It belongs to one connection, and answers all its grants: a stream that a user makes ready by itself would only
/// [`rest`](Connection::rest).
#[derive(Debug, Default)]
pub struct Outbox {
    contents: HashMap<StreamKey, OutboxContent>,
    waiting: usize,
}

/// The content of one stream.
#[derive(Debug, Default)]
struct OutboxContent {
    bytes: Vec<u8>,
    /// Number of the first `bytes` that were sent.
    sent: usize,
    rest: OutboxRest,
}

/// The end of a stream, behind the bytes in memory.
#[derive(Default)]
enum OutboxRest {
    /// It was not told yet.
    #[default]
    Open,
    /// END_STREAM with the last byte.
    End,
    /// The trailers.
    Trailers(Fields),
    /// A number of bytes of a source, then END_STREAM.
    Source(u64, ContentSource),
}

/// Fills the front of a buffer, and tells how many bytes; `None` where it fails.
type ContentSource = Box<dyn FnMut(&mut [u8]) -> Option<usize> + Send>;

impl fmt::Debug for OutboxRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutboxRest::Open => f.write_str("Open"),
            OutboxRest::End => f.write_str("End"),
            OutboxRest::Trailers(trailers) => f.debug_tuple("Trailers").field(trailers).finish(),
            OutboxRest::Source(left, _) => f.debug_tuple("Source").field(left).finish(),
        }
    }
}

/// The source of a stream's content has failed.
struct SourceFailed;

impl OutboxContent {
    fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Appends bytes, and forgets those that were sent where they are the larger part.
    fn push(&mut self, bytes: &[u8]) {
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends the content of a granted frame to the output, and gives its length: bytes from memory, or, where none are
    /// left, from the source.
    fn fill(&mut self, connection: &mut Connection, grant: &Grant) -> Result<usize, SourceFailed> {
        let max_len = grant.max_len as usize;
        let output = connection.begin_data(grant);
        let part = self.unsent();
        let part = part.get(..max_len).unwrap_or(part);
        if !part.is_empty() {
            let len = part.len();
            output.extend_from_slice(part);
            self.sent += len;
            return Ok(len);
        }
        let OutboxRest::Source(left @ 1.., source) = &mut self.rest else {
            return Ok(0);
        };
        let most = usize::try_from(*left).map_or(max_len, |left| left.min(max_len));
        let start = output.len();
        output.resize(start + most, 0);
        match source(output.get_mut(start..).unwrap_or_default()) {
            Some(len) if (1..=most).contains(&len) => {
                output.truncate(start + len);
                *left -= len as u64;
                Ok(len)
            }
            _ => Err(SourceFailed),
        }
    }
}

impl OutboxRest {
    /// The end, if there are no bytes in front of it any more. That of a source which is used up is a mere end.
    fn take_if_last(&mut self, unsent: usize) -> Option<OutboxRest> {
        match self {
            OutboxRest::Open | OutboxRest::Source(1.., _) => None,
            _ if unsent > 0 => None,
            OutboxRest::Source(0, _) => Some(OutboxRest::End),
            OutboxRest::End | OutboxRest::Trailers(_) => Some(std::mem::take(self)),
        }
    }
}

impl Outbox {
    /// Puts bytes behind those that wait on a stream, whose head was sent. False where the stream is over: then they are
    /// dropped.
    pub fn push(&mut self, connection: &mut Connection, stream: StreamKey, bytes: &[u8]) -> bool {
        if !connection.contains(stream) {
            return false;
        }
        self.contents.entry(stream).or_default().push(bytes);
        self.waiting += bytes.len();
        self.announce(connection, stream);
        true
    }

    /// Puts the content, the trailers and the end that an event tells of another connection behind the bytes that wait on a
    /// stream: for proxies. Does nothing for other events. False where the stream is over: then the content is dropped, and
    /// may be released where it came from.
    pub fn pass_on(
        &mut self,
        connection: &mut Connection,
        stream: StreamKey,
        event: &Event<'_>,
    ) -> bool {
        match *event {
            Event::Data {
                data, end_stream, ..
            } => {
                let is_taken = self.push(connection, stream, data);
                if end_stream {
                    self.end(connection, stream);
                }
                is_taken
            }
            Event::Trailers { fields, .. } => {
                self.end_with_trailers(connection, stream, fields.clone());
                connection.contains(stream)
            }
            _ => connection.contains(stream),
        }
    }

    /// Ends a stream behind the bytes that wait on it.
    pub fn end(&mut self, connection: &mut Connection, stream: StreamKey) {
        self.end_with(connection, stream, OutboxRest::End);
    }

    /// Ends a stream with trailers (RFC 9113 §8.1) behind the bytes that wait on it.
    pub fn end_with_trailers(
        &mut self,
        connection: &mut Connection,
        stream: StreamKey,
        trailers: Fields,
    ) {
        self.end_with(connection, stream, OutboxRest::Trailers(trailers));
    }

    /// Ends a stream with `len` bytes of a source behind the bytes that wait on it. When the windows are open for more,
    /// the source is lent a buffer, fills the front of it and tells how many bytes: `move |buffer| file.read(buffer).ok()`
    /// is one. Where it gives `None` or no byte, the stream is reset with INTERNAL_ERROR, so that the peer knows that the
    /// content is not whole.
    pub fn end_with_source(
        &mut self,
        connection: &mut Connection,
        stream: StreamKey,
        len: u64,
        source: impl FnMut(&mut [u8]) -> Option<usize> + Send + 'static,
    ) {
        let rest = OutboxRest::Source(len, Box::new(source));
        self.end_with(connection, stream, rest);
    }

    /// Sends a response whose content is at hand: its head by
    /// [`send_response`](Connection::send_response), with `content-length` behind `fields`, and the content as the windows
    /// take it. Without content the head ends the stream.
    ///
    /// # Errors
    /// The head could not be sent, and nothing was. [`Misuse::StreamClosed`] may be chance: the client has reset its
    /// request meanwhile.
    pub fn respond<'f>(
        &mut self,
        connection: &mut Connection,
        stream: StreamKey,
        status: u16,
        fields: impl IntoIterator<Item = Field<'f>>,
        content: &[u8],
    ) -> Result<(), Misuse> {
        if content.is_empty() {
            return connection.send_response(stream, status, fields, true);
        }
        send_head(connection, stream, status, fields, content.len() as u64)?;
        self.push(connection, stream, content);
        self.end(connection, stream);
        Ok(())
    }

    /// Sends a response whose content is `len` bytes of a source: [`respond`](Self::respond) and
    /// [`end_with_source`](Self::end_with_source) in one. The length is told even if it is zero.
    ///
    /// # Errors
    /// As those of [`respond`](Self::respond).
    pub fn respond_with_source<'f>(
        &mut self,
        connection: &mut Connection,
        stream: StreamKey,
        status: u16,
        fields: impl IntoIterator<Item = Field<'f>>,
        len: u64,
        source: impl FnMut(&mut [u8]) -> Option<usize> + Send + 'static,
    ) -> Result<(), Misuse> {
        send_head(connection, stream, status, fields, len)?;
        self.end_with_source(connection, stream, len, source);
        Ok(())
    }

    fn end_with(&mut self, connection: &mut Connection, stream: StreamKey, rest: OutboxRest) {
        if connection.contains(stream) {
            self.contents.entry(stream).or_default().rest = rest;
            self.announce(connection, stream);
        }
    }

    /// Tells the scheduler what a stream has to send.
    fn announce(&self, connection: &mut Connection, stream: StreamKey) {
        let Some(content) = self.contents.get(&stream) else {
            return;
        };
        let unsent = content.unsent().len() as u64;
        let remaining = match content.rest {
            OutboxRest::Open | OutboxRest::Trailers(_) => None,
            OutboxRest::End => Some(unsent),
            OutboxRest::Source(left, _) => Some(unsent.saturating_add(left)),
        };
        connection.set_ready(stream, remaining);
    }

    /// Makes frames of what waits, as far as the windows are open and at most `most` bytes are in the output.
    pub fn fill(&mut self, connection: &mut Connection, most: usize) {
        while let Some(room) = most.checked_sub(connection.output().len())
            && self.send_frame(connection, room).is_some()
        {}
    }

    /// Makes one frame of what waits, if one may go that fits `room` bytes of output with its header. Gives its
    /// stream and the number of bytes that are sent now: a proxy releases as many on the connection that they came
    /// from.
    pub fn send_frame(
        &mut self,
        connection: &mut Connection,
        room: usize,
    ) -> Option<(StreamKey, u32)> {
        loop {
            let grant = connection.poll_grant(room)?;
            let stream = grant.stream;
            let Some(content) = self.contents.get_mut(&stream) else {
                connection.rest(grant);
                continue;
            };
            let waited = content.unsent().len();
            let Ok(len) = content.fill(connection, &grant) else {
                connection.abort(grant);
                connection.reset(stream, ErrorCode::INTERNAL_ERROR);
                self.contents.remove(&stream);
                continue;
            };
            let unsent = content.unsent().len();
            self.waiting -= waited - unsent;
            let rest = content.rest.take_if_last(unsent);
            if len == 0 && rest.is_none() {
                connection.rest(grant);
                continue;
            }
            connection.commit(grant, matches!(rest, Some(OutboxRest::End)));
            if rest.is_some() {
                self.contents.remove(&stream);
            }
            if let Some(OutboxRest::Trailers(trailers)) = rest
                && connection
                    .send_headers(stream, trailers.iter(), true)
                    .is_err()
            {
                // Fields that may not be trailers: the content ends without them.
                self.end(connection, stream);
            }
            return Some((stream, len as u32));
        }
    }

    /// Forgets a stream that was reset, by either side. Gives the number of bytes that waited on it.
    pub fn remove(&mut self, stream: StreamKey) -> usize {
        let content = self.contents.remove(&stream);
        let len = content.map_or(0, |content| content.unsent().len());
        self.waiting -= len;
        len
    }

    /// Number of bytes that wait, of all streams: a program takes nothing more for this peer while they are many.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}

/// The head of a response with content of a known length.
fn send_head<'f>(
    connection: &mut Connection,
    stream: StreamKey,
    status: u16,
    fields: impl IntoIterator<Item = Field<'f>>,
    len: u64,
) -> Result<(), Misuse> {
    let digits = len.to_string();
    let len = Field::new(b"content-length", digits.as_bytes());
    let fields = fields.into_iter().map(|field| Field { ..field });
    connection.send_response(stream, status, fields.chain([len]), false)
}
