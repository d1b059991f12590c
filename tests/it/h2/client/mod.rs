//! Rules of RFC 9113 and RFC 7541 about servers and clients, tested against a running `calmd get`.
//!
//! A [`ServerCase`] is a sentence, the bytes that a server sends once the request has come, and the expected
//! reaction of the client. All bytes are sent in one go, so no test waits for a time to pass. The
//! client sends one request. After any result it sends GOAWAY and ends.

mod frames;
mod messages;
mod pushes;

use std::fmt::{self, Write as _};
use std::io::{ErrorKind, Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::table;
use super::wire::*;
use crate::client::{Got, command};
use crate::raw_h2::{self, Frame, GOAWAY, HEADERS, RST_STREAM, RawH2};
use crate::support::PATIENCE;

/// Expected result of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientVerdict {
    /// GOAWAY with an error code, and the end of the connection (RFC 9113 §5.4.1).
    Connection(u32),
    /// RST_STREAM on a stream with an error code, and no error of the connection (§5.4.2).
    Stream(u32, u32),
    /// A whole response, and no error.
    Taken,
}

use ClientVerdict::{Connection, Stream, Taken};

impl fmt::Display for ClientVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Connection(code) => write!(f, "connection error {}", code_name(*code)),
            Stream(id, code) => write!(f, "stream error {} on {id}", code_name(*code)),
            Taken => f.write_str("taken"),
        }
    }
}

/// One sentence and its test.
struct ServerCase {
    section: &'static str,
    sentence: &'static str,
    verdict: ClientVerdict,
    /// Further options of the client.
    options: &'static [&'static str],
    /// True if the server begins with SETTINGS, as it has to.
    settings: bool,
    bytes: Vec<u8>,
}

fn case(section: &'static str, sentence: &'static str, verdict: ClientVerdict) -> ServerCase {
    ServerCase {
        section,
        sentence,
        verdict,
        options: &[],
        settings: true,
        bytes: Vec::new(),
    }
}

impl ServerCase {
    /// Adds bytes that the server sends.
    fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.bytes.extend_from_slice(bytes.as_ref());
        self
    }

    /// Adds an acknowledgement of the client's SETTINGS.
    fn acknowledge(self) -> Self {
        self.send(raw_h2::frame(raw_h2::SETTINGS, ACK, 0, b""))
    }

    /// Adds an answer to the request.
    fn answer(self) -> Self {
        self.send(head(1)).send(data(1, END_STREAM, CONTENT))
    }

    /// Lets the server begin without SETTINGS.
    fn without_settings(mut self) -> Self {
        self.settings = false;
        self
    }

    fn with(mut self, options: &'static [&'static str]) -> Self {
        self.options = options;
        self
    }
}

/// The content of a correct response.
const CONTENT: &[u8] = b"hello";

/// The head of a response whose content follows.
fn head(id: u32) -> Vec<u8> {
    headers(id, END_HEADERS, &response(&[]))
}

/// A response's field block, with the fields `more` behind its status.
fn response(more: &[(&str, &str)]) -> Vec<u8> {
    block(&[&[(":status", "200")][..], more].concat())
}

/// Frames and end of the connection that came from the client.
struct ClientHeard {
    frames: Vec<Frame>,
    got: Got,
}

impl ClientHeard {
    fn codes(&self, kind: u8, at: usize) -> impl Iterator<Item = (u32, u32)> {
        let frames = self.frames.iter().filter(move |frame| frame.kind == kind);
        let code = move |frame: &Frame| {
            let code = frame.payload[at..at + 4].try_into().expect("four bytes");
            (frame.stream, u32::from_be_bytes(code))
        };
        // NO_ERROR is the client's normal end.
        frames.map(code).filter(|&(_, code)| code != 0)
    }

    fn verdict(&self) -> Result<ClientVerdict, String> {
        if let Some((_, code)) = self.codes(GOAWAY, 4).next() {
            return Ok(Connection(code));
        }
        if let Some((id, code)) = self.codes(RST_STREAM, 0).next() {
            return Ok(Stream(id, code));
        }
        match (self.got.code, &self.got.out[..]) {
            (0, CONTENT) => Ok(Taken),
            (code, _) => Err(format!("exit code {code}")),
        }
    }
}

/// Accepts the connection of the client that was just started.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("a listener");
    let deadline = Instant::now() + PATIENCE;
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < deadline, "the client does not connect");
        thread::sleep(Duration::from_millis(1));
    };
    stream.set_nonblocking(false).expect("a socket");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket and a time");
    stream
}

