//! Connections in slots that are used again.
//!
//! A token carries the number of its slot and the serial number of the slot's user. So readiness for a
//! connection that is gone is not mistaken for readiness of its successor.

use crate::world::Token;
use slab::Slab;

/// A table with the event loop's state of each connection.
pub struct Slots<T> {
    slab: Slab<ConnectionSlot<T>>,
    last_serial: u32,
}

struct ConnectionSlot<T> {
    serial: u32,
    schedule: Schedule,
    weight: Weight,
    /// Turns of little work since the last of much, up to [`KNOWN`].
    light_turns: u8,
    /// The value is boxed, so that the table that a crowd leaves behind is small.
    value: Box<T>,
}

/// Position of a connection with respect to the queue of turns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Schedule {
    Waiting,
    Queued,
}

/// Turns of little work in a row after which a connection is known to take little: a few, because one that is about to
/// take much has said hello before.
const KNOWN: u8 = 4;

/// Amount of work in a connection's last turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It has had too few turns since it took much, or since it came. It may be one of many that come again and again
    /// with all that a turn takes.
    Unknown,
    /// Little work in all of them: a readable or writable connection has its next turn at once.
    Light,
    /// Much work in the last: the next turn is queued, so that many busy connections do not keep the others
    /// waiting.
    Heavy,
}

impl<T> Slots<T> {
    /// A table without connections, with room for `room`.
    pub fn with_room(room: usize) -> Self {
        Slots {
            slab: Slab::with_capacity(room),
            last_serial: 0,
        }
    }

    /// The number of connections.
    pub fn count(&self) -> usize {
        self.slab.len()
    }

    /// Puts a connection in a free slot.
    pub fn insert(&mut self, value: T) -> Token {
        self.last_serial = match self.last_serial {
            Token::LAST_SERIAL => 1,
            last => last + 1,
        };
        let serial = self.last_serial;
        let slot = ConnectionSlot {
            serial,
            schedule: Schedule::Waiting,
            weight: Weight::Unknown,
            light_turns: 0,
            value: Box::new(value),
        };
        Token {
            index: self.slab.insert(slot) as u32,
            serial,
        }
    }

    /// Removes a connection.
    pub fn remove(&mut self, token: Token) -> Option<Box<T>> {
        self.current(token)?;
        Some(self.slab.remove(token.index as usize).value)
    }

    /// The connection that a token names, unless that connection is gone.
    pub fn value(&mut self, token: Token) -> Option<&mut T> {
        self.current(token).map(|slot| &mut *slot.value)
    }

    /// The token of the connection that has a slot now.
    pub fn token(&self, index: u32) -> Option<Token> {
        let slot = self.slab.get(index as usize)?;
        Some(Token {
            index,
            serial: slot.serial,
        })
    }

    /// The first connection for which `found` is true, looked for from slot `index` to the end and then
    /// from the beginning.
    pub fn find_from(&self, index: u32, found: impl Fn(&T) -> bool) -> Option<u32> {
        let end = self.slab.capacity() as u32;
        let is_found = |index: &u32| {
            let slot = self.slab.get(*index as usize);
            slot.is_some_and(|slot| found(&slot.value))
        };
        (index..end).chain(0..index.min(end)).find(is_found)
    }

    /// The connection that has the slot of this number now.
    pub fn at(&self, index: u32) -> Option<(Token, &T)> {
        let slot = self.slab.get(index as usize)?;
        let serial = slot.serial;
        Some((Token { index, serial }, &slot.value))
    }

    /// The number behind the last slot.
    pub fn end(&self) -> u32 {
        self.slab.capacity() as u32
    }

    /// The token of the connection of this serial number: 40 µs with 20,000 connections.
    #[cfg(feature = "panel")]
    pub fn named(&self, serial: u32) -> Option<Token> {
        let mut slots = self.slab.iter();
        let (index, _) = slots.find(|(_, slot)| slot.serial == serial)?;
        Some(Token {
            index: index as u32,
            serial,
        })
    }

