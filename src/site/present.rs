//! From a file that was found to the response that a request for it gets.

use std::io;
use std::rc::Rc;

use super::conditional::{self, Outcome};
use super::encoding::Preferences;
use super::multipart::{Multipart, content_range};
use super::range::{self, ByteRange, Ranges};
use super::representation::{Representation, Source};
use super::resource::Resource;
use super::{Body, Response, Site};
use crate::http::{Fields, Method};
use crate::world::Files;

/// Fields that describe content, which a 304 has none of (RFC 9110 §15.4.5). The date of the last
/// change goes too: the tag says more.
const OF_CONTENT: [&[u8]; 5] = [
    b"content-type",
    b"content-length",
    b"content-encoding",
    b"last-modified",
    b"accept-ranges",
];

/// Fields that are true of a file, but not of the error whose page it is.
const OF_THE_FILE: [&[u8]; 4] = [
    b"etag",
    b"last-modified",
    b"accept-ranges",
    b"cache-control",
];

/// Why a file that was found cannot be sent.
pub(crate) enum Unready {
    /// It has changed since it was looked at.
    Changed,
    /// It cannot be opened any more.
    Failed(io::Error),
}

/// What a request says beside its target, found in one pass over its fields.
#[derive(Default)]
struct Asked {
    accept_encoding: bool,
    preconditions: bool,
    range: bool,
}

impl Asked {
    fn of(request: &Fields) -> Self {
        let mut asked = Asked::default();
        for field in request.iter() {
            match field.name {
                b"accept-encoding" => asked.accept_encoding = true,
                b"if-match" | b"if-none-match" | b"if-modified-since" | b"if-unmodified-since" => {
                    asked.preconditions = true;
                }
                b"range" => asked.range = true,
                _ => {}
            }
        }
        asked
    }
}

impl<F: Files> Site<F> {
    /// Answers a GET or HEAD for the file at `path`.
    pub(crate) fn present(
        &mut self,
        resource: &Resource<F>,
        path: &[u8],
        request: &Fields,
        method: Method,
    ) -> Result<Response<F>, Unready> {
        let asked = Asked::of(request);
        let Some(representation) = select(resource, request, &asked) else {
            return Ok(self.page_of_resource(406, resource, None));
        };
        if asked.preconditions {
            match conditional::evaluate(request, &representation.validators()) {
                Outcome::Proceed => {}
                Outcome::NotModified => return Ok(not_modified(representation)),
                Outcome::Failed => return Ok(self.page_of_resource(412, resource, None)),
            }
        }
        // RFC 9110 §14.2: a range is defined for GET only.
        let ranges = match method {
            Method::Get if asked.range => ranges(representation, request),
            _ => Ranges::Whole,
        };
        if ranges == Ranges::Unsatisfiable {
            let content_range = format!("bytes */{}", representation.len());
            return Ok(self.page_of_resource(416, resource, Some(&content_range)));
        }
        let source = match method {
            Method::Head => None,
            _ => Some(self.source(representation, path)?),
        };
        Ok(match (source, ranges) {
            (Some(source), Ranges::One(range)) => part(representation, &source, range),
            (Some(source), Ranges::Several(ranges)) => parts(representation, &source, &ranges),
            (source, _) => whole(200, representation, representation.fields.clone(), source),
        })
    }

    /// Answers that there is nothing, with the site's own page for that (RFC 9110 §13.2.1, §14.2:
    /// without preconditions and ranges, which are about what was asked for).
    pub(crate) fn present_not_found(
        &mut self,
        page: &Resource<F>,
        path: &[u8],
        request: &Fields,
    ) -> Result<Response<F>, Unready> {
        let asked = Asked::of(request);
        // Who accepts nothing gets the page as it is: a second error would hide the first.
        let representation = select(page, request, &asked).unwrap_or(&page.representations[0]);
        let fields = representation.not_found.get_or_init(|| {
            let mut fields = copy_without(&representation.fields, &OF_THE_FILE);
            fields.push(b"cache-control", b"no-cache");
            Rc::new(fields)
        });
        let source = self.source(representation, path)?;
        Ok(whole(404, representation, fields.clone(), Some(source)))
    }

    fn source(
        &mut self,
        representation: &Representation<F>,
        path: &[u8],
    ) -> Result<Source<F>, Unready> {
        match representation.source(&mut self.files, path) {
            Ok(source) => source.ok_or(Unready::Changed),
            Err(error) => Err(Unready::Failed(error)),
        }
    }

    /// A page about a resource that is there but cannot be sent as it was asked for.
    fn page_of_resource(
        &mut self,
        status: u16,
        resource: &Resource<F>,
        content_range: Option<&str>,
    ) -> Response<F> {
        let mut response = self.error(status);
        let mut fields = Fields::clone(&response.fields);
        if let Some(content_range) = content_range {
            fields.push(b"content-range", content_range.as_bytes());
        }
        if resource.varies() {
            fields.push(b"vary", b"accept-encoding");
        }
        response.fields = Rc::new(fields);
        response
    }
}

