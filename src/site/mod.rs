//! The static site: request → response, without a socket.
//!
//! ```text
//! target → path (decoded, normalised) → hot (the file, its sidecars, their fields)
//!                                         → present (coding, preconditions, ranges) → Response
//!                                     → redirect, listing, fallback, error page
//! ```
//!
//! Files are reached through [`Files`] only, time comes with each call, and a response holds no buffer:
//! its [`Body`] reads into the caller's buffer when there is room. A request for a file that is in the
//! hot cache allocates nothing.
//! A static response is a value for that: one of the [tricks that must not be
//! undone](crate#performance-tricks-that-must-not-be-undone).

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod bare_paths;
mod cache_census;
mod cache_control;
mod cold_open;
mod common_fields;
mod conditional;
mod config;
mod demo;
#[cfg(test)]
mod disk_tests;
mod encoding;
mod error;
mod error_page;
mod excerpts;
mod following;
mod hashing;
mod hot;
pub(crate) mod html;
mod known_hashes;
mod last_answer;
mod listing;
mod media_type;
mod multipart;
mod part_head;
pub(crate) mod path;
mod present;
mod range;
mod reading;
mod redirects;
mod representation;
mod resolve;
mod resource;
mod rule_files;
mod start_check;
mod substitutes;
#[cfg(test)]
mod testing;
mod validators;

use std::cell::RefMut;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use common_fields::parse_header;
pub use config::{CacheRule, Charset, Config, EntityTags, TypeRule};
pub use error::SiteError;
pub(crate) use hot::AnswerTrust;

use cache_control::CacheRules;
use common_fields::CommonFields;
use error_page::ErrorPages;
use hot::HotCache;
use last_answer::LastAnswer;
use listing::{ListingTables, Listings};
use media_type::MediaTypes;
use path::SitePath;
use redirects::Redirects;
use resource::Dress;
use rule_files::{RuleFileUse, RuleFiles};
use substitutes::Substitutes;

#[cfg(any(feature = "proxy", feature = "upload"))]
use crate::content::DescriptorSupply;
use crate::content::{Body, FileTable, Supply};
use crate::exchange::{Handler, Response};
use crate::http::{Field, Fields, Method};
use crate::telemetry::metrics::exposition::{Exposition, FamilyKind};
use crate::world::{FileReads, Files, HelpAnswer};

/// The methods that files answer (RFC 9110 §10.2.1).
const ALLOW: &[u8] = b"GET, HEAD, OPTIONS";

/// The parts of a site that its configuration alone decides. Sites whose parts are equal share them.
struct SiteParts {
    dress: Rc<Dress>,
    options: Rc<Fields>,
    substitutes: Rc<Substitutes>,
}

impl SiteParts {
    fn new(config: &Config) -> Result<SiteParts, SiteError> {
        let common = Rc::new(CommonFields::new(&config.headers)?);
        let options: Fields = [("allow", "GET, HEAD, OPTIONS")].into_iter().collect();
        Ok(SiteParts {
            options: common.complete(options),
            dress: Rc::new(Dress {
                common,
                rules: CacheRules::new(&config.cache)?,
                types: MediaTypes::new(config)?,
            }),
            substitutes: Rc::new(Substitutes::new(config)),
        })
    }

    /// These parts, or those of another site where they are equal.
    fn shared_with<F: Files>(mut self, other: &Site<F>) -> SiteParts {
        if self.dress == other.dress {
            (self.dress, self.options) = (other.dress.clone(), other.options.clone());
        }
        if self.substitutes == other.substitutes {
            self.substitutes = other.substitutes.clone();
        }
        self
    }
}

