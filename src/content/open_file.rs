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
    /// Number of shares that were taken in content in memory since the last visit of the cache, as far as
    /// it goes.
    content_uses: Cell<u8>,
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
            content_uses: Cell::new(0),
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

    /// Number of responses that used the content in memory since the last call; at most 255 are counted.
    pub(crate) fn take_content_uses(&self) -> u8 {
        self.0.content_uses.take()
    }

    /// True if a response lately read from the file, whose content is not in memory.
    pub(crate) fn was_read(&self) -> bool {
        self.0.used.get() == Used::Since && !self.is_in_memory()
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

    /// A share in the file for a response whose bytes are in memory. The file is not looked at.
    pub(crate) fn lend(&self) -> OpenFile<F> {
        OpenFile::of(&self.0)
    }

    /// A share in the file; `None` if the file has changed. Content in memory cannot have changed, so
    /// the file is not looked at then.
    pub(crate) fn share(&self, reads: &mut F::Reads) -> io::Result<Option<OpenFile<F>>> {
        let is_first = self.0.shares.get() == 0;
        let file = OpenFile::of(&self.0);
        if file.is_in_memory() {
            file.count_use();
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

    /// Counts a response whose bytes are the content in memory.
    pub(crate) fn count_use(&self) {
        let uses = &self.0.content_uses;
        uses.set(uses.get().saturating_add(1));
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

    /// Keeps the content in memory, for this response and the next ones, unless it is not the whole file in the
    /// state in which responses began. `now` is the state behind the reading.
    pub(crate) fn keep_content(&self, content: Rc<[u8]>, now: &Metadata) -> bool {
        let is_whole = content.len() as u64 == now.len && *now == self.0.seen.metadata;
        if is_whole {
            self.0.content.replace(Some(content));
        }
        is_whole
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
mod tests;
