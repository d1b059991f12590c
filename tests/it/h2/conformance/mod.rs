//! Rules of RFC 9113 and RFC 7541 about clients and servers, tested against the running server.
//!
//! A [`Case`] is a sentence of an RFC, the bytes that test it, and the expected result. The cases are
//! in tables by section. This file runs them against one server, with a connection for each.
//!
//! After its bytes every connection gets two PINGs, one after the other. All effects of the bytes come
//! before the answers, so no test waits for a time to pass. The first answer shows that the connection
//! goes on, the second that all output that was produced meanwhile has come.

mod rfc7541;
mod s10_security;
mod s3_starting;
mod s4_frames;
mod s5_streams;
mod s6_1_data_and_headers;
mod s6_5_settings;
mod s6_7_connection;
mod s6_9_flow_control;
mod s8_fields;
mod s8_messages;
mod taken;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::table;
use super::wire::{ACK, END_STREAM, code_name, ping};
use crate::raw_h2::{
    self, DATA, Frame, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, RawH2, SETTINGS,
};
use crate::support::Server;

/// Expected result of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// GOAWAY with an error code, and the end of the connection (RFC 9113 §5.4.1).
    Connection(u32),
    /// The end of the connection, without GOAWAY or with an HTTP/1.1 response. A GOAWAY may be left out
    /// if the peer evidently does not speak HTTP/2 (§3.4).
    Closed,
    /// RST_STREAM on a stream with an error code. The connection goes on (§5.4.2).
    Stream(u32, u32),
    /// No error: the connection goes on, and no stream is reset for an error.
    Taken,
    /// Responses: pairs of stream and status.
    Answered(Vec<(u32, u16)>),
    /// An exact number of bytes of DATA on a stream.
    Data(u32, usize),
}

use Verdict::{Answered, Closed, Connection, Data, Stream, Taken};

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Connection(code) => write!(f, "connection error {}", code_name(*code)),
            Closed => f.write_str("connection closed"),
            Stream(id, code) => write!(f, "stream error {} on {id}", code_name(*code)),
            Taken => f.write_str("taken"),
            Answered(statuses) => {
                let statuses = statuses
                    .iter()
                    .map(|(id, status)| format!("{status} on {id}"));
                f.write_str(&statuses.collect::<Vec<_>>().join(", "))
            }
            Data(id, len) => write!(f, "{len} bytes of DATA on {id}"),
        }
    }
}

/// Action of the client.
#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    /// Waits for the response's head.
    Head(u32),
    /// Waits for the end of the response.
    End(u32),
}

/// One sentence and its test.
pub struct Case {
    section: &'static str,
    sentence: &'static str,
    verdict: Verdict,
    preface: bool,
    steps: Vec<Step>,
}

/// A case: a section of an RFC, a sentence about the bytes that a client sends, and the expected
/// result.
pub fn case(section: &'static str, sentence: &'static str, verdict: Verdict) -> Case {
    Case {
        section,
        sentence,
        verdict,
        preface: true,
        steps: Vec::new(),
    }
}

impl Case {
    /// Adds bytes that the client sends.
    pub fn send(mut self, bytes: Vec<u8>) -> Self {
        self.steps.push(Step::Send(bytes));
        self
    }

    /// Lets the client wait for the head of the response on a stream.
    pub fn head(mut self, id: u32) -> Self {
        self.steps.push(Step::Head(id));
        self
    }

    /// Lets the client wait for the end of the response on a stream.
    pub fn end(mut self, id: u32) -> Self {
        self.steps.push(Step::End(id));
        self
    }

    /// Lets the client begin without the preface and SETTINGS.
    pub fn without_preface(mut self) -> Self {
        self.preface = false;
        self
    }
}

/// Frames and end of a connection.
#[derive(Debug, Default)]
struct CaseHeard {
    frames: Vec<Frame>,
    statuses: BTreeMap<u32, u16>,
    data: BTreeMap<u32, usize>,
    ended: Vec<u32>,
    closed: bool,
}

