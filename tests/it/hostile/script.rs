//! The bytes that every connection of an attack sends, made once for all of them.

use super::attack::{Attack, Pace, Step};

/// Size of the writes that the steps of a flood are gathered into, in bytes, roughly.
const WRITE: usize = 16 << 10;

/// One write, or the action in its place.
pub enum Part {
    /// Sends bytes.
    Send(Vec<u8>),
    /// See [`Step::KeyUpdate`].
    KeyUpdate,
    /// See [`Step::Close`].
    Close,
    /// See [`Step::Hold`].
    Hold,
}

/// The parts of an attack, in order. They are made up to the furthest that an attacker has reached.
pub struct Script<'a> {
    attack: &'a Attack,
    parts: Vec<Part>,
    steps: u32,
}

impl<'a> Script<'a> {
    /// A script that begins with the attack's opening.
    pub fn new(attack: &'a Attack) -> Self {
        let opening = (attack.opening)();
        let parts = if opening.is_empty() {
            Vec::new()
        } else {
            vec![Part::Send(opening)]
        };
        Script {
            attack,
            parts,
            steps: 0,
        }
    }

    /// A part by its number.
    pub fn part(&mut self, number: usize) -> &Part {
        while self.parts.len() <= number {
            self.extend();
        }
        &self.parts[number]
    }

    fn extend(&mut self) {
        let mut bytes = Vec::new();
        let last = loop {
            let step = (self.attack.step)(self.steps);
            self.steps += 1;
            match step {
                Step::Send(more) => bytes.extend(more),
                Step::KeyUpdate => break Some(Part::KeyUpdate),
                Step::Close => break Some(Part::Close),
                Step::Hold => break Some(Part::Hold),
            }
            if bytes.len() >= WRITE || self.attack.pace != Pace::Flood {
                break None;
            }
        };
        if !bytes.is_empty() {
            self.parts.push(Part::Send(bytes));
        }
        self.parts.extend(last);
    }
}
