//! The helper's own loop: takes tasks, does them one after another, and answers.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Stdin};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketType, recvmsg, sockopt,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use xxhash_rust::xxh3::Xxh3;

use super::duty::{HelperDuty, HelperSandbox, NAME, answer, pass};
use super::message::{self, HelperReply, Task, TaskWork};
#[cfg(feature = "upload")]
use super::writer;
use super::{HelperError, MOST_TASKS, passwords};
use crate::world::files::{DescriptorReads, open_beneath};
use crate::world::{FileReads, HelpAnswer, HelpOutcome};

/// Number of bytes that are read in one go. The kernel was asked for more before, so a small buffer reads as
/// fast as a large one, and takes less memory.
const READ: usize = 64 << 10;

/// This process as the helper of a server, whose socket is its standard input.
#[derive(Debug)]
pub struct HelperProcess {
    sandbox: HelperSandbox,
    duty: HelperDuty,
    /// Directories beneath which it opens files.
    readable: Vec<PathBuf>,
    socket: Stdin,
}

impl HelperProcess {
    /// The helper that this process was started as, if it was started as one. It no longer heeds the signals
    /// that are for its server.
    pub fn begin(
        mut arguments: impl Iterator<Item = std::ffi::OsString>,
    ) -> Result<Option<Self>, HelperError> {
        if arguments.next().is_none_or(|name| name != NAME) {
            return Ok(None);
        }
        let sandbox = [HelperSandbox::On, HelperSandbox::Off];
        let argument = arguments.next();
        let sandbox = sandbox
            .into_iter()
            .find(|it| argument.as_ref().is_some_and(|text| text == it.argument()))
            .ok_or(HelperError::NoServer)?;
        let argument = arguments.next();
        let duties = [
            HelperDuty::Files,
            HelperDuty::Passwords,
            #[cfg(feature = "upload")]
            HelperDuty::Uploads,
        ];
        let duty = duties
            .into_iter()
            .find(|it| argument.as_ref().is_some_and(|text| text == it.argument()))
            .ok_or(HelperError::NoServer)?;
        let socket = io::stdin();
        if sockopt::socket_type(&socket) != Ok(SocketType::SEQPACKET) {
            return Err(HelperError::NoServer);
        }
        for signal in [SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2] {
            // Nobody reads the flag: that the signal does not end the process is enough.
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
                .map_err(HelperError::Start)?;
        }
        // Else its name would be that of the link it was started by, `exe`.
        let _ = rustix::thread::set_name(c"calmd-helper");
        Ok(Some(HelperProcess {
            sandbox,
            duty,
            readable: arguments.map(PathBuf::from).collect(),
            socket,
        }))
    }

    /// Rights that it has to give up before it runs.
    pub fn sandbox(&self) -> HelperSandbox {
        self.sandbox
    }

    /// The directories beneath which it opens files; `None` if it opens no file.
    pub fn readable(&self) -> Option<&[PathBuf]> {
        (self.duty == HelperDuty::Files).then_some(&self.readable)
    }

    /// Does tasks until the server ends.
    pub fn run(self) -> io::Result<()> {
        match self.duty {
            HelperDuty::Files => run(self.socket.as_fd()),
            HelperDuty::Passwords => passwords::run(self.socket.as_fd()),
            #[cfg(feature = "upload")]
            HelperDuty::Uploads => writer::run(self.socket.as_fd()),
        }
    }
}

/// Does tasks until the socket ends.
pub(super) fn run(socket: BorrowedFd<'_>) -> io::Result<()> {
    answer(socket, HelperReply::Ready)?;
    let mut worker = Worker::default();
    let mut tasks = VecDeque::new();
    loop {
        // All tasks that have come, so that the disk is asked for all of them at once.
        while tasks.len() < MOST_TASKS {
            let flags = if tasks.is_empty() {
                RecvFlags::empty()
            } else {
                RecvFlags::DONTWAIT
            };
            match receive(socket, flags)? {
                ReceivedTask::Task(received) => {
                    if received.task.work != TaskWork::Open {
                        let PassedTask { task, file, .. } = &received;
                        // A disk that cannot be asked is read all the same.
                        let _ = worker.reads.ask_for(file, task.offset, task.len);
                    }
                    tasks.push_back(received);
                }
                ReceivedTask::Nothing => break,
                ReceivedTask::End => return Ok(()),
            }
        }
        if let Some(PassedTask { task, path, file }) = tasks.pop_front() {
            let (outcome, opened) = match task.work {
                TaskWork::ReadAhead | TaskWork::Hash => {
                    let done = worker.work(task, &file);
                    (done.unwrap_or(HelpOutcome::Failed), None)
                }
                TaskWork::Open => open(&file, &path),
            };
            let reply = |outcome| {
                HelperReply::Answer(HelpAnswer {
                    id: task.id,
                    outcome,
                })
            };
            let is_passed = opened.is_some_and(|it| pass(socket, reply(outcome), it.as_fd()));
            match outcome {
                HelpOutcome::Opened if is_passed => {}
                HelpOutcome::Opened => answer(socket, reply(HelpOutcome::LookedUp))?,
                _ => answer(socket, reply(outcome))?,
            }
        }
    }
}

