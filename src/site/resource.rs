//! What a path names: a file with its sidecars, ready to be sent.
//!
//! A [`Resource`] is made once per change of a file and then shared. What it knows is what `fstat` said
//! about the descriptors it was made from; [`Resource::is_current`] asks whether that still holds.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::cache_control::CacheRules;
use super::common_fields::CommonFields;
use super::encoding::Coding;
use super::media_type::{self, MediaTypes};
use super::open_files::OpenFiles;
use super::representation::{Context, Representation, Variety, sidecar_path};
use crate::world::{FileKind, Files, Metadata};

/// A file that was changed less than this ago can be changed once more without its times showing it:
/// two seconds is the coarsest clock of a file system that sites lie on (FAT).
const UNSETTLED: Duration = Duration::from_secs(2);

/// What decides about the fields of a resource beside the file.
pub(crate) struct Dress {
    pub(crate) common: Rc<CommonFields>,
    pub(crate) rules: CacheRules,
    pub(crate) types: MediaTypes,
}

/// What a path names.
pub(crate) enum Loaded<F: Files> {
    /// A regular file.
    Resource(Resource<F>),
    /// A directory.
    Directory,
}

/// A file and its sidecars.
pub(crate) struct Resource<F: Files> {
    /// The file itself first.
    pub(crate) representations: Vec<Representation<F>>,
    /// When it was last found to be what is on the disk.
    pub(crate) checked: Cell<Instant>,
    /// Whether a change since could go unnoticed, being too close to the one before.
    stability: Cell<Stability>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stability {
    Settled,
    Unsettled,
}

impl<F: Files> Resource<F> {
    /// The file itself.
    pub(crate) fn plain(&self) -> &Representation<F> {
        let first = self.representations.first();
        first.expect("a resource is made from a file")
    }

    /// Reads what `path` names. Content up to `keep` bytes stays in memory.
    pub(crate) fn load(
        files: &mut F,
        open_files: &Rc<OpenFiles<F>>,
        path: &[u8],
        dress: &Dress,
        keep: u64,
        now: Instant,
    ) -> io::Result<Loaded<F>> {
        let (file, metadata) = open_files.open(files, path)?;
        if metadata.kind == FileKind::Directory {
            return Ok(Loaded::Directory);
        }
        let media_type = dress.types.of(path);
        let mut head = Vec::new();
        if media_type.may_name_charset() {
            files.read_at(&file, 0, &mut head, media_type::HEAD_LEN)?;
        }
        let mut opened = vec![(Coding::Identity, file, metadata)];
        for coding in sidecars(path) {
            if let Some((file, metadata)) = open_sidecar(files, open_files, path, coding)? {
                opened.push((coding, file, metadata));
            }
        }
        let variety = if opened.len() > 1 {
            Variety::Several
        } else {
            Variety::One
        };
        let context = Context {
            path,
            open_files,
            content_type: dress.types.content_type(media_type, &head),
            inherent_coding: media_type::inherent_coding(path),
            cache_control: dress.rules.value_for(path),
            common: &dress.common,
            variety,
            keep,
        };
        let mut representations = Vec::with_capacity(opened.len());
        for (coding, file, metadata) in opened {
            representations.push(Representation::new(
                files, file, metadata, coding, &context,
            )?);
        }
        let settled = files.now().checked_sub(UNSETTLED);
        let is_settled =
            |r: &Representation<F>| settled.is_some_and(|settled| r.changed() < settled);
        let stability = if representations.iter().all(is_settled) {
            Stability::Settled
        } else {
            Stability::Unsettled
        };
        Ok(Loaded::Resource(Resource {
            representations,
            checked: Cell::new(now),
            stability: Cell::new(stability),
        }))
    }

    /// Whether the disk still holds what this was made from: the same files, unchanged.
    pub(crate) fn is_current(
        &self,
        files: &mut F,
        open_files: &OpenFiles<F>,
        path: &[u8],
    ) -> io::Result<bool> {
        if self.stability.get() == Stability::Unsettled {
            return Ok(false);
        }
        let known = |coding| self.representations.iter().find(|r| r.coding == coding);
        let (_, metadata) = open_files.open(files, path)?;
        if known(Coding::Identity).map(|r| r.metadata) != Some(metadata) {
            return Ok(false);
        }
        for coding in sidecars(path) {
            let there =
                open_sidecar(files, open_files, path, coding)?.map(|(_, metadata)| metadata);
            if known(coding).map(|r| r.metadata) != there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether reading it again has brought the same; then it is as fresh as what was read.
    pub(crate) fn confirm(&self, again: &Resource<F>) -> bool {
        let pairs = self.representations.iter().zip(&again.representations);
        let is_same = self.representations.len() == again.representations.len()
            && pairs.into_iter().all(|(known, again)| known.is_same(again));
        if is_same {
            self.checked.set(again.checked.get());
            self.stability.set(again.stability.get());
        }
        is_same
    }

    /// Whether the request's `Accept-Encoding` matters.
    pub(crate) fn varies(&self) -> bool {
        self.representations.len() > 1
    }

    /// The bytes of memory that this takes, about.
    pub(crate) fn cost(&self) -> usize {
        let representations = self.representations.iter().map(|r| {
            // The fields of a 200, and those of a 304 and a 404 that may be added.
            size_of_val(r) + r.file.memory() + 2 * r.fields.size()
        });
        size_of_val(self) + representations.sum::<usize>() + self.content_len()
    }

    /// The length of the content in memory.
    pub(crate) fn content_len(&self) -> usize {
        let contents = self.representations.iter().map(|r| r.file.content_len());
        contents.sum()
    }

    /// Lets go of the content; it is read from the file instead, by those who are being sent it as well.
    pub(crate) fn forget_content(&self) {
        for representation in &self.representations {
            representation.file.forget_content();
        }
    }
}

/// The sidecars that a file can have; a sidecar has none itself, nor has what is compressed by nature.
fn sidecars(path: &[u8]) -> impl Iterator<Item = Coding> {
    let is_sidecar = |coding: &Coding| path.ends_with(coding.extension().as_bytes());
    let has_coding =
        Coding::SIDECARS.iter().any(is_sidecar) || media_type::inherent_coding(path).is_some();
    Coding::SIDECARS.into_iter().filter(move |_| !has_coding)
}

/// Opens a sidecar, if there is one that may be read. Every other failure (out of descriptors) is
/// passed on: a site must not lose its sidecars by it.
fn open_sidecar<F: Files>(
    files: &mut F,
    open_files: &OpenFiles<F>,
    path: &[u8],
    coding: Coding,
) -> io::Result<Option<(F::File, Metadata)>> {
    match open_files.open(files, &sidecar_path(path, coding)) {
        Ok((file, metadata)) if metadata.kind == FileKind::File => Ok(Some((file, metadata))),
        Ok(_) => Ok(None),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(None),
            _ => Err(error),
        },
    }
}
