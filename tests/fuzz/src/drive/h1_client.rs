//! An HTTP/1.1 client between a server that does anything and a user that does anything, and between our
//! own server and that user.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::h1::{
    BodyLength, ClientConfig, ClientConnection, Config, Connection, Event, ResponseEvent, Scheme,
};
use super::super::http::field::{Field, Fields};
use super::script::Script;

/// Pieces of responses, so that scripts come far.
const PIECES: [&[u8]; 32] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 \r\nLink: a\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 204\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.",
    b"HTTP/2",
    b"9 404 ",
    b"Content-Length: 5\r\n",
    b"Content-Length: 18446744073709551615\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, x\r\n",
    b"Connection: ,,,,\r\n",
    b"X: y\r\n",
    b"Set-Cookie: a=b\r\n",
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

/// Each script is run twice, with the server's bytes whole and in pieces, and the events and the output
/// are the same; then its requests are sent to our server.
pub fn drive(input: &[u8]) {
    let whole = H1ClientRun::new(input, false).play(input);
    let pieces = H1ClientRun::new(input, true).play(input);
    assert_eq!(whole.events, pieces.events, "the cuts make a difference");
    assert_eq!(whole.sent, pieces.sent, "the cuts make a difference");
    assert_eq!(
        whole.connection.wants_close(),
        pieces.connection.wants_close()
    );
    converse(input);
}

struct H1ClientRun {
    connection: ClientConnection,
    limits: ClientConfig,
    pending: Vec<u8>,
    input: Vec<u8>,
    fields: Fields,
    now: Instant,
    piece: usize,
    events: Vec<String>,
    sent: Vec<u8>,
    closed: bool,
    /// The server has ended its side: nothing more may come from it.
    finished: bool,
}

