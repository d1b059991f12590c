//! One form of a file as it can be sent: its fields, its validators, where its bytes are.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::xxh3_128;

use super::body::{FileSlice, Slice};
use super::common_fields::CommonFields;
use super::conditional::Validators;
use super::encoding::Coding;
use super::open_file::{FileSlot, OpenFile};
use super::open_files::OpenFiles;
use crate::http::{Fields, date};
use crate::world::{Files, Metadata};

/// Files up to this length have an entity tag made from their content, and may be kept in memory.
/// Pages, styles, scripts and fonts are below it; reading and hashing this much takes about 50 µs,
/// the longest that one request may keep the others waiting for a tag.
pub(crate) const HASHED_LEN: u64 = 256 << 10;

/// How often a file is read again that changes while it is read, before it is taken as it is.
const READ_ATTEMPTS: usize = 3;

/// One of the forms in which a file can be sent.
pub(crate) struct Representation<F: Files> {
    pub(crate) coding: Coding,
    /// What `fstat` said about the file that this was made from.
    pub(crate) metadata: Metadata,
    /// `Last-Modified`, in seconds since 1970.
    last_modified: u64,
    /// The fields of a 200.
    pub(crate) fields: Rc<Fields>,
    /// The fields of a 304, once one was asked for.
    pub(crate) not_modified: OnceCell<Rc<Fields>>,
    /// The fields of a 404 with this content, once one was asked for.
    pub(crate) not_found: OnceCell<Rc<Fields>>,
    /// Its bytes.
    pub(crate) file: FileSlot<F>,
}

/// Where the bytes of a representation come from.
pub(crate) struct Source<F: Files>(OpenFile<F>);

impl<F: Files> Source<F> {
    /// A range of the bytes; within the length of the representation.
    pub(crate) fn slice(&self, start: u64, end: u64) -> Slice<F> {
        Slice::File(FileSlice::new(self.0.clone(), start, end))
    }
}

/// What all representations of a resource have in common.
pub(crate) struct Context<'a, F: Files> {
    pub(crate) path: &'a [u8],
    pub(crate) open_files: &'a Rc<OpenFiles<F>>,
    pub(crate) content_type: String,
    /// The coding of the file itself, where it is not that of a sidecar.
    pub(crate) inherent_coding: Option<&'static str>,
    pub(crate) cache_control: Option<&'a str>,
    pub(crate) common: &'a CommonFields,
    pub(crate) variety: Variety,
    pub(crate) keep: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variety {
    One,
    Several,
}

