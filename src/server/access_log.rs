//! The access log: one line a request, in the combined format or JSON.
//!
//! A line is written once the kernel has the last byte of its response, or the response is given up:
//! a request that has ended waits among [`AccessLog::end`]'s until its connection has written, and with
//! the connection while the socket takes no more. The clock is read once a write, for all of them.
//!
//! Lines gather in memory and are written together, so that a busy server pays one system call for
//! hundreds of them. Writing never waits: while the reader of a pipe stalls or a disk is full, lines
//! stay in memory up to [`MOST_PENDING`]; what comes then is counted, and told once a minute.

use std::fmt;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::config::{AccessLogConfig, LogFormat};
use crate::telemetry::sink::Sink;

mod ended;
mod entry;
mod name;

pub(super) use ended::{Ended, Unsent};
pub(super) use entry::{Arrival, Entry};
use entry::{Ending, Timestamp};
use name::LogName;

/// Bytes of lines that make a write worth its system call.
const WORTH_WRITING: usize = 32 << 10;

/// Room for lines that is kept from the start: what grew in a crowd would lie above what the crowd
/// leaves behind, and keep the allocator from giving that back.
const ROOM: usize = 2 * WORTH_WRITING;

/// How long a line may wait for company: somebody may be reading along.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Bytes of lines kept while nothing can be written. More than a full pipe holds, and bearable when
/// a reader has died.
const MOST_PENDING: usize = 256 << 10;

/// Between two messages about lost lines.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// Entries kept for requests to come, so that a busy server allocates none.
const SPARE_ENTRIES: usize = 32;

/// The access log of the server.
pub struct AccessLog {
    sink: Sink,
    name: LogName,
    file: Option<PathBuf>,
    format: LogFormat,
    timestamp: Timestamp,
    /// Whole lines, but for the first, which may be the rest of one.
    pending: Vec<u8>,
    /// When what is pending is to be written; none while nothing is.
    due: Option<Instant>,
    loss: Loss,
    #[expect(clippy::vec_box, reason = "the boxes themselves are lent out again")]
    spare: Vec<Box<Entry>>,
    /// Requests that have ended since their connection last wrote.
    ended: Vec<Ended>,
}

/// Lines that found no room.
#[derive(Default)]
struct Loss {
    lines: u64,
    reason: Option<io::Error>,
    warned: Option<Instant>,
}

impl AccessLog {
    /// Opens the log for appending.
    pub fn open(config: &AccessLogConfig) -> Result<Self, AccessLogError> {
        let sink = open_sink(config.file.as_ref())?;
        Ok(AccessLog {
            name: LogName::of(&sink),
            sink,
            file: config.file.clone(),
            format: config.format,
            timestamp: Timestamp::default(),
            pending: Vec::with_capacity(ROOM),
            due: None,
            loss: Loss::default(),
            spare: Vec::new(),
            ended: Vec::new(),
        })
    }

    /// Notes what is known when a request arrives.
    pub(super) fn entry(&mut self, arrival: &Arrival<'_>) -> Box<Entry> {
        let mut entry = self.spare.pop().unwrap_or_default();
        entry.fill(self.format, self.timestamp.at(arrival.wall), arrival);
        entry
    }

    /// A request has ended: its response is in the output, whole or as far as it came.
    pub(super) fn end(&mut self, ended: Ended) {
        self.ended.push(ended);
    }

    /// Whether requests have ended since their connection last wrote.
    pub(super) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Writes the lines of requests that have ended, those first whose bytes had to wait for the
    /// socket: the kernel has had the last byte since `now`, or will never have it.
    pub(super) fn record_ended(&mut self, unsent: &mut Unsent, now: Instant) {
        for ended in unsent.take() {
            self.record(ended, now);
        }
        let mut all = std::mem::take(&mut self.ended);
        for ended in all.drain(..) {
            self.record(ended, now);
        }
        self.ended = all;
    }

    /// Leaves the lines of requests that have ended with their connection, whose socket takes no more
    /// for now.
    pub(super) fn keep_ended(&mut self, unsent: &mut Unsent, now: Instant) {
        let mut all = std::mem::take(&mut self.ended);
        for ended in all.drain(..) {
            if let Err(too_many) = unsent.push(ended) {
                self.record(too_many, now);
            }
        }
        self.ended = all;
    }

    fn record(&mut self, ended: Ended, now: Instant) {
        let Ended {
            entry,
            status,
            body_bytes,
            reason,
        } = ended;
        let ending = Ending {
            status,
            body_bytes,
            elapsed: entry.elapsed(now),
            reason,
        };
        // After a failure the next attempt is `flush`'s, so that a stall costs no system calls.
        if self.pending.len() + entry.len_at_most() > MOST_PENDING && self.loss.reason.is_none() {
            self.write();
        }
        if self.pending.len() + entry.len_at_most() > MOST_PENDING {
            self.loss.lines += 1;
        } else {
            entry.finish(self.format, &ending, &mut self.pending);
        }
        if self.spare.len() < SPARE_ENTRIES && entry.is_small() {
            self.spare.push(entry);
        }
    }

