//! The way from a request to its answer.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::acting::ActionExchange;
use super::answer::{PanelReply, guard_fields};
use super::config::{Config, PanelRights};
use super::events::{EventStream, Followed};
use super::following::ConnectionFollower;
use super::guard::{Guard, GuardRefusal, GuardedPath};
use super::history::{History, HistoryText};
use super::login::LoginExchange;
use super::logs::{LogFollower, last_lines};
use super::looking::LookExchange;
use super::order::PanelOrder;
use super::page::PanelPage;
use super::session::Secret;
use super::state::{Door, PanelState, SharedState};
use super::tracing::TraceStream;
use super::users::read_users;
use crate::exchange::{Answer, Desk, Request, Response};
use crate::http::{Fields, Method, Scheme};
use crate::inspect::Look;
use crate::rules::Users;
use crate::telemetry::recent_lines::RecentRequests;
use crate::world::Files;

/// The field with the session's token. No form of another page can send a field of this name.
const TOKEN_FIELD: &str = "x-calmd-token";

/// The panel.
pub struct Panel {
    state: SharedState,
    page: PanelPage,
    made: Instant,
}

/// A request for the panel.
#[derive(Clone, Copy)]
struct PanelCall<'a> {
    request: &'a Request<'a>,
    path: &'a [u8],
    query: &'a str,
    scheme: Scheme,
    now: Instant,
}

/// The session of a request, by itself.
struct PanelCaller {
    user: Rc<str>,
    token: String,
}

#[derive(Serialize)]
struct OverviewText<'a> {
    now: &'a serde_json::Value,
    history: HistoryText,
}

impl Panel {
    /// A panel with this way in and these lines of the access log, which is made at `now`; `None` if the system gives
    /// no random numbers.
    pub fn new(
        config: &Config,
        door: Door,
        requests: Rc<RecentRequests>,
        now: Instant,
    ) -> Option<Self> {
        let guard = Guard::new(&config.names);
        let state = PanelState::new(door, guard, &Secret::new()?, config.rights, requests);
        Some(Panel {
            state: Rc::new(RefCell::new(state)),
            page: PanelPage::default(),
            made: now,
        })
    }

    /// Answers a request; `refusal` is the status with which its protocol refuses it.
    pub fn accept<F: Files>(
        &self,
        request: &Request<'_>,
        refusal: Option<u16>,
        scheme: Scheme,
        desk: &Desk<'_>,
    ) -> Answer<F> {
        let refused = |status, error| Answer::Response(PanelReply::error(status, error).response());
        if let Some(status) = refusal {
            return refused(status, "the request was refused");
        }
        let checked = {
            let state = self.state.borrow();
            state
                .guard
                .check(request.fields, scheme, GuardedPath::Panel)
        };
        if let Err(refusal) = checked {
            return Answer::Response(refusal_of(refusal).response());
        }
        let target = request.fields.path().unwrap_or_default();
        let mut parts = target.splitn(2, |byte| *byte == b'?');
        let path = parts.next().unwrap_or_default();
        let query = std::str::from_utf8(parts.next().unwrap_or_default());
        let call = PanelCall {
            request,
            path,
            query: query.unwrap_or_default(),
            scheme,
            now: desk.now(),
        };
        if !path.starts_with(b"/api/") {
            return Answer::Response(self.file(&call).response());
        }
        self.api(&call)
    }

    /// The given answer to a probe such as `/metrics`; or the refusal.
    pub fn probe<F: Files>(
        &self,
        fields: &Fields,
        scheme: Scheme,
        answer: impl FnOnce() -> Response<F>,
    ) -> Response<F> {
        let checked = {
            let state = self.state.borrow();
            state.guard.check(fields, scheme, GuardedPath::Probe)
        };
        match checked {
            Ok(()) => {
                let mut response = answer();
                guard_fields(&mut response.fields);
                response
            }
            Err(refusal) => refusal_of(refusal).response(),
        }
    }

    fn file(&self, call: &PanelCall<'_>) -> PanelReply {
        let Some((media_type, content)) = self.page.file(call.path) else {
            return PanelReply::error(404, "there is no such page");
        };
        match call.request.method {
            Method::Get | Method::Head => PanelReply::new(200, media_type, content),
            _ => not_allowed("GET, HEAD"),
        }
    }