/// A directory served as a site.
pub struct Site<F: Files> {
    reads: F::Reads,
    hot: HotCache<F>,
    open_files: Rc<FileTable<F>>,
    dress: Rc<Dress>,
    pages: ErrorPages,
    redirects: Redirects,
    options: Rc<Fields>,
    /// The listings, if the operator wants them.
    listings: Option<Box<Listings<F>>>,
    /// The listings of all sites.
    tables: ListingTables<F>,
    spa: bool,
    rule_file_use: RuleFileUse,
    rule_files: RuleFiles,
    substitutes: Rc<Substitutes>,
    demo: bool,
    /// Time at which the root's name is to be looked up next; `None` is at once.
    follow_due: Option<Instant>,
    /// The path of the request. It is lent to one request after another, so that resolving a path
    /// allocates nothing.
    path: SitePath,
    candidate: Vec<u8>,
    /// The last answer without content of a file.
    last: Option<Box<LastAnswer>>,
}

impl<F: Files> Site<F> {
    /// A site over the tree `files`. An error names the option with the mistake.
    pub fn new(files: F, config: &Config) -> Result<Self, SiteError> {
        let reads = files.reads();
        let open_files = FileTable::new(files, config.open_files);
        let parts = SiteParts::new(config)?;
        let site = Site::over(open_files, reads, ListingTables::default(), parts, config);
        Ok(site.with_pages())
    }

    /// A site of another host, which shares with `first` what all sites of a server have together: the
    /// places of open files, and the memory of listings.
    pub fn beside(first: &Site<F>, files: F, config: &Config) -> Result<Self, SiteError> {
        let reads = files.reads();
        let open_files = FileTable::beside(&first.open_files, files);
        let parts = SiteParts::new(config)?.shared_with(first);
        let tables = first.tables.clone();
        Ok(Site::over(open_files, reads, tables, parts, config))
    }

    /// A site that takes the place of `first`, with what all sites of its server have together.
    pub fn instead_of(first: &Site<F>, files: F, config: &Config) -> Result<Self, SiteError> {
        let reads = files.reads();
        let open_files = FileTable::instead_of(&first.open_files, files);
        let parts = SiteParts::new(config)?;
        let site = Site::over(open_files, reads, first.tables.clone(), parts, config);
        Ok(site.with_pages())
    }

    /// Makes the pages of frequent errors, which only the first site has before they are needed.
    fn with_pages(mut self) -> Self {
        self.pages = ErrorPages::new(&self.dress.common);
        self
    }

    fn over(
        open_files: Rc<FileTable<F>>,
        reads: F::Reads,
        tables: ListingTables<F>,
        parts: SiteParts,
        config: &Config,
    ) -> Self {
        let SiteParts {
            dress,
            options,
            substitutes,
        } = parts;
        let listings = config
            .listing
            .then(|| Box::new(Listings::new(&dress.common, tables.clone())));
        Site {
            reads,
            hot: HotCache::new(config.cache_memory, config.entity_tags, open_files.clone()),
            open_files,
            options,
            pages: ErrorPages::none(),
            redirects: Redirects::default(),
            dress,
            listings,
            tables,
            spa: config.spa,
            rule_file_use: RuleFileUse::default(),
            rule_files: RuleFiles::default(),
            substitutes,
            demo: config.demo,
            follow_due: None,
            path: SitePath::default(),
            candidate: Vec::new(),
            last: None,
        }
    }

    /// The handlers that the configuration wants beside the files, and their paths.
    pub(crate) fn handlers(&self) -> Vec<(&'static str, Box<dyn Handler<F>>)> {
        if self.demo {
            demo::handlers(&self.dress.common)
        } else {
            Vec::new()
        }
    }

    /// Time until the next background work is due; `None` while there is none.
    pub(crate) fn next_work(&self) -> Option<Duration> {
        let hashing = self.hot.next_work();
        match self.reads.help_timeout() {
            None => hashing,
            Some(help) => Some(hashing.map_or(help, |hashing| hashing.min(help))),
        }
    }

    /// Takes an answer of the helper process that no request waits for.
    pub(crate) fn handle_help(&mut self, answer: HelpAnswer) {
        self.hot.handle_help(answer, &mut self.reads);
        self.take_effort();
    }