impl CaseHeard {
    fn note(&mut self, frame: Frame, decoder: &mut calmd::hpack::Decoder) {
        match frame.kind {
            HEADERS => {
                let mut fields = calmd::http::Fields::new();
                let limits = calmd::hpack::DecodeLimits {
                    list_size: 1 << 16,
                    fields: 100,
                    crumbs: 1_000,
                    overrun: 1,
                };
                let decoded = decoder.decode(&frame.payload, &mut fields, &limits);
                decoded.expect("the server's field section");
                let status = fields.status().expect("a status");
                if status >= 200 {
                    assert_eq!(self.statuses.insert(frame.stream, status), None);
                }
            }
            DATA => *self.data.entry(frame.stream).or_default() += frame.payload.len(),
            _ => {}
        }
        let ends = matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0;
        if ends || frame.kind == RST_STREAM {
            self.ended.push(frame.stream);
        }
        self.frames.push(frame);
    }

    /// The code of the last GOAWAY.
    fn goaway(&self) -> Option<u32> {
        let last = self.frames.iter().rfind(|frame| frame.kind == GOAWAY)?;
        Some(u32::from_be_bytes(
            last.payload[4..8].try_into().expect("four bytes"),
        ))
    }

    /// Streams that were reset for an error, and the codes.
    fn resets(&self) -> Vec<(u32, u32)> {
        let resets = self.frames.iter().filter(|frame| frame.kind == RST_STREAM);
        let code =
            |frame: &Frame| u32::from_be_bytes(frame.payload[..].try_into().expect("a code"));
        // NO_ERROR after a whole response is no error: it asks the client to send no more (RFC 9113
        // §8.1).
        resets
            .map(|frame| (frame.stream, code(frame)))
            .filter(|&(_, code)| code != 0)
            .collect()
    }

    /// The result, as far as `expected` asks for it.
    fn verdict(&self, expected: &Verdict) -> Result<Verdict, String> {
        if self.closed {
            return Ok(match (self.goaway(), expected) {
                (Some(code), _) => Connection(code),
                // After a client's GOAWAY the server closes as soon as it has answered.
                (None, Answered(_)) => Answered(self.statuses.clone().into_iter().collect()),
                (None, _) => Closed,
            });
        }
        if self.goaway().is_some() {
            return Err("GOAWAY, and the connection stays open".into());
        }
        match &self.resets()[..] {
            [] => {}
            &[(id, code)] => return Ok(Stream(id, code)),
            more => return Err(format!("reset {more:?}")),
        }
        Ok(match expected {
            Answered(_) => Answered(self.statuses.clone().into_iter().collect()),
            &Data(id, _) => Data(id, self.data.get(&id).copied().unwrap_or(0)),
            _ => Taken,
        })
    }
}

/// A connection that a case runs on.
struct CaseClient {
    connection: RawH2,
    decoder: calmd::hpack::Decoder,
    heard: CaseHeard,
}

impl CaseClient {
    fn open(server: &Server) -> CaseClient {
        CaseClient {
            connection: RawH2 {
                stream: server.connect(),
            },
            decoder: calmd::hpack::Decoder::new(4_096),
            heard: CaseHeard::default(),
        }
    }

    /// Sends bytes. An error is ignored, because a server that has closed does not read them.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.connection.stream.write_all(bytes);
    }

    /// Reads until `found` is true, or to the end.
    fn until(&mut self, found: impl Fn(&CaseHeard) -> bool) {
        while !self.heard.closed && !found(&self.heard) {
            match self.connection.next() {
                Some(frame) => self.heard.note(frame, &mut self.decoder),
                None => self.heard.closed = true,
            }
        }
    }

    fn ping(&mut self, payload: &[u8; 8]) {
        self.send(&ping(0, payload));
        let answered = |frame: &Frame| {
            (frame.kind, frame.flags, &frame.payload[..]) == (PING, ACK, &payload[..])
        };
        self.until(|heard| heard.frames.iter().rev().any(answered));
    }

    fn run(mut self, case: &Case) -> CaseHeard {
        if case.preface {
            self.send(PREFACE);
        }
        for step in &case.steps {
            match step {
                Step::Send(bytes) => self.send(bytes),
                Step::Head(id) => self.until(|heard| heard.statuses.contains_key(id)),
                Step::End(id) => self.until(|heard| heard.ended.contains(id)),
            }
        }
        self.ping(b"verdict1");
        self.ping(b"verdict2");
        if let Answered(statuses) = &case.verdict {
            let ended = |heard: &CaseHeard, id: &u32| heard.ended.contains(id);
            self.until(|heard| statuses.iter().all(|(id, _)| ended(heard, id)));
        }
        self.heard
    }
}

