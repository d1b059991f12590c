//! The meaning of a path of the site: a file, a directory's index, a redirect, a listing, or nothing.

use std::io;
use std::rc::Rc;
use std::time::Instant;

use rustix::io::Errno;

use super::Site;
use super::hot::Lookup;
use super::listing::WantedListing;
use super::media_type::accepts;
use super::path::{SitePath, TargetForm, split_query};
use super::present::Unready;
use crate::exchange::Response;
use crate::http::{Fields, Method};
use crate::world::Files;

/// Number of times that a file is looked up if it changes between being found and being opened. After
/// that a program must be rewriting it endlessly.
const ATTEMPTS: usize = 3;

/// Result of looking a path up.
pub(super) enum Found<F: Files> {
    /// A response was made.
    Response(Response<F>),
    /// A directory, asked for without its slash.
    Directory,
    /// Nothing, or nothing that a client may know of.
    Nothing,
}

impl<F: Files> Site<F> {
    /// Answers a GET or HEAD for a path.
    pub(crate) fn resolve(
        &mut self,
        path: &SitePath,
        request: &Fields,
        method: Method,
        now: Instant,
    ) -> Response<F> {
        let mut candidate = std::mem::take(&mut self.candidate);
        candidate.clear();
        candidate.extend_from_slice(path.as_bytes());
        let mut found = match path.form() {
            TargetForm::Directory => {
                if !candidate.is_empty() {
                    candidate.push(b'/');
                }
                self.index(&mut candidate, request, method, now)
            }
            TargetForm::File => self.file(&candidate, request, method, now),
        };
        if path.form() == TargetForm::File {
            found = match found {
                Found::Response(response) => match self.clean_place(path.as_bytes(), now) {
                    Some(place) => Found::Response(self.redirect_to(&place, request)),
                    None => Found::Response(response),
                },
                other => match self.page_of(&mut candidate, request, method, now) {
                    Some(response) => Found::Response(response),
                    None if matches!(other, Found::Directory) => {
                        candidate.truncate(path.as_bytes().len());
                        candidate.push(b'/');
                        Found::Response(self.redirect_to(&candidate, request))
                    }
                    None => other,
                },
            };
        }
        self.candidate = candidate;
        match (found, path.form()) {
            (Found::Response(response), _) => response,
            (_, TargetForm::File) => self.fall_back(path, request, method, now),
            (_, TargetForm::Directory) => match self.list(path, request, now) {
                Some(response) => response,
                None => self.fall_back(path, request, method, now),
            },
        }
    }

    /// Answers 404, with the site's own page if it has one.
    pub(crate) fn not_found(&mut self, request: &Fields, now: Instant) -> Response<F> {
        let substitutes = Rc::clone(&self.substitutes);
        let file = &substitutes.not_found;
        let lookup = self.hot.get(&mut self.reads, &self.dress, file, now);
        if let Ok(Lookup::Resource(page)) = lookup {
            match self.present_error_page(404, &page, request) {
                Ok(response) => return response,
                Err(_) => self.hot.forget(file),
            }
        }
        self.error(404)
    }

    /// The response for the file at `path`, if there is one.
    pub(super) fn file(
        &mut self,
        path: &[u8],
        request: &Fields,
        method: Method,
        now: Instant,
    ) -> Found<F> {
        for _ in 0..ATTEMPTS {
            let error = match self.hot.get(&mut self.reads, &self.dress, path, now) {
                Ok(Lookup::Directory) => return Found::Directory,
                Ok(Lookup::Resource(resource)) => match self.present(&resource, request, method) {
                    Ok(response) => return Found::Response(response),
                    Err(Unready::Changed) => {
                        self.hot.forget(path);
                        continue;
                    }
                    Err(Unready::Failed(error)) => {
                        self.hot.forget(path);
                        error
                    }
                },
                Err(error) => error,
            };
            return match self.failure(path, &error) {
                Some(response) => Found::Response(response),
                None => Found::Nothing,
            };
        }
        Found::Response(self.error(503))
    }

    /// The response for a path that cannot be opened; `None` if the path has no file.
    fn failure(&mut self, path: &[u8], error: &io::Error) -> Option<Response<F>> {
        let status = status(error);
        if status == 404 {
            return None;
        }
        // A client can repeat the other failures at will, and must not fill the log.
        let level = match status {
            500 => log::Level::Warn,
            _ => log::Level::Debug,
        };
        log::log!(level, "'{}': {error}", path.escape_ascii());
        Some(self.error(status))
    }

