//! The way from the files of uploads to the process that writes them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use crate::exchange::Waker;
use crate::helper::{HelperError, HelperSandbox, TaskSent, WriterClient};
use crate::world::User;

/// The process that writes uploads, shared by all directories.
#[derive(Clone)]
pub struct UploadWriter(Rc<RefCell<WriterQueue>>);

impl fmt::Debug for UploadWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadWriter")
    }
}

struct WriterQueue {
    client: WriterClient,
    files: HashMap<u32, HelpedState>,
    last: u32,
    /// Files that are to be closed, once there is room for that.
    closing: Vec<u32>,
    /// Requests whose files could not be passed yet.
    waiting: Vec<Waker>,
}

/// The state of a file that the process writes.
struct HelpedState {
    waker: Waker,
    /// Tasks without an answer.
    unanswered: u32,
    error: Option<io::Error>,
}

/// A file that the process writes, until it is dropped.
#[derive(Debug)]
pub(super) struct HelpedFile {
    writer: UploadWriter,
    number: u32,
}

impl UploadWriter {
    /// Starts the process.
    pub fn start(user: Option<&User>, sandbox: HelperSandbox) -> Result<Self, HelperError> {
        let client = WriterClient::start(user, sandbox)?;
        log::info!("the process {} writes uploads", client.process());
        Ok(Self::with(client))
    }

    /// The process behind a client.
    pub(super) fn with(client: WriterClient) -> Self {
        UploadWriter(Rc::new(RefCell::new(WriterQueue {
            client,
            files: HashMap::new(),
            last: 0,
            closing: Vec::new(),
            waiting: Vec::new(),
        })))
    }

    /// Calls a function with the socket of the process, whose readiness [`UploadWriter::take_answers`] is for.
    pub fn with_socket<R>(&self, call: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        self.0.borrow().client.socket().map(call)
    }

    /// Takes what the process has answered: uploads that wait for it go on.
    pub fn take_answers(&self) {
        let queue = &mut *self.0.borrow_mut();
        let mut has_room = false;
        while let Some((number, error)) = queue.client.take_answer() {
            has_room = true;
            if let Some(file) = queue.files.get_mut(&number) {
                file.unanswered = file.unanswered.saturating_sub(1);
                file.error = file.error.take().or(error);
            }
        }
        while let Some(number) = queue.closing.pop() {
            if queue.client.close(number) == TaskSent::Full {
                queue.closing.push(number);
                break;
            }
        }
        let is_gone = queue.client.socket().is_none();
        if is_gone || has_room {
            for file in queue.files.values_mut() {
                if is_gone && file.unanswered > 0 {
                    file.error.get_or_insert_with(gone);
                }
                // An upload that has more to write has room for it now.
                file.waker.wake();
            }
            queue.waiting.drain(..).for_each(|waker| waker.wake());
        }
    }

    /// Has the process write a file; `None` if there is no room for that yet.
    pub(super) fn begin(&self, file: &OwnedFd, waker: Waker) -> io::Result<Option<HelpedFile>> {
        let queue = &mut *self.0.borrow_mut();
        // A number comes again after four billion files, when the one that had it is long gone.
        queue.last = queue.last.wrapping_add(1);
        let number = queue.last;
        match queue.client.open(number, file.as_fd()) {
            TaskSent::Taken => {}
            TaskSent::Gone => return Err(gone()),
            TaskSent::Full => {
                // An answer wakes those that wait.
                queue.waiting.push(waker);
                return Ok(None);
            }
        }
        let state = HelpedState {
            waker,
            unanswered: 0,
            error: None,
        };
        queue.files.insert(number, state);
        Ok(Some(HelpedFile {
            writer: self.clone(),
            number,
        }))
    }

    /// True while there is a process.
    pub(super) fn is_alive(&self) -> bool {
        self.0.borrow().client.socket().is_some()
    }
}

impl HelpedFile {
    /// Has the process append bytes: the number of those that it has taken.
    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while let Some(rest) = data.get(taken..).filter(|rest| !rest.is_empty()) {
            let number = self.number;
            let (sent, len) = self.writer.0.borrow_mut().client.write(number, rest);
            if !self.note(sent)? {
                break;
            }
            taken += len;
        }
        Ok(taken)
    }

    /// Has the process bring the file to the disk; false if it has no room for the task.
    pub(super) fn sync(&mut self) -> io::Result<bool> {
        let sent = self.writer.0.borrow_mut().client.sync(self.number);
        self.note(sent)
    }

    /// Has the process start to write the file to the disk; false if it has no room for the task.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let sent = self.writer.0.borrow_mut().client.flush(self.number);
        self.note(sent)
    }

    /// True if the process has done all of its tasks on the file.
    pub(super) fn is_settled(&mut self) -> io::Result<bool> {
        let mut queue = self.writer.0.borrow_mut();
        let Some(state) = queue.files.get_mut(&self.number) else {
            return Err(gone());
        };
        match state.error.take() {
            Some(error) => Err(error),
            None => Ok(state.unanswered == 0),
        }
    }

    /// Takes the outcome of sending a task: true if it will be done.
    fn note(&mut self, sent: TaskSent) -> io::Result<bool> {
        match sent {
            TaskSent::Full => Ok(false),
            TaskSent::Gone => Err(gone()),
            TaskSent::Taken => {
                if let Some(state) = self.writer.0.borrow_mut().files.get_mut(&self.number) {
                    state.unanswered += 1;
                }
                Ok(true)
            }
        }
    }
}

impl Drop for HelpedFile {
    fn drop(&mut self) {
        let queue = &mut *self.writer.0.borrow_mut();
        queue.files.remove(&self.number);
        if queue.client.close(self.number) == TaskSent::Full {
            queue.closing.push(self.number);
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the process that writes uploads has ended",
    )
}
