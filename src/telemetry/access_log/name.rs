//! The name of the log, which log rotation may give to another file without a signal.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, fstat, stat};

use crate::telemetry::sink::Sink;

/// The least time between two looks at the name. It is looked at only while lines are written.
const INTERVAL: Duration = Duration::from_secs(1);

/// The name of an open log; the default is that of none.
#[derive(Default)]
pub(super) struct LogName {
    /// Device and inode number of the file that is written; none if it is no regular file.
    inode: Option<(u64, u64)>,
    looked: Option<Instant>,
    presence: Presence,
}

#[derive(Default, PartialEq, Eq)]
enum Presence {
    #[default]
    There,
    /// No file had the name when it was last looked up.
    Missing,
}

impl LogName {
    /// The name of a sink that was just opened.
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

    /// True if the open file has lost its name for good: another file has it, or no file had it a
    /// second ago and none has it now. A program that rotates logs moves the file first and creates the
    /// next one at once. The server must not create one in between.
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
            // The file is kept, because opening the name would fail too.
            Err(_) => false,
        }
    }
}
