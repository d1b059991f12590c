//! Every state of a stream with every frame and every command, for both sides (RFC 9113 §5.1), found by
//! experiment.
//!
//! For each cell of `STATES.md` a connection is brought into the row's state through its public
//! interface and given the column's frame or command. Further frames and commands then find out the
//! stream's new state. The tests do not know the core's own representation of states.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, ErrorCode, Misuse, Role, StreamKey};
use calmd::http::Fields;

use super::table;
use super::wire::*;
use crate::raw_h2::{self, PREFACE};

/// A connection under test and the stream of the row.
struct Bench {
    connection: Connection,
    id: u32,
    key: Option<StreamKey>,
    now: Instant,
}

/// Function that brings the stream into a state.
type StateReach = fn(&mut Bench);

const SERVER: [(&str, StateReach); 11] = [
    ("idle", |_| {}),
    ("reserved (local)", |bench| {
        bench.receive(&get(1));
        bench.push();
    }),
    ("open", |bench| bench.receive(&post(1))),
    ("half-closed (local)", |bench| {
        bench.receive(&post(1));
        bench.send(&[(":status", "200")], true);
    }),
    ("half-closed (remote)", |bench| bench.receive(&get(1))),
    ("half-closed (remote), pushed", |bench| {
        bench.receive(&get(1));
        bench.push();
        bench.send(&[(":status", "200")], false);
    }),
    ("closed: both have ended", |bench| {
        bench.receive(&get(1));
        bench.send(&[(":status", "200")], true);
    }),
    ("closed: the peer has reset it", |bench| {
        bench.receive(&post(1));
        bench.receive(&rst_stream(1, 8));
    }),
    ("closed: we have reset it", |bench| {
        bench.receive(&post(1));
        bench.reset();
    }),
    ("closed: skipped", |bench| bench.receive(&get(3))),
    ("closed: long ago", |bench| {
        bench.receive(&get(1));
        bench.reset();
        bench.receive(&get(1_001));
    }),
];

const CLIENT: [(&str, StateReach); 9] = [
    ("idle", |_| {}),
    ("reserved (remote)", |bench| {
        bench.open(true);
        bench.receive(&push_promise(1, 2));
        bench.id = 2;
    }),
    ("open", |bench| bench.open(false)),
    ("half-closed (local)", |bench| bench.open(true)),
    ("half-closed (local), answered", |bench| {
        bench.open(true);
        bench.receive(&headers(1, END_HEADERS, &block(&[(":status", "200")])));
    }),
    ("half-closed (remote)", |bench| {
        bench.open(false);
        bench.receive(&headers(1, END, &block(&[(":status", "200")])));
    }),
    ("closed: both have ended", |bench| {
        bench.open(true);
        bench.receive(&headers(1, END, &block(&[(":status", "200")])));
    }),
    ("closed: the peer has reset it", |bench| {
        bench.open(false);
        bench.receive(&rst_stream(1, 8));
    }),
    ("closed: we have reset it", |bench| {
        bench.open(false);
        bench.reset();
    }),
];

/// Function that makes a frame for the stream with an identifier.
type Make = fn(u32) -> Vec<u8>;

const FRAMES: [(&str, Make); 14] = [
    ("DATA", |id| data(id, 0, b"x")),
    ("DATA, END_STREAM", |id| data(id, END_STREAM, b"x")),
    ("HEADERS of a request", post),
    ("HEADERS of a request, END_STREAM", get),
    ("HEADERS of a 1xx", |id| {
        headers(id, END_HEADERS, &block(&[(":status", "103")]))
    }),
    ("HEADERS of a response", |id| {
        headers(id, END_HEADERS, &block(&[(":status", "200")]))
    }),
    ("HEADERS of a response, END_STREAM", |id| {
        headers(id, END, &block(&[(":status", "200")]))
    }),
    ("HEADERS of trailers, END_STREAM", |id| {
        headers(id, END, &block(&[("x", "y")]))
    }),
    ("CONTINUATION", |id| {
        continuation(id, END_HEADERS, &block(&[("x", "y")]))
    }),
    ("PRIORITY", |id| priority(id, 0)),
    ("RST_STREAM", |id| rst_stream(id, 8)),
    ("PUSH_PROMISE", |id| push_promise(id, 4)),
    ("WINDOW_UPDATE", |id| window_update(id, 1)),
    ("of an unknown type", |id| raw_h2::frame(0xbb, 0, id, b"?")),
];

