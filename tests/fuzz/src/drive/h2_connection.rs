//! A connection of either role between a peer and a user that both do anything.
//!
//! Each script is run twice, with the peer's bytes whole and in pieces. Events and output must be
//! equal. A [`Model`] checks both after every step.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::h2::frame::{FrameType, HEADER_LEN, PREFACE, encode};
use super::super::h2::{Config, Connection, ErrorCode, Event, Misuse, Priority, Role, StreamKey};
use super::super::http::field::Fields;
use super::h2_model::Model;
use super::h2_observer::Witness;
use super::h2_script::{FRAMES, Wire, request, response};
use super::h2_upgrade;
use super::script::Script;

/// The most bytes of output for each byte of input. `LAST_ANSWER` is allowed in addition: the smallest
/// frame is nine bytes and the largest answer to one is RST_STREAM and a WINDOW_UPDATE; GOAWAY comes
/// once.
const ANSWER_PER_BYTE: usize = 4;
const LAST_ANSWER: usize = 200;

pub fn drive(role: Role, input: &[u8]) {
    let whole = H2Run::new(role, input, false).play(input);
    let pieces = H2Run::new(role, input, true).play(input);
    assert_eq!(whole.events, pieces.events, "the cuts make a difference");
    assert_eq!(whole.sent, pieces.sent, "the cuts make a difference");
}

fn config(bits: u8) -> Config {
    let mut config = Config::default();
    let bit = |n: u8| bits >> n & 1 != 0;
    if bit(0) {
        config.max_concurrent_streams = 2;
    }
    if bit(1) {
        config.initial_window_size = 1_000;
        config.connection_window_size = 0;
    }
    config.report_extensions = bit(2);
    config.join_cookies = bit(2);
    config.trim_inbound = bit(2);
    config.extended_connect = bit(3);
    config.push = bit(3);
    config.validate_inbound = !bit(4);
    config.validate_outbound = bit(5);
    config.normalize_outbound = bit(5);
    if bit(7) {
        config.max_frame_size = 20_000;
        config.header_table_size = 100;
        config.max_header_list_size = 400;
    }
    config
}

struct H2Run {
    connection: Connection,
    model: Model,
    wire: Wire,
    /// Bytes that were offered to the connection and not taken.
    input: Vec<u8>,
    fields: Fields,
    now: Instant,
    /// Number of bytes that are offered at once.
    piece: usize,
    events: String,
    sent: Vec<u8>,
    witness: Option<Witness>,
}

impl H2Run {
    fn new(role: Role, input: &[u8], cut: bool) -> Self {
        let mut script = Script::new(input);
        let bits = script.byte();
        let kind = script.byte();
        let piece = 1 + usize::from(kind) % 40;
        let now = Instant::now();
        let config = Arc::new(config(bits));
        let mut model = Model::new(role);
        let mut connection = match (kind, role) {
            (240.., _) => h2_upgrade::connection(role, config, kind.into(), now, &mut model),
            (_, Role::Server) => Connection::server(config, now),
            (_, Role::Client) => Connection::client(config, now),
        };
        let witness = (kind >= 200).then(|| Witness::of(&mut connection));
        let mut run = H2Run {
            connection,
            model,
            wire: Wire::new(role),
            input: Vec::new(),
            fields: Fields::new(),
            now,
            piece: if cut { piece } else { usize::MAX },
            events: String::new(),
            sent: Vec::new(),
            witness,
        };
        if bits & 0x40 == 0 {
            if role == Role::Server {
                run.wire.pending.extend_from_slice(PREFACE);
            }
            encode::settings(&mut run.wire.pending, std::iter::empty());
        }
        run
    }

    fn play(mut self, input: &[u8]) -> Self {
        let mut script = Script::new(input);
        script.take(2);
        self.model.check(&mut self.connection);
        while !script.is_empty() {
            // Two of three steps belong to the peer.
            match script.byte() {
                choice @ 0..=169 => self.wire.frame(choice % FRAMES, &mut script),
                choice => {
                    self.deliver();
                    self.command(choice - 170, &mut script);
                    self.model.check(&mut self.connection);
                }
            }
        }
        self.deliver();
        self.end();
        self
    }

    /// Gives the connection the bytes that the peer has sent.
    fn deliver(&mut self) {
        let pending = std::mem::take(&mut self.wire.pending);
        let before = self.connection.output().len();
        for piece in pending.chunks(self.piece.min(pending.len()).max(1)) {
            self.input.extend_from_slice(piece);
            if let Some(witness) = &mut self.witness {
                witness.arrive(piece);
            }
            self.receive();
        }
        if pending.is_empty() {
            self.receive();
        }
        let answer = self.connection.output().len() - before;
        assert!(answer <= ANSWER_PER_BYTE * pending.len() + LAST_ANSWER);
        self.model.check(&mut self.connection);
    }

