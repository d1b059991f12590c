//! The way of bytes into a file: at once, or by the process that writes uploads.
//!
//! The kernel takes a write into its page cache, mostly at once. It makes the writer wait where a disk is so slow
//! that too much of it is unwritten, and no flag turns that off everywhere: of buffered writes that must not wait
//! (RWF_NOWAIT), ext4 and tmpfs know nothing. A process of its own can wait.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::fdatasync;
use rustix::io::retry_on_intr;

use super::writer::{HelpedFile, UploadWriter};
use crate::exchange::Waker;
use crate::helper::TASK_BYTES;

/// The way of bytes into one file.
pub(super) enum FileWriting {
    /// The server writes.
    Direct,
    /// The process writes.
    Helped(Box<HelpedWriting>),
}

/// A file that the process writes.
pub(super) struct HelpedWriting {
    writer: UploadWriter,
    waker: Waker,
    /// The file as the process has it; `None` before it could be passed.
    file: Option<HelpedFile>,
    /// Bytes that are to be passed: at most the window of the request.
    pending: Vec<u8>,
    stay: Stay,
    sync: SyncState,
}

/// The reason for which bytes are pending.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stay {
    /// They are gathered to a task of full size, because each costs the process and the server a few system calls. The
    /// request was woken: they go in this turn of the loop, whether more has come or not.
    Gathered,
    /// The process had no room for them.
    Refused,
}

/// The state of bringing a file to the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SyncState {
    /// Nobody has asked for it.
    Unasked,
    /// The process was asked.
    Asked,
}

impl FileWriting {
    /// The way by this process, which wakes a request, or the direct one without a process.
    pub(super) fn new(writer: Option<(UploadWriter, Waker)>) -> Self {
        match writer {
            None => FileWriting::Direct,
            Some((writer, waker)) => FileWriting::Helped(Box::new(HelpedWriting {
                writer,
                waker,
                file: None,
                pending: Vec::new(),
                stay: Stay::Gathered,
                sync: SyncState::Unasked,
            })),
        }
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, file: &OwnedFd, mut data: &[u8]) -> io::Result<()> {
        match self {
            FileWriting::Helped(helped) => helped.write(file, data),
            FileWriting::Direct => {
                while !data.is_empty() {
                    let written = retry_on_intr(|| rustix::io::write(file, data))?;
                    data = data.get(written..).unwrap_or_default();
                }
                Ok(())
            }
        }
    }

    /// True if the server writes.
    pub(super) fn is_direct(&self) -> bool {
        matches!(self, FileWriting::Direct)
    }

    /// Bytes that wait for the process. Those that are gathered wait for nobody.
    pub(super) fn held(&self) -> usize {
        match self {
            FileWriting::Helped(helped) if helped.stay == Stay::Refused => helped.pending.len(),
            FileWriting::Helped(_) | FileWriting::Direct => 0,
        }
    }

    /// Goes on with bytes that wait.
    pub(super) fn go_on(&mut self, file: &OwnedFd) -> io::Result<()> {
        match self {
            FileWriting::Direct => Ok(()),
            FileWriting::Helped(helped) => helped.go_on(file),
        }
    }

    /// Ends the file, and with `sync` brings it to the disk; true once all of that is done.
    pub(super) fn settle(&mut self, file: &OwnedFd, sync: bool) -> io::Result<bool> {
        match self {
            FileWriting::Helped(helped) => helped.settle(file, sync),
            FileWriting::Direct => {
                if sync {
                    fdatasync(file)?;
                }
                Ok(true)
            }
        }
    }
}

impl HelpedWriting {
    fn write(&mut self, file: &OwnedFd, data: &[u8]) -> io::Result<()> {
        let all = self.pending.len() + data.len();
        let rest = match self.stay {
            Stay::Gathered => all % TASK_BYTES,
            Stay::Refused => 0,
        };
        let (full, rest) = data.split_at(data.len().saturating_sub(rest));
        if all >= TASK_BYTES || self.stay == Stay::Refused {
            self.pass(file, full)?;
        }
        if !rest.is_empty() {
            self.keep(rest);
            self.waker.wake();
        }
        Ok(())
    }

    /// Passes what is pending, unless the wake for that is still to come.
    fn go_on(&mut self, file: &OwnedFd) -> io::Result<()> {
        if self.stay == Stay::Gathered && self.waker.is_called() {
            return Ok(());
        }
        self.pass(file, &[])
    }

