//! The rules of a host: what is done with a request before a handler is asked, and with the head of its
//! answer afterwards.
//!
//! # The order
//!
//! ```text
//!  request ─▶ 1 addresses ─▶ 2 rates ─▶ 3 scheme, name ─▶ 4 preflight ─▶ 5 login ─▶ 6 redirects, rewrites
//!                 │ 403          │ 429         │ 308            │ 204        │ 401       │ 30x, 410  │
//!                 ▼              ▼             ▼                ▼            ▼           ▼           ▼
//!  response ◀───────────────────────────────── 7 fields ◀──────────────────────────── handlers, files
//! ```
//!
//! 1. `deny` and `allow`: no `deny` of the path may have the address, and each `allow` of the path must.
//! 2. `rate`: each limit of the path has a request left for the address.
//! 3. `https-redirect` and `canonical`: one redirect to the right scheme and name, before a password is asked
//!    for.
//! 4. `cors`: the first rule of the path answers a preflight request, which has no credentials.
//! 5. `basic-auth`: the first rule of the path wants one of its users.
//! 6. `redirect`, then `_redirects` of the site, where a file that exists wins unless the rule has a `!`: the
//!    first rule that matches the path. A rewrite (200) goes on with another path, once: the rules 1 and 5 of
//!    that path must let the client in as well.
//! 7. `headers`, `_headers` of the site and the fields of `cors`: all rules that match the path that was asked for,
//!    in their order, on every answer of the host: files, errors, 304, redirects, and the answers of other handlers.
//! 8. `bandwidth`: the first rule of the path that was asked for paces the content.
//!
//! Paths are compared decoded and without dot segments, so that another spelling of a path meets the same rules. A
//! path whose first segment no rule names passes by all of them at once. The room does no input or output: it takes a
//! [`Visit`] and returns a [`Verdict`].

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod access;
mod bandwidth;
mod buckets;
mod concern;
mod cors;
mod encode;
mod fields;
mod login;
mod origin;
mod paced;
mod path_glob;
mod pattern;
mod redirect;
mod site_files;
mod target;
mod users;

use std::rc::Rc;
use std::time::{Duration, Instant};

pub use access::{AddressRule, AddressRules, RateRule};
pub use bandwidth::BandwidthRule;
#[cfg(feature = "panel")]
pub(crate) use buckets::AddressBuckets;
pub use cors::{CorsRule, WrittenCors};
pub use fields::{FieldRule, WrittenChange};
pub use login::{Credentials, LoginAttempt, LoginQueue, LoginRule, LoginTicket};
pub use origin::OriginRules;
pub use path_glob::PathGlob;
pub use redirect::{RedirectMistake, RedirectRule, find_loop};
pub use site_files::{LineWarning, SiteRules};
pub use users::Users;

use crate::exchange::{FieldChanges, LoginOutcome, Request};
use crate::http::{Fields, Scheme};
use access::RateLimits;
use bandwidth::{Bandwidths, Pace};
use concern::Concern;
use fields::FieldRules;
use origin::Misaddressed;
pub(crate) use paced::paced;
use redirect::Redirected;
use site_files::Precedence;

/// The rules of a host as the operator has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The scheme and the name that clients are sent to.
    pub origin: OriginRules,
    /// Redirects and rewrites; the first that matches decides.
    pub redirects: Vec<RedirectRule>,
    /// Changes of fields; all that match are made.
    pub fields: Vec<FieldRule>,
    /// Addresses that are let in, and those that are kept out.
    pub addresses: AddressRules,
    /// Limits of requests; all that match count.
    pub rates: Vec<RateRule>,
    /// Limits of the content that each address is sent; the first that matches decides.
    pub bandwidths: Vec<BandwidthRule>,
    /// Origins whose scripts may read; the first that matches decides.
    pub cors: Vec<CorsRule>,
    /// Paths that need a login; the first that matches decides.
    pub logins: Vec<LoginRule>,
    /// Serve `_redirects` and `_headers` as files, instead of following them.
    pub serves_rule_files: bool,
}

impl Config {
    /// Sentences on parts that are taken and are a danger.
    pub fn warnings(&self) -> impl Iterator<Item = &String> {
        self.logins.iter().flat_map(|rule| &rule.users.warnings)
    }

    /// True if no rule is configured.
    pub fn is_empty(&self) -> bool {
        let Config {
            origin,
            redirects,
            fields,
            addresses,
            rates,
            bandwidths,
            cors,
            logins,
            serves_rule_files: _,
        } = self;
        !(origin.https || origin.canonical.is_some())
            && redirects.is_empty()
            && fields.is_empty()
            && addresses.is_empty()
            && rates.is_empty()
            && bandwidths.is_empty()
            && cors.is_empty()
            && logins.is_empty()
    }
}

