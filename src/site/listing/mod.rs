//! Listings of directories that have no index.
//!
//! All names are listed, sorted, in pages of [`PAGE`]. A step reads [`STEP`] names at most. A directory
//! of no more names is answered at once, with a `content-length`. The listing of a longer one is sent
//! while the directory is read, and its names are held meanwhile, within the memory of `shares`.

mod entries;
mod json;
mod listed;
mod order;
mod page;
mod shares;
mod sorted;

use std::io;
use std::rc::Rc;

use super::common_fields::CommonFields;
use super::conditional::{self, PreconditionOutcome};
use super::media_type::accepts;
use crate::content::{Body, BodyError, FileTable};
use crate::exchange::Response;
use crate::http::Fields;
use crate::world::Files;
use listed::Listed;
use order::ListingQuery;
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

/// The memory of all listings that are being sent.
pub(crate) type Shares<F> = ListingShares<Listed<F>>;

/// True for a name that is not listed, because it is not served.
pub(crate) type HiddenNames = fn(&[u8]) -> bool;

/// The listings of a site.
pub(crate) struct Listings<F: Files> {
    shares: Shares<F>,
    /// The fields of a page in HTML, without `content-length`. `json` has those of a JSON listing.
    html: Fields,
    json: Fields,
}

impl<F: Files> Listings<F> {
    /// Listings that take their memory out of `shares`.
    pub(crate) fn new(common: &CommonFields, shares: Shares<F>) -> Self {
        Listings {
            shares,
            html: fields(common, ListingFormat::Html),
            json: fields(common, ListingFormat::Json),
        }
    }

