//! A file as it can be sent: with its sidecars, its validators and its prepared fields.
//!
//! A [`Resource`] is made once per change of a file and then shared. What it knows is what `fstat` said
//! about the descriptors it was made from; [`Resource::is_current`] asks whether that still holds.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::xxh3_128;

use super::body::Slice;
use super::cache_control::CacheRules;
use super::common_fields::CommonFields;
use super::encoding::Coding;
use super::media_type;
use crate::http::{Fields, date};
use crate::world::{FileKind, Files, Metadata};

/// Files up to this length have an entity tag made from their content, and may be kept in memory.
/// Pages, styles, scripts and fonts are below it; reading and hashing this much takes about 50 µs,
/// the longest that one request may keep the others waiting for a tag.
pub(crate) const HASHED_LEN: u64 = 256 << 10;

/// A file that was changed less than this ago can be changed once more without its times showing it:
/// two seconds is the coarsest clock of a file system that sites lie on (FAT).
const UNSETTLED: Duration = Duration::from_secs(2);

/// How often a file is read again that changes while it is read, before it is taken as it is.
const READ_ATTEMPTS: usize = 3;

/// What decides about the fields of a resource beside the file.
pub(crate) struct Dress {
    pub(crate) common: Rc<CommonFields>,
    pub(crate) rules: CacheRules,
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
    stability: Stability,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stability {
    Settled,
    Unsettled,
}

/// One of the forms in which a file can be sent.
pub(crate) struct Representation<F: Files> {
    pub(crate) coding: Coding,
    metadata: Metadata,
    /// `Last-Modified`, in seconds since 1970.
    pub(crate) last_modified: u64,
    /// The fields of a 200.
    pub(crate) fields: Rc<Fields>,
    /// The fields of a 304, once one was asked for.
    pub(crate) not_modified: OnceCell<Rc<Fields>>,
    /// The fields of a 404 with this content, once one was asked for.
    pub(crate) not_found: OnceCell<Rc<Fields>>,
    content: Option<Rc<[u8]>>,
    /// The descriptor, as long as some response sends from it.
    file: RefCell<Weak<F::File>>,
}

/// Where the bytes of a representation come from.
pub(crate) enum Source<F: Files> {
    Memory(Rc<[u8]>),
    File(Rc<F::File>),
}

impl<F: Files> Source<F> {
    /// A range of the bytes; within the length of the representation.
    pub(crate) fn slice(&self, start: u64, end: u64) -> Slice<F> {
        match self {
            Source::Memory(content) => {
                let clamp =
                    |at: u64| usize::try_from(at).map_or(content.len(), |at| at.min(content.len()));
                Slice::Memory { content: content.clone(), start: clamp(start), end: clamp(end) }
            }
            Source::File(file) => Slice::File { file: file.clone(), start, end },
        }
    }
}

impl<F: Files> Resource<F> {
    /// Reads what `path` names. Content up to `keep` bytes stays in memory.
    pub(crate) fn load(
        files: &mut F,
        path: &[u8],
        dress: &Dress,
        keep: u64,
        now: Instant,
    ) -> io::Result<Loaded<F>> {
        let (file, metadata) = files.open(path)?;
        if metadata.kind == FileKind::Directory {
            return Ok(Loaded::Directory);
        }
        let mut opened = vec![(Coding::Identity, file, metadata)];
        for coding in sidecars(path) {
            if let Some((file, metadata)) = open_sidecar(files, path, coding)? {
                opened.push((coding, file, metadata));
            }
        }
        let variety = if opened.len() > 1 { Variety::Several } else { Variety::One };
        let context = Context {
            content_type: media_type::content_type(path),
            cache_control: dress.rules.value_for(path),
            common: &dress.common,
            variety,
            keep,
        };
        let mut representations = Vec::with_capacity(opened.len());
        for (coding, file, metadata) in opened {
            representations.push(Representation::new(files, file, metadata, coding, &context)?);
        }
        let settled = files.now().checked_sub(UNSETTLED);
        let is_settled =
            |r: &Representation<F>| settled.is_some_and(|settled| r.changed() < settled);
        let stability = if representations.iter().all(is_settled) {
            Stability::Settled
        } else {
            Stability::Unsettled
        };
        Ok(Loaded::Resource(Resource { representations, checked: Cell::new(now), stability }))
    }

