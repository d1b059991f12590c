//! The server's side: tasks are sent, answers are taken, and neither is waited for.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::duty::{HelperDuty, HelperSandbox, NAME};
use super::message::{self, HelperReply, Task, TaskWork};
use super::{HelperError, MOST_TASKS, SILENCE};
use crate::world::{FileHelper, HelpAnswer, HelpId, HelpOutcome, User};

/// Time for a helper to get ready at the start. It takes a few milliseconds.
const START: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Silences in a row after which a helper is given up.
const MOST_SILENCES: u8 = 2;

/// A helper process, as the server has it.
pub struct HelperClient {
    /// The socket; `None` once the helper has ended or was given up.
    socket: Option<OwnedFd>,
    process: u32,
    /// Tasks without an answer, the oldest first.
    tasks: VecDeque<HelpId>,
    last: HelpId,
    /// The time of the last answer, or of the first task behind it.
    heard: Instant,
    silences: u8,
}

impl fmt::Debug for HelperClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HelperClient").field(&self.process).finish()
    }
}

impl HelperClient {
    /// Starts a helper as this user, or as the user that this process is, and waits until it is ready. It opens files
    /// beneath these directories.
    ///
    /// The kernel starts the file that this process runs, even if another one has its name by now.
    pub fn start(
        user: Option<&User>,
        sandbox: HelperSandbox,
        readable: &[PathBuf],
    ) -> Result<Self, HelperError> {
        let (socket, process) = start(user, sandbox, HelperDuty::Files, readable)?;
        Ok(HelperClient::new(socket, process))
    }

    fn new(socket: OwnedFd, process: u32) -> Self {
        HelperClient {
            socket: Some(socket),
            process,
            tasks: VecDeque::new(),
            last: HelpId(0),
            heard: Instant::now(),
            silences: 0,
        }
    }

    /// The helper's process id.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// The socket, as long as there is a helper.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Sends a task, if the helper can take one more.
    fn send(
        &mut self,
        work: TaskWork,
        file: BorrowedFd<'_>,
        (offset, len): (u64, u64),
        path: &[u8],
    ) -> Option<HelpId> {
        let socket = self.socket.as_ref()?;
        if self.tasks.len() >= MOST_TASKS {
            return None;
        }
        let id = HelpId(self.last.0.wrapping_add(1));
        let bytes = Task::new(id, work, offset, len)?.to_bytes();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [file];
        if !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return None;
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let parts = [IoSlice::new(&bytes), IoSlice::new(path)];
        let sent = retry_on_intr(|| sendmsg(socket, &parts, &mut control, flags));
        match sent {
            Ok(_) => {}
            Err(Errno::PIPE | Errno::CONNRESET) => {
                self.give_up("has ended");
                return None;
            }
            // It is full, or the system lacks memory or descriptors.
            Err(_) => return None,
        }
        if self.tasks.is_empty() {
            self.heard = Instant::now();
            self.silences = 0;
        }
        self.tasks.push_back(id);
        self.last = id;
        Some(id)
    }

    /// Does without the helper from here on. It ends by itself, because its socket has ended.
    fn give_up(&mut self, why: &str) {
        self.socket = None;
        log::warn!(
            "the helper process {} {why}: files are opened, read and hashed without it until the server is \
             started anew",
            self.process
        );
    }

    /// Gives a helper up that was silent for too long, and says if it was.
    fn judge_silence(&mut self) -> bool {
        if self.timeout() != Some(Duration::ZERO) {
            return false;
        }
        self.heard = Instant::now();
        self.silences += 1;
        if self.silences < MOST_SILENCES {
            return false;
        }
        self.give_up("does not answer");
        true
    }
}