    /// The response for the directory at `path`.
    pub(crate) fn respond(
        &self,
        open_files: &Rc<FileTable<F>>,
        common: &CommonFields,
        path: &[u8],
        query: &[u8],
        request: &Fields,
        hides: HiddenNames,
    ) -> io::Result<Result<Response<F>, u16>> {
        let directory = open_files.tree().open_directory(path)?;
        // A listing has no validator, so only `*` matches it (RFC 9110 §13.1.1, §13.1.2).
        match conditional::evaluate_without_validators(request) {
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
        let form = form(request);
        let mut fields = match form {
            ListingFormat::Html => self.html.clone(),
            ListingFormat::Json => self.json.clone(),
        };
        let mut listed = Listed::new(
            open_files,
            directory,
            path,
            form,
            ListingQuery::parse(query),
            hides,
        );
        let body = match listed.at_once().map_err(io_error)? {
            Some(content) => {
                fields.push(b"content-length", content.len().to_string().as_bytes());
                Body::memory(content.into())
            }
            None => {
                let share = self.shares.join();
                let bytes = listed.bytes();
                share.put_back(listed, bytes);
                Body::Made(Box::new(share))
            }
        };
        Ok(Ok(Response {
            status: 200,
            fields: common.complete(fields),
            body,
        }))
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
mod tests {
    use super::*;
    use crate::site::testing::TestSite;

    fn site(files: &[(&str, &str)]) -> TestSite {
        TestSite::with(files, |config| config.listing = true)
    }

    /// The links of the page's rows, in order, without the link to the parent directory.
    fn links(html: &str) -> Vec<&str> {
        let rows = html.split("<tbody>").nth(1).unwrap();
        rows.split("href=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .filter(|link| *link != "../")
            .collect()
    }

    #[test]
    fn a_directory_is_listed_only_where_that_is_wanted() {
        let files = [("a/x.txt", "x")];
        assert_eq!(TestSite::new(&files).get("/a/").status, 404);
        let seen = site(&files).get("/a/");
        assert_eq!(seen.status, 200);
        assert_eq!(seen.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(seen.field("cache-control"), Some("no-cache"));
        assert!(seen.field("content-security-policy").is_some());
        assert_eq!(links(seen.text()), ["x.txt"]);
        let mut site = site(&files);
        site.files.create_directory("empty");
        assert_eq!(links(site.get("/empty/").text()), [""; 0]);
        assert_eq!(site.get("/b/").status, 404);
        assert_eq!(site.get("/a/x.txt/").status, 404);
        assert_eq!(site.get("/a").status, 301);
    }

    #[test]
    fn an_index_comes_before_a_listing() {
        let mut site = site(&[("a/index.html", "index"), ("a/x", "")]);
        assert_eq!(site.get("/a/").text(), "index");
    }

    #[test]
    fn entries_are_sorted_with_directories_first() {
        let mut site = site(&[("b.txt", "1"), ("A.txt", "333"), ("c/x", ""), ("D/x", "")]);
        site.files.write("new.txt", "22");
        let mut order = |query: &str| {
            let seen = site.get(&format!("/?{query}"));
            links(seen.text()).join(" ")
        };
        assert_eq!(order(""), "c/ D/ A.txt b.txt new.txt");
        assert_eq!(order("order=desc"), "D/ c/ new.txt b.txt A.txt");
        assert_eq!(order("sort=size"), "c/ D/ b.txt new.txt A.txt");
        assert_eq!(order("sort=size&order=desc"), "c/ D/ A.txt new.txt b.txt");
        assert_eq!(order("sort=date&order=desc"), "c/ D/ new.txt A.txt b.txt");
        assert_eq!(order("sort=\"><script>"), "c/ D/ A.txt b.txt new.txt");
    }

    #[test]
    fn hidden_and_unreachable_names_are_not_listed() {
        let mut site = site(&[
            (".env", ""),
            (".well-known/a", ""),
            ("a\\b", ""),
            ("x/.well-known/a", ""),
            ("x/y", ""),
        ]);
        site.files.write_bytes(b"caf\xe9", "");
        site.files.write_bytes(b"\xc0\xae", "");
        assert_eq!(
            links(site.get("/").text()),
            [".well-known/", "x/", "caf%E9"]
        );
        assert_eq!(links(site.get("/x/").text()), ["y"]);
        assert_eq!(site.get("/caf%E9").status, 200);
    }

    fn many(count: usize) -> TestSite {
        let site = site(&[]);
        // The names are neither in the order of the directory nor in the order of their creation.
        for at in 0..count {
            site.files
                .write(&format!("a/{:06}", (at * 7_919) % count), "x");
        }
        site
    }

    #[test]
    fn a_directory_is_read_anew_each_time() {
        let mut site = site(&[("a/x", "")]);
        site.get("/a/");
        site.files.write("a/y", "");
        assert_eq!(links(site.get("/a/").text()), ["x", "y"]);
    }

    #[test]
    fn all_names_are_listed_in_their_order() {
        for count in [1, STEP, STEP + 1, 5 * STEP, PAGE] {
            let mut site = many(count);
            let seen = site.get("/a/");
            let names: Vec<_> = (0..count).map(|at| format!("{at:06}")).collect();
            assert_eq!(links(seen.text()), names, "{count}");
            assert_eq!(seen.field("content-length").is_some(), count < STEP);
            assert!(!seen.text().contains("<nav>"));
        }
    }

    #[test]
    fn a_directory_of_more_than_a_page_has_pages_that_lead_to_one_another() {
        let mut site = many(2 * PAGE + 5);
        let page = |site: &mut TestSite, query: &str| {
            let seen = site.get(&format!("/a/?{query}"));
            let (first, last) = {
                let rows = seen.text().split("</table>").next().unwrap().to_owned();
                let links = links(&rows);
                let ends = links.first().map(|first| (*first, links[links.len() - 1]));
                let (first, last) = ends.unwrap_or_default();
                (first.to_owned(), last.to_owned())
            };
            (first, last, seen.text().contains("?page=2"))
        };
        let expect =
            |first: usize, last: usize, more| (format!("{first:06}"), format!("{last:06}"), more);
        assert_eq!(page(&mut site, ""), expect(0, PAGE - 1, true));
        assert_eq!(page(&mut site, "page=2"), expect(PAGE, 2 * PAGE - 1, false));
        assert_eq!(
            page(&mut site, "page=3"),
            expect(2 * PAGE, 2 * PAGE + 4, true)
        );
        assert_eq!(page(&mut site, "page=4").0, "");
        assert_eq!(page(&mut site, "page=18446744073709551615").0, "");
        assert_eq!(
            page(&mut site, "order=desc").0,
            format!("{:06}", 2 * PAGE + 4)
        );
    }

    #[test]
    fn a_directory_of_more_names_than_are_held_is_listed_as_far_as_that() {
        let mut site = site(&[]);
        for at in 0..40_000 {
            site.files.write(&format!("a/{at:0>250}"), "x");
        }
        site.files.write("b/x", "x");
        let last = {
            let seen = site.get("/a/");
            assert!(
                seen.text()
                    .contains("the directory holds more than are listed")
            );
            assert_eq!(
                links(seen.text().split("</table>").next().unwrap()).len(),
                PAGE
            );
            seen.text()
                .split("of ")
                .last()
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(last, "4");
        for page in 2..=4 {
            let seen = site.get(&format!("/a/?page={page}"));
            assert!(seen.text().ends_with("</html>\n"), "page {page}");
        }
        assert_eq!(links(site.get("/b/").text()), ["x"]);
    }

    #[test]
    fn programs_get_json() {
        let mut site = site(&[("a/x", "123"), ("a/<y>/z", "")]);
        let seen = site.get_with("/a/", &[("accept", "application/json")]);
        assert_eq!(seen.field("content-type"), Some("application/json"));
        assert_eq!(seen.field("vary"), Some("accept"));
        let rows: serde_json::Value = serde_json::from_str(seen.text()).unwrap();
        assert_eq!(rows[0]["name"], "<y>");
        assert_eq!(rows[0]["type"], "directory");
        assert_eq!(rows[0].get("size"), None);
        assert_eq!(rows[1]["size"], 3);
        assert_eq!(rows.as_array().unwrap().len(), 2);
        site.files.create_directory("b");
        let seen = site.get_with("/b/", &[("accept", "application/json")]);
        let rows: serde_json::Value = serde_json::from_str(seen.text()).unwrap();
        assert_eq!(rows.as_array().map(Vec::len), Some(0));
        let all = many(3 * STEP).get_with("/a/", &[("accept", "text/x, application/json;q=1")]);
        let rows: serde_json::Value = serde_json::from_str(all.text()).unwrap();
        assert_eq!(rows.as_array().map(Vec::len), Some(3 * STEP));
    }

    #[test]
    fn the_style_is_a_file_of_its_own() {
        let mut site = site(&[("a/x", "")]);
        let seen = site.get("/a/");
        let policy = seen.field("content-security-policy").unwrap();
        assert!(policy.contains("style-src 'self'"));
        assert!(seen.text().contains("href=\"/.calmd/listing.css\""));
        let style = site.get("/.calmd/listing.css");
        assert_eq!(style.field("content-type"), Some("text/css; charset=utf-8"));
        assert!(style.text().contains("body{"));
        assert_eq!(site.get("/.calmd/").status, 404);
        assert_eq!(TestSite::new(&[]).get("/.calmd/listing.css").status, 404);
    }

    #[test]
    fn s13_1_a_listing_has_no_validator_and_matches_only_a_star() {
        let mut site = site(&[("a/x", "")]);
        let mut status = |field, value| site.get_with("/a/", &[(field, value)]).status;
        assert_eq!(status("if-none-match", "*"), 304);
        assert_eq!(status("if-none-match", "\"x\""), 200);
        assert_eq!(status("if-match", "*"), 200);
        assert_eq!(status("if-match", "\"x\""), 412);
        assert_eq!(
            status("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
            200
        );
    }

    #[test]
    fn listings_that_nobody_reads_make_room_for_others() {
        let mut site = many(PAGE);
        let stalled: Vec<_> = (0..40).map(|_| site.respond("GET", "/a/", &[])).collect();
        let mut lost = 0;
        for mut response in stalled {
            let mut out = Vec::new();
            assert_eq!(response.status, 200);
            loop {
                match response.body.read(&mut site.files, &mut out, 1 << 20) {
                    Ok(crate::content::Progress::End) => break,
                    Ok(_) => {}
                    Err(_) => {
                        lost += 1;
                        break;
                    }
                }
            }
        }
        assert_eq!(lost, 0, "one step of each is little");
        let mut stalled = Vec::new();
        for _ in 0..40 {
            let mut response = site.respond("GET", "/a/", &[]);
            // A client reads some rows, and no further.
            let mut out = Vec::new();
            while out.len() < 4_000 {
                let read = response.body.read(&mut site.files, &mut out, 4_000);
                read.expect("whoever reads is not displaced");
            }
            stalled.push(response);
        }
        let mut next = |response: &mut Response<_>| {
            let mut out = Vec::new();
            response.body.read(&mut site.files, &mut out, 1).is_ok()
        };
        assert!(!next(&mut stalled[0]), "it was not read for longest");
        assert!(next(&mut stalled[39]));
        assert_eq!(links(site.get("/a/").text()).len(), PAGE);
    }
}