    /// The listing of a directory, if listings are wanted and the path is a directory.
    fn list(&mut self, path: &SitePath, request: &Fields, now: Instant) -> Option<Response<F>> {
        let listings = self.listings.as_ref()?;
        let (_, query) = split_query(request.path().unwrap_or_default());
        let wanted = WantedListing {
            path: path.as_bytes(),
            query: query.unwrap_or_default(),
            request,
            hides: self.hidden_names(path.as_bytes()),
        };
        let listed = listings.respond(&self.open_files, &self.dress.common, &wanted, now);
        match listed {
            Ok(Ok(response)) => Some(response),
            Ok(Err(status)) => Some(self.error(status)),
            Err(error) => self.failure(path.as_bytes(), &error),
        }
    }

    /// The response for a path without a file: `index.html` if the site is routed in the browser and
    /// the request is for a page, else 404.
    pub(crate) fn fall_back(
        &mut self,
        path: &SitePath,
        request: &Fields,
        method: Method,
        now: Instant,
    ) -> Response<F> {
        let is_file_name = path.file_name().contains(&b'.');
        let substitutes = Rc::clone(&self.substitutes);
        if let Some(fallback) = &substitutes.fallback
            && (!is_file_name || accepts(request, b"text/html"))
            && let Found::Response(mut response) = self.file(fallback, request, method, now)
        {
            if is_file_name {
                let mut fields = Fields::clone(&response.fields);
                fields.push(b"vary", b"accept");
                response.fields = Rc::new(fields);
            }
            return response;
        }
        self.not_found(request, now)
    }
}

