//! Names that a slow disk has to bring, and the helper that opens them.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::{Rc, Weak};
use std::time::{Duration, UNIX_EPOCH};

use super::inode::MemoryInode;
use super::{MemoryFiles, nanoseconds};
use crate::world::{HelpAnswer, HelpId, HelpOutcome};

/// The error for a name that is not there (ENOENT).
const MISSING: i32 = 2;

/// The most tasks that the helper has at a time.
const MOST_TASKS: usize = 8;

/// The first number of its tasks, which differ from those of hashing.
const FIRST: u32 = 1 << 31;

/// A file that the helper opens: it, or the error of the operating system.
#[derive(Debug)]
pub struct MemoryOpening(Rc<OnceCell<HelpedOutcome>>);

type HelpedOutcome = Result<Rc<MemoryInode>, i32>;

/// A task of the helper.
struct NameTask {
    id: HelpId,
    /// Time of the answer.
    due: u64,
    path: Vec<u8>,
    waiting: Weak<OnceCell<HelpedOutcome>>,
}

/// Times are in nanoseconds since 1970.
#[derive(Default)]
pub(super) struct SlowNames {
    /// Time for which looking a name up takes; zero where all names are in memory.
    time: Cell<u64>,
    /// Paths that were looked up, and the time from which on they are in memory.
    brought: RefCell<BTreeMap<Vec<u8>, u64>>,
    /// The oldest first.
    tasks: RefCell<VecDeque<NameTask>>,
    needed: Cell<Option<HelpId>>,
    count: Cell<u32>,
    /// The answers come without the files that were opened.
    loses_opened: Cell<bool>,
}

impl MemoryOpening {
    /// The file, or the error, once the helper has answered with either.
    pub(super) fn opened(&self) -> Option<io::Result<Rc<MemoryInode>>> {
        let outcome = self.0.get()?.clone();
        Some(outcome.map_err(|errno| match errno {
            MISSING => io::ErrorKind::NotFound.into(),
            errno => io::Error::from_raw_os_error(errno),
        }))
    }
}

impl SlowNames {
    pub(super) fn begin(&self, time: u64) {
        self.time.set(time);
        self.brought.borrow_mut().clear();
    }

    pub(super) fn is_cold(&self, path: &[u8], now: u64) -> bool {
        let is_there = |due: &u64| *due <= now;
        self.time.get() > 0 && !self.brought.borrow().get(path).is_some_and(is_there)
    }

    pub(super) fn takes_tasks(&self) -> bool {
        self.time.get() > 0 && self.tasks.borrow().len() < MOST_TASKS
    }

    pub(super) fn open(&self, path: &[u8], now: u64) -> Option<MemoryOpening> {
        if !self.takes_tasks() {
            return None;
        }
        let due = now.saturating_add(self.time.get());
        self.brought.borrow_mut().insert(path.to_vec(), due);
        let id = HelpId(FIRST | self.count.get());
        self.count.set((self.count.get() + 1) % FIRST);
        let outcome = Rc::new(OnceCell::new());
        self.tasks.borrow_mut().push_back(NameTask {
            id,
            due,
            path: path.to_vec(),
            waiting: Rc::downgrade(&outcome),
        });
        self.needed.set(Some(id));
        Some(MemoryOpening(outcome))
    }

    pub(super) fn take_needed(&self) -> Option<HelpId> {
        self.needed.take()
    }

    /// Takes the oldest task, if it is done.
    fn take_done(&self, now: u64) -> Option<NameTask> {
        let mut tasks = self.tasks.borrow_mut();
        let is_done = tasks.front().is_some_and(|task| task.due <= now);
        if is_done { tasks.pop_front() } else { None }
    }

    pub(super) fn timeout(&self, now: u64) -> Option<Duration> {
        let tasks = self.tasks.borrow();
        let due = tasks.front()?.due;
        Some(Duration::from_nanos(due.saturating_sub(now)))
    }

    /// The clock was set. Each task takes as long as it would have.
    pub(super) fn move_clock(&self, before: u64, now: u64) {
        let moved = |due: &mut u64| *due = due.saturating_sub(before).saturating_add(now);
        self.brought.borrow_mut().values_mut().for_each(moved);
        let mut tasks = self.tasks.borrow_mut();
        tasks.iter_mut().map(|task| &mut task.due).for_each(moved);
    }
}

impl MemoryFiles {
    /// Makes looking names up slow from now on, and has a helper open them: a path is in memory only `time` after it
    /// was first asked for.
    pub fn slow_names(&self, time: Duration) {
        self.0.slow_names.begin(nanoseconds(UNIX_EPOCH + time));
    }

    /// Has the helper's answers come without the files that it has opened from now on, as for want of descriptors.
    pub fn lose_opened(&self) {
        self.0.slow_names.loses_opened.set(true);
    }

    /// Takes the helper's next answer, and gives what it has opened to the request that waits for it.
    pub(super) fn answer_opening(&self) -> Option<HelpAnswer> {
        let names = &self.0.slow_names;
        let task = names.take_done(self.0.clock.get())?;
        let opened = self.find(&task.path);
        let opened = opened.map_err(|error| error.raw_os_error().unwrap_or(MISSING));
        let outcome = match &opened {
            _ if names.loses_opened.get() => HelpOutcome::LookedUp,
            Ok(_) => HelpOutcome::Opened,
            Err(errno) => HelpOutcome::NotOpened(*errno),
        };
        if outcome != HelpOutcome::LookedUp
            && let Some(waiting) = task.waiting.upgrade()
        {
            let _ = waiting.set(opened);
        }
        let id = task.id;
        Some(HelpAnswer { id, outcome })
    }

    /// True if opening the path would wait for the disk.
    pub fn is_cold(&self, path: &[u8]) -> bool {
        self.0.slow_names.is_cold(path, self.0.clock.get())
    }
}
