//! A file that responses are sent from: its content while the cache has room for it, its descriptor
//! while a response reads with it, and the way to get both again.
//!
//! All responses with one file share it. A stalled reader takes neither memory nor a descriptor from
//! others: both are taken back when they are needed, and the file is opened again when the reader goes
//! on. If the file has changed by then, its responses are cut short, because their rest is lost.

use std::cell::{Cell, Ref, RefCell};
use std::io::{self, IoSliceMut};
use std::rc::Rc;

use super::digest::Digest;
use super::error::BodyError;
use super::open_files::{OpenFiles, Reclaimable};
#[cfg(test)]
use crate::world::memory_files::MemoryFiles;
use crate::world::{FileReads, Files, Metadata};

/// The table of files that are open beneath one root.
pub(crate) type FileTable<F> = OpenFiles<F, SharedFile<F>>;

/// The file of a representation. Its memory is allocated for as long as the file is known. If it came
/// and went with the descriptor, it could, in a crowd, lie above the memory that the crowd leaves
/// behind, and keep the allocator from giving that back.
pub(crate) struct FileSlot<F: Files>(Rc<SharedFile<F>>);

/// State that all shares of a file have in common.
pub(crate) struct SharedFile<F: Files> {
    table: Rc<FileTable<F>>,
    path: Box<[u8]>,
    /// The state of the file when responses began. A file that is opened again must still have it.
    seen: FileState,
    digest: RefCell<Digest>,
    content: RefCell<Option<Rc<[u8]>>>,
    descriptor: RefCell<Option<Descriptor<F>>>,
    used: Cell<Used>,
    shares: Cell<usize>,
}

/// State of a file when it was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileState {
    pub(crate) metadata: Metadata,
    pub(crate) growth: Growth,
}

/// Meaning of a file that has become longer while it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// A program appended to the file, as to a log. Its first bytes are unchanged.
    Appended,
    /// The file was written anew.
    Rewritten,
}

impl FileState {
    /// True if the file still has its bytes, as far as its metadata shows: the metadata is unchanged,
    /// or the file was unlinked, or it was appended to.
    fn is_still(&self, now: &Metadata) -> bool {
        let (was, is) = (&self.metadata, now);
        let is_same_file = (was.identity.0, was.identity.1) == (is.identity.0, is.identity.1);
        let lost_a_name = (was.len, was.modified) == (is.len, is.modified) && is.links < was.links;
        let has_grown = is.len > was.len && self.growth == Growth::Appended;
        was == is || is_same_file && (lost_a_name || has_grown)
    }
}

/// An open file, and its place in the table.
struct Descriptor<F: Files> {
    file: F::File,
    place: usize,
    opened_for: OpenedFor,
}

/// Response for which a file was opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenedFor {
    /// The response that the file was just read for.
    FirstResponse,
    /// Any response.
    AnyResponse,
}

/// Use of a descriptor since the hand's last visit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Used {
    Since,
    Not,
}

impl<F: Files> Reclaimable for SharedFile<F> {
    fn take_use(&self) -> bool {
        self.used.replace(Used::Not) == Used::Since
    }

    fn rests(&self) -> bool {
        self.shares.get() == 0 && self.is_open()
    }

    fn close(&self) -> bool {
        let descriptor = match self.descriptor.try_borrow_mut() {
            Ok(mut descriptor) => descriptor.take(),
            Err(_) => None,
        };
        if let Some(descriptor) = &descriptor {
            self.table.leave(descriptor.place);
        }
        descriptor.is_some()
    }
}

impl<F: Files> SharedFile<F> {
    fn is_open(&self) -> bool {
        self.descriptor.borrow().is_some()
    }

    /// Keeps the file open for the next response, if content in memory does not serve it.
    fn rest(&self) {
        if self.content.borrow().is_some() {
            self.close();
        } else if let Some(descriptor) = &mut *self.descriptor.borrow_mut() {
            descriptor.opened_for = OpenedFor::AnyResponse;
            self.table.note_rest();
        }
    }
}

/// A kept descriptor that no response took ends with the last holder of the file: its place in the table
/// is free again.
impl<F: Files> Drop for SharedFile<F> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<F: Files> FileSlot<F> {
    /// A file that is not open.
    pub(crate) fn new(
        table: &Rc<FileTable<F>>,
        path: &[u8],
        seen: FileState,
        content: Option<Rc<[u8]>>,
        digest: Digest,
    ) -> Self {
        FileSlot(Rc::new(SharedFile {
            table: table.clone(),
            path: path.into(),
            seen,
            digest: RefCell::new(digest),
            content: RefCell::new(content),
            descriptor: RefCell::new(None),
            used: Cell::new(Used::Not),
            shares: Cell::new(0),
        }))
    }

