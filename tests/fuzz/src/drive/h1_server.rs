//! An HTTP/1.1 connection between a peer and a user that both do anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::h1::{BodyLength, Config, Connection, Event, Scheme};
use super::super::http::field::{Field, Fields};
use super::script::Script;

/// Pieces of requests, so that scripts get past the parser.
const PIECES: [&[u8]; 32] = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\n",
    b"HEAD /a HTTP/1.0\r\n",
    b"GET ",
    b"OPTIONS * ",
    b"http://b/?c ",
    b"/ ",
    b"HTTP/1.1\r\n",
    b"HTTP/1.0\r\n",
    b"Host: a\r\n",
    b"Host: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 18446744073709551615\r\n",
    b"Content-Length: 0\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, x\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    b"Expect: 100-continue\r\n",
    b"TE: trailers\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b" ",
    b"\t:",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"0\r\nX: y\r\n\r\n",
    b"hello",
    b"5;a=\"b\"\r\n",
    b"ffffffffffffffff\r\n",
];

pub fn drive(input: &[u8]) {
    let whole = H1ServerRun::new(input, false).play(input);
    let pieces = H1ServerRun::new(input, true).play(input);
    assert_eq!(whole.events, pieces.events, "the cuts make a difference");
    assert_eq!(whole.sent, pieces.sent, "the cuts make a difference");
    assert_eq!(
        whole.connection.wants_close(),
        pieces.connection.wants_close()
    );
}

struct H1ServerRun {
    connection: Connection,
    limits: Config,
    pending: Vec<u8>,
    input: Vec<u8>,
    fields: Fields,
    now: Instant,
    piece: usize,
    events: Vec<String>,
    sent: Vec<u8>,
    closed: bool,
    /// True after the peer has ended its side: no more input may come from it.
    finished: bool,
}

