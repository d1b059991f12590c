//! The `to` of a redirect: a path or an address, with the parts that the pattern has taken.

use super::encode::{push_path, push_query_value, push_text};
use super::pattern::{Captures, PathPattern, is_name};

/// The target of a redirect or rewrite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedirectTarget {
    /// Scheme and authority, as `https://example.org`; empty for a path of this host.
    origin: Box<str>,
    path: Vec<TargetPart>,
    /// The query, if the target has its own.
    query: Option<Vec<TargetPart>>,
    /// The fragment with its `#`, or nothing.
    fragment: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TargetPart {
    /// Text that is encoded already.
    Text(Box<str>),
    /// The segment of a placeholder, by its position.
    Placeholder(usize),
    Splat,
}

impl RedirectTarget {
    /// Reads a target for what `pattern` takes.
    pub fn parse(text: &str, pattern: &PathPattern) -> Result<RedirectTarget, String> {
        let (rest, fragment) = match text.find('#') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (origin, path) = split_origin(rest)?;
        if path.contains('\\') || path.contains("//") {
            return Err("write single slashes in the path".into());
        }
        let mut encoded = Vec::new();
        push_text(&mut encoded, fragment.as_bytes());
        Ok(RedirectTarget {
            origin: origin.into(),
            path: parts(path, pattern)?,
            query: query.map(|query| parts(query, pattern)).transpose()?,
            fragment: String::from_utf8_lossy(&encoded).into(),
        })
    }

    /// True for a path of this host.
    pub fn is_local(&self) -> bool {
        self.origin.is_empty()
    }

    /// The target for a request with this query. A path never begins with two slashes, which would name
    /// another host.
    pub fn expand(&self, captures: &Captures<'_>, query: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::from(self.origin.as_bytes());
        let start = out.len();
        fill(&mut out, &self.path, captures, push_path);
        let mut before = 0;
        let mut at = 0;
        // A part that is empty leaves two slashes.
        out.retain(|byte| {
            let is_double = at > start && *byte == b'/' && before == b'/';
            (before, at) = (*byte, at + 1);
            !is_double
        });
        match (&self.query, query) {
            (Some(own), _) => {
                out.push(b'?');
                fill(&mut out, own, captures, push_query_value);
            }
            (None, Some(query)) => {
                out.push(b'?');
                push_text(&mut out, query);
            }
            (None, None) => {}
        }
        out.extend_from_slice(self.fragment.as_bytes());
        out
    }
}

fn fill(
    out: &mut Vec<u8>,
    parts: &[TargetPart],
    captures: &Captures<'_>,
    push: fn(&mut Vec<u8>, &[u8]),
) {
    for part in parts {
        match part {
            TargetPart::Text(text) => out.extend_from_slice(text.as_bytes()),
            TargetPart::Placeholder(at) => {
                push(out, captures.segments.get(*at).copied().unwrap_or_default());
            }
            TargetPart::Splat => push(out, captures.splat.unwrap_or_default()),
        }
    }
}

/// Scheme with authority, and path. A path alone begins with one slash.
fn split_origin(text: &str) -> Result<(&str, &str), String> {
    if text.starts_with("//") {
        return Err(format!("this names a host; write 'https:{text}'"));
    }
    if text.starts_with('/') {
        return Ok(("", text));
    }
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|it| text.starts_with(it));
    let scheme = scheme.ok_or_else(|| {
        format!("a target is a path or an address, write '/{text}' or 'https://…'")
    })?;
    let behind = text.split_at(scheme.len()).1;
    let len = behind.find('/').unwrap_or(behind.len());
    let (origin, path) = text.split_at(scheme.len() + len);
    let authority = behind.split_at(len).0;
    if !crate::http::is_authority(authority.as_bytes()) {
        return Err(format!("'{authority}' is no host"));
    }
    Ok((origin, if path.is_empty() { "/" } else { path }))
}

fn parts(text: &str, pattern: &PathPattern) -> Result<Vec<TargetPart>, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(':') {
        let (before, colon) = rest.split_at(at);
        let name = colon.split_at(1).1;
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let len = name.find(|c| !is_part(c)).unwrap_or(name.len());
        let (name, behind) = name.split_at(len);
        plain.push_str(before);
        rest = behind;
        let part = match pattern.placeholder(name) {
            Some(position) => TargetPart::Placeholder(position),
            None if name == "splat" && pattern.has_splat() => TargetPart::Splat,
            None if name == "splat" => {
                return Err("':splat' needs a '*' at the end of 'from'".into());
            }
            None if is_name(name) && before.ends_with('/') => {
                return Err(format!("'from' has no segment ':{name}'"));
            }
            None => {
                plain.push(':');
                plain.push_str(name);
                continue;
            }
        };
        flush(&mut plain, &mut parts);
        parts.push(part);
    }
    plain.push_str(rest);
    flush(&mut plain, &mut parts);
    Ok(parts)
}

