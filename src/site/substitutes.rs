//! Files that answer for paths of other names: indexes, pages without `.html`, fallbacks, pages of errors.

use std::rc::Rc;
use std::time::Instant;

use super::Site;
use super::config::Config;
use super::hot::Lookup;
use super::resolve::Found;
use crate::exchange::Response;
use crate::http::{Fields, Method};
use crate::world::Files;

/// The page of 404, unless the operator names another.
const NOT_FOUND_PAGE: &str = "404.html";

/// The end of names that clean URLs leave out.
const PAGE: &[u8] = b".html";

/// Fields of an error that its page does not replace.
const OF_THE_ERROR: [&str; 3] = ["allow", "retry-after", "content-range"];

/// The names of the files, relative to the root.
#[derive(Debug, PartialEq)]
pub(super) struct Substitutes {
    /// Indexes of a directory; the first that is there answers.
    pub index: Vec<Box<[u8]>>,
    /// The file for pages that do not exist.
    pub fallback: Option<Box<[u8]>>,
    /// The way of pages to lose their `.html`.
    pub clean_urls: bool,
    /// The page of 404.
    pub not_found: Box<[u8]>,
    /// The pages of other errors.
    errors: Vec<(u16, Box<[u8]>)>,
}

impl Substitutes {
    pub(super) fn new(config: &Config) -> Substitutes {
        let name = |name: &str| Box::from(name.trim_start_matches('/').as_bytes());
        let pages = config.error_pages.iter();
        let mut errors: Vec<(u16, Box<[u8]>)> =
            pages.map(|(status, file)| (*status, name(file))).collect();
        let at = errors.iter().position(|(status, _)| *status == 404);
        let index: Vec<_> = config.index.iter().map(|file| name(file)).collect();
        let spa = || config.spa.then(|| index.first().cloned()).flatten();
        Substitutes {
            fallback: config.fallback.as_deref().map(name).or_else(spa),
            clean_urls: config.clean_urls,
            not_found: at.map_or_else(|| name(NOT_FOUND_PAGE), |at| errors.swap_remove(at).1),
            index,
            errors,
        }
    }

    /// True if errors other than 404 have pages.
    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    fn error(&self, status: u16) -> Option<&[u8]> {
        let mut errors = self.errors.iter();
        let (_, file) = errors.find(|(of, _)| *of == status)?;
        Some(file)
    }
}

impl<F: Files> Site<F> {
    /// The response with the index of the directory that `path` names up to its slash.
    pub(super) fn index(
        &mut self,
        path: &mut Vec<u8>,
        request: &Fields,
        method: Method,
        now: Instant,
    ) -> Found<F> {
        let directory = path.len();
        let substitutes = Rc::clone(&self.substitutes);
        let mut found = Found::Nothing;
        for name in &substitutes.index {
            path.truncate(directory);
            path.extend_from_slice(name);
            found = self.file(path, request, method, now);
            if let Found::Response(_) = found {
                break;
            }
        }
        found
    }

    /// The answer to a path without a file or with a directory, from the page of that name with `.html`.
    pub(super) fn page_of(
        &mut self,
        path: &mut Vec<u8>,
        request: &Fields,
        method: Method,
        now: Instant,
    ) -> Option<Response<F>> {
        if !self.substitutes.clean_urls || path.is_empty() {
            return None;
        }
        path.extend_from_slice(PAGE);
        match self.file(path, request, method, now) {
            Found::Response(response) => Some(response),
            Found::Directory | Found::Nothing => None,
        }
    }

    /// The place of a page without its `.html`, if that leads to it: `about` for `about.html`, and the
    /// directory, with its slash, for its first index.
    pub(super) fn clean_place(&mut self, path: &[u8], now: Instant) -> Option<Vec<u8>> {
        if !self.substitutes.clean_urls {
            return None;
        }
        let clean = path.strip_suffix(PAGE)?;
        let name = super::path::file_name(path);
        let directory = path.get(..path.len() - name.len())?;
        if self
            .substitutes
            .index
            .first()
            .is_some_and(|first| **first == *name)
        {
            return Some(directory.to_vec());
        }
        if clean.is_empty() || clean.ends_with(b"/") {
            return None;
        }
        // A file of the short name answers for it.
        let short = self.hot.get(&mut self.reads, &self.dress, clean, now);
        (!matches!(short, Ok(Lookup::Resource(_)))).then(|| clean.to_vec())
    }

