//! Hashes of content, by the state of the file that it was read from. Each state is hashed once, even
//! if the file is forgotten in between.

use std::collections::HashMap;
use std::mem;

use foldhash::quality::RandomState;

use super::validators::StateKey;

/// The most entries of one of the two generations. An entry has 32 bytes, some 40 with its place in the
/// table, so all of them take 165 KB at most, on a site of 4,096 files.
const GENERATION: usize = 2_048;

/// The hashes of the files that were asked for last.
#[derive(Default)]
pub(crate) struct KnownHashes {
    recent: HashMap<StateKey, u128, RandomState>,
    /// The older generation. It is dropped when the recent one is full.
    earlier: HashMap<StateKey, u128, RandomState>,
}

impl KnownHashes {
    /// The hash of the content of a file in a state.
    pub(crate) fn get(&mut self, state: StateKey) -> Option<u128> {
        if let Some(hash) = self.recent.get(&state) {
            return Some(*hash);
        }
        let hash = self.earlier.remove(&state)?;
        self.insert(state, hash);
        Some(hash)
    }

    /// Remembers a hash.
    pub(crate) fn insert(&mut self, state: StateKey, hash: u128) {
        if self.recent.len() >= GENERATION {
            self.earlier = mem::take(&mut self.recent);
        }
        self.recent.insert(state, hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::validators::Settling;
    use crate::world::{FileKind, Metadata};
    use std::time::UNIX_EPOCH;

    fn state(inode: u64) -> StateKey {
        let metadata = Metadata {
            kind: FileKind::File,
            len: 0,
            modified: UNIX_EPOCH,
            identity: (0, inode, 0),
            links: 1,
        };
        StateKey::new(&metadata, Settling::Settled, UNIX_EPOCH)
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes_in_time() {
        let mut hashes = KnownHashes::default();
        hashes.insert(state(0), 7);
        for inode in 1..=5 * GENERATION as u64 {
            hashes.insert(state(inode), 1);
            assert_eq!(hashes.get(state(0)), Some(7));
            assert!(hashes.recent.len() + hashes.earlier.len() <= 2 * GENERATION);
        }
        assert_eq!(hashes.get(state(1)), None);
    }
}
