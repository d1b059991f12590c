//! Standard error: the destination of all messages.
//!
//! The first write opens it. That has to happen before the sandbox closes.

use super::lines::Lines;
#[cfg(feature = "panel")]
use super::recent_lines::RecentLines;
use super::sink::Sink;
use crate::http::date;
use crate::world::os;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

static LINES: OnceLock<Option<Mutex<Lines>>> = OnceLock::new();

fn lines() -> Option<&'static Mutex<Lines>> {
    // Without a descriptor, no message can be written.
    let open = || Some(Mutex::new(Lines::new(Sink::standard_error().ok()?)));
    LINES.get_or_init(open).as_ref()
}

/// The lines. They may be used after a panic within them too, because they are only bytes.
fn locked() -> Option<MutexGuard<'static, Lines>> {
    lines().map(|lines| lines.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Writes a message, in whole lines.
pub fn write(text: &str) {
    if let Some(mut lines) = locked() {
        lines.write(text.as_bytes());
    }
}

/// Writes the last message before the program ends, in whole lines.
pub fn write_last(text: &str) {
    if let Some(mut lines) = locked() {
        lines.write_last(text.as_bytes());
    }
}

/// Writes the last message from any place in the program, unless a message is being written right now.
pub fn try_write_last(text: &str) {
    if let Some(Ok(mut lines)) = lines().map(Mutex::try_lock) {
        lines.write_last(text.as_bytes());
    }
}

/// Opens standard error, and sends the log's messages of `level` and above there, one line each.
pub fn install_log(level: log::LevelFilter) {
    let _ = lines();
    env_logger::Builder::new()
        .filter_level(level)
        .format(|out, record| {
            // The time is formatted here, because the logging crate writes nothing at all after the
            // year 9999.
            let time = date::timestamp(os::wall_clock());
            let (level, target) = (record.level(), record.target());
            writeln!(out, "[{time} {level:<5} {target}] {}", record.args())
        })
        .target(env_logger::Target::Pipe(Box::new(Messages)))
        .init();
}

/// The last messages, where the panel may read them later.
#[cfg(feature = "panel")]
static RECENT: OnceLock<Mutex<RecentLines>> = OnceLock::new();

/// Keeps the last messages from now on.
#[cfg(feature = "panel")]
pub fn keep_recent() {
    let _ = RECENT.get_or_init(Mutex::default);
}

/// Reads the last messages, if they are kept.
#[cfg(feature = "panel")]
pub fn recent<T>(read: impl FnOnce(&mut RecentLines) -> T) -> Option<T> {
    let recent = RECENT.get()?.lock();
    Some(read(&mut recent.unwrap_or_else(PoisonError::into_inner)))
}

/// Writes each buffer that it is given as one message.
struct Messages;

impl Write for Messages {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        if let Some(mut lines) = locked() {
            lines.write(message);
        }
        #[cfg(feature = "panel")]
        recent(|lines| lines.push(message));
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
