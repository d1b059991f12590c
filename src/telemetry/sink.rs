//! A place that lines go to, written to without ever waiting for whoever reads them.
//!
//! A disk may take its time, but comes to an end.

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

/// What a pipe takes at once if it takes anything, so that a write after a poll cannot wait
/// (PIPE_BUF, pipe(7)).
const PIPE_BUF: usize = 4096;

/// An open log.
pub enum Sink {
    /// A file description of our own, opened without blocking.
    Own(File),
    /// One shared with other processes: switching it to non-blocking would switch it for them as
    /// well, so each write is preceded by a poll.
    Shared(File),
    /// A socket, as services are given, which can be told for each call not to wait.
    Socket(File),
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let (Sink::Own(file) | Sink::Shared(file) | Sink::Socket(file)) = self;
        file.as_fd()
    }
}

impl Sink {
    /// A file or FIFO, created if need be. Lines name visitors, so others may not read it.
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

    /// What a descriptor leads to: a pipe or terminal opened again where the system allows that, for
    /// the sake of a description that is ours alone, and shared where it does not. A file is shared
    /// too, and with it the place that others have come to in it: writing to a file is not waiting for
    /// somebody.
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

    /// Writes to a file description that others use too.
    #[cfg(test)]
    pub fn share(descriptor: &impl AsFd) -> io::Result<Sink> {
        let own = descriptor.as_fd().try_clone_to_owned()?;
        Ok(Sink::Shared(File::from(own)))
    }

    /// Takes from the front of `pending` what can be written without waiting. An error says why the
    /// rest has to stay.
    pub fn write(&mut self, pending: &mut Vec<u8>) -> io::Result<()> {
        let (written, result) = self.write_some(pending);
        pending.drain(..written);
        result
    }

    /// Writes what can be written without waiting, and returns how much that was. An error says why it
    /// was not everything.
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

    /// Waits until something can be written, for a program that is about to end.
    pub fn wait(&self, at_most: Duration) {
        let (Sink::Own(file) | Sink::Shared(file) | Sink::Socket(file)) = self;
        // The attempt that follows finds out what is wrong.
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

/// Has writing beyond the limit of file sizes (`ulimit -f`) fail with EFBIG: as long as nobody handles
/// SIGXFSZ, it ends the process.
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
