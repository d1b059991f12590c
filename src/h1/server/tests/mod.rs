//! Tests of the connection as a whole: bytes in, events and bytes out.

mod bodies;
mod chunk_lines;
mod deadlines;
mod limits;
#[path = "../../../../tests/it/h1/malformed.rs"]
mod malformed;
mod persistence;
mod random;
mod recut;
mod refusals;
mod requests;
mod responses;
mod upgrade;

use crate::h1::{BodyLength, Config, Connection, Error, Event, Scheme};
use crate::http::{Field, Fields};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A caller of a connection, with the peer's bytes and the events that they caused.
struct TestCaller {
    connection: Connection,
    /// Input that was not consumed.
    input: Vec<u8>,
    fields: Fields,
    now: Instant,
    /// One line for each event; data of one body is joined.
    events: Vec<String>,
    /// All output.
    output: Vec<u8>,
}

impl TestCaller {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let now = Instant::now();
        TestCaller {
            connection: Connection::new(Arc::new(config), Scheme::Http, now),
            input: Vec::new(),
            fields: Fields::new(),
            now,
            events: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Offers the input and notes one event. False if there was none.
    fn step(&mut self) -> Result<bool, Error> {
        let mut rest = self.input.as_slice();
        let event = self
            .connection
            .receive(&mut rest, &mut self.fields, self.now);
        let received = match event {
            Ok(Some(event)) => {
                note(&mut self.events, &event);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        let consumed = self.input.len() - rest.len();
        self.input.drain(..consumed);
        self.collect();
        received
    }

    /// Receives these bytes and answers nothing.
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.input.extend_from_slice(bytes);
        while self.step()? {}
        Ok(())
    }

    /// Receives these bytes and answers each complete request with its own path.
    fn serve(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.input.extend_from_slice(bytes);
        loop {
            if !self.step()? {
                return Ok(());
            }
            let complete = self
                .events
                .last()
                .is_some_and(|event| event.ends_with(" end"));
            if complete && self.connection.awaiting_response() {
                let mut requests = self.events.iter().filter(|event| event.contains(" http "));
                let request = requests.next_back().expect("a request was noted").clone();
                let path = request.split(' ').nth(3).unwrap_or_default();
                self.respond(200, path.as_bytes());
            } else if self.connection.awaiting_response() {
                self.connection.send_continue();
            }
        }
    }

    /// Sends a response of known length.
    fn respond(&mut self, status: u16, content: &[u8]) {
        let length = BodyLength::Known(content.len() as u64);
        self.connection.send_head(status, None, length);
        self.send(content, true);
        self.collect();
    }

    fn respond_with(&mut self, status: u16, fields: &[(&str, &str)], length: BodyLength) {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
        self.connection.send_head(status, fields, length);
        self.collect();
    }

    /// Appends content to the response.
    fn send(&mut self, content: &[u8], end: bool) {
        let out = self.connection.begin_data(content.len());
        out.extend_from_slice(content);
        self.connection.commit(end, self.now);
        self.collect();
    }

    fn collect(&mut self) {
        self.output.append(&mut self.connection.take_output());
    }

    /// The output since the last call.
    fn sent(&mut self) -> String {
        self.collect();
        String::from_utf8_lossy(&std::mem::take(&mut self.output)).into_owned()
    }

    /// The events since the last call.
    fn events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }

    /// Lets time pass up to the next deadline, and deals with it.
    fn expire(&mut self) -> (Duration, Result<(), Error>) {
        let deadline = self.connection.next_deadline().expect("a deadline is set");
        let waited = deadline - self.now;
        self.now = deadline;
        let result = self.connection.handle_timeout(self.now);
        self.collect();
        (waited, result)
    }
}

/// `METHOD SCHEME AUTHORITY PATH | name: value … end`, `data … end`, `trailers … end`.
fn note(events: &mut Vec<String>, event: &Event<'_>) {
    let end = |ends: bool| if ends { " end" } else { "" };
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match event {
        Event::Request {
            fields,
            end_stream,
            expects_continue,
            upgrade,
        } => {
            let pseudo = [
                fields.method(),
                fields.scheme(),
                fields.pseudo(crate::http::Pseudo::Authority),
                fields.path(),
            ];
            let mut line = pseudo.map(|value| text(value.unwrap_or(b"-"))).join(" ");
            for field in fields.regular() {
                line += &format!(" | {field:?}");
            }
            if *expects_continue {
                line += " (expects 100)";
            }
            if let Some(upgrade) = upgrade {
                line += &format!(" (h2c {})", text(upgrade.settings));
            }
            events.push(line + end(*end_stream));
        }
        Event::Data { data, end_stream } => {
            match events.last_mut() {
                Some(last) if last.starts_with("data ") && !last.ends_with(" end") => {
                    *last += &text(data);
                }
                _ => events.push(format!("data {}", text(data))),
            }
            let last = events.last_mut().expect("one was pushed");
            *last += end(*end_stream);
        }
        Event::Trailers { fields } => {
            let fields: Vec<String> = fields.iter().map(|field| format!("{field:?}")).collect();
            events.push(format!("trailers {} end", fields.join(" | ")));
        }
    }
}

#[test]
fn a_connection_is_small_and_holds_no_buffer() {
    let size = std::mem::size_of::<Connection>();
    assert!(size <= 144, "{size} bytes");
    let mut caller = TestCaller::new();
    caller.serve(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(caller.connection.output().capacity(), 0);
    assert!(caller.connection.is_idle());
}
