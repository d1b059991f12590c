//! One host: the handlers of its paths, and the site behind them.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Instant;

use crate::content::Body;
use crate::exchange::{Answer, Desk, FieldChanges, Handler, LoginOutcome, Request, Response};
use crate::http::{Fields, Method, Pseudo, Scheme, status};
use crate::rules::{LineWarning, LoginQueue, Rules, SiteRules, Verdict, Visit, paced};
use crate::site::Site;
use crate::site::path::{PathError, SitePath, absolute_path, split_query};
use crate::world::Files;

/// The rules of one host, and the answerers of the requests for it.
pub struct Host<F: Files> {
    rules: Option<Box<Rules>>,
    mounts: Vec<Mount<F>>,
    pub(super) site: Site<F>,
    /// The number by which its requests are counted.
    pub(super) series: u16,
}

/// The most lines of a file of rules that are told one by one.
const MOST_WARNINGS: usize = 20;

/// The circumstances of a request that rules look at.
pub(crate) struct RuledArrival {
    pub scheme: Scheme,
    /// The status with which it is refused whatever the rules are; they change the fields of that answer.
    pub refusal: Option<u16>,
    /// The outcome of a look at its credentials, where it is asked for again.
    pub admission: Option<LoginOutcome>,
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

impl<F: Files> From<Site<F>> for Host<F> {
    /// A site, and the handlers that it brings.
    fn from(site: Site<F>) -> Self {
        let handlers = site.handlers();
        let mut host = Host {
            rules: None,
            mounts: Vec::new(),
            site,
            series: 0,
        };
        for (path, handler) in handlers {
            host.mount(path, handler);
        }
        host
    }
}

impl<F: Files> Host<F> {
    /// Has `handler` asked for all requests for `path` and for paths beneath it. The path begins with a
    /// slash and ends without one. Files of these names are only reached where the handler passes.
    pub fn mount(&mut self, path: &str, handler: Box<dyn Handler<F>>) {
        let path = path.trim_end_matches('/');
        self.mounts.push(Mount {
            path: path.as_bytes().into(),
            handler,
        });
    }

    /// Sets the number by which its requests are counted.
    pub(super) fn numbered(mut self, series: u16) -> Self {
        self.series = series;
        self
    }

    /// Goes on with what was known and counted for the host that this one takes the place of, where its rules and
    /// its directory are the same.
    pub(super) fn follow(&mut self, former: Host<F>) {
        if let (Some(rules), Some(former)) = (&mut self.rules, former.rules) {
            rules.follow(*former);
        }
        self.site.follow(former.site);
    }

    /// Takes the handler that is mounted at exactly this path.
    pub(super) fn unmount(&mut self, path: &str) -> Option<Box<dyn Handler<F>>> {
        let path = path.trim_end_matches('/').as_bytes();
        let at = self.mounts.iter().position(|mount| *mount.path == *path)?;
        Some(self.mounts.remove(at).handler)
    }

    /// Adds the rules of the host, if it has any.
    pub(crate) fn with_rules(mut self, rules: Option<Box<Rules>>) -> Self {
        self.rules = rules;
        self
    }

    /// True if the host has rules.
    pub(super) fn has_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// True if nobody but the site answers.
    pub(super) fn is_site_alone(&self) -> bool {
        self.rules.is_none() && self.mounts.is_empty()
    }

    /// Answers a request as the rules of its host want. `changes` are those of the fields of the answer's head.
    pub(super) fn accept_ruled(
        &mut self,
        request: &Request<'_>,
        arrival: &RuledArrival,
        logins: Option<&mut LoginQueue>,
        desk: &mut Desk<'_>,
        changes: &mut Option<Rc<FieldChanges>>,
    ) -> Answer<F> {
        self.follow_rule_files(desk.world_now());
        let target = request.fields.path().unwrap_or_default();
        let is_concerned = |rules: &Rules| rules.concerns(target);
        if arrival.refusal.is_none() && !self.rules.as_deref().is_some_and(is_concerned) {
            return self.hand_on(request, desk);
        }
        let path = decoded_path(target);
        let visit = Visit {
            request,
            path: &path,
            scheme: arrival.scheme,
        };
        *changes = self.rules.as_ref().and_then(|rules| rules.changes(&visit));
        let verdict = match (arrival.refusal, &mut self.rules) {
            (Some(status), _) => Verdict::Answer(status, Fields::new()),
            (None, Some(rules)) => {
                let (site, mounts, now) = (&mut self.site, &self.mounts, desk.world_now());
                let has_file = || {
                    let mut mounts = mounts.iter();
                    mounts.any(|mount| mount.rest(&path).is_some()) || site.finds(request, now)
                };
                rules.decide(&visit, logins, arrival.admission, desk.now(), has_file)
            }
            (None, None) => Verdict::Pass,
        };
        let answer = match verdict {
            Verdict::Pass => self.hand_on(request, desk),
            Verdict::Rewrite(target, page) => {
                let fields = with_target(request.fields, &target);
                let rewritten = Request {
                    fields: &fields,
                    ..*request
                };
                let mut answer = self.hand_on(&rewritten, desk);
                if let (Answer::Response(response), Some(page)) = (&mut answer, page)
                    && response.status == 200
                {
                    response.status = page;
                }
                answer
            }
            Verdict::Wait(ticket) => Answer::Exchange(ticket.gate(desk)),
            Verdict::Answer(status, own) => Answer::Response(self.ruled_response(status, &own)),
        };
        match self.rules.as_ref().and_then(|rules| rules.pace(&visit)) {
            Some(pace) => paced(answer, request, pace),
            None => answer,
        }
    }

