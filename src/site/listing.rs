//! Listings of directories that have no index: in which order, and how many at a time.
//!
//! A listing costs a system call a name and a page of memory, so both are bounded: a directory of a
//! million files shows its first names, a page is made at most once a second, all pages together take
//! a tenth of the time at most, and those that responses are still sending share one small budget.

use std::cmp::Ordering;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::common_fields::CommonFields;
use super::listing_page;
use super::path::is_reachable;
use crate::http::Fields;
use crate::world::{FileKind, Files, ListingEntry};

/// Names looked at in a directory: 2 ms for them and their page, which nobody notices.
const MAX_NAMES: usize = 1_000;

/// Memory of all pages that are fresh or still being sent: a large directory in every order.
const MEMORY: usize = 1 << 20;

/// The rest that is due to the others for each name, ten times what one takes, and what opening the
/// directory and beginning a page are worth in names.
const REST: Duration = Duration::from_micros(20);
const PAGE_NAMES: usize = 50;

/// So much rest may be outstanding when another page is made: two large directories at once, or
/// two dozen small ones.
const MOST_REST: Duration = Duration::from_millis(25);

/// How long a page is sent again before the directory is read again.
const FRESH: Duration = Duration::from_secs(1);

/// What a listing is sorted by, directories always first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) key: Key,
    pub(crate) direction: Direction,
}

/// The columns of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Name,
    Size,
    Modified,
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

impl Order {
    /// Reads a query such as `sort=size&order=desc`; what is not known is passed over.
    pub(crate) fn parse(query: &[u8]) -> Order {
        let mut order = Order {
            key: Key::Name,
            direction: Direction::Ascending,
        };
        for parameter in query.split(|byte| *byte == b'&') {
            match parameter {
                b"sort=name" => order.key = Key::Name,
                b"sort=size" => order.key = Key::Size,
                b"sort=date" => order.key = Key::Modified,
                b"order=asc" => order.direction = Direction::Ascending,
                b"order=desc" => order.direction = Direction::Descending,
                _ => {}
            }
        }
        order
    }

    fn compare(self, a: &ListingEntry, b: &ListingEntry) -> Ordering {
        let is_file = |entry: &ListingEntry| entry.metadata.kind == FileKind::File;
        let by_name = compare_names(&a.name, &b.name);
        let by_key = match self.key {
            Key::Name => by_name,
            // The length of a directory says nothing.
            Key::Size if !is_file(a) => Ordering::Equal,
            Key::Size => a.metadata.len.cmp(&b.metadata.len),
            Key::Modified => a.metadata.modified.cmp(&b.metadata.modified),
        };
        let by_key = match self.direction {
            Direction::Ascending => by_key,
            Direction::Descending => by_key.reverse(),
        };
        is_file(a).cmp(&is_file(b)).then(by_key).then(by_name)
    }
}

/// Letters of either case side by side, as people look for them.
fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    let lowercase_a = a.iter().map(u8::to_ascii_lowercase);
    let lowercase_b = b.iter().map(u8::to_ascii_lowercase);
    lowercase_a.cmp(lowercase_b).then_with(|| a.cmp(b))
}

/// A page, ready to be sent.
pub(crate) struct Shown {
    path: Vec<u8>,
    order: Order,
    made: Instant,
    pub(crate) fields: Rc<Fields>,
    pub(crate) content: Rc<[u8]>,
}

/// The pages that are fresh or still being sent.
#[derive(Default)]
pub(crate) struct Listings {
    shown: Vec<Shown>,
    /// When the rest is over that is due for the pages so far.
    rested: Option<Instant>,
}

