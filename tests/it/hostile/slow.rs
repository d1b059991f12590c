//! Connections that only wait. A deadline of the server must end each of them, even if it sends bytes
//! to look alive. They cost nearly nothing, so all of them wait at once, beside the rows that cost
//! much.

use super::attack::{Over, open_h2, open_h2_with, request};
use super::good_client;
use super::heard::Heard;
use super::link::{Link, Target};
use super::site;
use crate::raw_h2::{END_HEADERS, HEADERS, PING, PREFACE, SETTINGS, WINDOW_UPDATE, frame, get};
use crate::support::Server;
use std::time::{Duration, Instant};

/// The name that selects these rows, and heads their part of the output.
pub const NAME: &str = "Connections that only wait are ended by deadlines";

/// Time that a deadline may be late: the timer's resolution, and the delay of a loaded machine.
const TOLERANCE: Duration = Duration::from_secs(2);

/// Number of connections of each kind.
const COUNT: usize = 5;

/// Options of the server. Its timeouts are the defaults, except for those of an idle connection, which
/// are minutes.
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
    /// The bytes that are sent from time to time, counted from 0.
    drip: fn(u32) -> Vec<u8>,
    reads: bool,
    end: End,
    within: Duration,
}

/// End of the waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    GoAway(u32),
    Reset(u32),
    Status(u16),
}

/// Time from one drop to the next.
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

/// Connections that send too little. Each has its deadline, even if there is room.
const SILENT: &[Slow] = &[
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

/// Connections that take or send their content too slowly. Their time depends on the free room.
const STALLED: &[Slow] = &[
    Slow {
        name: "windows that stay shut, with PING",
        opening: || [open_h2_with(&[(4, 0)]), request(0, "/big")].concat(),
        drip: |_| frame(PING, 0, 0, b"pingpong"),
        end: End::Reset(8),
        ..IDLE
    },
    Slow {
        name: "a window of a few bytes a second",
        opening: || [open_h2_with(&[(4, 0)]), request(0, "/big")].concat(),
        drip: |_| frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 100]),
        end: End::Reset(8),
        ..IDLE
    },
    Slow {
        name: "SETTINGS that open and shut windows",
        opening: || [open_h2_with(&[(4, 0)]), request(0, "/big")].concat(),
        drip: |n| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, (n % 2) as u8]),
        end: End::Reset(8),
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
        ..IDLE
    },
    Slow {
        name: "HTTP/2 that is not read, with PING",
        opening: || [open_h2_with(&[(4, 0x7fff_ffff)]), request(0, "/big")].concat(),
        drip: |_| frame(PING, 0, 0, b"pingpong"),
        reads: false,
        ..IDLE
    },
    Slow {
        name: "an HTTP/1.1 body, a byte at a time",
        opening: || b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n".to_vec(),
        drip: |_| b"a".to_vec(),
        ..IDLE
    },
    Slow {
        name: "an HTTP/1.1 response that is not read",
        opening: || b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        drip: |_| b"a".to_vec(),
        reads: false,
        ..IDLE
    },
];

/// A kind of server, and the time for which it keeps such connections.
struct Host {
    name: &'static str,
    kinds: &'static [Slow],
    options: &'static [&'static str],
    places: Places,
    /// No connection is ended before this time.
    at_least: Duration,
    /// Stalled connections are ended within this time.
    within: Duration,
}

/// Free places of a server for connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Places {
    Many,
    /// All places are taken.
    Taken,
}

const HOSTS: &[Host] = &[
    Host {
        name: "",
        kinds: SILENT,
        options: &OPTIONS,
        places: Places::Many,
        at_least: Duration::ZERO,
        within: Duration::ZERO,
    },
    Host {
        name: "places are short",
        kinds: STALLED,
        options: &OPTIONS,
        places: Places::Taken,
        at_least: Duration::from_secs(15),
        within: Duration::from_secs(30),
    },
    Host {
        name: "there is room",
        kinds: STALLED,
        options: &["--demo", "--stall-timeout", "4s", "--slow-timeout", "24s"],
        places: Places::Many,
        at_least: Duration::from_secs(22),
        within: Duration::from_secs(30),
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
        // A connection that does not read notices the end only by a failed write.
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

/// A line for each kind, and its fault, if there is one.
pub fn run(full: bool) -> Vec<(String, Option<String>)> {
    let count = if full { 20 * COUNT } else { COUNT };
    let servers: Vec<_> = HOSTS.iter().map(|host| serve(host, count)).collect();
    let mut waiting: Vec<Waiting> = Vec::new();
    for (host, server) in HOSTS.iter().zip(&servers) {
        for kind in host.kinds {
            let target = Target::new(server, kind.over);
            waiting.extend((0..count).map(|_| Waiting::new(kind, &target)));
        }
    }
    let start = Instant::now();
    let within = |host: &Host, kind: &Slow| kind.within.max(host.within);
    let each = HOSTS
        .iter()
        .flat_map(|host| host.kinds.iter().map(move |kind| (host, kind)));
    let longest = each.clone().map(|(host, kind)| within(host, kind)).max();
    let longest = longest.unwrap_or_default() + TOLERANCE;
    while start.elapsed() < longest && waiting.iter().any(|waiting| waiting.ended.is_none()) {
        let elapsed = start.elapsed();
        waiting.iter_mut().for_each(|waiting| waiting.turn(elapsed));
        std::thread::sleep(DRIP / 4);
    }
    let mut lines = Vec::new();
    for ((host, kind), waiting) in each.zip(waiting.chunks(count)) {
        let ended = waiting
            .iter()
            .map(|waiting| waiting.ended.unwrap_or(Duration::MAX));
        let (first, latest) = (ended.clone().min(), ended.max().unwrap_or_default());
        let said = match latest {
            Duration::MAX => "never".to_owned(),
            latest => format!("after {:.1} s", latest.as_secs_f64()),
        };
        let line = format!("{:<40} {:<18} {:?} {said}", kind.name, host.name, kind.end);
        let limit = within(host, kind);
        let fault = if latest > limit + TOLERANCE {
            Some(format!("not within {limit:?}"))
        } else if first < Some(host.at_least) {
            Some(format!("one of them {first:?}"))
        } else {
            None
        };
        lines.push((line, fault));
    }
    lines
}

fn serve(host: &Host, count: usize) -> Server {
    let places = (count * host.kinds.len()).to_string();
    let places = ["--max-connections", &places];
    let places = match host.places {
        Places::Many => &[][..],
        Places::Taken => &places[..],
    };
    site::serve(&[host.options, places, &good_client::LISTEN].concat())
}
