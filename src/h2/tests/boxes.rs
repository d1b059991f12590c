//! Bytes on either side of a connection: [`Inbox`] and [`Outbox`].

use super::*;
use crate::h2::{Inbox, Misuse, Outbox};

/// A client and a server, an inbox in front of each, and what came at the server.
struct Pair {
    client: Connection,
    server: Connection,
    inboxes: [Inbox; 2],
    now: Instant,
    came: Vec<u8>,
    heard: Vec<String>,
}

impl Pair {
    fn new() -> (Pair, StreamKey) {
        let now = Instant::now();
        let mut client = Connection::client(Arc::default(), now);
        let fields: Fields = request("POST", "/").into_iter().collect();
        let stream = client.open(fields.iter(), false, now).unwrap();
        let pair = Pair {
            client,
            server: Connection::server(Arc::default(), now),
            inboxes: Default::default(),
            now,
            came: Vec::new(),
            heard: Vec::new(),
        };
        (pair, stream)
    }

    /// Carries all bytes both ways, in pieces of seven, until none is left.
    fn carry(&mut self) {
        loop {
            let (there, back) = (self.client.take_output(), self.server.take_output());
            if there.is_empty() && back.is_empty() {
                break;
            }
            for piece in there.chunks(7) {
                self.inboxes[0].buffer().extend_from_slice(piece);
                while let Some(event) = self.inboxes[0]
                    .next_event(&mut self.server, self.now)
                    .unwrap()
                {
                    match event {
                        Event::Data {
                            stream,
                            data,
                            flow_controlled_len,
                            end_stream,
                        } => {
                            self.came.extend_from_slice(data);
                            self.server.release(stream, flow_controlled_len).unwrap();
                            if end_stream {
                                self.heard.push("end".into());
                            }
                        }
                        Event::Trailers { fields, .. } => self.heard.push(format!("{fields:?}")),
                        _ => {}
                    }
                }
            }
            self.inboxes[1].buffer().extend_from_slice(&back);
            while self.inboxes[1]
                .next_event(&mut self.client, self.now)
                .unwrap()
                .is_some()
            {}
        }
        assert!(self.inboxes.iter().all(Inbox::is_empty));
    }

    fn send(&mut self, outbox: &mut Outbox) -> usize {
        let mut sent = 0;
        while let Some((_, len)) = outbox.send_frame(&mut self.client, 64 << 10) {
            sent += len as usize;
        }
        sent
    }
}

#[test]
fn content_of_several_windows_comes_whole_and_ends() {
    let (mut pair, stream) = Pair::new();
    let content: Vec<u8> = (0..300_000).map(|i| (i * 7) as u8).collect();
    let (mut outbox, mut sent) = (Outbox::default(), 0);
    for part in content.chunks(70_000) {
        assert!(outbox.push(&mut pair.client, stream, part));
        sent += pair.send(&mut outbox);
        pair.carry();
        assert_eq!(pair.came.len(), sent);
    }
    outbox.end(&mut pair.client, stream);
    while outbox.waiting() > 0 || pair.heard.is_empty() {
        let more = pair.send(&mut outbox);
        sent += more;
        pair.carry();
        assert!(more > 0 || !pair.heard.is_empty(), "it comes to an end");
    }
    assert_eq!((sent, pair.came.len()), (content.len(), content.len()));
    assert!(pair.came == content);
    assert_eq!(pair.heard, ["end"]);
}

#[test]
fn trailers_follow_the_last_byte_and_end_the_stream() {
    for content in [&b""[..], b"hello"] {
        let (mut pair, stream) = Pair::new();
        let mut outbox = Outbox::default();
        outbox.push(&mut pair.client, stream, content);
        let trailers: Fields = [("x-sum", "none")].into_iter().collect();
        outbox.end_with_trailers(&mut pair.client, stream, trailers);
        assert_eq!(pair.send(&mut outbox), content.len());
        pair.carry();
        assert_eq!(pair.came, content);
        assert_eq!(pair.heard, ["[x-sum: none]"]);
    }
}

#[test]
fn fields_that_are_no_trailers_leave_an_end_without_them() {
    let (mut pair, stream) = Pair::new();
    let mut outbox = Outbox::default();
    outbox.push(&mut pair.client, stream, b"hello");
    let trailers: Fields = [("x-sum\r\n", "none")].into_iter().collect();
    outbox.end_with_trailers(&mut pair.client, stream, trailers);
    pair.send(&mut outbox);
    pair.carry();
    assert_eq!(
        (&pair.came[..], pair.heard),
        (&b"hello"[..], vec!["end".to_owned()])
    );
}

#[test]
fn what_waits_on_a_stream_that_is_reset_is_forgotten() {
    let (mut pair, stream) = Pair::new();
    let mut outbox = Outbox::default();
    assert!(outbox.push(&mut pair.client, stream, &[0; 100_000]));
    assert_eq!(pair.send(&mut outbox), 65_535);
    pair.client.reset(stream, ErrorCode::CANCEL);
    assert_eq!(outbox.remove(stream), 100_000 - 65_535);
    assert_eq!((outbox.waiting(), outbox.remove(stream)), (0, 0));
    assert!(!outbox.push(&mut pair.client, stream, b"late"));
    assert_eq!(outbox.waiting(), 0);
}

#[test]
fn a_response_takes_its_status_as_a_number_of_a_final_one() {
    let (mut pair, stream) = Pair::new();
    pair.carry();
    let at_server = pair.server.stream(stream.id()).unwrap();
    for status in [0, 100, 199, 1_000] {
        let sent = pair.server.send_response(at_server, status, [], false);
        assert_eq!(sent, Err(Misuse::InvalidValue), "{status}");
    }
    assert_eq!(
        pair.client.send_response(stream, 200, [], false),
        Err(Misuse::WrongRole)
    );
    pair.server.send_response(at_server, 404, [], true).unwrap();
    let output = pair.server.take_output();
    let (mut input, mut fields) = (&output[..], Fields::new());
    let event = pair.client.receive(&mut input, &mut fields, pair.now);
    assert!(
        matches!(event, Ok(Some(Event::Response { fields, end_stream: true, .. })) if fields.status() == Some(404))
    );
}
