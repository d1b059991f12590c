//! A range of an open file, and where its bytes are: nobody waits for a disk.

use std::io::{self, IoSliceMut};

use super::error::BodyError;
use super::open_file::OpenFile;
use super::open_files::is_descriptor_limit;
use crate::world::{Files, Residence};

/// So much of a file is looked at, and asked for, at a time: what a disk brings in a few
/// milliseconds, and the least that a slow one should be asked for.
pub(super) const READ_AHEAD: u64 = 256 << 10;

/// At the latest when so much of that is left, the disk is asked for more.
const LEAST_AHEAD: u64 = READ_AHEAD / 2;

/// Tries after which the disk is asked once more: what was read for us may have made room for others.
const ASKED_AGAIN: u16 = 16;

/// Tries, one every 4 ms, after which the bytes are read all the same, whoever has to wait. Asking alone
/// brings nothing on some file systems, and on none what the kernel has in part, as at the new end of a
/// file that was cut short. Four seconds are less than [`crate::h1::Config::stall_timeout`], after
/// which the connection would pass for a stalled one.
pub(super) const MOST_TRIES: u16 = 1_000;

/// A range of an open file, of which the bytes before `start` were sent already.
pub struct FileSlice<F: Files> {
    /// Shared with other responses that send the same file.
    file: OpenFile<F>,
    /// The next byte to send.
    start: u64,
    /// Where the slice ends: within the length that the file had when the response began.
    end: u64,
    /// The first byte that was not looked for; once a disk was needed, that it was not asked for.
    until: u64,
    /// 0 as long as no disk was needed; then 1, and how often the next bytes were not there. As an enum,
    /// these two would say so better, and make a slice larger, and with it what a connection keeps for
    /// its requests.
    tries: u16,
    ending: Ending,
}

/// What comes behind a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// More of the file, for the same reader.
    Middle,
    /// Nothing of the file: it must not have changed by then.
    Last,
}

impl<F: Files> FileSlice<F> {
    /// The bytes from `start` to `end`, within the file's length.
    pub fn new(file: OpenFile<F>, start: u64, end: u64) -> Self {
        FileSlice {
            file,
            start,
            end,
            until: 0,
            tries: 0,
            ending: Ending::Last,
        }
    }

    /// The file.
    pub fn file(&self) -> &OpenFile<F> {
        &self.file
    }

    /// Where in the file the next byte to send is.
    pub fn offset(&self) -> u64 {
        self.start
    }

    /// The number of bytes still to send.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether all bytes were sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a disk had to bring some of the bytes: then only reading tells which are there.
    pub fn is_cold(&self) -> bool {
        self.tries > 0
    }

    /// The next `len` bytes were sent; there are that many.
    pub fn advance(&mut self, len: u64) {
        self.start += len;
    }

    /// The next `len` bytes, of which there are that many, as a slice of their own.
    pub(super) fn first(&self, len: u64) -> Self {
        FileSlice {
            file: self.file.clone(),
            end: self.start + len,
            ending: match len < self.len() {
                true => Ending::Middle,
                false => self.ending,
            },
            ..*self
        }
    }

    /// Forgets where the next bytes were found, so that they are looked for again.
    pub(super) fn look_again(&mut self) {
        if !self.is_cold() {
            self.until = 0;
        }
    }

    /// Looks whether the next `len` bytes are in memory, and some more with them; if not, the disk is
    /// asked for them. It looks at the first and the last one, as the kernel reads ahead, and forgets, in
    /// runs. A disk that is at work on them may have brought those and not all between: of a cold slice,
    /// [`FileSlice::peek`] tells.
    pub(super) fn prepare(&mut self, files: &mut F, len: u64) -> Result<Residence, BodyError> {
        let was_looked_for = !self.is_cold() && self.start + len <= self.until;
        if was_looked_for || len == 0 {
            return Ok(Residence::Memory);
        }
        let window = len.max(READ_AHEAD).min(self.len());
        let residence = match self.residence(files, window) {
            Err(error) if self.wait_for_descriptor(&error) => return Ok(Residence::Disk),
            residence => residence?,
        };
        match residence {
            Residence::Memory => {
                self.until = self.start + window;
                self.tries = 0;
            }
            Residence::Disk => {
                // If it cannot be asked, the next try tells.
                let _ = self.ask(files, self.start);
            }
        }
        Ok(residence)
    }

