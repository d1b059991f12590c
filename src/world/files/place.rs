//! The directory that has the root's name at the moment.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, Mode, OFlags, ResolveFlags, accessat, fstat, fstatfs, openat};
use rustix::io::Errno;

use super::private::{Inode, inode};

/// An open directory that can be served.
#[derive(Debug)]
pub(super) struct RootPlace {
    pub descriptor: OwnedFd,
    pub inode: Inode,
    /// The path without symbolic links, at the time when the directory was opened.
    pub real: PathBuf,
    pub resolution: Resolution,
    /// Its file system asks another machine or process about each file that is opened.
    pub asks: bool,
}

/// Numbers of file systems that ask, as statfs(2) tells them: NFS, FUSE, CIFS and SMB 2, 9P, AFS, Ceph.
const ASKING: [u32; 7] = [
    0x6969,
    0x6573_5546,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x5346_414f,
    0x00c3_6400,
];

/// Method that keeps a path beneath the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// `openat2`.
    Kernel,
    /// One `openat` a component; links are followed by hand.
    ComponentWise,
}

impl RootPlace {
    /// Opens the directory.
    pub fn open(path: &Path) -> Result<RootPlace, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(path, flags, Mode::empty())?;
        // Looking "." up checks the permission to search the directory, which `O_PATH` alone does not.
        let probe = rustix::fs::openat2(
            &descriptor,
            ".",
            flags,
            Mode::empty(),
            ResolveFlags::BENEATH,
        );
        let resolution = match probe {
            Ok(_) => Resolution::Kernel,
            // Filters that do not know the call answer EPERM instead of ENOSYS.
            Err(Errno::NOSYS | Errno::PERM) => {
                openat(&descriptor, ".", flags, Mode::empty())?;
                Resolution::ComponentWise
            }
            Err(errno) => return Err(errno),
        };
        Ok(RootPlace {
            inode: inode(&fstat(&descriptor)?),
            asks: fstatfs(&descriptor).is_ok_and(|found| ASKING.contains(&(found.f_type as u32))),
            real: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
            descriptor,
            resolution,
        })
    }

    /// True for a directory that the sandbox keeps shut, though its mode lets it be read.
    pub fn is_shut_by_sandbox(&self) -> bool {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(&self.descriptor, ".", flags, Mode::empty());
        let readable = || accessat(&self.descriptor, ".", Access::READ_OK, AtFlags::empty());
        opened.is_err_and(|errno| errno == Errno::ACCESS) && readable().is_ok()
    }
}

/// The absolute form of a path. A relative path begins in the directory that the shell names: that name
/// may lead through a symbolic link whose target changes later, so it is not resolved.
pub fn absolute(path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    let said = std::env::var_os("PWD").map(PathBuf::from);
    let is_here = |said: &PathBuf| {
        let at = |path: &Path| rustix::fs::stat(path).map(|found| inode(&found)).ok();
        said.is_absolute() && at(said).is_some() && at(said) == at(Path::new("."))
    };
    match said.filter(is_here).map_or_else(std::env::current_dir, Ok) {
        // The dots that name nothing are left out.
        Ok(here) => here.join(path).components().collect(),
        Err(_) => path.to_owned(),
    }
}

/// Reason why a directory cannot be served.
#[derive(Debug)]
pub struct RootError {
    pub(super) path: PathBuf,
    pub(super) source: Errno,
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.source {
            Errno::NOENT => {
                write!(
                    f,
                    "there is no directory '{path}'; name the one to serve: calmd DIR, or root of a [[host]]"
                )
            }
            Errno::NOTDIR => {
                write!(
                    f,
                    "'{path}' is not a directory; name the one to serve: calmd DIR, or root of a [[host]]"
                )
            }
            Errno::ACCESS | Errno::PERM => write!(
                f,
                "the directory '{path}' may not be read by this user; change its mode (chmod o+rx) \
                 or run calmd as a user who may"
            ),
            errno => write!(
                f,
                "the directory '{path}' cannot be opened: {errno}; name the one to serve: calmd DIR, or root of a [[host]]"
            ),
        }
    }
}

impl std::error::Error for RootError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
