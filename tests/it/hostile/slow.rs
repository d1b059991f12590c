//! Connections that only wait: each must be ended by a deadline of the server's own, whatever it sends
//! to look alive. They cost nearly nothing, so all of them wait at the same time, beside the rows that
//! cost much.

use super::attack::{Over, open_h2, open_h2_with, request};
use super::good_client;
use super::heard::Heard;
use super::link::{Link, Target};
use super::site;
use crate::raw_h2::{END_HEADERS, HEADERS, PING, PREFACE, SETTINGS, WINDOW_UPDATE, frame, get};
use std::time::{Duration, Instant};

/// What selects them, and heads their part of the output.
pub const NAME: &str = "Connections that only wait are ended by deadlines";

/// A deadline is kept to the timer's resolution, and to what a loaded machine adds.
const TOLERANCE: Duration = Duration::from_secs(2);

/// Connections of each kind.
const COUNT: usize = 5;

/// The server's timeouts are its defaults, but for those of an idle connection, which are minutes.
const OPTIONS: [&str; 5] = [
    "--demo",
    "--idle-timeout",
    "5s",
    "--keep-alive-timeout",
    "5s",
];

/// A kind of connection that waits.
struct Slow {
    name: &'static str,
    over: Over,
    opening: fn() -> Vec<u8>,
    /// What is sent from time to time, counted from 0.
    drip: fn(u32) -> Vec<u8>,
    reads: bool,
    end: End,
    within: Duration,
}

/// What ends the waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    GoAway(u32),
    Reset(u32),
    Status(u16),
}

/// From one drop to the next.
const DRIP: Duration = Duration::from_millis(200);

const IDLE: Slow = Slow {
    name: "",
    over: Over::Cleartext,
    opening: Vec::new,
    drip: |_| Vec::new(),
    reads: true,
    end: End::Closed,
    within: Duration::from_secs(10),
};

const KINDS: &[Slow] = &[
    Slow {
        name: "nothing is ever said",
        ..IDLE
    },
    Slow {
        name: "no ClientHello",
        over: Over::Bare,
        ..IDLE
    },
    Slow {
        name: "a ClientHello, a byte at a time",
        over: Over::Bare,
        drip: |n| {
            vec![
                [22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]
                    .get(n as usize)
                    .copied()
                    .unwrap_or(7),
            ]
        },
        ..IDLE
    },
    Slow {
        name: "nothing behind the handshake",
        over: Over::Tls("h2"),
        ..IDLE
    },
    Slow {
        name: "a preface, a byte at a time",
        drip: |n| {
            let byte = PREFACE[..24].get(n as usize / 3).filter(|_| n % 3 == 0);
            byte.map(|byte| vec![*byte]).unwrap_or_default()
        },
        ..IDLE
    },
    Slow {
        name: "a preface without SETTINGS",
        opening: || PREFACE[..24].to_vec(),
        ..IDLE
    },
    Slow {
        name: "SETTINGS that are not acknowledged",
        opening: || PREFACE.to_vec(),
        drip: |n| request(n, good_client::PATH),
        end: End::GoAway(4),
        ..IDLE
    },
    Slow {
        name: "half a field block",
        opening: || [open_h2(), frame(HEADERS, 1, 1, &get("/4k"))].concat(),
        end: End::GoAway(11),
        ..IDLE
    },
    Slow {
        name: "windows that stay shut, with PING",
        opening: || [open_h2_with(&[(4, 0)]), request(0, "/big")].concat(),
        drip: |_| frame(PING, 0, 0, b"pingpong"),
        end: End::Reset(8),
        within: Duration::from_secs(30),
        ..IDLE
    },
    Slow {
        name: "a window of a few bytes a second",
        opening: || [open_h2_with(&[(4, 0)]), request(0, "/big")].concat(),
        drip: |_| frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 100]),
        end: End::Reset(8),
        within: Duration::from_secs(30),
        ..IDLE
    },
    Slow {
        name: "SETTINGS that open and shut windows",
        opening: || [open_h2_with(&[(4, 0)]), request(0, "/big")].concat(),
        drip: |n| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, (n % 2) as u8]),
        end: End::Reset(8),
        within: Duration::from_secs(30),
        ..IDLE
    },
    Slow {
        name: "an upload without content",
        opening: || {
            let mut block = get("/echo");
            block[0] = 0x83;
            [open_h2(), frame(HEADERS, END_HEADERS, 1, &block)].concat()
        },
        drip: |_| frame(PING, 0, 0, b"pingpong"),
        end: End::Reset(8),
        within: Duration::from_secs(30),
        ..IDLE
    },
    Slow {
        name: "HTTP/2 that is not read, with PING",
        opening: || [open_h2_with(&[(4, 0x7fff_ffff)]), request(0, "/big")].concat(),
        drip: |_| frame(PING, 0, 0, b"pingpong"),
        reads: false,
        within: Duration::from_secs(30),
        ..IDLE
    },
    Slow {
        name: "HTTP/2 without requests, with PING",
        opening: open_h2,
        drip: |_| frame(PING, 0, 0, b"pingpong"),
        end: End::GoAway(0),
        ..IDLE
    },
    Slow {
        name: "an HTTP/1.1 head, a byte at a time",
        opening: || b"GET / HTTP/1.1\r\nHost: h\r\nA: ".to_vec(),
        drip: |_| b"a".to_vec(),
        end: End::Status(408),
        ..IDLE
    },
    Slow {
        name: "an HTTP/1.1 body, a byte at a time",
        opening: || b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n".to_vec(),
        drip: |_| b"a".to_vec(),
        within: Duration::from_secs(20),
        ..IDLE
    },
    Slow {
        name: "an HTTP/1.1 response that is not read",
        opening: || b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        drip: |_| b"a".to_vec(),
        reads: false,
        within: Duration::from_secs(30),
        ..IDLE
    },
    Slow {
        name: "HTTP/1.1 kept alive for nothing",
        opening: || b"GET /4k HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        ..IDLE
    },
    Slow {
        name: "requests behind GOAWAY",
        opening: || [open_h2(), frame(WINDOW_UPDATE, 0, 0, &[0; 4])].concat(),
        drip: |n| request(n, good_client::PATH),
        within: Duration::from_secs(1),
        ..IDLE
    },
    Slow {
        name: "bytes behind a refusal",
        opening: || b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        drip: |_| b"a".to_vec(),
        within: Duration::from_secs(1),
        ..IDLE
    },
];