    fn receive(&mut self) {
        let mut rest = &self.input[..];
        loop {
            match self
                .connection
                .receive(&mut rest, &mut self.fields, self.now)
            {
                Ok(Some(event)) => {
                    note(&mut self.events, &event);
                    self.model.event(&event);
                }
                Ok(None) => break,
                Err(error) => {
                    let _ = writeln!(self.events, "{error}");
                    assert!(self.connection.is_closed());
                    rest = &[];
                    break;
                }
            }
        }
        let left = rest.len();
        let longest = HEADER_LEN + self.connection.local_settings().max_frame_size as usize;
        assert!(left < longest, "{left} bytes are left to their caller");
        self.input.drain(..self.input.len() - left);
    }

    /// Chooses a live stream, or one that has ended or never existed.
    fn stream(&self, script: &mut Script<'_>) -> Option<StreamKey> {
        let streams: Vec<_> = self.model.streams().collect();
        let choice = script.byte();
        match streams.len() {
            0 => None,
            len => Some(streams[usize::from(choice) % len]),
        }
    }

    fn command(&mut self, choice: u8, script: &mut Script<'_>) {
        match choice % 24 {
            0..=2 => self.respond(script),
            3 => self.trailers(script),
            4 | 5 => self.data(script),
            6 | 7 => self.ready(script),
            8..=10 => self.grants(script),
            11 => {
                let code = ErrorCode(script.byte().into());
                if let Some(stream) = self.stream(script)
                    && self.connection.contains(stream)
                {
                    self.connection.reset(stream, code);
                    self.model.reset(stream);
                }
            }
            12 | 13 => {
                let len = script.number();
                self.on_stream(script, |connection, stream| {
                    if let Err(misuse) = connection.release(stream, len) {
                        assert!(matches!(misuse, Misuse::ReleasedTooMuch { .. }), "{misuse}");
                    }
                });
            }
            14 => self.connection.ping(*b"measured", self.now),
            15 if script.byte() > 200 => self.connection.shutdown(self.now),
            15 | 16 => self.begin(script),
            17 if script.byte() > 240 => {
                let last = script.flag().then(|| Wire::stream(script));
                let code = ErrorCode(script.byte().into());
                self.connection.close(code, last, script.bytes());
            }
            17 => {
                self.now += Duration::from_millis(script.short().into());
                self.time();
            }
            18 => {
                if let Some(deadline) = self.connection.next_deadline() {
                    self.now = self.now.max(deadline);
                }
                self.time();
            }
            19 => self.take(),
            20 => match script.byte() {
                0..=127 => self.connection.shrink(),
                128..=159 => self.connection.pause_input(self.now),
                _ => self.extension(script),
            },
            22 => self.extension(script),
            21 => {
                let buffer = Vec::with_capacity(script.byte().into());
                self.connection.lend_output(buffer);
            }
            _ => self.begin(script),
        }
    }

    /// Runs a command that only some users need.
    fn extension(&mut self, script: &mut Script<'_>) {
        let stream = self.stream(script);
        let connection = &mut self.connection;
        let _ = match (script.byte() % 9, stream) {
            (0, _) => {
                let mut settings = connection.announced_settings();
                settings.initial_window_size = script.number();
                settings.max_frame_size = script.number();
                settings.header_table_size = script.number().min(1 << 16);
                settings.max_concurrent_streams = script.number();
                connection.update_settings(settings, self.now)
            }
            (1, _) => connection.widen_receive_window(None, script.number()),
            (2, stream @ Some(_)) => connection.widen_receive_window(stream, script.number()),
            (3, Some(stream)) => {
                connection.set_priority(stream, Priority::parse(script.bytes()));
                Ok(())
            }
            (4, Some(stream)) => {
                connection.send_priority_update(stream, Priority::parse(script.bytes()))
            }
            (5, _) => connection.send_origin([script.bytes()]),
            (6, stream) => connection.send_altsvc(stream, script.bytes(), b"h3"),
            (7, _) => {
                let (kind, id) = (FrameType(script.byte()), Wire::stream(script));
                connection.send_frame(kind, script.byte(), id, script.bytes())
            }
            (8, Some(stream)) if connection.contains(stream) => {
                connection.discard(stream);
                self.model.discard(stream);
                Ok(())
            }
            _ => Ok(()),
        };
    }

    fn on_stream(&mut self, script: &mut Script<'_>, act: impl FnOnce(&mut Connection, StreamKey)) {
        if let Some(stream) = self.stream(script) {
            act(&mut self.connection, stream);
        }
    }

    fn respond(&mut self, script: &mut Script<'_>) {
        let (fields, end_stream) = (response(script), script.flag());
        if let Some(stream) = self.stream(script) {
            let _ = self
                .connection
                .send_headers(stream, fields.iter(), end_stream);
        }
    }

