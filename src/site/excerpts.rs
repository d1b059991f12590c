//! Short ranges of files whose content is not in memory, ready to be sent again: the index of an archive, the
//! head of a film, which all who open it ask for.
//!
//! A range is true for as long as its file is in the state in which it was read, and the cache looks at that
//! (`hot`). The cache alone holds its bytes: a response that waits for long may have to go on from the file.

use std::hash::BuildHasher;
use std::io::IoSliceMut;
use std::rc::Rc;

use foldhash::quality::RandomState;

use super::Site;
use super::part_head::{PartHead, part_fields};
use super::present::Unready;
use super::range::ByteRange;
use super::representation::Representation;
use super::resource::Resource;
use super::validators::{Settling, StateKey};
use crate::content::{Body, FilePart, LONGEST_PART, OpenFile, Slice};
use crate::exchange::Response;
use crate::http::Fields;
use crate::world::{FileReads, Files, Metadata};

/// Number of ranges that are kept.
const KEPT: usize = 16;

/// The longest range that is kept, in bytes. Reading longer ones costs little beside sending them.
const LONGEST: u64 = 8 << 10;
const _: () = assert!(LONGEST <= LONGEST_PART);

/// Number of ranges that are remembered as asked for. A range is kept when it is asked for again: a client that asks
/// for one range after another reads them from the file, as before.
const ASKED: usize = 64;

/// The ranges take at most one part in this many of the cache's budget.
pub(super) const SHARE: usize = 16;

/// The ranges that were asked for again last.
#[derive(Default)]
pub(super) struct Excerpts {
    kept: Vec<Excerpt>,
    bytes: usize,
    /// Hashes of the ranges that were asked for last, each in the place that it names.
    asked: Vec<u64>,
    hasher: RandomState,
    last_head: PartHead,
}

/// A range of a file, and the fields of the response with it.
pub(super) struct Excerpt {
    state: StateKey,
    range: ByteRange,
    /// The fields of a 200 that those of the response were made from.
    whole: Rc<Fields>,
    fields: Rc<Fields>,
    content: Rc<Box<[u8]>>,
}

impl Excerpts {
    /// The fields of the last response with a range of a file that is not kept here.
    pub(super) fn last_head(&mut self) -> &mut PartHead {
        &mut self.last_head
    }

    /// Memory of all ranges, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn get<F: Files>(&self, of: &Representation<F>, range: ByteRange) -> Option<&Excerpt> {
        let state = of.state();
        let mut kept = self.kept.iter();
        let found = kept.find(|excerpt| excerpt.range == range && excerpt.state == state)?;
        // Its tag may have become a strong one since.
        Rc::ptr_eq(&found.whole, &of.forms().fields).then_some(found)
    }

    /// Notes that a range is asked for. True if it was lately.
    fn note_asked(&mut self, state: StateKey, range: ByteRange) -> bool {
        if self.asked.is_empty() {
            self.asked = vec![0; ASKED];
        }
        let hash = self.hasher.hash_one((state, range.start, range.end));
        let place = self.asked.get_mut(hash as usize % ASKED);
        place.is_some_and(|place| std::mem::replace(place, hash) == hash)
    }

    /// Keeps a range in the place of the one that was read first, within `most` bytes for all of them.
    pub(super) fn insert(&mut self, excerpt: Excerpt, most: usize) {
        let is_other = |kept: &Excerpt| (kept.state, kept.range) != (excerpt.state, excerpt.range);
        self.kept.retain(is_other);
        self.kept.push(excerpt);
        self.count();
        while self.bytes > most || self.kept.len() > KEPT {
            self.kept.remove(0);
            self.count();
        }
    }

    fn count(&mut self) {
        self.bytes = self.kept.iter().map(Excerpt::bytes).sum();
    }
}

impl Excerpt {
    fn bytes(&self) -> usize {
        size_of::<Excerpt>() + self.fields.size() + self.content.len()
    }

    fn response<F: Files>(&self, file: OpenFile<F>) -> Response<F> {
        let part = FilePart::new(file, self.range.start, &self.content);
        Response {
            status: 206,
            fields: self.fields.clone(),
            body: Body::One(Slice::Part(part)),
        }
    }
}

