//! The handler of one directory for uploads.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::answer::AnswerForm;
use super::digest::{self, Promised};
use super::form::FormParser;
use super::name::safe;
use super::page::{self, PAGE_POLICY, UploadPageFile};
use super::receiving::{Receiving, Terms, complete};
use super::rule::{ExistingName, UploadPurpose, UploadRule};
use super::store::{UploadMeans, UploadStore};
use crate::content::Body;
use crate::exchange::{Answer, Desk, Handler, Problem, Request, Response};
use crate::http::{Fields, Method};
use crate::site::{self, Site, SiteError};
use crate::world::files::{OwnFiles, Root};

/// Open files that stored files are sent from at a time.
const OPEN_FILES: usize = 64;

/// The most names on the page of a directory: some 100 KB.
const MOST_NAMES: usize = 1000;

/// Effort of reading, sorting and showing a name, in bytes that are sent: 0.5 µs. HEAD takes it as well.
const NAME_EFFORT: usize = 768;

/// Fields of every answer: no file is shown in the site's name, whatever is in it, and the page runs nothing.
const FILE_FIELDS: [(&str, &str); 3] = [
    ("content-disposition", "attachment"),
    ("content-security-policy", "sandbox; default-src 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
];

const ALLOW: &str = "GET, HEAD, PUT, POST, OPTIONS";

/// The handler of requests for a directory that takes uploads.
pub struct Uploads {
    path: Rc<str>,
    existing: Option<ExistingName>,
    purpose: UploadPurpose,
    store: Rc<RefCell<UploadStore>>,
    /// The files that are there, to be fetched.
    files: Site<Root>,
    /// Number of changes of the store that `files` know of.
    known: u64,
    common: Rc<Fields>,
}

impl Uploads {
    /// A handler of this rule, by these means, with these fields in each answer.
    pub fn open(
        rule: &UploadRule,
        means: UploadMeans,
        headers: &[(String, String)],
    ) -> Result<Self, String> {
        let named = |problem: String| format!("--upload {}: {problem}", rule.directory.display());
        let supply = means.descriptors.clone();
        let store = UploadStore::open(&rule.directory, means).map_err(|error: io::Error| {
            named(format!(
                "cannot open the directory: {error}; name one that exists and that calmd may read"
            ))
        })?;
        let files = Root::open(&rule.directory).map_err(|error| named(error.to_string()))?;
        let files = Site::new(files, &files_config(rule, headers));
        let files = files.map_err(|error: SiteError| named(error.to_string()))?;
        files.note_supply_in(supply);
        Ok(Uploads {
            path: rule.path.as_str().into(),
            existing: rule.existing,
            purpose: rule.purpose,
            store: Rc::new(RefCell::new(store)),
            common: Rc::new(page_fields(&files.common_fields())),
            files,
            known: 0,
        })
    }

    /// Has the server's own files stay private, should one lie in the directory.
    pub fn keep_private(&self, own: OwnFiles) {
        self.files.tree().keep_private(own);
    }

    /// Sends a file of the directory, or says that there is none.
    fn send(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Response<Root> {
        let mut fields = Fields::new();
        for field in request.fields.iter() {
            if field.name == b":path" {
                let rest = percent_encoding::percent_encode(
                    request.rest,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                let path = rest.to_string().replacen("%2F", "/", 1);
                fields.push(b":path", path.as_bytes());
            } else {
                fields.push_field(field);
            }
        }
        let request = Request {
            fields: &fields,
            ..*request
        };
        // Whoever has stored a file gets it at once, and not what was there a moment before.
        let stored = self.store.borrow().stored();
        if std::mem::replace(&mut self.known, stored) != stored {
            self.files.note_change();
        }
        let mut response = self.files.respond(&request, desk.world_now());
        desk.charge(self.files.take_effort());
        match response.status {
            301 | 308 => return self.problem(Problem::new(404, "there is no such file")),
            200 | 206 if digest::is_wanted(request.fields) => {
                let name = request.rest.strip_prefix(b"/").unwrap_or_default();
                if let Some(digest) = self.store.borrow().digest(name) {
                    let fields = Rc::make_mut(&mut response.fields);
                    fields.push(b"repr-digest", digest.field().as_bytes());
                }
            }
            _ => {}
        }
        response
    }

    fn problem(&self, problem: Problem) -> Response<Root> {
        problem.response(|fields| complete(&self.common, fields))
    }

    /// The page of the directory, or a file that belongs to it.
    fn page(&self, request: &Request<'_>, desk: &Desk<'_>) -> Response<Root> {
        let target = request.fields.path().unwrap_or_default();
        let query = target.splitn(2, |byte| *byte == b'?').nth(1);
        if let Some(file) = query.and_then(UploadPageFile::asked_for) {
            return self.shown(
                file.media_type,
                "max-age=31536000, immutable",
                file.content.as_bytes().into(),
            );
        }
        let names = self.store.borrow().names(MOST_NAMES);
        let names = names.unwrap_or_default();
        desk.charge(names.len() * NAME_EFFORT);
        let page = page::directory(&self.path, names.iter().map(String::as_str));
        self.shown(
            "text/html; charset=utf-8",
            "no-store",
            page.into_bytes().into(),
        )
    }

    /// A response that a browser shows, or uses for a page.
    fn shown(&self, media_type: &str, cache: &str, content: Rc<[u8]>) -> Response<Root> {
        let mut fields = Fields::new();
        fields.push(b"content-type", media_type.as_bytes());
        fields.push(b"content-length", content.len().to_string().as_bytes());
        fields.push(b"cache-control", cache.as_bytes());
        Response {
            status: 200,
            fields: complete(&self.common, fields),
            body: Body::memory(content),
        }
    }

    fn options(&self) -> Response<Root> {
        let mut fields = Fields::new();
        fields.push(b"allow", ALLOW.as_bytes());
        Response {
            status: 204,
            fields: complete(&self.common, fields),
            body: Body::Empty,
        }
    }

    /// Begins an upload to this name, which is empty for the directory.
    fn receive(
        &mut self,
        request: &Request<'_>,
        name: &[u8],
        desk: &mut Desk<'_>,
    ) -> Result<Receiving, Problem> {
        if request.fields.value("sec-fetch-site") == Some(b"cross-site") {
            return Err(Problem::new(
                403,
                "a page of another site may not upload here",
            ));
        }
        if let Some(coding) = request.fields.value("content-encoding") {
            let detail = "files are stored as they come; send the file without a coding";
            let coding = String::from_utf8_lossy(coding).into_owned();
            let problem = Problem::new(415, detail).with("content-encoding", coding);
            return Err(problem.with_field("accept-encoding", "identity"));
        }
        let mut terms = self.terms(request)?;
        let content_type = request.fields.value("content-type").unwrap_or_default();
        if request.method == Method::Post
            && let Some(form) = FormParser::new(content_type)
        {
            return Ok(Receiving::form(
                self.store.clone(),
                terms,
                form,
                desk.waker(),
            ));
        }
        let announced = request.fields.value("content-length");
        let announced =
            announced.and_then(|len| std::str::from_utf8(len).ok()?.parse::<u64>().ok());
        let checked = self.store.borrow().check_announced(announced.unwrap_or(0));
        checked.map_err(|refusal| refusal.problem())?;
        let safe = safe(name);
        if name.is_empty() && request.method == Method::Put && self.purpose == UploadPurpose::Keep {
            return Err(
                Problem::new(405, "name the file: PUT needs one").with_field("allow", ALLOW)
            );
        }
        if !name.is_empty() && name != safe.as_bytes() {
            return Err(Problem::new(400, "this name is not taken").with("allowed", safe));
        }
        self.check(request, &mut terms, desk)?;
        Receiving::file(self.store.clone(), terms, safe, desk.waker())
    }

    /// The rules of an upload, as its request's head says them.
    fn terms(&self, request: &Request<'_>) -> Result<Terms, Problem> {
        let by_default = match request.method {
            Method::Put => ExistingName::Replace,
            _ => ExistingName::Number,
        };
        let shows = self.purpose == UploadPurpose::Show;
        Ok(Terms {
            path: self.path.clone(),
            existing: self.existing.unwrap_or(by_default),
            taken: 409,
            replaced: if shows { 200 } else { 204 },
            form: AnswerForm::wanted(request.fields),
            promised: Promised::of(request.fields)?,
            tells_digest: shows || digest::is_wanted(request.fields),
            common: self.common.clone(),
        })
    }

    /// Checks the preconditions of an upload (RFC 9110 §13.1).
    fn check(
        &mut self,
        request: &Request<'_>,
        terms: &mut Terms,
        desk: &mut Desk<'_>,
    ) -> Result<(), Problem> {
        let fields = request.fields;
        let (matches, none) = (fields.value("if-match"), fields.value("if-none-match"));
        if matches.is_none() && none.is_none() {
            return Ok(());
        }
        let mut asked = Fields::new();
        for field in fields.iter().filter(|field| field.name.starts_with(b":")) {
            asked.push_field(field);
        }
        let head = Request {
            fields: &asked,
            method: Method::Head,
            ..*request
        };
        let present = self.send(&head, desk);
        let tag = (present.status == 200).then(|| present.fields.value("etag").unwrap_or_default());
        let failed = || Err(Problem::new(412, "the file is not as the request wants it"));
        if let Some(wanted) = matches
            && !tag.is_some_and(|tag| {
                wanted == b"*" || (!tag.starts_with(b"W/") && lists(wanted, tag))
            })
        {
            return failed();
        }
        if let Some(unwanted) = none {
            if tag.is_some_and(|tag| unwanted == b"*" || lists(unwanted, tag)) {
                return failed();
            }
            if unwanted == b"*" {
                // Another upload may be quicker.
                (terms.existing, terms.taken) = (ExistingName::Refuse, 412);
            }
        }
        Ok(())
    }
}

/// The fields of all answers that are no file, of those that all files have.
fn page_fields(common: &Fields) -> Fields {
    let mut fields = Fields::new();
    for field in common.iter() {
        match field.name {
            b"content-disposition" => {}
            b"content-security-policy" => fields.push(field.name, PAGE_POLICY),
            _ => fields.push_field(field),
        }
    }
    fields
}

/// True if a list of entity tags has this one.
fn lists(list: &[u8], tag: &[u8]) -> bool {
    let mut tags = list.split(|byte| *byte == b',');
    tags.any(|listed| listed.trim_ascii() == tag)
}

/// The site of the files of a rule.
fn files_config(rule: &UploadRule, headers: &[(String, String)]) -> site::Config {
    let own = FILE_FIELDS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let given = headers.iter().filter(|(name, _)| {
        !FILE_FIELDS
            .iter()
            .any(|(own, _)| own.eq_ignore_ascii_case(name))
    });
    site::Config {
        root: rule.directory.clone(),
        headers: own.into_iter().chain(given.cloned()).collect(),
        cache_memory: 0,
        open_files: OPEN_FILES,
        ..site::Config::default()
    }
}

impl Handler<Root> for Uploads {
    fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<Root> {
        let name = request.rest.strip_prefix(b"/").unwrap_or_default();
        let is_nested = name.contains(&b'/');
        Answer::Response(match request.method {
            Method::Options => self.options(),
            _ if is_nested => self.problem(Problem::new(404, "there are no directories here")),
            Method::Get | Method::Head if name.is_empty() => self.page(request, desk),
            Method::Get | Method::Head => self.send(request, desk),
            Method::Put | Method::Post => match self.receive(request, name, desk) {
                Ok(receiving) => return Answer::Exchange(Box::new(receiving)),
                Err(problem) => {
                    self.store.borrow().counts().add_refused(problem.status());
                    self.problem(problem)
                }
            },
            _ => {
                let problem = Problem::new(405, "files are put, posted and fetched here");
                self.problem(problem.with_field("allow", ALLOW))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::testing::means;
    use crate::exchange::{AlarmOwner, RequestKey, RequestPlace};
    use crate::world::{Peer, Token};
    use std::fs;

    /// The effort that the turn is charged with for HEAD of a path below the directory.
    fn charged(uploads: &mut Uploads, rest: &[u8]) -> usize {
        let mut fields = Fields::new();
        fields.push(b":method", b"HEAD");
        fields.push(b":path", b"/in");
        let request = Request {
            rest,
            ..Request::new(&fields, Peer::Unix)
        };
        let connection = Token {
            index: 0,
            serial: 1,
        };
        let place = RequestPlace {
            connection,
            request: RequestKey(1),
        };
        let (means, mut alarm) = (means(), AlarmOwner::default());
        let answer = uploads.accept(&request, &mut Desk::new(&means, place, &mut alarm));
        assert!(matches!(answer, Answer::Response(response) if response.status == 200));
        means.effort.take()
    }

    #[test]
    fn names_that_are_shown_and_files_that_are_opened_are_charged() {
        let directory = tempfile::tempdir().unwrap();
        let rule = UploadRule::parse(&format!("/in={}", directory.path().display())).unwrap();
        let mut uploads = Uploads::open(&rule, UploadMeans::default(), &[]).unwrap();
        assert!(charged(&mut uploads, b"") < NAME_EFFORT);
        for number in 0..500 {
            fs::write(directory.path().join(number.to_string()), "x").unwrap();
        }
        assert!(charged(&mut uploads, b"") >= 500 * NAME_EFFORT);
        // Opening it alone takes what 2 KiB do.
        assert!(charged(&mut uploads, b"/7") >= 2 << 10);
    }
}
