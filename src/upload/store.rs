//! A directory that uploads are stored in: files that nobody sees before they are whole.
//!
//! A file is written without any name (O_TMPFILE), and linked in place when it is whole. Where the file system
//! or the lack of `/proc` forbids that, it has a hidden name and a lock meanwhile, and is renamed.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::counts::UploadCounts;
use super::digest::UploadDigest;
use super::known::KnownDigests;
use super::limits::{UploadLimits, UploadSpace};
use super::name::{TEMPORARY, numbered};
use super::refusal::UploadRefusal;
use super::rule::ExistingName;
use super::writer::UploadWriter;
use super::writing::FileWriting;
use crate::content::{DescriptorSupply, Supply, is_descriptor_limit};
use crate::exchange::Waker;

/// The most numbers that are tried for a name: each is a call that other connections wait for.
const MOST_NUMBERS: u32 = 100;

/// The means of storing uploads.
#[derive(Clone, Debug, Default)]
pub struct UploadMeans {
    /// The limits.
    pub limits: UploadLimits,
    /// The process that writes; without it the server does.
    pub writer: Option<UploadWriter>,
    /// Bring each file to the disk before its request is answered.
    pub sync: bool,
    /// The counts of all uploads.
    pub counts: Rc<UploadCounts>,
    /// The note for a lack of descriptors.
    pub(crate) descriptors: DescriptorSupply,
}

/// An open directory for uploads.
#[derive(Debug)]
pub(super) struct UploadStore {
    place: Rc<UploadPlace>,
    means: UploadMeans,
    /// The name leads elsewhere, and it was told.
    is_cut_off: bool,
    made: u64,
    naming: Naming,
    digests: KnownDigests,
}

/// The directory, as the files that are written into it share it.
#[derive(Debug)]
struct UploadPlace {
    path: PathBuf,
    directory: OwnedFd,
    /// The beginning of the names of this process's temporaries: another process has another one.
    prefix: String,
    space: UploadSpace,
    writer: Option<UploadWriter>,
    sync: bool,
    counts: Rc<UploadCounts>,
    /// Number of files that have got their names, here and in the directory before.
    stored: Cell<u64>,
}

/// The state of a file's name while it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// It has none.
    Nameless,
    /// It has a hidden one.
    Hidden,
}

/// A file that is being written. It is gone when it is dropped before it has a name.
pub(super) struct Temporary {
    place: Rc<UploadPlace>,
    file: OwnedFd,
    writing: FileWriting,
    /// The hidden name, and the one that it would have.
    name: String,
    link: TemporaryLink,
    len: u64,
}

/// The names of a directory on their way to the disk.
pub(super) struct DirectorySync {
    place: Rc<UploadPlace>,
    writing: FileWriting,
}

/// The place of a temporary in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TemporaryLink {
    /// None: it is gone when it is closed.
    Nameless,
    /// Its hidden name.
    Hidden,
    /// The name that its client wants.
    Named,
}

/// The outcome of naming a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Its name is new.
    New(String),
    /// It has taken the place of another file.
    Replaced(String),
    /// Its name is taken.
    Taken,
}

impl UploadStore {
    /// Opens the directory, and removes what uploads that nobody writes any more have left in it.
    pub(super) fn open(path: &Path, means: UploadMeans) -> io::Result<Self> {
        let mut store = UploadStore {
            place: Rc::new(UploadPlace::open(path, &means)?),
            means,
            is_cut_off: false,
            made: 0,
            naming: Naming::Nameless,
            digests: KnownDigests::default(),
        };
        store.choose_naming();
        Ok(store)
    }

    fn choose_naming(&mut self) {
        self.naming = Naming::Nameless;
        if self.try_nameless().is_err() {
            self.naming = Naming::Hidden;
        }
    }

    /// Goes on in the directory that has the name now, where that is another one than was opened: a file in one
    /// that was removed or moved away would be lost to those who look for it.
    fn follow(&mut self) -> io::Result<()> {
        if self.place.is_current() {
            return Ok(());
        }
        let before = (self.place.clone(), self.naming);
        match self.move_on() {
            Ok(()) => {
                let path = self.place.path.display();
                log::info!("the directory for uploads '{path}' is another one now");
                self.is_cut_off = false;
                Ok(())
            }
            Err(error) => {
                (self.place, self.naming) = before;
                if !std::mem::replace(&mut self.is_cut_off, true) {
                    log::warn!(
                        "the directory for uploads '{}' is not the one that was opened, and uploads are refused: \
                         {error}; start the server again",
                        self.place.path.display()
                    );
                }
                Err(Errno::STALE.into())
            }
        }
    }

    /// Opens the directory that has the name now, and tries to write in it: the sandbox may let it be read alone.
    fn move_on(&mut self) -> io::Result<()> {
        let place = UploadPlace::open(&self.place.path, &self.means)?;
        place.stored.set(self.stored() + 1);
        self.place = Rc::new(place);
        self.choose_naming();
        self.begin_as(self.naming, FileWriting::Direct).map(drop)
    }

