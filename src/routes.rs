//! The way from a request's path to the handler that answers it.
//!
//! A handler is mounted at a path, and is asked for that path and for all beneath it, in the order of
//! mounting, until one does not pass the request on. Behind all of them is the site.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::content::Supply;
use crate::exchange::{Answer, Desk, FieldChanges, Handler, Request, Response};
use crate::http::{Field, Fields, Method, Scheme};
use crate::rules::{Rules, Verdict, Visit};
use crate::site::Site;
use crate::site::path::{PathError, SitePath, TargetForm, split_query};
use crate::telemetry::metrics::Exposition;
use crate::world::{Files, HelpAnswer};

/// The handlers of a server.
pub struct Routes<F: Files> {
    mounts: Vec<Mount<F>>,
    rules: Option<Box<Rules>>,
    site: Site<F>,
}

/// An answer under the rules of its host.
pub(crate) struct Ruled<F: Files> {
    pub answer: Answer<F>,
    /// Changes of the fields of its head.
    pub changes: Option<Rc<FieldChanges>>,
}

/// A handler and the path that it is mounted at, without a slash at the end.
struct Mount<F: Files> {
    path: Box<[u8]>,
    handler: Box<dyn Handler<F>>,
}

impl<F: Files> Mount<F> {
    /// The rest of a path that the handler is asked for.
    fn rest<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let rest = path.strip_prefix(&*self.path)?;
        (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
    }
}

impl<F: Files> From<Site<F>> for Routes<F> {
    /// A site, and the handlers that it brings.
    fn from(site: Site<F>) -> Self {
        let handlers = site.handlers();
        let mut routes = Routes {
            mounts: Vec::new(),
            rules: None,
            site,
        };
        for (path, handler) in handlers {
            routes.mount(path, handler);
        }
        routes
    }
}

impl<F: Files> Routes<F> {
    /// Has `handler` asked for all requests for `path` and for paths beneath it. The path begins with a
    /// slash and ends without one. Files of these names are only reached where the handler passes.
    pub fn mount(&mut self, path: &str, handler: Box<dyn Handler<F>>) {
        let path = path.trim_end_matches('/');
        self.mounts.push(Mount {
            path: path.as_bytes().into(),
            handler,
        });
    }

    /// Adds the rules of the host, if it has any.
    pub(crate) fn with_rules(mut self, rules: Option<Box<Rules>>) -> Self {
        self.rules = rules;
        self
    }

    /// True if a host has rules: its requests go through [`Routes::accept_ruled`].
    pub(crate) fn has_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// Answers a request as the rules of its host want, or with an error of the status `refusal`.
    pub(crate) fn accept_ruled(
        &mut self,
        request: &Request<'_>,
        scheme: Scheme,
        refusal: Option<u16>,
        desk: &mut Desk<'_>,
    ) -> Ruled<F> {
        let path = decoded_path(request.fields.path().unwrap_or_default());
        let visit = Visit {
            request,
            path: &path,
            scheme,
        };
        let (verdict, changes) = match &self.rules {
            Some(rules) if refusal.is_none() => (rules.decide(&visit), rules.changes(&visit)),
            Some(rules) => (Verdict::Pass, rules.changes(&visit)),
            None => (Verdict::Pass, None),
        };
        let answer = match (verdict, refusal) {
            (_, Some(status)) => Answer::Response(self.error(status)),
            (Verdict::Pass, None) => self.accept(request, desk),
            (Verdict::Rewrite(target), None) => {
                let fields = with_target(request.fields, &target);
                let rewritten = Request {
                    fields: &fields,
                    ..*request
                };
                self.accept(&rewritten, desk)
            }
            (Verdict::Answer(status, own), None) => {
                let mut response = self.error(status);
                let mut fields = Fields::clone(&response.fields);
                fields.extend_from(&own);
                response.fields = Rc::new(fields);
                Answer::Response(response)
            }
        };
        Ruled { answer, changes }
    }

