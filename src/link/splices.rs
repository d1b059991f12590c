//! Splices: content that belongs into an output and is not copied into it.
//!
//! A service writes the framing into the output and notes here which slice of a file or of memory
//! follows. The socket takes it from there: a file's slice by sendfile(2), a slice of memory together
//! with the bytes around it in one writev(2). A connection whose reader stalls then costs a share in
//! the descriptor or in the cached content, and a few words. Shorter ranges of a file become frames in
//! the place that they are read to, in a `Piece`. Bytes of a piece that the socket does not take are
//! kept like any output.
//!
//! Their sizes are one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).

use super::piece::{Piece, Wanted};
use crate::content::{BodyError, FileSlice, Least, Slice};
use crate::world::Files;
use std::collections::VecDeque;
use std::io::IoSlice;

/// The most bytes that are spliced into one output. Spliced bytes cost no memory while they wait, so
/// they have room of their own. More bytes in one call take fewer segments, but other connections want
/// their turn. With the headers around it, the number is less than four times 65,160 bytes, which is
/// forty-five packets of an Ethernet: the most that a kernel hands down in one go (GSO).
pub const MOST_SPLICED: usize = 253 << 10;

/// The least sizes that are spliced in the clear. The work for a slice of its own costs more than
/// copying a smaller piece of memory. A smaller range of a file is read: sent from its pages, it would
/// be segments of its own. Frames of HTTP/2 rarely hold more than 16 KiB, so their content is read:
/// that takes half the time of sendfile(2) here, and less than half until a client on the same machine
/// has the bytes.
pub const CLEAR: Least = Least {
    memory: 4 << 10,
    file: 64 << 10,
};

/// The least sizes of which frames are made in a `Piece`, in the clear. Memory is spliced as in
/// [`CLEAR`].
pub const CLEAR_FRAMES: Least = Least {
    file: 4 << 10,
    ..CLEAR
};

/// The least sizes of which frames are made in a `Piece` under TLS. Sealing copies, so memory is
/// copied before it, for longer records. The bytes of a piece make records of their own, so a piece
/// needs some content to be worth it.
pub const TLS_FRAMES: Least = Least {
    memory: u64::MAX,
    file: 8 << 10,
};

/// Spliced content between the bytes of an output, in order.
pub struct Splices<F: Files> {
    list: VecDeque<Splice<F>>,
    /// Number of bytes of all splices.
    len: u64,
    piece: Piece<F>,
}

/// Content that comes before the byte `at` of the output. It is never empty.
struct Splice<F: Files> {
    at: usize,
    content: SpliceContent<F>,
}

/// Place of the bytes of a splice.
pub enum SpliceContent<F: Files> {
    /// In a file or in shared memory.
    Slice(Slice<F>),
    /// In the piece, from the first place to the second.
    Frames(usize, usize),
}

impl<F: Files> SpliceContent<F> {
    fn len(&self) -> u64 {
        match self {
            SpliceContent::Slice(slice) => slice.len(),
            SpliceContent::Frames(start, end) => (end - start) as u64,
        }
    }

    /// Passes `len` bytes that were sent. The content has at least that many.
    fn advance(&mut self, len: u64) {
        match self {
            SpliceContent::Slice(slice) => slice.advance(len),
            SpliceContent::Frames(start, _) => *start += len as usize,
        }
    }
}

impl<F: Files> Default for Splices<F> {
    fn default() -> Self {
        Splices {
            list: VecDeque::new(),
            len: 0,
            piece: Piece::default(),
        }
    }
}

impl<F: Files> Splices<F> {
    /// No splice, with room for as many as one output has: its slices of memory are [`CLEAR`] at least.
    pub fn roomy() -> Self {
        Splices {
            list: VecDeque::with_capacity(MOST_SPLICED / CLEAR.memory as usize + 1),
            ..Splices::default()
        }
    }

    /// Number of bytes of all splices.
    pub fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    /// Number of bytes of frames in the piece. They have to be kept if they are not sent.
    pub fn framed(&self) -> usize {
        self.piece.len()
    }

    /// The memory of the list in bytes.
    pub fn memory(&self) -> usize {
        self.list.capacity() * size_of::<Splice<F>>()
    }

