//! Lines that are written whole, or dropped and counted.

use super::sink::Sink;
use std::io;
use std::time::Duration;

/// Time that the end of a program waits for a slow reader: twice what a person notices.
const PATIENCE: Duration = Duration::from_millis(400);

/// Lines on their way to a sink.
pub struct Lines {
    sink: Sink,
    /// The end of a line that was written in part. It is written before everything else.
    rest: Vec<u8>,
    /// Number of lines that found no room since the last line that did.
    dropped: u64,
}

impl Lines {
    /// A writer to `sink` that has written nothing yet.
    pub fn new(sink: Sink) -> Self {
        Lines {
            sink,
            rest: Vec::new(),
            dropped: 0,
        }
    }

    /// Writes whole lines, as many as go without waiting. Lines that find no room are counted, and
    /// their number is written before the next line that does.
    pub fn write(&mut self, lines: &[u8]) {
        let written = match self.catch_up() {
            Ok(()) => self.sink.write_some(lines).0,
            Err(_) => 0,
        };
        let (begun, mut left) = lines.split_at_checked(written).unwrap_or((lines, &[]));
        if begun.last().is_some_and(|&byte| byte != b'\n') {
            let end = left.iter().position(|&byte| byte == b'\n');
            let (rest, after) = left.split_at(end.map_or(left.len(), |end| end + 1));
            self.rest = rest.to_vec();
            left = after;
        }
        self.dropped += left.iter().filter(|&&byte| byte == b'\n').count() as u64;
    }

    /// Writes the last lines of a program, and gives a slow reader some time to take them.
    pub fn write_last(&mut self, lines: &[u8]) {
        if self.catch_up().is_err() {
            self.sink.wait(PATIENCE);
        }
        self.write(lines);
        if self.dropped > 0 || !self.rest.is_empty() {
            self.sink.wait(PATIENCE);
            // An error is ignored: no reader is left to be told of it.
            let _ = self.catch_up();
        }
    }

    /// Writes the rest of a line that was begun, and behind it the number of lines that are missing.
    fn catch_up(&mut self) -> io::Result<()> {
        self.sink.write(&mut self.rest)?;
        if self.dropped == 0 {
            return Ok(());
        }
        let plural = if self.dropped == 1 { "" } else { "s" };
        let note = format!(
            "calmd: {} line{plural} dropped here, because their reader was too slow\n",
            self.dropped
        );
        let (written, result) = self.sink.write_some(note.as_bytes());
        if written > 0 {
            self.dropped = 0;
            self.rest = note.into_bytes().split_off(written);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{OFlags, fcntl_setfl};
    use rustix::pipe::pipe;
    use std::fs::File;
    use std::io::Read;

    /// Lines into a pipe that has not been read yet.
    fn lines() -> (Lines, File) {
        let (reader, writer) = pipe().unwrap();
        fcntl_setfl(&reader, OFlags::NONBLOCK).unwrap();
        let sink = Sink::again(&writer).unwrap();
        (Lines::new(sink), File::from(reader))
    }

    fn read(reader: &mut File) -> String {
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(len @ 1..) = reader.read(&mut buffer) {
            text.extend_from_slice(&buffer[..len]);
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn lines_for_a_full_pipe_are_dropped_and_counted_where_they_are_missing() {
        let (mut lines, mut reader) = lines();
        for number in 0..10_000 {
            lines.write(format!("line {number}\n").as_bytes());
        }
        let before = read(&mut reader);
        assert!(before.starts_with("line 0\nline 1\n"));
        lines.write(b"later\n");
        let text = before + &read(&mut reader);
        let kept = text
            .lines()
            .filter(|line| line.starts_with("line "))
            .count();
        let dropped = 10_000 - kept;
        assert!(kept > 1000 && dropped > 1000);
        let note =
            format!("calmd: {dropped} lines dropped here, because their reader was too slow");
        let end: Vec<&str> = text.lines().skip(kept).collect();
        assert_eq!(end, [&note, "later"]);
        for (at, line) in text.lines().take(kept).enumerate() {
            assert_eq!(line, format!("line {at}"), "whole, in their order");
        }
    }

    #[test]
    fn a_line_that_is_longer_than_the_pipe_is_finished_before_all_others() {
        let (mut lines, mut reader) = lines();
        let long = "x".repeat(200_000);
        lines.write(format!("{long}\nlost\n").as_bytes());
        lines.write(b"lost too\n");
        let mut text = String::new();
        while !text.ends_with("after\n") {
            text += &read(&mut reader);
            lines.write(b"after\n");
        }
        let mut seen = text.lines();
        assert_eq!(seen.next(), Some(&*long));
        assert!(
            seen.next()
                .unwrap()
                .ends_with("lines dropped here, because their reader was too slow")
        );
        assert_eq!(seen.next(), Some("after"));
    }

    #[test]
    fn a_full_disk_drops_lines_too() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut lines = Lines::new(Sink::again(&full).unwrap());
        lines.write(b"one\ntwo\n");
        lines.write_last(b"three\n");
        assert_eq!(lines.dropped, 3);
    }
}
