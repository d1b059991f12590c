//! One representation of a file: its fields, its validators, and the source of its bytes.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::common_fields::CommonFields;
use super::conditional::Validators;
use super::encoding::Coding;
use super::reading::Reading;
use super::validators::{self, Settling, StateKey, strong_tag, weak_tag};
use crate::content::{Digest, FileSlice, FileSlot, FileState, FileTable, Growth, OpenFile, Slice};
use crate::http::{Fields, date};
use crate::world::{Files, Metadata};

/// A file that was modified less than this before it was opened, and becomes longer while it is sent,
/// is taken for one that is appended to: a log with a line a minute. A deployment replaces files that
/// are older.
const GROWING: Duration = Duration::from_secs(60);

/// One of the representations in which a file can be sent: itself, or a sidecar.
pub(crate) struct Representation<F: Files> {
    pub(crate) coding: Coding,
    /// The result of `fstat` for the file that the representation was made from.
    pub(crate) metadata: Metadata,
    /// `Last-Modified`, in seconds since 1970.
    last_modified: Option<u64>,
    state: StateKey,
    pub(crate) settling: Settling,
    /// Fields with the first tag.
    first: Forms,
    strength: Strength,
    /// Fields with the strong tag, if the first tag was weak.
    hashed: OnceCell<Forms>,
    /// The file that the bytes are read from.
    pub(crate) file: FileSlot<F>,
}

/// Strength of the first tag of a representation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Weak,
    Strong,
}

/// The fields of responses with a representation.
pub(crate) struct Forms {
    /// The fields of a 200.
    pub(crate) fields: Rc<Fields>,
    /// The fields of a 304, once one was needed.
    pub(crate) not_modified: OnceCell<Rc<Fields>>,
    /// The fields of a 404 whose page the representation is, once one was needed.
    pub(crate) not_found: OnceCell<Rc<Fields>>,
}

impl Forms {
    fn new(fields: Rc<Fields>) -> Self {
        Forms {
            fields,
            not_modified: OnceCell::new(),
            not_found: OnceCell::new(),
        }
    }

    /// The fields with another tag.
    fn with_tag(&self, tag: &str) -> Self {
        let mut fields = Fields::new();
        for field in self.fields.iter() {
            match field.name {
                b"etag" => fields.push(b"etag", tag.as_bytes()),
                _ => fields.push_field(field),
            }
        }
        Forms::new(Rc::new(fields))
    }
}

/// Source of the bytes of a representation.
pub(crate) struct ByteSource<F: Files>(OpenFile<F>);

impl<F: Files> ByteSource<F> {
    /// The file.
    pub(crate) fn file(&self) -> &OpenFile<F> {
        &self.0
    }

    /// A range of the bytes, which lies within the length of the representation.
    pub(crate) fn slice(&self, start: u64, end: u64) -> Slice<F> {
        Slice::File(FileSlice::new(self.0.clone(), start, end))
    }
}

/// Properties that all representations of a resource have in common.
pub(crate) struct ResourceContext<'a, F: Files> {
    pub(crate) path: &'a [u8],
    pub(crate) open_files: &'a Rc<FileTable<F>>,
    pub(crate) content_type: String,
    /// The coding of the file itself, if the file is no sidecar.
    pub(crate) inherent_coding: Option<&'static str>,
    pub(crate) cache_control: Option<&'a str>,
    pub(crate) common: &'a CommonFields,
    pub(crate) variety: Variety,
    pub(crate) keep: u64,
    pub(crate) now: SystemTime,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variety {
    One,
    Several,
}

impl<F: Files> Representation<F> {
    /// The representation that an open file was read for. A file that is not kept in memory stays open for
    /// the first response.
    pub(crate) fn new(
        file: F::File,
        reading: Reading,
        coding: Coding,
        context: &ResourceContext<'_, F>,
    ) -> Self {
        let now = context.now;
        let Reading {
            metadata,
            settling,
            state,
            hash,
            content,
        } = reading;
        let last_modified = validators::last_modified(&metadata, now);
        let tag = match hash {
            Some(hash) => strong_tag(hash, coding),
            None => weak_tag(state),
        };
        let fields = prepare(context, &metadata, last_modified, &tag, coding);
        let growth = if metadata.modified + GROWING > now {
            Growth::Appended
        } else {
            Growth::Rewritten
        };
        let digest = hash.map_or(Digest::Unknown, Digest::Known);
        let content = content.filter(|content| content.len() as u64 <= context.keep);
        let is_kept = content.is_some();
        let slot = FileSlot::new(
            context.open_files,
            &sidecar_path(context.path, coding),
            FileState { metadata, growth },
            content,
            digest,
        );
        if !is_kept {
            slot.keep(file);
        }
        Representation {
            coding,
            metadata,
            last_modified,
            state,
            settling,
            first: Forms::new(context.common.complete(fields)),
            strength: hash.map_or(Strength::Weak, |_| Strength::Strong),
            hashed: OnceCell::new(),
            file: slot,
        }
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.metadata.len
    }

