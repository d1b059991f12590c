//! The URLs that can be fetched: `http` and `https`, split into what a request needs.

use crate::http::Scheme;
use std::fmt;

/// An absolute URL without credentials and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    /// Lowercase; an IPv6 address is in brackets.
    host: String,
    port: u16,
    /// Path and query, as they go into `:path`.
    path: String,
}

impl Url {
    /// Reads an absolute URL, or says what is wrong with it and what would be right.
    pub fn parse(text: &str) -> Result<Url, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| format!("write the scheme too, http://{text} or https://{text}"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(format!("'{scheme}' is neither http nor https")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, port) = authority(&rest[..end], scheme)?;
        Ok(Url {
            scheme,
            host,
            port,
            path: path_and_query(&rest[end..]),
        })
    }

    /// The URL that a reference such as the value of `location` names from here (RFC 3986 §5.2).
    pub fn join(&self, reference: &str) -> Result<Url, String> {
        let reference = reference.split('#').next().unwrap_or_default();
        if has_scheme(reference) {
            return Url::parse(reference);
        }
        if reference.starts_with("//") {
            return Url::parse(&format!("{}:{reference}", self.scheme.as_str()));
        }
        let (own_path, _) = split_query(&self.path);
        let (path, query) = split_query(reference);
        let path = match path {
            "" if query.is_empty() => return Ok(self.clone()),
            "" => own_path.to_owned(),
            path if path.starts_with('/') => without_dots(path),
            path => {
                let directory = own_path.rfind('/').map_or("/", |end| &own_path[..=end]);
                without_dots(&format!("{directory}{path}"))
            }
        };
        Ok(Url {
            path: path_and_query(&format!("{path}{query}")),
            ..self.clone()
        })
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host as names and addresses are looked up: without brackets.
    pub fn host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }

    /// The port, named or the scheme's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Host and port, the scheme's own port left out, as in `:authority`.
    pub fn authority(&self) -> String {
        if self.port == default_port(self.scheme) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// True if scheme, host and port are equal, so that one server answers for both (RFC 9110 §4.3.1).
    pub fn has_same_origin(&self, other: &Url) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            self.scheme.as_str(),
            self.authority(),
            self.path
        )
    }
}

fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    }
}

fn authority(text: &str, scheme: Scheme) -> Result<(String, u16), String> {
    if text.contains('@') {
        return Err("leave the credentials out, and send them by -H 'authorization: ...'".into());
    }
    let (host, port) = match text.rfind(':') {
        // A colon within the brackets of an IPv6 address begins no port.
        Some(colon) if !text[colon..].contains(']') => (&text[..colon], &text[colon + 1..]),
        _ => (text, ""),
    };
    let port = match port {
        "" => default_port(scheme),
        // Rust's own parser takes a sign as well.
        port => Some(port)
            .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|port| port.parse().ok())
            .ok_or_else(|| format!("'{port}' is no port, which is a number up to 65535"))?,
    };
    if host.is_empty() {
        return Err("the host is missing, write http://HOST/PATH".into());
    }
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(address) if address.parse::<std::net::Ipv6Addr>().is_err() => {
            return Err(format!("'{address}' is no IPv6 address"));
        }
        None if host.contains(':') => {
            return Err(format!("put an IPv6 address in brackets, [{host}]"));
        }
        None if !host.bytes().all(is_host_byte) => {
            return Err(format!(
                "'{}' is no host name; write an international one in its xn-- form",
                host.escape_default()
            ));
        }
        _ => {}
    }
    Ok((host.to_ascii_lowercase(), port))
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// True if a reference begins with `scheme:`.
fn has_scheme(reference: &str) -> bool {
    let end = reference.find([':', '/', '?']).unwrap_or(reference.len());
    reference[end..].starts_with(':')
        && reference.starts_with(|c: char| c.is_ascii_alphabetic())
        && reference[..end]
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Splits before the question mark.
fn split_query(path: &str) -> (&str, &str) {
    path.split_at(path.find('?').unwrap_or(path.len()))
}

/// Path and query in the form of `:path`: never empty, without a fragment, bytes that no URL may contain
/// percent-encoded as browsers do it.
fn path_and_query(text: &str) -> String {
    let text = text.split('#').next().unwrap_or_default();
    let mut path = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        path.push('/');
    }
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if !b"\"<>\\^`{|}".contains(&byte) => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

/// RFC 3986 §5.2.4, of a path that begins with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn urls_are_split_into_what_a_request_needs() {
        let https = url("HTTPS://Example.COM/a/b?c=d#e");
        assert_eq!(https.scheme(), Scheme::Https);
        assert_eq!(https.authority(), "example.com");
        assert_eq!((https.port(), https.path()), (443, "/a/b?c=d"));
        let v6 = url("http://[::1]:8080?q");
        assert_eq!((v6.host(), v6.port(), v6.path()), ("::1", 8080, "/?q"));
        assert_eq!(v6.authority(), "[::1]:8080");
        assert_eq!(url("http://h:80").to_string(), "http://h/");
        assert_eq!(url("http://h/ä b").path(), "/%C3%A4%20b");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_mend() {
        for (text, part) in [
            ("localhost:8080/", "http://localhost:8080/"),
            ("ftp://h/", "neither http nor https"),
            ("http:///path", "host is missing"),
            ("http://h:+80/", "no port"),
            ("http://a%20b/", "no host name"),
            ("http://h:99999/", "no port"),
            ("http://me:secret@h/", "authorization"),
            ("http://::1/", "brackets"),
            ("http://[::g]/", "no IPv6 address"),
            ("http://ex ample/", "no host name"),
            ("http://bücher.example/", "xn--"),
        ] {
            let error = Url::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn references_are_resolved_as_rfc_3986_section_5_4_has_it() {
        let base = url("http://a/b/c/d;p?q");
        for (reference, target) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("https://other/x", "https://other/x"),
        ] {
            assert_eq!(
                base.join(reference).unwrap().to_string(),
                target,
                "{reference}"
            );
        }
        assert!(base.join("mailto:x@y").is_err());
    }
}
