//! The target of a request as its upstream gets it.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// Characters that stay as they are in a path that is written anew: the unreserved ones and the slash
/// (RFC 3986 §2.3).
const LITERAL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// The target for an upstream, of a `target` whose path begins with `mount`, and goes on with `rest` where it
/// is decoded and normalised. With a `replacement`, that takes the place of the mount.
///
/// The client's spelling is kept, unless it has dot segments or spells the mount in another way: then an
/// upstream could come to another path than the one that rules were asked about, and gets the normalised one.
pub(super) fn upstream_target<'t>(
    target: &'t [u8],
    mount: &str,
    rest: &[u8],
    replacement: Option<&str>,
) -> Cow<'t, [u8]> {
    let end = target.iter().position(|byte| *byte == b'?');
    let (path, query) = target.split_at(end.unwrap_or(target.len()));
    let spelled = path.strip_prefix(mount.as_bytes());
    let spelled = spelled.filter(|rest| rest.is_empty() || rest.starts_with(b"/"));
    let spelled = spelled.filter(|_| !has_dot_segments(path));
    if spelled.is_some() && replacement.is_none() && !path.is_empty() {
        return Cow::Borrowed(target);
    }
    let mut made = Vec::with_capacity(target.len());
    made.extend_from_slice(replacement.unwrap_or(mount).as_bytes());
    match spelled {
        Some(rest) => made.extend_from_slice(rest),
        None => {
            percent_encode(rest, LITERAL).for_each(|part| made.extend_from_slice(part.as_bytes()))
        }
    }
    if made.is_empty() {
        made.push(b'/');
    }
    made.extend_from_slice(query);
    Cow::Owned(made)
}

/// True if a path has a segment that is a dot or two, in any spelling.
fn has_dot_segments(path: &[u8]) -> bool {
    let is_dots = |segment: &[u8]| {
        let mut decoded = percent_decode(segment);
        let mut next = || decoded.next();
        matches!(
            (next(), next(), next()),
            (Some(b'.'), None, _) | (Some(b'.'), Some(b'.'), None)
        )
    };
    if !path.contains(&b'%') {
        return path
            .split(|byte| *byte == b'/')
            .any(|segment| matches!(segment, b"." | b".."));
    }
    // An encoded slash separates segments as a plain one does.
    let decoded: Vec<u8> = percent_decode(path).collect();
    decoded.split(|byte| *byte == b'/').any(is_dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_passed_on_as_they_are_spelled_with_their_prefix_replaced() {
        for (target, mount, rest, replacement, expected) in [
            ("/api/a%20b?q=%2F", "/api", "/a b", None, "/api/a%20b?q=%2F"),
            (
                "/api/a%2Fb//c",
                "/api",
                "/a/b/c",
                Some("/v1"),
                "/v1/a%2Fb//c",
            ),
            ("/api", "/api", "", Some("/v1"), "/v1"),
            ("/api?x", "/api", "", Some(""), "/?x"),
            ("/api/", "/api", "/", Some(""), "/"),
            ("/", "", "/", None, "/"),
            ("/a;b=c/@d", "", "/a;b=c/@d", None, "/a;b=c/@d"),
            // Another spelling of the mount, and dot segments.
            ("/%61pi/x", "/api", "/x", None, "/api/x"),
            ("/b/../api/x y", "/api", "/x y", Some("/v"), "/v/x%20y"),
            ("/api/%2e%2E/api/a%25", "/api", "/a%", None, "/api/a%25"),
            ("/api/b%2f..%2fc?d", "/api", "/c", None, "/api/c?d"),
            ("/api/...", "/api", "/...", None, "/api/..."),
        ] {
            let made = upstream_target(target.as_bytes(), mount, rest.as_bytes(), replacement);
            assert_eq!(made, expected.as_bytes(), "{target}");
        }
    }
}