/// The representation that the request prefers; `None` if it refuses all.
fn select<'r, F: Files>(
    resource: &'r Resource<F>,
    request: &Fields,
    asked: &Asked,
) -> Option<&'r Representation<F>> {
    let values = || request.values("accept-encoding");
    // Without a weight nothing is refused, and without a sidecar there is nothing to choose.
    let matters =
        asked.accept_encoding && (resource.varies() || values().any(|value| value.contains(&b';')));
    if !matters {
        return resource.representations.first();
    }
    let codings = resource.representations.iter().map(|r| r.coding);
    let position = Preferences::parse(values()).choose(codings)?;
    resource.representations.get(position)
}

/// What the `Range` of a request means for the representation that it gets.
fn ranges<F: Files>(representation: &Representation<F>, request: &Fields) -> Ranges {
    if !conditional::range_applies(request, &representation.validators()) {
        return Ranges::Whole;
    }
    let value = request.value("range").unwrap_or_default();
    match range::parse(value, representation.len()) {
        // Several parts of an encoded representation have no agreed form: it is sent whole.
        Ranges::Several(_) if representation.is_encoded() => Ranges::Whole,
        ranges => ranges,
    }
}

fn whole<F: Files>(
    status: u16,
    representation: &Representation<F>,
    fields: Rc<Fields>,
    source: Option<Source<F>>,
) -> Response<F> {
    Response {
        status,
        fields,
        body: source.map_or(Body::Empty, |source| {
            Body::One(source.slice(0, representation.len()))
        }),
    }
}

fn not_modified<F: Files>(representation: &Representation<F>) -> Response<F> {
    let fields = representation
        .not_modified
        .get_or_init(|| Rc::new(copy_without(&representation.fields, &OF_CONTENT)));
    Response {
        status: 304,
        fields: fields.clone(),
        body: Body::Empty,
    }
}

/// RFC 9110 §15.3.7.1
fn part<F: Files>(
    representation: &Representation<F>,
    source: &Source<F>,
    range: ByteRange,
) -> Response<F> {
    let mut fields = copy_without(&representation.fields, &[b"content-length"]);
    let len = range.end - range.start;
    fields.push(b"content-length", len.to_string().as_bytes());
    let content_range = content_range(range, representation.len());
    fields.push(b"content-range", content_range.as_bytes());
    Response {
        status: 206,
        fields: Rc::new(fields),
        body: Body::One(source.slice(range.start, range.end)),
    }
}

/// RFC 9110 §15.3.7.2: the parts say which ranges they are, the head does not.
fn parts<F: Files>(
    representation: &Representation<F>,
    source: &Source<F>,
    ranges: &[ByteRange],
) -> Response<F> {
    let content_type = representation.fields.value("content-type");
    let multipart = Multipart::new(
        source,
        ranges,
        representation.len(),
        content_type.unwrap_or_default(),
        representation.entity_tag(),
    );
    let mut fields = copy_without(
        &representation.fields,
        &[b"content-length", b"content-type"],
    );
    fields.push(b"content-type", multipart.content_type.as_bytes());
    fields.push(b"content-length", multipart.len.to_string().as_bytes());
    Response {
        status: 206,
        fields: Rc::new(fields),
        body: multipart.body,
    }
}

fn copy_without(fields: &Fields, names: &[&[u8]]) -> Fields {
    let mut copy = Fields::new();
    for field in fields.iter().filter(|field| !names.contains(&field.name)) {
        copy.push_field(field);
    }
    copy
}

#[cfg(test)]
mod tests {
    use crate::site::testing::TestSite;

    const DIGITS: &str = "0123456789";

    fn digits() -> TestSite {
        TestSite::new(&[("d.txt", DIGITS)])
    }

    /// A page with all its sidecars.
    fn encoded() -> TestSite {
        TestSite::new(&[
            ("a.html", "identity"),
            ("a.html.br", "brotli--br"),
            ("a.html.zst", "zstandard"),
            ("a.html.gz", "gzip---gz"),
        ])
    }

    #[test]
    fn s9_3_2_head_has_the_fields_of_get_and_no_content() {
        let mut site = digits();
        let get = site.get("/d.txt");
        let head = site.request("HEAD", "/d.txt", &[("range", "bytes=0-1")]);
        assert_eq!(head.status, 200);
        assert_eq!(head.fields, get.fields);
        assert!(head.content.is_empty());
        let head = site.request("HEAD", "/missing", &[]);
        assert_eq!(head.fields, site.get("/missing").fields);
        assert!(head.content.is_empty());
    }

