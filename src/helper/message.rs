//! Messages between the server and its helper: 24 bytes each, behind a version, and a path behind one kind of them.
//! A descriptor comes with each task, and with the answer that a file was opened.
//!
//! ```text
//!  0        1      2        4     8         16        24
//!  │version │ kind │ unused │ id  │ offset  │ length   │          a task, with a file's descriptor
//!  │version │ kind │ unused │ id  │ 0       │ length   │ path     a task, with a directory's descriptor
//!  │version │ kind │ unused │ id  │ hash, or error     │          an answer
//! ```

use crate::world::{HelpAnswer, HelpId, HelpOutcome};

/// Number of bytes of each message, but for the path.
pub(super) const LEN: usize = 24;

/// The most bytes of a path. The kernel takes no longer one (`PATH_MAX`).
pub(super) const MOST_PATH: usize = 4 << 10;

/// Version of the messages. Both ends are one binary, so another version is a mistake of ours.
const VERSION: u8 = 1;

/// The most bytes of one task, so that each ends soon; tasks of the server are at most as long.
const MOST_BYTES: u64 = 1 << 20;

/// The largest number of an error of Linux (`MAX_ERRNO`).
const MOST_ERROR: u128 = 4_095;

const READ_AHEAD: u8 = 1;
const HASH: u8 = 2;
const OPEN: u8 = 3;

const READY: u8 = 129;
const READ: u8 = 130;
const HASHED: u8 = 131;
const FAILED: u8 = 132;
const LOOKED_UP: u8 = 133;
const OPENED: u8 = 134;
const NOT_OPENED: u8 = 135;

/// Work on a descriptor that comes with the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub id: HelpId,
    pub work: TaskWork,
    pub offset: u64,
    /// Number of bytes, at most [`MOST_BYTES`], none of them behind the last offset that a file can have; or the
    /// length of the path, at most [`MOST_PATH`].
    pub len: u64,
}

/// The kind of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskWork {
    /// Bring the bytes into memory.
    ReadAhead,
    /// Hash the bytes behind those of the task before, or from the beginning of a file.
    Hash,
    /// Open what the path behind the message names beneath the directory.
    Open,
}

/// A message of the helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HelperReply {
    /// The helper is shut in, and takes tasks from here on.
    Ready,
    /// A task is done.
    Answer(HelpAnswer),
}

impl Task {
    /// A task, if it is not too long.
    pub fn new(id: HelpId, work: TaskWork, offset: u64, len: u64) -> Option<Self> {
        let is_bounded = match work {
            TaskWork::ReadAhead | TaskWork::Hash => {
                len <= MOST_BYTES && i64::try_from(offset.checked_add(len)?).is_ok()
            }
            TaskWork::Open => offset == 0 && (1..=MOST_PATH as u64).contains(&len),
        };
        is_bounded.then_some(Task {
            id,
            work,
            offset,
            len,
        })
    }

    pub fn to_bytes(self) -> [u8; LEN] {
        let kind = match self.work {
            TaskWork::ReadAhead => READ_AHEAD,
            TaskWork::Hash => HASH,
            TaskWork::Open => OPEN,
        };
        let words = (u128::from(self.len) << 64) | u128::from(self.offset);
        pack(kind, self.id, words)
    }

    /// Parses a message: a task, and its path, which is empty but for [`TaskWork::Open`].
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, path) = bytes.split_at_checked(LEN)?;
        let (kind, id, words) = unpack(head)?;
        let work = match kind {
            READ_AHEAD => TaskWork::ReadAhead,
            HASH => TaskWork::Hash,
            OPEN => TaskWork::Open,
            _ => return None,
        };
        let task = Task::new(id, work, words as u64, (words >> 64) as u64)?;
        let len = match work {
            TaskWork::ReadAhead | TaskWork::Hash => 0,
            TaskWork::Open => task.len,
        };
        (path.len() as u64 == len).then_some((task, path))
    }
}

impl HelperReply {
    pub fn to_bytes(self) -> [u8; LEN] {
        match self {
            HelperReply::Ready => pack(READY, HelpId(0), 0),
            HelperReply::Answer(HelpAnswer { id, outcome }) => match outcome {
                HelpOutcome::Read => pack(READ, id, 0),
                HelpOutcome::Hashed(hash) => pack(HASHED, id, hash),
                HelpOutcome::Opened => pack(OPENED, id, 0),
                HelpOutcome::NotOpened(errno) => {
                    pack(NOT_OPENED, id, u128::from(errno.unsigned_abs()))
                }
                HelpOutcome::LookedUp => pack(LOOKED_UP, id, 0),
                HelpOutcome::Failed => pack(FAILED, id, 0),
            },
        }
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, id, words) = unpack(bytes)?;
        let outcome = match (kind, words) {
            (READY, 0) => return Some(HelperReply::Ready),
            (READ, 0) => HelpOutcome::Read,
            (HASHED, hash) => HelpOutcome::Hashed(hash),
            (OPENED, 0) => HelpOutcome::Opened,
            (NOT_OPENED, 1..=MOST_ERROR) => HelpOutcome::NotOpened(words as i32),
            (LOOKED_UP, 0) => HelpOutcome::LookedUp,
            (FAILED, 0) => HelpOutcome::Failed,
            _ => return None,
        };
        Some(HelperReply::Answer(HelpAnswer { id, outcome }))
    }
}