    fn trailers(&mut self, script: &mut Script<'_>) {
        let fields: Fields = [("x", "checksum")].into_iter().collect();
        if let Some(stream) = self.stream(script) {
            let _ = self.connection.send_headers(stream, fields.iter(), true);
        }
    }

    fn data(&mut self, script: &mut Script<'_>) {
        let data = vec![0; script.number() as usize % 20_000];
        let (end_stream, padding) = (script.flag(), script.byte());
        if let Some(stream) = self.stream(script) {
            let _ = match padding {
                0..=127 => self.connection.send_data(stream, &data, end_stream),
                _ => self
                    .connection
                    .send_padded_data(stream, &data, padding, end_stream),
            };
        }
    }

    fn ready(&mut self, script: &mut Script<'_>) {
        let remaining = script.flag().then(|| script.number().into());
        self.on_stream(script, |connection, stream| {
            connection.set_ready(stream, remaining)
        });
    }

    fn grants(&mut self, script: &mut Script<'_>) {
        let room = script.number() as usize % 100_000;
        for _ in 0..script.below(8) {
            let left = room.saturating_sub(self.connection.output().len());
            let Some(grant) = self.connection.poll_grant(left) else {
                break;
            };
            let window = self
                .connection
                .send_window(grant.stream)
                .expect("a living stream");
            assert!(grant.max_len <= window && grant.max_len as usize + HEADER_LEN <= left);
            let outcome = script.byte();
            let len = match outcome % 4 {
                0 => 0,
                1 => grant.max_len.min(1),
                _ => grant.max_len,
            };
            let end_stream = outcome & 0x80 != 0;
            if len > 0 && (170..=220).contains(&outcome) {
                // The user sends the content behind the frame's header itself.
                self.connection.commit_elsewhere(grant, len, end_stream);
                let output = self.connection.output();
                output.resize(output.len() + len as usize, 0);
                continue;
            }
            let output = self.connection.begin_data(&grant);
            output.resize(output.len() + len as usize, 0);
            match outcome {
                0..=199 => self.connection.commit(grant, end_stream),
                _ => self.connection.abort(grant),
            }
        }
    }

    /// Begins a request of ours, or a promise.
    fn begin(&mut self, script: &mut Script<'_>) {
        let (fields, end_stream) = (request(script), script.flag());
        if self.connection.role() == Role::Client {
            let opened = self.connection.open(fields.iter(), end_stream, self.now);
            if let Ok(stream) = opened {
                self.model.begin(stream, false, end_stream);
            }
        } else if let Some(parent) = self.stream(script)
            && let Ok(promised) = self.connection.push(parent, fields.iter(), self.now)
        {
            self.model.begin(promised, true, false);
        }
    }

    /// Lets time pass. A deadline that was handled must be over.
    fn time(&mut self) {
        let due = self
            .connection
            .next_deadline()
            .is_some_and(|deadline| deadline <= self.now);
        if let Err(error) = self.connection.handle_timeout(self.now) {
            assert!(due && self.connection.is_closed());
            let _ = writeln!(self.events, "{error}");
        }
        let next = self.connection.next_deadline();
        assert!(
            next.is_none_or(|deadline| deadline > self.now),
            "the deadline stays"
        );
    }

    fn take(&mut self) {
        self.model.check(&mut self.connection);
        self.sent.append(&mut self.connection.take_output());
        self.model.taken();
        if let Some(witness) = &self.witness {
            witness.check(&self.sent, self.input.len(), self.connection.is_closed());
        }
    }

    /// Asserts that after the end of all streams the slab is empty and the connection's window has its
    /// first size.
    fn end(&mut self) {
        self.take();
        for stream in self.model.streams().collect::<Vec<_>>() {
            self.connection.reset(stream, ErrorCode::CANCEL);
            self.model.reset(stream);
        }
        self.model.check(&mut self.connection);
        if self.connection.is_closed() {
            return;
        }
        assert_eq!(
            self.connection.streams(),
            0,
            "a stream that nobody was told of"
        );
        for role in [Role::Client, Role::Server] {
            assert_eq!(self.connection.active_streams(role), 0);
        }
        let window = self.connection.connection_receive_window();
        assert!(
            window > 65_535 / 2,
            "the connection's window has leaked: {window}"
        );
        self.take();
    }
}

/// Notes events as text, without the parts that differ between the two runs.
fn note(events: &mut String, event: &Event<'_>) {
    let _ = match event {
        Event::Data {
            stream,
            data,
            flow_controlled_len,
            end_stream,
        } => {
            let (id, len) = (stream.id(), data.len());
            writeln!(events, "data {id} {len} {flow_controlled_len} {end_stream}")
        }
        _ => writeln!(events, "{event:?}"),
    };
}
