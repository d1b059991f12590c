//! Reading a small file of the server's own whole: a certificate, a key, the settings.

use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The content of a regular file of at most `most` bytes. A FIFO or a device is refused, because reading
/// it could keep the whole server waiting for a writer.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    // Without this flag, opening a FIFO waits for its writer.
    options
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32);
    let file = options.open(path)?;
    let kind = file.metadata()?;
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(invalid("it is a FIFO, a socket or a device"));
    }
    let mut content = Vec::new();
    let len = file.take(most + 1).read_to_end(&mut content)?;
    if len as u64 > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {most} bytes"),
        ));
    }
    Ok(content)
}

/// Refuses a file that opening, reading or writing could wait for: the server would stand still meanwhile, and hear
/// no signal. One that is not there is a matter of the caller's.
pub fn refuse_pipe(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path).map(|found| found.file_type()) {
        Ok(kind) if kind.is_fifo() || kind.is_socket() => Err(invalid(
            "it is a FIFO or a socket, which could keep the server waiting; name a regular file",
        )),
        _ => Ok(()),
    }
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
