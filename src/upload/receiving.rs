//! An upload under way: the content of a request goes to temporaries, and its end gives them their names.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::answer::{self, AnswerForm, StoredFile};
use super::digest::{DigestState, Promised};
use super::form::{FormError, FormParser, FormParts};
use super::name::safe;
use super::refusal::UploadRefusal;
use super::rule::ExistingName;
use super::store::{DirectorySync, Stored, Temporary, UploadStore};
use crate::exchange::{
    Desk, Exchange, Failure, Part, PreparedAnswer, Problem, Room, Step, Until, Waker,
};
use crate::http::Fields;
use crate::world::Files;

/// The most files of one form: each is open until the form has ended, since it is stored as a whole.
pub(super) const MOST_FILES: usize = 32;

/// Time that a disk may take for what an upload waits for, beyond that of other handlers: a disk of 1 MB/s that
/// gets 64 uploads at once brings the last of a window of each in a minute, and syncs what it has cached in a few.
const SLOWEST_DISK: Duration = Duration::from_secs(600);

/// The rules of one upload.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The path of the directory.
    pub(super) path: Rc<str>,
    /// The rule for a name that is taken.
    pub(super) existing: ExistingName,
    /// The status for a name that is taken: 412 where the request has said so, else 409.
    pub(super) taken: u16,
    /// The status where a file was replaced: 204 without content, or 200 with it.
    pub(super) replaced: u16,
    /// The form of the answer.
    pub(super) form: AnswerForm,
    /// Digests that the content must have.
    pub(super) promised: Promised,
    /// True if the digest of each file is told.
    pub(super) tells_digest: bool,
    /// The fields that all responses have, with those of this handler.
    pub(super) common: Rc<Fields>,
}

/// An upload of one file or one form.
pub(super) struct Receiving {
    terms: Terms,
    files: Incoming,
    form: Option<FormParser>,
    /// The digest of a form, whose fields are about all of it.
    content: Option<DigestState>,
    stage: UploadStage,
}

/// The stage of an upload.
enum UploadStage {
    /// Its content comes.
    Content,
    /// Its files are written to their end.
    Settling,
    /// Its files have their names, which are on their way to the disk.
    Named(DirectorySync, PreparedAnswer),
    /// It is answered.
    Answered(PreparedAnswer),
    /// It has failed within a step.
    Gone,
}

/// The files of an upload.
struct Incoming {
    store: Rc<RefCell<UploadStore>>,
    waker: Waker,
    hashes: bool,
    whole: Vec<IncomingFile>,
    open: Option<IncomingFile>,
}

/// A file that comes, with the name that it will have.
struct IncomingFile {
    name: String,
    file: Temporary,
    digest: Option<DigestState>,
}

impl Receiving {
    /// An upload of one file of this name, which is safe.
    pub(super) fn file(
        store: Rc<RefCell<UploadStore>>,
        terms: Terms,
        name: String,
        waker: Waker,
    ) -> Result<Self, Problem> {
        let mut receiving = Receiving::new(store, terms, None, waker);
        receiving.files.start(name)?;
        Ok(receiving)
    }

    /// An upload of a form.
    pub(super) fn form(
        store: Rc<RefCell<UploadStore>>,
        terms: Terms,
        form: FormParser,
        waker: Waker,
    ) -> Self {
        Receiving::new(store, terms, Some(form), waker)
    }

