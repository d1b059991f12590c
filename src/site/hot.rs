//! The hot cache: the files that are asked for most, kept ready within a budget of memory.
//!
//! An entry is trusted for [`RECHECK`]. After that the disk is asked for changes, by one call for each
//! file. Once one file has changed, every other file is looked at before it is sent again, so that
//! files that were changed together are no longer mixed with old ones. A path that has no file is trusted
//! to have none for as long, unless a file was read meanwhile, which may have come together with it
//! (`fileless`).
//!
//! Entries leave by the clock algorithm: a hand goes round, passes over entries that were used since
//! its last visit, and drops the others. So reading every file of a site once does not push out the
//! popular pages. Content that has to push out other content comes later (`admission`). The content of a
//! dropped entry is freed at once, even if it is being sent: the response goes on from the file. So the
//! budget holds at all times, and stalled readers take no memory from others.

use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use slab::Slab;

mod admission;
mod background;
mod fileless;
mod trust;

use admission::AdmissionCredit;
use fileless::{Fileless, FilelessPaths};
pub(crate) use trust::AnswerTrust;
use trust::Trust;

use super::bare_paths::BarePaths;
use super::cache_census::CacheCensus;
use super::config::EntityTags;
use super::excerpts::{self, Excerpt, Excerpts};
use super::hashing::Hashing;
use super::known_hashes::KnownHashes;
use super::representation::{Representation, sidecar_path};
use super::resource::{Dress, Loaded, Resource, ResourceSource, SEARCH};
use crate::content::FileTable;
use crate::world::Files;

/// A change on the disk is served within this time, and no file is looked at more often. The most
/// popular file costs 50 calls of a microsecond each second. A person who changes files by hand, or
/// purges a cache, asks later than that.
pub(crate) const RECHECK: Duration = Duration::from_millis(20);

/// One entry takes at most one part in this many of the budget, so that a few large files cannot push
/// out the rest.
const LARGEST_SHARE: usize = 4;

/// The most bytes of content that are kept. Sending longer content from memory would save nothing over
/// sending it from its file.
const KEPT_LEN: u64 = 128 << 10;

/// Content longer than this is only kept in free room. Many small files make better use of the room.
const MODEST_LEN: usize = 64 << 10;

/// Content up to this length is kept at once, and pushes out what was not used for long.
const SHORT_LEN: usize = 16 << 10;

/// One part in this many of the budget is not for content. So files whose content has no room are still
/// known, and all responses with one file share a descriptor.
const WITHOUT_CONTENT: usize = 4;

/// Bytes of an entry beside its resource and path: a slot, a place in the index, two reference counts,
/// and the place of a descriptor.
const SLOT_COST: usize = 256;

/// The most files that a warning is given of. A disk may hold more than are worth remembering, or
/// telling.
const MOST_WARNED: usize = 1_000;

/// Result of looking up a path.
pub(crate) enum Lookup<F: Files> {
    /// A regular file.
    Resource(Rc<Resource<F>>),
    /// A directory.
    Directory,
}

/// The hot cache.
pub(crate) struct HotCache<F: Files> {
    slots: Slab<HotEntry<F>>,
    /// Entries by path. The keys are paths of existing files, so no client chooses them. Colliding ones
    /// would only be slow.
    index: HashMap<Rc<[u8]>, usize, RandomState>,
    /// The next slot that the clock's hand looks at.
    hand: usize,
    used: usize,
    budget: usize,
    open_files: Rc<FileTable<F>>,
    tags: EntityTags,
    /// Number of changes that were seen.
    changes: u32,
    /// Requests for files that were known and fresh, and for others.
    hits: u64,
    misses: u64,
    /// Knowledge of files; none before the first was read.
    learned: Option<Box<Learned<F>>>,
    admission: AdmissionCredit,
    trust: Trust,
    /// The ranges that are kept beside the entries; none before one was asked for.
    excerpts: Option<Box<Excerpts>>,
    /// The resource that was read for the request that is being answered, with its files still open.
    loaded: Option<Rc<Resource<F>>>,
}

