//! [`Files`] and [`FileReads`] in memory, with faults: for tests and for the simulation of the whole server.
//!
//! A [`MemoryFiles`] is a handle: clones see the same tree, so a test keeps one and changes files
//! beneath a running site. Content belongs to an inode, as on a disk: an open file goes on reading the
//! old inode after its name was given to a new one, and sees a truncation at once.

mod directory;
mod inode;
mod slow_names;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::effort::Effort;
use super::{Extent, FileKind, FileReads, Files, HelpAnswer, HelpId, HelpOutcome};
use super::{Metadata, Residence};
use directory::MemoryDirectory;
use inode::MemoryInode;
pub use slow_names::MemoryOpening;
use slow_names::SlowNames;

/// The least number of bytes that the slow disk brings.
const PAGE: u64 = 4 << 10;

/// A tree of files in memory.
#[derive(Clone)]
pub struct MemoryFiles(Rc<MemoryDisk>);

/// Action before each read. Its error is that of the read.
type ReadHook = Box<dyn FnMut(&MemoryFiles) -> io::Result<()>>;

/// State that all clones share.
struct MemoryDisk {
    names: RefCell<BTreeMap<Vec<u8>, Rc<MemoryInode>>>,
    open_errors: RefCell<BTreeMap<Vec<u8>, i32>>,
    /// Nanoseconds since 1970.
    clock: Cell<u64>,
    next_inode: Cell<u64>,
    read_limit: Cell<usize>,
    read_hook: RefCell<Option<ReadHook>>,
    disk_time: Cell<Duration>,
    /// Time at which the disk has brought a page that was asked for, by inode and page.
    brought: RefCell<BTreeMap<(u64, u64), u64>>,
    slow_names: SlowNames,
    counts: Cell<Counts>,
    effort: Cell<Effort>,
    /// Tasks that a helper still takes.
    help: Cell<usize>,
    answers: RefCell<VecDeque<HelpAnswer>>,
}

/// Number of uses of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of calls of [`Files::open`], failed ones included.
    pub opens: usize,
    /// Number of calls of [`Files::look_up`], failed ones included.
    pub look_ups: usize,
    /// Number of calls of [`FileReads::read_at`].
    pub reads: usize,
    /// Number of bytes that were read.
    pub bytes_read: u64,
}

/// An open file of a [`MemoryFiles`].
#[derive(Debug)]
pub struct MemoryFile(Rc<MemoryInode>);

impl Default for MemoryFiles {
    fn default() -> Self {
        let files = MemoryFiles(Rc::new(MemoryDisk {
            names: RefCell::default(),
            open_errors: RefCell::default(),
            // 2026-01-01 00:00:00 UTC.
            clock: Cell::new(1_767_225_600_000_000_000),
            next_inode: Cell::new(1),
            read_limit: Cell::new(usize::MAX),
            read_hook: RefCell::default(),
            disk_time: Cell::default(),
            brought: RefCell::default(),
            slow_names: SlowNames::default(),
            counts: Cell::default(),
            effort: Cell::default(),
            help: Cell::default(),
            answers: RefCell::default(),
        }));
        files.insert(b"", FileKind::Directory, Vec::new());
        files
    }
}

impl MemoryFiles {
    /// An empty root at the start of the year 2026.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a new file at `path`, in the place of any other, with the directories above it.
    pub fn write(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.write_bytes(path.as_bytes(), content);
    }