    /// The length of the content in memory.
    pub(crate) fn content_len(&self) -> usize {
        self.0.content.borrow().as_ref().map_or(0, |it| it.len())
    }

    /// True if the content is in memory.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.0.content.borrow().is_some()
    }

    /// Gives up the content in memory. Responses that are sending it go on from the file.
    pub(crate) fn forget_content(&self) {
        self.0.content.replace(None);
    }

    /// Bytes of memory behind the slot, without the content.
    pub(crate) fn memory(&self) -> usize {
        size_of::<SharedFile<F>>() + self.0.path.len()
    }

    /// Keeps a descriptor for the response that is about to be made.
    pub(crate) fn keep(&self, file: F::File) {
        let place = self.0.table.enter(&self.0);
        self.0.descriptor.replace(Some(Descriptor {
            file,
            place,
            opened_for: OpenedFor::FirstResponse,
        }));
    }

    /// Closes a kept descriptor that no response has taken.
    pub(crate) fn close_kept(&self) {
        let is_kept = matches!(
            &*self.0.descriptor.borrow(),
            Some(descriptor) if descriptor.opened_for == OpenedFor::FirstResponse
        );
        if is_kept && self.0.shares.get() == 0 {
            self.0.close();
        }
    }

    /// The hash of the content, once it is known.
    pub(crate) fn hash(&self) -> Option<u128> {
        self.0.digest.borrow().known()
    }

    /// Sets the hash of the content, which was computed elsewhere.
    pub(crate) fn know(&self, hash: u128) {
        self.0.digest.replace(Digest::Known(hash));
    }

    /// A share in the file; `None` if the file has changed. Content in memory cannot have changed, so
    /// the file is not looked at then.
    pub(crate) fn share(&self, reads: &mut F::Reads) -> io::Result<Option<OpenFile<F>>> {
        let is_first = self.0.shares.get() == 0;
        let file = OpenFile::of(&self.0);
        if file.is_in_memory() {
            return Ok(Some(file));
        }
        let seen = &self.0.seen;
        let unchanged = match &*self.0.descriptor.borrow() {
            // The file was opened for this very response, and may have grown since.
            Some(descriptor) if is_first && descriptor.opened_for == OpenedFor::FirstResponse => {
                let now = reads.metadata(&descriptor.file)?;
                Some(seen.is_still(&now))
            }
            Some(descriptor) => Some(reads.metadata(&descriptor.file)? == seen.metadata),
            None => None,
        };
        match unchanged {
            Some(unchanged) => Ok(unchanged.then_some(file)),
            None => Ok(file.open(|now| *now == seen.metadata)?.then_some(file)),
        }
    }
}

/// A share in a file. When the last share is dropped, the descriptor rests if the file is known, for the
/// next response; else it is closed.
pub struct OpenFile<F: Files>(Rc<SharedFile<F>>);

impl<F: Files> OpenFile<F> {
    fn of(slot: &Rc<SharedFile<F>>) -> Self {
        slot.shares.set(slot.shares.get() + 1);
        OpenFile(slot.clone())
    }

    /// The content, if it is in memory.
    pub fn content(&self) -> Option<Rc<[u8]>> {
        self.0.content.borrow().clone()
    }

    /// True if the content is in memory.
    pub fn is_in_memory(&self) -> bool {
        self.0.content.borrow().is_some()
    }

