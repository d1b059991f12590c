//! Hashing of content in the background, after which fields of known files change.

use std::rc::Rc;
use std::time::Duration;

use super::HotCache;
use crate::site::resource::Resource;
use crate::world::{Files, HelpAnswer};

impl<F: Files> HotCache<F> {
    /// Time until the next slice is to be hashed.
    pub(crate) fn next_work(&self) -> Option<Duration> {
        self.learned.as_ref()?.hashing.next_step()
    }

    /// Hashes one slice. Returns its number of bytes.
    pub(crate) fn work(&mut self, reads: &mut F::Reads) -> usize {
        let Some(learned) = &mut self.learned else {
            return 0;
        };
        self.trust.end();
        learned.hashing.step(reads, &mut learned.hashes)
    }

    /// Takes an answer of the helper process to a task of hashing.
    pub(crate) fn handle_help(&mut self, answer: HelpAnswer, reads: &mut F::Reads) {
        if let Some(learned) = &mut self.learned {
            self.trust.end();
            let hashes = &mut learned.hashes;
            learned.hashing.handle_help(answer, reads, hashes);
        }
    }

    /// Has the content of a resource hashed in the background, where it is to be.
    pub(super) fn hash(&mut self, resource: &Rc<Resource<F>>) {
        if let Some(learned) = &mut self.learned {
            learned.hashing.ask(resource, &mut learned.hashes);
        }
    }
}