    /// [`MemoryFiles::write`] for names that are not UTF-8.
    pub fn write_bytes(&self, path: &[u8], content: impl Into<Vec<u8>>) {
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            if !self.0.names.borrow().contains_key(&path[..at]) {
                self.insert(&path[..at], FileKind::Directory, Vec::new());
            }
        }
        self.insert(path, FileKind::File, content.into());
    }

    /// Has a helper take so many tasks of hashing.
    pub fn help_with(&self, tasks: usize) {
        self.0.help.set(tasks);
    }

    /// Has the tasks that were not answered yet fail.
    pub fn fail_help(&self) {
        for answer in self.0.answers.borrow_mut().iter_mut() {
            answer.outcome = HelpOutcome::Failed;
        }
    }

    /// Makes an empty directory.
    pub fn create_directory(&self, path: &str) {
        self.insert(path.as_bytes(), FileKind::Directory, Vec::new());
    }

    /// Changes the content of a file in place. Open files see the change.
    pub fn edit(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(inode) = self.0.names.borrow().get(path.as_bytes()) {
            change(&mut inode.content.borrow_mut());
            inode.modified.set(self.0.clock.get());
            inode.changed.set(self.0.clock.get());
        }
    }

    /// Truncates a file in place, as a deployment that overwrites files does.
    pub fn truncate(&self, path: &str, len: usize) {
        self.edit(path, |content| content.truncate(len));
    }

    /// Sets the time of the last modification, as `touch -d` does.
    pub fn set_modified(&self, path: &str, modified: SystemTime) {
        if let Some(inode) = self.0.names.borrow().get(path.as_bytes()) {
            inode.modified.set(nanoseconds(modified));
            inode.changed.set(self.0.clock.get());
        }
    }

    /// Removes a name. Open files stay readable.
    pub fn remove(&self, path: &str) {
        let inode = self.0.names.borrow_mut().remove(path.as_bytes());
        self.unlink(inode);
    }

    /// Notes that a file has lost a name, which shows in the metadata of an open file.
    fn unlink(&self, inode: Option<Rc<MemoryInode>>) {
        if let Some(inode) = inode {
            inode.links.set(0);
            inode.changed.set(self.0.clock.get());
        }
    }

    /// Makes opening `path` fail from now on, with an error of the operating system; `None` heals it.
    pub fn fail_open(&self, path: &str, errno: Option<i32>) {
        let mut errors = self.0.open_errors.borrow_mut();
        match errno {
            Some(errno) => errors.insert(path.as_bytes().to_vec(), errno),
            None => errors.remove(path.as_bytes()),
        };
    }

    /// Makes each read give at most `bytes` bytes from now on.
    pub fn limit_reads(&self, bytes: usize) {
        self.0.read_limit.set(bytes.max(1));
    }

    /// Runs `hook` before each read from now on, to change the very file or to fail.
    pub fn before_reads(&self, hook: impl FnMut(&MemoryFiles) -> io::Result<()> + 'static) {
        self.0.read_hook.replace(Some(Box::new(hook)));
    }

    /// Makes the disk slow from now on: bytes are in memory only `time` after they were first asked
    /// for.
    pub fn slow_disk(&self, time: Duration) {
        self.0.disk_time.set(time);
        self.0.brought.borrow_mut().clear();
    }

    /// Number of bytes at the front of a range that are in memory.
    fn resident(&self, file: &MemoryFile, offset: u64, len: u64) -> u64 {
        if self.0.disk_time.get().is_zero() {
            return len;
        }
        let now = self.0.clock.get();
        let brought = self.0.brought.borrow();
        let is_there = |page: &u64| {
            brought
                .get(&(file.0.number, *page))
                .is_some_and(|due| *due <= now)
        };
        let mut pages = offset / PAGE..(offset + len).div_ceil(PAGE);
        match pages.find(|page| !is_there(page)) {
            Some(page) => (page * PAGE).saturating_sub(offset),
            None => len,
        }
    }

    /// Lets the clock that stamps files run on.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.0.clock.set(self.0.clock.get().saturating_add(by));
    }

    /// Sets the clock that stamps files. The disk takes as long as it would have.
    pub fn set_clock(&self, now: SystemTime) {
        let (before, now) = (self.0.clock.get(), nanoseconds(now));
        self.0.clock.set(now);
        self.0.slow_names.move_clock(before, now);
        for due in self.0.brought.borrow_mut().values_mut() {
            *due = due.saturating_sub(before).saturating_add(now);
        }
    }

    /// Number of uses of the tree so far.
    pub fn counts(&self) -> Counts {
        self.0.counts.get()
    }

    fn insert(&self, path: &[u8], kind: FileKind, content: Vec<u8>) {
        let number = self.0.next_inode.get();
        self.0.next_inode.set(number + 1);
        let inode = MemoryInode {
            number,
            kind,
            content: RefCell::new(content),
            modified: Cell::new(self.0.clock.get()),
            changed: Cell::new(self.0.clock.get()),
            links: Cell::new(1),
        };
        let mut names = self.0.names.borrow_mut();
        let replaced = names.insert(path.to_vec(), Rc::new(inode));
        self.unlink(replaced);
    }

    fn work(&self, note: impl FnOnce(&mut Effort)) {
        let mut effort = self.0.effort.get();
        note(&mut effort);
        self.0.effort.set(effort);
    }

    fn find(&self, path: &[u8]) -> io::Result<Rc<MemoryInode>> {
        if let Some(errno) = self.0.open_errors.borrow().get(path) {
            return Err(io::Error::from_raw_os_error(*errno));
        }
        let names = self.0.names.borrow();
        let inode = names.get(path).cloned();
        inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.0.counts.get();
        change(&mut counts);
        self.0.counts.set(counts);
    }
}