    /// Fills the parts, which together are not longer than the slice, with the next bytes, without
    /// passing them. Returns how many there are, at least one; `None` before the disk has brought them,
    /// which it was asked for.
    pub fn peek(
        &mut self,
        files: &mut F,
        parts: &mut [IoSliceMut<'_>],
    ) -> Result<Option<usize>, BodyError> {
        let resident = self.resident(files, parts);
        if let Err(error) = &resident
            && self.wait_for_descriptor(error)
        {
            return Ok(None);
        }
        let read = match resident {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.wait(files) => {
                return Ok(None);
            }
            // Neither every kernel nor every file system can tell.
            Err(_) => {
                self.ask_blindly(files);
                match self.scattered(files, parts) {
                    Err(error) if self.wait_for_descriptor(&error) => return Ok(None),
                    read => read?,
                }
            }
        };
        if read == 0 {
            return Err(BodyError::Truncated);
        }
        self.file.pass(self.start, parts, read);
        if read as u64 == self.len() {
            self.confirm(files)?;
        }
        self.go_on(files, self.start + read as u64);
        Ok(Some(read))
    }

    /// The last bytes are about to be sent, if these are not followed by more: the file must not have
    /// changed since the first ones were.
    pub fn confirm(&self, files: &mut F) -> Result<(), BodyError> {
        match self.ending {
            Ending::Last => self.file.confirm(files),
            Ending::Middle => Ok(()),
        }
    }

    /// Appends up to `max` bytes to `out`, none before the disk has brought them.
    pub(super) fn read(
        &mut self,
        files: &mut F,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Residence, BodyError> {
        // It is at most `max`, so it fits.
        let len = self.len().min(max as u64) as usize;
        if len == 0 {
            return Ok(Residence::Memory);
        }
        if let Some(content) = self.file.content() {
            // What is in memory has a length that fits.
            let start = self.start as usize;
            let bytes = content.get(start..start + len);
            out.extend_from_slice(bytes.ok_or(BodyError::Truncated)?);
            self.advance(len as u64);
            return Ok(Residence::Memory);
        }
        let before = out.len();
        out.resize(before + len, 0);
        let peeked = self.peek(files, &mut [IoSliceMut::new(out.split_at_mut(before).1)]);
        let read = match peeked {
            Ok(Some(read)) => read,
            _ => 0,
        };
        out.truncate(before + read);
        self.advance(read as u64);
        Ok(match peeked? {
            Some(_) => Residence::Memory,
            None => Residence::Disk,
        })
    }

    fn resident(&self, files: &mut F, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let file = self.file.get(files)?;
        files.read_resident(&file, self.start, parts)
    }

    fn scattered(&self, files: &mut F, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let file = self.file.get(files)?;
        files.read_scattered(&file, self.start, parts)
    }

    fn residence(&self, files: &mut F, len: u64) -> io::Result<Residence> {
        let file = self.file.get(files)?;
        files.residence(&file, self.start, len)
    }

    fn ask_for(&self, files: &mut F, offset: u64, len: u64) -> io::Result<()> {
        let file = self.file.get(files)?;
        files.ask_for(&file, offset, len)
    }

    /// Says whether to wait after this error: there is no descriptor, and some connection is about to give
    /// one up. It is as if a disk had to bring the bytes.
    fn wait_for_descriptor(&mut self, error: &io::Error) -> bool {
        let waits = is_descriptor_limit(error) && self.tries < MOST_TRIES;
        if waits {
            self.tries = self.tries.max(1) + 1;
        }
        waits
    }

    /// The next bytes are not there: asks the disk for them, the first time and now and then. Returns
    /// whether to wait for it.
    fn wait(&mut self, files: &mut F) -> bool {
        let tries = self.tries.saturating_sub(1);
        let asks = tries.is_multiple_of(ASKED_AGAIN);
        if tries == MOST_TRIES || asks && self.ask(files, self.start).is_err() {
            return false;
        }
        self.tries = 1 + tries + 1;
        true
    }

    /// The bytes before `start` are there. If the disk had to bring them, it goes on with the next ones
    /// while these are sent.
    fn go_on(&mut self, files: &mut F, start: u64) {
        if !self.is_cold() {
            return;
        }
        self.tries = 1;
        let ahead = self.until.saturating_sub(start);
        if ahead < LEAST_AHEAD.min(self.end - start) {
            // Whether it could be asked is seen in time.
            let _ = self.ask(files, self.until.max(start));
        }
    }

    /// Nobody can tell whether the next bytes are there. If they have to be waited for, they come in as
    /// few pieces as can be.
    fn ask_blindly(&mut self, files: &mut F) {
        if !self.is_cold() && self.until <= self.start {
            let until = (self.start + READ_AHEAD).min(self.end);
            let _ = self.ask_for(files, self.start, until - self.start);
            self.until = until;
        }
    }

    /// Asks the disk for the bytes from `from` on.
    fn ask(&mut self, files: &mut F, from: u64) -> io::Result<()> {
        let until = (from + READ_AHEAD).min(self.end);
        self.until = until;
        self.tries = 1;
        self.ask_for(files, from, until - from)
    }
}
