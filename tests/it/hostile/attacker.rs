//! The attackers of one attack: many connections, driven by one thread.

use super::answers::Answers;
use super::attack::{Attack, Pace, Reads};
use super::link::{Link, Target, is_patient};
use super::script::{Part, Script};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time after which a closed connection is replaced, so that ten attackers open at most a thousand a
/// second. The bytes that they send are under test here, not the number of connections.
const RECONNECT: Duration = Duration::from_millis(10);

/// Time that the thread sleeps when no attacker was ready, to leave the processor to the server.
const NAP: Duration = Duration::from_micros(500);

/// Resources that an attack has spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Number of bytes that the sockets took.
    pub bytes: u64,
    /// Number of connections that were opened.
    pub connections: u64,
}

/// Attackers that attack until told to stop, and then hold their connections until `release` is called.
pub struct Attackers<'a> {
    attack: &'a Attack,
    target: &'a Target,
    script: Script<'a>,
    attackers: Vec<Attacker>,
    spent: Spent,
}

impl<'a> Attackers<'a> {
    /// `count` attackers that are about to connect.
    pub fn new(attack: &'a Attack, target: &'a Target, count: usize) -> Self {
        Attackers {
            attack,
            target,
            script: Script::new(attack),
            attackers: (0..count).map(|_| Attacker::new()).collect(),
            spent: Spent::default(),
        }
    }

    /// Attacks until told to stop.
    pub fn run(mut self, stop: &AtomicBool) -> Spent {
        let mut buffer = vec![0; 64 << 10];
        while !stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            let mut busy = false;
            for attacker in &mut self.attackers {
                let mut round = Turn {
                    attack: self.attack,
                    target: self.target,
                    script: &mut self.script,
                    spent: &mut self.spent,
                    buffer: &mut buffer,
                    now,
                };
                busy |= attacker.turn(&mut round);
            }
            if !busy {
                std::thread::sleep(NAP);
            }
        }
        self.spent
    }
}

/// Resources that are lent to an attacker for its turn.
struct Turn<'t, 'a> {
    attack: &'a Attack,
    target: &'a Target,
    script: &'t mut Script<'a>,
    spent: &'t mut Spent,
    buffer: &'t mut [u8],
    now: Instant,
}

/// One attacker, and the connection that it has now.
struct Attacker {
    link: Option<Link>,
    /// Time at which the attacker goes on: with a connection, or with the next part of its script.
    due: Instant,
    /// Number of the present part of the script. `sent` is the number of its bytes that were sent.
    part: usize,
    sent: usize,
    answers: Answers,
}

impl Attacker {
    fn new() -> Attacker {
        Attacker {
            link: None,
            due: Instant::now(),
            part: 0,
            sent: 0,
            answers: Answers::default(),
        }
    }

    /// Does all that can be done now. Returns false if that was nothing.
    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        if turn.now >= self.due && self.link.is_none() {
            self.connect(turn);
        }
        let read = turn.attack.reads == Reads::All && self.read(turn);
        let written = turn.now >= self.due && self.write(turn);
        read || written
    }

    fn connect(&mut self, turn: &mut Turn<'_, '_>) {
        (self.part, self.sent, self.answers) = (0, 0, Answers::default());
        match Link::open(turn.target, turn.attack.reads == Reads::Nothing) {
            Ok(link) => {
                self.link = Some(link);
                turn.spent.connections += 1;
            }
            Err(_) => self.due = turn.now + RECONNECT,
        }
    }

    fn lose(&mut self, now: Instant) {
        self.link = None;
        self.due = now + RECONNECT;
    }

    fn read(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        let Some(link) = &mut self.link else {
            return false;
        };
        match link.read(turn.buffer) {
            Ok(0) => self.lose(turn.now),
            Ok(len) => {
                if let Pace::Answered(_) = turn.attack.pace {
                    self.answers.take(&turn.buffer[..len]);
                }
            }
            Err(error) if is_patient(&error) => return false,
            Err(_) => self.lose(turn.now),
        }
        true
    }

    fn write(&mut self, turn: &mut Turn<'_, '_>) -> bool {
        if let Pace::Answered(batch) = turn.attack.pace
            // The first part is the opening.
            && batch * (self.part as u64).saturating_sub(1) > self.answers.ended + batch
        {
            return false;
        }
        let Some(link) = &mut self.link else {
            return false;
        };
        let bytes: &[u8] = match turn.script.part(self.part) {
            Part::Send(bytes) => bytes,
            Part::KeyUpdate if link.is_ready() => {
                link.update_keys();
                self.part += 1;
                &[]
            }
            Part::KeyUpdate | Part::Hold => &[],
            Part::Close if link.is_ready() => {
                self.lose(turn.now);
                return true;
            }
            Part::Close => &[],
        };
        let before = link.sent;
        let result = link.write(&bytes[self.sent.min(bytes.len())..]);
        turn.spent.bytes += link.sent - before;
        match result {
            Ok(taken) => {
                self.sent += taken;
                if self.sent == bytes.len() && !bytes.is_empty() {
                    (self.part, self.sent) = (self.part + 1, 0);
                    self.due = turn.now + turn.attack.pause();
                }
                taken > 0
            }
            Err(error) if is_patient(&error) => false,
            Err(_) => {
                self.lose(turn.now);
                true
            }
        }
    }
}