impl FileReads for MemoryFiles {
    type File = MemoryFile;

    fn read_at(
        &mut self,
        file: &MemoryFile,
        offset: u64,
        out: &mut Vec<u8>,
        max: usize,
    ) -> io::Result<usize> {
        // The hook is taken out while it runs, so that it may use the tree itself.
        let hook = self.0.read_hook.take();
        if let Some(mut hook) = hook {
            let result = hook(self);
            self.0.read_hook.replace(Some(hook));
            result?;
        }
        let content = file.0.content.borrow();
        let start = usize::try_from(offset).map_or(content.len(), |start| start.min(content.len()));
        let len = max.min(self.0.read_limit.get()).min(content.len() - start);
        out.extend_from_slice(&content[start..start + len]);
        self.work(|effort| effort.read(max));
        self.count(|counts| {
            counts.reads += 1;
            counts.bytes_read += len as u64;
        });
        Ok(len)
    }

    fn read_resident(
        &mut self,
        file: &MemoryFile,
        offset: u64,
        slices: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        let len = slices.iter().map(|slice| slice.len() as u64).sum();
        let mut left = self.resident(file, offset, len) as usize;
        if left == 0 && len > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut resident = Vec::new();
        for slice in slices {
            let there = left.min(slice.len());
            left -= there;
            resident.push(IoSliceMut::new(&mut slice[..there]));
        }
        self.read_scattered(file, offset, &mut resident)
    }

    fn residence(&mut self, file: &MemoryFile, offset: u64, len: u64) -> io::Result<Residence> {
        let last = offset + len - 1;
        if last >= file.0.content.borrow().len() as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let resident = |at| self.resident(file, at, 1) == 1;
        Ok(if resident(offset) && resident(last) {
            Residence::Memory
        } else {
            Residence::Disk
        })
    }

    fn ask_for(&mut self, file: &MemoryFile, offset: u64, len: u64) -> io::Result<()> {
        let time = nanoseconds(UNIX_EPOCH + self.0.disk_time.get());
        let due = self.0.clock.get() + time;
        let mut brought = self.0.brought.borrow_mut();
        for page in offset / PAGE..(offset + len).div_ceil(PAGE) {
            brought.entry((file.0.number, page)).or_insert(due);
        }
        Ok(())
    }

    fn hash_by_helper(&mut self, file: &MemoryFile, offset: u64, len: u64) -> Option<HelpId> {
        let left = self.0.help.get();
        self.0.help.set(left.checked_sub(1)?);
        let content = file.0.content.borrow();
        let hashed = &content[..usize::try_from(offset + len).expect("it is in memory")];
        let answer = HelpAnswer {
            id: HelpId(left as u32),
            outcome: HelpOutcome::Hashed(xxhash_rust::xxh3::xxh3_128(hashed)),
        };
        self.0.answers.borrow_mut().push_back(answer);
        Some(answer.id)
    }

