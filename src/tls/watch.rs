//! Certificates that change, and that grow old, while the server runs.
//!
//! Files are told from newer ones by device, inode, size and time of change: one system call for each, once a
//! minute. It works in the sandbox, which leaves the attributes of files open, and for files that are replaced as
//! well as for those that are written over.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time between two looks at the files. A renewal has weeks, and a person who waits for it has a minute.
const INTERVAL: Duration = Duration::from_secs(60);

/// Time between two complaints about a certificate that is near its end: often enough for a log that is read
/// once a week.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Attributes of a file that a newer one does not share.
#[derive(Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// The files of a certificate, with the last that was seen of them.
#[derive(Debug)]
pub(super) struct FileWatch {
    files: Vec<PathBuf>,
    seen: Vec<Option<FileIdentity>>,
    next: Option<Instant>,
}

impl FileWatch {
    /// A watch of these files, which have just been read.
    pub fn new(files: Vec<PathBuf>) -> Self {
        FileWatch {
            seen: identities(&files),
            files,
            next: None,
        }
    }

    /// True if a file has changed since the last look, and it is time for one.
    pub fn look(&mut self, now: Instant) -> bool {
        let next = *self.next.get_or_insert(now + INTERVAL);
        if now < next {
            return false;
        }
        self.next = Some(now + INTERVAL);
        let seen = identities(&self.files);
        let has_changed = seen != self.seen;
        self.seen = seen;
        has_changed
    }

    /// Time until the next look.
    pub fn until_next(&self, now: Instant) -> Duration {
        self.next
            .map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }
}

fn identities(files: &[PathBuf]) -> Vec<Option<FileIdentity>> {
    let identity = |file: &PathBuf| {
        let found = fs::metadata(file).ok()?;
        Some(FileIdentity {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
        })
    };
    files.iter().map(identity).collect()
}

/// The times of complaints about a certificate that is near its end.
#[derive(Debug, Default)]
pub(super) struct ComplaintTimes {
    next: Option<Instant>,
}

impl ComplaintTimes {
    /// True once a day, and first a day after the start, which complains by itself.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let next = *self.next.get_or_insert(now + COMPLAINT_INTERVAL);
        if now >= next {
            self.next = Some(now + COMPLAINT_INTERVAL);
        }
        now >= next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_come_once_a_day_and_not_at_once() {
        let mut times = ComplaintTimes::default();
        let start = Instant::now();
        let mut complaints = 0;
        for hour in 0..=72 {
            let now = start + Duration::from_secs(3600 * hour);
            complaints += usize::from(times.is_due(now));
            assert!(!times.is_due(now), "twice at hour {hour}");
        }
        assert_eq!(complaints, 3);
    }
}
