//! Paths that were found to have no file: there is nothing, or a directory. They are remembered for as long as a
//! file is trusted, so that a crowd that asks for what is not there has the disk looked at now and then, and
//! not once for each request.

use std::hash::BuildHasher;
use std::time::Instant;

use foldhash::quality::RandomState;

use super::RECHECK;

/// Number of paths that are remembered. Clients choose them: a flood of different ones drives out the
/// others, which then cost a look each, as before. All of them take 6 KiB at most.
const PLACES: usize = 32;

/// The longest path that is remembered. Longer ones that are asked for again and again are rare.
const LONGEST: usize = 128;

/// The thing at a path that has no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fileless {
    /// Nothing, or nothing that may be served.
    Nothing,
    /// A directory.
    Directory,
}

/// The paths without a file that were asked for last. A path has one of two places, by its hash.
pub(super) struct FilelessPaths {
    hasher: RandomState,
    places: Box<[FilelessPath]>,
}

/// A place of the table. The path lies within it, so that the table is one block of memory: what is allocated in a
/// crowd stays where the crowd was.
#[derive(Clone)]
struct FilelessPath {
    path: [u8; LONGEST],
    len: usize,
    /// The thing at the path and the time at which it was found; `None` if that is known no more.
    found: Option<(Fileless, Instant)>,
}

impl Default for FilelessPaths {
    fn default() -> Self {
        let place = FilelessPath {
            path: [0; LONGEST],
            len: 0,
            found: None,
        };
        FilelessPaths {
            hasher: RandomState::default(),
            places: vec![place; PLACES].into(),
        }
    }
}

impl FilelessPath {
    fn is_of(&self, path: &[u8]) -> bool {
        self.path.get(..self.len) == Some(path)
    }
}

impl FilelessPaths {
    /// The thing that was found at a path, and the time until which that is trusted; `None` if it is trusted no
    /// longer.
    pub(super) fn get(&self, path: &[u8], now: Instant) -> Option<(Fileless, Instant)> {
        let at = self.pair(path);
        let pair = self.places.get(at..at + 2)?;
        let known = pair.iter().find(|known| known.is_of(path))?;
        let (fileless, since) = known.found?;
        let until = since + RECHECK;
        (now < until).then_some((fileless, until))
    }

    /// Remembers the thing that was at a path at a time, in the place of what was found earlier.
    pub(super) fn insert(&mut self, path: &[u8], fileless: Fileless, since: Instant) {
        let at = self.pair(path);
        let Some([first, second]) = self.places.get_mut(at..at + 2) else {
            return;
        };
        let since_of = |known: &FilelessPath| known.found.map(|(_, since)| since);
        let is_second =
            !first.is_of(path) && (second.is_of(path) || since_of(second) < since_of(first));
        let place = if is_second { second } else { first };
        if let Some(kept) = place.path.get_mut(..path.len()) {
            kept.copy_from_slice(path);
            place.len = path.len();
            place.found = Some((fileless, since));
        }
    }

    /// Forgets all paths, because files have changed: one that was missing may be there now.
    pub(super) fn forget_all(&mut self) {
        for place in &mut self.places {
            place.found = None;
        }
    }

    /// The first of the two places of a path.
    fn pair(&self, path: &[u8]) -> usize {
        self.hasher.hash_one(path) as usize % (PLACES / 2) * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_path_is_known_for_as_long_as_a_file_is_trusted() {
        let (mut paths, start) = (FilelessPaths::default(), Instant::now());
        paths.insert(b"a", Fileless::Nothing, start);
        paths.insert(b"b", Fileless::Directory, start);
        let last = start + RECHECK - Duration::from_nanos(1);
        assert_eq!(
            paths.get(b"a", last),
            Some((Fileless::Nothing, start + RECHECK))
        );
        assert_eq!(
            paths.get(b"b", last),
            Some((Fileless::Directory, start + RECHECK))
        );
        assert_eq!(paths.get(b"a", start + RECHECK), None);
        paths.insert(b"a", Fileless::Directory, start + RECHECK);
        let until = start + 2 * RECHECK;
        assert_eq!(
            paths.get(b"a", start + RECHECK),
            Some((Fileless::Directory, until))
        );
        paths.forget_all();
        assert_eq!(paths.get(b"a", start + RECHECK), None);
    }

    #[test]
    fn a_flood_of_paths_takes_no_more_memory() {
        let (mut paths, start) = (FilelessPaths::default(), Instant::now());
        for number in 0..10_000 {
            let path = format!("{number:0>len$}", len = LONGEST);
            let since = start + Duration::from_nanos(number);
            paths.insert(path.as_bytes(), Fileless::Nothing, since);
            let found = paths.get(path.as_bytes(), since);
            assert_eq!(found, Some((Fileless::Nothing, since + RECHECK)));
        }
        let table = size_of_val(&*paths.places);
        assert!(table <= 6 << 10, "{table}");
        let long = [b'a'; LONGEST + 1];
        paths.insert(&long, Fileless::Nothing, start);
        assert_eq!(paths.get(&long, start), None);
    }
}
