//! The real [`Files`]: one directory of the machine, and nothing outside of it.
//!
//! Linux resolves a path beneath the root itself (`openat2` with `RESOLVE_BENEATH`), so that there is
//! no moment between a check and the opening in which a symlink could be swapped. Where that call is
//! missing (before Linux 5.6, or under a filter that does not know it) the path is walked one component
//! at a time. Links that neither way follows are followed by hand, in `links`, and their target is
//! opened with equal care.
//!
//! An opened file is judged by its descriptor, never by its name: `private` knows the server's own
//! files. The root itself has a name, which may be given to another directory while it is served
//! ([`Files::follow_root`]). Open files go on reading the old one.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    Advice, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fadvise, openat, statat,
};
use rustix::io::{Errno, retry_on_intr};

use super::effort::Effort;
use super::{Extent, FileKind, Files, Metadata, RootChange};

mod brought;
mod directory;
mod links;
mod openings;
mod place;
mod private;
mod reads;
mod regular;
mod resident;
mod spare;

pub use directory::OpenDirectory;
pub use openings::{HelpedOpening, MOST_HELD};
pub use place::{RootError, absolute};
pub use private::{OwnExtent, OwnFile, OwnFiles};
pub use reads::DescriptorReads;
pub use regular::{read_regular, refuse_pipe};

use links::{Symlink, Unfollowed};
use place::{Resolution, RootPlace};
use private::{FoundFile, PrivateFiles};
use resident::ResidentOpen;
use spare::Spare;

/// Opening never waits for a FIFO's writer or a device, and never takes a controlling terminal.
const OPEN: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);

/// Number of times that an opening is tried again after a rename elsewhere made the kernel unsure that
/// a `..` of a symlink stayed beneath the root. Each try is unlikely to fail. More failures in a row
/// mean that an attacker renames in order to cause them.
const RENAME_RETRIES: usize = 8;

/// Length of files up to which the kernel reads ahead by its own rules. It is asked for larger ones, by
/// `FileReads::ask_for`: by itself it would take the disk's `read_ahead_kb`, which may be 8 MiB, in the
/// middle of a call that must not wait, and all connections would wait for 20 ms while it makes room.
const READ_AHEAD_BY_ITSELF: u64 = 256 << 10;

/// The most links out of the root that are remembered as reported. Each costs its path. An operator who
/// has more of them will look for the others.
const MOST_TOLD: usize = 64;

/// A directory of this machine as the root of a site.
#[derive(Debug)]
pub struct Root {
    /// The name that the operator gave, made absolute.
    name: PathBuf,
    place: RootPlace,
    private: PrivateFiles,
    /// The time of the last change of the root's names, as it was seen last.
    named: Option<SystemTime>,
    /// Links out of the root that were reported to the operator.
    told: HashSet<Vec<u8>>,
    /// The obstacle to following the root's name that was last reported to the operator.
    trouble: Option<String>,
    effort: Effort,
    spare: Spare,
}

/// The outcome of a look at the root's name.
enum RootMove {
    /// Nothing has changed.
    None,
    /// The directory has got or lost names, or may have.
    Names,
    /// Another directory has the name.
    To(RootPlace),
}

impl Root {
    /// Opens the directory that is to be served.
    pub fn open(path: &Path) -> Result<Root, RootError> {
        let name = place::absolute(path);
        let place = RootPlace::open(&name).map_err(|source| RootError {
            path: path.to_owned(),
            source,
        })?;
        Ok(Root {
            name,
            place,
            private: PrivateFiles::default(),
            named: None,
            told: HashSet::new(),
            trouble: None,
            effort: Effort::default(),
            spare: Spare::default(),
        })
    }

    /// An error if the sandbox keeps the directory shut, which a process in a sandbox can find out alone.
    pub fn check_sandbox(&self) -> Result<(), String> {
        if !self.place.is_shut_by_sandbox() {
            return Ok(());
        }
        let parent = self.place.real.parent().unwrap_or(&self.place.real);
        Err(format!(
            "the sandbox was not told of the directory '{}': restart needed (--sandbox-read {} spares the next)",
            self.name.display(),
            parent.display()
        ))
    }