    /// Whether the disk still holds what this was made from: the same files, unchanged.
    pub(crate) fn is_current(&self, files: &mut F, path: &[u8]) -> io::Result<bool> {
        if self.stability == Stability::Unsettled {
            return Ok(false);
        }
        let known = |coding| self.representations.iter().find(|r| r.coding == coding);
        let (_, metadata) = files.open(path)?;
        if known(Coding::Identity).map(|r| r.metadata) != Some(metadata) {
            return Ok(false);
        }
        for coding in sidecars(path) {
            let there = open_sidecar(files, path, coding)?.map(|(_, metadata)| metadata);
            if known(coding).map(|r| r.metadata) != there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the request's `Accept-Encoding` matters.
    pub(crate) fn varies(&self) -> bool {
        self.representations.len() > 1
    }

    /// The bytes of memory that this takes, about.
    pub(crate) fn cost(&self) -> usize {
        let representations = self.representations.iter().map(|r| {
            let content = r.content.as_ref().map_or(0, |content| content.len());
            // The fields of a 200, and those of a 304 and a 404 that may be added.
            size_of_val(r) + content + 2 * r.fields.size()
        });
        size_of_val(self) + representations.sum::<usize>()
    }

    /// Whether a response holds content of this, which dropping it would not free.
    pub(crate) fn is_pinned(&self) -> bool {
        let is_held = |content: &Rc<[u8]>| Rc::strong_count(content) > 1;
        self.representations.iter().any(|r| r.content.as_ref().is_some_and(is_held))
    }

    /// Lets go of the content; it is read from the file instead.
    pub(crate) fn forget_content(&mut self) {
        for representation in &mut self.representations {
            representation.content = None;
        }
    }
}

/// The sidecars that a file can have; a sidecar has none itself.
fn sidecars(path: &[u8]) -> impl Iterator<Item = Coding> {
    let is_sidecar =
        Coding::SIDECARS.iter().any(|coding| path.ends_with(coding.extension().as_bytes()));
    Coding::SIDECARS.into_iter().filter(move |_| !is_sidecar)
}

fn sidecar_path(path: &[u8], coding: Coding) -> Vec<u8> {
    [path, coding.extension().as_bytes()].concat()
}

/// Opens a sidecar, if there is one that may be read. Every other failure (out of descriptors) is
/// passed on: a site must not lose its sidecars by it.
fn open_sidecar<F: Files>(
    files: &mut F,
    path: &[u8],
    coding: Coding,
) -> io::Result<Option<(F::File, Metadata)>> {
    match files.open(&sidecar_path(path, coding)) {
        Ok((file, metadata)) if metadata.kind == FileKind::File => Ok(Some((file, metadata))),
        Ok(_) => Ok(None),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(None),
            _ => Err(error),
        },
    }
}

/// What all representations of a resource have in common.
struct Context<'a> {
    content_type: String,
    cache_control: Option<&'a str>,
    common: &'a CommonFields,
    variety: Variety,
    keep: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Variety {
    One,
    Several,
}

impl<F: Files> Representation<F> {
    fn new(
        files: &mut F,
        file: F::File,
        metadata: Metadata,
        coding: Coding,
        context: &Context<'_>,
    ) -> io::Result<Self> {
        let (metadata, content) = read_whole(files, &file, metadata)?;
        let last_modified = date::seconds(metadata.modified.min(files.now()));
        let tag = entity_tag(&metadata, content.as_deref(), coding);
        let fields = prepare(context, &metadata, last_modified, &tag, coding);
        Ok(Representation {
            coding,
            metadata,
            last_modified,
            fields: context.common.complete(fields),
            not_modified: OnceCell::new(),
            not_found: OnceCell::new(),
            content: content.filter(|content| content.len() as u64 <= context.keep).map(Rc::from),
            file: RefCell::new(Weak::new()),
        })
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.metadata.len
    }