/// The rules of a host.
#[derive(Debug)]
pub struct Rules {
    addresses: AddressRules,
    rates: RateLimits,
    bandwidths: Bandwidths,
    origin: OriginRules,
    cors: Vec<CorsRule>,
    logins: Vec<LoginRule>,
    redirects: Vec<RedirectRule>,
    fields: FieldRules,
    /// The rules that the site brings along.
    site: SiteRules,
    /// The paths that any of them may be for.
    concern: Concern,
}

/// A request as the rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// Its path: decoded and normalised, from a slash on, with a slash at the end where the target has one.
    pub path: &'a [u8],
    /// The scheme by which it came.
    pub scheme: Scheme,
}

/// The answer of the rules to a request.
#[derive(Debug)]
pub enum Verdict {
    /// The handlers are asked.
    Pass,
    /// The handlers are asked for this target. A page that they find is sent with the status, if there is one.
    Rewrite(Vec<u8>, Option<u16>),
    /// A response of this status with these fields, and the page of the status as its content.
    Answer(u16, Fields),
    /// Nothing before the password is verified.
    Wait(Rc<LoginTicket>),
}

impl Rules {
    /// The rules of a configuration; `None` if it has none.
    pub fn new(config: &Config) -> Option<Box<Rules>> {
        if config.is_empty() {
            return None;
        }
        Some(Box::new(Rules::all(config, SiteRules::default())))
    }

    /// The rules of a host that has none but those of its site.
    pub fn of_site(rules: SiteRules) -> Box<Rules> {
        Box::new(Rules::all(&Config::default(), rules))
    }

    /// Replaces the rules that the site brings along.
    pub fn set_site(&mut self, rules: SiteRules) {
        self.site = rules;
        self.concern = self.paths_of_concern();
    }

    /// False if no rule is for the target of a request: it may be answered as by a host without rules.
    pub(crate) fn concerns(&self, target: &[u8]) -> bool {
        self.concern.covers(target)
    }

    fn paths_of_concern(&self) -> Concern {
        let mut concern = Concern::default();
        if self.origin.https || self.origin.canonical.is_some() {
            concern.add(None);
        }
        let addresses = self.addresses.allow.iter().chain(&self.addresses.deny);
        let globs = addresses.map(|rule| &rule.path);
        let globs = globs.chain(self.rates.paths());
        let globs = globs.chain(self.bandwidths.paths());
        let globs = globs.chain(self.cors.iter().map(|rule| &rule.path));
        let globs = globs.chain(self.logins.iter().map(|rule| &rule.path));
        let globs = globs.chain(self.fields.paths());
        globs.for_each(|path| concern.add(path.first_segment()));
        let patterns = self.redirects.iter().map(|rule| &rule.from);
        let patterns = patterns.chain(self.site.patterns());
        patterns.for_each(|path| concern.add(path.first_segment()));
        concern
    }

    /// Goes on with what addresses have used of the limits that are the same in the rules of before.
    pub(crate) fn follow(&mut self, former: Rules) {
        self.rates.follow(former.rates);
        self.bandwidths.follow(&former.bandwidths);
    }

    fn all(config: &Config, site: SiteRules) -> Rules {
        let mut rules = Rules {
            addresses: config.addresses.clone(),
            rates: RateLimits::new(&config.rates),
            bandwidths: Bandwidths::new(&config.bandwidths),
            origin: config.origin.clone(),
            cors: config.cors.clone(),
            logins: config.logins.clone(),
            redirects: config.redirects.clone(),
            fields: FieldRules::new(&config.fields),
            site,
            concern: Concern::default(),
        };
        rules.concern = rules.paths_of_concern();
        rules
    }

