//! Digests of the files that were stored last, for requests that ask for the digest with the file.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Stat, fstat, statat};

use super::digest::UploadDigest;

/// The most digests: some 20 KB.
const MOST_KNOWN: usize = 256;

/// The state of a file in which its digest is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DigestedFile {
    device: u64,
    inode: u64,
    len: i64,
    modified: (i64, i64),
}

impl From<Stat> for DigestedFile {
    fn from(stat: Stat) -> Self {
        DigestedFile {
            device: stat.st_dev,
            inode: stat.st_ino,
            len: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec as i64),
        }
    }
}

/// Digests of files, the latest last.
#[derive(Debug, Default)]
pub(super) struct KnownDigests(VecDeque<(DigestedFile, UploadDigest)>);

impl KnownDigests {
    /// Learns the digest of an open file.
    pub(super) fn learn(&mut self, file: impl AsFd, digest: UploadDigest) -> io::Result<()> {
        if self.0.len() == MOST_KNOWN {
            self.0.pop_front();
        }
        self.0.push_back((fstat(file)?.into(), digest));
        Ok(())
    }

    /// The digest of a file of a directory, if it is as it was then.
    pub(super) fn find(&self, directory: impl AsFd, name: &[u8]) -> Option<UploadDigest> {
        if self.0.is_empty() {
            return None;
        }
        let state = DigestedFile::from(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?);
        let known = self.0.iter().rev().find(|(known, _)| *known == state);
        known.map(|(_, digest)| *digest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest::DigestState;
    use super::*;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn a_digest_is_known_until_the_file_changes() {
        let directory = tempfile::tempdir().unwrap();
        let place = File::open(directory.path()).unwrap();
        let mut file = File::create(directory.path().join("a")).unwrap();
        let mut known = KnownDigests::default();
        let digest = DigestState::default().finish();
        assert_eq!(known.find(&place, b"a"), None);
        known.learn(&file, digest).unwrap();
        assert_eq!(known.find(&place, b"a"), Some(digest));
        assert_eq!(known.find(&place, b"b"), None);
        file.write_all(b"x").unwrap();
        assert_eq!(known.find(&place, b"a"), None);
        for _ in 0..2 * MOST_KNOWN {
            known.learn(&file, digest).unwrap();
        }
        assert_eq!(known.0.len(), MOST_KNOWN);
    }
}