    /// Names the files that are never opened nor listed.
    pub fn keep_private(&mut self, own: impl Into<OwnFiles>) {
        self.private.set(own.into(), &self.place.real);
    }

    /// Warns of private files that lie beneath the root.
    pub fn warn_of_private(&self) {
        self.private.for_each_beneath(&self.place.real, |own| {
            log::warn!(
                "{} '{}' lies within the served directory '{}'; it is never served, but belongs \
                 elsewhere: {}",
                own.what,
                own.path.display(),
                self.name.display(),
                own.mend
            );
        });
    }

    /// The place that has the root's name now, if it is another one and may be read. An error tells why
    /// the name is not followed.
    fn moved(&mut self) -> Result<RootMove, String> {
        let name = self.name.display();
        let unreachable = |errno: Errno| match errno {
            Errno::NOENT => format!("there is no directory '{name}' any more"),
            Errno::NOTDIR => format!("'{name}' is not a directory any more"),
            errno => format!("the directory '{name}' cannot be looked up: {errno}"),
        };
        // The only system call if nothing has changed.
        let found = rustix::fs::stat(&self.name).map_err(unreachable)?;
        if private::inode(&found) == self.place.inode {
            return Ok(self.judge_names(&found));
        }
        let place = RootPlace::open(&self.name).map_err(unreachable)?;
        if place.is_shut_by_sandbox() {
            let parent = place.real.parent().unwrap_or(&place.real).display();
            return Err(format!(
                "'{name}' is another directory now, which the sandbox was not told of: start with \
                 --sandbox-read {parent}, or start anew"
            ));
        }
        if place.inode == self.place.inode {
            return Ok(RootMove::None);
        }
        Ok(RootMove::To(place))
    }

    /// Compares the time of the last change of the root's names with that of the last look.
    fn judge_names(&mut self, found: &Stat) -> RootMove {
        let changed = time(found.st_mtime, found.st_mtime_nsec as u32);
        let known = self.named.replace(changed);
        // A change so soon behind another one does not show.
        let is_settled = changed
            .checked_add(private::UNSETTLED)
            .is_some_and(|settled| settled < SystemTime::now());
        if known == Some(changed) && is_settled {
            RootMove::None
        } else {
            RootMove::Names
        }
    }

    /// Reports, once, a link that is not followed.
    fn tell(&mut self, link: &Symlink) {
        if self.told.len() < MOST_TOLD && self.told.insert(link.path.clone()) {
            log::warn!(
                "'{}' is a symbolic link to '{}', out of the served directory, and is not followed: \
                 put what it should show beneath '{}'",
                link.path.escape_ascii(),
                link.target.escape_ascii(),
                self.name.display()
            );
        }
    }

    /// Opens the file at `path` beneath the root, of any kind.
    fn open_any(&mut self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        match (self.place.resolution, self.open_beneath(path)) {
            // A link on the way is absolute or leads out, or no link can be followed this way.
            (Resolution::Kernel, Err(Errno::XDEV))
            | (Resolution::ComponentWise, Err(Errno::LOOP | Errno::NOTDIR)) => {}
            (_, opened) => return opened,
        }
        self.effort.open(path);
        for _ in path.split(|byte| *byte == b'/') {
            self.effort.call();
        }
        let names = [self.name.as_path(), &self.place.real];
        match links::follow(&self.place.descriptor, &names, path) {
            Ok(path) => self.open_beneath(&path),
            Err(Unfollowed::Failed(errno)) => Err(errno),
            Err(Unfollowed::Out(link)) => {
                if let Some(link) = link {
                    self.tell(&link);
                }
                Err(Errno::XDEV)
            }
        }
    }

    fn open_beneath(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        match self.place.resolution {
            Resolution::Kernel => open_beneath(&self.place.descriptor, path),
            Resolution::ComponentWise => self.open_component_wise(path),
        }
    }