/// The status for a failure to open or read a file.
fn status(error: &io::Error) -> u16 {
    match Errno::from_io_error(error) {
        // Descriptors or memory are short, or a rename interfered. The failure will be over in a
        // moment.
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN) => return 503,
        Some(
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NAMETOOLONG
            | Errno::NXIO
            | Errno::NODEV,
        ) => return 404,
        _ => {}
    }
    match error.kind() {
        io::ErrorKind::NotFound => 404,
        io::ErrorKind::PermissionDenied => 403,
        // A helper opens the file meanwhile, and the request is asked for again instead.
        io::ErrorKind::WouldBlock => 503,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::hot::RECHECK;
    use crate::site::testing::TestSite;

    #[test]
    fn files_and_indexes_are_served() {
        let mut site = TestSite::new(&[
            ("index.html", "home"),
            ("a/index.html", "a"),
            ("a/b.txt", "b"),
        ]);
        assert_eq!(site.get("/").text(), "home");
        assert_eq!(site.get("/?x=/a").text(), "home");
        assert_eq!(site.get("/index.html").text(), "home");
        assert_eq!(site.get("/a/").text(), "a");
        let file = site.get("/a/%62.txt");
        assert_eq!((file.status, file.text()), (200, "b"));
        assert_eq!(
            file.field("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(file.field("accept-ranges"), Some("bytes"));
        assert_eq!(
            file.field("last-modified"),
            Some("Thu, 01 Jan 2026 00:00:00 GMT")
        );
        assert_eq!(file.field("vary"), None);
        assert_eq!(file.field("server"), None);
    }

    #[test]
    fn what_is_not_there_is_404() {
        let mut site = TestSite::new(&[("index.html", "home"), ("a/b.txt", ""), (".env", "x")]);
        for target in [
            "/x",
            "/x/y",
            "/a/",
            "/a/b.txt/",
            "/.env",
            "/a/b.txt/c",
            "/index.html/",
        ] {
            let seen = site.get(target);
            assert_eq!(seen.status, 404, "{target}");
            assert!(seen.text().contains("404"));
        }
    }

    #[test]
    fn the_site_may_have_its_own_page_for_404() {
        let mut site = TestSite::new(&[
            ("404.html", "nothing here"),
            ("404.html.br", "br"),
            (".env", ""),
        ]);
        for target in ["/x", "/.env", "/y/"] {
            let seen = site.get_with(target, &[("range", "bytes=0-1"), ("if-none-match", "*")]);
            assert_eq!((seen.status, seen.text()), (404, "nothing here"));
            assert_eq!(seen.field("cache-control"), Some("no-cache"));
            assert_eq!(seen.field("vary"), Some("accept-encoding"));
            assert_eq!(seen.field("etag"), None);
        }
        let encoded = site.get_with("/x", &[("accept-encoding", "br")]);
        assert_eq!((encoded.status, encoded.text()), (404, "br"));
        assert_eq!(encoded.field("content-encoding"), Some("br"));
        assert_eq!(site.get("/404.html").status, 200);
        let head = site.request("HEAD", "/x", &[]);
        assert_eq!(
            (head.status, head.field("content-length")),
            (404, Some("12"))
        );
    }

    #[test]
    fn a_site_routed_in_the_browser_gets_its_index() {
        let files = [("index.html", "app"), ("app.js", "")];
        let mut site = TestSite::with(&files, |config| config.spa = true);
        for target in ["/users", "/users/7", "/users/"] {
            let seen = site.get(target);
            assert_eq!((seen.status, seen.text()), (200, "app"), "{target}");
            assert_eq!(seen.field("vary"), None);
        }
        assert_eq!(site.get("/old.js").status, 404);
        assert_eq!(site.get("/.env").status, 404);
        let browser = ("accept", "text/html,application/xhtml+xml;q=0.9");
        let seen = site.get_with("/users/jane.doe", &[browser]);
        assert_eq!((seen.status, seen.field("vary")), (200, Some("accept")));
        assert_eq!(site.get_with("/old.js", &[("accept", "*/*")]).status, 404);
    }

    #[test]
    fn failures_of_the_disk_have_their_status() {
        let mut site = TestSite::new(&[("a", "a")]);
        for (errno, status) in [
            (Errno::MFILE, 503),
            (Errno::NFILE, 503),
            (Errno::AGAIN, 503),
            (Errno::ACCESS, 403),
            (Errno::PERM, 403),
            (Errno::NOENT, 404),
            (Errno::LOOP, 404),
            (Errno::XDEV, 404),
            (Errno::NOTDIR, 404),
            (Errno::NAMETOOLONG, 404),
            (Errno::IO, 500),
        ] {
            site.files.fail_open("a", Some(errno.raw_os_error()));
            site.advance(RECHECK);
            let seen = site.get("/a");
            assert_eq!(seen.status, status, "{errno}");
            assert_eq!(seen.field("retry-after").is_some(), status == 503);
        }
        site.files.fail_open("a", None);
        site.advance(RECHECK);
        assert_eq!(site.get("/a").status, 200);
    }

    #[test]
    fn other_methods_are_told_what_is_allowed() {
        let mut site = TestSite::new(&[("a", "a")]);
        for method in [
            "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "QUERY",
        ] {
            let seen = site.request(method, "/a", &[]);
            assert_eq!(seen.status, 405, "{method}");
            assert_eq!(seen.field("allow"), Some("GET, HEAD, OPTIONS"));
        }
        for method in ["get", "BREW", "G", "GETS", "*"] {
            assert_eq!(site.request(method, "/a", &[]).status, 501, "{method}");
            assert_eq!(site.request(method, "/b", &[]).status, 501, "{method}");
        }
        for target in ["/a", "/", "*"] {
            let seen = site.request("OPTIONS", target, &[]);
            assert_eq!(seen.status, 204);
            assert_eq!(seen.field("allow"), Some("GET, HEAD, OPTIONS"));
        }
        assert_eq!(site.get("*").status, 400);
        assert_eq!(site.request("OPTIONS", "x", &[]).status, 400);
    }

    #[test]
    fn a_method_that_files_do_not_have_is_404_where_there_is_nothing() {
        let files = [("a", "a"), ("d/x", ""), ("404.html", "none"), (".env", "")];
        let mut site = TestSite::new(&files);
        for target in ["/b", "/d/", "/b/c", "/.env"] {
            assert_eq!(site.request("POST", target, &[]).status, 404, "{target}");
        }
        assert_eq!(site.request("POST", "/b", &[]).text(), "none");
        // A directory without its slash exists, so the answer is 405 as for a file.
        assert_eq!(site.request("POST", "/d", &[]).status, 405);
        for field in [("range", "bytes=9-"), ("if-none-match", "*")] {
            assert_eq!(site.request("POST", "/a", &[field]).status, 405);
        }
        let mut site = TestSite::with(&[("index.html", "app")], |config| config.spa = true);
        assert_eq!(site.request("POST", "/users", &[]).status, 405);
        assert_eq!(site.request("POST", "/old.js", &[]).status, 404);
        let mut site = TestSite::with(&files, |config| config.listing = true);
        assert_eq!(site.request("POST", "/d/", &[]).status, 405);
    }

    #[test]
    fn a_path_of_8000_bytes_is_not_there_but_for_a_page_of_the_site() {
        let long = format!("/{}", "a/".repeat(4_000));
        let name = format!("/{}", "a".repeat(8_000));
        let files = [("index.html", "app")];
        let mut site = TestSite::new(&files);
        for target in [&long, &name] {
            assert_eq!(site.get(target).status, 404);
            assert_eq!(site.request("POST", target, &[]).status, 404);
            assert_eq!(site.request("OPTIONS", target, &[]).status, 204);
            assert_eq!(site.request("BREW", target, &[]).status, 501);
        }
        let mut site = TestSite::with(&files, |config| config.spa = true);
        for target in [&long, &name] {
            assert_eq!(
                (site.get(target).status, site.get(target).text()),
                (200, "app")
            );
            assert_eq!(site.request("POST", target, &[]).status, 405);
        }
    }
}
