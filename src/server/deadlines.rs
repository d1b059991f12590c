//! One deadline for each connection, on a timer wheel.
//!
//! Setting, moving and clearing a deadline is O(1), and so is finding out that none has passed. A slot
//! of the wheel is a doubly linked list through `nodes`. A node has the number of its connection's
//! slot. Deadlines beyond the wheel's horizon wait in its last slot and are put in again from there.

use super::last_tick::LastTick;
use std::time::{Duration, Instant};

/// The wheel's resolution in milliseconds. A deadline never fires early, and at most this much late.
const TICK_MS: u64 = 64;
const TICK_NANOS: u64 = TICK_MS * 1_000_000;

/// Number of slots of the wheel. They give a horizon of 65 s, beyond nearly every timeout.
const SLOTS: u64 = 1024;

const NONE: u32 = u32::MAX;

/// The deadlines of all connections.
pub struct Deadlines {
    start: Instant,
    /// The first node of each slot.
    heads: Vec<u32>,
    nodes: Vec<Node>,
    /// The current tick. Every tick before it has been expired.
    current: u64,
    /// A lower bound of the ticks of all armed nodes.
    earliest: u64,
    armed: usize,
    /// The first tick that is not before the deadline that was set last.
    last: LastTick,
}

#[derive(Clone, Copy)]
struct Node {
    previous: u32,
    next: u32,
    /// The tick at which the node is looked at, and by which its slot is chosen; `UNARMED` outside of
    /// any list.
    tick: u64,
    /// The tick at which the deadline passes. It is later than `tick` if the deadline lies beyond the
    /// horizon.
    due: u64,
}

const UNARMED: u64 = u64::MAX;

#[expect(
    clippy::indexing_slicing,
    reason = "a node is made before it is linked, and a remainder is within the wheel"
)]
impl Deadlines {
    /// A wheel without deadlines that starts at `now`, with room for `room` connections.
    pub fn new(now: Instant, room: usize) -> Self {
        Deadlines {
            start: now,
            heads: vec![NONE; SLOTS as usize],
            nodes: Vec::with_capacity(room),
            current: 0,
            earliest: UNARMED,
            armed: 0,
            last: LastTick::new(now),
        }
    }

    /// Sets, moves or clears the deadline of a connection's slot.
    pub fn set(&mut self, index: u32, deadline: Option<Instant>) {
        let position = index as usize;
        if position >= self.nodes.len() {
            let unarmed = Node {
                previous: NONE,
                next: NONE,
                tick: UNARMED,
                due: UNARMED,
            };
            self.nodes.resize(position + 1, unarmed);
        }
        let due = match deadline {
            Some(deadline) => {
                let start = self.start;
                let tick = self.last.of(deadline, |at| tick_after(at, start));
                tick.max(self.current)
            }
            None => UNARMED,
        };
        let node = &mut self.nodes[position];
        node.due = due;
        // A later deadline needs no move: the node is put in again when its old tick comes.
        if due < node.tick || due == UNARMED {
            self.unlink(index);
            if due != UNARMED {
                self.link(index);
            }
        }
    }

    /// Time that the poll may sleep.
    pub fn until_next(&self, now: Instant) -> Option<Duration> {
        (self.armed > 0).then(|| {
            let since_start = Duration::from_millis(TICK_MS.saturating_mul(self.earliest));
            // A time that no clock can show never comes.
            let at = self.start.checked_add(since_start);
            at.map_or(Duration::MAX, |at| at.saturating_duration_since(now))
        })
    }

    /// Appends the slots whose deadline has passed to `expired`, and clears their deadlines.
    pub fn expire(&mut self, now: Instant, expired: &mut Vec<u32>) {
        let present = self.ticks(now);
        if self.armed == 0 || self.earliest > present {
            self.current = self.current.max(present);
            return;
        }
        let first = self.earliest.max(self.current);
        let last = present.min(first + SLOTS - 1);
        // Nodes that are put in again from here on lie after the present, within the horizon.
        self.current = present;
        for tick in first..=last {
            let mut index = self.heads[(tick % SLOTS) as usize];
            while index != NONE {
                let Node {
                    next,
                    tick: at,
                    due,
                    ..
                } = self.nodes[index as usize];
                if at <= present {
                    self.unlink(index);
                    if due <= present {
                        self.nodes[index as usize].due = UNARMED;
                        expired.push(index);
                    } else {
                        self.link(index);
                    }
                }
                index = next;
            }
        }
        self.earliest = self.find_earliest(present);
    }

    /// Number of deadlines that are set.
    #[cfg(test)]
    pub fn armed(&self) -> usize {
        self.armed
    }

    /// The earliest armed tick. Finding it looks at each slot of the wheel at most once.
    fn find_earliest(&self, present: u64) -> u64 {
        if self.armed == 0 {
            return UNARMED;
        }
        (present..present + SLOTS)
            .find(|tick| self.heads[(tick % SLOTS) as usize] != NONE)
            .unwrap_or(present)
    }

