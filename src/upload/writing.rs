//! The way of bytes into a file: at once, or by the process that writes uploads.
//!
//! The kernel takes a write into its page cache, mostly at once. It makes the writer wait where a disk is so slow
//! that too much of it is unwritten, and no flag turns that off everywhere: of buffered writes that must not wait
//! (RWF_NOWAIT), ext4 and tmpfs know nothing. A process of its own can wait.
//!
//! A file that takes the place of another costs more: ext4 first starts to write the new one to the disk, within rename(2),
//! and the last who has the old one open gives its content back, which takes a second for a gigabyte in memory. Both are
//! the process's work: it starts the writing before, and closes the old file after.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, fdatasync, openat};
use rustix::io::retry_on_intr;

use super::writer::{HelpedFile, UploadWriter};
use crate::exchange::Waker;

/// The way of bytes into one file.
pub(super) enum FileWriting {
    /// The server writes.
    Direct,
    /// The process writes.
    Helped(Box<HelpedWriting>),
}

/// A part of this length is a task by itself. Shorter ones, as frames of HTTP/2, are gathered until the request is polled,
/// because each task takes a few system calls of both processes.
const LONG: usize = 32 << 10;

/// A file that the process writes.
pub(super) struct HelpedWriting {
    writer: UploadWriter,
    waker: Waker,
    /// The file as the process has it; `None` before it could be passed.
    file: Option<HelpedFile>,
    /// Bytes that are gathered, or that the process had no room for: at most the window of the request.
    pending: Vec<u8>,
    /// The file whose name this one will take, before the process has it.
    found: Option<OwnedFd>,
    /// That file as the process has it, which closes it when this is dropped.
    replaced: Option<HelpedFile>,
    sync: SyncState,
}