    fn new(
        store: Rc<RefCell<UploadStore>>,
        terms: Terms,
        form: Option<FormParser>,
        waker: Waker,
    ) -> Self {
        let is_promised = !terms.promised.is_empty();
        let files = Incoming {
            store,
            waker,
            // The digest of a file that comes alone is that of the content.
            hashes: terms.tells_digest || (is_promised && form.is_none()),
            whole: Vec::new(),
            open: None,
        };
        Receiving {
            content: (is_promised && form.is_some()).then(DigestState::default),
            terms,
            files,
            form,
            stage: UploadStage::Content,
        }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Problem> {
        if let Some(content) = &mut self.content {
            content.update(data);
        }
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

    /// The content has ended.
    fn conclude(&mut self) -> Result<(), Problem> {
        if self.form.as_ref().is_some_and(|form| !form.is_complete()) {
            return Err(Problem::new(400, "the form ends before its last boundary"));
        }
        self.files.end()?;
        if let Some(content) = self.content.take() {
            self.terms.promised.check(content.finish())?;
        }
        if self.terms.existing == ExistingName::Replace {
            for IncomingFile { file, name, .. } in &mut self.files.whole {
                file.will_replace(name);
            }
        }
        self.stage = UploadStage::Settling;
        self.go_on()
    }

    /// Goes on with what is not done at once.
    fn go_on(&mut self) -> Result<(), Problem> {
        let refused = |refusal: UploadRefusal| refusal.problem();
        if let UploadStage::Content = self.stage {
            return self.files.go_on().map_err(refused);
        }
        if let UploadStage::Settling = self.stage
            && self.files.are_settled().map_err(refused)?
        {
            let answer = self.store()?;
            let names = self.files.store.borrow().sync_names(&self.files.waker);
            self.stage = match names {
                Some(names) => UploadStage::Named(names, answer),
                None => UploadStage::Answered(answer),
            };
        }
        if let UploadStage::Named(names, _) = &mut self.stage
            && names
                .is_done()
                .map_err(|error| UploadRefusal::from(error).problem())?
            && let UploadStage::Named(_, answer) =
                std::mem::replace(&mut self.stage, UploadStage::Gone)
        {
            self.stage = UploadStage::Answered(answer);
        }
        Ok(())
    }

    /// Gives all files their names: the answer.
    fn store(&mut self) -> Result<PreparedAnswer, Problem> {
        let mut stored = Vec::new();
        let mut status = 201;
        for incoming in std::mem::take(&mut self.files.whole) {
            let IncomingFile { name, file, digest } = incoming;
            let digest = digest.map(DigestState::finish);
            if let Some(digest) = digest {
                if self.form.is_none() {
                    self.terms.promised.check(digest)?;
                }
                let learnt = self.files.store.borrow_mut().learn(&file, digest);
                learnt.map_err(|error| UploadRefusal::from(error).problem())?;
            }
            let len = file.len();
            let named = file.store(&name, self.terms.existing);
            let name = match named.map_err(|error| UploadRefusal::from(error).problem())? {
                Stored::New(name) => name,
                Stored::Replaced(name) => {
                    status = self.terms.replaced;
                    name
                }
                Stored::Taken => {
                    let names = stored.into_iter().map(|file: StoredFile| file.name);
                    let names: Vec<_> = names.collect();
                    let problem = Problem::new(self.terms.taken, "there is a file of this name");
                    return Err(problem.with("name", name).with("stored", names));
                }
            };
            self.files.store.borrow().counts().add_stored(len);
            stored.push(StoredFile { name, len, digest });
        }
        if stored.is_empty() {
            return Err(Problem::new(400, "the form has no file"));
        }
        // A form is always answered with content.
        let status = if self.form.is_some() { 201 } else { status };
        let (fields, content) = answer::stored(self.terms.form, status, &self.terms.path, &stored);
        let fields = complete(&self.terms.common, fields);
        Ok(PreparedAnswer::new(status, fields, content))
    }

    fn refuse(&mut self, problem: Problem) {
        let status = problem.status();
        self.files.store.borrow().counts().add_refused(status);
        // Nothing of it stays.
        self.files.whole.clear();
        self.files.open = None;
        let complete = |fields| complete(&self.terms.common, fields);
        self.stage = UploadStage::Answered(PreparedAnswer::problem(problem, complete));
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
    fn files(&mut self) -> impl Iterator<Item = &mut Temporary> {
        self.whole
            .iter_mut()
            .chain(&mut self.open)
            .map(|it| &mut it.file)
    }

    fn go_on(&mut self) -> Result<(), UploadRefusal> {
        self.files().try_for_each(Temporary::go_on)
    }

    fn are_settled(&mut self) -> Result<bool, UploadRefusal> {
        // Each is asked, so that all are on their way.
        self.files()
            .try_fold(true, |all, file| Ok(file.is_settled()? && all))
    }

    fn held(&self) -> usize {
        let files = self.whole.iter().chain(&self.open);
        files.map(|incoming| incoming.file.held()).sum()
    }

    fn start(&mut self, name: String) -> Result<(), Problem> {
        let file = self.store.borrow_mut().begin(&self.waker);
        self.open = Some(IncomingFile {
            name,
            file: file.map_err(|refusal| refusal.problem())?,
            digest: self.hashes.then(DigestState::default),
        });
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
        let Some(incoming) = &mut self.open else {
            return Ok(());
        };
        if let Some(digest) = &mut incoming.digest {
            digest.update(data);
        }
        let written = incoming.file.write(data);
        written.map_err(|refusal| refusal.problem())
    }

    fn end(&mut self) -> Result<(), Problem> {
        self.whole.extend(self.open.take());
        Ok(())
    }
}

impl<F: Files> Exchange<F> for Receiving {
    fn receive(&mut self, part: Part<'_>, desk: &mut Desk<'_>) {
        if !matches!(self.stage, UploadStage::Content) {
            return;
        }
        let taken = match part {
            Part::Data(data) => {
                if self
                    .files
                    .open
                    .as_ref()
                    .is_some_and(|it| it.file.is_direct())
                {
                    desk.charge(data.len());
                }
                self.take(data)
            }
            Part::End => self.conclude(),
            Part::Gone => {
                self.files.store.borrow().counts().add_abandoned();
                Ok(())
            }
            Part::Trailers(_) => Ok(()),
        };
        if let Err(problem) = taken {
            self.refuse(problem);
        }
    }

    fn held(&self) -> usize {
        self.files.held()
    }

    fn content_limit(&self) -> Option<u64> {
        // Each file is counted for itself, and the answer names the limit.
        Some(u64::MAX)
    }

    fn head_timeout(&self) -> Option<Duration> {
        let mut files = self.files.whole.iter().chain(&self.files.open);
        files.any(|it| !it.file.is_direct()).then_some(SLOWEST_DISK)
    }

    fn poll(&mut self, room: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        if let Err(problem) = self.go_on() {
            self.refuse(problem);
        }
        Ok(match &mut self.stage {
            UploadStage::Answered(answer) => answer.step(room),
            UploadStage::Content => Step::Wait(Until::Request),
            UploadStage::Settling | UploadStage::Named(..) | UploadStage::Gone => {
                Step::Wait(Until::Woken)
            }
        })
    }
}