    /// Passes what is pending, then `data`; keeps what the process has no room for.
    fn pass(&mut self, file: &OwnedFd, data: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = self.writer.begin(file, self.waker.clone())?;
        }
        let taken = match &mut self.file {
            Some(file) => file.write(&self.pending, data)?,
            None => 0,
        };
        let of_pending = taken.min(self.pending.len());
        self.pending.drain(..of_pending);
        self.keep(data.get(taken - of_pending..).unwrap_or_default());
        self.stay = if self.pending.is_empty() {
            // An upload that keeps up holds nothing.
            self.pending = Vec::new();
            Stay::Gathered
        } else {
            Stay::Refused
        };
        Ok(())
    }

    /// Keeps bytes for later, in no more memory than they take: there may be a hundred such uploads.
    fn keep(&mut self, data: &[u8]) {
        self.pending.reserve_exact(data.len());
        self.pending.extend_from_slice(data);
    }

    fn settle(&mut self, file: &OwnedFd, sync: bool) -> io::Result<bool> {
        self.pass(file, &[])?;
        let Some(file) = self.file.as_mut().filter(|_| self.pending.is_empty()) else {
            return Ok(false);
        };
        if sync && self.sync == SyncState::Unasked {
            if !file.sync()? {
                return Ok(false);
            }
            self.sync = SyncState::Asked;
        }
        file.is_settled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::testing::{means, place};
    use crate::exchange::{AlarmOwner, Desk, Means, Queue};
    use crate::helper::WriterClient;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

    /// A file, its way by a process that the test plays, and the end of the process.
    struct WritingBench {
        means: Means,
        _alarm: AlarmOwner,
        file: OwnedFd,
        writing: FileWriting,
        process: OwnedFd,
    }

    impl WritingBench {
        fn new() -> Self {
            let (ours, process) = socketpair(
                AddressFamily::UNIX,
                SocketType::SEQPACKET,
                SocketFlags::CLOEXEC,
                None,
            )
            .unwrap();
            let (means, mut alarm) = (means(), AlarmOwner::default());
            let waker = Desk::new(&means, place(), &mut alarm).waker();
            let writer = UploadWriter::of(WriterClient::over(ours));
            WritingBench {
                means,
                _alarm: alarm,
                file: tempfile::tempfile().unwrap().into(),
                writing: FileWriting::new(Some((writer, waker))),
                process,
            }
        }

        /// A part of the request comes, and the exchange is polled.
        fn write(&mut self, part: &[u8]) {
            self.writing.write(&self.file, part).unwrap();
            self.writing.go_on(&self.file).unwrap();
        }

        /// The exchange is polled because it was woken.
        fn wake(&mut self) {
            self.means.wakes.take_due(self.means.now, &mut Queue::new());
            self.writing.go_on(&self.file).unwrap();
        }

        /// The content of each task that the process has not seen yet.
        fn tasks(&self) -> Vec<Vec<u8>> {
            let mut task = vec![0; 2 * TASK_BYTES];
            let mut tasks = Vec::new();
            while let Ok((len, _)) = recv(&self.process, &mut task[..], RecvFlags::DONTWAIT) {
                // Behind the kind and the number of the file.
                tasks.extend(task.get(5..len).map(<[u8]>::to_vec));
            }
            tasks.retain(|content| !content.is_empty());
            tasks
        }

        fn lens(&self) -> Vec<usize> {
            self.tasks().iter().map(Vec::len).collect()
        }
    }

    #[test]
    fn parts_become_tasks_of_full_size_and_the_rest_of_a_turn_goes_with_its_wake() {
        let mut bench = WritingBench::new();
        for _ in 0..9 {
            bench.write(&[7; 16_000]);
        }
        assert_eq!(bench.lens(), [TASK_BYTES, TASK_BYTES]);
        assert_eq!(bench.writing.held(), 0, "nobody waits for the process");
        bench.wake();
        assert_eq!(bench.lens(), [9 * 16_000 - 2 * TASK_BYTES]);
        bench.write(b"a little");
        bench.wake();
        assert_eq!(bench.tasks(), [b"a little"]);
        bench.write(b"the end");
        assert!(!bench.writing.settle(&bench.file, false).unwrap());
        assert_eq!(bench.tasks(), [b"the end"]);
    }

    #[test]
    fn a_process_without_room_gets_all_bytes_in_their_order_later() {
        let mut bench = WritingBench::new();
        let sent: Vec<u8> = (0..1_000_000).map(|at: usize| (at % 251) as u8).collect();
        for part in sent.chunks(30_000) {
            bench.write(part);
        }
        assert!(bench.writing.held() > 0);
        let mut got = Vec::new();
        while got.len() < sent.len() {
            let tasks = bench.tasks();
            assert!(tasks.iter().all(|content| content.len() <= TASK_BYTES));
            got.extend(tasks.concat());
            bench.wake();
        }
        assert!(got == sent && bench.writing.held() == 0);
    }
}