/// Knowledge of files that outlives their entries.
struct Learned<F: Files> {
    hashes: KnownHashes,
    /// Paths of dropped entries that have no sidecar.
    bare_paths: BarePaths,
    fileless: FilelessPaths,
    hashing: Hashing<F>,
    /// Paths of the sidecars that a warning was given of.
    warned: HashSet<Vec<u8>, RandomState>,
}

impl<F: Files> Learned<F> {
    fn new(tags: EntityTags) -> Box<Self> {
        Box::new(Learned {
            hashes: KnownHashes::default(),
            bare_paths: BarePaths::default(),
            fileless: FilelessPaths::default(),
            hashing: Hashing::new(tags),
            warned: HashSet::default(),
        })
    }

    /// Warns the operator of sidecars that are not sent, once of each.
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
}

struct HotEntry<F: Files> {
    path: Rc<[u8]>,
    resource: Rc<Resource<F>>,
    cost: usize,
    recency: Recency,
}

/// Use of an entry since the hand's last visit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Recency {
    Used,
    Unused,
}

impl<F: Files> HotCache<F> {
    pub(crate) fn new(budget: usize, tags: EntityTags, open_files: Rc<FileTable<F>>) -> Self {
        HotCache {
            slots: Slab::new(),
            index: HashMap::default(),
            hand: 0,
            used: 0,
            budget,
            open_files,
            tags,
            changes: 0,
            hits: 0,
            misses: 0,
            learned: None,
            admission: AdmissionCredit::default(),
            trust: Trust::default(),
            excerpts: None,
            loaded: None,
        }
    }

    /// Closes files that were opened for the answered request and not needed.
    pub(crate) fn finish_request(&mut self) {
        if let Some(loaded) = self.loaded.take() {
            loaded.close_kept();
        }
    }

    /// The trust in the answer that is being made.
    pub(super) fn trust(&mut self) -> &mut Trust {
        &mut self.trust
    }

    /// Counts an answer about a file that was known and fresh, which is given once more.
    pub(super) fn count_hit(&mut self) {
        self.hits += 1;
    }

    /// The numbers of the cache.
    pub(crate) fn census(&self) -> CacheCensus {
        CacheCensus {
            hits: self.hits,
            misses: self.misses,
            bytes: self.used + self.excerpt_bytes(),
            entries: self.slots.len(),
        }
    }

    /// The ranges that are kept beside the entries.
    pub(super) fn excerpts(&self) -> Option<&Excerpts> {
        self.excerpts.as_deref()
    }

    /// The ranges, to be noted as asked for.
    pub(super) fn excerpts_mut(&mut self) -> &mut Excerpts {
        self.excerpts.get_or_insert_default()
    }

    fn excerpt_bytes(&self) -> usize {
        self.excerpts().map_or(0, Excerpts::bytes)
    }

    /// The most bytes of memory of a range that is kept, and of all of them.
    pub(super) fn most_excerpts(&self) -> usize {
        self.budget / excerpts::SHARE
    }

    /// Keeps a range, to which entries may have to give way.
    pub(super) fn keep_excerpt(&mut self, excerpt: Excerpt) {
        let most = self.most_excerpts();
        self.excerpts_mut().insert(excerpt, most);
        self.make_room(0, self.budget - self.excerpt_bytes());
    }

