//! Bytes on either side of a connection: [`Inbox`] and [`Outbox`].

use super::*;
use crate::h2::{Inbox, Misuse, Outbox};
use crate::http::Field;
use std::sync::Mutex;

/// A client and a server, an inbox in front of each, and what came at the server.
struct BoxedPair {
    client: Connection,
    server: Connection,
    inboxes: [Inbox; 2],
    now: Instant,
    came: Vec<u8>,
    heard: Vec<String>,
}

impl BoxedPair {
    fn new() -> (BoxedPair, StreamKey) {
        let now = Instant::now();
        let mut client = Connection::client(Arc::default(), now);
        let fields: Fields = request("POST", "/").into_iter().collect();
        let stream = client.open(fields.iter(), false, now).unwrap();
        let pair = BoxedPair {
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
                    self.server.release_event(&event).unwrap();
                    match event {
                        Event::Data {
                            data, end_stream, ..
                        } => {
                            self.came.extend_from_slice(data);
                            if end_stream {
                                self.heard.push("end".into());
                            }
                        }
                        Event::Trailers { fields, .. } => self.heard.push(format!("{fields:?}")),
                        Event::StreamReset { stream, code, .. } => {
                            self.heard.push(format!("{} reset {code}", stream.id()));
                        }
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
    let (mut pair, stream) = BoxedPair::new();
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
        let (mut pair, stream) = BoxedPair::new();
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
    let (mut pair, stream) = BoxedPair::new();
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
    let (mut pair, stream) = BoxedPair::new();
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
    let (mut pair, stream) = BoxedPair::new();
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

#[test]
fn a_source_is_read_when_the_windows_are_open_and_ends_the_stream() {
    let (mut pair, stream) = BoxedPair::new();
    let (mut outbox, reads) = (Outbox::default(), Arc::new(Mutex::new(0)));
    let counted = Arc::clone(&reads);
    outbox.push(&mut pair.client, stream, b"in front, ");
    outbox.end_with_source(&mut pair.client, stream, 200_000, move |buffer| {
        // As a file that gives less than what is asked for.
        let len = buffer.len().min(10_000);
        buffer[..len].fill(b'x');
        *counted.lock().unwrap() += len;
        Some(len)
    });
    let mut sent = pair.send(&mut outbox);
    assert_eq!(sent, 65_535);
    assert_eq!(*reads.lock().unwrap(), 65_535 - 10, "a window, and no more");
    assert_eq!(outbox.waiting(), 0);
    while pair.heard.is_empty() {
        pair.carry();
        sent += pair.send(&mut outbox);
    }
    assert_eq!((sent, pair.came.len()), (200_010, 200_010));
    assert!(pair.came.starts_with(b"in front, xxx") && pair.came.ends_with(b"xxx"));
    assert_eq!(pair.heard, ["end"]);
}

#[test]
fn an_empty_source_is_an_end() {
    let (mut pair, stream) = BoxedPair::new();
    let mut outbox = Outbox::default();
    outbox.end_with_source(&mut pair.client, stream, 0, |_| None);
    pair.send(&mut outbox);
    pair.carry();
    assert_eq!(
        (&pair.came[..], &pair.heard[..]),
        (&b""[..], &["end".to_owned()][..])
    );
}

#[test]
fn a_source_that_fails_or_ends_early_resets_its_stream_and_no_other() {
    for failure in [None, Some(0), Some(usize::MAX)] {
        let (mut pair, stream) = BoxedPair::new();
        let other = Fields::request("POST", "http", "localhost", "/other");
        let other = pair.client.open(other.iter(), false, pair.now).unwrap();
        let mut outbox = Outbox::default();
        outbox.push(&mut pair.client, stream, b"half");
        outbox.end_with_source(&mut pair.client, stream, 100, move |_| failure);
        outbox.push(&mut pair.client, other, b" whole");
        outbox.end(&mut pair.client, other);
        assert_eq!(pair.send(&mut outbox), b"half whole".len());
        pair.carry();
        assert_eq!(pair.came, b"half whole");
        assert_eq!(pair.heard, ["1 reset INTERNAL_ERROR", "end"]);
        assert!(!pair.client.contains(stream));
    }
}

#[test]
fn a_response_at_hand_tells_its_length_and_comes_whole() {
    for content in [&b""[..], &[b'x'; 100_000]] {
        let (mut pair, stream) = BoxedPair::new();
        pair.carry();
        let at_server = pair.server.stream(stream.id()).unwrap();
        let (mut outbox, mut inbox) = (Outbox::default(), Inbox::default());
        let kind = [Field::new(b"content-type", b"text/plain")];
        let sent = outbox.respond(&mut pair.server, at_server, 200, kind, content);
        sent.unwrap();
        let (mut came, mut head, mut has_ended) = (0, None, false);
        while !has_ended {
            while outbox.send_frame(&mut pair.server, 64 << 10).is_some() {}
            inbox.buffer().extend(pair.server.take_output());
            while let Some(event) = inbox.next_event(&mut pair.client, pair.now).unwrap() {
                pair.client.release_event(&event).unwrap();
                has_ended |= event.ends_stream();
                match event {
                    Event::Response { fields, .. } => head = Some(fields.clone()),
                    Event::Data { data, .. } => came += data.len(),
                    _ => {}
                }
            }
            let answer = pair.client.take_output();
            let (mut input, mut fields) = (&answer[..], Fields::new());
            while pair
                .server
                .receive(&mut input, &mut fields, pair.now)
                .unwrap()
                .is_some()
            {}
        }
        let head = head.unwrap();
        assert_eq!((head.status(), came), (Some(200), content.len()));
        assert_eq!(head.value("content-type"), Some(&b"text/plain"[..]));
        let len = (!content.is_empty()).then_some(&b"100000"[..]);
        assert_eq!(head.value("content-length"), len);
    }
}

#[test]
fn a_response_to_a_request_that_was_reset_is_a_misuse_and_leaves_nothing() {
    let (mut pair, stream) = BoxedPair::new();
    pair.carry();
    let at_server = pair.server.stream(stream.id()).unwrap();
    pair.server.reset(at_server, ErrorCode::CANCEL);
    let mut outbox = Outbox::default();
    let sent = outbox.respond(&mut pair.server, at_server, 200, [], b"late");
    assert_eq!((sent, outbox.waiting()), (Err(Misuse::StreamClosed), 0));
}

#[test]
fn what_an_event_took_from_the_windows_is_given_back_in_one_go_or_padding_first() {
    let (mut pair, stream) = BoxedPair::new();
    let sent = pair.client.send_padded_data(stream, b"hello", 9, false);
    sent.unwrap();
    let bytes = pair.client.take_output();
    let (mut input, mut fields, mut contents) = (&bytes[..], Fields::new(), 0);
    while let Some(event) = pair
        .server
        .receive(&mut input, &mut fields, pair.now)
        .unwrap()
    {
        let Event::Data {
            stream,
            flow_controlled_len,
            ..
        } = event
        else {
            // There is nothing to give back.
            pair.server.release_event(&event).unwrap();
            pair.server.release_padding(&event).unwrap();
            continue;
        };
        contents += 1;
        assert_eq!(flow_controlled_len, 15);
        pair.server.release_padding(&event).unwrap();
        let held = 5;
        let too_much = Misuse::ReleasedTooMuch { len: 15, held };
        assert_eq!(pair.server.release_event(&event), Err(too_much));
        let too_much = Misuse::ReleasedTooMuch { len: 6, held };
        assert_eq!(pair.server.release(stream, 6), Err(too_much));
        pair.server.release(stream, 5).unwrap();
    }
    assert_eq!(contents, 1);
}