impl<F: Files> Site<F> {
    /// The response with a short range of a file that is not in memory; `None` if it is to be read while it is
    /// sent.
    pub(super) fn excerpt(
        &mut self,
        resource: &Resource<F>,
        representation: &Representation<F>,
        range: ByteRange,
    ) -> Result<Option<Response<F>>, Unready> {
        let most = LONGEST.min(self.hot.most_excerpts() as u64);
        let is_short = range.end - range.start <= most;
        // A file that may change without a trace would be read again anyway.
        let is_settled = representation.settling == Settling::Settled;
        if !is_short || !is_settled || representation.file.is_in_memory() {
            return Ok(None);
        }
        let kept = self.hot.excerpts();
        if let Some(excerpt) = kept.and_then(|kept| kept.get(representation, range)) {
            return Ok(Some(excerpt.response(representation.file.lend())));
        }
        let state = representation.state();
        if !self.hot.excerpts_mut().note_asked(state, range) {
            return Ok(None);
        }
        let source = self.source(resource, representation)?;
        let file = source.file();
        let Some(content) = read(&mut self.reads, file, range, &representation.metadata) else {
            return Ok(None);
        };
        let whole = representation.forms().fields.clone();
        let excerpt = Excerpt {
            state,
            range,
            fields: Rc::new(part_fields(&whole, range, representation.len())),
            whole,
            content: Rc::new(content),
        };
        let response = excerpt.response(file.clone());
        self.hot.keep_excerpt(excerpt);
        Ok(Some(response))
    }
}

