//! `_redirects` and `_headers`: rules that a site brings along, in the syntax of Netlify and Cloudflare.
//!
//! ```text
//! # _redirects: from, parameters of the query, to, status; `!` wins over a file that exists
//! /blog/*  /news/:splat  301
//! /store  id=:id  /shop/:id  302!
//!
//! # _headers: a path, and fields below it
//! /assets/*
//!   Cache-Control: max-age=31536000
//!   ! X-Frame-Options
//! ```
//!
//! Netlify's way is taken in all that the two do differently: without a status 301 (Cloudflare 302), a file
//! that exists wins, a slash at the end makes no difference, and parameters of the query are taken.

use std::rc::Rc;

use super::encode::decode;
use super::fields::{FieldRule, WrittenChange};
use super::pattern::{PathPattern, is_name};
use super::redirect::{RedirectAction, Redirected};
use super::target::RedirectTarget;
use crate::exchange::FieldChange;

/// The most rules of a file: as many redirects as Cloudflare takes.
const MOST_RULES: usize = 2100;

/// The rules that a site brings along.
#[derive(Debug, Default)]
pub struct SiteRules {
    redirects: Vec<SiteRedirect>,
    headers: Vec<SiteFields>,
}

/// A line that is not understood, and the reason.
#[derive(Debug, PartialEq, Eq)]
pub struct LineWarning {
    /// The number of the line, from 1.
    pub line: usize,
    /// A sentence.
    pub problem: String,
}

#[derive(Debug)]
struct SiteRedirect {
    from: PathPattern,
    /// Parameters that the query must have, each with its value; the values of the last ones are taken.
    fixed: Vec<(Vec<u8>, Vec<u8>)>,
    taken: Vec<Vec<u8>>,
    action: RedirectAction,
    /// The status of a page that is served in the place of another.
    page: Option<u16>,
    precedence: Precedence,
}

/// The rank of a redirect beside a file of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precedence {
    /// The redirect wins.
    Forced,
    /// A file that exists wins.
    BehindFiles,
}

/// A redirect of the site that matches.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SiteRedirected {
    pub outcome: Redirected,
    pub page: Option<u16>,
    pub precedence: Precedence,
}

fn numbered(text: &str, warnings: &[LineWarning]) -> Vec<String> {
    let is_rule = |(line, _): &(&str, usize)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    };
    let lines = text.lines().zip(1..).filter(is_rule);
    let lines = lines.map(|(line, number)| {
        let line = line.trim_end().replace(char::is_control, " ");
        let warning = warnings.iter().find(|warning| warning.line == number);
        match warning {
            Some(LineWarning { problem, .. }) => {
                format!("{number:>4}  {line}  # left out: {problem}")
            }
            None => format!("{number:>4}  {line}"),
        }
    });
    lines.collect()
}

/// Fields of the paths of a pattern.
#[derive(Debug)]
struct SiteFields {
    path: PathPattern,
    changes: Vec<FieldChange>,
}

impl SiteRules {
    /// Reads the two files; either may be empty.
    pub fn parse(
        redirects: &str,
        headers: &str,
    ) -> (SiteRules, Vec<LineWarning>, Vec<LineWarning>) {
        let (redirects, of_redirects) = parse_redirects(redirects);
        let (headers, of_headers) = parse_headers(headers);
        let rules = SiteRules { redirects, headers };
        (rules, of_redirects, of_headers)
    }

    /// The lines of the two files that are no comments, each with its number, and with the reason where it is left
    /// out.
    pub fn lines(redirects: &str, headers: &str) -> [(&'static str, Vec<String>); 2] {
        let (_, of_redirects, of_headers) = SiteRules::parse(redirects, headers);
        [
            ("_redirects", numbered(redirects, &of_redirects)),
            ("_headers", numbered(headers, &of_headers)),
        ]
    }

    /// True if no line is a rule.
    pub fn is_empty(&self) -> bool {
        self.redirects.is_empty() && self.headers.is_empty()
    }

    /// The patterns of all rules.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &PathPattern> {
        let redirects = self.redirects.iter().map(|rule| &rule.from);
        redirects.chain(self.headers.iter().map(|rule| &rule.path))
    }

    /// The first redirect that matches.
    pub(super) fn redirect(&self, path: &[u8], query: Option<&[u8]>) -> Option<SiteRedirected> {
        self.redirects
            .iter()
            .find_map(|redirect| redirect.apply(path, query))
    }

    /// The changes of all rules of a path. A field that several rules have is there once for each, as it is
    /// in one line with commas.
    pub(super) fn changes(&self, path: &[u8]) -> Option<Rc<[FieldChange]>> {
        let mut changes: Vec<FieldChange> = Vec::new();
        for rule in self
            .headers
            .iter()
            .filter(|rule| rule.path.captures(path).is_some())
        {
            for change in &rule.changes {
                let is_set = |name: &[u8]| {
                    let mut known = changes.iter();
                    known.any(|it| matches!(it, FieldChange::Set(set, _) if **set == *name))
                };
                changes.push(match change {
                    FieldChange::Set(name, value) if is_set(name) => {
                        FieldChange::Add(name.clone(), value.clone())
                    }
                    change => change.clone(),
                });
            }
        }
        (!changes.is_empty()).then(|| changes.into())
    }
}

