//! Symbolic links, followed by hand where the kernel does not: absolute links that lead back beneath
//! the root, and all links if openat2(2) is missing.
//!
//! The result is a path without links. It is opened like any other, beneath the root, so that a name
//! that is swapped meanwhile leads nowhere else.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::readlinkat;
use rustix::io::Errno;

/// The most links on the way to one file: as many as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The reason for not following a path to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfollowed {
    /// The path leads out of the root, by the given link if by a link.
    Out(Option<Symlink>),
    /// A name is missing, or may not be looked up.
    Failed(Errno),
}

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symlink {
    /// The path of the link, beneath the root and without other links on the way.
    pub path: Vec<u8>,
    /// The path that the link holds.
    pub target: Vec<u8>,
}

/// The path beneath `root` that `path` leads to when all links on the way are followed. `names` are the
/// absolute paths of the root: links that begin with one of them stay beneath it.
pub(super) fn follow(root: &OwnedFd, names: &[&Path], path: &[u8]) -> Result<Vec<u8>, Unfollowed> {
    if path.ends_with(b"/") {
        // A link may end in a slash, a requested path never does.
        return Err(Unfollowed::Failed(Errno::NOENT));
    }
    let mut rest: Vec<Vec<u8>> = components(path).rev().collect();
    let mut reached = Vec::new();
    let mut last = None;
    let mut links = 0;
    while let Some(component) = rest.pop() {
        match &component[..] {
            b"" | b"." => continue,
            b".." if reached.is_empty() => return Err(Unfollowed::Out(last)),
            b".." => {
                let parent = reached.iter().rposition(|byte| *byte == b'/');
                reached.truncate(parent.unwrap_or(0));
                continue;
            }
            _ => {}
        }
        let parent = reached.len();
        if parent > 0 {
            reached.push(b'/');
        }
        reached.extend_from_slice(&component);
        let target = match readlinkat(root, &reached[..], Vec::new()) {
            Ok(target) => target.into_bytes(),
            // The name is no link.
            Err(Errno::INVAL) => continue,
            Err(errno) => return Err(Unfollowed::Failed(errno)),
        };
        links += 1;
        if links > MOST_LINKS {
            return Err(Unfollowed::Failed(Errno::LOOP));
        }
        let path = reached.clone();
        reached.truncate(parent);
        if target.first() == Some(&b'/') {
            reached.clear();
            match names.iter().find_map(|name| beneath(name, &target)) {
                Some(inner) => rest.extend(components(&inner).rev()),
                None => return Err(Unfollowed::Out(Some(Symlink { path, target }))),
            }
        } else {
            rest.extend(components(&target).rev());
        }
        last = Some(Symlink { path, target });
    }
    if reached.is_empty() {
        reached.push(b'.');
    }
    Ok(reached)
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/').map(<[u8]>::to_vec)
}

/// The part of an absolute path behind the root's own path.
fn beneath(root: &Path, path: &[u8]) -> Option<Vec<u8>> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let rest = path.strip_prefix(root).ok()?;
    Some(rest.as_os_str().as_bytes().to_vec())
}