/// Command of the core's user.
type Command = fn(&mut Connection, StreamKey) -> Result<(), Misuse>;

const COMMANDS: [(&str, Command); 8] = [
    ("send 1xx", |connection, key| {
        send(connection, key, &[(":status", "103")], false)
    }),
    ("send a response", |connection, key| {
        send(connection, key, &[(":status", "200")], false)
    }),
    ("send a response, END_STREAM", |connection, key| {
        send(connection, key, &[(":status", "200")], true)
    }),
    ("send DATA", |connection, key| {
        connection.send_data(key, b"x", false)
    }),
    ("send DATA, END_STREAM", |connection, key| {
        connection.send_data(key, b"x", true)
    }),
    ("send trailers", |connection, key| {
        send(connection, key, &[("x", "y")], true)
    }),
    ("reset", |connection, key| {
        connection.reset(key, ErrorCode::CANCEL);
        Ok(())
    }),
    ("push", |connection, key| {
        let fields: Fields = request_fields().into_iter().collect();
        connection
            .push(key, fields.iter(), Instant::now())
            .map(drop)
    }),
];

fn request_fields() -> [(&'static str, &'static str); 4] {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "localhost"),
    ]
}

fn send(
    connection: &mut Connection,
    key: StreamKey,
    fields: &[(&str, &str)],
    end_stream: bool,
) -> Result<(), Misuse> {
    let fields: Fields = fields.iter().copied().collect();
    connection.send_headers(key, fields.iter(), end_stream)
}

impl Bench {
    fn new(role: Role) -> Bench {
        let now = Instant::now();
        let config = Arc::new(Config {
            push: true,
            ..Config::default()
        });
        let mut bench = Bench {
            connection: match role {
                Role::Server => Connection::server(config, now),
                Role::Client => Connection::client(config, now),
            },
            id: 1,
            key: None,
            now,
        };
        let hello: &[u8] = match role {
            Role::Server => PREFACE,
            Role::Client => &PREFACE[24..],
        };
        bench.receive(&[hello, &raw_h2::frame(raw_h2::SETTINGS, ACK, 0, b"")].concat());
        bench.connection.take_output();
        bench
    }

    fn in_state(role: Role, reach: StateReach) -> Bench {
        let mut bench = Bench::new(role);
        reach(&mut bench);
        bench.key = bench.connection.stream(bench.id).or(bench.key);
        bench.connection.take_output();
        bench
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.result(bytes).expect("the way into a state is legal");
    }

    /// True if an event came; or the connection's error.
    fn result(&mut self, mut bytes: &[u8]) -> Result<bool, ErrorCode> {
        let (mut fields, mut told) = (Fields::new(), false);
        loop {
            match self.connection.receive(&mut bytes, &mut fields, self.now) {
                Ok(Some(_)) => told = true,
                Ok(None) => break,
                Err(error) => return Err(error.code),
            }
        }
        self.key = self.connection.stream(self.id).or(self.key);
        Ok(told)
    }

    fn send(&mut self, fields: &[(&str, &str)], end_stream: bool) {
        let key = self.connection.stream(self.id).expect("a living stream");
        send(&mut self.connection, key, fields, end_stream).expect("the way into a state is legal");
    }

    fn open(&mut self, end_stream: bool) {
        let fields: Fields = request_fields().into_iter().collect();
        let opened = self.connection.open(fields.iter(), end_stream, self.now);
        self.key = Some(opened.expect("the way into a state is legal"));
    }

    fn push(&mut self) {
        let parent = self.connection.stream(1).expect("a living stream");
        let fields: Fields = request_fields().into_iter().collect();
        let pushed = self.connection.push(parent, fields.iter(), self.now);
        self.id = pushed.expect("the way into a state is legal").id();
    }

    fn reset(&mut self) {
        let key = self.connection.stream(1).expect("a living stream");
        self.key = Some(key);
        self.connection.reset(key, ErrorCode::CANCEL);
    }

    /// The code of the RST_STREAM that the connection has sent.
    fn reset_sent(&mut self) -> Option<ErrorCode> {
        let output = self.connection.take_output();
        let mut rest = &output[..];
        while let Some((header, behind)) = rest.split_first_chunk::<9>() {
            let len = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
            if header[3] == raw_h2::RST_STREAM {
                let code = behind[..4].try_into().expect("four bytes");
                return Some(ErrorCode(u32::from_be_bytes(code)));
            }
            rest = &behind[len..];
        }
        None
    }

