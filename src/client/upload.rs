//! Content to upload: a file or standard input, read when a flow-control window has room for it.

use super::error::Error;
use super::{Data, url::Url};
use crate::world::files::Root;
use crate::world::os::OsWorld;
use crate::world::{Ready, Token};
use rustix::event::{PollFd, PollFlags};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;

/// The token of an input that is waited for; connections are upstream ones.
const INPUT: Token = Token {
    index: 1,
    serial: 1,
};

/// The source of an upload: a file or standard input.
pub struct Upload {
    file: File,
    name: String,
    /// Of a regular file: where reading began, and how many bytes there are. Only such a source can
    /// be read again, or by several requests at a time.
    extent: Option<(u64, u64)>,
    /// Something was read that cannot be read again.
    spent: Cell<bool>,
}

/// The outcome of a read.
pub enum Portion {
    /// Bytes, and there may be more.
    Some,
    /// Nothing yet.
    Nothing,
    /// The last bytes, if any.
    Last,
}

impl Upload {
    /// Opens it.
    pub fn open(data: &Data) -> Result<Self, Error> {
        let (name, file) = match data {
            Data::Stdin => {
                let stdin = io::stdin().as_fd().try_clone_to_owned();
                ("standard input".to_owned(), stdin.map(File::from))
            }
            Data::File(path) => (format!("'{}'", path.display()), File::open(path)),
        };
        let describe = |mut file: File| {
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let extent = if metadata.is_file() {
                let start = file.stream_position()?;
                Some((start, metadata.len().saturating_sub(start)))
            } else {
                None
            };
            Ok((file, extent))
        };
        match file.and_then(describe) {
            Ok((file, extent)) => Ok(Upload {
                file,
                name,
                extent,
                spent: Cell::new(false),
            }),
            Err(error) => Err(Error::Input(name, error)),
        }
    }

    /// Lets the poll tell when there is something to read.
    pub fn watch(&self, world: &mut OsWorld<Root>) -> Result<(), Error> {
        if self.extent.is_none() {
            let watched = world.watch(self.file.as_fd(), INPUT);
            watched.map_err(|error| Error::Input(self.name.clone(), error))?;
        }
        Ok(())
    }

    /// True if the event is the one that was waited for.
    pub fn is_ready(ready: &Ready) -> bool {
        matches!(ready, Ready::Socket { token, .. } if *token == INPUT)
    }

    /// Number of bytes, if it is known.
    pub fn len(&self) -> Option<u64> {
        self.extent.map(|(_, len)| len)
    }

    /// Appends up to `max` bytes from `offset` on.
    pub fn read(&self, offset: u64, out: &mut Vec<u8>, max: usize) -> Result<Portion, Error> {
        self.try_read(offset, out, max)
            .map_err(|error| Error::Input(self.name.clone(), error))
    }

    fn try_read(&self, offset: u64, out: &mut Vec<u8>, max: usize) -> io::Result<Portion> {
        let before = out.len();
        let Some((start, len)) = self.extent else {
            return self.read_stream(out, max);
        };
        let left = len.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(max).min(max);
        out.resize(before + wanted, 0);
        let result = rustix::io::retry_on_intr(|| {
            rustix::io::pread(&self.file, out.split_at_mut(before).1, start + offset)
        });
        let read = result.unwrap_or(0);
        out.truncate(before + read);
        result?;
        if read == 0 && wanted > 0 {
            return Err(io::Error::other("it became shorter while it was sent"));
        }
        if read as u64 == left {
            Ok(Portion::Last)
        } else {
            Ok(Portion::Some)
        }
    }

    /// A pipe or a terminal: whatever it has now.
    fn read_stream(&self, out: &mut Vec<u8>, max: usize) -> io::Result<Portion> {
        let mut poll = [PollFd::new(&self.file, PollFlags::IN)];
        let now = rustix::event::Timespec::default();
        if rustix::io::retry_on_intr(|| rustix::event::poll(&mut poll, Some(&now)))? == 0 {
            return Ok(Portion::Nothing);
        }
        self.spent.set(true);
        let before = out.len();
        out.resize(before + max, 0);
        let result = (&self.file).read(out.split_at_mut(before).1);
        let read = *result.as_ref().unwrap_or(&0);
        out.truncate(before + read);
        match result {
            Ok(0) => Ok(Portion::Last),
            Ok(_) => Ok(Portion::Some),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Portion::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Says that the content can be sent to a URL, perhaps not for the first time, or why not.
    pub fn check_unspent(&self, url: &Url) -> Result<(), Error> {
        if self.spent.get() {
            Err(Error::SpentInput(url.clone()))
        } else {
            Ok(())
        }
    }
}