    fn is_helped(&self) -> bool {
        self.0.slow_names.takes_tasks()
    }

    fn take_needed(&mut self) -> Option<HelpId> {
        self.0.slow_names.take_needed()
    }

    fn take_answer(&mut self) -> Option<HelpAnswer> {
        let answer = self.0.answers.borrow_mut().pop_front();
        answer.or_else(|| self.answer_opening())
    }

    fn help_timeout(&self) -> Option<Duration> {
        self.0.slow_names.timeout(self.0.clock.get())
    }

    fn metadata(&mut self, file: &MemoryFile) -> io::Result<Metadata> {
        self.work(Effort::call);
        Ok(file.0.metadata())
    }

    fn note_hashed(&mut self, len: usize) {
        self.work(|effort| effort.read(len));
    }

    fn note_slice(&mut self) {
        self.work(Effort::slice);
    }

    fn take_effort(&mut self) -> usize {
        self.0.effort.take().take()
    }
}

impl Files for MemoryFiles {
    type File = MemoryFile;
    type Reads = Self;
    type Directory = MemoryDirectory;
    type Opening = MemoryOpening;

    fn reads(&self) -> Self {
        self.clone()
    }

    fn open(&mut self, path: &[u8]) -> io::Result<(MemoryFile, Metadata)> {
        self.count(|counts| counts.opens += 1);
        self.work(|effort| effort.open(path));
        let inode = self.find(path)?;
        let metadata = inode.metadata();
        Ok((MemoryFile(inode), metadata))
    }

    fn open_resident(&mut self, path: &[u8]) -> io::Result<(MemoryFile, Metadata)> {
        if self.is_cold(path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.open(path)
    }

    fn need_open(&mut self, reads: &mut Self, path: &[u8]) -> Option<MemoryOpening> {
        reads.0.slow_names.open(path, self.0.clock.get())
    }

    fn open_helped(
        &mut self,
        path: &[u8],
        opening: &MemoryOpening,
    ) -> io::Result<(MemoryFile, Metadata)> {
        let inode = match opening.opened() {
            Some(opened) => opened?,
            None => return self.open(path),
        };
        let metadata = inode.metadata();
        Ok((MemoryFile(inode), metadata))
    }

    fn look_up(&mut self, path: &[u8]) -> io::Result<Metadata> {
        self.count(|counts| counts.look_ups += 1);
        self.work(|effort| effort.look_up(path));
        Ok(self.find(path)?.metadata())
    }

    fn is_same_root(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    fn open_directory(&mut self, path: &[u8]) -> io::Result<Self::Directory> {
        let (directory, metadata) = self.open(path)?;
        if metadata.kind != FileKind::Directory {
            return Err(io::ErrorKind::NotFound.into());
        }
        drop(directory);
        let mut prefix = path.to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let names = self.0.names.borrow();
        let entries: Vec<_> = names
            .range(prefix.clone()..)
            .take_while(|(name, _)| name.starts_with(&prefix))
            .filter_map(|(name, inode)| {
                let name = &name[prefix.len()..];
                let is_entry = !name.is_empty() && !name.contains(&b'/');
                is_entry.then(|| (name.to_vec(), inode.metadata()))
            })
            .collect();
        Ok(MemoryDirectory::new(entries))
    }

    fn read_directory(
        &mut self,
        directory: &mut Self::Directory,
        max: usize,
        take: &mut dyn FnMut(&[u8], &Metadata),
    ) -> io::Result<Extent> {
        Ok(directory.read(max, |name, metadata| {
            self.work(Effort::name);
            take(name, metadata);
        }))
    }

    fn take_effort(&mut self) -> usize {
        self.0.effort.take().take()
    }

    fn add_effort(&mut self, bytes: usize) {
        self.work(|effort| effort.add(bytes));
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.0.clock.get())
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
