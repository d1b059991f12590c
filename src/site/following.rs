//! Changes that a site follows: another directory at the root's name, a reload, another site in its place.

use std::time::{Duration, Instant};

use super::Site;
use crate::world::{Files, RootChange};

/// Time after which another directory under the root's name is noticed. One system call a second costs
/// nothing, and a deployment that shows within a second shows at once for a person.
pub(super) const FOLLOW_ROOT: Duration = Duration::from_secs(1);

impl<F: Files> Site<F> {
    /// Looks the root's name up, if the last look is a second ago.
    #[inline]
    pub(super) fn follow_root_when_due(&mut self, now: Instant) {
        if self.follow_due.is_none_or(|due| due <= now) {
            self.follow_root(now);
        }
    }

    /// Serves the directory that has the root's name now.
    #[cold]
    fn follow_root(&mut self, now: Instant) {
        self.follow_due = now.checked_add(FOLLOW_ROOT);
        let change = self.open_files.tree().follow_root();
        match change {
            RootChange::Same => {}
            RootChange::Touched => self.watch_rules(),
            RootChange::Moved => {
                self.watch_rules();
                self.forget();
            }
        }
    }

    /// Looks everything up anew: the root and the files that are the server's own at once, the others before they
    /// are sent again.
    pub fn reload(&mut self, now: Instant) {
        self.open_files.tree().look_up_private();
        self.watch_rules();
        self.follow_root(now);
        self.hot.look_again(now);
        self.forget_listings();
    }

    /// A file of the site has changed, as the caller knows: nothing is sent again before it was compared with the disk.
    #[cfg(feature = "upload")]
    pub(crate) fn note_change(&mut self) {
        self.hot.note_change();
        self.forget_listings();
    }

    /// Goes on with the files that are known to the site that this one takes the place of, if both make the same
    /// of the files of one directory.
    pub(crate) fn follow(&mut self, former: Site<F>) {
        let is_same_root = self.tree().is_same_root(&former.tree());
        if !is_same_root || self.dress != former.dress || !self.hot.is_alike(&former.hot) {
            return;
        }
        // This tree has the own files and the rights of today.
        self.open_files.swap_trees(&former.open_files);
        let budget = self.hot.budget();
        (self.open_files, self.hot) = (former.open_files, former.hot);
        self.hot.resize(budget);
    }
}
