//! The rules of a host: what is done with a request before a handler is asked, and with the head of its
//! answer afterwards.
//!
//! # The order
//!
//! ```text
//!  request ─▶ 1 scheme and name ─▶ 2 redirects, rewrites ─▶ handlers, files ─▶ 3 fields ─▶ response
//!                  │ 308                  │ 30x, 410                              ▲
//!                  └──────────────────────┴───────────────────────────────────────┘
//! ```
//!
//! 1. `https-redirect` and `canonical`: one redirect to the right scheme and name.
//! 2. `redirect`: the first rule that matches the path. A rewrite (200) goes on with another path, once.
//! 3. `headers`: all rules that match the path that was asked for, in their order, on every answer of the
//!    host: files, errors, 304, redirects, and the answers of other handlers.
//!
//! Paths are compared decoded and without dot segments, so that another spelling of a path meets the same
//! rules. The room does no input or output. It is given a [`Visit`] and tells a [`Verdict`].

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod encode;
mod fields;
mod origin;
mod path_glob;
mod pattern;
mod redirect;
mod target;

use std::rc::Rc;

pub use fields::{FieldRule, WrittenChange};
pub use origin::OriginRules;
pub use path_glob::PathGlob;
pub use redirect::{RedirectMistake, RedirectRule, find_loop};

use crate::exchange::{FieldChanges, Request};
use crate::http::{Fields, Scheme};
use fields::FieldRules;
use origin::Misaddressed;
use redirect::Redirected;

/// The rules of a host as the operator has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The scheme and the name that clients are sent to.
    pub origin: OriginRules,
    /// Redirects and rewrites; the first that matches decides.
    pub redirects: Vec<RedirectRule>,
    /// Changes of fields; all that match are made.
    pub fields: Vec<FieldRule>,
}

impl Config {
    /// True if no rule is configured.
    pub fn is_empty(&self) -> bool {
        let has_origin = self.origin.https || self.origin.canonical.is_some();
        !has_origin && self.redirects.is_empty() && self.fields.is_empty()
    }
}

/// The rules of a host.
#[derive(Debug)]
pub struct Rules {
    origin: OriginRules,
    redirects: Vec<RedirectRule>,
    fields: FieldRules,
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
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The handlers are asked.
    Pass,
    /// The handlers are asked for this target.
    Rewrite(Vec<u8>),
    /// A response of this status with these fields, and the page of the status as its content.
    Answer(u16, Fields),
}

impl Rules {
    /// The rules of a configuration; `None` if it has none.
    pub fn new(config: &Config) -> Option<Box<Rules>> {
        if config.is_empty() {
            return None;
        }
        Some(Box::new(Rules {
            origin: config.origin.clone(),
            redirects: config.redirects.clone(),
            fields: FieldRules::new(&config.fields),
        }))
    }

    /// Decides on a request before a handler is asked.
    pub fn decide(&self, visit: &Visit<'_>) -> Verdict {
        match self.origin.judge(visit) {
            Some(Misaddressed::Elsewhere(location)) => return redirection(308, &location),
            Some(Misaddressed::Nameless) => return Verdict::Answer(400, Fields::new()),
            None => {}
        }
        let query = query(visit.request.fields.path().unwrap_or_default());
        let mut rules = self.redirects.iter();
        match rules.find_map(|rule| rule.apply(visit.path, query)) {
            Some(Redirected::Send { status, location }) => redirection(status, &location),
            Some(Redirected::Serve { target }) => Verdict::Rewrite(target),
            Some(Redirected::Gone) => Verdict::Answer(410, Fields::new()),
            None => Verdict::Pass,
        }
    }

    /// The changes of the fields of the answer, if there are any.
    pub fn changes(&self, visit: &Visit<'_>) -> Option<Rc<FieldChanges>> {
        let mut changes = FieldChanges::new(visit.scheme);
        self.fields.collect(visit.path, &mut changes);
        (!changes.is_empty()).then(|| Rc::new(changes))
    }
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
