//! The ledger of the memory that all connections hold, and the order in which they are closed when it is
//! too much.
//!
//! Each connection has an account: the bytes that it holds, as it reported at the end of its last turn,
//! and its rank. A rank is one number, so that finding the connection to close first is a pass over small
//! integers that lie behind each other: some microseconds for thousands of connections, and only made
//! under pressure. A turn costs a subtraction and an addition.
//!
//! ```text
//!   0 ─────────────── mark ────── limit
//!   new ones are      idle, then  the first ones
//!   accepted          stalled     are closed,
//!                     ones are    idle or not
//!                     closed;
//!                     no new ones
//! ```

use super::config::{Limits, Timeouts};
use super::last_tick::LastTick;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Number of connections that are chosen in one pass. They are closed one by one until that is enough.
const BATCH: usize = 64;

/// The resolution of ranks.
const TICK: Duration = Duration::from_millis(TICK_MS);
const TICK_MS: u64 = 128;

/// The room between mark and limit is one part in this many of the limit. In that room connections that
/// are being served may go on growing while new ones wait.
const ROOM_SHARE: usize = 8;

/// Activity of a connection, as far as it decides which connections are closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No request is open.
    Idle,
    /// The connection receives or sends.
    Busy,
}

/// Bytes of content in a turn, in either direction, that count as progress: the smallest DATA frame
/// that is worth sending. A peer that opens a window byte by byte never causes one. A request counts as
/// much. Bytes that merely keep a connection awake count nothing.
pub const PROGRESS_BYTES: usize = 1024;

/// A busy connection is spared while one part in this many of the bytes that it holds moves within the
/// grace. With 64 KiB waiting and a grace of 20 s that is 800 bytes a second, which every line reaches.
/// A thousand connections that would hold 64 MiB for ever have to take 800 KiB a second.
const TURNOVER_SHARE: usize = 4;

/// A piece of output takes at most one part in this many of the room below the mark. So pieces shrink
/// as the mark is approached, and pieces alone never pass it before all of them have the least size.
const PIECE_SHARE: usize = 16;

/// Above the limit a busy connection counts as stalled once one part in this many of its grace has passed
/// without turnover: 5 s of 20, in which every line that is at work moves something.
const STALLED_SHARE: u32 = 4;

/// The order of closing above the limit, the first ones first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// Idle for longer than the grace.
    Idle,
    /// Busy, and without turnover for a part of the grace.
    Stalled,
    /// Idle for a moment.
    BetweenRequests,
    /// Busy, with turnover.
    AtWork,
}

/// The accounts of all connections, by the numbers of their slots.
pub struct Ledger {
    start: Instant,
    last: LastTick,
    accounts: Vec<Account>,
    total: usize,
    /// Bytes that no account has: those of upstream connections.
    beside: usize,
    limit: usize,
    /// Time for which a connection without a request is spared while memory is short. `stalled_grace`
    /// is the time for one without turnover.
    idle_grace: Duration,
    stalled_grace: Duration,
    /// The tick of the last pass that found no connection. Another pass in that tick would find none
    /// either.
    fruitless: Option<u64>,
}

#[derive(Clone, Copy)]
struct Account {
    held: u32,
    /// Bytes of content that have moved since the rank was renewed.
    moved: u32,
    rank: Rank,
}

impl Account {
    const NONE: Account = Account {
        held: 0,
        moved: 0,
        rank: Rank::NONE,
    };

    /// Bytes of content that have to move until the rank is renewed.
    fn turnover(&self, standing: Standing) -> usize {
        match standing {
            Standing::Idle => PROGRESS_BYTES,
            Standing::Busy => PROGRESS_BYTES.max(self.held as usize / TURNOVER_SHARE),
        }
    }
}

/// The order in which connections are closed, the least first: idle ones before busy ones, and those
/// longest without turnover before others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(u64);

impl Rank {
    /// The rank of a slot without connection, behind all others.
    const NONE: Rank = Rank(u64::MAX);
    const BUSY: u64 = 1 << 63;

    fn new(standing: Standing, tick: u64) -> Rank {
        let tick = tick.min(Rank::BUSY - 2);
        match standing {
            Standing::Idle => Rank(tick),
            Standing::Busy => Rank(tick | Rank::BUSY),
        }
    }

    fn standing(self) -> Standing {
        if self.0 & Rank::BUSY == 0 {
            Standing::Idle
        } else {
            Standing::Busy
        }
    }

    /// The tick of the last turnover.
    fn tick(self) -> u64 {
        self.0 & !Rank::BUSY
    }
}

