//! A tree of files: opening and listing.

use std::io;
use std::time::SystemTime;

use super::Extent;
use super::file_reads::FileReads;
use super::metadata::Metadata;

/// One directory tree, the root of a site: what is in it is opened and listed here. Nothing outside of it
/// can be named.
pub trait Files: 'static {
    /// An open regular file or directory.
    type File;

    /// Reads of the tree's open files.
    type Reads: FileReads<File = Self::File>;

    /// An open directory whose names are read.
    type Directory: NamesDirectory;

    /// A file that a helper opens, until the request that waits for it has it.
    type Opening: 'static;

    /// Reads for an event loop, which may go on with files of other trees.
    fn reads(&self) -> Self::Reads;

    /// Opens what `path` names beneath the root: relative, without a leading slash; empty is the root
    /// itself. Symlinks are followed as long as they stay beneath the root. What is neither a
    /// regular file nor a directory is `NotFound`; nothing here waits for a FIFO or a device.
    fn open(&mut self, path: &[u8]) -> io::Result<(Self::File, Metadata)>;

    /// Opens as [`Files::open`] does, if all names on the way are in memory. `WouldBlock` if a disk may have to
    /// bring one.
    fn open_resident(&mut self, path: &[u8]) -> io::Result<(Self::File, Metadata)> {
        self.open(path)
    }

    /// Has a helper open what `path` names, for a response that cannot go on without it. [`FileReads::take_needed`]
    /// tells the last such task. `None` where no helper takes it.
    fn need_open(&mut self, reads: &mut Self::Reads, path: &[u8]) -> Option<Self::Opening> {
        let _ = (reads, path);
        None
    }

    /// Opens as [`Files::open`] does, with the descriptor or the error that a helper has answered with; without a
    /// helper where it has answered with neither.
    fn open_helped(
        &mut self,
        path: &[u8],
        opening: &Self::Opening,
    ) -> io::Result<(Self::File, Metadata)> {
        let _ = opening;
        self.open(path)
    }

    /// Looks the root's name up. A directory that has the name now is served from here on, and open files
    /// stay as they are. While the name leads nowhere, the old directory stays.
    fn follow_root(&mut self) -> RootChange {
        RootChange::Same
    }

    /// Looks up anew which files are the server's own and must not be opened.
    fn look_up_private(&mut self) {}

    /// True for a file that must not be opened any more, though it was opened by this name before.
    fn is_private(&mut self, _path: &[u8], _found: &Metadata) -> bool {
        false
    }

    /// True if both are trees of one directory, by one name.
    fn is_same_root(&self, _other: &Self) -> bool {
        false
    }

    /// Describes what `path` names, only to be compared with what was opened by that name: it may follow
    /// a symlink out of the root, where no file is that was opened beneath it.
    fn look_up(&mut self, path: &[u8]) -> io::Result<Metadata> {
        self.open(path).map(|(_, metadata)| metadata)
    }

    /// Opens the directory at `path` to read its names.
    fn open_directory(&mut self, path: &[u8]) -> io::Result<Self::Directory>;

    /// Reads the next names, looking at `max` of them at most, and calls `take` with each name and the state of
    /// the file that has it; [`Extent::Partial`] where there may be more. `.`, `..` and names of what is neither a
    /// regular file nor a directory are left out. A name has any bytes but `/` and NUL.
    fn read_directory(
        &mut self,
        directory: &mut Self::Directory,
        max: usize,
        take: &mut dyn FnMut(&[u8], &Metadata),
    ) -> io::Result<Extent>;

    /// Gives up a descriptor that is kept for want of others; false if there is none.
    fn lend_descriptor(&mut self) -> bool {
        false
    }

    /// Takes back what was lent; false while the system has no descriptors for that.
    fn restore_descriptors(&mut self) -> bool {
        true
    }

    /// Takes the worth of the calls since the last time, in the bytes of [`Effort`](super::effort::Effort).
    fn take_effort(&mut self) -> usize {
        0
    }

    /// Adds work on names to the sum that [`Files::take_effort`] takes.
    fn add_effort(&mut self, _bytes: usize) {}

    /// The time by the clock that stamps modification times.
    fn now(&self) -> SystemTime;
}

/// The outcome of looking the root's name up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootChange {
    /// It names the directory that is served, or none that could be.
    Same,
    /// It names the directory that is served, which has got or lost names since the last look, or may have.
    Touched,
    /// It names another directory, which is served from now on.
    Moved,
}

/// An open directory whose names are read.
pub trait NamesDirectory: 'static {
    /// Memory that it takes, in bytes.
    fn bytes(&self) -> usize;

    /// True while it holds a descriptor between two reads.
    fn is_open(&self) -> bool;

    /// Gives its descriptor up. The next read opens the directory again.
    fn close(&mut self);
}
