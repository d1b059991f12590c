//! Frames of files' content, made where the content is read to.
//!
//! One call reads the payloads of several frames, each to where it belongs behind its header. So they
//! are copied once, from the kernel, into a buffer that stays initialised and is used for one
//! connection after another.

use crate::site::OpenFile;
use crate::world::Files;
use std::io::{self, IoSliceMut};
use std::ops::Range;

/// As long as the output of a turn; it grows if that is more.
const LEN: usize = 64 << 10;

/// So many frames are read at once: those of the usual length that fit.
const FRAMES: usize = 5;

/// Frames of one output, and payloads that were read for the next ones.
pub struct Piece<F: Files> {
    /// Empty until it is needed.
    buffer: Vec<u8>,
    /// Bytes of frames that are made.
    made: usize,
    ahead: Option<Ahead<F>>,
}

/// Payloads behind the last frame that is made, with gaps for their headers before them.
struct Ahead<F: Files> {
    file: OpenFile<F>,
    /// Where in the file they begin.
    offset: u64,
    /// The length of each, of the last one at most.
    payload: usize,
    /// Bytes of all of them.
    left: usize,
}

/// A frame to make of a file's content.
pub struct Wanted<'f, F: Files> {
    /// The file.
    pub file: &'f OpenFile<F>,
    /// The first byte of the payload.
    pub offset: u64,
    /// The length of the frame's header.
    pub header: usize,
    /// The length of the payload; at least 1.
    pub len: usize,
    /// The bytes that frames will be made of one after another, this one's with them.
    pub run: usize,
}

impl<F: Files> Default for Piece<F> {
    fn default() -> Self {
        Piece {
            buffer: Vec::new(),
            made: 0,
            ahead: None,
        }
    }
}

impl<F: Files> Piece<F> {
    /// The bytes of all frames that are made.
    pub fn frames(&self) -> &[u8] {
        &self.buffer[..self.made]
    }

    /// Makes a frame behind the others: returns its place, which begins with room for its header.
    /// `UnexpectedEof` if the file has become too short.
    pub fn make(&mut self, files: &mut F, wanted: &Wanted<'_, F>) -> io::Result<Range<usize>> {
        if !self.has(wanted) {
            self.read(files, wanted)?;
        }
        let start = self.made;
        self.made += wanted.header + wanted.len;
        self.ahead = self.ahead.take().and_then(|ahead| ahead.after(wanted.len));
        Ok(start..self.made)
    }

    /// The bytes of a frame.
    pub fn frame(&mut self, place: Range<usize>) -> &mut [u8] {
        &mut self.buffer[place]
    }

    /// Forgets everything but the room.
    pub fn clear(&mut self) {
        self.made = 0;
        self.ahead = None;
    }

    fn has(&self, wanted: &Wanted<'_, F>) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| {
            ahead.file.is(wanted.file)
                && ahead.offset == wanted.offset
                && ahead.payload.min(ahead.left) >= wanted.len
        })
    }

    /// Reads the frame's payload and, as far as there is room, those of the next ones.
    fn read(&mut self, files: &mut F, wanted: &Wanted<'_, F>) -> io::Result<()> {
        let frame = wanted.header + wanted.len;
        if self.buffer.len() < self.made + frame {
            self.buffer.resize(LEN.max(self.made + frame), 0);
        }
        let mut slices: [_; FRAMES] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let mut run = wanted.run.max(wanted.len);
        let rooms = self.buffer[self.made..].chunks_mut(frame);
        for (slice, room) in slices.iter_mut().zip(rooms) {
            let payload = room.get_mut(wanted.header..).unwrap_or_default();
            let len = payload.len().min(run);
            *slice = IoSliceMut::new(&mut payload[..len]);
            run -= len;
        }
        let mut slices = slices.as_mut_slice();
        let mut left = 0;
        while left < wanted.len {
            let read =
                files.read_scattered(&wanted.file.get(), wanted.offset + left as u64, slices)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left += read;
            IoSliceMut::advance_slices(&mut slices, read);
        }
        self.ahead = Some(Ahead {
            file: wanted.file.clone(),
            offset: wanted.offset,
            payload: wanted.len,
            left,
        });
        Ok(())
    }
}

impl<F: Files> Ahead<F> {
    /// What is left when the first `len` bytes are a frame: nothing of use if that was not the
    /// whole of its payload.
    fn after(self, len: usize) -> Option<Self> {
        (len == self.payload && len < self.left).then(|| Ahead {
            offset: self.offset + len as u64,
            left: self.left - len,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::memory_files::MemoryFiles;

    fn file(content: &[u8]) -> (MemoryFiles, OpenFile<MemoryFiles>) {
        let mut files = MemoryFiles::new();
        files.write("f", content);
        let (file, _) = files.open(b"f").unwrap();
        (files, OpenFile::new(file))
    }

    fn wanted(
        file: &OpenFile<MemoryFiles>,
        offset: u64,
        len: usize,
        run: usize,
    ) -> Wanted<'_, MemoryFiles> {
        Wanted {
            file,
            offset,
            header: 2,
            len,
            run,
        }
    }

    /// The bytes of a frame with a header of two dots.
    fn make(
        piece: &mut Piece<MemoryFiles>,
        files: &mut MemoryFiles,
        wanted: &Wanted<'_, MemoryFiles>,
    ) -> String {
        let place = piece.make(files, wanted).unwrap();
        let frame = piece.frame(place);
        frame[..2].copy_from_slice(b"..");
        String::from_utf8(frame.to_vec()).unwrap()
    }

    #[test]
    fn one_read_is_good_for_a_run_of_frames() {
        let (mut files, file) = file(b"abcdefghij");
        let mut piece = Piece::default();
        let mut frames = Vec::new();
        for (offset, len) in [(0, 4), (4, 4), (8, 2)] {
            let wanted = wanted(&file, offset, len, 10 - offset as usize);
            frames.push(make(&mut piece, &mut files, &wanted));
        }
        assert_eq!(frames, ["..abcd", "..efgh", "..ij"]);
        assert_eq!(piece.frames(), b"..abcd..efgh..ij");
        assert_eq!(files.counts().reads, 1);
    }

    #[test]
    fn what_was_read_for_other_frames_is_read_again() {
        let (mut files, file) = file(b"abcdefghij");
        let mut piece = Piece::default();
        let mut frames = Vec::new();
        for (offset, len) in [(0, 4), (4, 2), (6, 3), (0, 3)] {
            let wanted = wanted(&file, offset, len, 10);
            frames.push(make(&mut piece, &mut files, &wanted));
        }
        assert_eq!(frames, ["..abcd", "..ef", "..ghi", "..abc"]);
        piece.clear();
        let again = make(&mut piece, &mut files, &wanted(&file, 3, 1, 1));
        assert_eq!((again.as_str(), piece.frames()), ("..d", &b"..d"[..]));
    }

    #[test]
    fn a_file_that_gives_little_at_a_time_is_asked_again_and_one_cut_short_is_an_error() {
        let (mut files, file) = file(b"abcdefghij");
        files.limit_reads(3);
        let mut piece = Piece::default();
        let first = make(&mut piece, &mut files, &wanted(&file, 0, 8, 10));
        assert_eq!(first, "..abcdefgh");
        let error = piece.make(&mut files, &wanted(&file, 8, 3, 3)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(piece.frames(), b"..abcdefgh");
    }
}