    /// The state of the stream, found by the actions that it still allows. The bench is consumed.
    fn state(mut self) -> &'static str {
        let Some(key) = self.connection.stream(self.id) else {
            // The stream's own next frame tells if it was never used or is closed.
            return match self.result(&window_update(self.id, 1)) {
                Ok(_) => "closed",
                Err(_) => "idle",
            };
        };
        let local = self.connection.send_data(key, b"", false) != Err(Misuse::StreamClosed);
        let remote = self.result(&data(self.id, 0, b"x"));
        match (local, remote.map(|_| self.reset_sent())) {
            (true, Err(_)) => "reserved (local)",
            (false, Err(_)) => "reserved (remote)",
            (true, Ok(Some(ErrorCode::STREAM_CLOSED))) => "half-closed (remote)",
            (false, Ok(Some(ErrorCode::STREAM_CLOSED))) => "closed",
            (true, Ok(_)) => "open",
            (false, Ok(_)) => "half-closed (local)",
        }
    }
}

fn received(role: Role, reach: StateReach, make: Make) -> String {
    let mut bench = Bench::in_state(role, reach);
    let result = bench.result(&make(bench.id));
    let reset = bench.reset_sent();
    match (result, reset) {
        (Err(code), _) => format!("**GOAWAY** {code}"),
        (Ok(_), Some(code)) => format!("reset {code}"),
        (Ok(told), None) => {
            let before = Bench::in_state(role, reach).state();
            let after = bench.state();
            match (told, before == after) {
                (_, false) => format!("→ {after}"),
                (true, true) => "taken".into(),
                (false, true) => "ignored".into(),
            }
        }
    }
}

fn commanded(role: Role, reach: StateReach, command: Command) -> String {
    let mut bench = Bench::in_state(role, reach);
    let Some(key) = bench.key else {
        return "–".into();
    };
    let sent = command(&mut bench.connection, key);
    match sent {
        Err(misuse) => {
            let output = bench.connection.take_output();
            assert!(output.is_empty(), "{misuse} reached the wire");
            format!("{misuse:?}")
        }
        Ok(()) => {
            let sent = !bench.connection.output().is_empty();
            let before = Bench::in_state(role, reach).state();
            match (sent, bench.state()) {
                (false, _) => "nothing".into(),
                (true, after) if after == before => "sent".into(),
                (true, after) => format!("→ {after}"),
            }
        }
    }
}

/// A table with a column for each state.
fn grid(
    text: &mut String,
    first: &str,
    states: &[(&str, StateReach)],
    rows: impl Iterator<Item = (&'static str, Vec<String>)>,
) {
    let names: Vec<_> = states.iter().map(|&(name, _)| name).collect();
    let _ = writeln!(text, "\n| {first} | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(states.len()));
    for (name, cells) in rows {
        let _ = writeln!(text, "| **{name}** | {} |", cells.join(" | "));
    }
}

#[test]
fn s5_1_the_table_of_states_is_as_reviewed() {
    let mut text = String::from(
        "# States of a stream\n\n\
         What a frame that comes, and a command, does to a stream in each state (RFC 9113 §5.1). Found by\n\
         the tests through the core's public interface, and written by them: see `states.rs`.\n\n\
         - `→` leads to another state; *taken* is told to the user and changes none; *ignored* is not told.\n\
         - *reset* is a stream error, **GOAWAY** a connection error, each with its code.\n\
         - A command that is refused has a name of `Misuse`, and nothing of it reaches the wire.\n",
    );
    for (role, states) in [(Role::Server, &SERVER[..]), (Role::Client, &CLIENT[..])] {
        let _ = write!(text, "\n## {role:?}\n");
        let cells = |cell: &dyn Fn(StateReach) -> String| {
            states.iter().map(|&(_, reach)| cell(reach)).collect()
        };
        let frames = FRAMES
            .iter()
            .map(|&(name, make)| (name, cells(&|reach| received(role, reach, make))));
        grid(&mut text, "Frame", states, frames);
        let commands = COMMANDS
            .iter()
            .map(|&(name, command)| (name, cells(&|reach| commanded(role, reach, command))));
        grid(&mut text, "Command", states, commands);
    }
    table::check("STATES.md", &text);
}
