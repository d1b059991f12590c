//! Redirects within a site: to a directory's name with its slash, or to a page without `.html`.

use std::rc::Rc;

use super::Site;
use super::html::escape;
use super::path::{encode, split_query};
use crate::content::Body;
use crate::exchange::Response;
use crate::http::Fields;
use crate::world::Files;

/// Number of redirects that are kept ready. A site has few directories that many links lack the slash of.
const KEPT: usize = 8;

/// The longest path to which a redirect is kept. So all of them take 20 KiB at most.
const LONGEST: usize = 128;

/// The redirects without a query that were made last. A path decides about all of a redirect, so one is
/// never too old.
#[derive(Default)]
pub(super) struct Redirects {
    kept: Vec<Redirect>,
    /// Place of the one that was made first.
    oldest: usize,
}

#[derive(Clone)]
struct Redirect {
    path: Box<[u8]>,
    fields: Rc<Fields>,
    content: Rc<[u8]>,
}

impl Redirects {
    fn get(&self, path: &[u8]) -> Option<&Redirect> {
        self.kept.iter().find(|redirect| *redirect.path == *path)
    }

    fn insert(&mut self, redirect: &Redirect) {
        if redirect.path.len() > LONGEST {
            return;
        }
        match self.kept.get_mut(self.oldest) {
            Some(place) => *place = redirect.clone(),
            None => self.kept.push(redirect.clone()),
        }
        self.oldest = (self.oldest + 1) % KEPT;
    }
}

impl<F: Files> Site<F> {
    /// Sends the client to another path of the site, relative to the root. The location begins with one slash and
    /// a name, so it cannot lead to another host.
    pub(super) fn redirect_to(&mut self, path: &[u8], request: &Fields) -> Response<F> {
        let (_, query) = split_query(request.path().unwrap_or_default());
        if query.is_none()
            && let Some(redirect) = self.redirects.get(path)
        {
            return redirect.response();
        }
        let redirect = self.make_redirect(path, query);
        if query.is_none() {
            self.redirects.insert(&redirect);
        }
        redirect.response()
    }

    fn make_redirect(&self, path: &[u8], query: Option<&[u8]>) -> Redirect {
        let mut location = String::from("/");
        location.extend(encode(path));
        if let Some(query) = query.and_then(|query| std::str::from_utf8(query).ok())
            && query.bytes().all(|byte| byte.is_ascii_graphic())
        {
            location.push('?');
            location.push_str(query);
        }
        let content = page(&location).into_bytes();
        let mut fields = Fields::new();
        fields.push(b"location", location.as_bytes());
        fields.push(b"content-type", b"text/html; charset=utf-8");
        fields.push(b"content-length", content.len().to_string().as_bytes());
        // A browser that cached the redirect would never find a file that takes the directory's place.
        fields.push(b"cache-control", b"no-cache");
        Redirect {
            path: path.into(),
            fields: self.dress.common.complete(fields),
            content: content.into(),
        }
    }
}

impl Redirect {
    fn response<F: Files>(&self) -> Response<F> {
        Response {
            // Only GET and HEAD come here, which a 301 leaves unchanged (RFC 9110 §15.4.2). Clients
            // that do not know 308 are still in use.
            status: 301,
            fields: self.fields.clone(),
            body: Body::memory(self.content.clone()),
        }
    }
}

/// The content of a redirect, for clients that do not follow it by themselves (RFC 9110 §15.4.2).
fn page(location: &str) -> String {
    let mut page =
        String::from("<!DOCTYPE html>\n<title>301 Moved Permanently</title>\n<a href=\"");
    escape(&mut page, location);
    page.push_str("\">");
    escape(&mut page, location);
    page.push_str("</a>\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::testing::TestSite;

    #[test]
    fn a_directory_without_its_slash_is_redirected_on_this_host() {
        let mut site = TestSite::new(&[("a b/c/index.html", ""), ("evil.com/x", "")]);
        for (target, location) in [
            ("/a%20b/c", "/a%20b/c/"),
            ("/a%20b/./c?q=1&r=%2f", "/a%20b/c/?q=1&r=%2f"),
            ("//evil.com", "/evil.com/"),
            ("///evil.com", "/evil.com/"),
            ("/x/..//evil.com?", "/evil.com/?"),
            ("/%2fevil.com", "/evil.com/"),
            ("/%2f%2fevil.com", "/evil.com/"),
        ] {
            let seen = site.get(target);
            assert_eq!((seen.status, seen.field("location")), (301, Some(location)));
            let link = format!("<a href=\"{}\">", location.replace('&', "&amp;"));
            assert!(seen.text().contains(&link), "{}", seen.text());
        }
        for target in ["/\\evil.com", "/%5cevil.com"] {
            assert_eq!(site.get(target).status, 400, "{target}");
        }
    }

    #[test]
    fn a_query_that_could_end_a_field_is_left_out_of_the_location() {
        let mut site = TestSite::new(&[("a/x", "")]);
        let seen = site.get("/a?x\r\nset-cookie: y");
        assert_eq!(seen.field("location"), Some("/a/"));
    }

    #[test]
    fn a_redirect_is_made_once_unless_a_query_goes_with_it() {
        let mut site = TestSite::new(&[("a/x", ""), ("b/x", "")]);
        let mut fields = |target| site.respond("GET", target, &[]).fields;
        let first = fields("/a");
        assert!(Rc::ptr_eq(&first, &fields("/a")));
        assert_eq!(fields("/b").value("location"), Some(&b"/b/"[..]));
        assert_eq!(fields("/a?q").value("location"), Some(&b"/a/?q"[..]));
        assert!(Rc::ptr_eq(&first, &fields("/a")));
    }

    #[test]
    fn redirects_take_a_bounded_room() {
        let mut site = TestSite::new(&[]);
        let long = "d".repeat(LONGEST);
        site.files.create_directory(&long);
        for number in 0..5 * KEPT {
            let name = format!("d{number}");
            site.files.create_directory(&name);
            site.get(&format!("/{name}"));
        }
        let seen = site.get(&format!("/{long}"));
        assert_eq!((seen.status, site.site.redirects.kept.len()), (301, KEPT));
        let names = site.site.redirects.kept.iter().map(|kept| kept.path.len());
        assert!(names.max().is_some_and(|longest| longest <= LONGEST));
    }
}