    /// Does a slice of the background work, of some 25 µs. Returns the number of bytes that were read
    /// and hashed.
    pub(crate) fn work(&mut self) -> usize {
        let hashed = self.hot.work(&mut self.reads);
        // The effort is taken here, so that no connection is charged with it.
        self.take_effort();
        hashed
    }

    /// True once after the listings of all sites have given much memory back.
    pub(crate) fn take_freed(&self) -> bool {
        self.tables.take_freed()
    }

    /// Forgets all files, because the wall clock was set back: the date of a last change must not be
    /// later than the date of the response.
    pub(crate) fn handle_clock_set_back(&mut self) {
        self.forget();
    }

    /// Forgets all caches after a panic, which may have left one of them half changed.
    pub(crate) fn recover(&mut self) {
        self.forget();
        self.open_files.bear_waits();
        self.path = SitePath::default();
        self.candidate = Vec::new();
        self.last = None;
    }

    /// The field that responses over TLS have and others must not have (RFC 6797 §7.2).
    /// [`Response::fields`] does not contain it.
    pub fn secure_field(&self) -> Option<Field<'_>> {
        self.dress.common.secure()
    }

    /// The fields that every response has, for responses that are made elsewhere.
    pub fn common_fields(&self) -> Rc<Fields> {
        self.dress.common.complete(Fields::new())
    }

    /// Makes this the first of the sites that have the open files together: it keeps the spare descriptors.
    pub(crate) fn lead(&self) {
        self.open_files.lead();
    }

    /// Makes this one of the sites beside `first`.
    pub(crate) fn join(&self, first: &Site<F>) {
        self.open_files.join(&first.open_files);
    }

    /// Forgets all that is known of files. Responses that are being sent go on to their end.
    pub(crate) fn forget(&mut self) {
        self.hot.forget_all();
        self.forget_listings();
    }

    fn forget_listings(&mut self) {
        if let Some(listings) = &mut self.listings {
            listings.forget();
        }
    }

    /// The built-in page of an error, for code that finds the error before the site is asked.
    pub fn error(&mut self, status: u16) -> Response<F> {
        let page = self.pages.page(status, &self.dress.common);
        Response {
            status,
            fields: page.fields.clone(),
            body: Body::memory(page.content.clone()),
        }
    }

    /// An answer with this content and these fields about it, which no cache keeps, for code that answers
    /// without the site.
    pub(crate) fn own_answer(
        &self,
        status: u16,
        mut fields: Fields,
        content: Rc<[u8]>,
    ) -> Response<F> {
        fields.push(b"content-length", content.len().to_string().as_bytes());
        fields.push(b"cache-control", b"no-store");
        Response {
            status,
            fields: self.dress.common.complete(fields),
            body: Body::memory(content),
        }
    }

    /// Counts an answer with a file that is known, which is given once more.
    pub(crate) fn count_hit(&mut self) {
        self.hot.count_hit();
    }

    /// Memory of the cache of hot files.
    #[cfg(feature = "panel")]
    pub(crate) fn cache_bytes(&self) -> usize {
        self.hot.census().bytes
    }

    /// Writes what the caches of files of this site and of `others` hold and did.
    pub(crate) fn write_metrics<'s>(
        &'s self,
        others: impl Iterator<Item = &'s Self>,
        text: &mut Exposition,
    ) {
        let mut census = self.hot.census();
        others.for_each(|other| census.add(&other.hot.census()));
        census.write_metrics(text);
        text.single(
            FamilyKind::Gauge,
            "calmd_open_files",
            "Files that are open to be sent.",
            self.open_files.count(),
        );
    }

    /// The note of the supply of descriptors, for others who need some.
    #[cfg(any(feature = "proxy", feature = "upload"))]
    pub(crate) fn supply(&self) -> DescriptorSupply {
        self.open_files.supply()
    }

    /// Has lacks of descriptors noted here from now on.
    #[cfg(feature = "upload")]
    pub(crate) fn note_supply_in(&self, supply: DescriptorSupply) {
        self.open_files.note_supply_in(supply);
    }

    /// The state of the supply of descriptors since the last call.
    pub(crate) fn take_supply(&mut self) -> Supply {
        self.open_files.take_supply()
    }

    /// The reads of open files, which bodies are read with.
    pub fn reads(&mut self) -> &mut F::Reads {
        &mut self.reads
    }

    /// Changes reads with another site: the reads of an event loop are lent to the site that is asked.
    pub(crate) fn swap_reads(&mut self, other: &mut Site<F>) {
        std::mem::swap(&mut self.reads, &mut other.reads);
    }

    /// Closes files of all sites that no response has needed for a while, and forgets listings.
    pub(crate) fn close_rested(&self, now: Instant) {
        self.open_files.close_rested(now);
        self.tables.forget_old(now);
    }

    /// Time until [`Site::close_rested`] has something to do.
    pub(crate) fn until_rested(&self, now: Instant) -> Option<Duration> {
        let files = self.open_files.until_rested(now);
        files.into_iter().chain(self.tables.until_old(now)).min()
    }

    /// The tree that is served, for one call.
    pub fn tree(&self) -> RefMut<'_, F> {
        self.open_files.tree()
    }

    /// Takes the worth of the work on files since the last time, in bytes of effort.
    pub(crate) fn take_effort(&mut self) -> usize {
        self.reads.take_effort() + self.take_tree_effort()
    }

    /// Takes the worth of the work on names alone, where the work on open files is taken elsewhere.
    pub(crate) fn take_tree_effort(&self) -> usize {
        self.open_files.tree().take_effort()
    }

    fn answer(
        &mut self,
        path: &mut SitePath,
        method: Method,
        request: &Fields,
        now: Instant,
    ) -> Response<F> {
        let target = request.path().unwrap_or_default();
        match (method, path.parse(target)) {
            // `*` asks about the server as a whole (RFC 9110 §9.3.7).
            (Method::Options, Err(_)) if target == b"*" => self.options(),
            (Method::Connect, _) => self.error(405),
            (Method::Get | Method::Head, Err(path::PathError::Hidden)) => match &self.listings {
                Some(listings) if target == listing::STYLE_PATH => {
                    listings.style(&self.dress.common)
                }
                _ => self.not_found(request, now),
            },
            (method, Err(path::PathError::TooLong)) => self.too_long(path, method, request, now),
            (_, Err(error)) => self.error(error.status()),
            (Method::Get | Method::Head, Ok(())) if self.hides_rules(path.as_bytes()) => {
                self.not_found(request, now)
            }
            (Method::Get | Method::Head, Ok(())) => self.resolve(path, request, method, now),
            (Method::Options, Ok(())) => self.options(),
            (Method::Unknown, Ok(())) => self.error(501),
            (_, Ok(())) => self.not_allowed(path, request, now),
        }
    }

    /// Answers a method that files do not have: 405 if the path has a file, else 404.
    fn not_allowed(&mut self, path: &SitePath, request: &Fields, now: Instant) -> Response<F> {
        let found = self.resolve(path, request, Method::Head, now);
        self.allowed_of(found)
    }

    /// Answers a request for a path that is longer than the path of any file: 404, or the page of a
    /// site that is routed in the browser.
    fn too_long(
        &mut self,
        path: &SitePath,
        method: Method,
        request: &Fields,
        now: Instant,
    ) -> Response<F> {
        match method {
            Method::Get | Method::Head => self.fall_back(path, request, method, now),
            Method::Options => self.options(),
            Method::Unknown => self.error(501),
            _ => {
                let found = self.fall_back(path, request, Method::Head, now);
                self.allowed_of(found)
            }
        }
    }

    /// The answer to a method other than GET, made from the answer that a GET would get.
    fn allowed_of(&mut self, found: Response<F>) -> Response<F> {
        match found.status {
            403 | 404 | 500.. => found,
            _ => self.error(405),
        }
    }

    fn options(&self) -> Response<F> {
        Response {
            status: 204,
            fields: self.options.clone(),
            body: Body::Empty,
        }
    }
}

#[cfg(test)]
mod tests;
