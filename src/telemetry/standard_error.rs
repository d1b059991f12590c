//! Standard error: where all messages go.
//!
//! It is opened when it is first written to, which has to be before the sandbox closes.

use super::lines::Lines;
use super::sink::Sink;
use crate::http::date;
use crate::world::os;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

static LINES: OnceLock<Option<Mutex<Lines>>> = OnceLock::new();

fn lines() -> Option<&'static Mutex<Lines>> {
    // Without a descriptor there is nobody to tell that to.
    let open = || Some(Mutex::new(Lines::new(Sink::standard_error().ok()?)));
    LINES.get_or_init(open).as_ref()
}

/// The lines, also after a panic within them: they are bytes.
fn locked() -> Option<MutexGuard<'static, Lines>> {
    lines().map(|lines| lines.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Tells something, in whole lines.
pub fn write(text: &str) {
    if let Some(mut lines) = locked() {
        lines.write(text.as_bytes());
    }
}

/// Tells the last thing before the program ends, in whole lines.
pub fn write_last(text: &str) {
    if let Some(mut lines) = locked() {
        lines.write_last(text.as_bytes());
    }
}

/// Tells the last thing from wherever the program is, unless it is in the midst of telling something.
pub fn try_write_last(text: &str) {
    if let Some(Ok(mut lines)) = lines().map(Mutex::try_lock) {
        lines.write_last(text.as_bytes());
    }
}

/// Opens standard error, and has the log's messages of this level and above written there, one line each.
pub fn install_log(level: log::LevelFilter) {
    let _ = lines();
    env_logger::Builder::new()
        .filter_level(level)
        .format(|out, record| {
            // Not by the crate's own clock, which says nothing at all after the year 9999.
            let time = date::timestamp(os::wall_clock());
            let (level, target) = (record.level(), record.target());
            writeln!(out, "[{time} {level:<5} {target}] {}", record.args())
        })
        .target(env_logger::Target::Pipe(Box::new(Messages)))
        .init();
}

/// Each write is a message.
struct Messages;

impl Write for Messages {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        if let Some(mut lines) = locked() {
            lines.write(message);
        }
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