    /// A response of this status with fields of a rule, and the page of the status where it has content.
    fn ruled_response(&mut self, status: u16, own: &Fields) -> Response<F> {
        if status::has_no_content(status) {
            let mut fields = Fields::clone(&self.site.common_fields());
            fields.extend_from(own);
            return Response {
                status,
                fields: Rc::new(fields),
                body: Body::Empty,
            };
        }
        let mut response = self.site.error(status);
        let mut fields = Fields::new();
        // The rule's own field takes the place of the page's, as `retry-after` may.
        for field in response.fields.iter() {
            if !own.iter().any(|it| it.name == field.name) {
                fields.push_field(field);
            }
        }
        fields.extend_from(own);
        response.fields = Rc::new(fields);
        response
    }

    /// Follows `_redirects` and `_headers` of the site, if they have changed.
    pub(super) fn follow_rule_files(&mut self, now: Instant) {
        let Some(texts) = self.site.changed_rules(now) else {
            return;
        };
        let (rules, of_redirects, of_headers) = SiteRules::parse(&texts.redirects, &texts.headers);
        for (file, warnings) in [("_redirects", of_redirects), ("_headers", of_headers)] {
            for LineWarning { line, problem } in warnings.iter().take(MOST_WARNINGS) {
                log::warn!("{file}:{line}: {problem}; the line is left out");
            }
            if warnings.len() > MOST_WARNINGS {
                let more = warnings.len() - MOST_WARNINGS;
                log::warn!("{file}: {more} more lines are left out");
            }
        }
        match &mut self.rules {
            Some(own) => own.set_site(rules),
            None if rules.is_empty() => {}
            None => self.rules = Some(Rules::of_site(rules)),
        }
    }

    /// The site behind the handlers.
    pub fn site(&mut self) -> &mut Site<F> {
        &mut self.site
    }

    /// Answers a request.
    pub(super) fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
        self.follow_rule_files(desk.world_now());
        self.hand_on(request, desk)
    }

    /// Has the handlers and the site answer a request.
    fn hand_on(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
        if !self.mounts.is_empty()
            && let Some(answer) = self.accept_mounted(request, desk)
        {
            return answer;
        }
        self.site.accept(request, desk)
    }

    fn accept_mounted(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Option<Answer<F>> {
        let target = request.fields.path().unwrap_or_default();
        // A tunnel has no path (RFC 9110 §9.3.6), unless it is one for a protocol (RFC 8441 §4).
        let is_tunnel =
            request.method == Method::Connect && request.fields.pseudo(Pseudo::Protocol).is_none();
        if is_tunnel {
            return None;
        }
        let whole = absolute_path(target).ok()?;
        for mount in &mut self.mounts {
            let Some(rest) = mount.rest(&whole) else {
                continue;
            };
            let request = Request { rest, ..*request };
            match mount.handler.accept(&request, desk) {
                Answer::NotMine => {}
                Answer::Response(response) => {
                    let sendable = response.sendable(request.method);
                    let response = sendable.unwrap_or_else(|failure| {
                        log::warn!("{}: no response could be made: {failure}", request.peer);
                        self.site.error(failure.status())
                    });
                    return Some(Answer::Response(response));
                }
                answer => return Some(answer),
            }
        }
        None
    }
}

/// The path of a target as rules compare it: decoded and normalised, with a slash at the end where the
/// target has one. A target that is malformed is compared as it came; no handler takes it.
fn decoded_path(target: &[u8]) -> Cow<'_, [u8]> {
    let mut path = SitePath::with_room_for(target);
    match path.parse(target) {
        Err(PathError::Malformed) => Cow::Borrowed(split_query(target).0),
        Ok(()) | Err(PathError::TooLong | PathError::Hidden) => Cow::Owned(path.into_absolute()),
    }
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
