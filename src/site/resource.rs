//! Resources: a file with its sidecars, ready to be sent.
//!
//! A [`Resource`] is made once per change of a file and then shared. It knows the results of `fstat`
//! for the descriptors that it was made from. [`Resource::is_current`] compares them with the disk.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::cache_control::CacheRules;
use super::common_fields::CommonFields;
use super::encoding::Coding;
use super::known_hashes::KnownHashes;
use super::media_type::{self, DocumentHead, MediaTypes};
use super::reading::{self, HASHED_LEN, Reading};
use super::representation::{Representation, ResourceContext, Variety, sidecar_path};
use super::validators::{Settling, last_modified_due};
use crate::content::FileTable;
use crate::world::{FileKind, FileReads, Files, Metadata};

/// Time between two searches for missing sidecars. Responses are right without them, and there may be
/// more of them than files, so it is longer than for files.
pub(crate) const SEARCH: Duration = Duration::from_secs(1);

/// Rules that decide about the fields of a resource, beside the file itself.
#[derive(PartialEq)]
pub(crate) struct Dress {
    pub(crate) common: Rc<CommonFields>,
    pub(crate) rules: CacheRules,
    pub(crate) types: MediaTypes,
}

/// Result of reading a path.
pub(crate) enum Loaded<F: Files> {
    /// A regular file.
    Resource(Resource<F>),
    /// A directory.
    Directory,
}

/// A file and its sidecars.
pub(crate) struct Resource<F: Files> {
    /// The representations, the file itself first.
    pub(crate) representations: Vec<Representation<F>>,
    /// Sidecars that exist and cannot be right.
    unfit: Vec<Sidecar>,
    /// Time until which the resource need not be compared with the disk again.
    pub(crate) trusted_until: Cell<Instant>,
    /// Number of changes of files that had been seen when the resource was last compared with the disk.
    pub(crate) changes: Cell<u32>,
    /// The resource's place in the hot cache, if it has one.
    pub(crate) place: Cell<usize>,
    /// Time of the last search for sidecars.
    searched: Cell<Instant>,
    /// Time at which the resource is to be read again even if nothing has changed.
    expires: Cell<Option<Instant>>,
}

/// A file that is to be read, and the circumstances.
pub(crate) struct ResourceSource<'a, F: Files> {
    pub(crate) open_files: &'a Rc<FileTable<F>>,
    pub(crate) path: &'a [u8],
    pub(crate) dress: &'a Dress,
    /// Length of the longest content that stays in memory.
    pub(crate) keep: u64,
    /// Time at which the file was last seen to have no sidecar, if none is to be looked for.
    pub(crate) bare_since: Option<Instant>,
    pub(crate) now: Instant,
    /// Time until which the resource need not be compared with the disk again.
    pub(crate) trusted_until: Instant,
}

/// State of a sidecar when it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sidecar {
    pub(crate) coding: Coding,
    pub(crate) metadata: Metadata,
}

impl<F: Files> Resource<F> {
    /// The file itself.
    pub(crate) fn plain(&self) -> &Representation<F> {
        let first = self.representations.first();
        first.expect("a resource is made from a file")
    }