    /// Answers a request.
    pub(crate) fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
        if !self.mounts.is_empty()
            && let Some(answer) = self.accept_mounted(request, desk)
        {
            return answer;
        }
        self.site.accept(request, desk)
    }

    fn accept_mounted(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Option<Answer<F>> {
        let mut path = SitePath::default();
        let target = request.fields.path().unwrap_or_default();
        // A tunnel has no path (RFC 9110 §9.3.6).
        if request.method == Method::Connect || path.parse(target).is_err() {
            return None;
        }
        let whole = absolute(&path);
        for mount in &mut self.mounts {
            let Some(rest) = mount.rest(&whole) else {
                continue;
            };
            let request = Request { rest, ..*request };
            match mount.handler.accept(&request, desk) {
                Answer::NotMine => {}
                answer => return Some(answer),
            }
        }
        None
    }

    /// The site behind the handlers.
    pub fn site(&mut self) -> &mut Site<F> {
        &mut self.site
    }

    /// Reads of open files.
    pub(crate) fn reads(&mut self) -> &mut F::Reads {
        self.site.reads()
    }

    /// Work on files since the last call, in bytes of effort.
    pub(crate) fn take_effort(&mut self) -> usize {
        self.site.take_effort()
    }

    /// The built-in page of an error, for code that finds the error before a handler is asked.
    pub(crate) fn error(&mut self, status: u16) -> Response<F> {
        self.site.error(status)
    }

    /// An answer that is made elsewhere, and that nobody keeps.
    pub(crate) fn own_answer(&self, status: u16, about: Fields, content: Rc<[u8]>) -> Response<F> {
        self.site.own_answer(status, about, content)
    }

    /// Writes what the caches of files hold and did.
    pub(crate) fn write_metrics(&self, text: &mut Exposition) {
        self.site.write_metrics(text);
    }

    /// The fields that every response has, for responses that are made elsewhere.
    pub(crate) fn common_fields(&self) -> Rc<Fields> {
        self.site.common_fields()
    }

    /// The field that responses over TLS have and others must not have.
    pub(crate) fn secure_field(&self) -> Option<Field<'_>> {
        self.site.secure_field()
    }

    /// The state of the supply of descriptors since the last call.
    pub(crate) fn take_supply(&mut self) -> Supply {
        self.site.take_supply()
    }

    /// True if caches have given memory back since the last call.
    pub(crate) fn take_freed(&mut self) -> bool {
        self.site.take_freed()
    }

    /// Time until the next background work is due; `None` while there is none.
    pub(crate) fn next_work(&self) -> Option<Duration> {
        self.site.next_work()
    }

    /// Does a slice of the background work, of some 25 µs.
    pub(crate) fn work(&mut self) {
        self.site.work();
    }

    /// Takes an answer of the helper process that no request waits for.
    pub(crate) fn handle_help(&mut self, answer: HelpAnswer) {
        self.site.handle_help(answer);
    }

    /// The wall clock was set back.
    pub(crate) fn handle_clock_set_back(&mut self) {
        self.site.handle_clock_set_back();
    }

    /// Forgets all caches after a panic, which may have left one of them half changed.
    pub(crate) fn recover(&mut self) {
        self.site.recover();
    }

    /// Forgets all that is known of files.
    pub(crate) fn forget(&mut self) {
        self.site.forget();
    }

    /// Looks everything up anew at once.
    pub(crate) fn reload(&mut self, now: Instant) {
        self.site.reload(now);
    }
}

/// The path of a target as rules compare it: decoded and normalised, with a slash at the end where the
/// target has one. A target that is malformed is compared as it came; no handler takes it.
fn decoded_path(target: &[u8]) -> Cow<'_, [u8]> {
    let mut path = SitePath::default();
    match path.parse(target) {
        Err(PathError::Malformed) => Cow::Borrowed(split_query(target).0),
        Ok(()) | Err(PathError::TooLong | PathError::Hidden) => Cow::Owned(absolute(&path)),
    }
}

/// The path from its first slash on, with a slash at the end of a directory.
fn absolute(path: &SitePath) -> Vec<u8> {
    let mut whole = [b"/", path.as_bytes()].concat();
    if path.form() == TargetForm::Directory && whole.len() > 1 {
        whole.push(b'/');
    }
    whole
}

/// The fields of a request with another target.
fn with_target(fields: &Fields, target: &[u8]) -> Fields {
    let mut changed = Fields::new();
    for field in fields.iter() {
        match field.name {
            b":path" => changed.push(b":path", target),
            _ => changed.push_field(field),
        }
    }
    changed
}
