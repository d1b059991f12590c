//! Names that a request waits for, because opening them might wait for a disk. A helper opens them meanwhile.

use std::io;

use crate::world::{FileReads, Files, Metadata};

/// The most names that one request waits for: a file with its three sidecars, an index, a fallback and a page of an
/// error with theirs. Files beyond them are opened at any cost.
const MOST_NAMES: usize = 16;

/// The names that one request has waited for, and the one that it is about to wait for.
///
/// A name is waited for once. If the helper has neither opened its file nor found an error, the file is then opened at
/// any cost, so a request goes on even where the system keeps no names in memory.
pub(crate) struct ColdNames<O> {
    names: Vec<ColdName<O>>,
    /// Number of names that were waited for, the first ones. Others are waited for next, and before that no file is
    /// opened.
    waited: usize,
    /// A helper takes tasks: names that were not waited for may be.
    is_helped: bool,
}

/// A name, and its file as the helper opens it.
struct ColdName<O> {
    path: Box<[u8]>,
    opening: Option<O>,
}

impl<O> Default for ColdNames<O> {
    fn default() -> Self {
        ColdNames {
            names: Vec::new(),
            waited: 0,
            is_helped: true,
        }
    }
}

impl<O> ColdNames<O> {
    /// Tells if a helper takes a task now. Without one, files are opened at any cost.
    pub(super) fn may_wait(&mut self, is_helped: bool) {
        self.is_helped = is_helped;
    }

    /// Opens a path, if that does not wait for a disk.
    pub(super) fn open<F: Files<Opening = O>>(
        &mut self,
        tree: &mut F,
        path: &[u8],
    ) -> io::Result<(F::File, Metadata)> {
        if self.is_wanting() {
            // The response is not sent: the request is asked for again.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let known = self.names.iter().find(|name| *name.path == *path);
        match known.map(|name| &name.opening) {
            Some(Some(opening)) => return tree.open_helped(path, opening),
            Some(None) => return tree.open(path),
            None if self.names.len() >= MOST_NAMES || !self.is_helped => return tree.open(path),
            None => {}
        }
        let opened = tree.open_resident(path);
        if let Err(error) = &opened
            && error.kind() == io::ErrorKind::WouldBlock
        {
            self.want(path);
        }
        opened
    }

    /// Has another name waited for, if one is to be waited for anyway.
    pub(super) fn want_too(&mut self, path: &[u8]) {
        let is_known = self.names.iter().any(|name| *name.path == *path);
        if self.is_wanting() && !is_known && self.names.len() < MOST_NAMES {
            self.want(path);
        }
    }

    fn want(&mut self, path: &[u8]) {
        self.names.push(ColdName {
            path: path.into(),
            opening: None,
        });
    }

    /// True if a name is to be waited for.
    pub(crate) fn is_wanting(&self) -> bool {
        self.waited < self.names.len()
    }

    /// Has a helper open the names that are to be waited for. It answers in their order, so the wait is for the last
    /// of them.
    pub(crate) fn begin<F: Files<Opening = O>>(&mut self, tree: &mut F, reads: &mut F::Reads) {
        // A response that did not wait in the end may have left a task, which is not to be waited for here.
        reads.take_needed();
        for name in self.names.iter_mut().skip(self.waited) {
            name.opening = tree.need_open(reads, &name.path);
        }
        self.waited = self.names.len();
    }
}
