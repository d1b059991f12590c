//! The log's name, which others may give to another file without telling.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, fstat, stat};

use crate::telemetry::sink::Sink;

/// The time between two looks at the name, at least and while lines are written.
const INTERVAL: Duration = Duration::from_secs(1);

/// The name of an open log.
pub(super) struct LogName {
    /// Device and number of the file that is written; none for what is no regular file.
    inode: Option<(u64, u64)>,
    looked: Option<Instant>,
    presence: Presence,
}

#[derive(PartialEq, Eq)]
enum Presence {
    There,
    /// Nothing had the name when it was last looked up.
    Missing,
}

impl LogName {
    /// The name by which this sink was just opened.
    pub fn of(sink: &Sink) -> LogName {
        let found = fstat(sink).ok();
        let is_file = FileType::from_raw_mode;
        LogName {
            inode: found
                .filter(|found| is_file(found.st_mode) == FileType::RegularFile)
                .map(|found| (found.st_dev, found.st_ino)),
            looked: None,
            presence: Presence::There,
        }
    }

    /// Tells a file that has lost its name for good: another has it, or nothing had it a second ago and
    /// nothing has now. Whoever rotates logs moves the file first and makes the next one at once, which
    /// must not be in its way.
    pub fn is_lost(&mut self, path: &Path, now: Instant) -> bool {
        let Some(inode) = self.inode else {
            return false;
        };
        let is_recent = |looked| now.saturating_duration_since(looked) < INTERVAL;
        if self.looked.is_some_and(is_recent) {
            return false;
        }
        self.looked = Some(now);
        let before = std::mem::replace(&mut self.presence, Presence::There);
        match stat(path) {
            Ok(found) => (found.st_dev, found.st_ino) != inode,
            Err(rustix::io::Errno::NOENT) => {
                self.presence = Presence::Missing;
                before == Presence::Missing
            }
            // As it is: opening it would fail too.
            Err(_) => false,
        }
    }
}
