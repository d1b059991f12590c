//! The server's own files: keys, certificates, logs. They are never opened for a response nor listed,
//! under any name of the site.
//!
//! A file is recognised by its inode, so that symbolic and hard links make no difference, and by its
//! name beneath the root, so that files that have just appeared beside it (a rotated log, the copy of a
//! key) are hidden as well. Inodes are looked up again when the directory that holds them has changed,
//! so renewed certificates are private before the server is told of them.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, open, openat, stat, statat,
};

/// Device and inode number of a file.
pub type Inode = (u64, u64);

/// A directory that changed less than this ago can change once more without its times showing it: two
/// seconds is the coarsest clock of a file system (FAT).
pub(super) const UNSETTLED: Duration = Duration::from_secs(2);

/// The most names that are looked at in all directories of own files beneath a root. They take a millisecond.
/// Certificates of a hundred hosts are fewer, and a log has few predecessors.
const MOST_NAMES: usize = 1_000;

/// Depth to which a directory of secrets is searched: ACME clients keep `archive/HOST/FILE`.
const DEPTH: usize = 4;

/// The most keys that are remembered after new keys took their names. An operator renews a key a few
/// times while a server runs, and each costs a descriptor.
const MOST_KEYS: usize = 16;

/// A file or directory of the server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFile {
    /// The path that the operator named.
    pub path: PathBuf,
    /// Extent of the private files beside it.
    pub extent: OwnExtent,
    /// The beginning of the warning if the file lies beneath the root: "the access log".
    pub what: &'static str,
    /// The end of that warning: the way to have the file elsewhere.
    pub mend: &'static str,
}

/// Extent of the private files in a directory for the sake of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnExtent {
    /// The file, and all files of its directory whose names begin with its name.
    Namesakes,
    /// All of the file's directory, unless that is the root itself or above it, because predecessors of
    /// a key are as secret as the key.
    Neighbours,
    /// A directory, with all that is in it.
    Directory,
}

/// The own files of a server, which all of its roots share: each looks at those that lie beneath it.
#[derive(Clone, Debug, Default)]
pub struct OwnFiles(Rc<RefCell<OwnTable>>);

impl From<Vec<OwnFile>> for OwnFiles {
    fn from(own: Vec<OwnFile>) -> Self {
        OwnFiles(Rc::new(RefCell::new(OwnTable {
            own,
            ..OwnTable::default()
        })))
    }
}

/// The own files as they were found last.
#[derive(Debug, Default)]
struct OwnTable {
    own: Vec<OwnFile>,
    /// The paths that the names lead to, sorted, each with the number of its file.
    paths: Vec<(Vec<u8>, usize)>,
    inodes: HashSet<Inode>,
    /// The present keys and those before them: an old key is a secret as long as its certificate is
    /// good. An inode whose descriptor is held is not given to another file.
    keys: Vec<OwnedFd>,
    /// Directories of own files, each with the inodes of all that is in it.
    directories: Vec<(PathBuf, HashSet<Inode>)>,
    watched: WatchedDirectories,
    /// Number of looks so far.
    looks: u64,
}

/// Directories that hold own files, each with the time of its last change.
#[derive(Debug, Default)]
struct WatchedDirectories(HashMap<PathBuf, Option<SystemTime>>);

impl WatchedDirectories {
    fn watch(&mut self, directory: &Path) {
        if !self.0.contains_key(directory) {
            let time = changed(directory);
            self.0.insert(directory.to_owned(), time);
        }
    }

    /// True if a directory has changed, or may have without its times showing it.
    fn is_stale(&self) -> bool {
        let settled = SystemTime::now().checked_sub(UNSETTLED);
        self.0.iter().any(|(directory, known)| {
            let now = changed(directory);
            now != *known || now > settled
        })
    }
}

impl OwnTable {
    /// Looks up anew the files that the names lead to.
    fn look_up(&mut self) {
        self.looks += 1;
        self.inodes.clear();
        self.paths.clear();
        self.watched.0.clear();
        self.keys
            .retain(|key| fstat(key).is_ok_and(|found| found.st_nlink > 0));
        for (number, own) in self.own.iter().enumerate() {
            // The name itself, and the target of a link: `live/key.pem` and `archive/key7.pem`.
            let mut paths = vec![parent_resolved(&own.path), own.path.canonicalize().ok()];
            paths.dedup();
            for path in paths.into_iter().flatten() {
                // A directory may contain a root, which decides by itself.
                if own.extent != OwnExtent::Directory {
                    let found = stat(&path).ok().map(|found| inode(&found));
                    self.inodes.extend(found);
                    self.watched.watch(path.parent().unwrap_or(&path));
                }
                if own.extent == OwnExtent::Neighbours {
                    hold(&mut self.keys, &path);
                }
                self.paths.push((bytes(&path), number));
            }
        }
        self.paths.sort_unstable();
        self.enter_directories();
        let keys = self.keys.iter().filter_map(|key| fstat(key).ok());
        // The files that messages were redirected to, even if they have other names by now.
        let streams = [fstat(std::io::stdout()), fstat(std::io::stderr())];
        let files = streams.into_iter().flatten().filter(is_file);
        self.inodes
            .extend(keys.chain(files).map(|found| inode(&found)));
    }

