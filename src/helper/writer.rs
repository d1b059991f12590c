//! A process that writes uploads, so that a slow disk stops nobody else.
//!
//! ```text
//!  │ kind, 1 byte │ file, 4 bytes │ content │   a task; the one that opens a file has its descriptor
//!  │ file, 4 bytes │ error, 4 bytes │         the answer to a write, a flush and a sync: 0, or the error's number
//! ```
//!
//! It is a process of its own, beside the one that helps with files, because a write may take as long as the disk
//! likes. Tasks are done in their order. The socket between takes some 200 KiB: a file that has more to write
//! waits in the server, and its client's window with it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Advice, fadvise, fdatasync};
use rustix::io::{Errno, retry_on_intr, write};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recv, recvmsg, send, sendmsg,
};

use super::HelperError;
use super::client::start;
use super::duty::{HelperDuty, HelperSandbox, answer};
use super::message::HelperReply;
use crate::telemetry::sink;
use crate::world::User;

/// The most bytes of one task. Three of them fill the socket.
const MOST_CONTENT: usize = 64 << 10;

/// Bytes in front of the content.
const HEAD: usize = 5;

const OPEN: u8 = 1;
const WRITE: u8 = 2;
const SYNC: u8 = 3;
const CLOSE: u8 = 4;
const FLUSH: u8 = 5;

/// The process that writes uploads, as the server has it.
pub struct WriterClient {
    /// The socket; `None` once the process has ended.
    socket: Option<OwnedFd>,
    process: u32,
}

/// The outcome of sending a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskSent {
    /// The process will do it.
    Taken,
    /// It has enough to do; an answer of it tells when there is room.
    Full,
    /// The process is gone.
    Gone,
}

/// An answer of the process: the file, and the error if there was one.
pub type WriterAnswer = (u32, Option<io::Error>);

impl fmt::Debug for WriterClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriterClient").field(&self.process).finish()
    }
}

impl WriterClient {
    /// Starts the process as this user, or as the user that this process is, and waits until it is ready.
    pub fn start(user: Option<&User>, sandbox: HelperSandbox) -> Result<Self, HelperError> {
        let (socket, process) = start(user, sandbox, HelperDuty::Uploads, &[])?;
        Ok(WriterClient {
            socket: Some(socket),
            process,
        })
    }

    /// A client of a process that a test plays at the other end of the socket.
    #[cfg(test)]
    pub(crate) fn over(socket: OwnedFd) -> Self {
        WriterClient {
            socket: Some(socket),
            process: 0,
        }
    }

    /// The process id.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// The socket, as long as there is a process.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Passes a file, which tasks call by this number.
    pub fn open(&mut self, number: u32, file: BorrowedFd<'_>) -> TaskSent {
        self.send(OPEN, number, &[], Some(file))
    }

    /// Has the beginning of the data appended to a file: the number of bytes that were taken.
    pub fn write(&mut self, number: u32, data: &[u8]) -> (TaskSent, usize) {
        let piece = data.get(..MOST_CONTENT).unwrap_or(data);
        let sent = self.send(WRITE, number, piece, None);
        (sent, piece.len())
    }

    /// Has a file's content brought to the disk.
    pub fn sync(&mut self, number: u32) -> TaskSent {
        self.send(SYNC, number, &[], None)
    }

    /// Has a file's content start on its way to the disk.
    pub fn flush(&mut self, number: u32) -> TaskSent {
        self.send(FLUSH, number, &[], None)
    }

    /// Has a file closed.
    pub fn close(&mut self, number: u32) -> TaskSent {
        self.send(CLOSE, number, &[], None)
    }

    fn send(
        &mut self,
        kind: u8,
        number: u32,
        content: &[u8],
        file: Option<BorrowedFd<'_>>,
    ) -> TaskSent {
        let Some(socket) = &self.socket else {
            return TaskSent::Gone;
        };
        let [a, b, c, d] = number.to_le_bytes();
        let head = [kind, a, b, c, d];
        let parts = [IoSlice::new(&head), IoSlice::new(content)];
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = file.map(|file| [file]);
        if let Some(files) = &files {
            control.push(SendAncillaryMessage::ScmRights(files));
        }
        let sent = retry_on_intr(|| sendmsg(socket, &parts, &mut control, flags));
        match sent {
            Ok(_) => TaskSent::Taken,
            Err(Errno::PIPE | Errno::CONNRESET) => {
                self.give_up();
                TaskSent::Gone
            }
            // It is full, or the system lacks memory or descriptors for now.
            Err(_) => TaskSent::Full,
        }
    }

    /// The next answer; `None` if there is none yet, or none will come.
    pub fn take_answer(&mut self) -> Option<WriterAnswer> {
        let socket = self.socket.as_ref()?;
        let mut bytes = [0; 8];
        match retry_on_intr(|| recv(socket, &mut bytes[..], RecvFlags::DONTWAIT)) {
            Err(Errno::AGAIN) => None,
            Ok((8, _)) => {
                let [a, b, c, d, error @ ..] = bytes;
                let error = i32::from_le_bytes(error);
                let error = (error != 0).then(|| io::Error::from_raw_os_error(error));
                Some((u32::from_le_bytes([a, b, c, d]), error))
            }
            Ok(_) | Err(_) => {
                self.give_up();
                None
            }
        }
    }

