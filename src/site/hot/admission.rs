//! Admission of content to the hot cache.
//!
//! Content is kept at once where there is free room, or where it is short. Other content pushes out what is
//! there once its file was read twice within about a second, and if the uses of content in memory have paid
//! for it: where contents leave after few uses, because more files are asked for than there is room for,
//! reading content for the next to push it out would cost more than sending each from its file.

use super::{HotCache, KEPT_LEN, LARGEST_SHARE, MODEST_LEN, Recency};
use crate::content::OpenFile;
use crate::site::reading;
use crate::site::representation::Representation;
use crate::site::resource::Resource;
use crate::world::{FileReads, Files};

/// Number of uses of content in memory that pay for one admission. Reading content, and opening again the
/// file that leaves for it, takes six system calls; a use saves three.
const PRICE: u32 = 4;

/// Number of bytes whose admission costs one use more. Long content pushes out several others.
const BYTES_PER_USE: u32 = 8 << 10;

/// The most credit, in uses. It is spent on content for which nobody knows yet if it will be used.
const MOST_CREDIT: u32 = 256;

/// One in this many admissions needs no credit, so that a new set of popular files is learnt.
const FREE_OF_CHARGE: u32 = 16;

/// Permission for content to push out other content.
#[derive(Default)]
pub(super) struct AdmissionCredit {
    /// Uses of content in memory that have not paid for an admission yet.
    credit: u32,
    /// Number of admissions that were refused since one was allowed.
    refused: u32,
}

impl AdmissionCredit {
    /// True if content of a length may push out other content now.
    fn take(&mut self, len: usize) -> bool {
        // Content in memory is far shorter than 4 GiB.
        let price = PRICE + len as u32 / BYTES_PER_USE;
        let is_paid = self.credit >= price;
        if is_paid {
            self.credit -= price;
        }
        let is_allowed = is_paid || self.refused >= FREE_OF_CHARGE;
        self.refused = if is_allowed { 0 } else { self.refused + 1 };
        is_allowed
    }

    /// Notes that content was used so many times.
    fn note_uses(&mut self, uses: u8) {
        self.credit = MOST_CREDIT.min(self.credit + u32::from(uses));
    }
}

impl<F: Files> HotCache<F> {
    /// Keeps the content of a representation whose file was read before, if there is room for it or the room
    /// of other content may be taken. The content is read here and now, unless a disk has to bring it.
    pub(crate) fn admit(
        &mut self,
        reads: &mut F::Reads,
        resource: &Resource<F>,
        representation: &Representation<F>,
        file: &OpenFile<F>,
    ) {
        let len = representation.len();
        let most = KEPT_LEN.min((self.budget / LARGEST_SHARE) as u64);
        if len > most || !self.holds(resource) {
            return;
        }
        // It fits, as the line above tells.
        let (len, limit) = (len as usize, self.content_limit());
        let is_free = self.used + len <= limit;
        if !is_free && (len > MODEST_LEN || !self.admission.take(len)) {
            return;
        }
        let opened = file.get();
        let Ok(Some(content)) = opened.and_then(|open| reading::read(reads, &*open, len as u64))
        else {
            return;
        };
        reads.note_hashed(content.len());
        let now = file.get().and_then(|open| reads.metadata(&open));
        // The entry itself may leave for its content.
        let has_room = self.make_room(len, limit) && self.holds(resource);
        if has_room
            && now.is_ok_and(|now| file.keep_content(content, &now))
            && let Some(slot) = self.slots.get_mut(resource.place.get())
        {
            slot.cost += len;
            self.used += len;
        }
    }

    /// True if the entry at the resource's place is that resource.
    fn holds(&self, resource: &Resource<F>) -> bool {
        let slot = self.slots.get(resource.place.get());
        slot.is_some_and(|slot| std::ptr::eq(&*slot.resource, resource))
    }

    /// Has another budget from here on, to which ranges and entries give way.
    pub(crate) fn resize(&mut self, budget: usize) {
        if budget < self.budget {
            self.excerpts = None;
            self.make_room(0, budget);
        }
        self.budget = budget;
    }

    /// Drops content and entries until `cost` fits below `limit`. Returns false if `cost` is more than
    /// `limit`.
    pub(super) fn make_room(&mut self, cost: usize, limit: usize) -> bool {
        if cost > limit {
            return false;
        }
        // The hand goes round twice, because the first round may find only entries that were used.
        let mut visits = 2 * self.slots.capacity();
        while self.used + cost > limit {
            if visits == 0 || self.slots.is_empty() {
                return false;
            }
            visits -= 1;
            let at = self.hand;
            self.hand = (at + 1) % self.slots.capacity();
            self.visit(at);
        }
        true
    }

    /// Drops the content at a place that was not used since the last visit, and the entry if it was not.
    fn visit(&mut self, at: usize) {
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        let mut dropped = 0;
        for representation in &slot.resource.representations {
            let file = &representation.file;
            let uses = file.take_content_uses();
            self.admission.note_uses(uses);
            if uses == 0 {
                dropped += file.content_len();
                file.forget_content();
            }
        }
        slot.cost -= dropped;
        self.used -= dropped;
        if slot.recency == Recency::Used {
            slot.recency = Recency::Unused;
        } else {
            slot.resource.forget_content();
            self.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::testing::TestSite;
    use std::time::Duration;

    #[test]
    fn content_that_is_not_used_makes_admissions_rare_and_uses_pay_for_them_by_length() {
        let mut admission = AdmissionCredit::default();
        assert_eq!((0..170).filter(|_| admission.take(0)).count(), 10);
        admission.note_uses(40);
        assert_eq!((0..10).filter(|_| admission.take(8191)).count(), 10);
        assert!(!admission.take(0));
        for _ in 0..100 {
            admission.note_uses(255);
        }
        assert_eq!((0..32).filter(|_| admission.take(32 << 10)).count(), 32);
        assert!(!admission.take(0));
    }

    #[test]
    fn a_smaller_budget_drops_what_it_has_no_room_for_and_a_larger_one_nothing() {
        let content = "x".repeat(20 << 10);
        let mut site = TestSite::with(&[], |config| config.cache_memory = 1 << 20);
        for at in 0..30 {
            site.files.write(&format!("f{at}"), content.as_str());
        }
        site.advance(Duration::from_secs(10));
        for at in 0..30 {
            site.get(&format!("/f{at}"));
        }
        let of_all = site.site.hot.census();
        assert_eq!(of_all.entries, 30);
        site.site.hot.resize(2 << 20);
        assert_eq!(site.site.hot.census(), of_all);
        site.site.hot.resize(256 << 10);
        let census = site.site.hot.census();
        assert!(
            census.bytes <= 256 << 10 && census.entries > 5,
            "{census:?}"
        );
        assert_eq!((census.hits, census.misses), (of_all.hits, of_all.misses));
        site.site.hot.resize(0);
        assert_eq!(site.site.hot.census().bytes, 0);
        assert_eq!(site.get("/f0").text(), content);
        assert_eq!(site.site.hot.census().entries, 0);
    }
}