    /// The fields of responses, with the best tag that is known by now.
    pub(crate) fn forms(&self) -> &Forms {
        match (self.strength, self.hashed.get()) {
            (Strength::Strong, _) => &self.first,
            (Strength::Weak, Some(hashed)) => hashed,
            (Strength::Weak, None) => match self.file.hash() {
                Some(hash) => self
                    .hashed
                    .get_or_init(|| self.first.with_tag(&strong_tag(hash, self.coding))),
                None => &self.first,
            },
        }
    }

    /// The values that preconditions compare.
    pub(crate) fn validators(&self) -> Validators<'_> {
        let tag = self.entity_tag();
        Validators {
            strong_tag: tag.starts_with(b"\"").then_some(tag),
            state: self.state,
            last_modified: self.last_modified,
        }
    }

    /// The entity tag (RFC 9110 §8.8.3), with its quotes: strong once the content is hashed.
    pub(crate) fn entity_tag(&self) -> &[u8] {
        self.forms().fields.value("etag").unwrap_or_default()
    }

    /// The state of the file and the hash of its content, if the state can be recognised later.
    pub(crate) fn hash(&self) -> Option<(StateKey, u128)> {
        let hash = self.file.hash()?;
        (self.settling == Settling::Settled).then_some((self.state, hash))
    }

    /// The state of the file that the representation was made from.
    pub(crate) fn state(&self) -> StateKey {
        self.state
    }

    /// True if the hash of the content is unknown, and would be of use because the state can be
    /// recognised later.
    pub(crate) fn lacks_hash(&self) -> bool {
        self.strength == Strength::Weak
            && self.settling == Settling::Settled
            && self.file.hash().is_none()
    }

    /// True if the bytes are in a content coding.
    pub(crate) fn is_encoded(&self) -> bool {
        self.coding != Coding::Identity
    }

    /// True if reading the file `again` gave an equal representation. Equal fields suffice, because the
    /// tag among them is made from the content.
    pub(crate) fn is_same(&self, again: &Self) -> bool {
        self.coding == again.coding
            && self.metadata == again.metadata
            && self.forms().fields.iter().eq(again.forms().fields.iter())
    }

    /// Bytes of memory of the fields: of a 200, and of the 304 and 404 that may be added. They count
    /// twice if the tag may change.
    pub(crate) fn fields_size(&self) -> usize {
        let forms = match self.strength {
            Strength::Strong => 2,
            Strength::Weak => 4,
        };
        forms * self.first.fields.size()
    }

    /// The source of the bytes; `None` if the file has changed since.
    pub(crate) fn source(&self, reads: &mut F::Reads) -> io::Result<Option<ByteSource<F>>> {
        Ok(self.file.share(reads)?.map(ByteSource))
    }
}

/// The fields of a 200, before those that every response has.
fn prepare<F: Files>(
    context: &ResourceContext<'_, F>,
    metadata: &Metadata,
    last_modified: Option<u64>,
    tag: &str,
    coding: Coding,
) -> Fields {
    let mut fields = Fields::new();
    fields.push(b"content-type", context.content_type.as_bytes());
    fields.push(b"content-length", metadata.len.to_string().as_bytes());
    let encoding = match coding {
        Coding::Identity => context.inherent_coding,
        coding => Some(coding.name()),
    };
    if let Some(encoding) = encoding {
        fields.push(b"content-encoding", encoding.as_bytes());
    }
    fields.push(b"etag", tag.as_bytes());
    if let Some(seconds) = last_modified {
        let modified = date::format(UNIX_EPOCH + Duration::from_secs(seconds));
        fields.push(b"last-modified", modified.as_bytes());
    }
    fields.push(b"accept-ranges", b"bytes");
    match context.cache_control {
        Some("") => {}
        Some(value) => fields.push(b"cache-control", value.as_bytes()),
        // A page names the files that belong to it, so an old page would show an old site. The tag
        // makes asking again cheap.
        None if is_page(&context.content_type) => {
            context
                .common
                .push_default(&mut fields, "cache-control", "no-cache");
        }
        None => {}
    }
    if context.variety == Variety::Several {
        fields.push(b"vary", b"accept-encoding");
    }
    fields
}

/// True for the type of a document that a browser shows by itself.
fn is_page(content_type: &str) -> bool {
    ["text/html", "application/xhtml+xml"]
        .iter()
        .any(|page| content_type.starts_with(page))
}

/// The path of the sidecar of the file at `path` in a coding.
pub(crate) fn sidecar_path(path: &[u8], coding: Coding) -> Vec<u8> {
    [path, coding.extension().as_bytes()].concat()
}

#[cfg(test)]
mod tests;
