//! Bytes of files that a helper has brought into memory, for file systems that cannot tell which bytes are there.
//!
//! overlayfs, on which containers lie, and tmpfs do not know reads that do not wait (RWF_NOWAIT). There bytes count as
//! being in memory for [`KEPT`] behind the answer of the helper that has read them, and behind each reading of them.
//! The kernel may have dropped them by then: reading waits for the disk in that case, and nothing else goes wrong.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::private::Inode;
use crate::world::{HelpAnswer, HelpId, HelpOutcome};

/// Bytes that are noted together. The helper is asked for whole chunks.
const CHUNK: u64 = 128 << 10;

/// Number of chunks that are noted: 96 KiB, for 512 MiB of long files or 4,096 short ones.
const CHUNKS: usize = 4_096;

/// Time for which bytes count as being in memory: the kernel keeps longer what it has just read, unless it is short of
/// memory.
const KEPT: Duration = Duration::from_secs(10);

/// Chunks that were brought, each in the one place that it may have, and the tasks that bring others.
#[derive(Debug)]
pub(super) struct Brought {
    /// All of them from the start: a table that grew in a crowd would lie above the memory of the crowd.
    chunks: Box<[BroughtChunk]>,
    start: Instant,
    /// The tasks without an answer, the oldest first: at most as many as the helper takes.
    asked: VecDeque<AskedRange>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct BroughtChunk {
    inode: u64,
    device: u32,
    number: u32,
    /// The end of the time for which it counts, in seconds from the start; 0 while there is no chunk.
    until: u32,
}

#[derive(Debug)]
struct AskedRange {
    task: HelpId,
    inode: Inode,
    bytes: Range<u64>,
}

impl Brought {
    /// No chunks.
    pub fn new(now: Instant) -> Self {
        Brought {
            chunks: vec![BroughtChunk::default(); CHUNKS].into_boxed_slice(),
            start: now,
            asked: VecDeque::new(),
        }
    }

    /// The whole chunks of a range, as far as the file goes.
    pub fn widen(bytes: Range<u64>, len: u64) -> Range<u64> {
        let start = bytes.start - bytes.start % CHUNK;
        start..bytes.end.next_multiple_of(CHUNK).min(len.max(bytes.end))
    }

    /// Notes that a task brings a range of a file.
    pub fn note_asked(&mut self, task: HelpId, inode: Inode, bytes: Range<u64>) {
        self.asked.push_back(AskedRange { task, inode, bytes });
    }

    /// Notes the bytes that an answer tells to be in memory.
    pub fn settle(&mut self, answer: HelpAnswer, now: Instant) {
        let Some(at) = self.asked.iter().position(|it| it.task == answer.id) else {
            return;
        };
        // Tasks are done in their order, so those before it have no answer any more.
        let Some(asked) = self.asked.drain(..=at).next_back() else {
            return;
        };
        if let HelpOutcome::Read | HelpOutcome::Hashed(_) = answer.outcome {
            self.note(asked.inode, asked.bytes, now);
        }
    }

    /// Notes bytes that are in memory.
    pub fn note(&mut self, inode: Inode, bytes: Range<u64>, now: Instant) {
        let until = self.seconds(now + KEPT);
        for number in bytes.start / CHUNK..bytes.end.div_ceil(CHUNK) {
            let (place, chunk) = self.place(inode, number);
            *place = BroughtChunk { until, ..chunk };
        }
    }

    /// The number of bytes from an offset of a file on, at most `most`, that count as being in memory. They are about to
    /// be read.
    pub fn extent(&mut self, inode: Inode, offset: u64, most: u64, now: Instant) -> u64 {
        let (until, now) = (self.seconds(now + KEPT), self.seconds(now));
        let end = offset + most;
        let mut at = offset;
        while at < end {
            let number = at / CHUNK;
            let (place, chunk) = self.place(inode, number);
            let same = BroughtChunk {
                until: place.until,
                ..chunk
            };
            if place.until <= now || *place != same {
                break;
            }
            place.until = until;
            at = (number + 1) * CHUNK;
        }
        at.min(end) - offset
    }

    /// The whole seconds from the start to a time.
    fn seconds(&self, at: Instant) -> u32 {
        at.saturating_duration_since(self.start).as_secs() as u32
    }

    /// The place of a chunk, and the chunk as it would be there.
    #[expect(clippy::indexing_slicing, reason = "a remainder is within the table")]
    fn place(&mut self, (device, inode): Inode, number: u64) -> (&mut BroughtChunk, BroughtChunk) {
        let chunk = BroughtChunk {
            inode,
            device: device as u32,
            number: number as u32,
            until: 0,
        };
        // Neighbours lie beside each other: inodes of files that are used together are mostly close.
        let at = inode.wrapping_add(number.wrapping_mul(0x9e37_79b9)) as usize;
        (&mut self.chunks[at % CHUNKS], chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Inode = (1, 2);

    #[test]
    fn bytes_count_for_a_time_behind_the_answer_and_behind_each_reading() {
        let start = Instant::now();
        let second = |number| start + Duration::from_secs(number);
        let mut brought = Brought::new(start);
        let bytes = Brought::widen(CHUNK + 1..2 * CHUNK + 5, 10 * CHUNK);
        assert_eq!(bytes, CHUNK..3 * CHUNK);
        brought.note_asked(HelpId(1), FILE, bytes.clone());
        assert_eq!(brought.extent(FILE, CHUNK, 1, second(0)), 0, "not yet");
        let outcome = HelpOutcome::Read;
        brought.settle(
            HelpAnswer {
                id: HelpId(1),
                outcome,
            },
            second(1),
        );
        assert!(brought.asked.is_empty());
        for now in [1, 10, 15] {
            let extent = brought.extent(FILE, CHUNK + 7, 9 * CHUNK, second(now));
            assert_eq!(extent, 2 * CHUNK - 7, "{now}");
        }
        assert_eq!(brought.extent(FILE, 0, 1, second(15)), 0, "before them");
        assert_eq!(
            brought.extent((1, 3), CHUNK, 1, second(15)),
            0,
            "another file"
        );
        assert_eq!(
            brought.extent((3, 2), CHUNK, 1, second(15)),
            0,
            "another device"
        );
        assert_eq!(brought.extent(FILE, CHUNK, 1, second(25)), 0, "too late");
    }

    #[test]
    fn bytes_that_could_not_be_brought_do_not_count() {
        let now = Instant::now();
        let mut brought = Brought::new(now);
        for (number, outcome) in [(1, HelpOutcome::Failed), (2, HelpOutcome::Hashed(5))] {
            brought.note_asked(HelpId(number), FILE, 0..9);
            brought.settle(
                HelpAnswer {
                    id: HelpId(number),
                    outcome,
                },
                now,
            );
            let extent = brought.extent(FILE, 0, 9, now);
            assert_eq!(extent, if number == 1 { 0 } else { 9 });
        }
        // An answer that was lost with its helper leaves nothing behind.
        brought.note_asked(HelpId(3), FILE, CHUNK..CHUNK + 1);
        brought.note_asked(HelpId(4), FILE, 0..1);
        let outcome = HelpOutcome::Read;
        brought.settle(
            HelpAnswer {
                id: HelpId(4),
                outcome,
            },
            now,
        );
        assert!(brought.asked.is_empty());
        assert_eq!(brought.extent(FILE, CHUNK, 1, now), 0);
    }

    #[test]
    fn a_file_without_end_before_the_asked_bytes_is_asked_for_as_it_was() {
        assert_eq!(Brought::widen(3..7, 0), 0..7);
        assert_eq!(Brought::widen(3..7, 9), 0..9);
    }
}
