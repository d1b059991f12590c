//! Paths that have no sidecar, and when that was last seen: so that a file whose entry was dropped, and
//! which is asked for again soon, is not looked for in three codings that it does not have.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::mem;
use std::time::Instant;

use foldhash::quality::RandomState;

/// The most entries of one of the two generations. An entry has 24 bytes, some 40 with its place in the
/// table, so all of them take 160 KB at most.
const GENERATION: usize = 2_048;

/// The paths of dropped entries without a sidecar that were asked for last. A path stands there as its
/// hash: two paths with one hash would only hide a sidecar for as long as one search is good for.
#[derive(Default)]
pub(crate) struct BarePaths {
    hasher: RandomState,
    recent: HashMap<u64, Instant, RandomState>,
    /// The older generation. It is dropped when the recent one is full.
    earlier: HashMap<u64, Instant, RandomState>,
}

impl BarePaths {
    /// The time at which the path was last seen to have no sidecar, if it is remembered.
    pub(crate) fn get(&self, path: &[u8]) -> Option<Instant> {
        let key = self.hasher.hash_one(path);
        let found = self.recent.get(&key).or_else(|| self.earlier.get(&key));
        found.copied()
    }

    /// Remembers that the path had no sidecar at `since`.
    pub(crate) fn insert(&mut self, path: &[u8], since: Instant) {
        if self.recent.len() >= GENERATION {
            self.earlier = mem::take(&mut self.recent);
        }
        self.recent.insert(self.hasher.hash_one(path), since);
    }

    /// Forgets a path.
    pub(crate) fn forget(&mut self, path: &[u8]) {
        let key = self.hasher.hash_one(path);
        self.recent.remove(&key);
        self.earlier.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_latest_paths_are_remembered_within_bounds() {
        let mut paths = BarePaths::default();
        let start = Instant::now();
        for at in 0..5 * GENERATION {
            let since = start + Duration::from_millis(at as u64);
            paths.insert(at.to_string().as_bytes(), since);
            assert_eq!(paths.get(at.to_string().as_bytes()), Some(since));
            assert!(paths.recent.len() + paths.earlier.len() <= 2 * GENERATION);
        }
        assert_eq!(paths.get(b"0"), None);
        let last = (5 * GENERATION - 1).to_string();
        paths.forget(last.as_bytes());
        assert_eq!(paths.get(last.as_bytes()), None);
    }
}