    /// The strong entity tag (RFC 9110 §8.8.3), with its quotes.
    pub(crate) fn entity_tag(&self) -> &[u8] {
        self.fields.value("etag").unwrap_or_default()
    }

    /// Whether the bytes are in a content coding.
    pub(crate) fn is_encoded(&self) -> bool {
        self.coding != Coding::Identity
    }

    /// When anything about the file last changed.
    fn changed(&self) -> SystemTime {
        let status = u64::try_from(self.metadata.identity.2).unwrap_or(0);
        self.metadata.modified.max(UNIX_EPOCH + Duration::from_nanos(status))
    }

    /// Where to read the bytes from; `None` if the file has changed since.
    pub(crate) fn source(&self, files: &mut F, path: &[u8]) -> io::Result<Option<Source<F>>> {
        if let Some(content) = &self.content {
            return Ok(Some(Source::Memory(content.clone())));
        }
        let shared = self.file.borrow().upgrade();
        if let Some(file) = shared {
            let unchanged = files.metadata(&file)? == self.metadata;
            return Ok(unchanged.then_some(Source::File(file)));
        }
        let (file, metadata) = files.open(&sidecar_path(path, self.coding))?;
        if metadata != self.metadata {
            return Ok(None);
        }
        let file = Rc::new(file);
        self.file.replace(Rc::downgrade(&file));
        Ok(Some(Source::File(file)))
    }
}

/// Reads a file that is small enough to be hashed, such that content and metadata belong together.
fn read_whole<F: Files>(
    files: &mut F,
    file: &F::File,
    mut metadata: Metadata,
) -> io::Result<(Metadata, Option<Vec<u8>>)> {
    for _ in 0..READ_ATTEMPTS {
        if metadata.len > HASHED_LEN {
            break;
        }
        let len = metadata.len as usize;
        let mut content = Vec::with_capacity(len);
        while content.len() < len {
            let left = len - content.len();
            if files.read_at(file, content.len() as u64, &mut content, left)? == 0 {
                break;
            }
        }
        let after = files.metadata(file)?;
        if after == metadata && content.len() == len {
            return Ok((metadata, Some(content)));
        }
        metadata = after;
    }
    Ok((metadata, None))
}

/// A tag that is the same on every machine that holds the same file: made from its content, or, where
/// that is too long, from its length and modification time. The coding is part of it, since the
/// forms of a file are different things (RFC 9110 §8.8.3.3).
fn entity_tag(metadata: &Metadata, content: Option<&[u8]>, coding: Coding) -> String {
    let base = match content {
        Some(content) => format!("{:032x}", xxh3_128(content)),
        None => {
            let modified = metadata.modified.duration_since(UNIX_EPOCH);
            let nanoseconds = modified.unwrap_or_default().as_nanos();
            format!("{:x}-{nanoseconds:x}", metadata.len)
        }
    };
    match coding {
        Coding::Identity => format!("\"{base}\""),
        coding => format!("\"{base}-{}\"", coding.name()),
    }
}

/// The fields of a 200, before those that every response has.
fn prepare(
    context: &Context<'_>,
    metadata: &Metadata,
    last_modified: u64,
    tag: &str,
    coding: Coding,
) -> Fields {
    let modified = date::format(UNIX_EPOCH + Duration::from_secs(last_modified));
    let mut fields = Fields::new();
    fields.push(b"content-type", context.content_type.as_bytes());
    fields.push(b"content-length", metadata.len.to_string().as_bytes());
    if coding != Coding::Identity {
        fields.push(b"content-encoding", coding.name().as_bytes());
    }
    fields.push(b"etag", tag.as_bytes());
    fields.push(b"last-modified", modified.as_bytes());
    fields.push(b"accept-ranges", b"bytes");
    if let Some(value) = context.cache_control {
        fields.push(b"cache-control", value.as_bytes());
    }
    if context.variety == Variety::Several {
        fields.push(b"vary", b"accept-encoding");
    }
    fields
}