/// One connection that waits.
struct Waiting {
    kind: &'static Slow,
    link: Link,
    heard: Heard,
    unsent: Vec<u8>,
    drops: u32,
    ended: Option<Duration>,
}

impl Waiting {
    fn new(kind: &'static Slow, target: &Target) -> Waiting {
        Waiting {
            kind,
            link: Link::open(target, !kind.reads).expect("the system lets connect"),
            heard: Heard::default(),
            unsent: (kind.opening)(),
            drops: 0,
            ended: None,
        }
    }

    fn turn(&mut self, elapsed: Duration) {
        if self.ended.is_some() {
            return;
        }
        if elapsed > DRIP * self.drops && self.unsent.len() < 1_000 {
            self.unsent.extend((self.kind.drip)(self.drops));
            self.drops += 1;
        }
        let open = match self.link.write(&self.unsent) {
            Ok(taken) => {
                self.unsent.drain(..taken);
                true
            }
            Err(error) => super::link::is_patient(&error),
        };
        // Who does not read is told by nothing but a write that fails.
        let open = open && (!self.kind.reads || self.heard.listen(&mut self.link, Duration::ZERO));
        let answered = self.heard.answered();
        let end = match self.kind.end {
            End::Closed => !open,
            End::GoAway(code) => answered.goaway == Some(code),
            End::Reset(code) => answered.reset == Some(code),
            End::Status(status) => answered.status == Some(status),
        };
        if end {
            self.ended = Some(elapsed);
        }
    }
}

/// A line for each kind, and what was not as it must be.
pub fn run(full: bool) -> Vec<(String, Option<String>)> {
    let server = site::serve(&[&OPTIONS[..], &good_client::LISTEN].concat());
    let count = if full { 20 * COUNT } else { COUNT };
    let mut waiting: Vec<Waiting> = Vec::new();
    for kind in KINDS {
        let target = Target::new(&server, kind.over);
        waiting.extend((0..count).map(|_| Waiting::new(kind, &target)));
    }
    let start = Instant::now();
    let longest = KINDS.iter().map(|kind| kind.within).max();
    let longest = longest.unwrap_or_default() + TOLERANCE;
    while start.elapsed() < longest && waiting.iter().any(|waiting| waiting.ended.is_none()) {
        let elapsed = start.elapsed();
        waiting.iter_mut().for_each(|waiting| waiting.turn(elapsed));
        std::thread::sleep(DRIP / 4);
    }
    let mut lines = Vec::new();
    for kinds in waiting.chunks(count) {
        let kind = kinds[0].kind;
        let latest = kinds
            .iter()
            .map(|waiting| waiting.ended.unwrap_or(Duration::MAX))
            .max();
        let latest = latest.unwrap_or_default();
        let said = match latest {
            Duration::MAX => "never".to_owned(),
            latest => format!("after {:.1} s", latest.as_secs_f64()),
        };
        let line = format!("{:<50} {:?} {said}", kind.name, kind.end);
        let late = latest > kind.within + TOLERANCE;
        lines.push((line, late.then(|| format!("not within {:?}", kind.within))));
    }
    lines
}
