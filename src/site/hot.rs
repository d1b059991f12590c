//! The files that are asked for most, kept ready within a budget of memory.
//!
//! What is found here is at most [`RECHECK`] old: then the disk is asked whether anything changed, by one
//! call for each file. Once one file was seen to have changed, all others are looked at before they are
//! sent again, so that files that were changed together are not mixed any more.
//!
//! Entries leave by the clock algorithm: a hand goes round, passes over what was used since its last
//! visit, and drops the rest, so that reading every file of a site once does not push out the pages
//! that everybody wants. What is dropped is free at once, whoever is still being sent it: that goes on
//! from the file. So the budget holds whatever readers do, and readers that stall keep nothing from others.

use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use slab::Slab;

use super::hashing::Hashing;
use super::known_hashes::KnownHashes;
use super::open_files::OpenFiles;
use super::representation::{Representation, sidecar_path};
use super::resource::{Dress, Loaded, Resource};
use crate::config::EntityTags;
use crate::world::Files;

/// A change on the disk is served within this time, and no file is looked at more often: by a file that
/// everybody wants, 50 calls of a microsecond in a second. Whoever changes files by hand, or purges a
/// cache, asks later than that.
pub(crate) const RECHECK: Duration = Duration::from_millis(20);

/// One entry takes at most this part of the budget, lest a few large files push out the rest.
const LARGEST_SHARE: usize = 4;

/// Longer content is not kept: sending it from memory would save nothing over sending it from its
/// file.
const KEPT_LEN: u64 = 128 << 10;

/// Content longer than this is only kept in room that nobody else has: the room is better used by
/// many small files, and where there are many large ones, reading each for the next to push it out
/// would cost more than sending them from their files.
const MODEST_LEN: usize = 32 << 10;

/// This part of the budget is not for content, so that files whose content has no room are still
/// known, and all who are sent the same one share a descriptor.
const WITHOUT_CONTENT: usize = 4;

/// What an entry takes beside its resource and path: a slot, a place in the index, two counts, and the
/// place of a descriptor.
const SLOT_COST: usize = 256;

