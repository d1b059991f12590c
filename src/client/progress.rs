//! The bar for transfers that take long: on a terminal, unless the content goes there too.

use super::style::size;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// A transfer that is over by then needs no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// Often enough to look alive.
const INTERVAL: Duration = Duration::from_millis(100);

/// The line that shows the progress of a transfer.
pub struct ProgressLine {
    start: Instant,
    next: Instant,
    drawn: bool,
    up: Way,
    down: Way,
}

/// One direction.
#[derive(Clone, Copy, Default)]
struct Way {
    done: u64,
    total: Option<u64>,
}

impl Way {
    fn is_under_way(self) -> bool {
        self.total.is_some_and(|total| self.done < total)
    }
}

impl ProgressLine {
    /// A bar on standard error, if that is a terminal. `upload` is what will be sent, if it is known.
    pub fn new(upload: Option<u64>, now: Instant) -> Option<Self> {
        io::stderr().is_terminal().then(|| ProgressLine {
            start: now,
            next: now + PATIENCE,
            drawn: false,
            up: Way {
                done: 0,
                total: upload,
            },
            down: Way::default(),
        })
    }

    /// The response says how long it will be.
    pub fn expect(&mut self, total: Option<u64>) {
        self.down.total = total;
    }

    /// Counts bytes that were sent.
    pub fn sent(&mut self, len: usize, now: Instant) {
        self.up.done += len as u64;
        self.draw(now);
    }

    /// Counts bytes that came.
    pub fn received(&mut self, len: usize, now: Instant) {
        self.down.done += len as u64;
        self.draw(now);
    }

    fn draw(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        self.drawn = true;
        let (arrow, way) = if self.up.is_under_way() || self.down.done == 0 {
            ('↑', self.up)
        } else {
            ('↓', self.down)
        };
        let columns =
            rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |size| usize::from(size.ws_col));
        let line = line(arrow, way, now - self.start, columns);
        // A terminal that is gone is no reason to stop.
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if self.drawn {
            self.drawn = false;
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(arrow: char, way: Way, elapsed: Duration, columns: usize) -> String {
    let rate = way.done as f64 / elapsed.as_secs_f64().max(0.001);
    let speed = format!("{}/s", size(rate));
    let Some(total) = way.total.filter(|&total| total > 0) else {
        return format!("{arrow} {} {speed}", size(way.done as f64));
    };
    let share = (way.done as f64 / total as f64).min(1.0);
    let left = (total.saturating_sub(way.done) as f64 / rate.max(1.0)) as u64;
    let numbers = format!(
        " {:3.0} % of {}  {speed}  {}:{:02}",
        share * 100.0,
        size(total as f64),
        left / 60,
        left % 60
    );
    // Arrow, brackets, a column that stays free; more than 40 columns of bar say nothing more.
    let width = columns.saturating_sub(numbers.len() + 6).min(40);
    let full = (share * width as f64) as usize;
    let bar = format!("{}{}", "━".repeat(full), " ".repeat(width - full));
    format!("{arrow} ▕{bar}▏{numbers}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fits_the_terminal_and_tells_what_is_left() {
        let way = Way {
            done: 25_000_000,
            total: Some(100_000_000),
        };
        let text = line('↓', way, Duration::from_secs(5), 60);
        assert!(
            text.ends_with("  25 % of 100.0 MB  5.00 MB/s  0:15"),
            "{text}"
        );
        assert!(text.chars().count() < 60, "{text}");
        let unknown = Way {
            done: 5_000,
            total: None,
        };
        let text = line('↑', unknown, Duration::from_secs(1), 60);
        assert_eq!(text, "↑ 5.00 kB 5.00 kB/s");
    }
}