impl Ledger {
    /// A ledger without accounts, with room for `room` connections.
    pub fn new(limits: &Limits, timeouts: &Timeouts, now: Instant, room: usize) -> Self {
        Ledger {
            start: now,
            last: LastTick::new(now),
            accounts: Vec::with_capacity(room),
            total: 0,
            beside: 0,
            limit: limits.memory_bytes,
            idle_grace: limits.idle_grace,
            stalled_grace: timeouts.stall,
            fruitless: None,
        }
    }

    /// Enters the state of a connection after a turn: the bytes that it holds, its activity, and the
    /// bytes of content that moved.
    #[expect(clippy::indexing_slicing, reason = "it was made above")]
    pub fn enter(
        &mut self,
        index: u32,
        held: usize,
        standing: Standing,
        moved: usize,
        now: Instant,
    ) {
        let start = self.start;
        let tick = self.last.of(now, |now| ticks(start, now));
        let position = index as usize;
        if position >= self.accounts.len() {
            self.accounts.resize(position + 1, Account::NONE);
        }
        let account = &mut self.accounts[position];
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        self.total = self.total - account.held as usize + held as usize;
        account.held = held;
        if moved >= PROGRESS_BYTES {
            account.moved = account
                .moved
                .saturating_add(u32::try_from(moved).unwrap_or(u32::MAX));
        }
        let unchanged = account.rank != Rank::NONE && account.rank.standing() == standing;
        if !unchanged || account.moved as usize >= account.turnover(standing) {
            account.rank = Rank::new(standing, tick);
            account.moved = 0;
        }
    }

    /// Clears the account of a connection that has ended.
    pub fn clear(&mut self, index: u32) {
        if let Some(account) = self.accounts.get_mut(index as usize) {
            self.total -= account.held as usize;
            *account = Account::NONE;
        }
    }

    /// Bytes that the connection in this slot holds.
    #[cfg(feature = "panel")]
    pub fn held(&self, index: u32) -> usize {
        let account = self.accounts.get(index as usize);
        account.map_or(0, |account| account.held as usize)
    }

    /// Bytes that all connections hold together.
    pub fn total(&self) -> usize {
        self.total + self.beside
    }

    /// Enters the bytes that upstream connections and their calls hold.
    #[cfg(feature = "proxy")]
    pub fn set_beside(&mut self, held: usize) {
        self.beside = held;
    }

    /// True while no new connection may be accepted.
    pub fn is_tight(&self) -> bool {
        self.total() > self.mark()
    }

    /// Size of a piece of output that may wait for its reader. Pieces shrink first when memory is
    /// short, so that many slow readers at once do not force any connection to be closed.
    pub fn piece(&self, least: usize, most: usize) -> usize {
        let left = self.mark().saturating_sub(self.total());
        (left / PIECE_SHARE).clamp(least, most)
    }

    fn mark(&self) -> usize {
        self.limit - self.limit / ROOM_SHARE
    }

    /// True if connections have to be closed at once.
    pub fn is_over(&self) -> bool {
        self.total() > self.limit
    }

    /// The slots of connections to close first, among all connections: at most [`BATCH`], in order. A
    /// connection that has just come, or has just been answered, is idle for a moment only. It stays while
    /// there are stalled ones.
    pub fn first(&self, now: Instant) -> Vec<u32> {
        let now = ticks(self.start, now);
        let age = |tick: u64| TICK * u32::try_from(now.saturating_sub(tick)).unwrap_or(u32::MAX);
        self.least(|rank| {
            let class = match rank.standing() {
                Standing::Idle if age(rank.tick()) >= self.idle_grace => Urgency::Idle,
                Standing::Busy if age(rank.tick()) >= self.stalled_grace / STALLED_SHARE => {
                    Urgency::Stalled
                }
                Standing::Idle => Urgency::BetweenRequests,
                Standing::Busy => Urgency::AtWork,
            };
            Some((class, rank))
        })
    }

    /// The slots of connections to close first, among those that have been idle or stalled for longer
    /// than their grace: at most [`BATCH`], in order.
    pub fn first_dispensable(&mut self, now: Instant) -> Vec<u32> {
        let tick = ticks(self.start, now);
        if self.fruitless == Some(tick) {
            return Vec::new();
        }
        let before = |grace| {
            let latest = now.checked_sub(grace).filter(|then| *then > self.start);
            // Only ticks that have ended count, so that no grace is cut short.
            latest.map(|then| ticks(self.start, then))
        };
        let bound = |standing, grace| match before(grace) {
            Some(end) if end > 0 => Some(Rank::new(standing, end - 1)),
            _ => None,
        };
        let idle = bound(Standing::Idle, self.idle_grace);
        let stalled = bound(Standing::Busy, self.stalled_grace);
        let found = self.least(|rank| {
            let bound = match rank.standing() {
                Standing::Idle => idle,
                Standing::Busy => stalled,
            };
            bound.is_some_and(|bound| rank <= bound).then_some(rank)
        });
        self.fruitless = found.is_empty().then_some(tick);
        found
    }