    /// True if there is no splice.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forgets all splices and keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.len = 0;
        self.piece.clear();
    }

    /// Adds a slice behind the first `at` bytes of the output and the splices that are there already.
    pub fn push(&mut self, at: usize, slice: Slice<F>) {
        debug_assert!(!slice.is_empty());
        self.len += slice.len();
        let content = SpliceContent::Slice(slice);
        self.list.push_back(Splice { at, content });
    }

    /// Makes a frame of the file's next bytes behind the first `at` bytes of the output and the splices
    /// that are there already. Returns the frame for its header to be written; `None` if the disk has
    /// to bring the bytes first, which it was then asked for.
    pub fn push_frame(
        &mut self,
        at: usize,
        reads: &mut F::Reads,
        file: &mut FileSlice<F>,
        wanted: &Wanted,
    ) -> Result<Option<&mut [u8]>, BodyError> {
        let Some(place) = self.piece.make(reads, file, wanted)? else {
            return Ok(None);
        };
        self.len += place.len() as u64;
        match self.list.back_mut() {
            Some(Splice {
                at: before,
                content: SpliceContent::Frames(_, end),
            }) if *before == at && *end == place.start => *end = place.end,
            _ => {
                let content = SpliceContent::Frames(place.start, place.end);
                self.list.push_back(Splice { at, content });
            }
        }
        Ok(Some(self.piece.bytes_mut(place)))
    }

    /// The first splice, and the number of bytes of the output before it.
    pub fn first(&self) -> Option<(usize, &SpliceContent<F>)> {
        self.list.front().map(|splice| (splice.at, &splice.content))
    }

    /// Fills `out` with the bytes that follow the first `sent` bytes of the output, splices of memory
    /// in their places, up to the next slice of a file. Returns the number of entries of `out` that it
    /// took.
    #[expect(
        clippy::indexing_slicing,
        reason = "splices have their places within the output, in order"
    )]
    pub fn gather<'b>(&'b self, bytes: &'b [u8], sent: usize, out: &mut [IoSlice<'b>]) -> usize {
        let mut from = sent;
        let mut taken = 0;
        let mut put = |piece: &'b [u8]| {
            let room = taken < out.len();
            if room && !piece.is_empty() {
                out[taken] = IoSlice::new(piece);
                taken += 1;
            }
            room
        };
        for Splice { at, content } in &self.list {
            if !put(&bytes[from..*at]) {
                return taken;
            }
            from = *at;
            let content = match content {
                SpliceContent::Slice(Slice::File(_) | Slice::Part(_)) => return taken,
                SpliceContent::Slice(Slice::Memory {
                    content,
                    start,
                    end,
                    ..
                }) => &content[*start as usize..*end as usize],
                SpliceContent::Slice(Slice::Lent(lent)) => lent.bytes(),
                SpliceContent::Frames(start, end) => self.piece.bytes(*start..*end),
            };
            if !put(content) {
                return taken;
            }
        }
        put(&bytes[from..]);
        taken
    }

    /// Passes the next `len` bytes that were sent: bytes of the output, counted in `sent`, and bytes of
    /// the splices in their places.
    pub fn advance(&mut self, sent: &mut usize, mut len: usize) {
        while let Some(Splice { at, content }) = self.list.front_mut() {
            let before = len.min(*at - *sent);
            *sent += before;
            len -= before;
            if len == 0 {
                return;
            }
            let of_splice = content.len().min(len as u64);
            content.advance(of_splice);
            self.len -= of_splice;
            len -= of_splice as usize;
            if content.len() == 0 {
                self.list.pop_front();
            }
        }
        *sent += len;
    }

    /// Holds content in memory, so that it can be sent from there.
    pub fn hold(&mut self) {
        self.slices().for_each(Slice::hold);
    }

    /// Releases the content in memory again. A slice that waits for a reader must not hold memory that
    /// other connections may need.
    pub fn release(&mut self) {
        self.slices().for_each(Slice::release);
    }

    fn slices(&mut self) -> impl Iterator<Item = &mut Slice<F>> {
        self.list
            .iter_mut()
            .filter_map(|splice| match &mut splice.content {
                SpliceContent::Slice(slice) => Some(slice),
                SpliceContent::Frames(..) => None,
            })
    }

    /// Moves the rest of another output with its splices behind the bytes of `output`, whose splices
    /// are `self`. The first `sent` bytes of the other were sent. Frames in the piece are copied,
    /// because the piece is lent to the next connection, and so are lent bytes, whose buffer is needed.
    #[expect(
        clippy::indexing_slicing,
        reason = "splices have their places within the output, in order"
    )]
    pub fn append(
        &mut self,
        output: &mut Vec<u8>,
        bytes: &[u8],
        sent: usize,
        later: &mut Splices<F>,
    ) {
        let mut from = sent;
        for Splice { at, content } in later.list.drain(..) {
            output.extend_from_slice(&bytes[from..at]);
            from = at;
            match content {
                SpliceContent::Slice(Slice::Lent(lent)) => output.extend_from_slice(lent.bytes()),
                SpliceContent::Slice(mut slice) => {
                    slice.release();
                    self.push(output.len(), slice);
                }
                SpliceContent::Frames(start, end) => {
                    output.extend_from_slice(later.piece.bytes(start..end));
                }
            }
        }
        output.extend_from_slice(&bytes[from..]);
        later.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::piece::Layout;
    use super::*;
    use crate::content::OpenFile;
    use crate::world::memory_files::MemoryFiles;
    use std::rc::Rc;

    fn memory(text: &str) -> Slice<MemoryFiles> {
        Slice::memory(Rc::from(text.as_bytes()))
    }

    fn file(content: &str) -> (MemoryFiles, FileSlice<MemoryFiles>) {
        let mut files = MemoryFiles::new();
        files.write("f", content);
        let file = OpenFile::new(&mut files, "f");
        let file = FileSlice::new(file, 0, content.len() as u64);
        (files, file)
    }

    /// Adds two frames behind the first `at` bytes of the output.
    fn push_frames(splices: &mut Splices<MemoryFiles>, at: usize) {
        let (mut files, mut file) = file("one]two]");
        while !file.is_empty() {
            let wanted = Wanted {
                header: 1,
                payload: 4,
                run: file.len() as usize,
                layout: Layout::Dense,
            };
            let frame = splices.push_frame(at, &mut files, &mut file, &wanted);
            frame.unwrap().unwrap()[0] = b'[';
        }
    }

    /// The bytes that are sent if each call gathers `room` pieces and takes `most` bytes. Bytes of
    /// files are dots.
    fn sent(bytes: &[u8], splices: &mut Splices<MemoryFiles>, room: usize, most: usize) -> String {
        let mut seen = Vec::new();
        let mut sent = 0;
        while sent < bytes.len() || !splices.is_empty() {
            let mut pieces = vec![IoSlice::new(&[]); room];
            let taken = splices.gather(bytes, sent, &mut pieces);
            assert!(pieces[..taken].iter().all(|piece| !piece.is_empty()));
            let pieces = pieces[..taken].iter();
            let mut gathered: Vec<u8> = pieces.flat_map(|piece| piece.to_vec()).collect();
            if taken == 0 {
                let first = splices.first();
                assert!(
                    matches!(first, Some((at, SpliceContent::Slice(Slice::File(_)))) if at == sent)
                );
                gathered.push(b'.');
            }
            gathered.truncate(most);
            let waited = bytes.len() - sent + splices.len();
            splices.advance(&mut sent, gathered.len());
            assert_eq!(waited - gathered.len(), bytes.len() - sent + splices.len());
            seen.extend(gathered);
        }
        String::from_utf8(seen).unwrap()
    }

    #[test]
    fn slices_are_sent_in_their_places_however_few_bytes_a_call_takes() {
        for room in 1..8 {
            for most in 1..12 {
                let mut splices = Splices::default();
                splices.push(2, memory("first"));
                splices.push(2, memory("second"));
                splices.push(4, Slice::File(file("...").1));
                push_frames(&mut splices, 4);
                splices.push(5, memory("third"));
                let whole = "abfirstsecondcd...[one][two]ethirdf";
                assert_eq!(sent(b"abcdef", &mut splices, room, most), whole);
            }
        }
    }

    #[test]
    fn splices_of_a_later_output_keep_their_places_behind_an_earlier_one() {
        let (mut queue, mut later) = (Splices::default(), Splices::default());
        let mut bytes = b"ab".to_vec();
        queue.push(1, memory("1"));
        later.push(3, memory("2"));
        push_frames(&mut later, 3);
        later.push(4, memory("3"));
        // Of "cdef", the first two bytes were sent before.
        queue.append(&mut bytes, b"cdef", 2, &mut later);
        assert_eq!((later.is_empty(), later.len, later.framed()), (true, 0, 0));
        assert_eq!(queue.framed(), 0, "they were copied");
        assert_eq!(sent(&bytes, &mut queue, 9, 99), "a1be2[one][two]f3");
    }
}
