//! A destination of lines. Writing to it never waits for its reader.
//!
//! Writing to a file may wait for the disk, which always comes to an end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags};
use rustix::net::SendFlags;
use signal_hook::consts::SIGXFSZ;

/// Bytes that a pipe takes at once if it takes anything, so that a write after a poll cannot wait
/// (PIPE_BUF, pipe(7)).
const PIPE_BUF: usize = 4096;

/// An open log.
pub enum Sink {
    /// A file description that only this process has, opened as non-blocking.
    Own(File),
    /// A file description that other processes share. Switching it to non-blocking would switch it for
    /// them as well, so each write is preceded by a poll.
    Shared(File),
    /// A socket, which is what a service manager may hand out as standard output. A flag of each call
    /// keeps it from waiting.
    Socket(File),
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let (Sink::Own(file) | Sink::Shared(file) | Sink::Socket(file)) = self;
        file.as_fd()
    }
}

impl Sink {
    /// Opens a file or FIFO, and creates a file if there is none. Lines name visitors, so other users
    /// may not read it.
    pub fn open(path: &Path) -> io::Result<Sink> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path)
            .map(Sink::Own)
    }

    /// Standard output; see [`Sink::again`].
    pub fn standard_output() -> io::Result<Sink> {
        Sink::again(&io::stdout())
    }

    /// Standard error; see [`Sink::again`].
    pub fn standard_error() -> io::Result<Sink> {
        Sink::again(&io::stderr())
    }

    /// A sink to where a descriptor leads.
    ///
    /// A pipe or terminal is opened again where the system allows that, because the new file
    /// description belongs to this process alone. Where the system does not allow it, the description
    /// is shared. A file's description is shared as well, and with it the position in the file that
    /// other writers have reached: writing to a file never waits for a reader.
    pub fn again(descriptor: &impl AsFd) -> io::Result<Sink> {
        let descriptor = descriptor.as_fd();
        let kind = FileType::from_raw_mode(rustix::fs::fstat(descriptor)?.st_mode);
        let shared = || Ok(File::from(descriptor.try_clone_to_owned()?));
        match kind {
            FileType::RegularFile => shared().map(Sink::Own),
            FileType::Socket => shared().map(Sink::Socket),
            _ => {
                let again = OpenOptions::new()
                    .append(true)
                    .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32)
                    .open(format!("/proc/self/fd/{}", descriptor.as_raw_fd()));
                again.map(Sink::Own).or_else(|_| shared().map(Sink::Shared))
            }
        }
    }

    /// Writes to a file description that other processes use too.
    #[cfg(test)]
    pub fn share(descriptor: &impl AsFd) -> io::Result<Sink> {
        let own = descriptor.as_fd().try_clone_to_owned()?;
        Ok(Sink::Shared(File::from(own)))
    }

    /// Writes from the front of `pending` as much as goes without waiting, and removes it there. An
    /// error tells why the rest has to stay.
    pub fn write(&mut self, pending: &mut Vec<u8>) -> io::Result<()> {
        let (written, result) = self.write_some(pending);
        pending.drain(..written);
        result
    }

    /// Writes as much as goes without waiting, and returns the number of bytes written. An error tells
    /// why that is not everything.
    pub fn write_some(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        let result = loop {
            let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) else {
                break Ok(());
            };
            match self.write_once(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        (written, result)
    }

    /// Waits until the sink takes more, for a program that is about to end.
    pub fn wait(&self, at_most: Duration) {
        let (Sink::Own(file) | Sink::Shared(file) | Sink::Socket(file)) = self;
        // The write that follows reports an error.
        let _ = is_writable(file, at_most);
    }

    fn write_once(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Socket(socket) => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                Ok(rustix::net::send(socket, bytes, flags)?)
            }
            Sink::Own(file) => file.write(bytes),
            Sink::Shared(file) => {
                if !is_writable(file, Duration::ZERO)? {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                file.write(bytes.get(..PIPE_BUF).unwrap_or(bytes))
            }
        }
    }
}

/// Makes writing beyond the limit of file sizes (`ulimit -f`) fail with EFBIG. Without a handler of
/// SIGXFSZ, such a write ends the process.
pub fn survive_file_size_limit() -> io::Result<()> {
    let heard = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGXFSZ, heard).map(drop)
}

fn is_writable(file: &File, timeout: Duration) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    let mut ready = [PollFd::new(file, PollFlags::OUT)];
    Ok(poll(&mut ready, Some(&timeout))? > 0)
}