impl Listings {
    /// The page of a directory; `None` if too many others are still being sent, or were just made.
    pub(crate) fn get<F: Files>(
        &mut self,
        files: &mut F,
        common: &CommonFields,
        path: &[u8],
        order: Order,
        now: Instant,
    ) -> io::Result<Option<&Shown>> {
        let is_fresh = |shown: &Shown| now.saturating_duration_since(shown.made) < FRESH;
        let is_held = |shown: &Shown| Rc::strong_count(&shown.content) > 1;
        self.shown.retain(|shown| is_fresh(shown) || is_held(shown));
        let wanted = |shown: &Shown| is_fresh(shown) && shown.order == order && shown.path == path;
        if let Some(at) = self.shown.iter().position(wanted) {
            return Ok(self.shown.get(at));
        }
        let rested = self.rested.map_or(now, |rested| rested.max(now));
        if rested > now + MOST_REST {
            return Ok(None);
        }
        if self.used() + listing_page::MAX_LEN > MEMORY {
            self.shown.retain(is_held);
            if self.used() + listing_page::MAX_LEN > MEMORY {
                return Ok(None);
            }
        }
        let mut listing = files.list(path, MAX_NAMES)?;
        let names = u32::try_from(listing.entries.len() + PAGE_NAMES).unwrap_or(u32::MAX);
        self.rested = Some(rested + REST * names);
        listing
            .entries
            .retain(|entry| is_reachable(&entry.name, path));
        listing.entries.sort_by(|a, b| order.compare(a, b));
        let content = listing_page::html(path, &listing, order).into_bytes();
        self.shown.push(Shown {
            path: path.to_vec(),
            order,
            made: now,
            fields: common.complete(fields(common, content.len())),
            content: content.into(),
        });
        Ok(self.shown.last())
    }

    fn used(&self) -> usize {
        self.shown.iter().map(|shown| shown.content.len()).sum()
    }
}

fn fields(common: &CommonFields, len: usize) -> Fields {
    let mut fields = Fields::new();
    fields.push(b"content-type", b"text/html; charset=utf-8");
    fields.push(b"content-length", len.to_string().as_bytes());
    fields.push(b"cache-control", b"no-cache");
    // Whatever a file may be called, nothing on this page is run or loaded.
    common.push_default(
        &mut fields,
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
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

    /// The links of the page's rows, in order, without the one to the parent.
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

    #[test]
    fn a_page_is_made_at_most_once_a_second() {
        let mut site = site(&[("a/x", "")]);
        site.get("/a/");
        site.files.write("a/y", "");
        assert_eq!(links(site.get("/a/").text()), ["x"]);
        site.advance(FRESH);
        assert_eq!(links(site.get("/a/").text()), ["x", "y"]);
    }

    #[test]
    fn pages_that_nobody_reads_do_not_add_up() {
        let mut site = site(&[("b/x", "")]);
        for at in 0..MAX_NAMES {
            site.files.write(&format!("a/{at:0100}"), "");
        }
        let mut stalled = Vec::new();
        for key in ["name", "size", "date"] {
            for direction in ["asc", "desc"] {
                site.advance(MOST_REST);
                let target = format!("/a/?sort={key}&order={direction}");
                stalled.push(site.respond("GET", &target, &[]));
            }
        }
        assert!(stalled.iter().all(|response| response.status == 200));
        site.advance(MOST_REST);
        assert_eq!(site.get("/b/").status, 503);
        stalled.clear();
        assert_eq!(site.get("/b/").status, 200);
    }

    #[test]
    fn large_directories_leave_the_others_time() {
        let mut site = site(&[]);
        for directory in ["a", "b", "c"] {
            for at in 0..MAX_NAMES {
                site.files.write(&format!("{directory}/{at}"), "");
            }
        }
        assert_eq!(site.get("/a/").status, 200);
        assert_eq!(site.get("/b/").status, 200);
        let busy = site.get("/c/");
        assert_eq!((busy.status, busy.field("retry-after")), (503, Some("1")));
        assert_eq!(site.get("/a/").status, 200, "this page is still there");
        let rest = REST * (MAX_NAMES + PAGE_NAMES) as u32;
        site.advance(rest);
        assert_eq!(site.get("/c/").status, 200);
        assert_eq!(site.get("/c/?order=desc").status, 503);
    }

    #[test]
    fn small_directories_are_listed_side_by_side() {
        let mut site = site(&[]);
        for at in 0..20 {
            site.files.write(&format!("{at}/file"), "");
        }
        for at in 0..20 {
            assert_eq!(site.get(&format!("/{at}/")).status, 200);
        }
    }

    #[test]
    fn a_huge_directory_shows_its_first_names_and_says_so() {
        let mut site = site(&[]);
        for at in 0..MAX_NAMES + 1 {
            site.files.write(&format!("a/{at}"), "");
        }
        let seen = site.get("/a/");
        assert_eq!(links(seen.text()).len(), MAX_NAMES);
        assert!(seen.text().contains("there are more"));
        let before = site.files.counts().opens;
        site.get("/a/");
        assert!(site.files.counts().opens - before <= 1);
    }
}
