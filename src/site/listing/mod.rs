//! Listings of directories that have no index.
//!
//! All names are listed, sorted, in pages of [`PAGE`]. A step reads [`STEP`] names at most. A directory
//! of no more names is answered at once, with a `content-length`. The listing of a longer one is sent
//! while the directory is read, and its names are held meanwhile, within the memory of `shares`. Responses
//! that begin within 20 ms of one another share a listing (`recent`).

mod day;
mod entries;
mod json;
mod listed;
mod order;
mod page;
mod recent;
mod shares;
mod sorted;

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::common_fields::CommonFields;
use super::conditional::{self, PreconditionOutcome};
use super::media_type::accepts;
use crate::content::{Body, BodyError, FileTable};
use crate::exchange::Response;
use crate::http::Fields;
use crate::world::Files;
use listed::{Listed, ListingReader};
use order::ListingQuery;
use recent::{ListingContent, ListingKey, RecentListings};
use shares::ListingShares;

pub(crate) use page::STYLE_PATH;

/// Number of names that are looked at in one step: an eighth of a millisecond. The loop may make a
/// dozen steps before it turns to other connections.
const STEP: usize = 128;

/// Number of names on a page: some megabytes of HTML, which browsers still scroll through.
const PAGE: usize = 10_000;

/// The most bytes of memory for the names of one listing: a hundred thousand names. A larger directory
/// is listed up to that number, and the page says so.
const MOST_BYTES: usize = 9 << 20;

/// Memory of a listing besides its names: the last batch, the places of a page, and the keys by which the
/// batches are merged, each of two forms of a name of 255 bytes.
const _: () = assert!(MOST_BYTES + (1 << 20) <= shares::MEMORY);

/// The format of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListingFormat {
    Html,
    Json,
}

/// The listings of all sites of a server: the memory of those that are being sent, and the recent ones.
pub(crate) struct ListingTables<F: Files> {
    shares: ListingShares<Listed<F>>,
    recent: Rc<RecentListings<F>>,
}

impl<F: Files> Clone for ListingTables<F> {
    fn clone(&self) -> Self {
        ListingTables {
            shares: self.shares.clone(),
            recent: self.recent.clone(),
        }
    }
}

impl<F: Files> Default for ListingTables<F> {
    fn default() -> Self {
        ListingTables {
            shares: ListingShares::default(),
            recent: Rc::default(),
        }
    }
}

impl<F: Files> ListingTables<F> {
    /// True once after much memory was held and all of it is free.
    pub(crate) fn take_freed(&self) -> bool {
        self.shares.take_freed()
    }

    /// Forgets listings that are not recent any more, and closes directories that nobody reads.
    pub(crate) fn forget_old(&self, now: Instant) {
        self.recent.forget_old(now);
        self.shares.close_idle(now);
    }

    /// Time until [`ListingTables::forget_old`] has something to do.
    pub(crate) fn until_old(&self, now: Instant) -> Option<Duration> {
        let recent = self.recent.until_old(now);
        recent.into_iter().chain(self.shares.until_idle(now)).min()
    }
}

/// True for a name that is not listed, because it is not served.
pub(crate) type HiddenNames = fn(&[u8]) -> bool;

/// A request for a listing.
pub(crate) struct WantedListing<'r> {
    pub(crate) path: &'r [u8],
    pub(crate) query: &'r [u8],
    pub(crate) request: &'r Fields,
    pub(crate) hides: HiddenNames,
}

/// The listings of a site.
pub(crate) struct Listings<F: Files> {
    tables: ListingTables<F>,
    /// The number of the site among the recent listings.
    number: u64,
    /// The fields of a page in HTML, without `content-length`. `json` has those of a JSON listing.
    html: Rc<Fields>,
    json: Rc<Fields>,
}

impl<F: Files> Listings<F> {
    /// Listings in these tables.
    pub(crate) fn new(common: &CommonFields, tables: ListingTables<F>) -> Self {
        Listings {
            number: tables.recent.next_site(),
            tables,
            html: common.complete(fields(common, ListingFormat::Html)),
            json: common.complete(fields(common, ListingFormat::Json)),
        }
    }

