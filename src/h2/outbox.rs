//! Content on its way out, for users that have it in memory and not in a file.

use std::collections::HashMap;

use super::connection::Connection;
use super::store::StreamKey;
use crate::http::Fields;

/// Content that waits for the windows of its streams, of which each may have any amount, trailers, and an end that
/// is still to come.
///
/// It does what [`Connection::poll_grant`] asks of its caller, in the order that the scheduler has:
///
/// ```
/// # use std::time::Instant;
/// # use calmd::h2::{Connection, Outbox};
/// # use calmd::http::Field;
/// # let now = Instant::now();
/// # let mut connection = Connection::client(Default::default(), now);
/// # let request = [(":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/")];
/// # let request: calmd::http::Fields = request.into_iter().collect();
/// let mut outbox = Outbox::default();
/// let stream = connection.open(request.iter(), false, now)?;
/// outbox.push(&mut connection, stream, &[b'x'; 100_000]);
/// outbox.end(&mut connection, stream);
/// // As much as the windows take: after each event, and before the output is written.
/// while let Some((stream, len)) = outbox.send_frame(&mut connection, 64 << 10) {
///     println!("{len} bytes of {stream:?} are in the output");
/// }
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
    has_ended: bool,
    trailers: Option<Fields>,
}

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

    /// Ends a stream behind the bytes that wait on it.
    pub fn end(&mut self, connection: &mut Connection, stream: StreamKey) {
        self.end_with(connection, stream, None);
    }

    /// Ends a stream with trailers (RFC 9113 §8.1) behind the bytes that wait on it.
    pub fn end_with_trailers(
        &mut self,
        connection: &mut Connection,
        stream: StreamKey,
        trailers: Fields,
    ) {
        self.end_with(connection, stream, Some(trailers));
    }

    fn end_with(
        &mut self,
        connection: &mut Connection,
        stream: StreamKey,
        trailers: Option<Fields>,
    ) {
        if connection.contains(stream) {
            let content = self.contents.entry(stream).or_default();
            content.has_ended = true;
            content.trailers = trailers;
            self.announce(connection, stream);
        }
    }

    /// Tells the scheduler what a stream has to send.
    fn announce(&self, connection: &mut Connection, stream: StreamKey) {
        let Some(content) = self.contents.get(&stream) else {
            return;
        };
        let is_known = content.has_ended && content.trailers.is_none();
        let remaining = is_known.then_some(content.unsent().len() as u64);
        connection.set_ready(stream, remaining);
    }

    /// Makes one frame of what waits, if one may go that fits `room` bytes of output with its header. Gives its stream
    /// and the number of bytes that are sent now: whoever passes content on releases as many where they came from.
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
            let unsent = content.unsent();
            let len = unsent.len().min(grant.max_len as usize);
            if len == 0 && !content.has_ended {
                connection.rest(grant);
                continue;
            }
            let is_last = content.has_ended && len == unsent.len();
            let part = unsent.get(..len).unwrap_or_default();
            connection.begin_data(&grant).extend_from_slice(part);
            content.sent += len;
            self.waiting -= len;
            let trailers = content.trailers.take_if(|_| is_last);
            connection.commit(grant, is_last && trailers.is_none());
            if is_last {
                self.contents.remove(&stream);
            }
            if let Some(trailers) = trailers
                && connection
                    .send_headers(stream, trailers.iter(), true)
                    .is_err()
            {
                // Fields that may not be trailers: the content ends without them.
                connection.set_ready(stream, Some(0));
                self.contents.entry(stream).or_default().has_ended = true;
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
