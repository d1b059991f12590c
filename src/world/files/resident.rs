//! Opening a path only if all names on it are in the kernel's memory.
//!
//! `openat2` with `RESOLVE_CACHED` (Linux 5.12) fails where a disk would have to bring a directory's entry or an
//! inode. Older kernels do not know the flag; there each opening counts as one that does not wait. On a file system
//! that asks another machine or process at each opening (NFS, FUSE), names in memory are not enough, so each opening
//! counts as one that may wait. Only the root is looked at: beneath another file system that is mounted inside it,
//! names in memory count.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, ResolveFlags, openat2};
use rustix::io::{Errno, retry_on_intr};

use super::OPEN;
use super::place::{Resolution, RootPlace};

/// The outcome of opening a path without a wait.
pub(super) enum ResidentOpen {
    /// An outcome that any opening may have.
    Opened(Result<OwnedFd, Errno>),
    /// A disk may have to bring a name.
    Cold,
    /// The kernel cannot tell, or a link has to be followed by hand.
    Untold,
}

/// Opens a path beneath the root.
pub(super) fn open_resident(place: &RootPlace, path: &[u8]) -> ResidentOpen {
    if place.resolution == Resolution::ComponentWise {
        return ResidentOpen::Untold;
    }
    if place.asks {
        return ResidentOpen::Cold;
    }
    let path = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::CACHED;
    let open = || openat2(&place.descriptor, path, OPEN, Mode::empty(), resolve);
    match retry_on_intr(open) {
        Err(Errno::AGAIN) => ResidentOpen::Cold,
        // An older kernel, or a link that is absolute or leads out.
        Err(Errno::INVAL | Errno::XDEV) => ResidentOpen::Untold,
        opened => ResidentOpen::Opened(opened),
    }
}