    /// Forgets the listings that were made.
    pub(crate) fn forget(&mut self) {
        self.number = self.tables.recent.next_site();
    }

    /// The response for the directory at `path`.
    pub(crate) fn respond(
        &self,
        open_files: &Rc<FileTable<F>>,
        common: &CommonFields,
        wanted: &WantedListing<'_>,
        now: Instant,
    ) -> io::Result<Result<Response<F>, u16>> {
        let key = ListingKey {
            site: self.number,
            path: wanted.path,
            wanted: ListingQuery::parse(wanted.query),
            form: form(wanted.request),
        };
        let recent = self.tables.recent.get(key, now);
        let directory = match recent {
            Some(_) => None,
            None => Some(open_files.tree().open_directory(wanted.path)?),
        };
        // A listing has no validator, so only `*` matches it (RFC 9110 §13.1.1, §13.1.2).
        match conditional::evaluate_without_validators(wanted.request) {
            PreconditionOutcome::Proceed => {}
            PreconditionOutcome::NotModified => {
                return Ok(Ok(Response {
                    status: 304,
                    fields: common.complete(Fields::new()),
                    body: Body::Empty,
                }));
            }
            PreconditionOutcome::Failed => return Ok(Err(412)),
        }
        let content = match (recent, directory) {
            (Some(recent), _) => recent,
            (None, None) => return Err(io::ErrorKind::NotFound.into()),
            (None, Some(directory)) => {
                let listed = Listed::new(
                    open_files,
                    directory,
                    key.path,
                    key.form,
                    key.wanted,
                    wanted.hides,
                );
                let begun = self.begin(listed).map_err(io_error)?;
                self.tables.recent.insert(key, now, &begun);
                begun
            }
        };
        let fields = match key.form {
            ListingFormat::Html => &self.html,
            ListingFormat::Json => &self.json,
        };
        let (fields, body) = match content {
            ListingContent::Short(text) => {
                let mut fields = Fields::clone(fields);
                fields.push(b"content-length", text.len().to_string().as_bytes());
                (Rc::new(fields), Body::memory(text))
            }
            ListingContent::Long(share) => (
                fields.clone(),
                Body::Made(Box::new(ListingReader::new(share))),
            ),
        };
        Ok(Ok(Response {
            status: 200,
            fields,
            body,
        }))
    }

    /// Makes the first steps of a listing.
    fn begin(&self, mut listed: Listed<F>) -> Result<ListingContent<F>, BodyError> {
        Ok(match listed.at_once()? {
            Some(content) => ListingContent::Short(content.into()),
            None => {
                let share = self.tables.shares.join();
                share.put_back(listed);
                ListingContent::Long(share)
            }
        })
    }

    /// The response with the style sheet of the pages.
    pub(crate) fn style(&self, common: &CommonFields) -> Response<F> {
        let mut fields = Fields::new();
        fields.push(b"content-type", b"text/css; charset=utf-8");
        fields.push(b"content-length", page::STYLE.len().to_string().as_bytes());
        // An hour is long enough for a visit, and short beside the time between two versions.
        fields.push(b"cache-control", b"max-age=3600");
        Response {
            status: 200,
            fields: common.complete(fields),
            body: Body::memory(page::STYLE.as_bytes().into()),
        }
    }
}

fn io_error(error: BodyError) -> io::Error {
    match error {
        BodyError::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// The format of the answer: JSON for requests that accept it by name, HTML for all others.
fn form(request: &Fields) -> ListingFormat {
    if accepts(request, b"application/json") {
        ListingFormat::Json
    } else {
        ListingFormat::Html
    }
}

fn fields(common: &CommonFields, form: ListingFormat) -> Fields {
    let mut fields = Fields::new();
    let content_type: &[u8] = match form {
        ListingFormat::Html => b"text/html; charset=utf-8",
        ListingFormat::Json => b"application/json",
    };
    fields.push(b"content-type", content_type);
    fields.push(b"cache-control", b"no-cache");
    fields.push(b"vary", b"accept");
    // The policy keeps a file's name from running a script, and lets the page load nothing but its
    // style.
    common.push_default(
        &mut fields,
        "content-security-policy",
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'",
    );
    fields
}

#[cfg(test)]
mod tests;