    /// The response with the operator's page of its error, if there is one.
    pub(super) fn with_error_page(
        &mut self,
        response: Response<F>,
        request: &Fields,
        now: Instant,
    ) -> Response<F> {
        let substitutes = Rc::clone(&self.substitutes);
        let Some(file) = substitutes.error(response.status) else {
            return response;
        };
        let lookup = self.hot.get(&mut self.reads, &self.dress, file, now);
        let Ok(Lookup::Resource(page)) = lookup else {
            return response;
        };
        let Ok(mut presented) = self.present_error_page(response.status, &page, request) else {
            self.hot.forget(file);
            return response;
        };
        let kept = |field: &crate::http::Field<'_>| {
            OF_THE_ERROR
                .iter()
                .any(|name| name.as_bytes() == field.name)
        };
        if response.fields.iter().any(|field| kept(&field)) {
            let mut fields = Fields::clone(&presented.fields);
            let of_the_error = response.fields.iter().filter(kept);
            of_the_error.for_each(|field| fields.push_field(field));
            presented.fields = Rc::new(fields);
        }
        presented
    }
}

#[cfg(test)]
mod tests {
    use crate::site::testing::TestSite;

    const FILES: [(&str, &str); 9] = [
        ("index.html", "home"),
        ("about.html", "about"),
        ("blog.html", "blog"),
        ("blog/post.html", "post"),
        ("docs/index.html", "docs"),
        ("plain", "plain"),
        ("plain.html", "page of plain"),
        ("a.txt", "text"),
        (".html", "hidden"),
    ];

    #[test]
    fn pages_are_reached_without_their_html_and_sent_there_with_it() {
        let mut site = TestSite::with(&FILES, |config| config.clean_urls = true);
        for (target, content) in [
            ("/", "home"),
            ("/about", "about"),
            ("/about?q=1", "about"),
            ("/blog", "blog"),
            ("/blog/post", "post"),
            ("/docs/", "docs"),
            ("/plain", "plain"),
            ("/plain.html", "page of plain"),
            ("/a.txt", "text"),
        ] {
            let seen = site.get(target);
            assert_eq!((seen.status, seen.text()), (200, content), "{target}");
        }
        for (target, location) in [
            ("/about.html", "/about"),
            ("/about.html?q=1", "/about?q=1"),
            ("/blog/post.html", "/blog/post"),
            ("/index.html", "/"),
            ("/docs/index.html", "/docs/"),
            ("/docs", "/docs/"),
            ("//about.html", "/about"),
        ] {
            let seen = site.get(target);
            assert_eq!(
                (seen.status, seen.field("location")),
                (301, Some(location)),
                "{target}"
            );
        }
        for target in [
            "/nothing",
            "/nothing.html",
            "/.html",
            "/blog/",
            "/about/",
            "/a",
        ] {
            assert_eq!(site.get(target).status, 404, "{target}");
        }
        let mut plain = TestSite::new(&FILES);
        assert_eq!(plain.get("/about").status, 404);
        assert_eq!(plain.get("/about.html").status, 200);
    }

    #[test]
    fn the_first_index_that_is_there_answers() {
        let files = [
            ("a/home.htm", "a"),
            ("b/index.html", "b"),
            ("b/home.htm", "not b"),
            ("c/x", ""),
        ];
        let mut site = TestSite::with(&files, |config| {
            config.index = vec!["index.html".into(), "home.htm".into()];
        });
        assert_eq!(site.get("/a/").text(), "a");
        assert_eq!(site.get("/b/").text(), "b");
        assert_eq!(site.get("/c/").status, 404);
    }

    #[test]
    fn a_file_stands_in_for_pages_that_do_not_exist() {
        let files = [("index.html", "home"), ("app/shell.html", "shell")];
        let mut site = TestSite::with(&files, |config| {
            config.fallback = Some("/app/shell.html".into());
        });
        let seen = site.get("/any/route");
        assert_eq!((seen.status, seen.text()), (200, "shell"));
        assert_eq!(site.get("/").text(), "home");
        assert_eq!(site.get("/old.js").status, 404);
    }

    #[test]
    fn errors_have_the_pages_that_the_operator_names() {
        let files = [
            ("e/gone.html", "none"),
            ("e/405.html", "not so"),
            ("a", "a"),
        ];
        let mut site = TestSite::with(&files, |config| {
            let page = |status: u16, file: &str| (status, file.to_owned());
            config.error_pages = vec![
                page(404, "e/gone.html"),
                page(405, "/e/405.html"),
                page(501, "missing"),
            ];
        });
        let seen = site.get("/x");
        assert_eq!((seen.status, seen.text()), (404, "none"));
        let seen = site.request("POST", "/a", &[]);
        assert_eq!((seen.status, seen.text()), (405, "not so"));
        assert_eq!(seen.field("allow"), Some("GET, HEAD, OPTIONS"));
        // Without the page, it is the built-in one.
        let seen = site.request("BREW", "/a", &[]);
        assert!(seen.status == 501 && seen.text().contains("501"));
    }
}
