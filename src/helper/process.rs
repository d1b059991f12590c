//! The helper's own loop: takes tasks, does them one after another, and answers.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut, Stdin};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketType, recvmsg, sockopt,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use xxhash_rust::xxh3::Xxh3;

use super::duty::{HelperDuty, HelperSandbox, NAME, answer};
use super::message::{self, HelperReply, Task, TaskWork};
#[cfg(feature = "upload")]
use super::writer;
use super::{HelperError, MOST_TASKS, passwords};
use crate::world::files::DescriptorReads;
use crate::world::{FileReads, HelpAnswer, HelpOutcome};

/// Number of bytes that are read in one go. The kernel was asked for more before, so a small buffer reads as
/// fast as a large one, and takes less memory.
const READ: usize = 64 << 10;

/// This process as the helper of a server, whose socket is its standard input.
#[derive(Debug)]
pub struct HelperProcess {
    sandbox: HelperSandbox,
    duty: HelperDuty,
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
            socket,
        }))
    }

    /// Rights that it has to give up before it runs.
    pub fn sandbox(&self) -> HelperSandbox {
        self.sandbox
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
                ReceivedTask::Task(task, file) => {
                    // A disk that cannot be asked is read all the same.
                    let _ = worker.reads.ask_for(&file, task.offset, task.len);
                    tasks.push_back((task, file));
                }
                ReceivedTask::Nothing => break,
                ReceivedTask::End => return Ok(()),
            }
        }
        if let Some((task, file)) = tasks.pop_front() {
            let outcome = worker.work(task, &file).unwrap_or(HelpOutcome::Failed);
            let id = task.id;
            answer(socket, HelperReply::Answer(HelpAnswer { id, outcome }))?;
        }
    }
}

enum ReceivedTask {
    Task(Task, OwnedFd),
    Nothing,
    End,
}

fn receive(socket: BorrowedFd<'_>, flags: RecvFlags) -> io::Result<ReceivedTask> {
    let mut bytes = [0; message::LEN];
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
        (Some(task), Some(file)) => Ok(ReceivedTask::Task(task, file)),
        _ => Err(io::ErrorKind::InvalidData.into()),
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
        Ok(match task.work {
            TaskWork::ReadAhead => HelpOutcome::Read,
            TaskWork::Hash => HelpOutcome::Hashed(self.hash.digest128()),
        })
    }
}