    fn api<F: Files>(&self, call: &PanelCall<'_>) -> Answer<F> {
        let fields = call.request.fields;
        if call.path == b"/api/login" {
            return match (call.request.method, is_json(fields)) {
                (Method::Post, true) => {
                    let peer = call.request.peer;
                    let login = LoginExchange::new(self.state.clone(), peer, call.scheme);
                    Answer::Exchange(Box::new(login))
                }
                (Method::Post, false) => Answer::Response(not_json().response()),
                _ => Answer::Response(not_allowed("POST").response()),
            };
        }
        let caller = {
            let mut state = self.state.borrow_mut();
            let session = state.sessions.find(fields, call.scheme, call.now);
            session.map(|session| PanelCaller {
                user: session.user.clone(),
                token: session.token.text().to_owned(),
            })
        };
        let Some(caller) = caller else {
            let reply = PanelReply::error(401, "log in first").with("www-authenticate", "Cookie");
            return Answer::Response(reply.response());
        };
        match call.request.method {
            Method::Get | Method::Head => self.look(call, &caller),
            Method::Post => self.act(call, &caller),
            _ => Answer::Response(not_allowed("GET, HEAD, POST").response()),
        }
    }

    /// Answers a request that changes nothing.
    fn look<F: Files>(&self, call: &PanelCall<'_>, caller: &PanelCaller) -> Answer<F> {
        if call.path == b"/api/events" {
            return self.stream(call, caller);
        }
        let path = std::str::from_utf8(call.path).unwrap_or_default();
        if let Some(id) = traced(path) {
            return self.trace(call, caller, id);
        }
        match Look::parse(path.trim_start_matches("/api/"), call.query) {
            Some(Ok(look)) => {
                let exchange = LookExchange::new(self.state.clone(), look);
                return Answer::Exchange(Box::new(exchange));
            }
            Some(Err(problem)) => {
                return Answer::Response(PanelReply::error(400, &problem).response());
            }
            None => {}
        }
        let mut state = self.state.borrow_mut();
        let reply = match call.path {
            b"/api/session" => {
                PanelReply::json(200, &state.session_text(&caller.user, &caller.token))
            }
            b"/api/overview" => {
                let since = number_of(call.query, "since").unwrap_or(0);
                let text = OverviewText {
                    now: &state.overview,
                    history: state.history.since(since),
                };
                PanelReply::json(200, &text)
            }
            b"/api/logs" => PanelReply::json(200, &last_lines(&state.requests)),
            b"/api/actions" | b"/api/logout" => not_allowed("POST"),
            _ => PanelReply::error(404, "there is no such thing"),
        };
        Answer::Response(state.hold(reply).response())
    }

    /// Begins a stream of events.
    fn stream<F: Files>(&self, call: &PanelCall<'_>, caller: &PanelCaller) -> Answer<F> {
        if call.request.method == Method::Head {
            return Answer::Response(not_allowed("GET").response());
        }
        let logs = number_of(call.query, "logs").unwrap_or(0) > 0;
        let logs = logs.then(|| LogFollower::new(&self.state.borrow().requests));
        let watched = number_of(call.query, "watch").and_then(|id| u32::try_from(id).ok());
        let followed = Followed {
            logs,
            connection: watched.map(ConnectionFollower::new),
        };
        let session = caller.token.clone();
        match EventStream::new(self.state.clone(), session, followed, call.now) {
            Some(stream) => Answer::Exchange(Box::new(stream)),
            None => {
                let error = "as many streams of events are open as can be";
                Answer::Response(PanelReply::error(503, error).response())
            }
        }
    }

    /// Begins the trace of a connection.
    fn trace<F: Files>(&self, call: &PanelCall<'_>, caller: &PanelCaller, id: u32) -> Answer<F> {
        if call.request.method == Method::Head {
            return Answer::Response(not_allowed("GET").response());
        }
        match TraceStream::new(self.state.clone(), caller.token.clone(), id, call.now) {
            Some(stream) => Answer::Exchange(Box::new(stream)),
            None => {
                let error = "as many streams are open as can be";
                Answer::Response(PanelReply::error(503, error).response())
            }
        }
    }

    /// Reads the file of the users again; none if nobody logs in with a password. The error is one line.
    pub fn read_users(&self) -> Result<Option<Users>, String> {
        let file = match &self.state.borrow().door {
            Door::Users(users, _) => users.file.clone(),
            Door::Token(_) => return Ok(None),
        };
        read_users(&file).map(Some)
    }

    /// Lets these users in instead of those of before. The sessions of users that are gone, or that have another
    /// password, are over.
    pub fn renew_users(&self, next: Users) {
        let mut state = self.state.borrow_mut();
        let PanelState { door, sessions, .. } = &mut *state;
        if let Door::Users(users, _) = door {
            sessions.keep(|user| users.is_same(&next, user.as_bytes()));
            next.warnings.iter().for_each(|it| log::warn!("{it}"));
            *users = Arc::new(next);
        }
    }