    #[test]
    fn s15_3_7_1_a_range_is_a_part_with_its_place() {
        let mut site = digits();
        for (range, content, place) in [
            ("bytes=2-4", "234", "bytes 2-4/10"),
            ("bytes=-2", "89", "bytes 8-9/10"),
            ("bytes=7-", "789", "bytes 7-9/10"),
        ] {
            let seen = site.get_with("/d.txt", &[("range", range)]);
            assert_eq!((seen.status, seen.text()), (206, content));
            assert_eq!(seen.field("content-range"), Some(place));
            assert_eq!(seen.field("etag"), site.get("/d.txt").field("etag"));
            assert_eq!(
                seen.field("content-type"),
                Some("text/plain; charset=utf-8")
            );
            assert!(seen.field("last-modified").is_some());
        }
    }

    #[test]
    fn s15_3_7_2_several_ranges_are_a_multipart() {
        let mut site = digits();
        let seen = site.get_with("/d.txt", &[("range", "bytes=8-,0-1")]);
        assert_eq!((seen.status, seen.field("content-range")), (206, None));
        let content_type = seen.field("content-type").unwrap();
        let boundary = content_type
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        assert!(boundary.len() <= 70, "RFC 2046 section 5.1.1");
        assert_eq!(
            seen.text(),
            format!(
                "\r\n--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\n\
                 content-range: bytes 8-9/10\r\n\r\n89\
                 \r\n--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\n\
                 content-range: bytes 0-1/10\r\n\r\n01\
                 \r\n--{boundary}--\r\n"
            )
        );
    }

    #[test]
    fn s15_5_17_a_range_that_is_not_there_says_how_long_the_file_is() {
        let seen = digits().get_with("/d.txt", &[("range", "bytes=10-")]);
        assert_eq!(seen.status, 416);
        assert_eq!(seen.field("content-range"), Some("bytes */10"));
    }

    #[test]
    fn cve_2011_3192_overlapping_ranges_get_the_whole() {
        let ranges = vec!["0-"; 1300].join(",");
        let seen = digits().get_with("/d.txt", &[("range", &format!("bytes={ranges}"))]);
        assert_eq!((seen.status, seen.text()), (200, DIGITS));
    }

    #[test]
    fn s13_1_5_a_range_of_another_version_gets_the_whole() {
        let mut site = digits();
        let first = site.get("/d.txt");
        let mut status = |validator: &str| {
            let fields = [("range", "bytes=0-1"), ("if-range", validator)];
            site.get_with("/d.txt", &fields).status
        };
        let etag = first.field("etag").unwrap();
        assert_eq!(status(etag), 206);
        assert_eq!(status(first.field("last-modified").unwrap()), 206);
        assert_eq!(status(&format!("W/{etag}")), 200);
        assert_eq!(status("\"x\""), 200);
        assert_eq!(status("Fri, 02 Jan 2026 00:00:00 GMT"), 200);
    }

    #[test]
    fn s15_4_5_what_the_client_has_is_not_sent_again() {
        let mut site = TestSite::with(&[("d.txt", DIGITS), ("d.txt.gz", "gz")], |config| {
            config.cache = vec![crate::config::CacheRule::parse("*.txt=5m").unwrap()];
        });
        let first = site.get("/d.txt");
        let etag = first.field("etag").unwrap();
        let modified = first.field("last-modified").unwrap();
        for field in [("if-none-match", etag), ("if-modified-since", modified)] {
            for method in ["GET", "HEAD"] {
                let seen = site.request(method, "/d.txt", &[field, ("range", "bytes=0-1")]);
                assert_eq!(seen.status, 304);
                for name in ["etag", "cache-control", "vary"] {
                    assert!(seen.field(name).is_some());
                    assert_eq!(seen.field(name), first.field(name), "{name}");
                }
                for name in ["content-type", "content-length", "last-modified"] {
                    assert_eq!(seen.field(name), None, "{name}");
                }
                assert!(seen.content.is_empty());
            }
        }
    }

    #[test]
    fn s15_5_13_a_failed_precondition_sends_nothing_of_the_file() {
        let mut site = digits();
        let seen = site.get_with("/d.txt", &[("if-match", "\"x\""), ("range", "bytes=0-1")]);
        assert_eq!(seen.status, 412);
        assert_eq!(seen.field("etag"), None);
        // RFC 9110 §13.2.1: preconditions are about what is there.
        assert_eq!(site.get_with("/x", &[("if-match", "*")]).status, 404);
    }

