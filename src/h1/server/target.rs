//! The destination of a request: the request target and Host (RFC 9112 §3.2, §3.3).

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use crate::h1::error::Error;
use crate::http::Scheme;
use crate::http::is_authority;
use std::borrow::Cow;

/// A parsed request target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'i> {
    /// The scheme of the target, or of the connection.
    pub(super) scheme: Scheme,
    /// The authority if the target names one: it overrides Host (RFC 9112 §3.2.2).
    pub(super) authority: Option<&'i [u8]>,
    /// Path and query, or `*`. A path may begin with `//`. The site decides about its meaning.
    pub(super) path: Cow<'i, [u8]>,
}

impl<'i> Target<'i> {
    /// Parses a target that came with `method` on a connection of `scheme`.
    pub(super) fn parse(
        method: &[u8],
        target: &'i [u8],
        connection: Scheme,
    ) -> Result<Target<'i>, Error> {
        if method == b"CONNECT" {
            // Authority form is for CONNECT alone (RFC 9112 §3.2.3), which only a proxy answers.
            return Err(if is_authority(target) {
                Error::Connect
            } else {
                Error::Target
            });
        }
        // A fragment is never sent (RFC 9110 §7.1). Other characters that RFC 3986 does not allow
        // are: browsers leave `|` and `^` in queries, curl leaves UTF-8.
        if target.contains(&b'#') {
            return Err(Error::Target);
        }
        match target {
            [b'/', ..] => Ok(Target {
                scheme: connection,
                authority: None,
                path: Cow::Borrowed(target),
            }),
            // RFC 9112 §3.2.4
            b"*" if method == b"OPTIONS" => Ok(Target {
                scheme: connection,
                authority: None,
                path: Cow::Borrowed(target),
            }),
            _ => Self::parse_absolute(method, target, connection),
        }
    }

    /// Absolute form, which every server must take (RFC 9112 §3.2.2).
    fn parse_absolute(
        method: &[u8],
        target: &'i [u8],
        connection: Scheme,
    ) -> Result<Target<'i>, Error> {
        let (scheme, rest) = split_scheme(target).ok_or(Error::Target)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
        let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
        if authority.contains(&b'@') {
            return Err(Error::UserInformation);
        }
        if !is_authority(authority) {
            return Err(Error::Target);
        }
        if (scheme, connection) == (Scheme::Https, Scheme::Http) {
            return Err(Error::Misdirected);
        }
        let path = match path {
            [] if method == b"OPTIONS" => Cow::Borrowed(b"*".as_slice()),
            [] => Cow::Borrowed(b"/".as_slice()),
            [b'/', ..] => Cow::Borrowed(path),
            query => Cow::Owned([b"/", query].concat()),
        };
        Ok(Target {
            scheme,
            authority: Some(authority),
            path,
        })
    }
}

fn split_scheme(target: &[u8]) -> Option<(Scheme, &[u8])> {
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find_map(|scheme| {
            let (name, rest) = target.split_at_checked(scheme.as_str().len())?;
            let rest = rest.strip_prefix(b"://")?;
            let same = name.eq_ignore_ascii_case(scheme.as_str().as_bytes());
            same.then_some((scheme, rest))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, target: &'static str) -> Result<(Option<&'static str>, String), Error> {
        let target = Target::parse(method.as_bytes(), target.as_bytes(), Scheme::Http)?;
        let authority = target.authority.map(std::str::from_utf8);
        let path = String::from_utf8(target.path.into_owned());
        Ok((
            authority.transpose().expect("targets here are ASCII"),
            path.expect("targets here are ASCII"),
        ))
    }

    #[test]
    fn each_form_is_taken_apart() {
        let cases = [
            ("GET", "/a?b", None, "/a?b"),
            ("GET", "//host/a", None, "//host/a"),
            ("OPTIONS", "*", None, "*"),
            ("GET", "http://a", Some("a"), "/"),
            ("GET", "HTTP://a:80/b?c", Some("a:80"), "/b?c"),
            ("GET", "http://a?b", Some("a"), "/?b"),
            ("OPTIONS", "http://a:8001", Some("a:8001"), "*"),
            ("OPTIONS", "http://a/", Some("a"), "/"),
            ("GET", "http://[::1]:8080/@", Some("[::1]:8080"), "/@"),
        ];
        for (method, target, authority, path) in cases {
            let expected = Ok((authority, path.to_owned()));
            assert_eq!(parse(method, target), expected, "{target}");
        }
    }

    #[test]
    fn what_fits_no_form_is_refused() {
        let cases = [
            ("GET", "*", Error::Target),
            ("GET", "a", Error::Target),
            ("GET", "a:80", Error::Target),
            ("GET", "/a#b", Error::Target),
            ("GET", "http:/a", Error::Target),
            ("GET", "http:///a", Error::Target),
            ("GET", "http://:80/", Error::Target),
            ("GET", "http://a:b/", Error::Target),
            ("GET", "http://[::1/", Error::Target),
            ("GET", "ftp://a/", Error::Target),
            ("GET", "http://b@a/", Error::UserInformation),
            ("GET", "http://b:c@a/", Error::UserInformation),
            ("GET", "https://a/", Error::Misdirected),
            ("OPTIONS", "*a", Error::Target),
            ("CONNECT", "a:443", Error::Connect),
            ("CONNECT", "/", Error::Target),
            ("CONNECT", "a@b:443", Error::Target),
        ];
        for (method, target, error) in cases {
            assert_eq!(parse(method, target), Err(error), "{method} {target}");
        }
    }

    #[test]
    fn over_tls_both_schemes_are_served() {
        let scheme = |target: &str| {
            Target::parse(b"GET", target.as_bytes(), Scheme::Https).map(|target| target.scheme)
        };
        assert_eq!(scheme("/"), Ok(Scheme::Https));
        assert_eq!(scheme("https://a/"), Ok(Scheme::Https));
        assert_eq!(scheme("http://a/"), Ok(Scheme::Http));
    }
}