    /// The paths beneath a root, each with its file.
    fn beneath(&self, root: &Path) -> impl Iterator<Item = (&Path, &OwnFile)> {
        let mut root = bytes(root);
        if root.last() != Some(&b'/') {
            root.push(b'/');
        }
        let from = self.paths.partition_point(|(path, _)| *path < root);
        let rest = self.paths.get(from..).unwrap_or_default().iter();
        let rest = rest.take_while(move |(path, _)| path.starts_with(&root));
        rest.filter_map(|(path, number)| {
            let own = self.own.get(*number)?;
            Some((Path::new(OsStr::from_bytes(path)), own))
        })
    }

    /// Notes what is in directories of own files.
    fn enter_directories(&mut self) {
        self.directories.clear();
        let mut left = MOST_NAMES;
        for (path, number) in &self.paths {
            let own = self.own.get(*number);
            if own.is_some_and(|own| own.extent == OwnExtent::Directory) {
                let directory = Path::new(OsStr::from_bytes(path));
                self.watched.watch(directory);
                let mut inodes = HashSet::new();
                inodes.extend(stat(directory).ok().map(|found| inode(&found)));
                enter(&mut inodes, CWD, path, DEPTH, &mut left);
                self.directories.push((directory.to_owned(), inodes));
            }
        }
    }

    /// True for the inode of an own file. A directory that contains the root would hide the whole site. Its files
    /// are named one by one as well.
    fn has(&self, inode: &Inode, root: &Path) -> bool {
        let mut directories = self.directories.iter();
        self.inodes.contains(inode)
            || directories.any(|(path, inodes)| inodes.contains(inode) && !root.starts_with(path))
    }
}

/// Holds the descriptor of the present key.
fn hold(keys: &mut Vec<OwnedFd>, path: &Path) {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let Ok(key) = open(path, flags, Mode::empty()) else {
        return;
    };
    let of = |key: &OwnedFd| fstat(key).map(|found| inode(&found)).ok();
    let held = of(&key);
    keys.retain(|known| of(known) != held);
    keys.push(key);
    let most = keys.len().saturating_sub(MOST_KEYS);
    keys.drain(..most);
}

/// The own files of a server as one root sees them.
#[derive(Debug, Default)]
pub(super) struct PrivateFiles {
    own: Option<OwnFiles>,
    /// The last look at the own files that this root has taken up.
    seen: u64,
    /// Those beneath the root; most roots have none.
    beneath: Option<Box<FilesBeneath>>,
}

/// Own files beneath a root.
#[derive(Debug, Default)]
struct FilesBeneath {
    /// Paths beneath the root.
    names: Vec<PrivateName>,
    /// Files beside own files of the root, and all that is in directories beneath it.
    inodes: HashSet<Inode>,
    /// Directories of own files beneath the root.
    watched: WatchedDirectories,
}

/// A file that a path has led to.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundFile {
    pub inode: Inode,
    /// A regular file that has several names.
    pub has_other_names: bool,
}

impl From<&Stat> for FoundFile {
    fn from(found: &Stat) -> Self {
        FoundFile {
            inode: inode(found),
            has_other_names: is_file(found) && found.st_nlink > 1,
        }
    }
}

/// A path beneath the root that leads to private files.
#[derive(Debug, PartialEq, Eq)]
enum PrivateName {
    /// A directory.
    Within(Vec<u8>),
    /// A file, and all files whose names continue the name of that file.
    Beginning(Vec<u8>),
}

impl PrivateName {
    fn covers(&self, path: &[u8]) -> bool {
        match self {
            PrivateName::Within(directory) => path
                .strip_prefix(&directory[..])
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/'))),
            PrivateName::Beginning(name) => path.strip_prefix(&name[..]).is_some_and(|rest| {
                // `access.log.1` and `key.pem~` are private, but `keyboard.html` is not for a `key`.
                !rest.first().is_some_and(u8::is_ascii_alphanumeric)
            }),
        }
    }
}

impl PrivateFiles {
    /// Names the own files. `root` is the root without symbolic links.
    pub fn set(&mut self, own: OwnFiles, root: &Path) {
        (self.own, self.seen) = (Some(own), 0);
        self.look_up(root);
    }

    /// Looks up anew the files that the names lead to. An order to look is for all roots: the first that has seen
    /// the last look has another made, which the others take up.
    pub fn look_up(&mut self, root: &Path) {
        let Some(own) = self.own.clone() else {
            return;
        };
        if own.0.borrow().looks == self.seen {
            own.0.borrow_mut().look_up();
        }
        self.find(&own.0.borrow(), root);
    }

    /// Finds what lies beneath the root.
    fn find(&mut self, own: &OwnTable, root: &Path) {
        self.seen = own.looks;
        let mut found = FilesBeneath::default();
        let mut left = MOST_NAMES;
        for (path, file) in own.beneath(root) {
            match file.extent {
                OwnExtent::Directory => found.hide(path, path.strip_prefix(root).ok(), &mut left),
                extent => found.find_one(path, extent, root, &mut left),
            }
        }
        self.beneath = (!found.names.is_empty()).then(|| Box::new(found));
    }

