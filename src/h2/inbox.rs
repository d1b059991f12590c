//! The bytes between a transport that is read in pieces and a connection that takes whole frames.

use std::time::Instant;

use super::connection::Connection;
use super::error::ConnectionError;
use super::event::Event;
use crate::http::Fields;

/// Bytes that were read and not taken yet, and the fields of the last event.
///
/// [`Connection::receive`] takes them from anywhere, and leaves an incomplete frame to its caller; an inbox is the
/// place for that, for users that have none of their own:
///
/// ```
/// # use std::time::Instant;
/// # use calmd::h2::{Connection, Event, Inbox};
/// # let now = Instant::now();
/// # let mut connection = Connection::server(Default::default(), now);
/// # let mut client = Connection::client(Default::default(), now);
/// # client.ping(*b"12345678", now);
/// # let bytes = client.take_output();
/// # let mut pings = 0;
/// let mut inbox = Inbox::default();
/// // Any cut will do: the rest of a frame waits in the inbox.
/// for piece in bytes.chunks(10) {
///     inbox.buffer().extend_from_slice(piece);
///     while let Some(event) = inbox.next_event(&mut connection, now)? {
///         if let Event::Ping { payload } = event {
///             assert_eq!(&payload, b"12345678");
///             # pings += 1;
///         }
///     }
/// }
/// # assert_eq!(pings, 1);
/// # Ok::<_, calmd::h2::ConnectionError>(())
/// ```
///
/// It belongs to one connection. One that waits between two frames holds nothing, so a program may drop it then.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Number of the first `bytes` that were taken.
    taken: usize,
    fields: Fields,
}

impl Inbox {
    /// The buffer to append to what was read. What stands in it already is the beginning of a frame, and stays.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        &mut self.bytes
    }

    /// The next event, by [`Connection::receive`]; `Ok(None)` where more bytes have to come first.
    ///
    /// # Errors
    /// The peer broke a rule of the connection. GOAWAY is in the output: write it, then close the transport.
    pub fn next_event(
        &mut self,
        connection: &mut Connection,
        now: Instant,
    ) -> Result<Option<Event<'_>>, ConnectionError> {
        let mut input = self.bytes.get(self.taken..).unwrap_or_default();
        let before = input.len();
        let event = connection.receive(&mut input, &mut self.fields, now);
        self.taken += before - input.len();
        event
    }

    /// True where no byte waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == self.taken
    }
}