fn check(server: &Server, case: &Case) -> Result<(), String> {
    let heard = CaseClient::open(server).run(case);
    let found = heard.verdict(&case.verdict);
    if found.as_ref() == Ok(&case.verdict) {
        return Ok(());
    }
    let Case {
        section,
        sentence,
        verdict,
        ..
    } = case;
    let found = found.map_or_else(|error| error, |verdict| verdict.to_string());
    let frames = heard.frames.iter().map(|frame| {
        let text = frame.payload.iter().take(60).copied();
        let text: Vec<u8> = text.collect();
        format!(
            "type {} {:#x} on {} {}",
            frame.kind,
            frame.flags,
            frame.stream,
            text.escape_ascii()
        )
    });
    let frames: Vec<String> = frames.collect();
    let last = frames[frames.len().saturating_sub(6)..].join("; ");
    Err(format!(
        "{section}, {sentence}: {found}, not {verdict}; {last}"
    ))
}

/// The server of all cases. It ends with the last test that uses it. No case may change its state.
fn server() -> Arc<Server> {
    static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start(&["--demo"]));
        *shared = Arc::downgrade(&server);
        server
    })
}

fn run(cases: &[Case]) {
    let server = server();
    let failures: Vec<_> = cases
        .iter()
        .filter_map(|case| check(&server, case).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn tables() -> [(&'static str, Vec<Case>); 12] {
    [
        ("RFC 9113 §3: Starting HTTP/2", s3_starting::cases()),
        ("RFC 9113 §4: HTTP frames", s4_frames::cases()),
        ("RFC 9113 §5: Streams and multiplexing", s5_streams::cases()),
        (
            "RFC 9113 §6.1–6.4, §6.6, §6.10: Frames of streams",
            s6_1_data_and_headers::cases(),
        ),
        ("RFC 9113 §6.5: SETTINGS", s6_5_settings::cases()),
        (
            "RFC 9113 §6.7, §6.8, §7: PING, GOAWAY, error codes",
            s6_7_connection::cases(),
        ),
        ("RFC 9113 §6.9: WINDOW_UPDATE", s6_9_flow_control::cases()),
        ("RFC 9113 §8.1, §8.4–8.6: Messages", s8_messages::cases()),
        ("RFC 9113 §8.2, §8.3: Fields", s8_fields::cases()),
        (
            "RFC 9113 §10: Security considerations",
            s10_security::cases(),
        ),
        ("RFC 7541: HPACK", rfc7541::cases()),
        ("What has to be taken", taken::cases()),
    ]
}

#[test]
fn the_table_of_conformance_is_what_is_tested() {
    let tables = tables();
    let count: usize = tables.iter().map(|(_, cases)| cases.len()).sum();
    let mut text = format!(
        "# Conformance\n\n\
         What a client can break, what it may do, and what the running server makes of it: {count} cases\n\
         over a socket. Written by the tests, each of which is a line; see `conformance/mod.rs`.\n"
    );
    for (title, cases) in &tables {
        let _ = write!(
            text,
            "\n## {title}\n\n| § | The client sends | Verdict |\n|---|---|---|\n"
        );
        for case in cases {
            let _ = writeln!(
                text,
                "| {} | {} | {} |",
                case.section, case.sentence, case.verdict
            );
        }
    }
    table::check("CONFORMANCE.md", &text);
}

#[test]
fn no_sentence_is_tested_twice() {
    let mut seen = std::collections::BTreeSet::new();
    for (_, cases) in tables() {
        for case in cases {
            assert!(
                seen.insert((case.section, case.sentence)),
                "{}",
                case.sentence
            );
        }
    }
}

/// The beginning of every case is correct: SETTINGS and a first frame.
#[test]
fn s3_4_the_server_begins_with_settings_and_acknowledges_the_clients() {
    let server = server();
    let mut client = CaseClient::open(&server);
    client.send(PREFACE);
    client.ping(b"verdict1");
    let frames = &client.heard.frames;
    assert_eq!(
        (frames[0].kind, frames[0].flags, frames[0].stream),
        (SETTINGS, 0, 0)
    );
    let acknowledgement = frames.iter().find(|frame| frame.flags == ACK).expect("one");
    assert_eq!(
        (acknowledgement.kind, acknowledgement.payload.len()),
        (SETTINGS, 0)
    );
}
