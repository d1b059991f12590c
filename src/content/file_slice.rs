//! A range of an open file, and the residence of its bytes, in memory or on the disk. No connection
//! waits for the disk of another.

use std::io::{self, IoSliceMut};

use super::error::BodyError;
use super::open_file::OpenFile;
use super::open_files::is_descriptor_limit;
use crate::world::{FileReads, Files, Residence};

/// Number of bytes of a file that are looked at, and asked for, at a time. A disk brings them in a few
/// milliseconds, and a slow disk should not be asked for less.
pub(super) const READ_AHEAD: u64 = 256 << 10;

/// Number of bytes left ahead at which the disk is asked for more, at the latest.
const LEAST_AHEAD: u64 = READ_AHEAD / 2;

/// Number of tries after which the disk is asked once more, because the bytes that it read may have
/// been dropped from memory.
const ASKED_AGAIN: u16 = 16;

/// Number of tries, one every 4 ms, after which the bytes are read even if all connections have to
/// wait. Some file systems bring nothing when they are only asked, and none brings a page that the
/// kernel has in part, as at the new end of a truncated file. Four seconds are less than
/// [`crate::h1::Config::stall_timeout`], after which the connection would count as stalled.
pub(super) const MOST_TRIES: u16 = 1_000;

/// A range of an open file, of which the bytes before `start` were sent already.
pub struct FileSlice<F: Files> {
    /// The file, which is shared with other responses that send it.
    file: OpenFile<F>,
    /// The next byte to send.
    start: u64,
    /// The end of the slice. It lies within the length that the file had when the response began.
    end: u64,
    /// The first byte that was not looked for. Once the disk was needed, the first byte that it was not
    /// asked for.
    until: u64,
    /// 0 while no disk was needed; then 1 plus the number of times that the next bytes were missing. An
    /// enum would say so better, but make a slice larger, and with it the memory that a connection
    /// keeps for its requests.
    tries: u16,
    ending: Ending,
}

