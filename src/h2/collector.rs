//! Requests that are put together from their events, for users that want them whole.

use std::collections::HashMap;

use super::connection::Connection;
use super::error::ErrorCode;
use super::event::Event;
use super::store::StreamKey;
use crate::http::{Expected, Fields};

/// A request whose last byte has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedRequest {
    /// The stream, which its answer goes on.
    pub stream: StreamKey,
    /// The fields of the request.
    pub fields: Fields,
    /// The content, without padding.
    pub content: Vec<u8>,
    /// The trailer fields, if the request had some.
    pub trailers: Option<Fields>,
}

/// Requests under way, each of which is given when it is whole.
///
/// The content is released as it comes, a client that expects 100 hears it, and what cannot become a whole request is
/// answered here: 413 and RST_STREAM (RFC 9113 §8.1) where there is more content than the limit allows, 431 where its
/// fields are too large, 417 where it expects something else.
///
/// ```
/// # use std::time::Instant;
/// # use calmd::h2::{Connection, Inbox, Outbox, RequestCollector};
/// # use calmd::http::Fields;
/// # let now = Instant::now();
/// # let mut client = Connection::client(Default::default(), now);
/// # let stream = client.open(Fields::request("POST", "http", "x", "/").iter(), false, now)?;
/// # client.send_data(stream, b"hello", true)?;
/// # let mut connection = Connection::server(Default::default(), now);
/// # let mut inbox = Inbox::default();
/// # inbox.buffer().extend(client.take_output());
/// let (mut collector, mut outbox) = (RequestCollector::new(1 << 20), Outbox::default());
/// while let Some(event) = inbox.next_event(&mut connection, now)? {
///     if let Some(request) = collector.receive(&mut connection, &event) {
///         let greeting = [b"You said: ", &request.content[..]].concat();
///         outbox.respond(&mut connection, request.stream, 200, [], &greeting)?;
///     }
/// }
/// # assert_eq!(outbox.waiting(), 15);
/// # Ok::<_, calmd::h2::Error>(())
/// ```
///
/// It belongs to one connection, and holds at most the limit for each stream that the connection allows at a time.
#[derive(Debug)]
pub struct RequestCollector {
    max_len: usize,
    requests: HashMap<StreamKey, CollectedRequest>,
}

impl RequestCollector {
    /// A collector of requests with up to `max_len` bytes of content each.
    pub fn new(max_len: usize) -> Self {
        RequestCollector {
            max_len,
            requests: HashMap::new(),
        }
    }

    /// Takes an event, any one, and gives the request that is whole with it.
    pub fn receive(
        &mut self,
        connection: &mut Connection,
        event: &Event<'_>,
    ) -> Option<CollectedRequest> {
        let stream = event.stream()?;
        match *event {
            Event::Request {
                fields,
                end_stream,
                expected,
                ..
            } => {
                match expected {
                    Expected::Unknown => return refuse(connection, stream, 417),
                    Expected::Continue if !end_stream => {
                        // Fails where the user has answered already, and then the client needs no leave.
                        let _ = connection.send_informational(stream, 100, []);
                    }
                    Expected::Continue | Expected::Nothing => {}
                }
                let request = CollectedRequest {
                    stream,
                    fields: fields.clone(),
                    content: Vec::new(),
                    trailers: None,
                };
                self.requests.insert(stream, request);
            }
            Event::HeadersTooLarge { .. } => return refuse(connection, stream, 431),
            Event::Data { data, .. } => {
                let request = self.requests.get_mut(&stream)?;
                // Fails where the user has released it already.
                let _ = connection.release_event(event);
                if request.content.len() + data.len() > self.max_len {
                    self.requests.remove(&stream);
                    return refuse(connection, stream, 413);
                }
                request.content.extend_from_slice(data);
            }
            Event::Trailers { fields, .. } => {
                self.requests.get_mut(&stream)?.trailers = Some(fields.clone());
            }
            Event::StreamReset { .. } => {
                self.requests.remove(&stream);
            }
            _ => {}
        }
        event
            .ends_stream()
            .then(|| self.requests.remove(&stream))
            .flatten()
    }
}

/// Answers a request that will not be whole, and takes nothing more of it.
fn refuse(connection: &mut Connection, stream: StreamKey, status: u16) -> Option<CollectedRequest> {
    // Fails where the user has answered already.
    let _ = connection.send_response(stream, status, [], true);
    connection.reset(stream, ErrorCode::NO_ERROR);
    None
}
