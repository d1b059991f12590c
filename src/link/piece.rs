//! Frames of file content, made in the place that the content is read to.
//!
//! One call reads the payloads of several frames, each to its place behind the room for its header. So
//! each payload is copied once, from the kernel, into a buffer that stays initialised and is used for
//! one connection after another.
//!
//! Their places are one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).

use crate::content::{BodyError, FileSlice, OpenFile};
use crate::world::Files;
use std::io::IoSliceMut;
use std::ops::Range;

/// Length of the buffer: as long as the output of a turn. It grows if that is longer.
const LEN: usize = 64 << 10;

/// Number of frames that are read at once: as many of the usual length as fit.
const FRAMES: usize = 5;

/// Frames of one output, and payloads that were read for the next ones.
pub struct Piece<F: Files> {
    /// The buffer, empty until it is needed.
    buffer: Vec<u8>,
    /// The end of the last frame that is made.
    end: usize,
    /// Number of bytes of all frames that are made.
    len: usize,
    ahead: Option<Ahead<F>>,
}

/// Payloads that were read ahead, behind the last frame that is made. Each has room for its header
/// before it.
struct Ahead<F: Files> {
    file: OpenFile<F>,
    /// The offset in the file at which the payloads begin.
    offset: u64,
    /// The place in the buffer of the first payload's header.
    at: usize,
    /// The distance from one header to the next.
    step: usize,
    /// The length of each payload. The last may be shorter.
    payload: usize,
    /// Number of bytes of all payloads.
    left: usize,
}

/// A frame that is to be made of a file's next bytes.
pub struct Wanted {
    /// The length of the frame's header.
    pub header: usize,
    /// The most bytes of payload; at least 1.
    pub payload: usize,
    /// Number of bytes that frames will be made of one after another, starting with this frame. Only
    /// bytes of the file among them are read.
    pub run: usize,
    /// The arrangement of the frames.
    pub layout: Layout,
}

/// Arrangement of frames in a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One right behind the other, because TLS records are made of them.
    Dense,
    /// With gaps between the frames, so that each payload has the distance from the beginning of a
    /// cache line that it has in the kernel's page. So it is copied 5 % faster.
    Aligned,
}

impl Layout {
    fn alignment(self) -> usize {
        match self {
            Layout::Dense => 1,
            Layout::Aligned => 64,
        }
    }
}

impl<F: Files> Default for Piece<F> {
    fn default() -> Self {
        Piece {
            buffer: Vec::new(),
            end: 0,
            len: 0,
            ahead: None,
        }
    }
}

impl<F: Files> Piece<F> {
    /// Number of bytes of all frames that are made.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Makes a frame of the file's next bytes, as many as are there at once, behind the other frames,
    /// and moves the file forward by them. Returns the frame's place, which begins with room for its
    /// header; `None` if the disk has to bring the bytes first, which it was then asked for.
    pub fn make(
        &mut self,
        reads: &mut F::Reads,
        file: &mut FileSlice<F>,
        wanted: &Wanted,
    ) -> Result<Option<Range<usize>>, BodyError> {
        let most =
            usize::try_from(file.len()).map_or(wanted.payload, |len| len.min(wanted.payload));
        let ahead = match self.ahead.take() {
            Some(ahead) if ahead.is_for(file, most) => ahead,
            _ => match self.read(reads, file, most, wanted)? {
                Some(ahead) => ahead,
                None => return Ok(None),
            },
        };
        let payload = most.min(ahead.left);
        let place = ahead.at..ahead.at + wanted.header + payload;
        self.end = place.end;
        self.len += place.len();
        file.advance(payload as u64);
        self.ahead = ahead.after(payload);
        Ok(Some(place))
    }

    /// The bytes of a frame.
    #[expect(clippy::indexing_slicing, reason = "frames lie within the buffer")]
    pub fn bytes(&self, place: Range<usize>) -> &[u8] {
        &self.buffer[place]
    }

    /// The bytes of a frame, to write its header.
    #[expect(clippy::indexing_slicing, reason = "frames lie within the buffer")]
    pub fn bytes_mut(&mut self, place: Range<usize>) -> &mut [u8] {
        &mut self.buffer[place]
    }