impl SiteRedirect {
    fn apply(&self, path: &[u8], query: Option<&[u8]>) -> Option<SiteRedirected> {
        let mut captures = self.from.captures(path)?;
        let pairs = parameters(query.unwrap_or_default());
        let value = |name: &[u8]| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value)
        };
        for (name, wanted) in &self.fixed {
            value(name).filter(|value| *value == wanted)?;
        }
        for name in &self.taken {
            captures.segments.push(value(name)?);
        }
        let is_plain = self.fixed.is_empty() && self.taken.is_empty();
        let kept = query.filter(|_| is_plain);
        let outcome = match &self.action {
            RedirectAction::Send { status, to } => Redirected::Send {
                status: *status,
                location: to.expand(&captures, kept),
            },
            RedirectAction::Serve { to } => Redirected::Serve {
                target: to.expand(&captures, kept),
            },
            RedirectAction::Gone => Redirected::Gone,
        };
        Some(SiteRedirected {
            outcome,
            page: self.page,
            precedence: self.precedence,
        })
    }
}

/// The parameters of a query, decoded.
fn parameters(query: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = String::from_utf8_lossy(query).replace('+', " ");
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    pairs.collect()
}

fn parse_redirects(text: &str) -> (Vec<SiteRedirect>, Vec<LineWarning>) {
    let (mut rules, mut warnings) = (Vec::new(), Vec::new());
    for (line, number) in text.lines().zip(1..) {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let rule = match rules.len() {
            MOST_RULES => Err(format!("there are more than {MOST_RULES} rules")),
            _ => redirect(line),
        };
        match rule {
            Ok(rule) => rules.push(rule),
            Err(problem) => warnings.push(LineWarning {
                line: number,
                problem,
            }),
        }
    }
    (rules, warnings)
}

/// One line of `_redirects`.
fn redirect(line: &str) -> Result<SiteRedirect, String> {
    let mut words = line.split_whitespace();
    let from = words.next().unwrap_or_default();
    if from.contains("://") {
        return Err("a rule is for paths of this host; write a [[host]] for another".into());
    }
    let mut from = PathPattern::parse(from)?;
    let (mut fixed, mut taken) = (Vec::new(), Vec::new());
    let to = loop {
        let word = words.next().ok_or("the target is missing")?;
        if word.starts_with('/') || word.contains("://") {
            break word;
        }
        let (name, value) = word.split_once('=').ok_or_else(|| {
            format!("'{word}' is neither a parameter such as id=:id nor a target such as /new")
        })?;
        match value.strip_prefix(':').filter(|name| is_name(name)) {
            Some(placeholder) => {
                from.take_parameter(placeholder)?;
                taken.push(decode(name));
            }
            None => fixed.push((decode(name), decode(value))),
        }
    };
    let (status, precedence) = match words.next() {
        None => (301, Precedence::BehindFiles),
        Some(word) => match word.strip_suffix('!') {
            Some(status) => (status_of(status)?, Precedence::Forced),
            None => (status_of(word)?, Precedence::BehindFiles),
        },
    };
    if let Some(condition) = words.next() {
        return Err(format!("'{condition}': calmd knows no conditions"));
    }
    let to = RedirectTarget::parse(to, &from)?;
    let (action, page) = match status {
        200 | 404 if !to.is_local() => {
            return Err("calmd passes nothing on to another server by a redirect".into());
        }
        200 => (RedirectAction::Serve { to }, None),
        404 => (RedirectAction::Serve { to }, Some(404)),
        status => (RedirectAction::Send { status, to }, None),
    };
    Ok(SiteRedirect {
        from,
        fixed,
        taken,
        action,
        page,
        precedence,
    })
}

fn status_of(word: &str) -> Result<u16, String> {
    match word.parse() {
        Ok(status @ (200 | 301 | 302 | 303 | 307 | 308 | 404)) => Ok(status),
        _ if word.contains('=') => Err(format!("'{word}': calmd knows no conditions")),
        _ => Err(format!("'{word}' is no status of a redirect")),
    }
}

fn parse_headers(text: &str) -> (Vec<SiteFields>, Vec<LineWarning>) {
    let (mut rules, mut warnings) = (Vec::<SiteFields>::new(), Vec::new());
    // Lines below a path that was not understood are left out with it.
    let mut is_for_path = false;
    for (line, number) in text.lines().zip(1..) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let read = if line.starts_with([' ', '\t']) {
            match rules.last_mut().filter(|_| is_for_path) {
                Some(rule) => field(trimmed).map(|change| rule.changes.push(change)),
                None => Err("the field stands below no path".into()),
            }
        } else if rules.len() == MOST_RULES {
            is_for_path = false;
            Err(format!("there are more than {MOST_RULES} rules"))
        } else {
            let path = PathPattern::parse(trimmed);
            is_for_path = path.is_ok();
            path.map(|path| {
                rules.push(SiteFields {
                    path,
                    changes: Vec::new(),
                });
            })
        };
        if let Err(problem) = read {
            warnings.push(LineWarning {
                line: number,
                problem,
            });
        }
    }
    (rules, warnings)
}

/// One field of `_headers`: `Name: value`, or `! Name`, which takes it away.
fn field(line: &str) -> Result<FieldChange, String> {
    if let Some(name) = line.strip_prefix('!') {
        return FieldRule::change_of(WrittenChange::Remove(name.trim()));
    }
    let field = line.split_once(':');
    let (name, value) = field.ok_or("there is no colon; write it as 'Name: value'")?;
    if name.trim().eq_ignore_ascii_case("basic-auth") {
        return Err("no password may stand in a file of the site; write a basic-auth rule".into());
    }
    FieldRule::change_of(WrittenChange::Set(name.trim(), value.trim()))
}

#[cfg(test)]
mod tests;
