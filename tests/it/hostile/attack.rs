//! Attacks: the bytes that their connections send, and the demands on the server meanwhile.

use super::good_client;
use crate::raw_h2::{
    ACK, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, WINDOW_UPDATE, frame, get, setting,
};
use std::time::Duration;

/// One row of the catalogue of attacks.
pub struct Attack {
    /// The name of the attack, which heads its row of the table.
    pub name: &'static str,
    /// The CVE that made the attack known, or an empty text.
    pub cve: &'static str,
    /// The protocol that the attack speaks, or pretends to.
    pub speaks: Protocol,
    /// The layer between the attack's bytes and the server.
    pub over: Over,
    /// The first bytes of a connection.
    pub opening: fn() -> Vec<u8>,
    /// The steps of a connection after that, counted from 0.
    pub step: fn(u32) -> Step,
    /// The pace of the steps.
    pub pace: Pace,
    /// Handling of the server's answers.
    pub reads: Reads,
    /// Options that the server is started with.
    pub options: &'static [&'static str],
    /// The answer that the server must give.
    pub answer: Answer,
    /// KiB of memory that one attacking connection may cost.
    pub memory_kib: u64,
    /// CPU time that a byte of the attack may cost, as a multiple of that for a byte of a plain flood
    /// of GETs.
    pub cpu: f64,
}

/// Protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/2.
    H2,
    /// HTTP/1.1.
    H1,
}

impl Attack {
    /// The pause behind each write.
    pub fn pause(&self) -> Duration {
        match self.pace {
            Pace::Every(pause) => pause,
            Pace::Flood | Pace::Answered(_) => Duration::ZERO,
        }
    }
}

/// One step of an attacking connection.
pub enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Changes the TLS keys of the sending side.
    KeyUpdate,
    /// Closes the connection. Another takes its place.
    Close,
    /// Sends no more and holds the connection.
    Hold,
}

/// Layer between an attack's bytes and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// TCP to the cleartext port.
    Cleartext,
    /// TCP to the TLS port, without TLS.
    Bare,
    /// TLS with an ALPN protocol, with each write in a record of its own.
    Tls(&'static str),
    /// TLS with an ALPN protocol, with each byte in a record of its own.
    OneByteRecords(&'static str),
}

/// Pace of the steps of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pace {
    /// As fast as the socket takes them.
    Flood,
    /// With a pause between them.
    Every(Duration),
    /// One step of so many HTTP/2 requests as soon as no more than that number wait for their answer.
    Answered(u64),
}

/// Handling of the server's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Answers are read at once.
    All,
    /// Answers stay unread, in as small a buffer as the system allows.
    Nothing,
}

/// The answer that the server must give to a single connection that sends step by step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// HTTP/2: GOAWAY with an error code, and close, before the connection has sent more than a number
    /// of frames behind its opening.
    GoAway(u32, usize),
    /// HTTP/2: RST_STREAM with an error code, as the first answer.
    Reset(u32),
    /// HTTP/2 or HTTP/1.1: a response with a status, as the first answer. The connection may go on.
    Status(u16),
    /// HTTP/1.1: a response with a status, and close.
    Refused(u16),
    /// The connection is closed before it has sent more than a number of steps.
    Closed(usize),
    /// No answer is demanded, as long as other clients do not suffer.
    Harmless,
}

/// Number of requests at once of a client that keeps to the server's limit of streams.
const BATCH: u32 = 40;

/// As many GETs as one client can get answered. Such a flood is harmless. Other rows are written as
/// changes of it.
pub const GETS_H2: Attack = Attack {
    name: "",
    cve: "",
    speaks: Protocol::H2,
    over: Over::Cleartext,
    opening: open_h2,
    step: get_h2,
    pace: Pace::Answered(BATCH as u64),
    reads: Reads::All,
    options: &[],
    answer: Answer::Harmless,
    memory_kib: 64,
    cpu: 2.0,
};

/// As many GETs over HTTP/1.1 as one client can get answered.
pub const GETS_H1: Attack = Attack {
    speaks: Protocol::H1,
    opening: Vec::new,
    step: get_h1,
    pace: Pace::Flood,
    ..GETS_H2
};

/// The flood of GETs with each byte in a write of its own.
pub const GETS_BY_BYTE: Attack = Attack {
    step: |n| {
        let len = request(0, good_client::PATH).len() as u32;
        let bytes = request(n / len, good_client::PATH);
        Step::Send(vec![bytes[(n % len) as usize]])
    },
    pace: Pace::Every(Duration::ZERO),
    ..GETS_H2
};

/// A flood of HTTP/2.
pub const H2: Attack = Attack {
    pace: Pace::Flood,
    ..GETS_H2
};

/// A flood of HTTP/1.1.
pub const H1: Attack = GETS_H1;

/// The client's preface and its acknowledgement of the server's SETTINGS.
pub fn open_h2() -> Vec<u8> {
    open_h2_with(&[])
}

/// The client's preface with the given settings, its acknowledgement of the server's SETTINGS, and a
/// connection window that never limits.
pub fn open_h2_with(settings: &[(u16, u32)]) -> Vec<u8> {
    let entries: Vec<u8> = settings
        .iter()
        .flat_map(|&(identifier, value)| setting(identifier, value))
        .collect();
    [
        PREFACE,
        &frame(SETTINGS, 0, 0, &entries),
        &frame(SETTINGS, ACK, 0, &[]),
        &frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes()),
    ]
    .concat()
}

/// The stream of the `n`th request.
pub fn stream(n: u32) -> u32 {
    2 * n + 1
}

/// A whole request for a path.
pub fn request(n: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &get(path))
}

/// A GET of the file that the good client asks for as well.
fn get_h2(n: u32) -> Step {
    let requests = BATCH * n..BATCH * (n + 1);
    Step::Send(
        requests
            .flat_map(|n| request(n, good_client::PATH))
            .collect(),
    )
}

/// A GET of that file in HTTP/1.1.
fn get_h1(_: u32) -> Step {
    let path = good_client::PATH;
    Step::Send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes())
}