/// Continuation of the file behind a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// More of the file follows in the response.
    Middle,
    /// The slice is the last of the response. The file must not have changed by its end.
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

    /// The offset in the file of the next byte to send.
    pub fn offset(&self) -> u64 {
        self.start
    }

    /// The number of bytes still to send.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// True if all bytes were sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if the disk had to bring some of the bytes. Then only reading tells which are in memory.
    pub fn is_cold(&self) -> bool {
        self.tries > 0
    }

    /// Passes the next `len` bytes, which were sent. The slice has at least that many.
    pub fn advance(&mut self, len: u64) {
        self.start += len;
    }

    /// The next `len` bytes as a slice of their own. The slice has at least that many.
    pub(super) fn first(&self, len: u64) -> Self {
        FileSlice {
            file: self.file.clone(),
            end: self.start + len,
            ending: if len < self.len() {
                Ending::Middle
            } else {
                self.ending
            },
            ..*self
        }
    }

    /// Forgets that the next bytes were found in memory, so that they are looked for again.
    pub(super) fn look_again(&mut self) {
        if !self.is_cold() {
            self.until = 0;
        }
    }

    /// Finds out if the next `len` bytes, and some more, are in memory. If not, the disk is asked for
    /// them. Only the first and the last byte are looked at, because the kernel reads ahead, and
    /// forgets, in runs. A disk that is at work on them may have brought those two and not all between,
    /// so only [`FileSlice::peek`] tells for a cold slice.
    pub(super) fn prepare(
        &mut self,
        reads: &mut F::Reads,
        len: u64,
    ) -> Result<Residence, BodyError> {
        let was_looked_for = !self.is_cold() && self.start + len <= self.until;
        if was_looked_for || len == 0 {
            return Ok(Residence::Memory);
        }
        let window = len.max(READ_AHEAD).min(self.len());
        let residence = match self.residence(reads, window) {
            Err(error) if self.wait_for_descriptor(&error) => return Ok(Residence::Disk),
            residence => residence?,
        };
        match residence {
            Residence::Memory => {
                self.until = self.start + window;
                self.tries = 0;
            }
            Residence::Disk => {
                // If the disk cannot be asked, the next try reports it.
                let _ = self.need(reads);
            }
        }
        Ok(residence)
    }

    /// Fills the parts, which together are not longer than the slice, with the next bytes, without
    /// passing them. Returns the number of bytes, at least one; `None` if the disk has to bring them
    /// first, which it was then asked for.
    pub fn peek(
        &mut self,
        reads: &mut F::Reads,
        parts: &mut [IoSliceMut<'_>],
    ) -> Result<Option<usize>, BodyError> {
        let resident = self.resident(reads, parts);
        if let Err(error) = &resident
            && self.wait_for_descriptor(error)
        {
            return Ok(None);
        }
        let read = match resident {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.wait(reads)? => {
                return Ok(None);
            }
            // Some kernels and some file systems cannot tell.
            Err(_) => {
                self.ask_blindly(reads);
                match self.scattered(reads, parts) {
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
            self.confirm(reads)?;
        }
        self.go_on(reads, self.start + read as u64);
        Ok(Some(read))
    }

    /// Checks the file before the last bytes of the response are sent. It must not have changed since
    /// the first bytes.
    pub fn confirm(&self, reads: &mut F::Reads) -> Result<(), BodyError> {
        match self.ending {
            Ending::Last => self.file.confirm(reads),
            Ending::Middle => Ok(()),
        }
    }

    /// Appends up to `max` bytes to `out`; none if the disk has to bring them first.
    pub(super) fn read(
        &mut self,
        reads: &mut F::Reads,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Residence, BodyError> {
        // The length is at most `max`, so it fits.
        let len = self.len().min(max as u64) as usize;
        if len == 0 {
            return Ok(Residence::Memory);
        }
        if let Some(content) = self.file.content() {
            // Content in memory has a length that fits.
            let start = self.start as usize;
            let bytes = content.get(start..start + len);
            out.extend_from_slice(bytes.ok_or(BodyError::Truncated)?);
            self.advance(len as u64);
            return Ok(Residence::Memory);
        }
        let before = out.len();
        out.resize(before + len, 0);
        let peeked = self.peek(reads, &mut [IoSliceMut::new(out.split_at_mut(before).1)]);
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

    fn resident(&self, reads: &mut F::Reads, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let file = self.file.get()?;
        reads.read_resident(&file, self.start, parts)
    }

    fn scattered(&self, reads: &mut F::Reads, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let file = self.file.get()?;
        reads.read_scattered(&file, self.start, parts)
    }

    fn residence(&self, reads: &mut F::Reads, len: u64) -> io::Result<Residence> {
        let file = self.file.get()?;
        reads.residence(&file, self.start, len)
    }

    fn ask_for(&self, reads: &mut F::Reads, offset: u64, len: u64) -> io::Result<()> {
        let file = self.file.get()?;
        reads.ask_for(&file, offset, len)
    }

    /// True if the slice has to wait after an error, because there is no descriptor and some connection
    /// is about to give one up. It waits as for a disk.
    fn wait_for_descriptor(&mut self, error: &io::Error) -> bool {
        let waits = is_descriptor_limit(error) && self.tries < MOST_TRIES;
        if waits {
            self.tries = self.tries.max(1) + 1;
        }
        waits
    }

    /// Asks the disk for the missing next bytes, the first time and now and then. Returns true if the
    /// slice has to wait for the disk. Bytes of a file that was truncated meanwhile are not waited for: those
    /// behind its end are gone, and those before it may never come.
    fn wait(&mut self, reads: &mut F::Reads) -> Result<bool, BodyError> {
        let tries = self.tries.saturating_sub(1);
        let asks = tries.is_multiple_of(ASKED_AGAIN);
        if asks && tries > 0 && self.is_truncated(reads) {
            return Err(BodyError::Truncated);
        }
        if tries == MOST_TRIES || asks && self.need(reads).is_err() {
            return Ok(false);
        }
        self.tries = 1 + tries + 1;
        Ok(true)
    }

    /// True if the file has lost bytes of the slice.
    fn is_truncated(&self, reads: &mut F::Reads) -> bool {
        let file = self.file.get();
        let now = file.and_then(|file| reads.metadata(&file));
        now.is_ok_and(|now| now.len < self.end)
    }

    /// Notes that the bytes before `start` are in memory. If the disk had to bring them, it is asked
    /// for the next ones while these are sent.
    fn go_on(&mut self, reads: &mut F::Reads, start: u64) {
        if !self.is_cold() {
            return;
        }
        self.tries = 1;
        let ahead = self.until.saturating_sub(start);
        if ahead < LEAST_AHEAD.min(self.end - start) {
            // A failure to ask will show in time.
            let _ = self.ask(reads, self.until.max(start));
        }
    }

    /// Asks the disk for bytes whose residence the system cannot tell. If they have to be waited for,
    /// they come in as few pieces as possible.
    fn ask_blindly(&mut self, reads: &mut F::Reads) {
        if !self.is_cold() && self.until <= self.start {
            let until = (self.start + READ_AHEAD).min(self.end);
            let _ = self.ask_for(reads, self.start, until - self.start);
            self.until = until;
        }
    }

    /// Asks the disk for the next bytes, which are waited for.
    fn need(&mut self, reads: &mut F::Reads) -> io::Result<()> {
        let until = (self.start + READ_AHEAD).min(self.end);
        self.until = until;
        self.tries = 1;
        let file = self.file.get()?;
        reads.need(&file, self.start, until - self.start)
    }

    /// Asks the disk for the bytes from `from` on.
    fn ask(&mut self, reads: &mut F::Reads, from: u64) -> io::Result<()> {
        let until = (from + READ_AHEAD).min(self.end);
        self.until = until;
        self.tries = 1;
        self.ask_for(reads, from, until - from)
    }
}