    /// The tokens of all connections.
    pub fn tokens(&self) -> Vec<Token> {
        let token = |(index, slot): (usize, &ConnectionSlot<T>)| Token {
            index: index as u32,
            serial: slot.serial,
        };
        self.slab.iter().map(token).collect()
    }

    /// Marks a connection as queued for a turn. Returns false if it was queued already.
    pub fn queue(&mut self, token: Token) -> bool {
        let replaced = self
            .current(token)
            .map(|slot| std::mem::replace(&mut slot.schedule, Schedule::Queued));
        replaced == Some(Schedule::Waiting)
    }

    /// Marks a connection as no longer queued, after the turn that it was queued for.
    pub fn unqueue(&mut self, token: Token) {
        if let Some(slot) = self.current(token) {
            slot.schedule = Schedule::Waiting;
        }
    }

    /// True if a connection is queued for a turn.
    #[cfg(debug_assertions)]
    pub fn is_queued(&mut self, token: Token) -> bool {
        let slot = self.current(token);
        slot.is_some_and(|slot| slot.schedule == Schedule::Queued)
    }

    /// Notes a connection's turn that took little.
    pub fn note_light(&mut self, token: Token) {
        if let Some(slot) = self.current(token) {
            slot.light_turns = KNOWN.min(slot.light_turns + 1);
            slot.weight = match slot.light_turns {
                KNOWN => Weight::Light,
                _ => Weight::Unknown,
            };
        }
    }

    /// Notes a connection's turn that took much.
    pub fn note_heavy(&mut self, token: Token) {
        if let Some(slot) = self.current(token) {
            slot.light_turns = 0;
            slot.weight = Weight::Heavy;
        }
    }

    /// The amount of work in a connection's last turns.
    pub fn weight(&mut self, token: Token) -> Weight {
        self.current(token)
            .map_or(Weight::Unknown, |slot| slot.weight)
    }

    fn current(&mut self, token: Token) -> Option<&mut ConnectionSlot<T>> {
        self.slab
            .get_mut(token.index as usize)
            .filter(|slot| slot.serial == token.serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_name_the_next_user_of_its_slot() {
        let mut slots = Slots::with_room(1);
        let first = slots.insert('a');
        slots.remove(first);
        let second = slots.insert('b');
        assert_eq!(first.index, second.index);
        assert_eq!(slots.value(first), None);
        assert_eq!(slots.value(second), Some(&mut 'b'));
        slots.remove(first);
        assert_eq!(slots.count(), 1);
    }

    #[test]
    fn a_search_goes_around_once() {
        let mut slots = Slots::with_room(4);
        let tokens = ['a', 'b', 'a', 'b'].map(|value| slots.insert(value));
        slots.remove(tokens[2]);
        let found = |from, wanted| slots.find_from(from, |value| *value == wanted);
        assert_eq!(found(0, 'a'), Some(0));
        assert_eq!(found(1, 'a'), Some(0));
        assert_eq!(found(2, 'b'), Some(3));
        assert_eq!(found(99, 'b'), Some(1));
        assert_eq!(found(1, 'c'), None);
    }

    #[test]
    fn a_connection_is_known_to_take_little_after_some_turns() {
        let mut slots = Slots::with_room(1);
        let token = slots.insert('a');
        for _ in 0..2 {
            for _ in 0..KNOWN {
                assert_ne!(slots.weight(token), Weight::Light);
                slots.note_light(token);
            }
            assert_eq!(slots.weight(token), Weight::Light);
            slots.note_heavy(token);
            assert_eq!(slots.weight(token), Weight::Heavy);
        }
        slots.note_light(token);
        assert_eq!(slots.weight(token), Weight::Unknown);
    }

    #[test]
    fn a_connection_is_queued_once() {
        let mut slots = Slots::with_room(1);
        let token = slots.insert('a');
        assert!(slots.queue(token));
        assert!(!slots.queue(token));
        slots.unqueue(token);
        assert!(slots.queue(token));
    }
}
