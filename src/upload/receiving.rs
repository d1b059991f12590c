//! An upload under way: the content of a request goes to temporaries, and its end gives them their names.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use rustix::io::Errno;

use super::form::{FormError, FormParser, FormParts};
use super::name::safe;
use super::page;
use super::rule::ExistingName;
use super::store::{Stored, Temporary, UploadStore};
use crate::exchange::{Desk, Exchange, Failure, Head, Part, Problem, Room, Step, Until};
use crate::http::Fields;
use crate::world::Files;

/// The most files of one form: each is open until the form has ended, since it is stored as a whole.
pub(super) const MOST_FILES: usize = 32;

/// The limits and the rule of one upload.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The path of the directory.
    pub(super) path: Rc<str>,
    /// The most bytes of a file.
    pub(super) limit: u64,
    /// The rule for a name that is taken.
    pub(super) existing: ExistingName,
    /// The status for a name that is taken: 412 where the request has said so, else 409.
    pub(super) taken: u16,
    /// The fields that all responses have, with those of this handler.
    pub(super) common: Rc<Fields>,
}

/// An upload of one file or one form.
pub(super) struct Receiving {
    terms: Terms,
    files: Incoming,
    form: Option<FormParser>,
    answer: Option<Answered>,
}

/// The files of an upload.
struct Incoming {
    store: Rc<RefCell<UploadStore>>,
    limit: u64,
    whole: Vec<(String, Temporary)>,
    open: Option<(String, Temporary)>,
}

/// An answer that is being sent.
struct Answered {
    head: Option<Head>,
    content: Vec<u8>,
    sent: usize,
}

impl Receiving {
    /// An upload of one file of this name, which is safe.
    pub(super) fn file(
        store: Rc<RefCell<UploadStore>>,
        terms: Terms,
        name: String,
    ) -> Result<Self, Problem> {
        let mut receiving = Receiving::new(store, terms, None);
        receiving.files.start(name)?;
        Ok(receiving)
    }

    /// An upload of a form.
    pub(super) fn form(store: Rc<RefCell<UploadStore>>, terms: Terms, form: FormParser) -> Self {
        Receiving::new(store, terms, Some(form))
    }

    fn new(store: Rc<RefCell<UploadStore>>, terms: Terms, form: Option<FormParser>) -> Self {
        let files = Incoming {
            store,
            limit: terms.limit,
            whole: Vec::new(),
            open: None,
        };
        Receiving {
            terms,
            files,
            form,
            answer: None,
        }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Problem> {
        match &mut self.form {
            None => self.files.content(data),
            Some(form) => form
                .receive(data, &mut self.files)
                .map_err(|error| match error {
                    FormError::Malformed(problem) => Problem::new(400, problem),
                    FormError::Parts(problem) => problem,
                }),
        }
    }

    /// Gives all files their names.
    fn store(&mut self) -> Result<(), Problem> {
        if self.form.as_ref().is_some_and(|form| !form.is_complete()) {
            return Err(Problem::new(400, "the form ends before its last boundary"));
        }
        self.files.end()?;
        let mut names = Vec::new();
        let mut status = 201;
        for (name, file) in std::mem::take(&mut self.files.whole) {
            let stored = file.store(&name, self.terms.existing);
            match stored.map_err(|error| refusal(&error))? {
                Stored::New(name) => names.push(name),
                Stored::Replaced(name) => {
                    status = 204;
                    names.push(name);
                }
                Stored::Taken => {
                    let problem = Problem::new(self.terms.taken, "there is a file of this name");
                    return Err(problem.with("name", name).with("stored", names));
                }
            }
        }
        if names.is_empty() {
            return Err(Problem::new(400, "the form has no file"));
        }
        // A form is answered with a page.
        self.answer_stored(if self.form.is_some() { 201 } else { status }, &names);
        Ok(())
    }

    fn answer_stored(&mut self, status: u16, names: &[String]) {
        let mut fields = Fields::new();
        if let [name] = names {
            let location = format!("{}/{}", self.terms.path, page::encode(name));
            fields.push(b"location", location.as_bytes());
        }
        fields.push(b"cache-control", b"no-store");
        let content = if status == 204 {
            Vec::new()
        } else {
            let content = page::stored(&self.terms.path, names).into_bytes();
            fields.push(b"content-type", b"text/html; charset=utf-8");
            fields.push(b"content-length", content.len().to_string().as_bytes());
            content
        };
        self.answer(status, fields, content);
    }

    fn refuse(&mut self, problem: Problem) {
        // Nothing of it stays.
        self.files.whole.clear();
        self.files.open = None;
        let status = problem.status();
        let (fields, content) = problem.parts();
        self.answer(status, fields, content);
    }

    fn answer(&mut self, status: u16, fields: Fields, content: Vec<u8>) {
        self.answer = Some(Answered {
            head: Some(Head {
                status,
                fields: complete(&self.terms.common, fields),
                len: Some(content.len() as u64),
            }),
            content,
            sent: 0,
        });
    }
}

/// Adds the fields that all responses have to those of one, which win.
pub(super) fn complete(common: &Fields, mut fields: Fields) -> Rc<Fields> {
    let own = fields.len();
    for field in common.iter() {
        if !fields.iter().take(own).any(|said| said.name == field.name) {
            fields.push_field(field);
        }
    }
    Rc::new(fields)
}

impl Incoming {
    fn start(&mut self, name: String) -> Result<(), Problem> {
        let file = self.store.borrow_mut().begin();
        self.open = Some((name, file.map_err(|error| refusal(&error))?));
        Ok(())
    }
}

impl FormParts for Incoming {
    type Error = Problem;

