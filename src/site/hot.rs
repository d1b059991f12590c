//! The files that are asked for most, kept ready within a budget of memory.
//!
//! What is found here is at most a second old: then the disk is asked whether anything changed.
//! Entries leave by the clock algorithm: a hand goes round, passes over what was used since its last
//! visit, and drops the rest, so that reading every file of a site once does not push out the pages
//! that everybody wants. Content that responses are still sending counts until they are done, so the
//! budget holds whatever readers do.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::resource::{Dress, HASHED_LEN, Loaded, Resource};
use crate::world::Files;

/// A change on the disk is served within this time, and no file is looked at more often.
const RECHECK: Duration = Duration::from_secs(1);

/// One entry takes at most this part of the budget, lest a few large files push out the rest.
const LARGEST_SHARE: usize = 4;

/// What an entry takes beside its resource and path: a slot, a place in the index, two counts.
const SLOT_COST: usize = 128;

/// What a path names.
pub(crate) enum Lookup<F: Files> {
    /// A regular file.
    Resource(Rc<Resource<F>>),
    /// A directory.
    Directory,
}

/// The cache.
pub(crate) struct HotCache<F: Files> {
    slots: Slab<Slot<F>>,
    index: HashMap<Rc<[u8]>, usize>,
    /// The next slot that the clock's hand looks at.
    hand: usize,
    used: usize,
    budget: usize,
}

struct Slot<F: Files> {
    path: Rc<[u8]>,
    resource: Rc<Resource<F>>,
    cost: usize,
    recency: Recency,
}

/// Whether an entry was used since the hand's last visit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Recency {
    Used,
    Unused,
}

impl<F: Files> HotCache<F> {
    pub(crate) fn new(budget: usize) -> Self {
        HotCache { slots: Slab::new(), index: HashMap::new(), hand: 0, used: 0, budget }
    }

    /// What `path` names, from memory if that is at most a second old.
    pub(crate) fn get(
        &mut self,
        files: &mut F,
        dress: &Dress,
        path: &[u8],
        now: Instant,
    ) -> io::Result<Lookup<F>> {
        if let Some(resource) = self.find(files, path, now)? {
            return Ok(Lookup::Resource(resource));
        }
        let keep = HASHED_LEN.min((self.budget / LARGEST_SHARE) as u64);
        match Resource::load(files, path, dress, keep, now)? {
            Loaded::Resource(resource) => Ok(Lookup::Resource(self.insert(path, resource))),
            Loaded::Directory => Ok(Lookup::Directory),
        }
    }

    /// Forgets what is known about a path.
    pub(crate) fn forget(&mut self, path: &[u8]) {
        if let Some(at) = self.index.get(path) {
            self.remove(*at);
        }
    }

    fn find(
        &mut self,
        files: &mut F,
        path: &[u8],
        now: Instant,
    ) -> io::Result<Option<Rc<Resource<F>>>> {
        let Some(&at) = self.index.get(path) else {
            return Ok(None);
        };
        let slot = &mut self.slots[at];
        slot.recency = Recency::Used;
        let resource = slot.resource.clone();
        if now.saturating_duration_since(resource.checked.get()) < RECHECK {
            return Ok(Some(resource));
        }
        match resource.is_current(files, path) {
            Ok(true) => {
                resource.checked.set(now);
                return Ok(Some(resource));
            }
            Ok(false) => self.remove(at),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => self.remove(at),
                // Without a free descriptor, what is in memory is better than an error.
                _ => return Ok(Some(resource)),
            },
        }
        Ok(None)
    }

    fn insert(&mut self, path: &[u8], mut resource: Resource<F>) -> Rc<Resource<F>> {
        let overhead = path.len() + SLOT_COST;
        let mut cost = resource.cost() + overhead;
        if !self.make_room(cost) {
            resource.forget_content();
            cost = resource.cost() + overhead;
            if !self.make_room(cost) {
                return Rc::new(resource);
            }
        }
        let resource = Rc::new(resource);
        let path: Rc<[u8]> = Rc::from(path);
        let at = self.slots.insert(Slot {
            path: path.clone(),
            resource: resource.clone(),
            cost,
            recency: Recency::Unused,
        });
        self.index.insert(path, at);
        self.used += cost;
        resource
    }

    /// Drops entries until `cost` fits; false if it does not fit beside what is being sent.
    fn make_room(&mut self, cost: usize) -> bool {
        // Twice round: the first time may only find entries that were used.
        let mut visits = 2 * self.slots.capacity();
        while self.used.saturating_add(cost) > self.budget {
            if visits == 0 || self.slots.is_empty() {
                return false;
            }
            visits -= 1;
            let at = self.hand;
            self.hand = (at + 1) % self.slots.capacity();
            match self.slots.get_mut(at) {
                Some(slot) if slot.recency == Recency::Used => slot.recency = Recency::Unused,
                Some(slot) if !slot.resource.is_pinned() => self.remove(at),
                _ => {}
            }
        }
        true
    }

    fn remove(&mut self, at: usize) {
        if let Some(slot) = self.slots.try_remove(at) {
            self.index.remove(&slot.path);
            self.used -= slot.cost;
        }
    }
}
