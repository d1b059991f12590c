//! The one scheme and the one name that a host wants to be reached by.

use super::Visit;
use super::encode::push_text;
use crate::http::Scheme;

/// Directory of the files by which a certificate authority sees that a domain is ours (RFC 8555 §8.3). It
/// asks in the clear, by any name of the certificate.
const ACME: &[u8] = b"/.well-known/acme-challenge/";

/// The rules of a host about its own address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginRules {
    /// Send clients that come in the clear to TLS.
    pub https: bool,
    /// The port of the TLS listener as clients know it; `None` is 443, which URLs leave out.
    pub https_port: Option<u16>,
    /// The name that clients are sent to, without a port.
    pub canonical: Option<String>,
}

/// The answer to a request by a wrong scheme or name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misaddressed {
    /// There is no name that the client could be sent to.
    Nameless,
    /// The right address.
    Elsewhere(Vec<u8>),
}

impl OriginRules {
    /// Checks the name of `canonical`.
    pub fn check_name(name: &str) -> Result<(), String> {
        let is_host = crate::http::is_authority(name.as_bytes()) && !name.contains(':');
        if is_host && !name.contains('*') {
            return Ok(());
        }
        Err("write one name without scheme, port and path, such as 'www.example.org'".into())
    }

    /// Looks at the address that a request has.
    pub(super) fn judge(&self, visit: &Visit<'_>) -> Option<Misaddressed> {
        let is_insecure = self.https && visit.scheme == Scheme::Http;
        if !is_insecure && self.canonical.is_none() {
            return None;
        }
        let target = visit.request.fields.path()?;
        if !target.starts_with(b"/") || visit.path.starts_with(ACME) {
            return None;
        }
        let authority = visit.request.host().unwrap_or_default();
        let (asked, port) = split_port(authority);
        let asked = asked.strip_suffix(b".").unwrap_or(asked);
        let name = self
            .canonical
            .as_ref()
            .map_or(asked, |name| name.as_bytes());
        if !is_insecure && name.eq_ignore_ascii_case(asked) {
            return None;
        }
        if name.is_empty() {
            return Some(Misaddressed::Nameless);
        }
        let scheme = if self.https {
            Scheme::Https
        } else {
            visit.scheme
        };
        let mut location = Vec::from(scheme.as_str());
        location.extend_from_slice(b"://");
        push_text(&mut location, name);
        match (is_insecure, self.https_port) {
            (true, Some(port)) => location.extend_from_slice(format!(":{port}").as_bytes()),
            (true, None) => {}
            (false, _) => push_text(&mut location, port),
        }
        push_text(&mut location, target);
        Some(Misaddressed::Elsewhere(location))
    }
}

/// Host, and port with its colon.
fn split_port(authority: &[u8]) -> (&[u8], &[u8]) {
    let colon = authority.iter().rposition(|byte| *byte == b':');
    match colon {
        // The colons of an IPv6 address stand before its bracket.
        Some(at) if !authority.split_at(at).1.contains(&b']') => authority.split_at(at),
        _ => (authority, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Request;
    use crate::http::Fields;
    use crate::world::Peer;

    fn judge(rules: &OriginRules, scheme: Scheme, host: &str, path: &str) -> Option<String> {
        let mut fields = Fields::new();
        fields.push(b":method", b"GET");
        fields.push(b":path", path.as_bytes());
        if !host.is_empty() {
            fields.push(b"host", host.as_bytes());
        }
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        let visit = Visit {
            request: &Request::new(&fields, Peer::Unix),
            path: path.as_bytes(),
            scheme,
        };
        match rules.judge(&visit)? {
            Misaddressed::Nameless => Some("nameless".into()),
            Misaddressed::Elsewhere(location) => Some(String::from_utf8(location).unwrap()),
        }
    }

    #[test]
    fn clients_in_the_clear_are_sent_to_tls_but_for_what_must_not() {
        let mut rules = OriginRules {
            https: true,
            ..OriginRules::default()
        };
        let judge = |rules: &OriginRules, scheme, host, path| judge(rules, scheme, host, path);
        for (host, path, location) in [
            ("a.org", "/x?y=1", Some("https://a.org/x?y=1")),
            ("a.org:8080", "/", Some("https://a.org/")),
            ("[::1]:80", "/", Some("https://[::1]/")),
            ("[::1]", "/", Some("https://[::1]/")),
            ("", "/", Some("nameless")),
            ("a.org", "*", None),
            ("a.org", "/.well-known/acme-challenge/x", None),
            (
                "a.org",
                "/.well-known/other",
                Some("https://a.org/.well-known/other"),
            ),
            ("a.org", "/a\"b", Some("https://a.org/a%22b")),
        ] {
            let found = judge(&rules, Scheme::Http, host, path);
            assert_eq!(found.as_deref(), location, "{host} {path}");
        }
        assert_eq!(judge(&rules, Scheme::Https, "a.org", "/"), None);
        rules.https_port = Some(8443);
        let found = judge(&rules, Scheme::Http, "a.org:8080", "/");
        assert_eq!(found.as_deref(), Some("https://a.org:8443/"));
    }

    #[test]
    fn one_name_is_the_right_one_and_one_redirect_leads_there() {
        let mut rules = OriginRules {
            canonical: Some("www.a.org".into()),
            ..OriginRules::default()
        };
        for (host, location) in [
            ("www.a.org", None),
            ("WWW.A.ORG.", None),
            ("www.a.org:8443", None),
            ("a.org", Some("https://www.a.org/x")),
            ("a.org:8443", Some("https://www.a.org:8443/x")),
            ("", Some("https://www.a.org/x")),
        ] {
            let found = judge(&rules, Scheme::Https, host, "/x");
            assert_eq!(found.as_deref(), location, "{host}");
        }
        rules.https = true;
        let found = judge(&rules, Scheme::Http, "a.org:80", "/x");
        assert_eq!(found.as_deref(), Some("https://www.a.org/x"));
        let found = judge(&rules, Scheme::Http, "www.a.org", "/x");
        assert_eq!(found.as_deref(), Some("https://www.a.org/x"));
    }

    #[test]
    fn a_canonical_name_is_a_name_alone() {
        assert!(OriginRules::check_name("www.example.org").is_ok());
        for name in [
            "",
            "https://a.org",
            "a.org/",
            "a.org:80",
            "*.a.org",
            "[::1]",
        ] {
            assert!(OriginRules::check_name(name).is_err(), "{name}");
        }
    }
}