    fn open_component_wise(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let walk = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut components = path.split(|byte| *byte == b'/').peekable();
        let mut at: Option<OwnedFd> = None;
        while let Some(component) = components.next() {
            // Only the root itself is called ".". No other component may step anywhere but down.
            if matches!(component, b"" | b"..") || (component == b"." && path != b".") {
                return Err(Errno::NOENT);
            }
            let flags = match components.peek() {
                Some(_) => walk,
                None => OPEN | OFlags::NOFOLLOW,
            };
            let base = at.as_ref().unwrap_or(&self.place.descriptor);
            let opened = retry_on_intr(|| openat(base, component, flags, Mode::empty()))?;
            at = Some(opened);
        }
        at.ok_or(Errno::NOENT)
    }

    /// The file that `path` has led to, and its metadata, if it is served.
    fn judge(
        &mut self,
        path: &[u8],
        opened: Result<OwnedFd, Errno>,
    ) -> io::Result<(OwnedFd, Metadata)> {
        let file = opened.map_err(open_error)?;
        let found = rustix::fs::fstat(&file)?;
        let Some(metadata) = self.describe(path, &found) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if metadata.len > READ_AHEAD_BY_ITSELF {
            // A file system that ignores the advice reads ahead as before.
            let _ = fadvise(&file, 0, None, Advice::Random);
        }
        Ok((file, metadata))
    }

    /// The metadata of the file that `path` has led to; `None` if it is not served.
    fn describe(&mut self, path: &[u8], found: &Stat) -> Option<Metadata> {
        let file = FoundFile::from(found);
        let is_private = self.private.is_private(path, file, &self.place.real);
        if is_private { None } else { describe(found) }
    }
}

impl Files for Root {
    type File = OwnedFd;
    type Reads = DescriptorReads;
    type Directory = OpenDirectory;
    type Opening = HelpedOpening;

    fn reads(&self) -> DescriptorReads {
        DescriptorReads::default()
    }

    fn open(&mut self, path: &[u8]) -> io::Result<(OwnedFd, Metadata)> {
        self.effort.open(path);
        let opened = self.open_any(path);
        self.judge(path, opened)
    }

    fn open_resident(&mut self, path: &[u8]) -> io::Result<(OwnedFd, Metadata)> {
        self.effort.open(path);
        let opened = match resident::open_resident(&self.place, path) {
            ResidentOpen::Opened(opened) => opened,
            ResidentOpen::Cold => return Err(io::ErrorKind::WouldBlock.into()),
            ResidentOpen::Untold => self.open_any(path),
        };
        self.judge(path, opened)
    }

    fn need_open(&mut self, reads: &mut DescriptorReads, path: &[u8]) -> Option<HelpedOpening> {
        let path = if path.is_empty() { b"." } else { path };
        reads.need_open((&self.place.descriptor, self.place.inode), path)
    }

    fn open_helped(
        &mut self,
        path: &[u8],
        opening: &HelpedOpening,
    ) -> io::Result<(OwnedFd, Metadata)> {
        let Some(opened) = opening.outcome(self.place.inode) else {
            return self.open(path);
        };
        self.effort.call();
        self.judge(path, opened)
    }

    fn follow_root(&mut self) -> RootChange {
        match self.moved() {
            Ok(RootMove::None) => self.trouble = None,
            Ok(RootMove::Names) => {
                self.trouble = None;
                return RootChange::Touched;
            }
            Ok(RootMove::To(place)) => {
                log::info!(
                    "'{}' is another directory now, '{}', and is served from here on",
                    self.name.display(),
                    place.real.display()
                );
                self.place = place;
                self.named = None;
                // No descriptor must hold the old directory.
                self.spare = Spare::default();
                self.trouble = None;
                self.told.clear();
                self.private.look_up(&self.place.real);
                self.warn_of_private();
                return RootChange::Moved;
            }
            Err(trouble) => {
                if self.trouble.as_ref() != Some(&trouble) {
                    log::warn!("{trouble}; what was opened of it is served as long as it exists");
                    self.trouble = Some(trouble);
                }
            }
        }
        RootChange::Same
    }