    /// True if the entries of `other` could be entries of this cache.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        self.tags == other.tags
    }

    /// Bytes of memory that it may take.
    pub(crate) fn budget(&self) -> usize {
        self.budget
    }

    /// Has each entry compared with the disk before it is sent again, and looked for sidecars beside it. Entries
    /// of files that have become the server's own are forgotten.
    pub(crate) fn look_again(&mut self, now: Instant) {
        self.note_change();
        if let Some(learned) = &mut self.learned {
            learned.bare_paths = BarePaths::default();
        }
        let mut private = Vec::new();
        for (at, entry) in &self.slots {
            entry.resource.search_again(now);
            if entry
                .resource
                .is_private(&mut *self.open_files.tree(), &entry.path)
            {
                private.push(at);
            }
        }
        for at in private {
            self.remove(at);
        }
    }

    /// Forgets all entries.
    pub(crate) fn forget_all(&mut self) {
        *self = HotCache {
            hits: self.hits,
            misses: self.misses,
            trust: self.trust.ended(),
            ..HotCache::new(self.budget, self.tags, self.open_files.clone())
        };
    }

    /// The file or directory called `path`, from memory if that is fresh.
    pub(crate) fn get(
        &mut self,
        reads: &mut F::Reads,
        dress: &Dress,
        path: &[u8],
        now: Instant,
    ) -> io::Result<Lookup<F>> {
        if let Some(resource) = self.find(path, now)? {
            self.hits += 1;
            self.trust.limit(resource.trusted_until.get());
            return Ok(Lookup::Resource(resource));
        }
        if let Some((fileless, until)) = self.find_fileless(path, now) {
            self.trust.limit(until);
            return match fileless {
                Fileless::Nothing => Err(io::ErrorKind::NotFound.into()),
                Fileless::Directory => Ok(Lookup::Directory),
            };
        }
        self.misses += 1;
        let keep = self.longest_kept();
        let bare_since = self.bare_since(path, now);
        let tags = self.tags;
        let learned = self.learned.get_or_insert_with(|| Learned::new(tags));
        let source = ResourceSource {
            open_files: &self.open_files,
            path,
            dress,
            keep,
            bare_since,
            now,
            trusted_until: now + RECHECK,
        };
        let loaded = Resource::load(reads, &source, &mut learned.hashes);
        if let Ok(Loaded::Resource(again)) = &loaded
            && let Some(known) = self.confirm(path, again)
        {
            return Ok(Lookup::Resource(known));
        }
        self.forget(path);
        self.note_fileless(path, &loaded, now);
        match loaded? {
            Loaded::Resource(resource) => {
                if let Some(learned) = &mut self.learned {
                    learned.warn(path, &resource);
                }
                resource.changes.set(self.changes);
                let resource = self.insert(path, resource);
                self.finish_request();
                self.hash(&resource);
                self.loaded = Some(resource.clone());
                Ok(Lookup::Resource(resource))
            }
            Loaded::Directory => Ok(Lookup::Directory),
        }
    }

    /// The thing at a path that is known to have no file.
    fn find_fileless(&self, path: &[u8], now: Instant) -> Option<(Fileless, Instant)> {
        self.learned.as_ref()?.fileless.get(path, now)
    }

    /// Remembers a path that has no file. Where it has one, others may have come together with it.
    fn note_fileless(&mut self, path: &[u8], loaded: &io::Result<Loaded<F>>, now: Instant) {
        let Some(learned) = &mut self.learned else {
            return;
        };
        let fileless = match loaded {
            Ok(Loaded::Resource(_)) => {
                self.trust.end();
                return learned.fileless.forget_all();
            }
            Ok(Loaded::Directory) => Fileless::Directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Fileless::Nothing,
            Err(_) => return self.trust.give_up(),
        };
        learned.fileless.insert(path, fileless, now);
    }

    /// The length up to which the content of a file would be kept now. Longer content is only read where
    /// its hash is needed.
    fn longest_kept(&self) -> u64 {
        let most = KEPT_LEN.min((self.budget / LARGEST_SHARE) as u64);
        let free = self.content_limit().saturating_sub(self.used);
        // Short content costs less to read than to come back for.
        most.min(free.max(SHORT_LEN) as u64)
    }

    /// The part of the budget that content may fill.
    fn content_limit(&self) -> usize {
        self.budget - self.budget / WITHOUT_CONTENT - self.excerpt_bytes()
    }

    /// The time at which a path whose entry was dropped was last seen to have no sidecar, if that is
    /// recent enough.
    fn bare_since(&self, path: &[u8], now: Instant) -> Option<Instant> {
        if self.index.contains_key(path) {
            return None;
        }
        let since = self.learned.as_ref()?.bare_paths.get(path)?;
        (now.saturating_duration_since(since) < SEARCH).then_some(since)
    }

    /// The known resource of a path, if reading it again has brought nothing new. The old one is kept,
    /// because a new one may have been read in the middle of a crowd: it would lie above all memory
    /// that the crowd leaves behind, and keep the allocator from giving that back.
    fn confirm(&self, path: &[u8], again: &Resource<F>) -> Option<Rc<Resource<F>>> {
        let known = &self.slots.get(*self.index.get(path)?)?.resource;
        if !known.confirm(again) {
            return None;
        }
        known.changes.set(self.changes);
        Some(known.clone())
    }

    /// Forgets a path whose file has turned out to have changed.
    pub(crate) fn forget(&mut self, path: &[u8]) {
        if let Some(learned) = &mut self.learned {
            learned.bare_paths.forget(path);
        }
        if let Some(at) = self.index.get(path) {
            self.remove(*at);
            self.note_change();
        }
    }

    /// A file has changed: the others are compared with the disk before they are sent again.
    pub(crate) fn note_change(&mut self) {
        self.trust.end();
        self.changes = self.changes.wrapping_add(1);
        if let Some(learned) = &mut self.learned {
            learned.fileless.forget_all();
        }
    }

    /// The known resource of a path, if it need not be read again.
    fn find(&mut self, path: &[u8], now: Instant) -> io::Result<Option<Rc<Resource<F>>>> {
        let Some(&at) = self.index.get(path) else {
            return Ok(None);
        };
        let Some(slot) = self.slots.get_mut(at) else {
            return Ok(None);
        };
        slot.recency = Recency::Used;
        let resource = slot.resource.clone();
        if now < resource.trusted_until.get() && resource.changes.get() == self.changes {
            return Ok(Some(resource));
        }
        let current = resource.is_current(&mut *self.open_files.tree(), path, now);
        match current {
            Ok(true) => {
                resource.trusted_until.set(now + RECHECK);
                resource.changes.set(self.changes);
                self.hash(&resource);
                return Ok(Some(resource));
            }
            Ok(false) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => self.forget(path),
                // Without memory or a free descriptor, the old resource is better than an error.
                _ => return Ok(Some(resource)),
            },
        }
        Ok(None)
    }

    fn insert(&mut self, path: &[u8], resource: Resource<F>) -> Rc<Resource<F>> {
        let overhead = path.len() + SLOT_COST;
        let mut cost = resource.cost() + overhead;
        let limit = self.content_limit();
        let has_room = if resource.content_len() > SHORT_LEN {
            self.used + cost <= limit
        } else {
            self.make_room(cost, limit)
        };
        if !has_room {
            resource.forget_content();
            cost = resource.cost() + overhead;
            if !self.make_room(cost, self.budget - self.excerpt_bytes()) {
                return Rc::new(resource);
            }
        }
        let resource = Rc::new(resource);
        let path: Rc<[u8]> = Rc::from(path);
        resource.place.set(self.slots.vacant_key());
        let at = self.slots.insert(HotEntry {
            path: path.clone(),
            resource: resource.clone(),
            cost,
            recency: Recency::Unused,
        });
        self.index.insert(path, at);
        self.used += cost;
        resource
    }

    fn remove(&mut self, at: usize) {
        if let Some(slot) = self.slots.try_remove(at) {
            self.index.remove(&slot.path);
            self.used -= slot.cost;
            let Some(learned) = &mut self.learned else {
                return;
            };
            if let Some(since) = slot.resource.bare_since() {
                learned.bare_paths.insert(&slot.path, since);
            }
            let hashes = slot.resource.representations.iter();
            for (state, hash) in hashes.filter_map(Representation::hash) {
                learned.hashes.insert(state, hash);
            }
        }
    }
}

#[cfg(test)]
mod tests;
