//! Answering requests, and the last answer that has no content of a file: a 404, a 301 or a 304. An equal request
//! gets it again for the price of a comparison. It is good as long as all files and names that were looked at for it
//! are trusted, and until a change of any file is seen. The answer to a request with credentials is not kept, because
//! the secrets of one client must not stay in memory for the requests of others.

use std::rc::Rc;
use std::time::Instant;

use super::Site;
use super::hot::{AnswerTrust, RECHECK};
use crate::content::{Body, Slice};
use crate::exchange::{Request, Response};
use crate::http::{Fields, Method, is_credential};
use crate::world::Files;

/// The most bytes of a request's fields that are kept, with 32 for each field.
const LONGEST_REQUEST: usize = 4 << 10;

/// The longest content that is kept: that of a page of an error.
const LONGEST_CONTENT: usize = 4 << 10;

/// An answer that depends on the request and on names alone.
pub(super) struct LastAnswer {
    request: Fields,
    method: Method,
    status: u16,
    fields: Rc<Fields>,
    content: Option<Rc<[u8]>>,
    trust: AnswerTrust,
}

impl LastAnswer {
    fn response<F: Files>(&self) -> Response<F> {
        Response {
            status: self.status,
            fields: self.fields.clone(),
            body: match &self.content {
                Some(content) => Body::memory(content.clone()),
                None => Body::Empty,
            },
        }
    }
}

impl<F: Files> Site<F> {
    /// Answers a request. Entries of the hot cache have to be recent enough at `now`.
    pub fn respond(&mut self, request: &Request<'_>, now: Instant) -> Response<F> {
        self.follow_root_when_due(now);
        if let Some(response) = self.repeat(request, now) {
            return response;
        }
        self.hot.trust().begin(now + RECHECK);
        let mut path = std::mem::take(&mut self.path);
        let mut response = self.answer(&mut path, request.method, request.fields, now);
        self.path = path;
        if response.status >= 400 && self.substitutes.has_errors() {
            response = self.with_error_page(response, request.fields, now);
        }
        self.hot.finish_request();
        if matches!(response.status, 301 | 304 | 404) {
            self.remember(request, &response);
        }
        response
    }

    /// The trust in the answer that was made last, if there is any beyond its request.
    pub(crate) fn trust(&mut self) -> Option<AnswerTrust> {
        self.hot.trust().answer()
    }

    /// True if the site would give an answer to an equal request that it gave before.
    pub(crate) fn trusts(&mut self, answer: AnswerTrust, now: Instant) -> bool {
        self.hot.trust().holds(answer, now)
    }

    /// The last answer, if the request is the one that it was made for.
    fn repeat(&mut self, request: &Request<'_>, now: Instant) -> Option<Response<F>> {
        let last = self.last.as_deref()?;
        let is_true = self.hot.trust().holds(last.trust, now)
            && last.method == request.method
            && last.request.is_copy_of(request.fields);
        if !is_true {
            return None;
        }
        let response = last.response();
        self.hot.trust().repeat(last.trust);
        if last.status == 304 {
            self.hot.count_hit();
        }
        Some(response)
    }