    fn look_up_private(&mut self) {
        self.private.look_up(&self.place.real);
    }

    fn is_private(&mut self, path: &[u8], found: &Metadata) -> bool {
        let (device, inode, _) = found.identity;
        let file = FoundFile {
            inode: (device, inode),
            has_other_names: found.links > 1,
        };
        self.private.is_private(path, file, &self.place.real)
    }

    fn is_same_root(&self, other: &Root) -> bool {
        self.name == other.name && self.place.inode == other.place.inode
    }

    fn look_up(&mut self, path: &[u8]) -> io::Result<Metadata> {
        self.effort.look_up(path);
        let path = if path.is_empty() { b"." } else { path };
        let stat = statat(&self.place.descriptor, path, AtFlags::empty()).map_err(open_error)?;
        describe(&stat).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open_directory(&mut self, path: &[u8]) -> io::Result<OpenDirectory> {
        self.effort.open(path);
        let directory = self.open_any(path).map_err(open_error)?;
        let stat = rustix::fs::fstat(&directory)?;
        match self.describe(path, &stat) {
            Some(metadata) if metadata.kind == FileKind::Directory => {
                Ok(OpenDirectory::new(path, &stat, directory))
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn read_directory(
        &mut self,
        directory: &mut OpenDirectory,
        max: usize,
        take: &mut dyn FnMut(&[u8], &Metadata),
    ) -> io::Result<Extent> {
        self.read_names(directory, max, take)
    }

    fn lend_descriptor(&mut self) -> bool {
        self.spare.lend()
    }

    fn restore_descriptors(&mut self) -> bool {
        self.spare.restore(&self.place.descriptor)
    }

    fn take_effort(&mut self) -> usize {
        self.effort.take()
    }

    fn add_effort(&mut self, bytes: usize) {
        self.effort.add(bytes);
    }

    fn now(&self) -> SystemTime {
        super::os::wall_clock()
    }
}

/// Opens what a path names beneath a directory, in the way in which files of a site are opened.
pub fn open_beneath(directory: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut retries = 0;
    loop {
        match rustix::fs::openat2(directory, path, OPEN, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) if retries < RENAME_RETRIES => retries += 1,
            result => return result,
        }
    }
}

/// The metadata of a regular file or a directory; `None` for other kinds.
fn describe(stat: &Stat) -> Option<Metadata> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        _ => return None,
    };
    let changed = i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec);
    Some(Metadata {
        kind,
        len: u64::try_from(stat.st_size).unwrap_or(0),
        modified: time(stat.st_mtime, stat.st_mtime_nsec as u32),
        identity: (stat.st_dev, stat.st_ino, changed),
        // The field's type differs between processors.
        #[allow(clippy::useless_conversion)]
        links: stat.st_nlink.into(),
    })
}

/// A file's time stamp. Seconds may be negative, nanoseconds never are. A stamp beyond the year 9999, which some file
/// systems keep and no date can tell, becomes the end of that year.
fn time(seconds: i64, nanoseconds: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    let stamp = base
        .and_then(|base| base.checked_add(Duration::from_nanos(u64::from(nanoseconds))))
        .unwrap_or(UNIX_EPOCH);
    stamp.min(super::os::in_calendar(stamp))
}

/// The error for a client: impossible names, and names that lead out of the root, in circles, or to no
/// file, all count as missing.
fn open_error(errno: Errno) -> io::Error {
    match errno {
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::LOOP
        | Errno::XDEV
        | Errno::NAMETOOLONG
        | Errno::INVAL
        | Errno::NXIO
        | Errno::NODEV => io::ErrorKind::NotFound.into(),
        errno => errno.into(),
    }
}

#[cfg(test)]
mod tests;