fn flush(plain: &mut String, parts: &mut Vec<TargetPart>) {
    if !plain.is_empty() {
        let mut encoded = Vec::new();
        push_text(&mut encoded, plain.as_bytes());
        plain.clear();
        parts.push(TargetPart::Text(String::from_utf8_lossy(&encoded).into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(from: &str, to: &str) -> Result<RedirectTarget, String> {
        RedirectTarget::parse(to, &PathPattern::parse(from).unwrap())
    }

    fn expand(from: &str, to: &str, path: &str) -> String {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.as_bytes())),
            None => (path, None),
        };
        let pattern = PathPattern::parse(from).unwrap();
        let captures = pattern.captures(path.as_bytes()).unwrap();
        let target = RedirectTarget::parse(to, &pattern).unwrap();
        String::from_utf8(target.expand(&captures, query)).unwrap()
    }

    #[test]
    fn targets_are_filled_with_what_was_taken() {
        for (from, to, path, location) in [
            ("/old/*", "/new/:splat", "/old/a/b", "/new/a/b"),
            ("/old/*", "/new/:splat", "/old/a/", "/new/a/"),
            ("/old/*", "/new/:splat", "/old", "/new/"),
            ("/old/*", "/new", "/old/a", "/new"),
            ("/:y/:m", "/blog/:m-:y", "/2026/11", "/blog/11-2026"),
            ("/a", "/b", "/a?x=1", "/b?x=1"),
            ("/a", "/b?y=2", "/a?x=1", "/b?y=2"),
            ("/a", "/b?", "/a?x=1", "/b?"),
            ("/a", "/b#c", "/a?x=1", "/b?x=1#c"),
            ("/a/*", "/b?q=:splat", "/a/x y&z", "/b?q=x%20y%26z"),
            (
                "/a/*",
                "https://example.org/:splat",
                "/a/b",
                "https://example.org/b",
            ),
            (
                "/a/*",
                "https://example.org:8443/:splat",
                "/a/b",
                "https://example.org:8443/b",
            ),
            ("/a", "https://example.org", "/a", "https://example.org/"),
            ("/a/*", "/:splat/x", "/a", "/x"),
            ("/a/*", "/b/:splat", "/a/é\"<\\", "/b/%C3%A9%22%3C%5C"),
            ("/a", "/é b", "/a", "/%C3%A9%20b"),
            ("/a", "/12:30", "/a", "/12:30"),
        ] {
            assert_eq!(expand(from, to, path), location, "{from} {to} {path}");
        }
    }

    #[test]
    fn a_target_with_a_mistake_says_the_mend() {
        for (from, to, said) in [
            (
                "/a",
                "b",
                "a target is a path or an address, write '/b' or 'https://…'",
            ),
            ("/a", "//b", "this names a host; write 'https://b'"),
            ("/a", "/b//c", "write single slashes in the path"),
            ("/a", "/\\b", "write single slashes in the path"),
            ("/a", "/:splat", "':splat' needs a '*' at the end of 'from'"),
            ("/a", "/:id", "'from' has no segment ':id'"),
            ("/:a/*", "https://:a/x", "':a' is no host"),
            ("/:a/*", "https://x.:a/x", "'x.:a' is no host"),
            (
                "/a",
                "javascript:alert(1)",
                "a target is a path or an address, write '/javascript:alert(1)' or 'https://…'",
            ),
            ("/a", "https://", "'' is no host"),
        ] {
            assert_eq!(target(from, to).unwrap_err(), said, "{from} {to}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_to_another_host_or_ends_the_field(rest in "[/\\\\a.:@?#\r\n\"%é ]{0,12}") {
            let pattern = PathPattern::parse("/*").unwrap();
            for to in ["/:splat", "/:splat/x", "/x/:splat"] {
                let target = RedirectTarget::parse(to, &pattern).unwrap();
                let path = format!("/{rest}");
                let captures = pattern.captures(path.as_bytes()).unwrap();
                let location = target.expand(&captures, Some(rest.as_bytes()));
                prop_assert!(location.starts_with(b"/") && !location.starts_with(b"//"));
                prop_assert!(location.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\'));
            }
        }
    }
}