/// The state of bringing a file to the disk, or on its way there.
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
                found: None,
                replaced: None,
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

    /// Prepares for a file that takes the place of the one of this name, if there is one.
    pub(super) fn will_replace(&mut self, directory: &OwnedFd, name: &str) {
        if let FileWriting::Helped(helped) = self {
            // It is to be held, and neither read nor written.
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            helped.found = openat(directory, name, flags, Mode::empty()).ok();
        }
    }

    /// True if the server writes.
    pub(super) fn is_direct(&self) -> bool {
        matches!(self, FileWriting::Direct)
    }

    /// Bytes that wait for the process.
    pub(super) fn held(&self) -> usize {
        match self {
            FileWriting::Direct => 0,
            FileWriting::Helped(helped) => helped.pending.len(),
        }
    }

    /// Goes on with bytes that wait.
    pub(super) fn go_on(&mut self, file: &OwnedFd) -> io::Result<()> {
        match self {
            FileWriting::Direct => Ok(()),
            FileWriting::Helped(helped) => helped.pass(file, &[]),
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
        if self.pending.is_empty() && data.len() >= LONG {
            return self.pass(file, data);
        }
        self.keep(data);
        Ok(())
    }

    /// Passes what is pending, then `data`; keeps what the process has no room for.
    fn pass(&mut self, file: &OwnedFd, data: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = self.writer.begin(file, self.waker.clone())?;
        }
        let Some(file) = &mut self.file else {
            self.keep(data);
            return Ok(());
        };
        let taken = file.write(&self.pending)?;
        self.pending.drain(..taken);
        let taken = if self.pending.is_empty() {
            // An upload that keeps up holds nothing.
            self.pending = Vec::new();
            file.write(data)?
        } else {
            0
        };
        self.keep(data.get(taken..).unwrap_or_default());
        Ok(())
    }

    /// Keeps bytes for later, in no more memory than they take: there may be a hundred such uploads.
    fn keep(&mut self, data: &[u8]) {
        self.pending.reserve_exact(data.len());
        self.pending.extend_from_slice(data);
    }

    fn settle(&mut self, file: &OwnedFd, sync: bool) -> io::Result<bool> {
        self.pass(file, &[])?;
        if let Some(found) = &self.found {
            self.replaced = self.writer.begin(found, self.waker.clone())?;
            if self.replaced.is_none() {
                return Ok(false);
            }
            self.found = None;
        }
        let Some(file) = self.file.as_mut().filter(|_| self.pending.is_empty()) else {
            return Ok(false);
        };
        if (sync || self.replaced.is_some()) && self.sync == SyncState::Unasked {
            let is_asked = if sync { file.sync()? } else { file.flush()? };
            if !is_asked {
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
    use crate::exchange::testing::Desks;
    use crate::helper::WriterClient;
    use rustix::fs::fstat;
    use rustix::net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags,
        SocketFlags, SocketType, recv, recvmsg, send, socketpair,
    };
    use std::io::IoSliceMut;
    use std::mem::MaybeUninit;

    /// The next task: its kind, the file's number, and the descriptor that came with it.
    fn task(process: &OwnedFd) -> (u8, u32, Option<OwnedFd>) {
        let mut bytes = [0; 100];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        recvmsg(process, &mut parts, &mut control, RecvFlags::DONTWAIT).unwrap();
        let passed = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        let [kind, a, b, c, d, ..] = bytes;
        (kind, u32::from_le_bytes([a, b, c, d]), passed)
    }

    /// A process that the test plays, and a file that it is to write.
    fn helped() -> (OwnedFd, UploadWriter, FileWriting) {
        let (ours, process) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let writer = UploadWriter::with(WriterClient::over(ours));
        let waker = Desks::new().lend(|desk| desk.waker());
        let writing = FileWriting::new(Some((writer.clone(), waker)));
        (process, writer, writing)
    }

    #[test]
    fn short_parts_become_one_task_when_their_request_is_polled_and_a_long_one_is_a_task_at_once() {
        let (process, _writer, mut writing) = helped();
        let file = OwnedFd::from(tempfile::tempfile().unwrap());
        let lens = || {
            let mut lens = Vec::new();
            let mut bytes = vec![0; 70_000];
            while let Ok((len, _)) = recv(&process, &mut bytes[..], RecvFlags::DONTWAIT) {
                lens.push(len - 5);
            }
            lens
        };
        for _ in 0..4 {
            writing.write(&file, &[b'x'; 16_384]).unwrap();
        }
        assert_eq!((lens(), writing.held()), (vec![], 65_536));
        writing.go_on(&file).unwrap();
        assert_eq!((lens(), writing.held()), (vec![0, 65_536], 0));
        writing.write(&file, &[b'x'; LONG]).unwrap();
        assert_eq!(lens(), [LONG]);
    }

    #[test]
    fn a_file_that_replaces_another_is_on_its_way_to_the_disk_first_and_the_process_closes_the_old_one()
     {
        let (process, writer, mut writing) = helped();
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("name"), "old").unwrap();
        let directory = OwnedFd::from(std::fs::File::open(place.path()).unwrap());
        let file = OwnedFd::from(std::fs::File::create(place.path().join("new")).unwrap());
        writing.write(&file, b"new").unwrap();
        writing.will_replace(&directory, "name");
        assert!(!writing.settle(&file, false).unwrap());
        let kinds = [task(&process), task(&process)].map(|(kind, number, _)| (kind, number));
        assert_eq!(kinds, [(1, 1), (2, 1)], "it is opened and written");
        let (kind, number, old) = task(&process);
        assert_eq!((kind, number), (1, 2), "the old one is passed");
        assert_eq!(task(&process).0, 5, "the new one is to be on its way");
        for _ in 0..2 {
            assert!(!writing.settle(&file, false).unwrap());
            send(&process, &[1, 0, 0, 0, 0, 0, 0, 0], SendFlags::empty()).unwrap();
            writer.take_answers();
        }
        assert!(writing.settle(&file, false).unwrap());
        std::fs::rename(place.path().join("new"), place.path().join("name")).unwrap();
        assert_eq!(
            fstat(old.unwrap()).unwrap().st_nlink,
            0,
            "it was the old one"
        );
        drop(writing);
        let mut closed = [task(&process), task(&process)].map(|(kind, number, _)| (kind, number));
        closed.sort_unstable();
        assert_eq!(closed, [(4, 1), (4, 2)]);
    }
}