    /// Keeps an answer, if it has no content of a file and its request no credentials.
    fn remember(&mut self, request: &Request<'_>, response: &Response<F>) {
        let content = match &response.body {
            Body::Empty => None,
            Body::One(Slice::Memory {
                content,
                start: 0,
                origin: None,
                ..
            }) if content.len() <= LONGEST_CONTENT => Some(content.clone()),
            _ => return,
        };
        if request.fields.iter().any(|field| is_credential(field.name)) {
            return;
        }
        let trust = self.hot.trust().answer();
        let Some(trust) = trust.filter(|_| request.fields.size() <= LONGEST_REQUEST) else {
            return;
        };
        let mut place = self.last.take();
        let mut asked = Fields::new();
        if let Some(former) = &mut place {
            asked = std::mem::take(&mut former.request);
        }
        asked.copy_from(request.fields);
        let last = LastAnswer {
            request: asked,
            method: request.method,
            status: response.status,
            fields: response.fields.clone(),
            content,
            trust,
        };
        self.last = Some(match place {
            Some(mut place) => {
                *place = last;
                place
            }
            None => Box::new(last),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::testing::TestSite;
    use std::time::Duration;

    const HALF: Duration = Duration::from_millis(10);

    #[test]
    fn an_answer_without_content_of_a_file_is_repeated_to_the_request_that_it_was_made_for() {
        let mut site = TestSite::new(&[("a", "a"), ("d/x", "")]);
        for (method, target, field, status) in [
            ("GET", "/none", None, 404),
            ("HEAD", "/none", None, 404),
            ("GET", "/none", Some(("x", "y")), 404),
            ("GET", "/d", None, 301),
            ("GET", "/a", Some(("if-none-match", "*")), 304),
        ] {
            let fields = field.as_slice();
            let first = site.request(method, target, fields);
            let (counts, census) = (site.files.counts(), site.site.hot.census());
            let again = site.request(method, target, fields);
            assert_eq!((first.status, again.status), (status, status), "{target}");
            assert_eq!((first.fields, first.content), (again.fields, again.content));
            assert_eq!(site.files.counts(), counts);
            let hits = site.site.hot.census().hits - census.hits;
            assert_eq!(hits, u64::from(status == 304));
            let last = site.site.last.as_ref().unwrap();
            assert_eq!(
                (last.status, last.request.path()),
                (status, Some(target.as_bytes()))
            );
        }
        assert_eq!(site.get("/a").status, 200);
        assert_eq!(site.request("HEAD", "/a", &[]).status, 200);
        assert_eq!(site.request("POST", "/a", &[]).status, 405);
    }

    #[test]
    fn an_answer_is_repeated_no_longer_than_the_first_look_for_it_is_trusted() {
        let mut site = TestSite::new(&[]);
        assert_eq!(site.get_with("/a", &[("x", "y")]).status, 404);
        site.advance(HALF);
        assert_eq!(site.get("/a").status, 404);
        site.files.write("a", "new");
        assert_eq!(site.get("/a").status, 404);
        site.advance(RECHECK - HALF);
        assert_eq!(site.get("/a").text(), "new");
    }

    #[test]
    fn a_change_that_was_seen_elsewhere_ends_the_trust_in_the_last_answer() {
        let mut site = TestSite::new(&[("a", "a"), ("b", "b")]);
        site.get("/a");
        site.advance(HALF);
        let tag = site.get("/b").field("etag").unwrap().to_owned();
        let asked = [("if-none-match", tag.as_str())];
        assert_eq!(site.get_with("/b", &asked).status, 304);
        site.files.write("a", "A");
        site.files.write("b", "B");
        assert_eq!(site.get_with("/b", &asked).status, 304);
        site.advance(RECHECK - HALF);
        assert_eq!(site.get_with("/b", &asked).status, 304);
        assert_eq!(site.get("/a").text(), "A");
        assert_eq!(site.get_with("/b", &asked).text(), "B");
    }

    #[test]
    fn a_file_that_came_with_another_one_ends_the_trust_in_its_absence() {
        let mut site = TestSite::new(&[]);
        assert_eq!(site.get("/a").status, 404);
        assert_eq!(site.get("/a").status, 404);
        site.files.write("a", "a");
        site.files.write("b", "b");
        assert_eq!(site.get("/b").text(), "b");
        assert_eq!(site.get("/a").text(), "a");
    }

    #[test]
    fn a_failure_that_passes_is_not_repeated() {
        let mut site = TestSite::new(&[("a", "a")]);
        for errno in [rustix::io::Errno::LOOP, rustix::io::Errno::NOTDIR] {
            site.files.fail_open("a", Some(errno.raw_os_error()));
            assert_eq!(site.get("/a").status, 404);
            site.files.fail_open("a", None);
            assert_eq!(site.get("/a").status, 200);
            site.site.forget();
        }
    }

    #[test]
    fn a_page_of_an_error_that_could_not_be_opened_is_missed_once() {
        let page = "x".repeat(200 << 10);
        let mut site = TestSite::with(&[("404.html", &page), ("big", &page)], |config| {
            config.open_files = 1;
        });
        assert_eq!(site.get("/a").text(), page);
        // Another file takes the only place of an open one.
        site.get("/big");
        let errno = rustix::io::Errno::MFILE.raw_os_error();
        site.files.fail_open("404.html", Some(errno));
        let missed = site.get("/a");
        assert!(missed.status == 404 && missed.text() != page);
        site.files.fail_open("404.html", None);
        assert_eq!(site.get("/a").text(), page);
    }

    #[test]
    fn a_request_with_credentials_is_not_kept() {
        let mut site = TestSite::new(&[]);
        for name in ["authorization", "cookie", "x-api-key"] {
            assert_eq!(site.get_with("/a", &[(name, "secret")]).status, 404);
            assert!(site.site.last.is_none(), "{name}");
        }
        assert_eq!(site.get("/a").status, 404);
        assert!(site.site.last.is_some());
    }

    #[test]
    fn what_is_kept_of_a_request_has_a_bound() {
        let mut site = TestSite::new(&[]);
        let long = "x".repeat(LONGEST_REQUEST);
        assert_eq!(site.get_with("/a", &[("x", &long)]).status, 404);
        assert!(site.site.last.is_none());
    }
}
