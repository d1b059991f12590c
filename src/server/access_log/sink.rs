//! Where the lines go, written to without ever waiting.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// What a pipe takes at once if it takes anything, so that a write after a poll cannot wait
/// (PIPE_BUF, pipe(7)).
const PIPE_BUF: usize = 4096;

/// An open log.
pub(super) enum Sink {
    /// A file description of our own, opened without blocking.
    Own(File),
    /// One shared with other processes: switching it to non-blocking would switch it for them as
    /// well, so each write is preceded by a poll.
    Shared(File),
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

    /// Standard output: opened again where the system allows it, shared where it does not (a
    /// socket, as services are given, or a terminal of another user).
    pub fn standard_output() -> io::Result<Sink> {
        let again = OpenOptions::new()
            .append(true)
            .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32)
            .open("/proc/self/fd/1");
        match again {
            Ok(file) => Ok(Sink::Own(file)),
            Err(_) => Sink::share(&io::stdout()),
        }
    }

    /// Writes to a file description that others use too.
    pub fn share(descriptor: &impl AsFd) -> io::Result<Sink> {
        let own = descriptor.as_fd().try_clone_to_owned()?;
        Ok(Sink::Shared(File::from(own)))
    }

    /// Takes from the front of `pending` what can be written without waiting. An error says why the
    /// rest has to stay.
    pub fn write(&mut self, pending: &mut Vec<u8>) -> io::Result<()> {
        let mut written = 0;
        let result = loop {
            let Some(rest) = pending.get(written..).filter(|rest| !rest.is_empty()) else {
                break Ok(());
            };
            match self.write_some(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        pending.drain(..written);
        result
    }

    /// Waits until something can be written, for a program that is about to end.
    pub fn wait(&self, at_most: Duration) {
        let (Sink::Own(file) | Sink::Shared(file)) = self;
        // The attempt that follows finds out what is wrong.
        let _ = is_writable(file, at_most);
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Own(file) => file.write(bytes),
            Sink::Shared(file) => {
                if !is_writable(file, Duration::ZERO)? {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                file.write(&bytes[..bytes.len().min(PIPE_BUF)])
            }
        }
    }
}

fn is_writable(file: &File, timeout: Duration) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    let mut ready = [PollFd::new(file, PollFlags::OUT)];
    Ok(poll(&mut ready, Some(&timeout))? > 0)
}
