//! Files that a helper opens, each for one request.
//!
//! ```text
//!  Openings::begin ─▶ HelpedOpening, which the request owns ─▶ outcome: a descriptor, an error, or neither
//!         └───────── answer of the helper ─▶ settle ─────────────▲
//! ```
//!
//! A request that has ended meanwhile has dropped its opening, and the descriptor that comes for it is closed. Without
//! an outcome (the helper has ended or may not open the file, no descriptor was free for the one that it passed) the
//! request opens the file itself.

use std::cell::{Cell, OnceCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use rustix::io::{Errno, fcntl_dupfd_cloexec};

use super::private::Inode;
use crate::world::{HelpAnswer, HelpId, HelpOutcome};

/// The most descriptors that are held for requests which have not gone on yet. Files beyond them are opened without
/// the helper.
pub const MOST_HELD: usize = 32;

/// The openings that have no answer yet, the oldest first: at most as many as the helper takes tasks.
#[derive(Debug, Default)]
pub(super) struct Openings {
    open: VecDeque<(HelpId, Weak<OnceCell<OpeningOutcome>>)>,
    held: Rc<Cell<usize>>,
}

/// A file that a helper opens beneath a root.
#[derive(Debug)]
pub struct HelpedOpening {
    root: Inode,
    outcome: Rc<OnceCell<OpeningOutcome>>,
}

#[derive(Debug)]
enum OpeningOutcome {
    Opened(HeldFile),
    Failed(Errno),
}

/// A descriptor that is counted until it is closed.
#[derive(Debug)]
struct HeldFile {
    file: OwnedFd,
    held: Rc<Cell<usize>>,
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        self.held.set(self.held.get() - 1);
    }
}

impl Openings {
    /// An opening by a task of the helper.
    pub fn begin(&mut self, task: HelpId, root: Inode) -> HelpedOpening {
        let outcome = Rc::new(OnceCell::new());
        self.open.push_back((task, Rc::downgrade(&outcome)));
        HelpedOpening { root, outcome }
    }

    /// Gives an answer, and the descriptor that came with it, to the request that waits for it.
    pub fn settle(&mut self, answer: HelpAnswer, file: Option<OwnedFd>) {
        let first = self.open.front().filter(|(task, _)| *task == answer.id);
        let Some(waiting) = first.map(|(_, waiting)| waiting.upgrade()) else {
            return;
        };
        self.open.pop_front();
        let outcome = match (answer.outcome, file) {
            (HelpOutcome::Opened, Some(file)) => self.hold(file).map(OpeningOutcome::Opened),
            (HelpOutcome::NotOpened(errno), _) => {
                Some(OpeningOutcome::Failed(Errno::from_raw_os_error(errno)))
            }
            _ => None,
        };
        if let (Some(waiting), Some(outcome)) = (waiting, outcome) {
            // A task has one answer.
            let _ = waiting.set(outcome);
        }
    }

    fn hold(&self, file: OwnedFd) -> Option<HeldFile> {
        let count = self.held.get();
        (count < MOST_HELD).then(|| {
            self.held.set(count + 1);
            HeldFile {
                file,
                held: self.held.clone(),
            }
        })
    }
}

