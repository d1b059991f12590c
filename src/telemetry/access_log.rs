//! The access log: one line a request, in the combined format, that with more behind it, or JSON.
//!
//! A line is written once the kernel has the last byte of its response, or once the response is given
//! up. A request that has ended is first kept by `AccessLog::end` until its connection has written.
//! If the socket takes no more, it is then kept with the connection. The clock is read once a write,
//! for all lines.
//!
//! Lines gather in memory and are written together, so that a busy server pays one system call for
//! hundreds of them. Writing never waits: while the reader of a pipe stalls or a disk is full, lines
//! stay in memory up to `MOST_PENDING` bytes. Further lines are dropped and counted, and a warning
//! once a minute tells their number.
//!
//! Requests are counted at that moment too where metrics are wanted, with or without lines: see `counting`.

use std::fmt;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
#[cfg(feature = "panel")]
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::metrics::requests::EndedRequest;
#[cfg(feature = "panel")]
use super::recent_lines::RecentRequests;
use super::sink::Sink;

mod config;
mod counting;
mod ended;
mod entry;
mod name;

pub use config::{AccessLogConfig, LogFormat};
use counting::Counting;
#[cfg(feature = "panel")]
use counting::Samples;
pub(crate) use ended::{Ended, LostOutput, Unsent};
pub(crate) use entry::{Arrival, Entry};
use entry::{RequestEnd, Timestamp};
use name::LogName;

/// Number of bytes of lines that make a write worth its system call.
const WORTH_WRITING: usize = 32 << 10;

/// Room for lines that is kept from the start, in bytes. Room that grew in a crowd would lie above the
/// memory that the crowd leaves behind, and keep the allocator from giving that back.
const ROOM: usize = 2 * WORTH_WRITING;

/// Longest time that a line waits for others to be written with it. It is short, because a person may
/// be reading along.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The most bytes of lines that are kept while nothing can be written: more than a full pipe holds, and
/// bearable if the reader has died.
const MOST_PENDING: usize = 256 << 10;

/// Time between two warnings about lost lines.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// Number of entries that are kept for requests to come, so that a busy server allocates none.
const SPARE_ENTRIES: usize = 32;

/// Number of entries that are kept where there are no lines, and an entry is 100 bytes: a turn's requests,
/// and those of some other connections.
const SPARE_COUNTED: usize = 256;

/// The access log of the server.
pub struct AccessLog {
    /// The destination of lines; without one there are only counts.
    sink: Option<Sink>,
    name: LogName,
    file: Option<PathBuf>,
    format: LogFormat,
    timestamp: Timestamp,
    /// Lines that are not written yet. The first may be the rest of a line, all others are whole.
    pending: Vec<u8>,
    /// Time at which the pending lines are written; none while no line is pending.
    due: Option<Instant>,
    loss: Loss,
    #[expect(clippy::vec_box, reason = "the boxes themselves are lent out again")]
    spare: Vec<Box<Entry>>,
    /// Requests that have ended since their connection last wrote.
    ended: Vec<Ended>,
    /// Counts of the requests, where metrics are wanted.
    counts: Counting,
    /// Samples of the requests, where there is a panel.
    #[cfg(feature = "panel")]
    samples: Option<Box<Samples>>,
    /// Bytes of the pending lines that are among the last lines.
    #[cfg(feature = "panel")]
    shown: usize,
    /// The last lines, where the panel may read them.
    #[cfg(feature = "panel")]
    recent: Option<Rc<RecentRequests>>,
}