/// Files of which a warning was given. There may be more on a disk than is worth remembering, or telling.
const MOST_WARNED: usize = 1_000;

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
    /// Its keys are paths that exist, so nobody chooses them; colliding ones would only be slow.
    index: HashMap<Rc<[u8]>, usize, RandomState>,
    /// The next slot that the clock's hand looks at.
    hand: usize,
    used: usize,
    budget: usize,
    open_files: Rc<OpenFiles<F>>,
    tags: EntityTags,
    /// The number of changes that were seen.
    changes: u32,
    hashes: KnownHashes,
    hashing: Hashing<F>,
    /// Read for the request that is being answered, with its files still open.
    loaded: Option<Rc<Resource<F>>>,
    /// Sidecars that a warning was given of.
    warned: HashSet<Vec<u8>, RandomState>,
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
    pub(crate) fn new(budget: usize, tags: EntityTags, open_files: Rc<OpenFiles<F>>) -> Self {
        HotCache {
            slots: Slab::new(),
            index: HashMap::default(),
            hand: 0,
            used: 0,
            budget,
            open_files,
            tags,
            changes: 0,
            hashes: KnownHashes::default(),
            hashing: Hashing::new(tags),
            loaded: None,
            warned: HashSet::default(),
        }
    }

    /// In how long there is something to hash.
    pub(crate) fn next_work(&self) -> Option<Duration> {
        self.hashing.next_step()
    }

    /// Hashes one slice of what is to be hashed. Returns how many bytes that were.
    pub(crate) fn work(&mut self, files: &mut F) -> usize {
        self.hashing.step(files, &mut self.hashes)
    }

    /// The request is answered: closes what was opened for it and not needed.
    pub(crate) fn finish_request(&mut self) {
        if let Some(loaded) = self.loaded.take() {
            loaded.close_kept();
        }
    }

    /// Forgets everything.
    pub(crate) fn forget_all(&mut self) {
        *self = HotCache::new(self.budget, self.tags, self.open_files.clone());
    }

    /// What `path` names, from memory if that is fresh.
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
        let keep = KEPT_LEN.min((self.budget / LARGEST_SHARE) as u64);
        let hashes = &mut self.hashes;
        let loaded = Resource::load(files, &self.open_files, path, dress, keep, hashes, now);
        if let Ok(Loaded::Resource(again)) = &loaded
            && let Some(known) = self.confirm(path, again)
        {
            return Ok(Lookup::Resource(known));
        }
        self.forget(path);
        match loaded? {
            Loaded::Resource(resource) => {
                self.warn(path, &resource);
                resource.changes.set(self.changes);
                let resource = self.insert(path, resource);
                self.finish_request();
                self.hashing.ask(&resource, &mut self.hashes);
                self.loaded = Some(resource.clone());
                Ok(Lookup::Resource(resource))
            }
            Loaded::Directory => Ok(Lookup::Directory),
        }
    }

    /// Tells the operator of sidecars that are not sent, once of each.
    fn warn(&mut self, path: &[u8], resource: &Resource<F>) {
        for sidecar in resource.unfit() {
            let name = sidecar_path(path, sidecar.coding);
            if self.warned.len() < MOST_WARNED && self.warned.insert(name.clone()) {
                let why = match sidecar.metadata.len {
                    0 => "is empty",
                    _ => "is older than the file that it is a form of",
                };
                log::warn!(
                    "'{}' {why}, and is not sent; compress that file again, or delete this one",
                    name.escape_ascii()
                );
            }
        }
    }

    /// What is known about a path, if it was read again for nothing: that may be in the middle of a
    /// crowd, and what is kept from then on would lie above all that the crowd leaves behind, and
    /// keep the allocator from giving it back.
    fn confirm(&self, path: &[u8], again: &Resource<F>) -> Option<Rc<Resource<F>>> {
        let known = &self.slots.get(*self.index.get(path)?)?.resource;
        if !known.confirm(again) {
            return None;
        }
        known.changes.set(self.changes);
        Some(known.clone())
    }

    /// Forgets what is known about a path: it turned out to have changed.
    pub(crate) fn forget(&mut self, path: &[u8]) {
        if let Some(at) = self.index.get(path) {
            self.remove(*at);
            self.changes = self.changes.wrapping_add(1);
        }
    }

    /// What is known about a path and needs not be read again.
    fn find(
        &mut self,
        files: &mut F,
        path: &[u8],
        now: Instant,
    ) -> io::Result<Option<Rc<Resource<F>>>> {
        let Some(&at) = self.index.get(path) else {
            return Ok(None);
        };
        let Some(slot) = self.slots.get_mut(at) else {
            return Ok(None);
        };
        slot.recency = Recency::Used;
        let resource = slot.resource.clone();
        let is_recent = now.saturating_duration_since(resource.checked.get()) < RECHECK;
        if is_recent && resource.changes.get() == self.changes {
            return Ok(Some(resource));
        }
        match resource.is_current(files, path, now) {
            Ok(true) => {
                resource.checked.set(now);
                resource.changes.set(self.changes);
                self.hashing.ask(&resource, &mut self.hashes);
                return Ok(Some(resource));
            }
            Ok(false) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => self.forget(path),
                // Without memory or a free descriptor, what is there is better than an error.
                _ => return Ok(Some(resource)),
            },
        }
        Ok(None)
    }

    fn insert(&mut self, path: &[u8], resource: Resource<F>) -> Rc<Resource<F>> {
        let overhead = path.len() + SLOT_COST;
        let mut cost = resource.cost() + overhead;
        let limit = self.budget - self.budget / WITHOUT_CONTENT;
        let has_room = if resource.content_len() > MODEST_LEN {
            self.used + cost <= limit
        } else {
            self.make_room(cost, limit)
        };
        if !has_room {
            resource.forget_content();
            cost = resource.cost() + overhead;
            if !self.make_room(cost, self.budget) {
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

    /// Drops entries until `cost` fits below `limit`; false if it is more than that.
    fn make_room(&mut self, cost: usize, limit: usize) -> bool {
        if cost > limit {
            return false;
        }
        // Twice round: the first time may only find entries that were used.
        let mut visits = 2 * self.slots.capacity();
        while self.used + cost > limit {
            if visits == 0 || self.slots.is_empty() {
                return false;
            }
            visits -= 1;
            let at = self.hand;
            self.hand = (at + 1) % self.slots.capacity();
            match self.slots.get_mut(at) {
                Some(slot) if slot.recency == Recency::Used => slot.recency = Recency::Unused,
                Some(slot) => {
                    slot.resource.forget_content();
                    self.remove(at);
                }
                None => {}
            }
        }
        true
    }

    fn remove(&mut self, at: usize) {
        if let Some(slot) = self.slots.try_remove(at) {
            self.index.remove(&slot.path);
            self.used -= slot.cost;
            let hashes = slot.resource.representations.iter();
            for (state, hash) in hashes.filter_map(Representation::hash) {
                self.hashes.insert(state, hash);
            }
        }
    }
}

#[cfg(test)]
mod tests;
