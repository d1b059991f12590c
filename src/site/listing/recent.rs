//! Listings that were begun in the last 20 ms. A crowd that asks for a directory has it read once: later requests
//! get the text that the first one has made, and make the rest of it together.
//!
//! A listing is trusted for as long as a file is (`hot`), from the time at which its first name was read.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::ListingFormat;
use super::listed::Listed;
use super::order::ListingQuery;
use super::shares::Share;
use crate::site::hot::RECHECK;
use crate::world::Files;

/// Number of listings that are kept. A crowd asks for few directories at a time.
const KEPT: usize = 8;

/// The longest text of a short directory that is kept, in bytes: 128 rows with names of ordinary length. Longer
/// listings are within the memory of `shares`.
const LONGEST: usize = 32 << 10;

/// The recent listings of all sites.
pub(super) struct RecentListings<F: Files> {
    /// The one that was begun first comes first.
    kept: RefCell<Vec<RecentListing<F>>>,
    /// The number of the last site.
    sites: Cell<u64>,
}

/// The request for a listing, as far as it decides about the listing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ListingKey<'a> {
    /// The number of the site. No other site has it, and the site gets a new one when it forgets its listings.
    pub(super) site: u64,
    pub(super) path: &'a [u8],
    pub(super) wanted: ListingQuery,
    pub(super) form: ListingFormat,
}

/// The content of a listing.
pub(super) enum ListingContent<F: Files> {
    /// The whole text.
    Short(Rc<[u8]>),
    /// A listing that may still be made.
    Long(Share<Listed<F>>),
}

struct RecentListing<F: Files> {
    site: u64,
    path: Box<[u8]>,
    wanted: ListingQuery,
    form: ListingFormat,
    begun: Instant,
    content: ListingContent<F>,
}

impl<F: Files> RecentListing<F> {
    fn key(&self) -> ListingKey<'_> {
        ListingKey {
            site: self.site,
            path: &self.path,
            wanted: self.wanted,
            form: self.form,
        }
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begun)
    }
}

impl<F: Files> Clone for ListingContent<F> {
    fn clone(&self) -> Self {
        match self {
            ListingContent::Short(text) => ListingContent::Short(text.clone()),
            ListingContent::Long(share) => ListingContent::Long(share.clone()),
        }
    }
}

impl<F: Files> Default for RecentListings<F> {
    fn default() -> Self {
        RecentListings {
            kept: RefCell::default(),
            sites: Cell::new(0),
        }
    }
}

impl<F: Files> RecentListings<F> {
    /// A number for a site, which no listing has yet.
    pub(super) fn next_site(&self) -> u64 {
        self.sites.set(self.sites.get() + 1);
        self.sites.get()
    }

    /// The content of a listing that is recent enough.
    pub(super) fn get(&self, key: ListingKey<'_>, now: Instant) -> Option<ListingContent<F>> {
        let kept = self.kept.borrow();
        let found = kept.iter().find(|it| it.key() == key)?;
        let is_held = match &found.content {
            ListingContent::Short(_) => true,
            ListingContent::Long(share) => share.is_held(),
        };
        (is_held && found.age(now) < RECHECK).then(|| found.content.clone())
    }

    /// Keeps a listing that was begun now, in the place of an older one.
    pub(super) fn insert(&self, key: ListingKey<'_>, now: Instant, content: &ListingContent<F>) {
        if matches!(content, ListingContent::Short(text) if text.len() > LONGEST) {
            return;
        }
        let mut kept = self.kept.borrow_mut();
        kept.retain(|it| it.key() != key);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(RecentListing {
            site: key.site,
            path: key.path.into(),
            wanted: key.wanted,
            form: key.form,
            begun: now,
            content: content.clone(),
        });
    }

    /// Forgets listings that are not recent any more.
    pub(super) fn forget_old(&self, now: Instant) {
        if self.until_old(now) == Some(Duration::ZERO) {
            let mut kept = self.kept.borrow_mut();
            kept.retain(|it| it.age(now) < RECHECK);
            if kept.is_empty() {
                *kept = Vec::new();
            }
        }
    }

    /// Time until [`RecentListings::forget_old`] has something to do.
    pub(super) fn until_old(&self, now: Instant) -> Option<Duration> {
        let kept = self.kept.borrow();
        Some(RECHECK.saturating_sub(kept.first()?.age(now)))
    }
}
