//! Tests of the client's role: its requests, and its events for the bytes of servers.

mod chunk_lines;
mod deadlines;
mod framing;
mod limits;
mod malformed;
mod recut;
mod requests;
mod roles;

use super::{ClientConfig, ClientConnection, ResponseError, ResponseEvent, Unsendable};
use crate::h1::{BodyLength, Version};
use crate::http::{Field, Fields};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A user of a client's connection, with the server's bytes and the events that they caused.
struct Asker {
    connection: ClientConnection,
    /// Input that was not consumed.
    input: Vec<u8>,
    fields: Fields,
    now: Instant,
    /// One line for each event; the data of one response is joined.
    events: Vec<String>,
}

impl Asker {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut config = ClientConfig::default();
        change(&mut config);
        let now = Instant::now();
        Asker {
            connection: ClientConnection::new(Arc::new(config), now),
            input: Vec::new(),
            fields: Fields::new(),
            now,
            events: Vec::new(),
        }
    }

    /// A user whose request without content is sent.
    fn asking(method: &str) -> Self {
        let mut asker = Self::new();
        asker.ask(method, &[], BodyLength::None).expect("idle");
        asker.sent();
        asker
    }

    fn ask(
        &mut self,
        method: &str,
        fields: &[(&str, &str)],
        length: BodyLength,
    ) -> Result<(), Unsendable> {
        let mut head = vec![(":method", method)];
        match method {
            "CONNECT" => head.push((":authority", "a:443")),
            _ => head.extend([(":authority", "a"), (":path", "/")]),
        }
        head.extend(fields);
        self.ask_with(&head, length)
    }

    /// A request of these fields alone.
    fn ask_with(&mut self, fields: &[(&str, &str)], length: BodyLength) -> Result<(), Unsendable> {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
        self.connection.send_request(fields, length, self.now)
    }

    fn send(&mut self, content: &[u8], end: bool) {
        let out = self.connection.begin_data(content.len());
        out.extend_from_slice(content);
        self.connection.commit(end, self.now);
    }

    /// The output since the last call.
    fn sent(&mut self) -> String {
        String::from_utf8_lossy(&self.connection.take_output()).into_owned()
    }

    /// Receives these bytes.
    fn receive(&mut self, bytes: &[u8]) -> Result<(), ResponseError> {
        self.input.extend_from_slice(bytes);
        let mut rest = self.input.as_slice();
        let received = loop {
            let event = self
                .connection
                .receive(&mut rest, &mut self.fields, self.now);
            match event {
                Ok(Some(event)) => note(&mut self.events, &event),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let consumed = self.input.len() - rest.len();
        self.input.drain(..consumed);
        received
    }

    /// The server ends its side.
    fn finish(&mut self) -> Result<(), ResponseError> {
        self.connection.finish_input();
        self.receive(b"")
    }

    /// The events since the last call.
    fn events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }

    /// Lets time pass up to the next deadline, and deals with it.
    fn expire(&mut self) -> (Duration, Result<(), ResponseError>) {
        let deadline = self.connection.next_deadline().expect("a deadline is set");
        let waited = deadline - self.now;
        self.now = deadline;
        (waited, self.connection.handle_timeout(self.now))
    }
}

/// `STATUS | name: value … end`, `data … end`, `trailers … end`, and heads that are not final with their
/// kind in front.
fn note(events: &mut Vec<String>, event: &ResponseEvent<'_>) {
    let end = |ends: bool| if ends { " end" } else { "" };
    let head = |fields: &Fields| {
        let status = fields.status().expect("a status");
        let regular = fields.regular().map(|field| format!(" | {field:?}"));
        status.to_string() + &regular.collect::<String>()
    };
    match event {
        ResponseEvent::Informational { fields } => {
            events.push(format!("informational {}", head(fields)));
        }
        ResponseEvent::Response {
            fields,
            version,
            end_stream,
        } => {
            let version = match version {
                Version::Http10 => "1.0 ",
                Version::Http11 => "",
            };
            events.push(format!("{version}{}{}", head(fields), end(*end_stream)));
        }
        ResponseEvent::Data { data, end_stream } => {
            let text = data.escape_ascii().to_string();
            match events.last_mut() {
                Some(last) if last.starts_with("data ") && !last.ends_with(" end") => {
                    *last += &text
                }
                _ => events.push(format!("data {text}")),
            }
            let last = events.last_mut().expect("one was pushed");
            *last += end(*end_stream);
        }
        ResponseEvent::Trailers { fields } => {
            let fields: Vec<String> = fields.iter().map(|field| format!("{field:?}")).collect();
            events.push(format!("trailers {} end", fields.join(" | ")));
        }
        ResponseEvent::Switched { fields } => events.push(format!("switched {}", head(fields))),
    }
}

#[test]
fn a_connection_is_small_and_holds_no_buffer() {
    let size = std::mem::size_of::<ClientConnection>();
    assert!(size <= 144, "{size} bytes");
    let mut asker = Asker::asking("GET");
    asker
        .receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    assert_eq!(asker.connection.output().capacity(), 0);
    assert!(asker.connection.is_idle());
}