    /// Tries if a file without a name can be linked here.
    fn try_nameless(&mut self) -> io::Result<()> {
        let mut file = self.begin_as(Naming::Nameless, FileWriting::Direct)?;
        // Dropped, it goes again.
        file.hide()
    }

    /// Checks that there is room for a file of the length that its request announces.
    pub(super) fn check_announced(&self, len: u64) -> Result<(), UploadRefusal> {
        self.place.space.check_announced(&self.place.directory, len)
    }

    /// Begins a file, whose writing wakes this request.
    pub(super) fn begin(&mut self, waker: &Waker) -> Result<Temporary, UploadRefusal> {
        self.follow()?;
        self.check_announced(0)?;
        let begun = self.begin_as(self.naming, self.place.writing(waker));
        if let Err(error) = &begun
            && is_descriptor_limit(error)
        {
            self.means.descriptors.note(Supply::Short);
        }
        Ok(begun?)
    }

    /// Begins to bring the names of the directory to the disk, where that is wanted.
    pub(super) fn sync_names(&self, waker: &Waker) -> Option<DirectorySync> {
        self.place.sync.then(|| DirectorySync {
            writing: self.place.writing(waker),
            place: self.place.clone(),
        })
    }

    fn begin_as(&mut self, naming: Naming, writing: FileWriting) -> io::Result<Temporary> {
        self.made += 1;
        let name = format!("{}{}", self.place.prefix, self.made);
        let mode = Mode::from_raw_mode(0o644);
        let directory = &self.place.directory;
        let (file, link) = match naming {
            Naming::Nameless => {
                let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
                let file = rustix::fs::openat(directory, ".", flags, mode)?;
                (file, TemporaryLink::Nameless)
            }
            Naming::Hidden => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let file = rustix::fs::openat(directory, name.as_str(), flags, mode)?;
                (file, TemporaryLink::Hidden)
            }
        };
        let temporary = Temporary {
            place: self.place.clone(),
            file,
            writing,
            name,
            link,
            len: 0,
        };
        // Another process that starts meanwhile may take a hidden one for a leftover.
        rustix::fs::flock(&temporary.file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(temporary)
    }

    /// Number of changes of the names in the directory that were made here.
    pub(super) fn stored(&self) -> u64 {
        self.place.stored.get()
    }

    /// The counts of all uploads.
    pub(super) fn counts(&self) -> &UploadCounts {
        &self.place.counts
    }

    /// Learns the digest of a file that is whole.
    pub(super) fn learn(&mut self, file: &Temporary, digest: UploadDigest) -> io::Result<()> {
        self.digests.learn(&file.file, digest)
    }

    /// The digest of the file of this name, if it is known.
    pub(super) fn digest(&self, name: &[u8]) -> Option<UploadDigest> {
        self.digests.find(&self.place.directory, name)
    }

    /// The first names in the directory that are not hidden, in their order.
    pub(super) fn names(&self, most: usize) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.place.directory)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if let Ok(name) = std::str::from_utf8(name)
                && !name.starts_with('.')
            {
                names.push(name.to_owned());
            }
            if names.len() == most {
                break;
            }
        }
        names.sort();
        Ok(names)
    }
}

impl UploadPlace {
    fn open(path: &Path, means: &UploadMeans) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = since.unwrap_or_default().as_nanos();
        sweep(&directory)?;
        Ok(UploadPlace {
            path: path.into(),
            directory,
            prefix: format!("{TEMPORARY}{}-{since:x}-", std::process::id()),
            space: UploadSpace::new(means.limits),
            writer: means.writer.clone(),
            sync: means.sync,
            counts: means.counts.clone(),
            stored: Cell::new(0),
        })
    }

    /// False if the name leads to another directory by now, or to nothing. Where it may not be looked at, as by a
    /// user that the server has become, the directory stays in use.
    fn is_current(&self) -> bool {
        let inode = |stat: Stat| (stat.st_dev, stat.st_ino);
        match rustix::fs::stat(&self.path) {
            Ok(named) => rustix::fs::fstat(&self.directory).map(inode) == Ok(inode(named)),
            Err(errno) => !matches!(errno, Errno::NOENT | Errno::NOTDIR),
        }
    }

    /// The way of bytes into a file, whose writing wakes this request.
    fn writing(&self, waker: &Waker) -> FileWriting {
        let writer = self.writer.clone().filter(UploadWriter::is_alive);
        FileWriting::new(writer.map(|writer| (writer, waker.clone())))
    }
}

impl DirectorySync {
    /// True once the names are on the disk.
    pub(super) fn is_done(&mut self) -> io::Result<bool> {
        self.writing.settle(&self.place.directory, true)
    }
}