    /// Answers a request that changes something.
    fn act<F: Files>(&self, call: &PanelCall<'_>, caller: &PanelCaller) -> Answer<F> {
        let fields = call.request.fields;
        let is_known = matches!(call.path, b"/api/actions" | b"/api/logout");
        if !is_known {
            return Answer::Response(not_allowed("GET, HEAD").response());
        }
        if fields.value(TOKEN_FIELD) != Some(caller.token.as_bytes()) {
            let error = "the session's token is missing (X-Calmd-Token, from /api/session)";
            return Answer::Response(PanelReply::error(403, error).response());
        }
        if call.path == b"/api/logout" {
            let mut state = self.state.borrow_mut();
            state.sessions.end(fields, call.scheme, call.now);
            log::info!(
                "panel: {} at {}: logged out",
                caller.user,
                call.request.peer
            );
            let cookie = state.sessions.forget_cookie(call.scheme);
            let reply = PanelReply::json(200, &serde_json::json!({})).with("set-cookie", &cookie);
            return Answer::Response(reply.response());
        }
        if self.state.borrow().rights == PanelRights::Look {
            let error = "the server was started with --admin-read-only";
            return Answer::Response(PanelReply::error(403, error).response());
        }
        if !is_json(fields) {
            return Answer::Response(not_json().response());
        }
        let who = format!("{} at {}", caller.user, call.request.peer);
        Answer::Exchange(Box::new(ActionExchange::new(self.state.clone(), who)))
    }

    /// Time since the panel was made, with the server.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.made)
    }

    /// The next order that nobody has carried out yet.
    pub fn next_order(&self) -> Option<Rc<PanelOrder>> {
        self.state.borrow_mut().orders.pop_front()
    }

    /// The number of orders that nobody has carried out yet.
    pub fn orders(&self) -> usize {
        self.state.borrow().orders.len()
    }

    /// Has an order carried out in a later turn, before which its request has another one.
    pub fn put_back(&self, order: Rc<PanelOrder>) {
        order.await_turn();
        self.state.borrow_mut().orders.push_back(order);
    }

    /// The last ten minutes.
    pub fn history(&self) -> Ref<'_, History> {
        Ref::map(self.state.borrow(), |state| &state.history)
    }

    /// Changes the last ten minutes.
    pub fn record(&self, change: impl FnOnce(&mut History)) {
        change(&mut self.state.borrow_mut().history);
    }

    /// Sets what `/api/overview` tells of the present.
    pub fn set_overview(&self, overview: serde_json::Value) {
        self.state.borrow_mut().overview = overview;
    }
}

/// The number of the connection whose trace is at a path.
fn traced(path: &str) -> Option<u32> {
    let rest = path.strip_prefix("/api/connections/")?;
    rest.strip_suffix("/qlog")?.parse().ok()
}

fn refusal_of(refusal: GuardRefusal) -> PanelReply {
    match refusal {
        GuardRefusal::Host => PanelReply::error(
            421,
            "the panel has no such name; use localhost or 127.0.0.1, or start with --admin-host NAME",
        ),
        GuardRefusal::Origin => PanelReply::error(403, "requests of other pages are refused"),
    }
}

fn not_allowed(allow: &str) -> PanelReply {
    PanelReply::error(405, "there is no such method here").with("allow", allow)
}

fn not_json() -> PanelReply {
    PanelReply::error(415, "send JSON, as Content-Type: application/json")
}

/// True if the content is announced as JSON, which no form of another page can do.
fn is_json(fields: &Fields) -> bool {
    let media_type = fields.value("content-type").unwrap_or_default();
    let media_type = media_type.split(|byte| *byte == b';').next();
    let media_type = media_type.unwrap_or_default().trim_ascii();
    media_type.eq_ignore_ascii_case(b"application/json")
}

/// A number of a query.
fn number_of(query: &str, name: &str) -> Option<u64> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_type() {
        let is = |value: &str| {
            let mut fields = Fields::new();
            fields.push(b"content-type", value.as_bytes());
            is_json(&fields)
        };
        assert!(is("application/json") && is("Application/JSON; charset=utf-8"));
        assert!(!is("text/plain") && !is("application/jsonx") && !is(""));
        assert!(!is_json(&Fields::new()));
    }

    #[test]
    fn the_path_of_a_trace_has_the_number_of_its_connection() {
        assert_eq!(traced("/api/connections/17/qlog"), Some(17));
        for path in [
            "/api/connections/17",
            "/api/connections/x/qlog",
            "/api/connections/qlog",
        ] {
            assert_eq!(traced(path), None, "{path}");
        }
    }

    #[test]
    fn a_number_is_found_in_a_query() {
        assert_eq!(number_of("a=1&since=17", "since"), Some(17));
        assert_eq!(number_of("since=x", "since"), None);
        assert_eq!(number_of("", "since"), None);
    }
}
