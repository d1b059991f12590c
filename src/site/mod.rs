//! The static site: request → response, without a socket.
//!
//! ```text
//! target → path (decoded, normalised) → handler mounted there
//!                                     → hot (the file, its sidecars, their fields)
//!                                         → present (coding, preconditions, ranges) → Response
//!                                     → redirect, listing, fallback, error page
//! ```
//!
//! Files are reached through [`Files`] only, time comes with each call, and a response holds no
//! buffer: its [`Body`] reads into the caller's when there is room. A request for a file that was
//! looked at within the last second allocates nothing.

mod body;
mod cache_control;
mod common_fields;
mod conditional;
mod demo;
#[cfg(test)]
mod disk_tests;
mod encoding;
mod error;
mod error_page;
mod handler;
mod hot;
mod listing;
mod listing_page;
mod media_type;
mod multipart;
pub mod path;
mod present;
mod range;
mod representation;
mod resolve;
mod resource;
#[cfg(test)]
mod testing;

use std::rc::Rc;
use std::time::Instant;

pub use body::{Body, BodyError, Progress, Slice};
pub use common_fields::parse_header;
pub use error::SiteError;
pub use handler::{Exchange, Handler, Head};

use cache_control::CacheRules;
use common_fields::CommonFields;
use error_page::ErrorPages;
use hot::HotCache;
use listing::Listings;
use path::{Form, SitePath};
use resource::Dress;

use crate::config::SiteConfig;
use crate::http::{Fields, Method};
use crate::world::Files;

/// The methods that files answer (RFC 9110 §10.2.1).
const ALLOW: &[u8] = b"GET, HEAD, OPTIONS";

/// A directory served as a site, and the handlers mounted beside it.
pub struct Site<F: Files> {
    files: F,
    hot: HotCache<F>,
    dress: Dress,
    pages: ErrorPages,
    mounts: Vec<Mount>,
    options: Rc<Fields>,
    /// Only where listings are wanted.
    listings: Option<Listings>,
    spa: bool,
    /// Lent to each request in turn, so that resolving a path allocates nothing.
    path: SitePath,
    candidate: Vec<u8>,
}

/// A handler and the path that it answers.
struct Mount {
    path: &'static str,
    handler: Box<dyn Handler>,
}

/// What a request gets.
pub enum Answer<F: Files> {
    /// A complete response; the request's body, if any, is of no use.
    Response(Response<F>),
    /// A handler answers, and wants the request's body.
    Exchange(Box<dyn Exchange>),
}

/// A response whose head is known.
pub struct Response<F: Files> {
    /// The status code.
    pub status: u16,
    /// All fields but `:status` and `date`.
    pub fields: Rc<Fields>,
    /// The content. That of a response to HEAD is empty, whatever `content-length` says.
    pub body: Body<F>,
}

impl<F: Files> Site<F> {
    /// A site over `files`; the error names the option that makes no sense.
    pub fn new(files: F, config: &SiteConfig) -> Result<Self, SiteError> {
        let common = Rc::new(CommonFields::new(&config.headers)?);
        let rules = CacheRules::new(&config.cache)?;
        let options: Fields = [("allow", "GET, HEAD, OPTIONS")].into_iter().collect();
        let mut site = Site {
            files,
            hot: HotCache::new(config.cache_memory),
            options: common.complete(options),
            dress: Dress { common, rules },
            pages: ErrorPages::default(),
            mounts: Vec::new(),
            listings: config.listing.then(Listings::default),
            spa: config.spa,
            path: SitePath::default(),
            candidate: Vec::new(),
        };
        if config.demo {
            demo::mount(&mut site);
        }
        Ok(site)
    }

    /// Lets `handler` answer all requests for `path`, which begins with a slash and ends without one.
    /// A file of that name is not reached any more.
    pub fn mount(&mut self, path: &'static str, handler: Box<dyn Handler>) {
        self.mounts.push(Mount { path, handler });
    }

    /// Answers a request. `now` decides whether what is in memory is recent enough.
    pub fn respond(&mut self, request: &Fields, now: Instant) -> Answer<F> {
        let mut path = std::mem::take(&mut self.path);
        let method = Method::from_bytes(request.method().unwrap_or_default());
        let answer = self.answer(&mut path, method, request, now);
        self.path = path;
        match answer {
            // RFC 9110 §9.3.2: the fields of a GET, without its content.
            Answer::Response(mut response) if method == Method::Head => {
                response.body = Body::Empty;
                Answer::Response(response)
            }
            answer => answer,
        }
    }

    /// The built-in page of an error, for whoever finds one before the site is asked.
    pub fn error(&mut self, status: u16) -> Response<F> {
        let page = self.pages.page(status, &self.dress.common);
        Response {
            status,
            fields: page.fields.clone(),
            body: Body::memory(page.content.clone()),
        }
    }

    /// The files that bodies are read from.
    pub fn files(&mut self) -> &mut F {
        &mut self.files
    }

    fn answer(
        &mut self,
        path: &mut SitePath,
        method: Method,
        request: &Fields,
        now: Instant,
    ) -> Answer<F> {
        let target = request.path().unwrap_or_default();
        let response = match (method, path.parse(target)) {
            // RFC 9110 §9.3.7: `*` asks about the server as a whole.
            (Method::Options, Err(_)) if target == b"*" => self.options(),
            (Method::Connect, _) => self.error(405),
            (Method::Get | Method::Head, Err(path::PathError::Hidden)) => {
                self.not_found(request, now)
            }
            (_, Err(error)) => self.error(error.status()),
            (method, Ok(())) => {
                if let Some(handler) = self.handler(path) {
                    return Answer::Exchange(handler.accept(request));
                }
                match method {
                    Method::Get | Method::Head => self.resolve(path, request, method, now),
                    Method::Options => self.options(),
                    _ => self.error(405),
                }
            }
        };
        Answer::Response(response)
    }

    fn handler(&self, path: &SitePath) -> Option<&dyn Handler> {
        let is_here = |mount: &&Mount| {
            path.form() == Form::File
                && mount.path.as_bytes().strip_prefix(b"/") == Some(path.as_bytes())
        };
        let mount = self.mounts.iter().find(is_here)?;
        Some(mount.handler.as_ref())
    }

    fn options(&self) -> Response<F> {
        Response {
            status: 204,
            fields: self.options.clone(),
            body: Body::Empty,
        }
    }
}
