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
    /// Bytes that the process had no room for: at most the window of the request.
    pending: Vec<u8>,
    sync: SyncState,
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
            FileWriting::Helped(helped) => helped.write(file, &[]),
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
        self.write(file, &[])?;
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