/// A task, with what was passed for it.
struct PassedTask {
    task: Task,
    /// The path that is to be opened; empty for other work.
    path: Box<[u8]>,
    file: OwnedFd,
}

enum ReceivedTask {
    Task(PassedTask),
    Nothing,
    End,
}

fn receive(socket: BorrowedFd<'_>, flags: RecvFlags) -> io::Result<ReceivedTask> {
    let mut bytes = [0; message::LEN + message::MOST_PATH];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            flags | RecvFlags::CMSG_CLOEXEC,
        )
    });
    let len = match received {
        Err(Errno::AGAIN) => return Ok(ReceivedTask::Nothing),
        Err(Errno::CONNRESET) => return Ok(ReceivedTask::End),
        received => received?.bytes,
    };
    if len == 0 {
        return Ok(ReceivedTask::End);
    }
    let file = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    let task = bytes.get(..len).and_then(Task::parse);
    match (task, file) {
        (Some((task, path)), Some(file)) => Ok(ReceivedTask::Task(PassedTask {
            task,
            path: path.into(),
            file,
        })),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Opens a path beneath a directory, or walks it as far as the sandbox lets it: the kernel then has its names and the
/// file's inode in memory.
fn open(directory: &OwnedFd, path: &[u8]) -> (HelpOutcome, Option<OwnedFd>) {
    match open_beneath(directory, path) {
        Ok(file) => (HelpOutcome::Opened, Some(file)),
        // The server may have a right that the helper has not, descriptors, or links that it follows by itself.
        Err(
            Errno::ACCESS
            | Errno::PERM
            | Errno::MFILE
            | Errno::NFILE
            | Errno::NOMEM
            | Errno::XDEV
            | Errno::AGAIN
            | Errno::INTR
            | Errno::INVAL
            | Errno::NOSYS,
        ) => (HelpOutcome::LookedUp, None),
        Err(errno) => (HelpOutcome::NotOpened(errno.raw_os_error()), None),
    }
}

/// The state between tasks: a buffer, and the hash of the file that is being hashed.
#[derive(Default)]
struct Worker {
    reads: DescriptorReads,
    buffer: Vec<u8>,
    hash: Xxh3,
    /// Number of bytes that have gone into the hash.
    hashed: u64,
}

impl Worker {
    fn work(&mut self, task: Task, file: &OwnedFd) -> io::Result<HelpOutcome> {
        self.buffer.resize(READ, 0);
        if task.work == TaskWork::Hash {
            if task.offset == 0 {
                self.hash.reset();
            } else if task.offset != self.hashed {
                return Ok(HelpOutcome::Failed);
            }
            self.hashed = task.offset;
        }
        let end = task.offset + task.len;
        let mut at = task.offset;
        while at < end {
            let len = usize::try_from(end - at).map_or(READ, |left| left.min(READ));
            let (room, _) = self.buffer.split_at_mut(len);
            let mut rooms = [IoSliceMut::new(room)];
            let read = self.reads.read_scattered(file, at, &mut rooms)?;
            if read == 0 {
                // The file has become shorter.
                return Ok(HelpOutcome::Failed);
            }
            if task.work == TaskWork::Hash {
                self.hash
                    .update(self.buffer.get(..read).unwrap_or_default());
                self.hashed += read as u64;
            }
            at += read as u64;
        }
        Ok(if task.work == TaskWork::Hash {
            HelpOutcome::Hashed(self.hash.digest128())
        } else {
            HelpOutcome::Read
        })
    }
}