    /// Tells private files from others: `path`, beneath the root, has led to `found`.
    pub fn is_private(&mut self, path: &[u8], found: FoundFile, root: &Path) -> bool {
        let Some(own) = self.own.clone() else {
            return false;
        };
        if own.0.borrow().own.is_empty() {
            return false;
        }
        let beneath = self.beneath.as_deref();
        if beneath.is_some_and(|it| it.names.iter().any(|name| name.covers(path))) {
            return true;
        }
        // Private files beneath the root can be reached by a symbolic link, those elsewhere by a hard
        // link only.
        let is_stale = beneath.is_some_and(|it| it.watched.is_stale())
            || (found.has_other_names && own.0.borrow().watched.is_stale());
        if is_stale {
            own.0.borrow_mut().look_up();
            self.look_up(root);
        }
        let inode = found.inode;
        let beneath = self.beneath.as_deref();
        beneath.is_some_and(|it| it.inodes.contains(&inode)) || own.0.borrow().has(&inode, root)
    }

    /// Calls `tell` with each own file that lies beneath the root.
    pub fn for_each_beneath(&self, root: &Path, mut tell: impl FnMut(&OwnFile)) {
        let Some(own) = &self.own else {
            return;
        };
        let table = own.0.borrow();
        let mut told = HashSet::new();
        for (_, own) in table.beneath(root) {
            if told.insert((&own.path, own.what)) {
                tell(own);
            }
        }
    }
}

impl FilesBeneath {
    /// A file beneath the root.
    fn find_one(&mut self, path: &Path, extent: OwnExtent, root: &Path, left: &mut usize) {
        let directory = path.parent().unwrap_or(path);
        self.watched.watch(directory);
        if let Ok(name) = path.strip_prefix(root) {
            self.names.push(PrivateName::Beginning(bytes(name)));
            self.enter_namesakes(directory, &bytes(path), left);
        }
        let beneath = directory.strip_prefix(root).ok();
        let is_inner = beneath.is_some_and(|name| name != Path::new(""));
        if extent == OwnExtent::Neighbours && is_inner {
            self.hide(directory, beneath, left);
        }
    }

    /// Hides a directory with all that is in it.
    fn hide(&mut self, directory: &Path, beneath: Option<&Path>, left: &mut usize) {
        self.watched.watch(directory);
        let found = stat(directory).ok().map(|found| inode(&found));
        self.inodes.extend(found);
        if let Some(name) = beneath {
            self.names.push(PrivateName::Within(bytes(name)));
        }
        let path = directory.as_os_str().as_bytes();
        enter(&mut self.inodes, CWD, path, DEPTH, left);
    }

    /// Notes the inodes of files whose names continue `path`, such as rotated logs, because they may
    /// have other names as well.
    fn enter_namesakes(&mut self, directory: &Path, path: &[u8], left: &mut usize) {
        let name = PrivateName::Beginning(path.to_vec());
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if *left == 0 {
                break;
            }
            *left -= 1;
            let found = entry.path();
            if name.covers(found.as_os_str().as_bytes()) {
                self.inodes
                    .extend(stat(&found).ok().map(|found| inode(&found)));
            }
        }
    }
}

/// Notes the inodes of a directory and of all that is in it. A directory that may not be listed is known by its
/// name only.
fn enter(
    inodes: &mut HashSet<Inode>,
    at: impl std::os::fd::AsFd,
    name: &[u8],
    depth: usize,
    left: &mut usize,
) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let Ok(directory) = openat(at, name, flags, Mode::empty()) else {
        return;
    };
    inodes.extend(fstat(&directory).ok().map(|found| inode(&found)));
    let Ok(entries) = Dir::read_from(&directory) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if *left == 0 || matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        *left -= 1;
        let Ok(found) = statat(&directory, name, AtFlags::empty()) else {
            continue;
        };
        match FileType::from_raw_mode(found.st_mode) {
            // A link to a directory is not followed, because the directory may be the site's.
            FileType::Directory if depth > 0 => {
                enter(inodes, &directory, name.to_bytes(), depth - 1, left);
            }
            FileType::RegularFile => {
                inodes.insert(inode(&found));
            }
            _ => {}
        }
    }
}

fn is_file(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
}

/// The path with its directory resolved, but not its last name.
fn parent_resolved(path: &Path) -> Option<PathBuf> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    Some(parent.canonicalize().ok()?.join(path.file_name()?))
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// Time at which an entry was last added to a directory or removed from it.
fn changed(directory: &Path) -> Option<SystemTime> {
    let found = stat(directory).ok()?;
    Some(super::time(found.st_mtime, found.st_mtime_nsec as u32))
}

pub(super) fn inode(found: &Stat) -> Inode {
    (found.st_dev, found.st_ino)
}

#[cfg(test)]
mod tests;