    /// Forgets all frames and keeps the memory.
    pub fn clear(&mut self) {
        self.end = 0;
        self.len = 0;
        self.ahead = None;
    }

    /// Reads the frame's payload and, as far as the room reaches, those of the next frames.
    #[expect(clippy::indexing_slicing, reason = "it was made that long above")]
    fn read(
        &mut self,
        reads: &mut F::Reads,
        file: &mut FileSlice<F>,
        payload: usize,
        wanted: &Wanted,
    ) -> Result<Option<Ahead<F>>, BodyError> {
        let alignment = wanted.layout.alignment();
        let step = (wanted.header + payload).next_multiple_of(alignment);
        let needed = self.end + alignment + step;
        if self.buffer.len() < needed {
            self.buffer.resize(needed.max(LEN), 0);
        }
        let first = self.buffer[self.end + wanted.header..].as_ptr().addr();
        let at = self.end + (file.offset() as usize).wrapping_sub(first) % alignment;
        let mut parts: [_; FRAMES] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let len = usize::try_from(file.len()).unwrap_or(usize::MAX);
        let mut run = wanted.run.max(payload).min(len);
        for (part, room) in parts.iter_mut().zip(self.buffer[at..].chunks_mut(step)) {
            let room = room.get_mut(wanted.header..).unwrap_or_default();
            let len = room.len().min(payload).min(run);
            *part = IoSliceMut::new(&mut room[..len]);
            run -= len;
        }
        let read = file.peek(reads, &mut parts)?;
        Ok(read.map(|left| Ahead {
            file: file.file().clone(),
            offset: file.offset(),
            at,
            step,
            payload,
            left,
        }))
    }
}

impl<F: Files> Ahead<F> {
    /// True if the first payload is the next part of the file and has the wanted length.
    fn is_for(&self, file: &FileSlice<F>, payload: usize) -> bool {
        self.file.is(file.file())
            && self.offset == file.offset()
            && self.payload.min(self.left) >= payload
    }