    /// The descriptor. It is opened again if it was closed meanwhile. An error if the file has changed
    /// or been replaced.
    pub fn get(&self) -> io::Result<Ref<'_, F::File>> {
        self.0.used.set(Used::Since);
        if !self.0.is_open() && !self.open(|now| self.0.seen.is_still(now))? {
            return Err(io::Error::other("it has changed"));
        }
        Ok(Ref::map(self.0.descriptor.borrow(), |descriptor| {
            let descriptor = descriptor.as_ref();
            &descriptor.expect("it is open, or was opened above").file
        }))
    }

    /// Opens the file. Returns false, and closes it, if its metadata is not what `is_wanted` asks for.
    fn open(&self, is_wanted: impl Fn(&Metadata) -> bool) -> io::Result<bool> {
        let (file, metadata) = self.0.table.open(&self.0.path)?;
        if !is_wanted(&metadata) {
            return Ok(false);
        }
        let place = self.0.table.enter(&self.0);
        self.0.used.set(Used::Since);
        self.0.descriptor.replace(Some(Descriptor {
            file,
            place,
            opened_for: OpenedFor::AnyResponse,
        }));
        Ok(true)
    }

    /// Checks the file before its last bytes are sent. It must be unchanged since the first bytes, or
    /// the response would mix two versions.
    pub fn confirm(&self, reads: &mut F::Reads) -> Result<(), BodyError> {
        if self.is_in_memory() {
            return Ok(());
        }
        let now = {
            let file = self.get()?;
            reads.metadata(&file)?
        };
        let seen = &self.0.seen;
        let mut digest = self.0.digest.borrow_mut();
        if now == seen.metadata {
            digest.confirm();
            return Ok(());
        }
        digest.give_up();
        if seen.is_still(&now) {
            Ok(())
        } else if now.len < seen.metadata.len {
            Err(BodyError::Truncated)
        } else {
            Err(BodyError::Changed)
        }
    }

    /// Hashes bytes that were read for a response: `len` bytes of the file from `offset` on, in
    /// `parts`.
    pub(crate) fn pass(&self, offset: u64, parts: &[IoSliceMut<'_>], len: usize) {
        let mut digest = self.0.digest.borrow_mut();
        let (mut offset, mut left) = (offset, len);
        for part in parts {
            let read = part.get(..left.min(part.len())).unwrap_or_default();
            digest.pass(offset, read, self.0.seen.metadata.len);
            offset += read.len() as u64;
            left -= read.len();
        }
    }

    /// Takes the hash of all bytes, which were read elsewhere. It counts once the file is confirmed.
    pub(crate) fn adopt(&self, hash: u128) {
        let mut digest = self.0.digest.borrow_mut();
        if digest.passed().is_some() {
            *digest = Digest::Whole(hash);
        }
    }

    /// Number of bytes that have gone into the hash; none if all have.
    pub(crate) fn hashed(&self) -> Option<u64> {
        self.0.digest.borrow().passed()
    }

    /// True if both are shares in one file.
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl<F: Files> Clone for OpenFile<F> {
    fn clone(&self) -> Self {
        OpenFile::of(&self.0)
    }
}

impl<F: Files> Drop for OpenFile<F> {
    fn drop(&mut self) {
        let shares = self.0.shares.get() - 1;
        self.0.shares.set(shares);
        // Without a slot, nobody knows the file any more, and it is closed by being dropped.
        if shares == 0 {
            self.0.rest();
        }
    }
}

#[cfg(test)]
impl FileState {
    /// State of a file that may grow.
    fn now(metadata: Metadata) -> Self {
        FileState {
            metadata,
            growth: Growth::Appended,
        }
    }
}

#[cfg(test)]
impl OpenFile<MemoryFiles> {
    /// The only share in the file called `path`.
    pub fn new(files: &mut MemoryFiles, path: &str) -> Self {
        let table = OpenFiles::new(files.clone(), usize::MAX);
        let (_, metadata) = files.open(path.as_bytes()).expect("it is there");
        let slot = FileSlot::new(
            &table,
            path.as_bytes(),
            FileState::now(metadata),
            None,
            Digest::Unknown,
        );
        slot.share(files)
            .expect("it can be opened")
            .expect("it has not changed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use std::time::{Duration, Instant};

    /// Time after which a file that was looked at once is looked at again.
    const REST_OVER: Duration = Duration::from_secs(1);

    fn slot(
        table: &Rc<FileTable<MemoryFiles>>,
        files: &mut MemoryFiles,
        path: &str,
    ) -> FileSlot<MemoryFiles> {
        let (_, metadata) = files.open(path.as_bytes()).unwrap();
        FileSlot::new(
            table,
            path.as_bytes(),
            FileState::now(metadata),
            None,
            Digest::Unknown,
        )
    }

    fn read(file: &OpenFile<MemoryFiles>, files: &mut MemoryFiles) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let file = file.get()?;
        files.read_at(&file, 0, &mut out, 100)?;
        Ok(out)
    }

    #[test]
    fn a_file_rests_after_its_last_share_and_is_closed_if_none_follows() {
        let mut files = MemoryFiles::new();
        files.write("f", "content");
        let table = OpenFiles::new(files.clone(), 9);
        let slot = slot(&table, &mut files, "f");
        let mut now = Instant::now();
        for _ in 0..2 {
            assert_eq!(table.until_rested(now), None);
            let first = slot.share(&mut files).unwrap().unwrap();
            let second = slot.share(&mut files).unwrap().unwrap();
            let third = second.clone();
            assert!(first.is(&third));
            assert_eq!(table.count(), 1);
            drop((first, second));
            assert_eq!(read(&third, &mut files).unwrap(), b"content");
            drop(third);
            let mut looks = 0;
            while let Some(wait) = table.until_rested(now) {
                assert_eq!(table.count(), 1);
                now += wait;
                table.close_rested(now);
                looks += 1;
            }
            assert!(table.count() == 0 && looks >= 2, "{looks} looks");
            now += REST_OVER;
        }
    }

    #[test]
    fn a_file_that_is_used_again_and_again_stays_open_and_one_that_is_in_use_is_not_looked_at() {
        let mut files = MemoryFiles::new();
        files.write("f", "content");
        files.write("g", "content");
        let table = OpenFiles::new(files.clone(), 9);
        let (used, held) = (slot(&table, &mut files, "f"), slot(&table, &mut files, "g"));
        let held = held.share(&mut files).unwrap().unwrap();
        let opens = files.counts().opens;
        let mut now = Instant::now();
        for _ in 0..5 {
            let share = used.share(&mut files).unwrap().unwrap();
            read(&share, &mut files).unwrap();
            drop(share);
            now += REST_OVER;
            table.close_rested(now);
        }
        assert_eq!((files.counts().opens, table.count()), (opens + 1, 2));
        for _ in 0..2 {
            now += REST_OVER;
            table.close_rested(now);
        }
        assert_eq!((table.count(), table.until_rested(now)), (1, None));
        read(&held, &mut files).unwrap();
    }

    #[test]
    fn a_resting_file_that_has_changed_is_not_shared() {
        let mut files = MemoryFiles::new();
        files.write("f", "content");
        let table = OpenFiles::new(files.clone(), 9);
        let slot = slot(&table, &mut files, "f");
        drop(slot.share(&mut files).unwrap());
        files.advance(Duration::from_millis(4));
        files.edit("f", |content| content.extend_from_slice(b"more"));
        assert!(slot.share(&mut files).unwrap().is_none());
    }

    #[test]
    fn a_kept_descriptor_that_no_response_takes_leaves_the_table_with_its_file() {
        let mut files = MemoryFiles::new();
        files.write("f", "content");
        let table = OpenFiles::new(files.clone(), 1);
        for _ in 0..3 {
            let slot = slot(&table, &mut files, "f");
            let (file, _) = table.open(b"f").unwrap();
            slot.keep(file);
            assert_eq!(table.count(), 1);
            drop(slot);
            assert_eq!(table.count(), 0);
        }
    }

    #[test]
    fn the_file_that_was_not_used_for_longest_gives_its_descriptor_and_opens_again() {
        let mut files = MemoryFiles::new();
        let table = OpenFiles::new(files.clone(), 2);
        let mut shares = Vec::new();
        for name in ["a", "b", "c", "d"] {
            files.write(name, name);
            let slot = slot(&table, &mut files, name);
            shares.push(slot.share(&mut files).unwrap().unwrap());
            assert!(table.count() <= 2);
        }
        for _ in 0..3 {
            for (share, name) in shares.iter().zip(["a", "b", "c", "d"]) {
                assert_eq!(read(share, &mut files).unwrap(), name.as_bytes());
                assert!(table.count() <= 2);
            }
        }
        drop(shares);
        assert_eq!(table.count(), 0);
    }

    #[test]
    fn a_file_that_changed_while_it_was_closed_is_lost() {
        let mut files = MemoryFiles::new();
        files.write("a", "a");
        files.write("b", "b");
        let table = OpenFiles::new(files.clone(), 1);
        let (a, b) = (slot(&table, &mut files, "a"), slot(&table, &mut files, "b"));
        let first = a.share(&mut files).unwrap().unwrap();
        let second = b.share(&mut files).unwrap().unwrap();
        files.write("a", "other");
        files.write("b", "other");
        assert!(read(&first, &mut files).is_err());
        // The file was open all the time.
        assert_eq!(read(&second, &mut files).unwrap(), b"b");
        assert!(a.share(&mut files).unwrap().is_none());
    }

    #[test]
    fn without_descriptors_those_that_are_open_are_given_up_and_that_is_told() {
        use super::super::open_files::Supply;
        let mut files = MemoryFiles::new();
        files.write("a", "a");
        files.write("b", "b");
        let table = OpenFiles::new(files.clone(), 9);
        let (a, b) = (slot(&table, &mut files, "a"), slot(&table, &mut files, "b"));
        let first = a.share(&mut files).unwrap().unwrap();
        assert_eq!(table.take_supply(), Supply::Enough);
        files.fail_open("b", Some(Errno::MFILE.raw_os_error()));
        assert!(b.share(&mut files).is_err());
        assert_eq!((table.count(), table.take_supply()), (0, Supply::Passing));
        files.fail_open("b", None);
        assert_eq!(read(&first, &mut files).unwrap(), b"a");
    }

    #[test]
    fn content_that_was_given_up_comes_from_the_file() {
        let mut files = MemoryFiles::new();
        files.write("a", "a");
        let (_, metadata) = files.open(b"a").unwrap();
        let table = OpenFiles::new(files.clone(), 9);
        let slot = FileSlot::new(
            &table,
            b"a",
            FileState::now(metadata),
            Some(Rc::from(&b"a"[..])),
            Digest::Unknown,
        );
        let share = slot.share(&mut files).unwrap().unwrap();
        assert_eq!(
            (share.content().as_deref(), table.count()),
            (Some(&b"a"[..]), 0)
        );
        slot.forget_content();
        assert!(share.content().is_none());
        assert_eq!(read(&share, &mut files).unwrap(), b"a");
    }
}
