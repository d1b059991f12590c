//! The files that are asked for most, kept ready within a budget of memory.
//!
//! What is found here is at most a second old: then the disk is asked whether anything changed.
//! Entries leave by the clock algorithm: a hand goes round, passes over what was used since its last
//! visit, and drops the rest, so that reading every file of a site once does not push out the pages
//! that everybody wants. What is dropped is free at once, whoever is still being sent it: that goes on
//! from the file. So the budget holds whatever readers do, and readers that stall keep nothing from others.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use slab::Slab;

use super::open_files::OpenFiles;
use super::resource::{Dress, Loaded, Resource};
use crate::world::Files;

/// A change on the disk is served within this time, and no file is looked at more often.
const RECHECK: Duration = Duration::from_secs(1);

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
    /// Its keys are paths that exist, so nobody chooses them; colliding ones would only be slow.
    index: HashMap<Rc<[u8]>, usize, RandomState>,
    /// The next slot that the clock's hand looks at.
    hand: usize,
    used: usize,
    budget: usize,
    open_files: Rc<OpenFiles<F>>,
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
    pub(crate) fn new(budget: usize, open_files: Rc<OpenFiles<F>>) -> Self {
        HotCache {
            slots: Slab::new(),
            index: HashMap::default(),
            hand: 0,
            used: 0,
            budget,
            open_files,
        }
    }

    /// Forgets everything.
    pub(crate) fn forget_all(&mut self) {
        *self = HotCache::new(self.budget, self.open_files.clone());
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
        let keep = KEPT_LEN.min((self.budget / LARGEST_SHARE) as u64);
        let loaded = Resource::load(files, &self.open_files, path, dress, keep, now);
        if let Ok(Loaded::Resource(again)) = &loaded
            && let Some(known) = self.confirm(path, again)
        {
            return Ok(Lookup::Resource(known));
        }
        self.forget(path);
        match loaded? {
            Loaded::Resource(resource) => Ok(Lookup::Resource(self.insert(path, resource))),
            Loaded::Directory => Ok(Lookup::Directory),
        }
    }

    /// What is known about a path, if it was read again for nothing: that may be in the middle of a
    /// crowd, and what is kept from then on would lie above all that the crowd leaves behind, and
    /// keep the allocator from giving it back.
    fn confirm(&self, path: &[u8], again: &Resource<F>) -> Option<Rc<Resource<F>>> {
        let known = &self.slots[*self.index.get(path)?].resource;
        known.confirm(again).then(|| known.clone())
    }

    /// Forgets what is known about a path.
    pub(crate) fn forget(&mut self, path: &[u8]) {
        if let Some(at) = self.index.get(path) {
            self.remove(*at);
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
        let slot = &mut self.slots[at];
        slot.recency = Recency::Used;
        let resource = slot.resource.clone();
        if now.saturating_duration_since(resource.checked.get()) < RECHECK {
            return Ok(Some(resource));
        }
        match resource.is_current(files, &self.open_files, path) {
            Ok(true) => {
                resource.checked.set(now);
                return Ok(Some(resource));
            }
            Ok(false) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => self.remove(at),
                // Without a free descriptor, what is in memory is better than an error.
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::testing::{TestSite, read};
    use rustix::io::Errno;

    const BUDGET: usize = 256 << 10;

    fn used(site: &TestSite) -> usize {
        let hot = &site.site.hot;
        assert_eq!(hot.slots.len(), hot.index.len());
        let costs: usize = hot.slots.iter().map(|(_, slot)| slot.cost).sum();
        assert_eq!(costs, hot.used);
        costs
    }

    #[test]
    fn a_hot_file_is_looked_at_once_a_second_and_read_once() {
        let mut site = TestSite::new(&[("a", "content")]);
        site.get("/a");
        let first = site.files.counts();
        for _ in 0..100 {
            site.get("/a");
        }
        assert_eq!(site.files.counts(), first);
        for seconds in 1..4 {
            site.advance(RECHECK);
            site.get("/a");
            site.get("/a");
            let counts = site.files.counts();
            // The file itself and where its sidecars would be.
            assert_eq!(counts.opens, first.opens + 4 * seconds);
            assert_eq!(counts.reads, first.reads);
        }
    }

    #[test]
    fn one_file_is_kept_once_however_it_is_asked_for() {
        let mut site = TestSite::new(&[("a/index.html", "content")]);
        for target in ["/a/", "/%61/", "//a/./", "/a/index.html?x", "/b/../a/"] {
            assert_eq!(site.get(target).text(), "content");
        }
        assert_eq!(site.site.hot.slots.len(), 1);
    }

    #[test]
    fn a_change_is_served_within_a_second_with_another_tag() {
        let mut site = TestSite::new(&[("a", "one")]);
        let first = site.get("/a");
        type Change = fn(&TestSite);
        let changes: [Change; 6] = [
            |site| site.files.write("a", "two"),
            |site| site.files.edit("a", |content| content[0] = b'T'),
            |site| site.files.write("a.br", "br"),
            |site| site.files.edit("a.br", |content| content.push(b'!')),
            |site| site.files.remove("a.br"),
            |site| site.files.truncate("a", 1),
        ];
        let mut before = (first.content, first.fields);
        for change in changes {
            // Nothing is noticed by a clock that stands still, so it runs on a little.
            site.files.advance(Duration::from_millis(4));
            change(&site);
            site.advance(RECHECK);
            let seen = site.get_with("/a", &[("accept-encoding", "br")]);
            let after = (seen.content, seen.fields);
            assert_ne!(before, after);
            before = after;
        }
        site.files.remove("a");
        site.advance(RECHECK);
        assert_eq!(site.get("/a").status, 404);
        assert_eq!(used(&site), 0);
    }

    #[test]
    fn a_change_that_the_clock_does_not_show_is_served_too() {
        let mut site = TestSite::new(&[]);
        site.files.write("a", "one");
        let first = site.get("/a");
        // The same length within the same tick of the file system's clock.
        site.files
            .edit("a", |content| content.copy_from_slice(b"two"));
        site.advance(RECHECK);
        let second = site.get("/a");
        assert_eq!(second.text(), "two");
        assert_ne!(first.field("etag"), second.field("etag"));
    }

    #[test]
    fn a_file_that_does_not_change_is_soon_not_read_again() {
        let mut site = TestSite::new(&[]);
        site.files.write("a", "one");
        for _ in 0..4 {
            site.get("/a");
            site.advance(RECHECK);
        }
        let reads = site.files.counts().reads;
        site.get("/a");
        site.advance(RECHECK);
        site.get("/a");
        assert_eq!(site.files.counts().reads, reads);
    }

    #[test]
    fn what_was_read_again_for_nothing_stays_where_it_is() {
        let mut site = TestSite::new(&[]);
        site.files.write("a", "one");
        let mut places = Vec::new();
        let mut reads = Vec::new();
        for _ in 0..3 {
            site.get("/a");
            let (_, slot) = site.site.hot.slots.iter().next().expect("an entry");
            places.push(Rc::as_ptr(&slot.resource));
            reads.push(site.files.counts().reads);
            site.advance(RECHECK);
        }
        assert!(reads[0] < reads[1], "it was not read again");
        assert!(places.iter().all(|place| *place == places[0]));
    }

    #[test]
    fn without_descriptors_what_is_in_memory_is_still_served() {
        let mut site = TestSite::new(&[("a", "content")]);
        site.get("/a");
        let errno = Errno::MFILE.raw_os_error();
        for path in ["a", "a.br", "a.gz", "a.zst"] {
            site.files.fail_open(path, Some(errno));
            site.advance(RECHECK);
            assert_eq!(site.get("/a").text(), "content");
        }
        assert_eq!(site.get("/b").status, 404);
    }

    #[test]
    fn sidecars_are_not_lost_for_want_of_a_descriptor() {
        let mut site = TestSite::new(&[("a", "content"), ("a.br", "br")]);
        site.files
            .fail_open("a.br", Some(Errno::NFILE.raw_os_error()));
        assert_eq!(site.get("/a").status, 503);
        site.files.fail_open("a.br", None);
        assert_eq!(
            site.get_with("/a", &[("accept-encoding", "br")]).text(),
            "br"
        );
    }

    #[test]
    fn the_budget_holds_whatever_is_asked_for() {
        let content = "x".repeat(20 << 10);
        let mut site = TestSite::with(&[], |config| config.cache_memory = BUDGET);
        for at in 0..100 {
            site.files.write(&format!("f{at}"), content.as_str());
        }
        site.advance(Duration::from_secs(10));
        for at in 0..300 {
            assert_eq!(site.get(&format!("/f{}", at * 7 % 100)).text(), content);
            assert!(used(&site) <= BUDGET);
        }
        assert!(used(&site) > BUDGET / 2);
    }

    #[test]
    fn what_is_asked_for_again_and_again_outlives_a_scan() {
        let content = "x".repeat(20 << 10);
        let mut site = TestSite::with(&[("hot", "hot")], |config| config.cache_memory = BUDGET);
        for at in 0..100 {
            site.files.write(&format!("f{at}"), content.as_str());
        }
        site.advance(Duration::from_secs(10));
        site.get("/hot");
        for at in 0..100 {
            site.get("/hot");
            site.get(&format!("/f{at}"));
        }
        let before = site.files.counts();
        site.get("/hot");
        assert_eq!(site.files.counts(), before);
    }

    #[test]
    fn readers_that_stall_pin_nothing_and_go_on_from_the_file() {
        let content = "x".repeat(30 << 10);
        let mut site = TestSite::with(&[("hot", "hot")], |config| config.cache_memory = BUDGET);
        for at in 0..300 {
            site.files.write(&format!("f{at}"), content.as_str());
        }
        site.advance(Duration::from_secs(10));
        let stalled: Vec<_> = (0..300)
            .map(|at| {
                assert!(used(&site) <= BUDGET);
                site.respond("GET", &format!("/f{at}"), &[])
            })
            .collect();
        // Another file is kept in memory as if they were not there.
        site.get("/hot");
        let before = site.files.counts();
        assert_eq!(site.get("/hot").text(), "hot");
        assert_eq!(site.files.counts(), before);
        let in_memory = |response: &&crate::site::Response<_>| {
            let crate::site::Body::One(crate::site::Slice::File(file)) = &response.body else {
                panic!("nothing is held of it");
            };
            file.file().is_in_memory()
        };
        let kept = stalled.iter().filter(in_memory).count();
        assert!(kept * content.len() <= BUDGET, "{kept} contents are kept");
        for response in stalled {
            assert_eq!(read(response.body, &mut site.files).len(), content.len());
        }
        assert_eq!(site.site.open_files.count(), 0);
    }

    #[test]
    fn large_content_takes_room_that_is_free_and_leaves_it_to_small_content() {
        let large = "x".repeat(100 << 10);
        let small = "y".repeat(1 << 10);
        let mut site = TestSite::with(&[], |config| config.cache_memory = 1 << 20);
        for at in 0..20 {
            site.files.write(&format!("large{at}"), large.as_str());
        }
        for at in 0..200 {
            site.files.write(&format!("small{at}"), small.as_str());
        }
        site.advance(Duration::from_secs(10));
        // How many of these are answered without reading a file.
        let mut kept = |kind: &str, count: usize| {
            let is_kept = |at: &usize| {
                let before = site.files.counts().reads;
                site.get(&format!("/{kind}{at}"));
                assert!(used(&site) <= 1 << 20);
                site.files.counts().reads == before
            };
            (0..count).filter(is_kept).count()
        };
        kept("large", 20);
        assert_eq!(kept("large", 20), 7);
        kept("small", 200);
        kept("small", 200);
        assert_eq!(kept("small", 200), 200);
        assert!(kept("large", 20) < 7);
    }

    #[test]
    fn a_descriptor_is_shared_even_where_content_has_no_room() {
        let content = "x".repeat(40 << 10);
        let mut site = TestSite::with(&[], |config| config.cache_memory = BUDGET);
        for at in 0..10 {
            site.files.write(&format!("f{at}"), content.as_str());
        }
        site.advance(Duration::from_secs(10));
        let mut stalled = Vec::new();
        for round in 0..3 {
            let opens = site.files.counts().opens;
            for at in 0..10 {
                stalled.push(site.respond("GET", &format!("/f{at}"), &[]));
            }
            if round > 0 {
                assert_eq!(site.files.counts().opens, opens);
            }
        }
        assert!(used(&site) <= BUDGET);
    }

    #[test]
    fn without_any_memory_everything_is_read_from_files() {
        let mut site = TestSite::with(&[("a", "content")], |config| config.cache_memory = 0);
        assert_eq!(site.get("/a").text(), "content");
        assert_eq!(site.get("/a").text(), "content");
        assert_eq!(used(&site), 0);
    }
}
