//! The trial of a row: the answer to an attack, its cost, and the comparison of both with the bounds.

use super::attack::{Answer, Attack, GETS_H1, GETS_H2, Over, Pace, Protocol, Reads};
use super::battle::{self, Round};
use super::good_client::{self, Service};
use super::link::Target;
use super::probe::{self, Answered};
use super::{process, site};
use crate::support::Server;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Memory by which the allocator rounds up the sum of all connections, in KiB.
const GRANULARITY_KIB: u64 = 256;

/// Memory of an attack that may stay, in KiB. The rest has gone after `REST_WITHIN` (the
/// catalogue's M).
const REST_KIB: u64 = 1_024;
const REST_WITHIN: Duration = Duration::from_secs(10);

/// Number of descriptors beside those of connections: the server's own, and a file for each of the
/// streams that one of them may have.
const DESCRIPTORS: usize = 32 + 100;

/// Delay of 99 of 100 answers, compared with those without attackers, that is always allowed (the
/// catalogue's G). Without optimisation all work takes some twenty times as long.
const DELAY: Duration = if cfg!(debug_assertions) {
    Duration::from_millis(100)
} else {
    Duration::from_millis(5)
};

/// Share of a processor below which an attack is not judged by its CPU time.
const LITTLE_CPU: f64 = 0.05;

/// Number of times that a failing row is tried, with a server and a baseline of its own, because other
/// processes disturb the measurement. A row that fails each time is not merely disturbed.
const TRIES: usize = 3;

/// Thoroughness of a row's trial.
pub struct Extent {
    /// The number of attackers in each round. The first three rounds are equal, so that memory that
    /// stays between them shows.
    pub rounds: &'static [usize],
    /// Length of each round.
    pub length: Duration,
}

/// Outcome of a row.
pub struct Outcome<'a> {
    pub attack: &'a Attack,
    pub answered: Answered,
    pub rounds: Vec<Round>,
    /// The good client's p99 without attackers.
    pub calm: Duration,
    /// CPU time of a byte, as a multiple of that for a byte of a flood of GETs.
    pub cpu_ratio: f64,
    pub faults: Vec<String>,
    pub tries: usize,
}

impl Outcome<'_> {
    /// The good client's p99 over all rounds with `attackers` attackers.
    pub fn p99(&self, attackers: usize) -> Option<Duration> {
        let mut service = Service::default();
        let rounds = self
            .rounds
            .iter()
            .filter(|round| round.attackers == attackers);
        let count = rounds.map(|round| service.add(&round.service)).count();
        (count > 0).then(|| service.p99())
    }
}

/// The service of the good client without attackers.
#[derive(Clone, Copy)]
struct Calm {
    p99: Duration,
    /// The server's CPU time for an answer.
    cpu: Duration,
}

impl Calm {
    fn of(round: &Round) -> Calm {
        let answers = round.service.answers().max(1);
        Calm {
            p99: round.service.p99(),
            cpu: round.cpu / u32::try_from(answers).unwrap_or(u32::MAX),
        }
    }

    /// Takes the CPU time of the good client's answers off a round's: an attack of a few bytes has none to speak of.
    fn take_off(self, round: &mut Round) {
        let answers = u32::try_from(round.service.answers()).unwrap_or(u32::MAX);
        round.cpu = round.cpu.saturating_sub(self.cpu * answers);
    }
}

/// Servers and baselines that rows share.
pub struct Bench {
    extent: Extent,
    servers: HashMap<&'static [&'static str], Server>,
    /// The CPU time that a byte of a flood of GETs takes, in nanoseconds.
    gets: HashMap<(Over, Protocol, bool), f64>,
    calm: Option<Calm>,
}

impl Bench {
    /// A bench without measurements.
    pub fn new(extent: Extent) -> Bench {
        Bench {
            extent,
            servers: HashMap::new(),
            gets: HashMap::new(),
            calm: None,
        }
    }

