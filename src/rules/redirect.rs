//! Redirects, rewrites and paths that are gone.

use super::encode::decoded_path;
use super::pattern::PathPattern;
use super::target::RedirectTarget;

/// A rule for the paths of a pattern: they are elsewhere, or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectRule {
    pub(super) from: PathPattern,
    pub(super) action: RedirectAction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RedirectAction {
    /// The client is sent elsewhere.
    Send { status: u16, to: RedirectTarget },
    /// Another path is served in the place of the one that was asked for.
    Serve { to: RedirectTarget },
    /// Nothing is there any more (RFC 9110 §15.5.11).
    Gone,
}

/// A part of a rule that is wrong, and a sentence on what would be right.
#[derive(Debug, PartialEq, Eq)]
pub enum RedirectMistake {
    /// The pattern.
    From(String),
    /// The target.
    To(String),
    /// The status.
    Status(String),
}

/// The outcome of a rule that matches.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirected {
    Send { status: u16, location: Vec<u8> },
    Serve { target: Vec<u8> },
    Gone,
}

impl RedirectRule {
    /// The rule of a settings file: `{ from, to, status }`.
    pub fn parse(
        from: &str,
        to: Option<&str>,
        status: u16,
    ) -> Result<RedirectRule, RedirectMistake> {
        let from = PathPattern::parse(from).map_err(RedirectMistake::From)?;
        let target = |from: &PathPattern| match to {
            Some(to) => RedirectTarget::parse(to, from).map_err(RedirectMistake::To),
            None => Err(RedirectMistake::To(format!(
                "a redirect with {status} needs 'to'"
            ))),
        };
        let action = match status {
            301 | 302 | 303 | 307 | 308 => RedirectAction::Send {
                status,
                to: target(&from)?,
            },
            200 => {
                let to = target(&from)?;
                if !to.is_local() {
                    let problem = "a rewrite (200) leads to a path of this host".into();
                    return Err(RedirectMistake::To(problem));
                }
                RedirectAction::Serve { to }
            }
            410 if to.is_some() => {
                let problem = "what is gone (410) leads nowhere; leave 'to' out".into();
                return Err(RedirectMistake::To(problem));
            }
            410 => RedirectAction::Gone,
            _ => {
                let problem = "write 301, 302, 303, 307, 308, 410, or 200 for a rewrite".into();
                return Err(RedirectMistake::Status(problem));
            }
        };
        Ok(RedirectRule { from, action })
    }

    /// The outcome for a decoded path and the query of the request.
    pub(super) fn apply(&self, path: &[u8], query: Option<&[u8]>) -> Option<Redirected> {
        let captures = self.from.captures(path)?;
        Some(match &self.action {
            RedirectAction::Send { status, to } => Redirected::Send {
                status: *status,
                location: to.expand(&captures, query),
            },
            RedirectAction::Serve { to } => Redirected::Serve {
                target: to.expand(&captures, query),
            },
            RedirectAction::Gone => Redirected::Gone,
        })
    }
}

/// Redirects in a row after which a browser gives up: most give up after 20.
const LONGEST_CHAIN: usize = 16;

/// The first of the rules whose redirects come to no end, with a path that shows it.
pub fn find_loop(rules: &[RedirectRule]) -> Option<(usize, String)> {
    rules.iter().enumerate().find_map(|(at, rule)| {
        ["", "x"].into_iter().find_map(|rest| {
            let path = rule.from.sample(rest);
            let shown = String::from_utf8_lossy(&path).into_owned();
            is_endless(rules, path).then_some((at, shown))
        })
    })
}

/// True if a client that follows the rules from this path never ends.
fn is_endless(rules: &[RedirectRule], mut path: Vec<u8>) -> bool {
    for _ in 0..LONGEST_CHAIN {
        let first = rules
            .iter()
            .find(|rule| rule.from.captures(&path).is_some());
        let Some(RedirectAction::Send { to, .. }) = first.map(|rule| &rule.action) else {
            return false;
        };
        if !to.is_local() {
            return false;
        }
        let Some(Redirected::Send { location, .. }) =
            first.and_then(|rule| rule.apply(&path, None))
        else {
            return false;
        };
        path = decoded_path(&location);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: &str, to: &str, status: u16) -> RedirectRule {
        RedirectRule::parse(from, Some(to), status).unwrap()
    }

    #[test]
    fn a_rule_has_a_status_that_is_one_and_a_target_where_it_needs_one() {
        let gone = RedirectRule::parse("/a", None, 410).unwrap();
        assert_eq!(gone.apply(b"/a", None), Some(Redirected::Gone));
        let moved = rule("/a/*", "/b/:splat", 308);
        let location = b"/b/c?q".to_vec();
        let sent = Redirected::Send {
            status: 308,
            location,
        };
        assert_eq!(moved.apply(b"/a/c", Some(b"q")), Some(sent));
        let target = b"/app.html".to_vec();
        let served = rule("/app/*", "/app.html", 200).apply(b"/app/x", None);
        assert_eq!(served, Some(Redirected::Serve { target }));
        for (to, status) in [(Some("/b"), 200), (Some("/b"), 303), (None, 410)] {
            assert!(RedirectRule::parse("/a", to, status).is_ok());
        }
        for (to, status) in [
            (None, 301),
            (None, 200),
            (Some("https://b/"), 200),
            (Some("/b"), 410),
            (Some("/b"), 300),
            (Some("/b"), 304),
            (Some("/b"), 404),
        ] {
            assert!(RedirectRule::parse("/a", to, status).is_err(), "{status}");
        }
    }

    #[test]
    fn redirects_without_an_end_are_found() {
        let ends = |rules: &[(&str, &str, u16)]| {
            let rules: Vec<_> = rules
                .iter()
                .map(|(from, to, status)| rule(from, to, *status))
                .collect();
            find_loop(&rules)
        };
        assert_eq!(ends(&[("/a", "/a", 301)]), Some((0, "/a".into())));
        assert_eq!(ends(&[("/a", "/a/", 301)]), Some((0, "/a".into())));
        assert_eq!(ends(&[("/a", "/a?x=1", 301)]), Some((0, "/a".into())));
        assert_eq!(
            ends(&[("/a", "/b", 301), ("/b", "/a", 302)]),
            Some((0, "/a".into()))
        );
        assert_eq!(
            ends(&[("/x", "/y", 301), ("/*", "/index.html", 302)]),
            Some((0, "/x".into()))
        );
        assert_eq!(
            ends(&[("/a/*", "/a/b/:splat", 301)]),
            Some((0, "/a/".into()))
        );
        // The earlier rule stops it, another host may, and a rewrite happens once.
        assert_eq!(
            ends(&[("/b", "/c", 200), ("/a", "/b", 301), ("/b", "/a", 301)]),
            None
        );
        assert_eq!(ends(&[("/a", "https://example.org/a", 301)]), None);
        assert_eq!(ends(&[("/*", "/index.html", 200)]), None);
        assert_eq!(ends(&[("/:a", "/x/:a", 301)]), None);
    }
}