/// Removes temporaries without a lock.
fn sweep(directory: &OwnedFd) -> io::Result<()> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if !name.as_bytes().starts_with(TEMPORARY.as_bytes()) {
            continue;
        }
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(directory, name, flags, Mode::empty()) else {
            continue;
        };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
        }
    }
    Ok(())
}

impl Temporary {
    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), UploadRefusal> {
        let place = &self.place;
        place
            .space
            .grow(&place.directory, self.len, data.len() as u64)?;
        // Counted from here on, written or not.
        self.len += data.len() as u64;
        Ok(self.writing.write(&self.file, data)?)
    }

    /// True if the server writes the file.
    pub(super) fn is_direct(&self) -> bool {
        self.writing.is_direct()
    }

    /// Bytes that wait for the process that writes.
    pub(super) fn held(&self) -> usize {
        self.writing.held()
    }

    /// Goes on with writing.
    pub(super) fn go_on(&mut self) -> Result<(), UploadRefusal> {
        Ok(self.writing.go_on(&self.file)?)
    }

    /// Prepares to take the place of the file of this name, if there is one.
    pub(super) fn will_replace(&mut self, name: &str) {
        self.writing.will_replace(&self.place.directory, name);
    }

    /// True once all of the file is written, and on the disk where that is wanted.
    pub(super) fn is_settled(&mut self) -> Result<bool, UploadRefusal> {
        Ok(self.writing.settle(&self.file, self.place.sync)?)
    }

    /// Gives the file its name, by the rule for a name that is taken. In a directory that was replaced meanwhile
    /// nobody would find it.
    pub(super) fn store(mut self, name: &str, existing: ExistingName) -> io::Result<Stored> {
        if !self.place.is_current() {
            return Err(Errno::STALE.into());
        }
        if self.place_new(name)? {
            return Ok(Stored::New(name.into()));
        }
        match existing {
            ExistingName::Refuse => {}
            ExistingName::Replace => {
                if self.replace(name)? {
                    return Ok(Stored::Replaced(name.into()));
                }
            }
            ExistingName::Number => {
                for number in 1..=MOST_NUMBERS {
                    let name = numbered(name, number);
                    if self.place_new(&name)? {
                        return Ok(Stored::New(name));
                    }
                }
            }
        }
        Ok(Stored::Taken)
    }

    /// Gives the file a name that is free; false if it is taken.
    fn place_new(&mut self, name: &str) -> io::Result<bool> {
        let placed = match self.link {
            TemporaryLink::Named => return Ok(false),
            TemporaryLink::Nameless => self.link_as(name),
            TemporaryLink::Hidden => self.move_to(name, RenameFlags::NOREPLACE),
        };
        self.placed(placed, 0)
    }

    /// Puts the file in the place of the one that has the name; false if that is a directory.
    fn replace(&mut self, name: &str) -> io::Result<bool> {
        if self.link == TemporaryLink::Nameless {
            self.hide()?;
        }
        let directory = &self.place.directory;
        let replaced = if self.place.space.counts() {
            let found = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
            found.map_or(0, |found| u64::try_from(found.st_size).unwrap_or(0))
        } else {
            0
        };
        let moved = self.move_to(name, RenameFlags::empty());
        self.placed(moved, replaced)
    }

    /// Takes the outcome of naming.
    fn placed(&mut self, outcome: Result<(), Errno>, replaced: u64) -> io::Result<bool> {
        match outcome {
            Ok(()) => {
                self.link = TemporaryLink::Named;
                self.place.space.add(self.len, replaced);
                self.place.stored.set(self.place.stored.get() + 1);
                Ok(true)
            }
            // A directory has the name.
            Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a file without a name its hidden one.
    fn hide(&mut self) -> io::Result<()> {
        self.link_as(&self.name)?;
        self.link = TemporaryLink::Hidden;
        Ok(())
    }

    fn link_as(&self, name: &str) -> Result<(), Errno> {
        // Linking by the descriptor itself takes a capability.
        let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let flags = AtFlags::SYMLINK_FOLLOW;
        rustix::fs::linkat(CWD, file, &self.place.directory, name, flags)
    }

    fn move_to(&self, name: &str, flags: RenameFlags) -> Result<(), Errno> {
        let (directory, own) = (&self.place.directory, self.name.as_str());
        match rustix::fs::renameat_with(directory, own, directory, name, flags) {
            // The file system cannot refuse to replace, as some of networks: a link can.
            Err(Errno::INVAL | Errno::NOSYS) if flags == RenameFlags::NOREPLACE => {
                rustix::fs::linkat(directory, own, directory, name, AtFlags::empty())?;
                rustix::fs::unlinkat(directory, own, AtFlags::empty())
            }
            moved => moved,
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        self.place.space.settle(self.len);
        if self.link == TemporaryLink::Hidden {
            let name = self.name.as_str();
            // What cannot be removed is hidden, and goes with the next start.
            let _ = rustix::fs::unlinkat(&self.place.directory, name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests;