fn pack(kind: u8, HelpId(id): HelpId, words: u128) -> [u8; LEN] {
    let head = u64::from(id) << 32 | u64::from(kind) << 8 | u64::from(VERSION);
    let mut bytes = [0; LEN];
    let parts = head.to_le_bytes().into_iter().chain(words.to_le_bytes());
    for (place, byte) in bytes.iter_mut().zip(parts) {
        *place = byte;
    }
    bytes
}

fn unpack(bytes: &[u8]) -> Option<(u8, HelpId, u128)> {
    let (head, words) = bytes.split_first_chunk()?;
    let head = u64::from_le_bytes(*head);
    let words = u128::from_le_bytes(words.try_into().ok()?);
    let is_known = head as u8 == VERSION && (head >> 16) as u16 == 0;
    is_known.then_some(((head >> 8) as u8, HelpId((head >> 32) as u32), words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tasks_and_replies_come_as_they_went() {
        for work in [TaskWork::ReadAhead, TaskWork::Hash] {
            for (offset, len) in [(0, 0), (7, MOST_BYTES), (i64::MAX as u64 - 1, 1)] {
                let task = Task::new(HelpId(u32::MAX), work, offset, len).unwrap();
                assert_eq!(Task::parse(&task.to_bytes()), Some((task, &[][..])));
                assert_eq!(HelperReply::parse(&task.to_bytes()), None);
            }
        }
        let outcomes = [HelpOutcome::Read, HelpOutcome::Hashed(1 << 100 | 7)];
        let opened = [HelpOutcome::Opened, HelpOutcome::NotOpened(2)];
        let others = [HelpOutcome::LookedUp, HelpOutcome::Failed];
        for outcome in outcomes.into_iter().chain(opened).chain(others) {
            let id = HelpId(3);
            let reply = HelperReply::Answer(HelpAnswer { id, outcome });
            assert_eq!(HelperReply::parse(&reply.to_bytes()), Some(reply));
            assert_eq!(Task::parse(&reply.to_bytes()), None);
        }
        let ready = HelperReply::Ready.to_bytes();
        assert_eq!(HelperReply::parse(&ready), Some(HelperReply::Ready));
    }

    #[test]
    fn no_task_is_longer_than_the_bound_or_behind_the_end_of_all_files() {
        for (offset, len) in [(0, MOST_BYTES + 1), (i64::MAX as u64, 1), (u64::MAX, 1)] {
            assert_eq!(Task::new(HelpId(1), TaskWork::Hash, offset, len), None);
        }
        let too_long = pack(HASH, HelpId(1), u128::from(MOST_BYTES + 1) << 64);
        assert_eq!(Task::parse(&too_long), None);
    }

    #[test]
    fn a_path_is_as_long_as_its_task_says_and_not_longer_than_the_bound() {
        for len in [1, 7, MOST_PATH] {
            let task = Task::new(HelpId(9), TaskWork::Open, 0, len as u64).unwrap();
            let path = vec![b'a'; len];
            let message = [&task.to_bytes()[..], &path].concat();
            assert_eq!(Task::parse(&message), Some((task, &path[..])));
            for cut in [LEN, message.len() - 1] {
                assert_eq!(Task::parse(&message[..cut]), None, "{cut}");
            }
            assert_eq!(Task::parse(&[&message[..], b"a"].concat()), None);
        }
        for (offset, len) in [(0, 0), (0, MOST_PATH as u64 + 1), (1, 1)] {
            assert_eq!(Task::new(HelpId(9), TaskWork::Open, offset, len), None);
        }
    }

    #[test]
    fn other_versions_kinds_and_lengths_are_refused() {
        for error in [0, MOST_ERROR + 1] {
            let reply = pack(NOT_OPENED, HelpId(1), error);
            assert_eq!(HelperReply::parse(&reply), None);
        }
        let task = Task::new(HelpId(1), TaskWork::Hash, 0, 1).unwrap();
        for (at, byte) in [(0, VERSION + 1), (1, READY), (1, 0), (2, 1), (3, 1)] {
            let mut bytes = task.to_bytes();
            bytes[at] = byte;
            assert_eq!(Task::parse(&bytes), None, "{at}");
        }
        assert_eq!(Task::parse(&task.to_bytes()[1..]), None);
        assert_eq!(Task::parse(&[&task.to_bytes()[..], &[0]].concat()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_parse_to_what_they_are_made_of_or_to_nothing(bytes: [u8; LEN]) {
            let mut bytes = bytes;
            (bytes[0], bytes[2], bytes[3]) = (VERSION, 0, 0);
            if let Some((task, path)) = Task::parse(&bytes) {
                prop_assert_eq!((task.to_bytes(), path), (bytes, &[][..]));
            }
            if let Some(reply @ HelperReply::Answer(_)) = HelperReply::parse(&bytes) {
                prop_assert_eq!(reply.to_bytes(), bytes);
            }
        }
    }
}
