//! The destination of content: a file or standard output, written as it comes.

use super::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Frames are collected up to so many bytes, or until nothing more is there to be read.
const BUFFER: usize = 64 << 10;

/// The target, which is opened when the first response comes: a failed connection leaves an older
/// file alone.
pub struct Destination {
    path: Option<PathBuf>,
    writer: Option<BufWriter<File>>,
}

impl Destination {
    /// To this file, or to standard output.
    pub fn new(path: Option<PathBuf>) -> Self {
        Destination { path, writer: None }
    }

    /// True if a person sees the output directly.
    pub fn is_terminal(&self) -> bool {
        self.path.is_none() && io::stdout().is_terminal()
    }

    /// Opens it, so that even a response without content leaves a file.
    pub fn open(&mut self) -> Result<&mut BufWriter<File>, Error> {
        if self.writer.is_none() {
            let file = match &self.path {
                Some(path) => File::create(path),
                // Not through std's stdout, which looks for the ends of lines.
                None => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            };
            let file = file.map_err(|error| self.failed(error))?;
            self.writer = Some(BufWriter::with_capacity(BUFFER, file));
        }
        Ok(self.writer.as_mut().expect("it was opened above"))
    }

    /// Writes all of it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.open()?.write_all(bytes);
        written.map_err(|error| self.failed(error))
    }

    /// Lets nothing wait.
    pub fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.writer.as_mut().map_or(Ok(()), Write::flush);
        flushed.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::Output(self.path.clone(), error)
    }
}
