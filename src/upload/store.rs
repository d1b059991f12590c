//! A directory that uploads are stored in: hidden temporaries that get a name when they are whole.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::name::numbered;
use super::rule::ExistingName;

/// The beginning of a temporary's name. A site never serves a name that begins with a dot.
const TEMPORARY: &str = ".calmd-upload-";

/// The most numbers that are tried for a name: each is a call that other connections wait for.
const MOST_NUMBERS: u32 = 100;

/// An open directory for uploads.
#[derive(Debug)]
pub(super) struct UploadStore {
    directory: Rc<OwnedFd>,
    /// The beginning of the names of this process's temporaries: another process has another one.
    prefix: String,
    made: u64,
}

/// A file that is being written. It is gone when it is dropped before it has a name.
#[derive(Debug)]
pub(super) struct Temporary {
    directory: Rc<OwnedFd>,
    file: OwnedFd,
    name: Option<String>,
    len: u64,
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
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = since.unwrap_or_default().as_nanos();
        sweep(&directory)?;
        Ok(UploadStore {
            directory: Rc::new(directory),
            prefix: format!("{TEMPORARY}{}-{since:x}-", std::process::id()),
            made: 0,
        })
    }

    /// Begins a file.
    pub(super) fn begin(&mut self) -> io::Result<Temporary> {
        self.made += 1;
        let name = format!("{}{}", self.prefix, self.made);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let file = rustix::fs::openat(&self.directory, name.as_str(), flags, mode)?;
        let temporary = Temporary {
            directory: self.directory.clone(),
            file,
            name: Some(name),
            len: 0,
        };
        // Another process that starts meanwhile may have taken it for a leftover.
        rustix::fs::flock(&temporary.file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(temporary)
    }

    /// The first names in the directory that are not hidden, in their order.
    pub(super) fn names(&self, most: usize) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.directory)? {
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
    pub(super) fn write(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let written = retry_on_intr(|| rustix::io::write(&self.file, data))?;
            self.len += written as u64;
            data = data.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Gives the file its name, by the rule for a name that is taken.
    pub(super) fn store(mut self, name: &str, existing: ExistingName) -> io::Result<Stored> {
        let taken = |stored: bool, name: String| {
            if stored {
                Stored::New(name)
            } else {
                Stored::Taken
            }
        };
        match existing {
            ExistingName::Refuse => {
                let stored = self.rename(name, RenameFlags::NOREPLACE)?;
                Ok(taken(stored, name.into()))
            }
            ExistingName::Replace => {
                if self.rename(name, RenameFlags::NOREPLACE)? {
                    return Ok(Stored::New(name.into()));
                }
                let stored = self.rename(name, RenameFlags::empty())?;
                Ok(if stored {
                    Stored::Replaced(name.into())
                } else {
                    Stored::Taken
                })
            }
            ExistingName::Number => {
                if self.rename(name, RenameFlags::NOREPLACE)? {
                    return Ok(Stored::New(name.into()));
                }
                for number in 1..=MOST_NUMBERS {
                    let name = numbered(name, number);
                    if self.rename(&name, RenameFlags::NOREPLACE)? {
                        return Ok(Stored::New(name));
                    }
                }
                Ok(Stored::Taken)
            }
        }
    }

    /// Renames the file; false if the name is taken.
    fn rename(&mut self, name: &str, flags: RenameFlags) -> io::Result<bool> {
        let Some(own) = &self.name else {
            return Ok(false);
        };
        let (from, to) = (&*self.directory, &*self.directory);
        match rustix::fs::renameat_with(from, own.as_str(), to, name, flags) {
            Ok(()) => {
                self.name = None;
                Ok(true)
            }
            // A directory has the name.
            Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // What cannot be removed is hidden, and goes with the next start.
            let _ = rustix::fs::unlinkat(&*self.directory, name.as_str(), AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_shows_when_it_is_whole_and_a_dropped_one_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = UploadStore::open(directory.path()).unwrap();
        let mut file = store.begin().unwrap();
        file.write(b"whole").unwrap();
        assert_eq!(store.names(9).unwrap(), [""; 0]);
        assert_eq!(
            file.store("a.txt", ExistingName::Replace).unwrap(),
            Stored::New("a.txt".into())
        );
        drop(store.begin().unwrap());
        assert_eq!(fs::read(directory.path().join("a.txt")).unwrap(), b"whole");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_that_is_taken_is_refused_numbered_or_replaced() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.txt"), "old").unwrap();
        fs::create_dir(directory.path().join("d")).unwrap();
        let mut store = UploadStore::open(directory.path()).unwrap();
        let mut as_told = |name, existing| store.begin().unwrap().store(name, existing).unwrap();
        assert_eq!(as_told("a.txt", ExistingName::Refuse), Stored::Taken);
        assert_eq!(
            as_told("a.txt", ExistingName::Number),
            Stored::New("a-1.txt".into())
        );
        assert_eq!(
            as_told("a.txt", ExistingName::Number),
            Stored::New("a-2.txt".into())
        );
        assert_eq!(fs::read(directory.path().join("a.txt")).unwrap(), b"old");
        assert_eq!(
            as_told("a.txt", ExistingName::Replace),
            Stored::Replaced("a.txt".into())
        );
        assert_eq!(fs::read(directory.path().join("a.txt")).unwrap(), b"");
        assert_eq!(as_told("d", ExistingName::Replace), Stored::Taken);
    }

    #[test]
    fn a_start_removes_leftovers_that_nobody_writes() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = UploadStore::open(directory.path()).unwrap();
        let written = store.begin().unwrap();
        let leftover = directory.path().join(format!("{TEMPORARY}left"));
        fs::write(&leftover, "part").unwrap();
        UploadStore::open(directory.path()).unwrap();
        assert!(!leftover.exists());
        assert!(
            directory
                .path()
                .join(written.name.clone().unwrap())
                .exists()
        );
    }
}