    fn begin(&mut self, file_name: Option<&[u8]>) -> Result<(), Problem> {
        // A form field is no file, nor is a file input that was left empty.
        let Some(name) = file_name.filter(|name| !name.is_empty()) else {
            return Ok(());
        };
        if self.whole.len() == MOST_FILES {
            let problem = Problem::new(413, format!("one form has {MOST_FILES} files at most"));
            return Err(problem.with("limit", MOST_FILES));
        }
        self.start(safe(name))
    }

    fn content(&mut self, data: &[u8]) -> Result<(), Problem> {
        let Some((_, file)) = &mut self.open else {
            return Ok(());
        };
        if file.len() + data.len() as u64 > self.limit {
            return Err(too_large(self.limit));
        }
        file.write(data).map_err(|error| refusal(&error))
    }

    fn end(&mut self) -> Result<(), Problem> {
        self.whole.extend(self.open.take());
        Ok(())
    }
}

/// The answer to a file that is larger than is taken.
pub(super) fn too_large(limit: u64) -> Problem {
    let detail = format!("a file has {limit} bytes at most (--upload-limit)");
    Problem::new(413, detail).with("limit", limit)
}

/// The answer to an upload that cannot be stored.
fn refusal(error: &io::Error) -> Problem {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT) => Problem::new(507, "there is no room for the file"),
        Some(Errno::FBIG) => Problem::new(413, "the file is too large for the file system"),
        Some(Errno::MFILE | Errno::NFILE) => Problem::new(503, "too many files are open"),
        _ => {
            log::warn!("an upload cannot be stored: {error}");
            Problem::new(500, "the file cannot be stored")
        }
    }
}

impl<F: Files> Exchange<F> for Receiving {
    fn receive(&mut self, part: Part<'_>, _: &mut Desk<'_>) {
        if self.answer.is_some() {
            return;
        }
        let taken = match part {
            Part::Data(data) => self.take(data),
            Part::End => self.store(),
            Part::Trailers(_) | Part::Gone => Ok(()),
        };
        if let Err(problem) = taken {
            self.refuse(problem);
        }
    }

    fn content_limit(&self) -> Option<u64> {
        // Each file is counted for itself, and the answer names the limit.
        Some(u64::MAX)
    }

    fn poll(&mut self, room: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        let Some(answer) = &mut self.answer else {
            return Ok(Step::Wait(Until::Request));
        };
        if let Some(head) = answer.head.take() {
            return Ok(Step::Head(head));
        }
        let rest = answer.content.get(answer.sent..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(Step::End(None));
        }
        answer.sent += room.write(rest);
        Ok(Step::Written)
    }
}