impl HelpedOpening {
    /// The descriptor that the helper has opened beneath this root, or its error; `None` without an outcome, or if it
    /// is of another root. The request may be asked for several times before it is answered, so it gets a duplicate.
    pub(super) fn outcome(&self, root: Inode) -> Option<Result<OwnedFd, Errno>> {
        match self.outcome.get().filter(|_| self.root == root)? {
            OpeningOutcome::Opened(held) => Some(fcntl_dupfd_cloexec(&held.file, 0)),
            OpeningOutcome::Failed(errno) => Some(Err(*errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OwnExtent, OwnFile, Root, open_beneath};
    use super::*;
    use crate::world::{FileHelper, FileReads, Files, Metadata};
    use std::fs;
    use std::io::{self, ErrorKind};
    use std::os::fd::BorrowedFd;
    use std::time::Duration;

    /// A helper that opens each file at once, and answers later.
    #[derive(Debug, Default)]
    struct Opener {
        answers: VecDeque<(HelpAnswer, Option<OwnedFd>)>,
        count: u32,
        loses: bool,
    }

    impl FileHelper for Opener {
        fn read_ahead(&mut self, _: BorrowedFd<'_>, _: u64, _: u64) -> Option<HelpId> {
            None
        }

        fn hash(&mut self, _: BorrowedFd<'_>, _: u64, _: u64) -> Option<HelpId> {
            None
        }

        fn open(&mut self, directory: BorrowedFd<'_>, path: &[u8]) -> Option<HelpId> {
            let id = HelpId(self.count);
            self.count += 1;
            let directory = directory.try_clone_to_owned().unwrap();
            let (outcome, file) = match open_beneath(&directory, path) {
                Ok(file) => (HelpOutcome::Opened, Some(file)),
                Err(errno) => (HelpOutcome::NotOpened(errno.raw_os_error()), None),
            };
            let file = file.filter(|_| !self.loses);
            self.answers.push_back((HelpAnswer { id, outcome }, file));
            Some(id)
        }

        fn is_running(&self) -> bool {
            true
        }

        fn takes_tasks(&self) -> bool {
            true
        }

        fn take_answer(&mut self) -> Option<(HelpAnswer, Option<OwnedFd>)> {
            self.answers.pop_front()
        }

        fn is_open(&self, id: HelpId) -> bool {
            self.answers.iter().any(|(answer, _)| answer.id == id)
        }

        fn timeout(&self) -> Option<Duration> {
            None
        }
    }

    /// A directory with `page` and `key`, which is private.
    fn setting(loses: bool) -> (tempfile::TempDir, Root, super::super::DescriptorReads) {
        let directory = tempfile::tempdir().unwrap();
        for name in ["page", "key"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        fs::hard_link(directory.path().join("key"), directory.path().join("other")).unwrap();
        let mut root = Root::open(directory.path()).unwrap();
        root.keep_private(vec![OwnFile {
            path: directory.path().join("key"),
            extent: OwnExtent::Namesakes,
            what: "the key",
            mend: "elsewhere",
        }]);
        let mut reads = root.reads();
        reads.be_helped(Box::new(Opener {
            loses,
            ..Opener::default()
        }));
        (directory, root, reads)
    }

    fn open(root: &mut Root, opening: &HelpedOpening, path: &str) -> io::Result<Metadata> {
        let opened = root.open_helped(path.as_bytes(), opening);
        opened.map(|(_, metadata)| metadata)
    }

    fn is_missing(opened: io::Result<Metadata>) -> bool {
        opened.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    }

    #[test]
    fn what_the_helper_has_opened_is_judged_as_what_the_server_opens() {
        for loses in [false, true] {
            let (directory, mut root, mut reads) = setting(loses);
            let names = ["page", "key", "other", "none", ""];
            let openings: Vec<_> = names
                .iter()
                .map(|name| root.need_open(&mut reads, name.as_bytes()).unwrap())
                .collect();
            while reads.take_answer().is_some() {}
            let expected = root.open(b"page").unwrap().1;
            fs::rename(
                directory.path().join("page"),
                directory.path().join("moved"),
            )
            .unwrap();
            for _ in 0..2 {
                let page = open(&mut root, &openings[0], "page");
                if loses {
                    assert!(is_missing(page), "it is opened anew");
                } else {
                    let identity = page.unwrap().identity;
                    assert_eq!(identity.1, expected.identity.1, "it is open already");
                }
                for at in 1..=3 {
                    assert!(
                        is_missing(open(&mut root, &openings[at], names[at])),
                        "{at}"
                    );
                }
                assert!(open(&mut root, &openings[4], "").is_ok());
            }
        }
    }

    #[test]
    fn what_was_opened_beneath_another_root_is_opened_anew() {
        let (_one, mut root, mut reads) = setting(false);
        let (_other, mut other, _) = setting(false);
        let opening = root.need_open(&mut reads, b"page").unwrap();
        reads.take_answer().unwrap();
        let own = other.open(b"page").unwrap().1;
        assert_eq!(open(&mut other, &opening, "page").unwrap(), own);
        assert_ne!(open(&mut root, &opening, "page").unwrap(), own);
    }

    /// A task's answer with the end of a pipe; the other end tells that it is closed.
    fn answer(openings: &mut Openings, number: u32) -> std::io::PipeReader {
        let (reader, writer) = io::pipe().unwrap();
        let id = HelpId(number);
        let outcome = HelpOutcome::Opened;
        openings.settle(HelpAnswer { id, outcome }, Some(writer.into()));
        reader
    }

    fn is_closed(reader: std::io::PipeReader) -> bool {
        io::read_to_string(reader).is_ok_and(|text| text.is_empty())
    }

    #[test]
    fn the_descriptor_for_a_request_that_has_ended_is_closed() {
        let mut openings = Openings::default();
        drop(openings.begin(HelpId(1), (0, 0)));
        assert!(is_closed(answer(&mut openings, 1)));
        // Nor is one kept that nobody has asked for.
        assert!(is_closed(answer(&mut openings, 2)));
        let opening = openings.begin(HelpId(3), (0, 0));
        let reader = answer(&mut openings, 3);
        assert!(opening.outcome((0, 0)).unwrap().is_ok());
        drop(opening);
        assert!(is_closed(reader));
        assert!(openings.open.is_empty() && openings.held.get() == 0);
    }

    #[test]
    fn requests_hold_no_more_descriptors_than_the_bound() {
        let mut openings = Openings::default();
        let mut held = Vec::new();
        for number in 0..=MOST_HELD as u32 {
            let opening = openings.begin(HelpId(number), (0, 0));
            held.push((opening, answer(&mut openings, number)));
        }
        let (last, reader) = held.pop().unwrap();
        assert!(last.outcome((0, 0)).is_none() && is_closed(reader));
        assert!(held[0].0.outcome((0, 0)).is_some());
        held.pop();
        let opening = openings.begin(HelpId(99), (0, 0));
        let _reader = answer(&mut openings, 99);
        assert!(opening.outcome((0, 0)).is_some());
    }
}