    /// Puts a node in the slot of its deadline, or in the last slot before the horizon.
    fn link(&mut self, index: u32) {
        let tick = self.nodes[index as usize].due.min(self.current + SLOTS - 1);
        let head = &mut self.heads[(tick % SLOTS) as usize];
        let next = *head;
        *head = index;
        if next != NONE {
            self.nodes[next as usize].previous = index;
        }
        let node = &mut self.nodes[index as usize];
        (node.previous, node.next, node.tick) = (NONE, next, tick);
        self.earliest = self.earliest.min(tick);
        self.armed += 1;
    }

    fn unlink(&mut self, index: u32) {
        let Node {
            previous,
            next,
            tick,
            ..
        } = self.nodes[index as usize];
        if tick == UNARMED {
            return;
        }
        if previous == NONE {
            self.heads[(tick % SLOTS) as usize] = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        self.nodes[index as usize].tick = UNARMED;
        self.armed -= 1;
    }

    /// Number of whole ticks from the start to `now`.
    fn ticks(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.start)) / TICK_NANOS
    }
}

/// The first tick that is not before `deadline`, of those from `start` on.
fn tick_after(deadline: Instant, start: Instant) -> u64 {
    nanos(deadline.saturating_duration_since(start)).div_ceil(TICK_NANOS)
}

/// Nanoseconds in 64 bits, which are 584 years: a division of 128 bits takes longer than all the rest of a change.
fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(TICK_MS);

    fn expired(deadlines: &mut Deadlines, now: Instant) -> Vec<u32> {
        let mut expired = Vec::new();
        deadlines.expire(now, &mut expired);
        expired.sort_unstable();
        expired
    }

    #[test]
    fn a_deadline_fires_once_and_never_early() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start, 1);
        deadlines.set(0, Some(start + Duration::from_millis(100)));
        assert!(expired(&mut deadlines, start + Duration::from_millis(99)).is_empty());
        assert_eq!(
            expired(&mut deadlines, start + Duration::from_millis(100) + TICK),
            [0]
        );
        assert!(expired(&mut deadlines, start + Duration::from_secs(1)).is_empty());
        assert_eq!(deadlines.until_next(start), None);
    }

    #[test]
    fn a_deadline_that_is_moved_or_cleared_does_not_fire_at_its_old_time() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start, 1);
        deadlines.set(0, Some(start + Duration::from_secs(1)));
        deadlines.set(0, Some(start + Duration::from_secs(3)));
        deadlines.set(1, Some(start + Duration::from_secs(1)));
        deadlines.set(1, None);
        deadlines.set(2, Some(start + Duration::from_secs(5)));
        deadlines.set(2, Some(start + Duration::from_secs(2)));
        assert_eq!(
            expired(&mut deadlines, start + Duration::from_millis(2200)),
            [2]
        );
        assert_eq!(
            expired(&mut deadlines, start + Duration::from_millis(3200)),
            [0]
        );
    }

    #[test]
    fn a_deadline_beyond_the_horizon_fires_at_its_time() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start, 1);
        deadlines.set(7, Some(start + Duration::from_secs(200)));
        let mut now = start;
        while now < start + Duration::from_secs(199) {
            now += deadlines.until_next(now).unwrap().max(TICK);
            if now < start + Duration::from_secs(200) {
                assert!(expired(&mut deadlines, now).is_empty());
            }
        }
        assert_eq!(
            expired(&mut deadlines, start + Duration::from_secs(201)),
            [7]
        );
    }

    #[test]
    fn a_clock_that_jumps_ahead_fires_everything_that_passed() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start, 1);
        for index in 0..1000 {
            deadlines.set(
                index,
                Some(start + Duration::from_millis(u64::from(index) * 300)),
            );
        }
        let late = start + Duration::from_secs(3600);
        assert_eq!(expired(&mut deadlines, late).len(), 1000);
        assert_eq!(deadlines.armed, 0);
    }

    #[test]
    fn after_years_the_poll_sleeps_and_deadlines_fire_as_on_the_first_day() {
        let start = Instant::now();
        // 32 bits of ticks are 8.7 years.
        for years in [8, 9, 18, 100] {
            let now = start + Duration::from_secs(years * 365 * 24 * 3600);
            let mut deadlines = Deadlines::new(start, 1);
            assert!(expired(&mut deadlines, now).is_empty());
            deadlines.set(0, Some(now + Duration::from_secs(10)));
            let sleep = deadlines.until_next(now).unwrap();
            assert!(sleep >= Duration::from_secs(10), "{years} years: {sleep:?}");
            assert!(expired(&mut deadlines, now + Duration::from_secs(9)).is_empty());
            assert_eq!(expired(&mut deadlines, now + Duration::from_secs(11)), [0]);
        }
    }

    #[test]
    fn the_poll_sleeps_until_the_earliest_deadline() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start, 1);
        assert_eq!(deadlines.until_next(start), None);
        deadlines.set(0, Some(start + Duration::from_secs(10)));
        deadlines.set(1, Some(start + Duration::from_secs(5)));
        let sleep = deadlines.until_next(start).unwrap();
        assert!(sleep >= Duration::from_secs(5) && sleep <= Duration::from_secs(5) + TICK);
    }
}
