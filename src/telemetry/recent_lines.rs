//! The last lines of a log, for a reader who comes later.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// The most bytes of lines that are kept: some 400 lines of an access log.
const MOST_BYTES: usize = 64 << 10;

/// Lines behind each other. Keeping one more allocates nothing once the ring is full.
#[derive(Debug, Default)]
pub struct RecentLines {
    bytes: VecDeque<u8>,
    /// The number of the line behind the last one.
    next: u64,
    /// The number of the first line that is kept.
    first: u64,
}

/// Lines behind a certain one.
#[derive(Debug, PartialEq, Eq)]
pub struct LaterLines {
    /// The lines, without their line ends.
    pub lines: Vec<String>,
    /// Number of lines before them that are kept no more.
    pub lost: u64,
    /// The number of the line that comes next.
    pub next: u64,
}

impl RecentLines {
    /// Keeps whole lines, each with its line end.
    pub fn push(&mut self, lines: &[u8]) {
        // Of more than there is room for, only the end would be kept.
        let kept = match lines.len().checked_sub(MOST_BYTES) {
            Some(surplus) => lines.get(surplus..).unwrap_or_default(),
            None => lines,
        };
        let count = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        if kept.len() < lines.len() {
            self.next += count(lines) - count(kept);
            self.bytes.clear();
            self.first = self.next;
        }
        let surplus = (self.bytes.len() + kept.len()).saturating_sub(MOST_BYTES);
        if surplus > 0 {
            // The line that the surplus ends in goes whole.
            let behind = self.bytes.iter().skip(surplus - 1);
            let end = behind.take_while(|byte| **byte != b'\n').count() + surplus;
            let (front, back) = self.bytes.as_slices();
            let (front, back) = match end.checked_sub(front.len()) {
                Some(more) => (front, back.get(..more).unwrap_or(back)),
                None => (front.get(..end).unwrap_or(front), &[][..]),
            };
            self.first += count(front) + count(back);
            self.bytes.drain(..end.min(self.bytes.len()));
        }
        self.bytes.extend(kept);
        self.next += count(kept);
    }

    /// The lines from this number on, at most `most` bytes of them, the last ones.
    pub fn since(&mut self, number: u64, most: usize) -> LaterLines {
        let mut skipped = number.max(self.first);
        let text = self.bytes.make_contiguous();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let mut lines: Vec<&[u8]> = lines.skip((skipped - self.first) as usize).collect();
        let mut size: usize = lines.iter().map(|line| line.len()).sum();
        let mut left_out = 0;
        while size > most && left_out < lines.len() {
            size -= lines.get(left_out).map_or(0, |line| line.len());
            left_out += 1;
        }
        lines.drain(..left_out);
        skipped += left_out as u64;
        let text_of = |line: &&[u8]| String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        LaterLines {
            lines: lines.iter().map(text_of).collect(),
            lost: skipped.saturating_sub(number),
            next: self.next,
        }
    }
}

/// Recent lines of the access log, and the count of their readers.
#[derive(Debug, Default)]
pub struct RecentRequests {
    /// The lines.
    pub lines: RefCell<RecentLines>,
    readers: Cell<usize>,
}

/// A reader of recent lines, as long as it is there.
#[derive(Debug)]
pub struct RecentReader(Rc<RecentRequests>);

impl RecentRequests {
    /// A reader more.
    pub fn reader(self: &Rc<Self>) -> RecentReader {
        self.readers.set(self.readers.get() + 1);
        RecentReader(self.clone())
    }

    /// True while there is a reader.
    pub fn is_read(&self) -> bool {
        self.readers.get() > 0
    }
}

impl Drop for RecentReader {
    fn drop(&mut self) {
        self.0.readers.set(self.0.readers.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_from_where_the_reader_was() {
        let mut recent = RecentLines::default();
        recent.push(b"a\nb\n");
        recent.push(b"c\n");
        let all = recent.since(0, 1000);
        assert_eq!(
            (all.lines, all.lost, all.next),
            (vec!["a".into(), "b".into(), "c".into()], 0, 3)
        );
        assert!(recent.since(3, 1000).lines.is_empty());
        assert_eq!(recent.since(2, 1000).lines, ["c"]);
        let last = recent.since(0, 4);
        assert_eq!((last.lines, last.lost), (vec!["b".into(), "c".into()], 1));
    }

    #[test]
    fn the_oldest_lines_make_room_and_are_counted() {
        let mut recent = RecentLines::default();
        for number in 0..20_000 {
            recent.push(format!("line {number}\n").as_bytes());
        }
        assert!(recent.bytes.len() <= MOST_BYTES);
        let later = recent.since(0, MOST_BYTES);
        assert_eq!(later.next, 20_000);
        assert_eq!(later.lost + later.lines.len() as u64, 20_000);
        assert_eq!(later.lines[0], format!("line {}", later.lost));
        let mut many = Vec::new();
        (0..20_000).for_each(|number| many.extend(format!("more {number}\n").bytes()));
        recent.push(&many);
        let later = recent.since(20_000, MOST_BYTES);
        assert_eq!(later.next, 40_000);
        assert_eq!(later.lines.last().unwrap(), "more 19999");
    }

    #[test]
    fn lines_of_requests_are_wanted_while_there_is_a_reader() {
        let recent = Rc::new(RecentRequests::default());
        assert!(!recent.is_read());
        let (a, b) = (recent.reader(), recent.reader());
        drop(a);
        assert!(recent.is_read());
        drop(b);
        assert!(!recent.is_read());
    }
}