    fn give_up(&mut self) {
        self.socket = None;
        log::error!(
            "the process {} that writes uploads has ended: until the server is started anew, it writes them itself",
            self.process
        );
    }
}

/// Does tasks until the socket ends.
pub(super) fn run(socket: BorrowedFd<'_>) -> io::Result<()> {
    sink::survive_file_size_limit()?;
    answer(socket, HelperReply::Ready)?;
    // A hash table would ask for random numbers, which the sandbox of a helper forbids.
    let mut files = BTreeMap::new();
    let mut task = vec![0; HEAD + MOST_CONTENT];
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            let mut parts = [IoSliceMut::new(&mut task)];
            recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
        });
        let len = match received {
            Ok(received) => received.bytes,
            Err(Errno::CONNRESET) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let passed = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        let Some((&[kind, a, b, c, d], content)) =
            task.get(..len).and_then(<[u8]>::split_first_chunk)
        else {
            // The server has ended.
            return Ok(());
        };
        let number = u32::from_le_bytes([a, b, c, d]);
        let done = match (kind, passed) {
            (OPEN, Some(file)) => {
                files.insert(number, file);
                continue;
            }
            (CLOSE, _) => {
                files.remove(&number);
                continue;
            }
            (WRITE, _) => on(&files, number, |file| write_all(file, content)),
            (SYNC, _) => on(&files, number, |file| fdatasync(file)),
            (FLUSH, _) => on(&files, number, flush),
            _ => Err(Errno::INVAL),
        };
        let error = done.err().map_or(0, Errno::raw_os_error);
        let reply = [number.to_le_bytes(), error.to_le_bytes()].concat();
        match retry_on_intr(|| send(socket, &reply, SendFlags::NOSIGNAL)) {
            // The end shows with the next task.
            Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Does something with a file that was passed.
fn on(
    files: &BTreeMap<u32, OwnedFd>,
    number: u32,
    work: impl FnOnce(&OwnedFd) -> Result<(), Errno>,
) -> Result<(), Errno> {
    files.get(&number).ok_or(Errno::BADF).and_then(work)
}

fn write_all(file: &OwnedFd, mut content: &[u8]) -> Result<(), Errno> {
    while !content.is_empty() {
        let written = retry_on_intr(|| write(file, content))?;
        content = content.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Starts to write a file's content to the disk, without waiting for its end. The advice does that first, and forgets
/// what was written before then; sync_file_range(2) would not forget, but is not to be had without `unsafe`.
fn flush(file: &OwnedFd) -> Result<(), Errno> {
    match fadvise(file, 0, None, Advice::DontNeed) {
        // A file system without a disk, or one that takes no advice.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        advised => advised,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::io::{Read, Seek};

    /// A client whose process is a thread.
    fn client() -> (WriterClient, std::thread::JoinHandle<io::Result<()>>) {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let process = std::thread::spawn(move || run(theirs.as_fd()));
        let mut ready = [0; 64];
        recv(&ours, &mut ready[..], RecvFlags::empty()).unwrap();
        (WriterClient::over(ours), process)
    }

    fn next(client: &mut WriterClient) -> WriterAnswer {
        loop {
            if let Some(answer) = client.take_answer() {
                return answer;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn tasks_are_done_in_their_order_and_errors_are_told() {
        let (mut client, process) = client();
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(client.open(7, file.as_fd()), TaskSent::Taken);
        let data = vec![b'x'; 100_000];
        assert_eq!(client.write(7, &data), (TaskSent::Taken, MOST_CONTENT));
        assert_eq!(client.write(7, &data[MOST_CONTENT..]).0, TaskSent::Taken);
        assert_eq!(client.flush(7), TaskSent::Taken);
        assert_eq!(client.sync(7), TaskSent::Taken);
        for _ in 0..4 {
            let (number, error) = next(&mut client);
            assert!(number == 7 && error.is_none(), "{error:?}");
        }
        client.close(7);
        client.write(7, b"late");
        let (_, error) = next(&mut client);
        assert_eq!(
            error.unwrap().raw_os_error(),
            Some(Errno::BADF.raw_os_error())
        );
        let mut written = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut written).unwrap();
        assert!(written == data);
        drop(client);
        process.join().unwrap().unwrap();
    }

    #[test]
    fn a_process_that_is_behind_takes_no_more_and_one_that_ends_is_given_up() {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let mut client = WriterClient::over(ours);
        let data = vec![0; MOST_CONTENT];
        let taken = (0..100).take_while(|_| client.write(1, &data).0 == TaskSent::Taken);
        assert!((1..50).contains(&taken.count()));
        drop(theirs);
        assert_eq!(client.write(1, &data).0, TaskSent::Gone);
        assert!(client.take_answer().is_none() && client.socket().is_none());
    }
}
