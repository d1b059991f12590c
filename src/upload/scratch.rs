//! A private directory for the uploads of a demo, which goes with the server.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, Dir, FlockOperation, Mode, OFlags, fchown, flock, mkdir, openat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};

use crate::world::User;

/// The beginning of the directories' names.
const NAME: &str = "calmd-demo-";

/// Names that are tried: another start may sweep a directory in the moment between its making and its lock.
const TRIES: u32 = 8;

/// A directory that is removed when it is dropped. A lock says that its server lives: what a killed one has
/// left is removed by the next start.
#[derive(Debug)]
pub struct ScratchDirectory {
    path: PathBuf,
    /// The open directory, locked.
    directory: OwnedFd,
}

impl ScratchDirectory {
    /// Makes a directory among the temporary files, for this user if the process will be another.
    pub fn make(user: Option<&User>) -> io::Result<Self> {
        let place = std::env::temp_dir().canonicalize()?;
        sweep(&place, user)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = since.unwrap_or_default().as_nanos();
        for number in 0..TRIES {
            let name = format!("{NAME}{}-{since:x}-{number}", std::process::id());
            let path = place.join(name);
            // Nobody else may see what is uploaded, nor put a link into the directory.
            match mkdir(&path, Mode::RWXU) {
                Ok(()) => {}
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(error.into()),
            }
            let Ok(directory) = open(rustix::fs::CWD, path.as_os_str()) else {
                continue;
            };
            let is_locked = flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok();
            if !is_locked || rustix::fs::fstat(&directory)?.st_nlink == 0 {
                continue;
            }
            let scratch = ScratchDirectory { path, directory };
            if let Some(user) = user {
                let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
                fchown(&scratch.directory, Some(uid), Some(gid))?;
            }
            return Ok(scratch);
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchDirectory {
    fn drop(&mut self) {
        // What cannot be removed goes with the next start.
        let _ = empty(&self.directory);
        let _ = unlinkat(rustix::fs::CWD, &self.path, AtFlags::REMOVEDIR);
    }
}

/// Removes the directories of servers that live no more.
fn sweep(place: &Path, user: Option<&User>) -> io::Result<()> {
    let own = geteuid().as_raw();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::open(place, flags, Mode::empty())?;
    for entry in Dir::read_from(&place)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if !name.as_bytes().starts_with(NAME.as_bytes()) {
            continue;
        }
        let Ok(directory) = open(&place, name) else {
            continue;
        };
        let owner = rustix::fs::fstat(&directory)?.st_uid;
        let is_ours = owner == own || user.is_some_and(|user| user.uid == owner);
        if is_ours && flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // A directory that someone put something else into stays.
            let _ = empty(&directory);
            let _ = unlinkat(&place, name, AtFlags::REMOVEDIR);
        }
    }
    Ok(())
}

fn open(place: impl std::os::fd::AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(place, name, flags, Mode::empty())?)
}

/// Removes the files of a directory.
fn empty(directory: &OwnedFd) -> io::Result<()> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            unlinkat(directory, entry.file_name(), AtFlags::empty())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_directory_is_private_and_goes_with_its_owner() {
        let scratch = ScratchDirectory::make(None).unwrap();
        let path = scratch.path().to_owned();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(path.join("a"), "b").unwrap();
        // Another one leaves it alone, since it is locked.
        drop(ScratchDirectory::make(None).unwrap());
        assert!(path.join("a").exists());
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_start_removes_the_directory_of_a_server_that_was_killed() {
        let scratch = ScratchDirectory::make(None).unwrap();
        let left = scratch
            .path()
            .with_file_name(format!("{NAME}left-{}", std::process::id()));
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join("a"), "b").unwrap();
        drop(ScratchDirectory::make(None).unwrap());
        assert!(!left.exists());
    }
}