    #[test]
    fn s12_5_3_a_sidecar_is_sent_with_the_type_of_its_file() {
        let mut site = encoded();
        for (accept, coding, content) in [
            ("gzip, deflate, br, zstd", Some("br"), "brotli--br"),
            ("gzip, zstd;q=0.9", Some("gzip"), "gzip---gz"),
            ("zstd", Some("zstd"), "zstandard"),
            ("deflate", None, "identity"),
        ] {
            let seen = site.get_with("/a.html", &[("accept-encoding", accept)]);
            assert_eq!((seen.status, seen.text()), (200, content));
            assert_eq!(seen.field("content-encoding"), coding);
            assert_eq!(seen.field("content-type"), Some("text/html; charset=utf-8"));
            assert_eq!(seen.field("vary"), Some("accept-encoding"));
        }
        assert_eq!(site.get("/a.html").text(), "identity");
    }

    #[test]
    fn each_sidecar_has_its_own_strong_tag() {
        let mut site = TestSite::new(&[("a", "x"), ("a.br", "x"), ("a.gz", "x")]);
        let mut tag = |accept| {
            let seen = site.get_with("/a", &[("accept-encoding", accept)]);
            seen.field("etag").unwrap().to_owned()
        };
        let tags = [tag("identity"), tag("br"), tag("gzip")];
        assert!(tags.iter().all(|tag| tag.starts_with('"')));
        assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2]);
        let fields = [
            ("accept-encoding", "br"),
            ("if-none-match", tags[0].as_str()),
        ];
        assert_eq!(site.get_with("/a", &fields).status, 200);
        let fields = [
            ("accept-encoding", "br"),
            ("if-none-match", tags[1].as_str()),
        ];
        assert_eq!(site.get_with("/a", &fields).status, 304);
    }

    #[test]
    fn vary_is_on_every_answer_of_a_file_with_sidecars() {
        let mut site = encoded();
        for (fields, status) in [
            (&[("range", "bytes=0-1")][..], 206),
            (&[("range", "bytes=0-1,4-5")], 206),
            (&[("range", "bytes=99-")], 416),
            (&[("if-none-match", "*")], 304),
            (&[("if-match", "\"x\"")], 412),
            (&[("accept-encoding", "*;q=0")], 406),
            (&[], 200),
        ] {
            let seen = site.get_with("/a.html", fields);
            assert_eq!(seen.status, status);
            assert_eq!(seen.field("vary"), Some("accept-encoding"), "{status}");
        }
    }

    #[test]
    fn a_range_is_one_of_the_selected_representation() {
        let mut site = encoded();
        let br = ("accept-encoding", "br");
        let seen = site.get_with("/a.html", &[br, ("range", "bytes=8-")]);
        assert_eq!((seen.status, seen.text()), (206, "br"));
        assert_eq!(seen.field("content-encoding"), Some("br"));
        assert_eq!(seen.field("content-range"), Some("bytes 8-9/10"));
        let seen = site.get_with("/a.html", &[br, ("range", "bytes=0-1,4-5")]);
        assert_eq!((seen.status, seen.text()), (200, "brotli--br"));
    }

    #[test]
    fn who_refuses_every_form_is_told_so() {
        let mut site = digits();
        let mut status = |accept| {
            let seen = site.get_with("/d.txt", &[("accept-encoding", accept)]);
            seen.status
        };
        assert_eq!(status("gzip, identity;q=0"), 406);
        assert_eq!(status("*;q=0"), 406);
        assert_eq!(status("gzip"), 200);
        assert_eq!(status("gzip;q=1.0, *;q=0.1"), 200);
    }

    #[test]
    fn sidecars_are_files_and_have_none_themselves() {
        let mut site =
            TestSite::new(&[("a", "a"), ("a.br/x", ""), ("a.gz", "g"), ("a.gz.br", "b")]);
        let all = ("accept-encoding", "br, gzip");
        assert_eq!(site.get_with("/a", &[all]).text(), "g");
        let seen = site.get_with("/a.gz", &[all]);
        assert_eq!((seen.text(), seen.field("vary")), ("g", None));
        assert_eq!(seen.field("content-type"), Some("application/gzip"));
    }

    #[test]
    fn rules_and_headers_are_on_what_they_are_for() {
        let mut site = TestSite::with(&[("assets/a.js", ""), ("index.html", "")], |config| {
            let rules = ["assets/**=1y,immutable", "*.html=no-cache"];
            config.cache = rules
                .iter()
                .map(|rule| crate::config::CacheRule::parse(rule).unwrap())
                .collect();
            config.headers = vec![("X-Frame-Options".into(), "DENY".into())];
        });
        let seen = site.get("/assets/a.js");
        assert_eq!(
            seen.field("cache-control"),
            Some("max-age=31536000, immutable")
        );
        assert_eq!(site.get("/").field("cache-control"), Some("no-cache"));
        assert_eq!(
            site.get("/assets/b.js").field("cache-control"),
            Some("no-cache")
        );
        for target in ["/", "/assets", "/missing", "/%00"] {
            assert_eq!(site.get(target).field("x-frame-options"), Some("DENY"));
        }
    }
}