fn play(case: &ServerCase) -> ClientHeard {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let child = command(
        case.options
            .iter()
            .copied()
            .chain(["--max-time", "10s", &url]),
    )
    .spawn();
    let child = child.expect("calmd starts");
    let mut client = RawH2 {
        stream: accept(&listener),
    };
    let mut preface = [0; 24];
    client.stream.read_exact(&mut preface).expect("the preface");
    assert_eq!(preface, raw_h2::PREFACE[..24]);
    let mut frames = client.until(|frame| frame.kind == HEADERS);
    let settings = if case.settings {
        settings(&[])
    } else {
        Vec::new()
    };
    let bytes = [settings, case.bytes.clone()].concat();
    // A client that has closed does not take the rest.
    let _ = client.stream.write_all(&bytes);
    let _ = client.stream.shutdown(Shutdown::Write);
    frames.extend(std::iter::from_fn(|| client.next()));
    let got = child.wait_with_output().expect("it ends").into();
    ClientHeard { frames, got }
}

fn check(case: &ServerCase) -> Result<(), String> {
    let heard = play(case);
    let found = heard.verdict();
    if found.as_ref() == Ok(&case.verdict) {
        return Ok(());
    }
    let found = found.map_or_else(|error| error, |verdict| verdict.to_string());
    let ServerCase {
        section,
        sentence,
        verdict,
        ..
    } = case;
    let (err, frames) = (&heard.got.err, &heard.frames);
    Err(format!(
        "{section}, {sentence}: {found}, not {verdict}; {err}; {frames:?}"
    ))
}

/// Runs two cases at a time, because most of a case is the start of a process.
fn run(cases: &[ServerCase]) {
    let (front, back) = cases.split_at(cases.len() / 2);
    let failures = |cases: &[ServerCase]| -> Vec<String> {
        cases.iter().filter_map(|case| check(case).err()).collect()
    };
    let failures = thread::scope(|scope| {
        let back = scope.spawn(|| failures(back));
        let mut all = failures(front);
        all.extend(back.join().expect("no panic"));
        all
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn tables() -> [(&'static str, Vec<ServerCase>); 5] {
    [
        (
            "RFC 9113 §3–§5: Connections, frames, streams",
            frames::connections(),
        ),
        ("RFC 9113 §6, §7: Frames", frames::definitions()),
        ("RFC 9113 §8: Messages", messages::cases()),
        ("RFC 9113 §6.6, §8.4: Pushes", pushes::cases()),
        ("RFC 7541, and too much", messages::blocks()),
    ]
}

#[test]
fn the_table_of_a_clients_conformance_is_what_is_tested() {
    let tables = tables();
    let count: usize = tables.iter().map(|(_, cases)| cases.len()).sum();
    let mut text = format!(
        "# Conformance of the client\n\n\
         What a server can break, what it may do, and what a running `calmd get` makes of it: {count}\n\
         cases over a socket. Written by the tests, each of which is a line; see `client/mod.rs`.\n"
    );
    for (title, cases) in &tables {
        let _ = write!(
            text,
            "\n## {title}\n\n| § | The server sends | Verdict |\n|---|---|---|\n"
        );
        for case in cases {
            let ServerCase {
                section,
                sentence,
                verdict,
                ..
            } = case;
            let _ = writeln!(text, "| {section} | {sentence} | {verdict} |");
        }
    }
    table::check("CONFORMANCE-CLIENT.md", &text);
}

#[test]
fn what_a_server_can_break_about_connections_and_streams() {
    run(&frames::connections());
}

#[test]
fn what_a_server_can_break_about_frames() {
    run(&frames::definitions());
}

#[test]
fn what_a_server_can_break_about_messages() {
    run(&messages::cases());
}

#[test]
fn what_a_server_can_break_about_pushes() {
    run(&pushes::cases());
}

#[test]
fn what_a_server_can_break_about_field_blocks() {
    run(&messages::blocks());
}

/// SETTINGS are acknowledged, and PING is answered with its payload (RFC 9113 §6.5.3, §6.7).
#[test]
fn what_a_server_asks_for_is_answered() {
    let heard = play(
        &case("6.7", "PING and SETTINGS", Taken)
            .send(ping(0, b"whatever"))
            .answer(),
    );
    assert_eq!(heard.verdict(), Ok(Taken));
    let answers = |kind: u8, payload: &[u8]| {
        let same = |frame: &&Frame| {
            (frame.kind, frame.flags, frame.stream, &frame.payload[..]) == (kind, ACK, 0, payload)
        };
        heard.frames.iter().filter(same).count()
    };
    assert_eq!(answers(raw_h2::SETTINGS, b""), 1);
    assert_eq!(answers(raw_h2::PING, b"whatever"), 1);
}
