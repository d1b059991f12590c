//! Requests that are put together: [`RequestCollector`].

use super::*;
use crate::h2::{CollectedRequest, RequestCollector};
use crate::http::Field;

/// A client, and a server that collects requests of up to twenty bytes.
struct CollectedPair {
    client: Connection,
    server: Connection,
    collector: RequestCollector,
    now: Instant,
}

impl CollectedPair {
    fn new() -> Self {
        let now = Instant::now();
        CollectedPair {
            client: Connection::client(Arc::default(), now),
            server: Connection::server(Arc::default(), now),
            collector: RequestCollector::new(20),
            now,
        }
    }

    fn open(&mut self, field: Option<(&str, &str)>, end_stream: bool) -> StreamKey {
        let mut request = Fields::request("POST", "https", "localhost", "/");
        if let Some((name, value)) = field {
            request.push(name.as_bytes(), value.as_bytes());
        }
        let opened = self.client.open(request.iter(), end_stream, self.now);
        opened.unwrap()
    }

    /// Carries the client's bytes to the server, and gives what became whole.
    fn carry(&mut self) -> Vec<CollectedRequest> {
        let bytes = self.client.take_output();
        let (mut input, mut fields, mut whole) = (&bytes[..], Fields::new(), Vec::new());
        while let Some(event) = self
            .server
            .receive(&mut input, &mut fields, self.now)
            .unwrap()
        {
            whole.extend(self.collector.receive(&mut self.server, &event));
        }
        whole
    }

    /// The statuses and resets that the client hears.
    fn heard(&mut self) -> Vec<String> {
        let bytes = self.server.take_output();
        let (mut input, mut fields, mut heard) = (&bytes[..], Fields::new(), Vec::new());
        while let Some(event) = self
            .client
            .receive(&mut input, &mut fields, self.now)
            .unwrap()
        {
            match event {
                Event::Response { fields, .. } | Event::Informational { fields, .. } => {
                    heard.push(fields.status().unwrap().to_string());
                }
                Event::StreamReset { code, .. } => heard.push(code.to_string()),
                _ => {}
            }
        }
        heard
    }
}

#[test]
fn requests_are_given_when_their_last_byte_has_come() {
    let mut pair = CollectedPair::new();
    let (first, second) = (pair.open(None, false), pair.open(None, true));
    pair.client.send_data(first, b"hello ", false).unwrap();
    let whole = pair.carry();
    assert_eq!(whole.len(), 1, "the second has no content");
    assert_eq!(whole[0].stream.id(), second.id());
    assert_eq!(
        (&whole[0].content[..], &whole[0].trailers),
        (&b""[..], &None)
    );
    pair.client
        .send_padded_data(first, b"you", 40, true)
        .unwrap();
    let whole = pair.carry();
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0].stream.id(), first.id());
    assert_eq!(whole[0].fields.path(), Some(&b"/"[..]));
    assert_eq!(whole[0].content, b"hello you");
    assert!(pair.heard().is_empty(), "its answer is the user's");
}

#[test]
fn trailers_end_a_request_and_are_kept() {
    let mut pair = CollectedPair::new();
    let stream = pair.open(None, false);
    pair.client.send_data(stream, b"hello", false).unwrap();
    let trailers = [Field::new(b"x-sum", b"12")];
    pair.client.send_headers(stream, trailers, true).unwrap();
    let whole = pair.carry();
    let trailers = whole[0].trailers.as_ref().unwrap();
    assert_eq!(trailers.value("x-sum"), Some(&b"12"[..]));
    assert_eq!(whole[0].content, b"hello");
}

#[test]
fn a_client_that_waits_for_100_hears_it_and_one_with_another_expectation_417() {
    let mut pair = CollectedPair::new();
    let stream = pair.open(Some(("expect", "100-continue")), false);
    assert!(pair.carry().is_empty());
    assert_eq!(pair.heard(), ["100"]);
    pair.client.send_data(stream, b"hello", true).unwrap();
    assert_eq!(pair.carry().len(), 1);
    pair.open(Some(("expect", "miracles")), false);
    assert!(pair.carry().is_empty());
    assert_eq!(pair.heard(), ["417", "NO_ERROR"]);
}

#[test]
fn more_content_than_is_allowed_is_answered_413_and_the_rest_is_not_taken() {
    let mut pair = CollectedPair::new();
    let (first, second) = (pair.open(None, false), pair.open(None, false));
    pair.client.send_data(first, &[b'x'; 20], false).unwrap();
    pair.client.send_data(second, &[b'x'; 20], true).unwrap();
    assert_eq!(pair.carry().len(), 1, "twenty bytes are allowed");
    pair.client.send_data(first, b"x", false).unwrap();
    assert!(pair.carry().is_empty());
    // What is on its way meanwhile is not collected.
    pair.client.send_data(first, b"more", false).unwrap();
    assert!(pair.carry().is_empty());
    assert_eq!(pair.heard(), ["413", "NO_ERROR"]);
}

#[test]
fn a_request_with_too_many_fields_is_answered_431() {
    let mut pair = CollectedPair::new();
    pair.open(Some(("cookie", &"x".repeat(40_000))), false);
    assert!(pair.carry().is_empty());
    assert_eq!(pair.heard(), ["431", "NO_ERROR"]);
}

#[test]
fn a_request_that_is_reset_is_forgotten() {
    let mut pair = CollectedPair::new();
    let stream = pair.open(None, false);
    pair.client.send_data(stream, b"hello", false).unwrap();
    pair.carry();
    pair.client.reset(stream, ErrorCode::CANCEL);
    assert!(pair.carry().is_empty());
    assert!(format!("{:?}", pair.collector).contains("requests: {}"));
}