    /// Tries a row, up to [`TRIES`] times.
    pub fn run<'a>(&mut self, attack: &'a Attack) -> Outcome<'a> {
        for tries in 1.. {
            let mut outcome = self.attempt(attack);
            outcome.tries = tries;
            if outcome.faults.is_empty() || tries == TRIES {
                return outcome;
            }
            self.forget();
        }
        unreachable!("the last try returns")
    }

    /// Ends the servers, and forgets the measurements.
    pub fn forget(&mut self) {
        self.servers.clear();
        self.gets.clear();
        self.calm = None;
    }

    fn attempt<'a>(&mut self, attack: &'a Attack) -> Outcome<'a> {
        let gets = self.gets(attack);
        let server = self
            .servers
            .entry(attack.options)
            .or_insert_with(|| warm_server(attack.options));
        let calm = *self.calm.get_or_insert_with(|| {
            Calm::of(&battle::round(server, &GETS_H2, 0, self.extent.length * 2))
        });
        let mut faults = Vec::new();
        let answered = probe::probe(attack, &Target::new(server, attack.over), server.id());
        faults.extend(answered.check(attack.answer).err());
        let mut rounds = Vec::new();
        let start = process::memory_kib(server.id());
        for &attackers in self.extent.rounds {
            let mut round = battle::round(server, attack, attackers, self.extent.length);
            calm.take_off(&mut round);
            rounds.push(round);
            let rest = memory_after(server, start);
            if rest > REST_KIB {
                faults.push(format!("{rest} KiB stay behind {attackers} attackers"));
            }
        }
        let mut outcome = Outcome {
            attack,
            answered,
            cpu_ratio: cpu_per_byte(&rounds) / gets,
            rounds,
            calm: calm.p99,
            faults,
            tries: 0,
        };
        let more = judge(&outcome);
        outcome.faults.extend(more);
        outcome
    }

    /// CPU time in nanoseconds for a byte of GETs over the layer of the attack.
    fn gets(&mut self, attack: &Attack) -> f64 {
        let over = match attack.over {
            Over::Bare => Over::Tls("h2"),
            over => over,
        };
        let piecemeal = attack.pace == Pace::Every(Duration::ZERO);
        let length = self.extent.length * 2;
        *self
            .gets
            .entry((over, attack.speaks, piecemeal))
            .or_insert_with(|| {
                let flood = match (attack.speaks, piecemeal) {
                    (Protocol::H2, false) => Attack { over, ..GETS_H2 },
                    (Protocol::H2, true) => Attack {
                        over,
                        ..super::attack::GETS_BY_BYTE
                    },
                    (Protocol::H1, _) => Attack { over, ..GETS_H1 },
                };
                // Bytes behind a connection's last request cost nothing and are no baseline, so
                // connections never end here.
                let server = warm_server(&["--keep-alive-requests", "1000000000"]);
                cpu_per_byte(&[battle::round(&server, &flood, 10, length)])
            })
    }
}

/// A server whose shared buffers have grown to their full size.
fn warm_server(options: &[&str]) -> Server {
    let server = site::serve(&[options, &good_client::LISTEN].concat());
    battle::round(&server, &GETS_H2, 10, Duration::from_millis(150));
    let reading_nothing = Attack {
        reads: Reads::Nothing,
        ..GETS_H1
    };
    battle::round(&server, &reading_nothing, 10, Duration::from_millis(50));
    server
}

/// The memory above `start` that is left, once it is little or the time for it has passed.
fn memory_after(server: &Server, start: u64) -> u64 {
    let end = Instant::now() + REST_WITHIN;
    loop {
        let rest = process::memory_kib(server.id()).saturating_sub(start);
        if rest <= REST_KIB || Instant::now() > end {
            return rest;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn cpu_per_byte(rounds: &[Round]) -> f64 {
    let cpu: Duration = rounds.iter().map(|round| round.cpu).sum();
    let bytes: u64 = rounds.iter().map(|round| round.spent.bytes).sum();
    cpu.as_nanos() as f64 / (bytes as f64).max(1.0)
}

/// The allowed p99 beside attackers, if it is `calm` without them.
pub fn allowed(calm: Duration) -> Duration {
    (calm * 2).max(calm + DELAY)
}

/// Deviations from the demands of the catalogue.
fn judge(outcome: &Outcome<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let attack = outcome.attack;
    for round in &outcome.rounds {
        let attackers = round.attackers as u64;
        let grown = round.memory_peak.saturating_sub(round.memory_before);
        if grown > attack.memory_kib * attackers + GRANULARITY_KIB {
            faults.push(format!("{attackers} attackers take {grown} KiB"));
        }
        let descriptors = round.spent.connections as usize + DESCRIPTORS;
        if round.descriptors > descriptors {
            faults.push(format!("{} descriptors are open", round.descriptors));
        }
        if round.service.failures > 0 {
            let failures = round.service.failures;
            faults.push(format!(
                "{failures} good requests fail beside {attackers} attackers"
            ));
        }
    }
    let busy = outcome
        .rounds
        .iter()
        .any(|round| round.cpu_share() > LITTLE_CPU);
    if busy && outcome.cpu_ratio > attack.cpu {
        faults.push(format!(
            "a byte takes {:.1} times the CPU of a GET's",
            outcome.cpu_ratio
        ));
    }
    let limit = allowed(outcome.calm);
    for attackers in [1, 10, 100] {
        if let Some(p99) = outcome.p99(attackers).filter(|p99| *p99 > limit) {
            faults.push(format!(
                "p99 is {p99:?} beside {attackers} attackers, {limit:?} is allowed"
            ));
        }
    }
    faults
}

/// The demand of a row, for the table.
pub fn describe(answer: Answer) -> String {
    match answer {
        Answer::GoAway(code, _) => format!("GOAWAY {code}"),
        Answer::Reset(code) => format!("RST {code}"),
        Answer::Status(status) => format!("{status}"),
        Answer::Refused(status) => format!("{status}, close"),
        Answer::Closed(_) => "close".to_owned(),
        Answer::Harmless => "none needed".to_owned(),
    }
}