impl H1ClientRun {
    fn new(input: &[u8], cut: bool) -> Self {
        let mut script = Script::new(input);
        let bits = script.byte();
        let piece = 1 + script.below(40);
        let mut limits = ClientConfig::default();
        if bits & 1 != 0 {
            limits.head_bytes = 120;
            limits.head_fields = 3;
            limits.informational = 1;
            limits.chunk_extension_bytes = 8;
        }
        let now = Instant::now();
        H1ClientRun {
            connection: ClientConnection::new(Arc::new(limits.clone()), now),
            limits,
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
        self.finish();
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

    fn finish(&mut self) {
        self.deliver();
        self.finished = true;
        self.connection.finish_input();
        self.receive();
    }

    fn receive(&mut self) {
        let mut rest = &self.input[..];
        loop {
            let event = self
                .connection
                .receive(&mut rest, &mut self.fields, self.now);
            match event {
                Ok(Some(event)) => {
                    assert!(!self.closed, "{event:?} of a closed connection");
                    if let ResponseEvent::Response { fields, .. } = &event {
                        // `:status` is not among the fields that are counted.
                        assert!(fields.len() <= self.limits.head_fields + 1);
                        assert!(fields.status().is_some_and(|status| status >= 200));
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
        let left = rest.len();
        let tunnel = self.connection.is_tunnel();
        if !tunnel && !self.connection.wants_close() {
            // At the limit stands a carriage return whose line feed would be the byte too many.
            assert!(left <= self.limits.head_bytes, "{left} bytes are left");
        }
        let consumed = if tunnel { 0 } else { self.input.len() - left };
        if tunnel {
            // They are the tunnel's, which nobody reads here.
            self.input.clear();
        }
        self.input.drain(..consumed);
    }

    fn command(&mut self, choice: u8, script: &mut Script<'_>) {
        let connection = &mut self.connection;
        match choice % 20 {
            0..=5 => {
                let (head, length) = request(script);
                let sent = connection.send_request(head.iter(), length, self.now);
                self.events.push(format!("{sent:?}"));
                assert!(sent.is_err() || !connection.is_idle());
            }
            6..=9 => {
                let len = script.byte().into();
                let output = connection.begin_data(len);
                output.resize(output.len() + len, b'c');
                connection.commit(script.flag(), self.now);
            }
            10 => drop(connection.begin_data(script.byte().into())),
            11 => connection.commit(script.flag(), self.now),
            12 => {
                let trailers = [Field::new(b"x-sum", b"1"), Field::new(b"host", b"b")];
                let sent = connection.send_trailers(trailers, self.now);
                self.events.push(format!("{sent:?}"));
            }
            13 => connection.abandon_content(self.now),
            14 => connection.pause_input(self.now),
            15 => self.now += Duration::from_millis(script.short().into()),
            16 => {
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
            17 => self.take(),
            18 => match script.byte() {
                0..=127 => connection.shutdown(),
                128..=191 => connection.expect_last(),
                _ => connection.abort(),
            },
            _ => self.finish(),
        }
    }

    fn check(&mut self) {
        let connection = &self.connection;
        if connection.wants_close() {
            assert!(!connection.is_idle() && !connection.is_sending());
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

/// The head of a request, which may be one that cannot be sent.
fn request(script: &mut Script<'_>) -> (Fields, BodyLength) {
    let method = script.one_of(&["GET", "HEAD", "POST", "CONNECT", "OPTIONS", "G T"]);
    let length = match script.byte() % 4 {
        0 | 1 => BodyLength::None,
        2 => BodyLength::Unknown,
        _ => BodyLength::Known(script.byte().into()),
    };
    // A tunnel has no port of its own.
    let authority = if method == "CONNECT" { "a:1" } else { "a" };
    let mut head: Fields = [(":method", method), (":authority", authority)]
        .into_iter()
        .collect();
    if method != "CONNECT" {
        let path = script.one_of(&["/", "/", "/a?b", "*", "/ ", "/\r\n"]);
        head.push(b":path", path.as_bytes());
    }
    match script.byte() % 8 {
        0 => head.push(b"expect", b"100-continue"),
        1 => head.push(b"upgrade", b"x"),
        2 => head.push(b"x", script.bytes()),
        3 => head.push(script.bytes(), b"x"),
        4 => head.push(b"transfer-encoding", b"gzip"),
        _ => {}
    }
    (head, length)
}

/// The script's requests, each sent to our server, which answers as the script says: whatever the client
/// writes the server takes, and the client hears what the server sent.
fn converse(input: &[u8]) {
    let mut script = Script::new(input);
    let now = Instant::now();
    let mut client = ClientConnection::new(Arc::default(), now);
    let mut server = Connection::new(Arc::new(Config::default()), Scheme::Http, now);
    while !script.is_empty() && client.is_idle() && server.is_idle() {
        let (head, length) = request(&mut script);
        if client.send_request(head.iter(), length, now).is_err() {
            continue;
        }
        // Our server is no proxy, and meets one expectation.
        let is_other = |field: Field<'_>| {
            field.name.eq_ignore_ascii_case(b"expect") && field.value != b"100-continue"
        };
        if head.method() == Some(b"CONNECT") || head.iter().any(is_other) {
            break;
        }
        let content = script.bytes();
        if client.is_sending() {
            client.begin_data(content.len()).extend_from_slice(content);
            client.commit(true, now);
        }
        // Shorter than its length: nothing more comes of it.
        if client.wants_close() {
            break;
        }
        let sent = match length {
            BodyLength::Unknown => content,
            BodyLength::Known(length) => &content[..length as usize],
            BodyLength::None => &[],
        };
        let request = client.take_output();
        assert_eq!(heard_by_server(&mut server, &request, now), sent);
        let is_head = head.method() == Some(b"HEAD");
        let (answer, response) = answer(&mut server, &mut script, now);
        let heard = heard_by_client(&mut client, &response, now);
        assert_eq!(heard, if is_head { &[][..] } else { answer });
        assert_eq!(client.is_idle(), server.is_idle());
        assert_eq!(client.wants_close(), server.wants_close());
    }
}

/// The content of the request that these bytes are.
fn heard_by_server(server: &mut Connection, bytes: &[u8], now: Instant) -> Vec<u8> {
    let (mut rest, mut fields, mut heard) = (bytes, Fields::new(), Vec::new());
    let mut requests = 0;
    while let Some(event) = server
        .receive(&mut rest, &mut fields, now)
        .expect("a request that our client wrote")
    {
        match event {
            Event::Request { .. } => requests += 1,
            Event::Data { data, .. } => heard.extend_from_slice(data),
            Event::Trailers { .. } => panic!("trailers that nobody sent"),
        }
    }
    assert_eq!((requests, rest.len()), (1, 0));
    heard
}

/// An answer of the script: its content, and the bytes of the response.
fn answer<'i>(
    server: &mut Connection,
    script: &mut Script<'i>,
    now: Instant,
) -> (&'i [u8], Vec<u8>) {
    let content = script.bytes();
    let status = script.one_of(&[200, 200, 404, 204, 304]);
    let length = match script.byte() % 3 {
        0 => BodyLength::Unknown,
        _ => BodyLength::Known(content.len() as u64),
    };
    if script.byte() == 0 {
        server.send_head(103, [Field::new(b"link", b"a")], BodyLength::None);
    }
    server.send_head(status, [Field::new(b"x", b"y")], length);
    let out = server.begin_data(content.len());
    out.extend_from_slice(content);
    server.commit(true, now);
    let (mut nothing, mut fields) = (&b""[..], Fields::new());
    let next = server.receive(&mut nothing, &mut fields, now);
    assert!(matches!(next, Ok(None)));
    let none = matches!(status, 204 | 304);
    (if none { &[] } else { content }, server.take_output())
}

/// The content of the response that these bytes are.
fn heard_by_client(client: &mut ClientConnection, bytes: &[u8], now: Instant) -> Vec<u8> {
    let (mut rest, mut fields, mut heard) = (bytes, Fields::new(), Vec::new());
    let mut responses = 0;
    while let Some(event) = client
        .receive(&mut rest, &mut fields, now)
        .expect("a response that our server wrote")
    {
        match event {
            ResponseEvent::Response { .. } => responses += 1,
            ResponseEvent::Data { data, .. } => heard.extend_from_slice(data),
            ResponseEvent::Informational { .. } => {}
            other => panic!("{other:?} that nobody sent"),
        }
    }
    assert_eq!((responses, rest.len()), (1, 0));
    heard
}

/// Events as text; how the content of a response is divided is not told. Its end is a line of its own, so
/// that no content can look like it.
fn note(events: &mut Vec<String>, event: &ResponseEvent<'_>) {
    match event {
        ResponseEvent::Data { data, end_stream } => {
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