    /// The payloads that are left when the first `len` bytes have become a frame. None are usable if
    /// those were not the first payload as a whole.
    fn after(self, len: usize) -> Option<Self> {
        (len == self.payload && len < self.left).then(|| Ahead {
            offset: self.offset + len as u64,
            at: self.at + self.step,
            left: self.left - len,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::memory_files::MemoryFiles;
    use std::time::Duration;

    fn file(content: &[u8]) -> (MemoryFiles, FileSlice<MemoryFiles>) {
        let mut files = MemoryFiles::new();
        files.write("f", content);
        let file = OpenFile::new(&mut files, "f");
        let file = FileSlice::new(file, 0, content.len() as u64);
        (files, file)
    }

    /// Makes the next frame, with up to `payload` bytes of payload and a header of two dots.
    fn make(
        piece: &mut Piece<MemoryFiles>,
        files: &mut MemoryFiles,
        file: &mut FileSlice<MemoryFiles>,
        payload: usize,
    ) -> Result<Option<String>, BodyError> {
        let wanted = Wanted {
            header: 2,
            payload,
            run: file.len() as usize,
            layout: Layout::Dense,
        };
        Ok(piece.make(files, file, &wanted)?.map(|place| {
            let frame = piece.bytes_mut(place);
            frame[..2].copy_from_slice(b"..");
            String::from_utf8(frame.to_vec()).unwrap()
        }))
    }

    /// Frames with up to the given numbers of bytes of payload.
    fn frames<const N: usize>(
        piece: &mut Piece<MemoryFiles>,
        files: &mut MemoryFiles,
        file: &mut FileSlice<MemoryFiles>,
        payloads: [usize; N],
    ) -> [String; N] {
        payloads.map(|payload| make(piece, files, file, payload).unwrap().unwrap())
    }

    #[test]
    fn one_read_is_good_for_a_run_of_frames() {
        let (mut files, mut file) = file(b"abcdefghij");
        let mut piece = Piece::default();
        let made = frames(&mut piece, &mut files, &mut file, [4, 4, 4]);
        assert_eq!(made, ["..abcd", "..efgh", "..ij"]);
        assert!(file.is_empty());
        assert_eq!(piece.bytes(0..16), b"..abcd..efgh..ij");
        assert_eq!((piece.len(), files.counts().reads), (16, 1));
    }

    #[test]
    fn nothing_is_read_behind_the_end_of_a_slice() {
        let (mut files, whole) = file(b"abcdefghij");
        let mut part = FileSlice::new(whole.file().clone(), 0, 6);
        let wanted = Wanted {
            header: 2,
            payload: 4,
            run: 10,
            layout: Layout::Dense,
        };
        let mut piece = Piece::default();
        for len in [6, 4] {
            let place = piece.make(&mut files, &mut part, &wanted).unwrap();
            assert_eq!(place.map(|place| place.len()), Some(len));
        }
        assert!(part.is_empty());
        assert_eq!(files.counts().bytes_read, 6);
    }

    #[test]
    fn what_was_read_for_other_frames_is_read_again() {
        let (mut files, mut file) = file(b"abcdefghij");
        let other = file.file().clone();
        let mut again = FileSlice::new(other, 0, 3);
        let mut piece = Piece::default();
        let made = frames(&mut piece, &mut files, &mut file, [4, 2, 3]);
        assert_eq!(made, ["..abcd", "..ef", "..ghi"]);
        let made = frames(&mut piece, &mut files, &mut again, [4]);
        assert_eq!(made, ["..abc"]);
        piece.clear();
        let made = frames(&mut piece, &mut files, &mut file, [4]);
        assert_eq!((made, piece.len()), (["..j".to_owned()], 3));
    }

    #[test]
    fn a_read_that_gives_little_makes_a_short_frame() {
        let (mut files, mut file) = file(b"abcdefghij");
        files.limit_reads(3);
        let mut piece = Piece::default();
        let made = frames(&mut piece, &mut files, &mut file, [4, 2, 4, 4]);
        assert_eq!(made, ["..abc", "..de", "..fgh", "..ij"]);
        assert_eq!(piece.bytes(0..18), b"..abc..de..fgh..ij");
    }

    #[test]
    fn a_file_cut_short_is_an_error_behind_what_is_left_of_it() {
        let (mut files, mut file) = file(b"abcdefghij");
        files.truncate("f", 6);
        let mut piece = Piece::default();
        let made = frames(&mut piece, &mut files, &mut file, [8]);
        assert_eq!(made, ["..abcdef"]);
        let error = make(&mut piece, &mut files, &mut file, 4).unwrap_err();
        assert!(matches!(error, BodyError::Truncated));
        assert_eq!(piece.len(), 8);
    }

    #[test]
    fn no_frame_is_made_of_what_the_disk_has_not_brought() {
        let (mut files, mut file) = file(b"abcdefghij");
        files.slow_disk(Duration::from_millis(20));
        let mut piece = Piece::default();
        for _ in 0..3 {
            let cold = make(&mut piece, &mut files, &mut file, 4).unwrap();
            assert_eq!((cold, files.counts().reads), (None, 0));
        }
        files.advance(Duration::from_millis(20));
        let made = frames(&mut piece, &mut files, &mut file, [4, 4]);
        assert_eq!(made, ["..abcd", "..efgh"]);
    }

    #[test]
    fn aligned_payloads_lie_in_lines_of_the_cache_as_they_do_in_the_file() {
        let content: Vec<u8> = (0..60_000_u32).map(|at| at as u8).collect();
        let (mut files, mut file) = file(&content);
        let mut piece = Piece::default();
        for begin in [0, 1_001, 59_000] {
            file = FileSlice::new(file.file().clone(), begin, 60_000);
            let mut passed = begin as usize;
            let mut len = 0;
            while !file.is_empty() {
                let wanted = Wanted {
                    header: 9,
                    payload: 16_384,
                    run: file.len() as usize,
                    layout: Layout::Aligned,
                };
                let place = piece.make(&mut files, &mut file, &wanted);
                let frame = piece.bytes(place.unwrap().unwrap());
                let payload = &frame[9..];
                assert_eq!(payload, &content[passed..passed + payload.len()]);
                assert_eq!(payload.as_ptr().addr() % 64, passed % 64);
                passed += payload.len();
                len += frame.len();
            }
            assert_eq!((passed, piece.len()), (content.len(), len));
            piece.clear();
        }
        assert_eq!(files.counts().reads, 3);
    }
}