impl H1ServerRun {
    fn new(input: &[u8], cut: bool) -> Self {
        let mut script = Script::new(input);
        let bits = script.byte();
        let piece = 1 + script.below(40);
        let mut config = Config::default();
        if bits & 1 != 0 {
            config.request_line_bytes = 40;
            config.head_bytes = 120;
            config.head_fields = 3;
            config.head_crumbs = 2;
            config.chunk_extension_bytes = 8;
            config.drain_bytes = 12;
            config.keep_alive_requests = 3;
        }
        let now = Instant::now();
        let scheme = if bits & 2 != 0 {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let mut connection = Connection::new(Arc::new(config.clone()), scheme, now);
        if bits & 4 != 0 {
            connection.report_h2c();
        }
        H1ServerRun {
            connection,
            limits: config,
            pending: Vec::new(),
            input: Vec::new(),
            fields: Fields::new(),
            now,
            piece: if cut { piece } else { usize::MAX },
            events: Vec::new(),
            sent: Vec::new(),
            closed: false,
            finished: false,
        }
    }

    fn play(mut self, input: &[u8]) -> Self {
        let mut script = Script::new(input);
        script.take(2);
        while !script.is_empty() {
            match script.byte() {
                choice @ 0..=159 => {
                    self.pending
                        .extend_from_slice(PIECES[usize::from(choice) % PIECES.len()]);
                }
                160..=179 => self.pending.extend_from_slice(script.bytes()),
                180..=183 => {
                    let len = usize::from(script.short()) % 9_000;
                    self.pending.resize(self.pending.len() + len, script.byte());
                }
                choice => {
                    self.deliver();
                    self.command(choice - 184, &mut script);
                    self.check();
                }
            }
        }
        self.deliver();
        let _ = self.connection.finish_input();
        self.check();
        self.take();
        self
    }

    fn deliver(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        if self.finished {
            pending.clear();
        }
        for piece in pending.chunks(self.piece.min(pending.len()).max(1)) {
            self.input.extend_from_slice(piece);
            self.receive();
        }
        if pending.is_empty() {
            self.receive();
        }
        self.check();
    }

    fn receive(&mut self) {
        let before = self.connection.output().len();
        let mut rest = &self.input[..];
        loop {
            match self
                .connection
                .receive(&mut rest, &mut self.fields, self.now)
            {
                Ok(Some(event)) => {
                    assert!(!self.closed, "{event:?} of a closed connection");
                    if let Event::Request { fields, .. } = &event {
                        // A head's pseudo-header fields are not among the fields that are counted.
                        let crumbs = fields.values("cookie").count();
                        assert!(crumbs <= self.limits.head_crumbs);
                        assert!(fields.len() - crumbs <= self.limits.head_fields + 4);
                    }
                    note(&mut self.events, &event);
                }
                Ok(None) => break,
                Err(error) => {
                    self.events.push(format!("{error:?}"));
                    assert!(self.connection.wants_close());
                    break;
                }
            }
        }
        if self.connection.wants_input() {
            let longest = self
                .limits
                .head_bytes
                .max(self.limits.chunk_extension_bytes)
                + 64;
            assert!(
                rest.len() <= longest,
                "{} bytes are left to their caller",
                rest.len()
            );
        }
        let left = rest.len();
        self.input.drain(..self.input.len() - left);
        // The output is shorter if content was begun and not committed, because an error takes it back.
        let answer = self.connection.output().len().saturating_sub(before);
        assert!(answer < 1_000, "{answer} bytes for an error");
    }

    fn command(&mut self, choice: u8, script: &mut Script<'_>) {
        let connection = &mut self.connection;
        match choice % 24 {
            0..=5 => {
                let status = script.one_of(&[200, 200, 404, 204, 304, 100, 103]);
                let length = match script.byte() % 4 {
                    0 => BodyLength::None,
                    1 => BodyLength::Unknown,
                    _ => BodyLength::Known(script.byte().into()),
                };
                let fields = [
                    Field::new(b"server", b"calmd"),
                    Field::new(b"connection", b"x"),
                ];
                connection.send_head(status, fields, length);
            }
            6..=11 => {
                let len = script.byte().into();
                let output = connection.begin_data(len);
                output.resize(output.len() + len, b'c');
                connection.commit(script.flag(), self.now);
            }
            12 => drop(connection.begin_data(script.byte().into())),
            13 => connection.commit(script.flag(), self.now),
            14 => connection.send_continue(),
            15 => connection.discard_body(),
            16 => connection.pause_input(self.now),
            17 => self.now += Duration::from_millis(script.short().into()),
            18 => {
                if let Some(deadline) = connection.next_deadline() {
                    self.now = self.now.max(deadline);
                }
                if let Err(error) = connection.handle_timeout(self.now) {
                    self.events.push(format!("{error:?}"));
                }
                let next = connection.next_deadline();
                assert!(
                    next.is_none_or(|deadline| deadline > self.now),
                    "the deadline stays"
                );
            }
            19 => self.take(),
            20 => match script.byte() {
                0..=63 => connection.shutdown(),
                64..=127 => connection.refuse(413),
                128..=191 => connection.abort(),
                _ => connection.switch_protocols(),
            },
            21 => {
                self.finished = true;
                let end = connection.finish_input();
                self.events.push(format!("{end:?}"));
            }
            _ => connection.send_head(200, [], BodyLength::Known(0)),
        }
    }

    fn check(&mut self) {
        let connection = &self.connection;
        if connection.wants_close() {
            assert!(!connection.is_idle() && !connection.wants_input());
            assert_eq!(connection.next_deadline(), None);
        } else {
            assert!(!self.closed, "a closed connection lives again");
        }
        self.closed = connection.wants_close();
    }

    fn take(&mut self) {
        self.sent.append(&mut self.connection.take_output());
    }
}

/// Notes events as text, without the division of a body's content into pieces. The end of a body is a
/// line of its own, so that no content can look like it.
fn note(events: &mut Vec<String>, event: &Event<'_>) {
    match event {
        Event::Data { data, end_stream } => {
            let text = data.escape_ascii();
            match events.last_mut() {
                Some(last) if last.starts_with("data ") => *last += &text.to_string(),
                _ => events.push(format!("data {text}")),
            }
            if *end_stream {
                events.push("end".to_owned());
            }
        }
        event => events.push(format!("{event:?}")),
    }
}