    /// Decides on a request before a handler is asked. With an `admission`, the request is asked for again.
    pub fn decide(
        &mut self,
        visit: &Visit<'_>,
        mut logins: Option<&mut LoginQueue>,
        admission: Option<LoginOutcome>,
        now: Instant,
        has_file: impl FnOnce() -> bool,
    ) -> Verdict {
        if admission.is_none()
            && let Some(verdict) = self.decide_at_the_door(visit, now)
        {
            return verdict;
        }
        if let Some(verdict) = self.login(visit, logins.as_deref_mut(), admission, now) {
            return verdict;
        }
        let query = query(visit.request.fields.path().unwrap_or_default());
        let mut rules = self.redirects.iter();
        let own = rules.find_map(|rule| rule.apply(visit.path, query));
        let (redirected, page) = match own {
            Some(redirected) => (redirected, None),
            None => match self.site.redirect(visit.path, query) {
                Some(found) if found.precedence == Precedence::BehindFiles && has_file() => {
                    return Verdict::Pass;
                }
                Some(found) => (found.outcome, found.page),
                None => return Verdict::Pass,
            },
        };
        let target = match redirected {
            Redirected::Send { status, location } => return redirection(status, &location),
            Redirected::Gone => return Verdict::Answer(410, Fields::new()),
            Redirected::Serve { target } => target,
        };
        let path = encode::decoded_path(&target);
        let rewritten = Visit {
            path: &path,
            ..*visit
        };
        if !self.addresses.admit(&path, visit.request.peer) {
            return Verdict::Answer(403, Fields::new());
        }
        let login = self.login(&rewritten, logins, admission, now);
        login.unwrap_or(Verdict::Rewrite(target, page))
    }

    /// Decides by address, rate, scheme and name, and on preflight requests.
    fn decide_at_the_door(&mut self, visit: &Visit<'_>, now: Instant) -> Option<Verdict> {
        if !self.addresses.admit(visit.path, visit.request.peer) {
            return Some(Verdict::Answer(403, Fields::new()));
        }
        if let Err(wait) = self.rates.count(visit, now) {
            return Some(come_back(429, wait));
        }
        match self.origin.judge(visit) {
            Some(Misaddressed::Elsewhere(location)) => return Some(redirection(308, &location)),
            Some(Misaddressed::Nameless) => return Some(Verdict::Answer(400, Fields::new())),
            None => {}
        }
        let fields = cors::preflight(&self.cors, visit)?;
        Some(Verdict::Answer(204, fields))
    }

    /// Wants a user where the path needs one; `None` lets the client in.
    fn login(
        &self,
        visit: &Visit<'_>,
        logins: Option<&mut LoginQueue>,
        admission: Option<LoginOutcome>,
        now: Instant,
    ) -> Option<Verdict> {
        let rule = self
            .logins
            .iter()
            .find(|rule| rule.path.matches(visit.path))?;
        let login = match logins {
            Some(logins) => logins.check(&rule.users, visit, admission, now),
            None => LoginAttempt::Busy,
        };
        match login {
            LoginAttempt::Known => None,
            LoginAttempt::Waits(ticket) => Some(Verdict::Wait(ticket)),
            LoginAttempt::Busy => Some(come_back(503, BUSY)),
            LoginAttempt::TooMany(wait) => Some(come_back(429, wait)),
            LoginAttempt::Refused => {
                let challenge = format!("Basic realm=\"{}\", charset=\"UTF-8\"", rule.realm);
                let mut fields = Fields::new();
                fields.push(b"www-authenticate", challenge.as_bytes());
                Some(Verdict::Answer(401, fields))
            }
        }
    }

    /// The pace at which the content of the answer is sent, if it has one.
    pub(crate) fn pace(&self, visit: &Visit<'_>) -> Option<Pace> {
        self.bandwidths.pace(visit)
    }

    /// The changes of the fields of the answer, if there are any.
    pub fn changes(&self, visit: &Visit<'_>) -> Option<Rc<FieldChanges>> {
        let mut changes = FieldChanges::new(visit.scheme);
        self.fields.collect(visit.path, &mut changes);
        if let Some(rule) = self.site.changes(visit.path) {
            changes.push(rule);
        }
        if let Some(rule) = cors::changes(&self.cors, visit) {
            changes.push(rule);
        }
        (!changes.is_empty()).then(|| Rc::new(changes))
    }
}

/// Time after which a client may try again where the queue of passwords is full: ten of them have been
/// verified by then.
const BUSY: Duration = Duration::from_secs(1);

/// An answer that asks the client to come back later.
fn come_back(status: u16, wait: Duration) -> Verdict {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let mut fields = Fields::new();
    fields.push(b"retry-after", seconds.to_string().as_bytes());
    Verdict::Answer(status, fields)
}

fn redirection(status: u16, location: &[u8]) -> Verdict {
    let mut fields = Fields::new();
    fields.push(b"location", location);
    Verdict::Answer(status, fields)
}

fn query(target: &[u8]) -> Option<&[u8]> {
    let at = target.iter().position(|byte| *byte == b'?')?;
    target.get(at + 1..)
}

#[cfg(test)]
mod tests;