/// Lines that found no room and were dropped.
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
            sink: Some(sink),
            file: config.file.clone(),
            format: config.format,
            pending: Vec::with_capacity(ROOM),
            ..AccessLog::without_lines()
        })
    }

    /// A log that writes no lines.
    pub fn without_lines() -> Self {
        AccessLog {
            sink: None,
            name: LogName::default(),
            file: None,
            format: LogFormat::default(),
            timestamp: Timestamp::default(),
            pending: Vec::new(),
            due: None,
            loss: Loss::default(),
            spare: Vec::new(),
            ended: Vec::new(),
            counts: Counting::Off,
            #[cfg(feature = "panel")]
            samples: None,
            #[cfg(feature = "panel")]
            shown: 0,
            #[cfg(feature = "panel")]
            recent: None,
        }
    }

    /// Keeps the last lines there as well; without a file only while they are read.
    #[cfg(feature = "panel")]
    pub fn keeping(mut self, recent: Rc<RecentRequests>) -> Self {
        self.recent = Some(recent);
        self
    }

    /// True if lines are made.
    fn has_lines(&self) -> bool {
        #[cfg(feature = "panel")]
        if self.is_read() {
            return true;
        }
        self.sink.is_some()
    }

    /// True if the last lines are being read.
    #[cfg(feature = "panel")]
    fn is_read(&self) -> bool {
        self.recent.as_ref().is_some_and(|recent| recent.is_read())
    }

    /// Keeps the pending lines that are not among the last lines yet. While those are not read, it is done once for
    /// many.
    #[cfg(feature = "panel")]
    pub(crate) fn show_pending(&mut self) {
        if let (Some(recent), Some(lines)) = (&self.recent, self.pending.get(self.shown..)) {
            recent.lines.borrow_mut().push(lines);
        }
        self.shown = self.pending.len();
    }

    /// Starts an entry with all that is known when a request arrives.
    pub(crate) fn entry(&mut self, arrival: &Arrival<'_>) -> Box<Entry> {
        let mut entry = self.spare.pop().unwrap_or_default();
        entry.begin(arrival);
        if self.has_lines() {
            entry.fill(self.format, self.timestamp.at(arrival.wall), arrival);
        }
        if self.counts().is_some() {
            entry.classify(arrival);
        }
        entry
    }

    /// Takes a request that has ended: its response is in the output, whole or as far as it came.
    pub(crate) fn end(&mut self, ended: Ended) {
        if ended.entry.is_of_nobody() {
            return;
        }
        self.ended.push(ended);
    }

    /// True if requests have ended since their connection last wrote.
    pub(crate) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Writes the lines of requests that have ended. The lines whose bytes had to wait for the socket
    /// come first. The kernel has taken the last byte at `now`, or will never take it.
    pub(crate) fn record_ended(&mut self, unsent: &mut Unsent, now: Instant) {
        for ended in unsent.take() {
            self.record(ended, now);
        }
        let mut all = std::mem::take(&mut self.ended);
        for ended in all.drain(..) {
            self.record(ended, now);
        }
        self.ended = all;
    }

    /// Moves the lines of requests that have ended to their connection, whose socket takes no more for
    /// now.
    pub(crate) fn keep_ended(&mut self, unsent: &mut Unsent, now: Instant) {
        let mut all = std::mem::take(&mut self.ended);
        for ended in all.drain(..) {
            if let Err(too_many) = unsent.push(ended) {
                self.record(too_many, now);
            }
        }
        self.ended = all;
    }

    /// Notes that the end of a connection's output will never be sent, in the lines of the requests whose
    /// content is among it: the last ones.
    pub(crate) fn lose(&mut self, mut lost: LostOutput, unsent: &mut Unsent) {
        for ended in unsent.iter_mut().chain(&mut self.ended).rev() {
            if let Some(reason) = lost.take_from(&mut ended.body_bytes) {
                ended.reason.get_or_insert(reason);
            }
        }
    }

    fn record(&mut self, ended: Ended, now: Instant) {
        let Ended {
            entry,
            status,
            body_bytes,
            reason,
        } = ended;
        let ending = RequestEnd {
            status,
            body_bytes,
            received: entry.received(),
            first_byte: entry.first_byte(now),
            elapsed: entry.elapsed(now),
            reason: reason.or(entry.blamed()),
        };
        #[cfg(feature = "panel")]
        self.sample(status, ending.elapsed);
        if let Counting::On(counts) = &mut self.counts {
            counts.add(&EndedRequest {
                class: entry.class(),
                status,
                received: ending.received,
                sent: body_bytes,
                first_byte: ending.first_byte,
                elapsed: ending.elapsed,
            });
        }
        self.write_line(&entry, &ending);
        let most = match self.sink {
            Some(_) => SPARE_ENTRIES,
            None => SPARE_COUNTED,
        };
        if self.spare.len() < most && entry.is_small() {
            self.spare.push(entry);
        }
    }

    fn write_line(&mut self, entry: &Entry, ending: &RequestEnd) {
        if self.sink.is_none() {
            #[cfg(feature = "panel")]
            self.show_line(entry, ending);
            return;
        }
        // After a failure only `flush` tries again, so that a stall costs no system calls.
        if self.pending.len() + entry.len_at_most() > MOST_PENDING && self.loss.reason.is_none() {
            self.write();
        }
        if self.pending.len() + entry.len_at_most() > MOST_PENDING {
            self.loss.lines += 1;
        } else {
            entry.finish(self.format, ending, &mut self.pending);
            #[cfg(feature = "panel")]
            if self.is_read() {
                self.show_pending();
            }
        }
    }

    /// Shows a line that goes into no file. Its text is there only if a reader of the last lines was there when the
    /// request arrived.
    #[cfg(feature = "panel")]
    fn show_line(&self, entry: &Entry, ending: &RequestEnd) {
        if let Some(recent) = &self.recent
            && entry.has_text()
        {
            let mut line = Vec::new();
            entry.finish(self.format, ending, &mut line);
            recent.lines.borrow_mut().push(&line);
        }
    }

    /// Writes the pending lines if they are many or have waited long enough. It is called once a turn.
    pub(crate) fn flush(&mut self, now: Instant) {
        if self.ended.is_empty() && self.pending.is_empty() && self.loss.lines == 0 {
            self.due = None;
            return;
        }
        // Only a connection that a panic has ended leaves such lines.
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

    /// Time at which [`AccessLog::flush`] has to be called even if nothing else happens.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Writes the remaining lines before the program ends. A slow reader is given a second.
    pub(crate) fn finish(&mut self, now: Instant) {
        self.write();
        for _ in 0..10 {
            if !self.loss.reason.as_ref().is_some_and(is_stall) {
                break;
            }
            if let Some(sink) = &mut self.sink {
                sink.wait(Duration::from_millis(100));
            }
            self.write();
        }
        let unwritten = self.pending.iter().filter(|&&byte| byte == b'\n').count();
        self.loss.lines += unwritten as u64;
        self.loss.warned = None;
        self.warn(now);
    }

    /// Opens the file anew by its name, after the old one was moved away. After an error the old file
    /// stays in use. Standard output is not opened again.
    pub(crate) fn reopen(&mut self) -> Result<(), AccessLogError> {
        if self.file.is_some() {
            let sink = open_sink(self.file.as_ref())?;
            self.write();
            self.name = LogName::of(&sink);
            self.sink = Some(sink);
        }
        Ok(())
    }

    /// Opens the file anew if it was moved or removed without a signal to the server. Without that, its
    /// lines would be lost.
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
                self.sink = Some(sink);
            }
            Err(error) => log::error!("the old log file stays: {error}"),
        }
    }

    /// Removes a line that a panic may have left half written.
    pub(crate) fn recover(&mut self) {
        let whole = self.pending.iter().rposition(|&byte| byte == b'\n');
        self.pending.truncate(whole.map_or(0, |at| at + 1));
        #[cfg(feature = "panel")]
        {
            self.shown = self.shown.min(self.pending.len());
        }
    }

    fn write(&mut self) {
        #[cfg(feature = "panel")]
        self.show_pending();
        let Some(sink) = &mut self.sink else {
            return;
        };
        self.loss.reason = sink.write(&mut self.pending).err();
        #[cfg(feature = "panel")]
        {
            self.shown = self.pending.len();
        }
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

/// True if the only reason is a reader that has not read yet.
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

/// Reason why the access log cannot be opened. Displayed, it is one line that says how to mend it.
#[derive(Debug)]
pub struct AccessLogError {
    file: Option<PathBuf>,
    reason: io::Error,
}

impl AccessLogError {
    /// True if the path leads to a socket, as /dev/stdout does in a service of systemd.
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
