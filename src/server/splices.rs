//! Places in an output where content belongs that is not copied into it.
//!
//! A service writes what frames the content and notes here which slice of a file or of memory follows.
//! The socket takes it from there: from a file by sendfile(2), from memory together with the bytes
//! around it in one call. A reader that stalls then costs a share in the descriptor or in the cached
//! content, and a few words.

use crate::site::Slice;
use crate::world::Files;
use std::collections::VecDeque;
use std::io::IoSlice;

/// The most content that is spliced into one output. While it waits it costs nothing, so it has room
/// of its own; the more is sent in one go, the fewer segments it takes, but the others want their turn.
/// With the headers around it, it is less than four times 65,160 bytes, forty-five packets of an
/// Ethernet: the most that a kernel hands down in one go (GSO).
pub const MOST_SPLICED: usize = 253 << 10;

/// Slices of content between the bytes of an output, in order.
pub struct Splices<F: Files> {
    list: VecDeque<Splice<F>>,
    /// Bytes of all slices.
    len: u64,
}

/// A slice that comes before the byte `at` of the output; never empty.
struct Splice<F: Files> {
    at: usize,
    slice: Slice<F>,
}

impl<F: Files> Default for Splices<F> {
    fn default() -> Self {
        Splices {
            list: VecDeque::new(),
            len: 0,
        }
    }
}

impl<F: Files> Splices<F> {
    /// Bytes of all slices.
    pub fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    /// The memory that they take.
    pub fn memory(&self) -> usize {
        self.list.capacity() * size_of::<Splice<F>>()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a slice behind the first `at` bytes of the output and all slices that are there.
    pub fn push(&mut self, at: usize, slice: Slice<F>) {
        debug_assert!(!slice.is_empty());
        self.len += slice.len();
        self.list.push_back(Splice { at, slice });
    }

    /// The first slice, and how many bytes of the output come before it.
    pub fn first(&self) -> Option<(usize, &Slice<F>)> {
        self.list.front().map(|splice| (splice.at, &splice.slice))
    }

    /// Fills `out` with what follows the first `sent` bytes of the output up to the next slice of a
    /// file, the slices of memory in their places. Returns how many of `out` it took.
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
        for Splice { at, slice } in &self.list {
            if !put(&bytes[from..*at]) {
                return taken;
            }
            from = *at;
            let Slice::Memory {
                content,
                start,
                end,
            } = slice
            else {
                return taken;
            };
            if !put(&content[*start..*end]) {
                return taken;
            }
        }
        put(&bytes[from..]);
        taken
    }

    /// Passes the next `len` bytes of everything: those of the output, counted in `sent`, and those of
    /// the slices in their places.
    pub fn advance(&mut self, sent: &mut usize, mut len: usize) {
        while let Some(Splice { at, slice }) = self.list.front_mut() {
            let before = len.min(*at - *sent);
            *sent += before;
            len -= before;
            if len == 0 {
                return;
            }
            let of_slice = slice.len().min(len as u64);
            slice.advance(of_slice);
            self.len -= of_slice;
            len -= of_slice as usize;
            if slice.is_empty() {
                self.list.pop_front();
            }
        }
        *sent += len;
    }

    /// Moves all slices of `later` here. Its output, less the first `sent` bytes, was put behind the
    /// first `at` bytes of this one.
    pub fn append(&mut self, later: &mut Splices<F>, sent: usize, at: usize) {
        self.len += std::mem::take(&mut later.len);
        let moved = later.list.drain(..).map(|splice| Splice {
            at: splice.at - sent + at,
            slice: splice.slice,
        });
        self.list.extend(moved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::memory_files::MemoryFiles;
    use std::rc::Rc;

    fn memory(text: &str) -> Slice<MemoryFiles> {
        Slice::memory(Rc::from(text.as_bytes()))
    }

    fn file(len: u64) -> Slice<MemoryFiles> {
        let mut files = MemoryFiles::new();
        files.write("f", "");
        let (file, _) = crate::world::Files::open(&mut files, b"f").unwrap();
        Slice::File {
            file: Rc::new(file),
            start: 0,
            end: len,
            ahead: crate::site::Ahead::default(),
        }
    }

    /// What is sent when `room` pieces are gathered and `most` bytes taken by each call; the bytes of
    /// files as dots.
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
                assert!(matches!(splices.first(), Some((at, Slice::File { .. })) if at == sent));
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
                splices.push(4, file(3));
                splices.push(5, memory("third"));
                let whole = "abfirstsecondcd...ethirdf";
                assert_eq!(sent(b"abcdef", &mut splices, room, most), whole);
            }
        }
    }

    #[test]
    fn slices_of_a_later_output_keep_their_places_behind_an_earlier_one() {
        let (mut queue, mut later) = (Splices::default(), Splices::default());
        queue.push(1, memory("1"));
        later.push(3, memory("2"));
        later.push(4, memory("3"));
        // Of "cdef", the first two bytes were sent before.
        queue.append(&mut later, 2, 2);
        assert_eq!((later.is_empty(), later.len), (true, 0));
        assert_eq!(sent(b"abef", &mut queue, 9, 99), "a1be2f3");
    }
}
