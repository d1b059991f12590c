//! The order in which streams send (RFC 9218 §10).
//!
//! - A more urgent stream goes before every less urgent one.
//! - Within an urgency, non-incremental responses are of use only when they are complete, so they go
//!   one after the other, in the order of their identifiers; incremental ones share, a grant each.
//! - Both kinds alternate if they wait at one urgency: neither can starve the other.
//!
//! ```text
//!                  set_ready                     window used up
//!   Resting ----------------------> Ready ---------------------------> Blocked
//!      ^                            |   ^                                |  |
//!      |  nothing read, or the end  |   |          window opened         |  |
//!      +----------------------------+   +--------------------------------+  |
//!      +--------------------------------------------------------------------+
//! ```
//!
//! Only ready streams are in a list, so finding the next one never looks at those that cannot send.
//! The lists run through the streams themselves: rings, of which only the first slot is kept here.

#![expect(
    clippy::indexing_slicing,
    reason = "an urgency is below URGENCIES: Priority sees to that"
)]

use super::priority::{Priority, URGENCIES};
use super::store::Store;
use super::turn::{SendState, StreamSlot};

/// The rings of one kind of stream, one for each urgency.
struct Rings {
    first: [StreamSlot; URGENCIES],
    /// One bit for each ring that is not empty.
    occupied: u8,
}

impl Rings {
    const EMPTY: Rings = Rings {
        first: [StreamSlot::NONE; URGENCIES],
        occupied: 0,
    };

    fn first(&self, urgency: usize) -> Option<StreamSlot> {
        (self.occupied & 1 << urgency != 0).then_some(self.first[urgency])
    }

    /// Links `slot` in before `next`, or as the only one of its ring.
    fn link(
        &mut self,
        store: &mut Store,
        urgency: usize,
        slot: StreamSlot,
        next: Option<StreamSlot>,
    ) {
        let (previous, next) = match next {
            Some(next) => (store[next].turn.previous, next),
            None => {
                self.first[urgency] = slot;
                self.occupied |= 1 << urgency;
                (slot, slot)
            }
        };
        store[slot].turn.previous = previous;
        store[slot].turn.next = next;
        store[previous].turn.next = slot;
        store[next].turn.previous = slot;
    }

    fn unlink(&mut self, store: &mut Store, urgency: usize, slot: StreamSlot) {
        let (previous, next) = (store[slot].turn.previous, store[slot].turn.next);
        if next == slot {
            self.first[urgency] = StreamSlot::NONE;
            self.occupied &= !(1 << urgency);
            return;
        }
        store[previous].turn.next = next;
        store[next].turn.previous = previous;
        if self.first[urgency] == slot {
            self.first[urgency] = next;
        }
    }

    /// Links `slot` in by its identifier: from the end, since it is nearly always the highest.
    fn link_in_order(&mut self, store: &mut Store, urgency: usize, slot: StreamSlot) {
        let Some(first) = self.first(urgency) else {
            return self.link(store, urgency, slot, None);
        };
        let id = store[slot].id;
        let mut next = first;
        loop {
            let previous = store[next].turn.previous;
            if store[previous].id < id {
                break;
            }
            next = previous;
            if next == first {
                // Lower than all: it is the new first.
                self.first[urgency] = slot;
                break;
            }
        }
        self.link(store, urgency, slot, Some(next));
    }
}

/// The streams that are ready to send.
pub struct Scheduler {
    sequential: Rings,
    incremental: Rings,
    /// One bit for each urgency at which the incremental streams are next, where both kinds wait.
    incremental_next: u8,
}

impl Default for Scheduler {
    fn default() -> Self {
        Scheduler {
            sequential: Rings::EMPTY,
            incremental: Rings::EMPTY,
            incremental_next: 0,
        }
    }
}

impl Scheduler {
    /// Says that no stream is ready.
    pub fn is_empty(&self) -> bool {
        self.sequential.occupied | self.incremental.occupied == 0
    }

    /// Puts a stream into the list of its priority; it must be in none.
    pub fn insert(&mut self, store: &mut Store, slot: StreamSlot) {
        debug_assert_ne!(store[slot].turn.state, SendState::Ready);
        store[slot].turn.state = SendState::Ready;
        let priority = store[slot].priority;
        let urgency = usize::from(priority.urgency());
        if priority.incremental() {
            // Before the first of a ring is behind its last.
            let first = self.incremental.first(urgency);
            self.incremental.link(store, urgency, slot, first);
        } else {
            self.sequential.link_in_order(store, urgency, slot);
        }
    }

    /// Takes a stream out of its list, if it is in one; it waits for `place` from now on.
    pub fn remove(&mut self, store: &mut Store, slot: StreamSlot, place: SendState) {
        let turn = &mut store[slot].turn;
        let was = std::mem::replace(&mut turn.state, place);
        if was != SendState::Ready {
            return;
        }
        let priority = store[slot].priority;
        let urgency = usize::from(priority.urgency());
        if priority.incremental() {
            self.incremental.unlink(store, urgency, slot);
        } else {
            self.sequential.unlink(store, urgency, slot);
        }
    }

    /// The stream whose turn it is.
    pub fn next(&self) -> Option<StreamSlot> {
        let occupied = self.sequential.occupied | self.incremental.occupied;
        if occupied == 0 {
            return None;
        }
        let urgency = occupied.trailing_zeros() as usize;
        let sequential = self.sequential.first(urgency);
        let incremental = self.incremental.first(urgency);
        if self.incremental_next & 1 << urgency != 0 {
            incremental.or(sequential)
        } else {
            sequential.or(incremental)
        }
    }

    /// Says that others have their turn between two frames of this one, which is next.
    pub fn takes_turns(&self, store: &Store, slot: StreamSlot) -> bool {
        let priority = store[slot].priority;
        let urgency = usize::from(priority.urgency());
        if priority.incremental() {
            store[slot].turn.next != slot || self.sequential.first(urgency).is_some()
        } else {
            self.incremental.first(urgency).is_some()
        }
    }

    /// A stream has had its turn and goes on: an incremental one behind those that share with it.
    pub fn rotate(&mut self, store: &Store, slot: StreamSlot) {
        let priority = store[slot].priority;
        let urgency = usize::from(priority.urgency());
        if !priority.incremental() {
            self.incremental_next |= 1 << urgency;
            return;
        }
        self.incremental_next &= !(1 << urgency);
        if self.incremental.first(urgency) == Some(slot) {
            self.incremental.first[urgency] = store[slot].turn.next;
        }
    }

    /// Gives a stream another priority, wherever it is.
    pub fn set_priority(&mut self, store: &mut Store, slot: StreamSlot, priority: Priority) {
        if store[slot].priority == priority {
            return;
        }
        let place = store[slot].turn.state;
        self.remove(store, slot, place);
        store[slot].priority = priority;
        if place == SendState::Ready {
            store[slot].turn.state = SendState::Resting;
            self.insert(store, slot);
        }
    }
}