    /// To be called once a turn: writes when it is worth it or has waited long enough.
    pub(super) fn flush(&mut self, now: Instant) {
        // None are left, but for those of a connection that a panic has ended.
        self.record_ended(&mut Unsent::default(), now);
        if self.pending.is_empty() {
            self.due = None;
        } else {
            let due = *self.due.get_or_insert(now + LONGEST_WAIT);
            // A slow reader is tried again at once, a full disk when it is due.
            let broken = matches!(&self.loss.reason, Some(reason) if !is_stall(reason));
            if now >= due || (self.pending.len() >= WORTH_WRITING && !broken) {
                self.follow_name(now);
                self.write();
                self.due = (!self.pending.is_empty()).then(|| now + LONGEST_WAIT);
            }
        }
        self.warn(now);
    }

    /// When [`AccessLog::flush`] has something to do though nothing else happens.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what is left before the program ends. A slow reader is given a second.
    pub(super) fn finish(&mut self, now: Instant) {
        self.write();
        for _ in 0..10 {
            if !self.loss.reason.as_ref().is_some_and(is_stall) {
                break;
            }
            self.sink.wait(Duration::from_millis(100));
            self.write();
        }
        let unwritten = self.pending.iter().filter(|&&byte| byte == b'\n').count();
        self.loss.lines += unwritten as u64;
        self.loss.warned = None;
        self.warn(now);
    }

    /// Opens the file of this name anew, after the old one was moved away. On an error the old file
    /// stays in use. Standard output stays what it is.
    pub(super) fn reopen(&mut self) -> Result<(), AccessLogError> {
        if self.file.is_some() {
            let sink = open_sink(self.file.as_ref())?;
            self.write();
            self.name = LogName::of(&sink);
            self.sink = sink;
        }
        Ok(())
    }

    /// Opens the file anew if it was moved or removed and nobody said so: its lines would be lost.
    fn follow_name(&mut self, now: Instant) {
        let Some(file) = &self.file else {
            return;
        };
        if !self.name.is_lost(file, now) {
            return;
        }
        match open_sink(self.file.as_ref()) {
            Ok(sink) => {
                log::info!(
                    "the access log '{}' was moved away: it is opened again",
                    file.display()
                );
                self.name = LogName::of(&sink);
                self.sink = sink;
            }
            Err(error) => log::error!("the old log file stays: {error}"),
        }
    }

    /// Drops the line that a panic may have left half written.
    pub(super) fn recover(&mut self) {
        let whole = self.pending.iter().rposition(|&byte| byte == b'\n');
        self.pending.truncate(whole.map_or(0, |at| at + 1));
    }

    fn write(&mut self) {
        self.loss.reason = self.sink.write(&mut self.pending).err();
        if self.pending.is_empty() {
            self.pending.shrink_to(ROOM);
        }
    }

    fn warn(&mut self, now: Instant) {
        let recently = |warned| now.saturating_duration_since(warned) < BETWEEN_WARNINGS;
        if self.loss.lines == 0 || self.loss.warned.is_some_and(recently) {
            return;
        }
        let reason: &dyn fmt::Display = match &self.loss.reason {
            Some(reason) if !is_stall(reason) => reason,
            _ => &"its reader does not keep up",
        };
        log::warn!(
            "access log {}: {} lines lost: {reason}",
            name(self.file.as_ref()),
            self.loss.lines
        );
        self.loss.lines = 0;
        self.loss.warned = Some(now);
    }
}

/// Whether nothing is wrong but that the reader has not read yet.
fn is_stall(reason: &io::Error) -> bool {
    reason.kind() == io::ErrorKind::WouldBlock
}

fn open_sink(file: Option<&PathBuf>) -> Result<Sink, AccessLogError> {
    let sink = match file {
        Some(path) => Sink::open(path),
        None => Sink::standard_output(),
    };
    sink.map_err(|reason| AccessLogError {
        file: file.cloned(),
        reason,
    })
}

fn name(file: Option<&PathBuf>) -> String {
    file.map_or("on standard output".into(), |path| {
        format!("'{}'", path.display())
    })
}

/// Why the access log cannot be opened. Displayed, it is one line with the mend.
#[derive(Debug)]
pub struct AccessLogError {
    file: Option<PathBuf>,
    reason: io::Error,
}

impl AccessLogError {
    /// Whether it is a socket, as /dev/stdout is where systemd starts a service.
    fn is_socket(&self) -> bool {
        let found = self.file.as_ref().and_then(|path| path.metadata().ok());
        found.is_some_and(|found| found.file_type().is_socket())
    }
}

impl std::error::Error for AccessLogError {}

impl fmt::Display for AccessLogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mend = match self
            .reason
            .raw_os_error()
            .map(rustix::io::Errno::from_raw_os_error)
        {
            Some(rustix::io::Errno::NXIO) if self.is_socket() => {
                "it is a socket, which cannot be opened; write --access-log - for standard output"
            }
            Some(rustix::io::Errno::NXIO) => "start the reader of this FIFO first",
            Some(rustix::io::Errno::ISDIR) => "name a file in it",
            _ => "see that its directory exists and that this user may write there",
        };
        write!(
            f,
            "cannot open the access log {} (--access-log): {}; {mend}",
            name(self.file.as_ref()),
            self.reason
        )
    }
}

#[cfg(test)]
mod tests;