    /// The slots of the connections with the least keys; those without a key are left out.
    fn least<K: Copy + Ord>(&self, key: impl Fn(Rank) -> Option<K>) -> Vec<u32> {
        let mut least = BinaryHeap::with_capacity(BATCH + 1);
        for (index, account) in self.accounts.iter().enumerate() {
            if account.rank == Rank::NONE {
                continue;
            }
            let Some(key) = key(account.rank) else {
                continue;
            };
            let beyond = |&(last, _): &(K, u32)| least.len() == BATCH && key >= last;
            if least.peek().is_some_and(beyond) {
                continue;
            }
            least.push((key, index as u32));
            if least.len() > BATCH {
                least.pop();
            }
        }
        let sorted = least.into_sorted_vec();
        sorted.into_iter().map(|(_, index)| index).collect()
    }
}

/// Number of whole ticks from `start` to `now`, in 64 bits, because this is done in many turns.
fn ticks(start: Instant, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(start);
    let of_seconds = elapsed.as_secs().saturating_mul(1_000);
    of_seconds.saturating_add(elapsed.subsec_millis().into()) / TICK_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ledger(memory_bytes: usize) -> (Ledger, Instant) {
        let start = Instant::now();
        let limits = Limits {
            memory_bytes,
            idle_grace: SECOND,
            ..Limits::default()
        };
        let timeouts = Timeouts {
            stall: SECOND * 5,
            ..Timeouts::default()
        };
        (Ledger::new(&limits, &timeouts, start, 1), start)
    }

    #[test]
    fn the_total_is_what_all_hold_and_zero_when_they_are_gone() {
        let (mut ledger, now) = ledger(1000);
        for (index, held) in [(3, 100), (0, 200), (3, 50), (7, 1)] {
            ledger.enter(index, held, Standing::Busy, 1024, now);
        }
        assert_eq!(ledger.total, 251);
        for index in [0, 3, 3, 7, 99] {
            ledger.clear(index);
        }
        assert_eq!(ledger.total, 0);
    }

    #[test]
    fn it_is_tight_above_the_mark_and_over_above_the_limit() {
        let (mut ledger, now) = ledger(800);
        let mut enter = |held| {
            ledger.enter(0, held, Standing::Idle, 0, now);
            (ledger.is_tight(), ledger.is_over())
        };
        assert_eq!(enter(700), (false, false));
        assert_eq!(enter(701), (true, false));
        assert_eq!(enter(800), (true, false));
        assert_eq!(enter(801), (true, true));
    }

    #[test]
    fn pieces_shrink_as_the_mark_is_approached_and_do_not_pass_it_before_all_are_the_least() {
        let (mut ledger, now) = ledger(4 << 20);
        let (least, most) = (4 << 10, 64 << 10);
        assert_eq!(ledger.piece(least, most), most);
        let mut last = most;
        let mut index = 0;
        while last > least {
            let piece = ledger.piece(least, most);
            assert!(piece <= last, "{index}: {piece} behind {last}");
            ledger.enter(index, piece, Standing::Busy, piece, now);
            assert!(!ledger.is_tight(), "after {index}");
            (last, index) = (piece, index + 1);
        }
        // Pieces that shrink fit 70 times below the mark. Pieces of full size would fit 56 times.
        assert!(index > 70, "{index}");
        ledger.enter(index, 4 << 20, Standing::Busy, 0, now);
        assert_eq!(ledger.piece(least, most), least);
    }

    #[test]
    fn idle_ones_go_first_the_oldest_first_then_those_longest_without_progress() {
        let (mut ledger, start) = ledger(1000);
        let at = |seconds| start + SECOND * seconds;
        ledger.enter(0, 1, Standing::Busy, 1024, at(1));
        ledger.enter(1, 1, Standing::Idle, 1024, at(4));
        ledger.enter(2, 1, Standing::Busy, 1024, at(2));
        ledger.enter(3, 1, Standing::Idle, 1024, at(3));
        // A connection that is kept awake without a request.
        ledger.enter(3, 1, Standing::Idle, 0, at(9));
        // A download that makes progress.
        ledger.enter(0, 1, Standing::Busy, 1024, at(9));
        assert_eq!(ledger.first(at(9)), [3, 1, 2, 0]);
        ledger.enter(3, 1, Standing::Idle, 1024, at(9));
        ledger.clear(2);
        assert_eq!(ledger.first(at(9)), [1, 3, 0]);
    }

    #[test]
    fn one_that_has_just_come_stays_while_there_are_stalled_ones() {
        let (mut ledger, start) = ledger(1000);
        let at = |seconds| start + SECOND * seconds;
        ledger.enter(0, 1, Standing::Busy, 1024, at(1));
        ledger.enter(1, 1, Standing::Busy, 1024, at(9));
        ledger.enter(2, 1, Standing::Idle, 1024, at(9));
        ledger.enter(3, 1, Standing::Idle, 1024, at(2));
        assert_eq!(ledger.first(at(9)), [3, 0, 2, 1]);
    }

    #[test]
    fn who_is_at_work_is_spared_while_a_quarter_of_what_it_holds_moves() {
        let (mut ledger, start) = ledger(1 << 20);
        let at = |seconds| start + SECOND * seconds;
        let mut enter = |index, held, moved, seconds| {
            ledger.enter(index, held, Standing::Busy, moved, at(seconds));
        };
        for index in 0..3 {
            enter(index, 64 << 10, 0, 1);
        }
        for seconds in 2..6 {
            enter(0, 64 << 10, 4 << 10, seconds);
            enter(1, 64 << 10, 3 << 10, seconds);
            // Amounts below `PROGRESS_BYTES` are not counted.
            enter(2, 64 << 10, 1023, seconds);
        }
        assert_eq!(ledger.first_dispensable(at(7)), [1, 2]);
    }

    #[test]
    fn nobody_is_dispensable_within_its_grace() {
        let (mut ledger, start) = ledger(1000);
        ledger.enter(0, 1, Standing::Idle, 1024, start + SECOND);
        ledger.enter(1, 1, Standing::Busy, 1024, start + SECOND);
        let mut at = |time| ledger.first_dispensable(start + time);
        assert!(at(SECOND * 2 - TICK).is_empty());
        assert_eq!(at(SECOND * 2 + TICK), [0]);
        assert_eq!(at(SECOND * 6 - TICK), [0]);
        assert_eq!(at(SECOND * 6 + TICK), [0, 1]);
    }

    #[test]
    fn a_pass_that_found_nobody_is_not_made_again_at_the_same_time() {
        let (mut ledger, start) = ledger(1000);
        ledger.enter(0, 1, Standing::Idle, 1024, start);
        assert!(ledger.first_dispensable(start + SECOND / 2).is_empty());
        assert!(ledger.fruitless.is_some());
        assert_eq!(ledger.first_dispensable(start + SECOND * 2), [0]);
        assert!(ledger.fruitless.is_none());
    }

    #[test]
    fn after_years_the_order_and_the_grace_are_those_of_the_first_day() {
        // 31 bits of ticks are 8.7 years.
        for years in [9, 18, 100] {
            let (mut ledger, start) = ledger(1000);
            let ages = start + SECOND * (years * 365 * 24 * 3600);
            ledger.enter(0, 1, Standing::Busy, 1024, ages);
            ledger.enter(1, 1, Standing::Idle, 1024, ages);
            ledger.enter(2, 1, Standing::Idle, 1024, ages + SECOND / 2);
            assert_eq!(ledger.first(ages + SECOND / 2), [1, 2, 0]);
            assert!(ledger.first_dispensable(ages + SECOND / 4).is_empty());
            assert_eq!(ledger.first_dispensable(ages + SECOND + 2 * TICK), [1]);
        }
    }

    proptest! {
        #[test]
        fn a_batch_is_the_beginning_of_the_whole_order(
            entries in prop::collection::vec((any::<bool>(), 0u32..1000), 0..300)
        ) {
            let (mut ledger, start) = ledger(1000);
            let mut order = Vec::new();
            for (index, &(busy, ticks)) in entries.iter().enumerate() {
                let standing = if busy { Standing::Busy } else { Standing::Idle };
                let index = index as u32;
                ledger.enter(index, 1, standing, 1024, start + TICK * ticks);
                order.push((busy, ticks, index));
            }
            order.sort_unstable();
            order.truncate(BATCH);
            let order: Vec<u32> = order.into_iter().map(|(_, _, index)| index).collect();
            // Long after the last of them.
            prop_assert_eq!(ledger.first(start + TICK * 2000), order);
        }
    }
}