/// The bytes of a range; `None` if a disk has to bring some of them, and if the file is not in the state `seen`
/// behind the reading: reading it while it is sent finds out the reason.
fn read<F: Files>(
    reads: &mut F::Reads,
    file: &OpenFile<F>,
    range: ByteRange,
    seen: &Metadata,
) -> Option<Box<[u8]>> {
    // It is short.
    let mut content = vec![0; (range.end - range.start) as usize];
    let open = file.get().ok()?;
    let read = reads.read_resident(&open, range.start, &mut [IoSliceMut::new(&mut content)]);
    let is_true = read.ok()? == content.len() && reads.metadata(&open).ok()? == *seen;
    is_true.then(|| content.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::testing::{TestSite, read};
    use std::time::Duration;

    /// Too long for the cache.
    const LEN: usize = 300 << 10;

    fn site() -> TestSite {
        let content: String = (0..LEN)
            .map(|at| char::from(b'a' + (at % 23) as u8))
            .collect();
        TestSite::new(&[("film", &content)])
    }

    /// Hashes the file in the background.
    fn hash(site: &mut TestSite) {
        while site.site.next_work().is_some() {
            site.site.work();
        }
    }

    fn range(site: &mut TestSite, range: &str) -> (u16, String) {
        let seen = site.get_with("/film", &[("range", range)]);
        (seen.status, seen.text().to_owned())
    }

    #[test]
    fn a_range_that_is_asked_for_again_is_not_read_again() {
        let mut site = site();
        let first = range(&mut site, "bytes=1000-1009");
        assert_eq!(first, (206, "lmnopqrstu".into()));
        assert_eq!(range(&mut site, "bytes=1000-1009"), first);
        let counts = site.files.counts();
        for _ in 0..10 {
            assert_eq!(range(&mut site, "bytes=1000-1009"), first);
        }
        assert_eq!(site.files.counts(), counts);
        site.advance(Duration::from_millis(20));
        assert_eq!(range(&mut site, "bytes=1000-1009"), first);
        let after = site.files.counts();
        assert_eq!((after.opens, after.reads), (counts.opens, counts.reads));
        assert_eq!(after.look_ups, counts.look_ups + 1);
    }

    #[test]
    fn a_range_of_a_file_that_has_changed_is_read_anew_within_20_ms() {
        let mut site = site();
        let asked = [("range", "bytes=0-3")];
        site.get_with("/film", &asked);
        let first = site.get_with("/film", &asked);
        site.advance(Duration::from_secs(1));
        site.files.edit("film", |content| content[0] = b'X');
        site.advance(Duration::from_millis(20));
        let second = site.get_with("/film", &asked);
        assert_eq!(second.text(), "Xbcd");
        assert_ne!(first.field("etag"), second.field("etag"));
        let tag = first.field("etag").unwrap();
        let spliced = site.get_with("/film", &[asked[0], ("if-range", tag)]);
        assert_eq!((spliced.status, spliced.content.len()), (200, LEN));
    }

    #[test]
    fn s13_1_5_if_range_with_the_tag_of_the_present_content_gets_the_kept_range() {
        let mut site = site();
        site.get("/film");
        hash(&mut site);
        let tag = site.get("/film").field("etag").unwrap().to_owned();
        assert!(tag.starts_with('"'), "{tag}");
        let asked = [("range", "bytes=0-3"), ("if-range", tag.as_str())];
        for _ in 0..3 {
            let seen = site.get_with("/film", &asked);
            assert_eq!((seen.status, seen.text()), (206, "abcd"));
            assert_eq!(seen.field("etag"), Some(tag.as_str()));
            assert_eq!(seen.field("content-range"), Some("bytes 0-3/307200"));
        }
        let other = [("range", "bytes=0-3"), ("if-range", "\"x\"")];
        assert_eq!(site.get_with("/film", &other).status, 200);
    }

    #[test]
    fn kept_ranges_have_the_tag_of_their_file_once_that_is_hashed() {
        let mut site = site();
        let asked = [("range", "bytes=0-3")];
        site.get_with("/film", &asked);
        let weak = site.get_with("/film", &asked);
        assert!(weak.field("etag").unwrap().starts_with("W/"));
        assert_eq!(site.site.hot.excerpts().unwrap().kept.len(), 1);
        hash(&mut site);
        let strong = site.get_with("/film", &asked);
        assert!(strong.field("etag").unwrap().starts_with('"'));
        assert_eq!((strong.status, strong.text()), (206, "abcd"));
    }

    #[test]
    fn kept_ranges_are_few_and_short() {
        let mut site = site();
        for at in 0..10 * KEPT {
            let wanted = format!("bytes={at}-{}", at + LONGEST as usize - 1);
            range(&mut site, &wanted);
            range(&mut site, &wanted);
            let excerpts = site.site.hot.excerpts().unwrap();
            assert!(excerpts.kept.len() <= KEPT);
            assert!(excerpts.bytes <= site.site.hot.most_excerpts());
        }
        assert!(site.site.hot.excerpts().unwrap().bytes > 0);
        let reads = site.files.counts().reads;
        let long = format!("bytes=0-{LONGEST}");
        range(&mut site, &long);
        let reads_of_one = site.files.counts().reads - reads;
        range(&mut site, &long);
        range(&mut site, &long);
        assert_eq!(site.files.counts().reads, reads + 3 * reads_of_one);
    }

    #[test]
    fn a_client_that_asks_for_one_range_after_another_has_none_kept() {
        let mut site = site();
        for at in 0..100 {
            range(&mut site, &format!("bytes={at}-{}", at + 10));
        }
        assert_eq!(
            site.site.hot.excerpts().map_or(0, |kept| kept.kept.len()),
            0
        );
    }

    #[test]
    fn a_response_whose_bytes_the_cache_has_dropped_goes_on_from_the_file() {
        let mut site = site();
        let asked = [("range", "bytes=1000-1009")];
        range(&mut site, "bytes=1000-1009");
        range(&mut site, "bytes=1000-1009");
        let mut response = site.respond("GET", "/film", &asked);
        let Body::One(Slice::Part(part)) = &response.body else {
            panic!("no part");
        };
        assert!(part.is_in_memory());
        let mut out = Vec::new();
        response.body.read(&mut site.files, &mut out, 3).unwrap();
        site.site.forget();
        out.extend(read(response.body, &mut site.files));
        assert_eq!(out, b"lmnopqrstu");
    }

    #[test]
    fn a_range_that_a_disk_has_to_bring_waits_for_it() {
        let mut site = site();
        let asked = [("range", "bytes=1000-1009")];
        site.get_with("/film", &asked);
        site.files.slow_disk(Duration::from_millis(50));
        for _ in 0..2 {
            let response = site.respond("GET", "/film", &asked);
            assert!(matches!(response.body, Body::One(Slice::File(_))));
        }
        assert_eq!(
            site.site.hot.excerpts().map_or(0, |kept| kept.kept.len()),
            0
        );
    }
}