/// Starts a process of this duty, which may read these directories, and waits until it is ready: its socket, and its
/// process id.
pub(super) fn start(
    user: Option<&User>,
    sandbox: HelperSandbox,
    duty: HelperDuty,
    readable: &[PathBuf],
) -> Result<(OwnedFd, u32), HelperError> {
    let start_error = |error: io::Error| HelperError::Start(error);
    let pair = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    );
    let (socket, other) = pair.map_err(|errno| start_error(errno.into()))?;
    let mut command = Command::new("/proc/self/exe");
    // Nothing of the environment is of use to it, and some of it may be secret.
    command
        .arg0(NAME)
        .arg(sandbox.argument())
        .arg(duty.argument())
        .args(readable)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(other))
        .stdout(Stdio::null());
    if let Some(user) = user {
        // Without any of root's groups, nor the others of the user. Files that only one of these may read are opened by
        // the server alone.
        command.uid(user.uid).gid(user.gid);
    }
    let process = command.spawn().map_err(start_error)?.id();
    // The other end is closed, so that the end of the helper shows.
    drop(command);
    let mut waited = [PollFd::new(&socket, PollFlags::IN)];
    let _ = retry_on_intr(|| poll(&mut waited, Some(&START)));
    match receive(&socket) {
        Ok(Some((HelperReply::Ready, _))) => Ok((socket, process)),
        _ => Err(HelperError::NotReady),
    }
}

/// The next message, and the descriptor that comes with it; `None` if there is none yet. Where the system has no number
/// left for the descriptor, the message comes without it.
fn receive(socket: &OwnedFd) -> Result<Option<(HelperReply, Option<OwnedFd>)>, &'static str> {
    let mut bytes = [0; message::LEN];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = retry_on_intr(|| {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        recvmsg(socket, &mut parts, &mut control, flags)
    });
    let len = match received {
        Err(Errno::AGAIN) => return Ok(None),
        Err(_) => return Err("has ended"),
        Ok(received) if received.bytes == 0 => return Err("has ended"),
        Ok(received) => received.bytes,
    };
    let file = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    match bytes.get(..len).and_then(HelperReply::parse) {
        Some(reply) => Ok(Some((reply, file))),
        None => Err("says what nobody understands"),
    }
}

impl FileHelper for HelperClient {
    fn read_ahead(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Option<HelpId> {
        self.send(TaskWork::ReadAhead, file, (offset, len), &[])
    }

    fn hash(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Option<HelpId> {
        self.send(TaskWork::Hash, file, (offset, len), &[])
    }

    fn open(&mut self, directory: BorrowedFd<'_>, path: &[u8]) -> Option<HelpId> {
        let len = path.len() as u64;
        self.send(TaskWork::Open, directory, (0, len), path)
    }

    fn is_running(&self) -> bool {
        self.socket.is_some()
    }

    fn takes_tasks(&self) -> bool {
        self.is_running() && self.tasks.len() < MOST_TASKS
    }

    fn take_answer(&mut self) -> Option<(HelpAnswer, Option<OwnedFd>)> {
        if let Some(socket) = &self.socket {
            match receive(socket) {
                Ok(Some((HelperReply::Answer(answer), file)))
                    if self.tasks.front() == Some(&answer.id) =>
                {
                    self.tasks.pop_front();
                    self.heard = Instant::now();
                    self.silences = 0;
                    return Some((answer, file));
                }
                Ok(Some(_)) => self.give_up("answers what it was not asked"),
                Ok(None) if !self.judge_silence() => return None,
                Ok(None) => {}
                Err(why) => self.give_up(why),
            }
        }
        let outcome = HelpOutcome::Failed;
        let id = self.tasks.pop_front()?;
        Some((HelpAnswer { id, outcome }, None))
    }

    fn is_open(&self, id: HelpId) -> bool {
        self.tasks.contains(&id)
    }

    fn timeout(&self) -> Option<Duration> {
        if self.tasks.is_empty() {
            return None;
        }
        // Without a helper, the tasks have failed.
        Some(match self.socket {
            Some(_) => SILENCE.saturating_sub(self.heard.elapsed()),
            None => Duration::ZERO,
        })
    }
}

#[cfg(test)]
mod tests;
