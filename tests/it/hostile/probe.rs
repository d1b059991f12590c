//! A single attacker, a step at a time: the server's answers to it, and the number of steps before
//! them.

use super::attack::{Answer, Attack, Reads, Step};
use super::heard::Heard;
use super::link::{Link, Target, is_patient};
use super::process;
use std::time::{Duration, Instant};

/// Number of steps after which an attack that must be ended is given up.
const MOST_STEPS: u32 = 1_200;

/// Number of steps of an attack that need not be ended.
const FEW_STEPS: u32 = 50;

/// Time that an answer is waited for after the last step.
const PATIENCE: Duration = Duration::from_millis(500);

/// Number of frames up to which an answer is waited for behind each of them.
const FEW_FRAMES: usize = 5;

/// Time between two steps: as long as the server needs for one on a loaded machine.
const PAUSE: Duration = Duration::from_micros(100);

/// Answers to one attacker.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// The code of GOAWAY.
    pub goaway: Option<u32>,
    /// The code of the first RST_STREAM.
    pub reset: Option<u32>,
    /// The last status.
    pub status: Option<u16>,
    /// Frames (or steps, where there are no frames) that were sent behind the opening, until the
    /// answer that ended the connection; `None` if none did.
    pub frames: Option<usize>,
}

impl Answered {
    /// Compares the answers with those that the attack's row demands.
    pub fn check(&self, demanded: Answer) -> Result<(), String> {
        let fine = match demanded {
            Answer::GoAway(code, most) => {
                self.goaway == Some(code) && self.frames.is_some_and(|frames| frames <= most)
            }
            Answer::Reset(code) => self.reset == Some(code),
            Answer::Status(status) => self.status == Some(status),
            Answer::Refused(status) => self.status == Some(status) && self.frames.is_some(),
            Answer::Closed(most) => self.frames.is_some_and(|frames| frames <= most),
            Answer::Harmless => true,
        };
        if fine {
            Ok(())
        } else {
            Err(format!(
                "{demanded:?} is demanded, and answered was {self:?}"
            ))
        }
    }
}

/// Lets one attacker send its steps, each when the server is through with the last, until it is
/// closed.
pub fn probe(attack: &Attack, target: &Target, server: u32) -> Answered {
    let mut link = Link::open(target, false).expect("the system lets connect");
    let mut heard = Heard::default();
    let mut frames = 0;
    let mut steps = 0;
    let opening = (attack.opening)();
    let reads = attack.reads == Reads::All;
    let mut alive = send(&mut link, &opening) && (!reads || heard.listen(&mut link, PAUSE * 20));
    let most = match attack.answer {
        Answer::Harmless | Answer::Status(_) | Answer::Reset(_) => FEW_STEPS,
        Answer::GoAway(..) | Answer::Refused(_) | Answer::Closed(_) => MOST_STEPS,
    };
    // An answer that is demanded behind so few frames is waited for: a loaded machine may need longer for
    // it than for the next step.
    let pause = match attack.answer {
        Answer::GoAway(_, most) | Answer::Closed(most) if most <= FEW_FRAMES => PAUSE * 200,
        _ => PAUSE,
    };
    while alive && steps < most {
        match (attack.step)(steps) {
            Step::Send(bytes) => {
                frames += count_frames(&bytes, &opening);
                alive = send(&mut link, &bytes);
            }
            Step::KeyUpdate => {
                frames += 1;
                link.update_keys();
                alive = send(&mut link, &[]);
            }
            Step::Close | Step::Hold => break,
        }
        steps += 1;
        let start = Instant::now();
        while process::is_busy(server) && start.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE / 2);
        }
        if reads {
            alive = heard.listen(&mut link, pause) && alive;
        }
    }
    // The last answer may still be on its way.
    let patience = if most == FEW_STEPS {
        PAUSE * 100
    } else {
        PATIENCE
    };
    let closed = !heard.listen(&mut link, patience);
    heard.tell((closed || !alive).then_some(frames))
}

/// Sends all bytes. Returns false if the server has closed, or takes no more.
fn send(link: &mut Link, bytes: &[u8]) -> bool {
    let start = Instant::now();
    let mut sent = 0;
    loop {
        match link.write(&bytes[sent..]) {
            Ok(taken) => sent += taken,
            Err(error) if is_patient(&error) => {}
            Err(_) => return false,
        }
        if sent == bytes.len() && link.is_ready() {
            return true;
        }
        if start.elapsed() > PATIENCE {
            return false;
        }
        if !link.is_ready() && matches!(link.read(&mut [0; 1]), Err(error) if !is_patient(&error)) {
            return false;
        }
        std::thread::sleep(PAUSE / 2);
    }
}

/// Frames of HTTP/2 in a step; other steps count as one.
fn count_frames(mut bytes: &[u8], opening: &[u8]) -> usize {
    if !opening.starts_with(b"PRI") {
        return 1;
    }
    let mut count = 0;
    while bytes.len() >= 9 {
        let len = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        bytes = bytes.get(9 + len..).unwrap_or_default();
        count += 1;
    }
    count.max(1)
}