    /// Reads a file and its sidecars.
    pub(crate) fn load(
        reads: &mut F::Reads,
        source: &ResourceSource<'_, F>,
        hashes: &mut KnownHashes,
    ) -> io::Result<Loaded<F>> {
        let &ResourceSource {
            open_files,
            path,
            dress,
            keep,
            bare_since,
            now,
            trusted_until,
        } = source;
        let (file, original) = open_files.open(path)?;
        if original.kind == FileKind::Directory {
            return Ok(Loaded::Directory);
        }
        let mut opened = vec![(Coding::Identity, file, original)];
        let mut unfit = Vec::new();
        if bare_since.is_none() {
            for coding in sidecars(path) {
                let sidecar = open_sidecar(open_files, path, coding).inspect_err(|error| {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        want_sidecars(open_files, path);
                    }
                });
                match sidecar? {
                    Some((file, metadata)) if fits(&metadata, &original) => {
                        opened.push((coding, file, metadata));
                    }
                    Some((_, metadata)) => unfit.push(Sidecar { coding, metadata }),
                    None => {}
                }
            }
        }
        let variety = if opened.len() > 1 {
            Variety::Several
        } else {
            Variety::One
        };
        // Which of several is wanted shows later, and then its content is kept.
        let keep = match variety {
            Variety::One => keep,
            Variety::Several => 0,
        };
        let wall = open_files.tree().now();
        let mut readings = Vec::with_capacity(opened.len());
        for (coding, file, metadata) in opened {
            let reading = Reading::new(reads, &file, metadata, wall, keep, hashes)?;
            readings.push((coding, file, reading));
        }
        let media_type = dress.types.of(path);
        let head = match readings.first() {
            Some((_, file, plain)) if media_type.may_name_charset() => {
                read_head(reads, file, plain)?
            }
            _ => DocumentHead::Needless,
        };
        let context = ResourceContext {
            path,
            open_files,
            content_type: dress.types.content_type(media_type, &head),
            inherent_coding: media_type::inherent_coding(path),
            cache_control: dress.rules.value_for(path),
            common: &dress.common,
            variety,
            keep,
            now: wall,
        };
        let representations: Vec<_> = readings
            .into_iter()
            .map(|(coding, file, reading)| Representation::new(file, reading, coding, &context))
            .collect();
        let expires = match head {
            DocumentHead::OnDisk => Some(now),
            _ => expiry(&representations, &context, now),
        };
        Ok(Loaded::Resource(Resource {
            representations,
            unfit,
            trusted_until: Cell::new(trusted_until),
            changes: Cell::new(0),
            place: Cell::new(usize::MAX),
            searched: Cell::new(bare_since.unwrap_or(now)),
            expires: Cell::new(expires),
        }))
    }

    /// The time at which the file was last seen to have no sidecar, if it has none.
    pub(crate) fn bare_since(&self) -> Option<Instant> {
        let is_bare = self.representations.len() == 1 && self.unfit.is_empty();
        is_bare.then(|| self.searched.get())
    }

    /// True if the disk still holds the files that the resource was made from, unchanged.
    pub(crate) fn is_current(&self, files: &mut F, path: &[u8], now: Instant) -> io::Result<bool> {
        if self.expires.get().is_some_and(|expires| expires <= now) {
            return Ok(false);
        }
        for representation in &self.representations {
            let there = match representation.coding {
                Coding::Identity => Some(files.look_up(path)?),
                coding => look_up_sidecar(files, path, coding)?,
            };
            if there != Some(representation.metadata) {
                return Ok(false);
            }
        }
        if now.saturating_duration_since(self.searched.get()) < SEARCH {
            return Ok(true);
        }
        self.searched.set(now);
        let is_served = |coding| self.representations.iter().any(|r| r.coding == coding);
        for coding in sidecars(path).filter(|coding| !is_served(*coding)) {
            let unfit = self.unfit.iter().find(|unfit| unfit.coding == coding);
            let there = look_up_sidecar(files, path, coding)?;
            if there != unfit.map(|unfit| unfit.metadata) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has the next comparison with the disk look for sidecars that are missing.
    pub(crate) fn search_again(&self, now: Instant) {
        let past = now.checked_sub(SEARCH);
        self.searched.set(past.unwrap_or(self.searched.get()));
    }

    /// True if one of its files has become the server's own.
    pub(crate) fn is_private(&self, files: &mut F, path: &[u8]) -> bool {
        self.representations
            .iter()
            .any(|representation| match representation.coding {
                Coding::Identity => files.is_private(path, &representation.metadata),
                coding => files.is_private(&sidecar_path(path, coding), &representation.metadata),
            })
    }

    /// True if reading the path `again` gave an equal resource. Then this one becomes as fresh as the
    /// other.
    pub(crate) fn confirm(&self, again: &Resource<F>) -> bool {
        let pairs = self.representations.iter().zip(&again.representations);
        let is_same = self.representations.len() == again.representations.len()
            && self.unfit == again.unfit
            && pairs.into_iter().all(|(known, again)| known.is_same(again));
        if is_same {
            self.trusted_until.set(again.trusted_until.get());
            self.searched.set(again.searched.get());
            self.expires.set(again.expires.get());
        }
        is_same
    }

    /// Sidecars that exist and are not sent: empty ones, and those that are older than the file.
    pub(crate) fn unfit(&self) -> &[Sidecar] {
        &self.unfit
    }

    /// Closes the files that were opened for a first response and not needed by it.
    pub(crate) fn close_kept(&self) {
        for representation in &self.representations {
            representation.file.close_kept();
        }
    }

    /// True if the response depends on `Accept-Encoding`.
    pub(crate) fn varies(&self) -> bool {
        self.representations.len() > 1
    }

    /// Bytes of memory of the resource, roughly.
    pub(crate) fn cost(&self) -> usize {
        let representations = self.representations.iter();
        let representations =
            representations.map(|r| size_of_val(r) + r.file.memory() + r.fields_size());
        size_of_val(self)
            + size_of_val(self.unfit.as_slice())
            + representations.sum::<usize>()
            + self.content_len()
    }

    /// The length of the content in memory.
    pub(crate) fn content_len(&self) -> usize {
        let contents = self.representations.iter().map(|r| r.file.content_len());
        contents.sum()
    }

    /// Gives up the content in memory. It is read from the file instead, by responses that are sending
    /// it as well.
    pub(crate) fn forget_content(&self) {
        for representation in &self.representations {
            representation.file.forget_content();
        }
    }
}

/// The sidecars that a file can have. A sidecar has none, and a file of a compressed type has none.
fn sidecars(path: &[u8]) -> impl Iterator<Item = Coding> {
    let is_sidecar = |coding: &Coding| path.ends_with(coding.extension().as_bytes());
    let has_coding =
        Coding::SIDECARS.iter().any(is_sidecar) || media_type::inherent_coding(path).is_some();
    Coding::SIDECARS.into_iter().filter(move |_| !has_coding)
}

/// True if a sidecar can be what its name says. Compressed content is never empty, even that of an
/// empty file, and a sidecar of the present content is not older than the file.
fn fits(sidecar: &Metadata, original: &Metadata) -> bool {
    sidecar.len > 0 && sidecar.modified >= original.modified
}

/// The beginning of a document. Where a disk has to bring it, it is asked for and not waited for.
fn read_head<R: FileReads>(
    reads: &mut R,
    file: &R::File,
    plain: &Reading,
) -> io::Result<DocumentHead> {
    let head = match &plain.content {
        Some(content) => Some(content.clone()),
        None => {
            let len = plain.metadata.len.min(media_type::HEAD_LEN as u64);
            reading::read(reads, file, len)?
        }
    };
    Ok(head.map_or(DocumentHead::OnDisk, DocumentHead::Known))
}

/// Time at which a resource that was read now is to be read again even if nothing changes: at once, if
/// a change might not show or if the disk was asked for small content; else when the date of its last
/// change becomes a validator.
fn expiry<F: Files>(
    representations: &[Representation<F>],
    context: &ResourceContext<'_, F>,
    now: Instant,
) -> Option<Instant> {
    let expiries = representations.iter().filter_map(|r| {
        let is_unread = r.lacks_hash() && r.len() <= HASHED_LEN;
        if r.settling == Settling::Unsettled || is_unread {
            return Some(now);
        }
        now.checked_add(last_modified_due(&r.metadata, context.now)?)
    });
    expiries.min()
}

/// Describes a sidecar, if there is one.
fn look_up_sidecar<F: Files>(
    files: &mut F,
    path: &[u8],
    coding: Coding,
) -> io::Result<Option<Metadata>> {
    match files.look_up(&sidecar_path(path, coding)) {
        Ok(metadata) => Ok((metadata.kind == FileKind::File).then_some(metadata)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(None),
            _ => Err(error),
        },
    }
}

/// Has the request that waits for one sidecar wait for all of them at once.
fn want_sidecars<F: Files>(open_files: &FileTable<F>, path: &[u8]) {
    sidecars(path).for_each(|coding| open_files.want_too(&sidecar_path(path, coding)));
}

/// Opens a sidecar, if there is one that may be read. Other failures, such as a lack of descriptors,
/// are returned: a site must not lose its sidecars by them.
fn open_sidecar<F: Files>(
    open_files: &FileTable<F>,
    path: &[u8],
    coding: Coding,
) -> io::Result<Option<(F::File, Metadata)>> {
    match open_files.open(&sidecar_path(path, coding)) {
        Ok((file, metadata)) if metadata.kind == FileKind::File => Ok(Some((file, metadata))),
        Ok(_) => Ok(None),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(None),
            _ => Err(error),
        },
    }
}