impl<F: Files> Representation<F> {
    /// Reads an open file as far as its tag needs that.
    pub(crate) fn new(
        files: &mut F,
        file: F::File,
        metadata: Metadata,
        coding: Coding,
        context: &Context<'_, F>,
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
            file: FileSlot::new(
                context.open_files,
                &sidecar_path(context.path, coding),
                metadata,
                content
                    .filter(|content| content.len() as u64 <= context.keep)
                    .map(Rc::from),
            ),
        })
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.metadata.len
    }

    /// What preconditions compare.
    pub(crate) fn validators(&self) -> Validators<'_> {
        Validators {
            entity_tag: self.entity_tag(),
            last_modified: self.last_modified,
        }
    }

    /// The strong entity tag (RFC 9110 §8.8.3), with its quotes.
    pub(crate) fn entity_tag(&self) -> &[u8] {
        self.fields.value("etag").unwrap_or_default()
    }

    /// Whether the bytes are in a content coding.
    pub(crate) fn is_encoded(&self) -> bool {
        self.coding != Coding::Identity
    }

    /// Whether this and what was read `again` cannot be told from one another: the tag among the
    /// fields is of the content.
    pub(crate) fn is_same(&self, again: &Self) -> bool {
        self.coding == again.coding
            && self.metadata == again.metadata
            && self.fields.iter().eq(again.fields.iter())
    }

    /// When anything about the file last changed.
    pub(crate) fn changed(&self) -> SystemTime {
        let status = u64::try_from(self.metadata.identity.2).unwrap_or(0);
        self.metadata
            .modified
            .max(UNIX_EPOCH + Duration::from_nanos(status))
    }

    /// Where to read the bytes from; `None` if the file has changed since.
    pub(crate) fn source(&self, files: &mut F) -> io::Result<Option<Source<F>>> {
        Ok(self.file.share(files)?.map(Source))
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
fn prepare<F: Files>(
    context: &Context<'_, F>,
    metadata: &Metadata,
    last_modified: u64,
    tag: &str,
    coding: Coding,
) -> Fields {
    let modified = date::format(UNIX_EPOCH + Duration::from_secs(last_modified));
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

/// The path of a form of the file at `path`.
pub(crate) fn sidecar_path(path: &[u8], coding: Coding) -> Vec<u8> {
    [path, coding.extension().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::testing::{TestSite, read};
    use crate::site::{Body, BodyError};
    use crate::world::memory_files::MemoryFiles;

    fn large() -> String {
        "0123456789abcdef".repeat(HASHED_LEN as usize / 16 + 1)
    }

    #[test]
    fn a_tag_is_the_same_wherever_the_file_is() {
        let mut here = TestSite::new(&[("a", "content"), ("b", "other")]);
        let mut there = TestSite::new(&[]);
        there.advance(Duration::from_secs(77));
        there.files.write("x/y", "content");
        let tag = |site: &mut TestSite, target| site.get(target).field("etag").unwrap().to_owned();
        assert_eq!(tag(&mut here, "/a"), tag(&mut there, "/x/y"));
        assert_ne!(tag(&mut here, "/a"), tag(&mut here, "/b"));
        // So that a change of the algorithm is noticed: it would empty every cache.
        assert_eq!(tag(&mut here, "/a"), "\"917e1274274fc195b27a2d2388d9568c\"");
    }

    #[test]
    fn the_tag_of_a_large_file_is_made_of_length_and_nanoseconds() {
        let content = large();
        let mut site = TestSite::new(&[("a", &content)]);
        let first = site.get("/a");
        assert_eq!(first.field("etag"), Some("\"40010-18867251edfa0000\""));
        assert_eq!(first.content.len(), content.len());
        site.files.advance(Duration::from_nanos(1));
        site.files.edit("a", |content| content[0] = b'x');
        site.advance(Duration::from_secs(1));
        let second = site.get("/a");
        assert_eq!(second.content.first(), Some(&b'x'));
        assert_ne!(first.field("etag"), second.field("etag"));
    }

    #[test]
    fn a_large_file_is_not_kept_and_its_descriptor_is_shared() {
        let content = large();
        let mut site = TestSite::new(&[("a", &content)]);
        let first = site.respond("GET", "/a", &[]);
        assert_eq!(site.files.counts().reads, 0);
        let opens = site.files.counts().opens;
        let second = site.respond("GET", "/a", &[("range", "bytes=-4")]);
        assert_eq!(site.files.counts().opens, opens);
        assert_eq!(read(second.body, &mut site.files), b"cdef");
        assert_eq!(read(first.body, &mut site.files).len(), content.len());
        // Both are done, and the descriptor is closed: it is opened again.
        site.get("/a");
        assert_eq!(site.files.counts().opens, opens + 1);
    }

    #[test]
    fn a_large_file_that_changes_in_place_is_never_sent_under_its_old_tag() {
        let mut site = TestSite::new(&[("a", &large())]);
        let sending = site.respond("GET", "/a", &[]);
        site.files.advance(Duration::from_millis(4));
        site.files.truncate("a", HASHED_LEN as usize + 1);
        let seen = site.get("/a");
        assert_eq!(seen.content.len() as u64, HASHED_LEN + 1);
        let mut body = sending.body;
        let mut out = Vec::new();
        let error = loop {
            match body.read(&mut site.files, &mut out, 100_000) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, BodyError::Truncated));
        assert_eq!(out.len() as u64, HASHED_LEN + 1);
    }

    #[test]
    fn a_file_that_is_replaced_while_it_is_sent_is_sent_as_it_was() {
        let content = large();
        let mut site = TestSite::new(&[("a", &content)]);
        let sending = site.respond("GET", "/a", &[]);
        site.files.write("a", "new");
        assert_eq!(read(sending.body, &mut site.files), content.as_bytes());
        site.advance(Duration::from_secs(1));
        assert_eq!(site.get("/a").text(), "new");
    }

    #[test]
    fn small_content_is_a_snapshot() {
        let mut site = TestSite::new(&[("a", "content")]);
        let Body::One(slice) = site.respond("GET", "/a", &[]).body else {
            panic!("one slice");
        };
        site.files.truncate("a", 0);
        assert_eq!(read(Body::One(slice), &mut site.files), b"content");
    }

    #[test]
    fn short_reads_of_the_disk_do_not_change_the_tag() {
        let mut site = TestSite::new(&[("a", "content")]);
        let tag = site.get("/a").field("etag").map(str::to_owned);
        let mut other = TestSite::new(&[("a", "content")]);
        other.files.limit_reads(3);
        assert_eq!(other.get("/a").field("etag"), tag.as_deref());
        assert_eq!(other.get("/a").text(), "content");
    }

    #[test]
    fn a_file_that_changes_with_every_look_is_served_as_it_is() {
        let mut site = TestSite::new(&[("log", "line\n")]);
        site.files.before_reads(|files| {
            files.advance(Duration::from_millis(4));
            files.edit("log", |content| content.extend_from_slice(b"line\n"));
            Ok(())
        });
        let response = site.respond("GET", "/log", &[]);
        let len = response.body.len().unwrap();
        let content = read(response.body, &mut site.files);
        assert_eq!((response.status, content.len() as u64), (200, len));
        assert_eq!(
            response.fields.value("content-length"),
            Some(len.to_string().as_bytes())
        );
    }

    #[test]
    fn a_disk_that_fails_is_an_error_before_the_head_or_behind_it() {
        let mut site = TestSite::new(&[("small", "x"), ("large", &large())]);
        let sending = site.respond("GET", "/large", &[]);
        site.files
            .before_reads(|_| Err(rustix::io::Errno::IO.into()));
        assert_eq!(site.respond("GET", "/small", &[]).status, 500);
        let mut body = sending.body;
        let result = body.read(&mut site.files, &mut Vec::new(), 1000);
        assert!(matches!(result, Err(BodyError::Io(_))));
    }

    #[test]
    fn s8_8_2_1_no_file_was_modified_in_the_future() {
        let mut site = TestSite::new(&[("a", "content")]);
        let future = MemoryFiles::new().now() + Duration::from_secs(1 << 30);
        site.files.set_modified("a", future);
        let seen = site.get("/a");
        assert_eq!(
            seen.field("last-modified"),
            Some("Thu, 01 Jan 2026 01:00:00 GMT")
        );
    }

    #[test]
    fn compressed_svg_says_that_it_is_compressed_and_has_no_sidecars() {
        let mut site = TestSite::new(&[("a.svgz", "gz"), ("a.svgz.br", "br"), ("a.svg", "svg")]);
        let seen = site.get_with("/a.svgz", &[("accept-encoding", "br")]);
        assert_eq!((seen.status, seen.text()), (200, "gz"));
        assert_eq!(seen.field("content-type"), Some("image/svg+xml"));
        assert_eq!(seen.field("content-encoding"), Some("gzip"));
        assert_eq!(seen.field("vary"), None);
        assert_eq!(site.get("/a.svg").field("content-encoding"), None);
    }

    #[test]
    fn a_page_that_names_its_character_set_is_not_said_to_have_another() {
        let page = "<!doctype html><meta charset=koi8-r>";
        let mut site = TestSite::new(&[("a.html", page), ("b.html", "b")]);
        assert_eq!(site.get("/a.html").field("content-type"), Some("text/html"));
        let said = Some("text/html; charset=utf-8");
        assert_eq!(site.get("/b.html").field("content-type"), said);
    }

    #[test]
    fn an_empty_file_is_a_file() {
        let mut site = TestSite::new(&[("a", "")]);
        let seen = site.get("/a");
        assert_eq!(
            (seen.status, seen.field("content-length")),
            (200, Some("0"))
        );
        assert_eq!(site.get_with("/a", &[("range", "bytes=0-")]).status, 200);
        assert_eq!(site.get_with("/a", &[("range", "bytes=-1")]).status, 200);
    }
}
