//! The look at a request that comes before everything else: is it from the panel's own page, or from a
//! program of the operator's?

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::http::{Fields, Scheme};

/// The names of the panel.
#[derive(Debug)]
pub(super) struct Guard {
    names: Vec<String>,
}

/// The reason for which a request is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuardRefusal {
    /// It is for a host that is not the panel: a page by such a name could read the answers.
    Host,
    /// It comes from a page of another origin.
    Origin,
}

/// The names that a request may use for the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuardedPath {
    /// Those of the loopback interface, and the operator's.
    Panel,
    /// Any address besides, which no page can have for its own name: a scraper asks by address.
    Probe,
}

impl Guard {
    /// A guard of a panel with these names besides those of the loopback interface.
    pub(super) fn new(names: &[String]) -> Self {
        Guard {
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// Looks at a request that came over this scheme.
    pub(super) fn check(
        &self,
        fields: &Fields,
        scheme: Scheme,
        path: GuardedPath,
    ) -> Result<(), GuardRefusal> {
        let authority = fields.authority().unwrap_or_default();
        let authority = String::from_utf8_lossy(authority).to_ascii_lowercase();
        if !self.is_own(host_of(&authority), path) {
            return Err(GuardRefusal::Host);
        }
        let own = format!("{}://{authority}", scheme.as_str());
        let is_own = |origin: &[u8]| origin.eq_ignore_ascii_case(own.as_bytes());
        // `none` is the operator, who typed the address.
        let is_near = |site: &[u8]| matches!(site, b"same-origin" | b"none");
        if fields.values("origin").all(is_own) && fields.values("sec-fetch-site").all(is_near) {
            Ok(())
        } else {
            Err(GuardRefusal::Origin)
        }
    }

    fn is_own(&self, host: &str, path: GuardedPath) -> bool {
        if host == "localhost" || host.ends_with(".localhost") {
            return true;
        }
        if self.names.iter().any(|name| name == host) {
            return true;
        }
        let v4 = host.parse::<Ipv4Addr>().ok();
        let v6 = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let v6 = v6.and_then(|host| host.parse::<Ipv6Addr>().ok());
        match path {
            GuardedPath::Probe => v4.is_some() || v6.is_some(),
            GuardedPath::Panel => {
                v4.is_some_and(|it| it.is_loopback()) || v6.is_some_and(|it| it.is_loopback())
            }
        }
    }
}

/// The host of an authority, without its port and without a dot at the end.
fn host_of(authority: &str) -> &str {
    let host = match authority.find(']') {
        Some(end) => authority.get(..=end).unwrap_or(authority),
        None => authority.split(':').next().unwrap_or(authority),
    };
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, more: &[(&str, &str)], path: GuardedPath) -> Result<(), GuardRefusal> {
        let mut fields = Fields::new();
        fields.push(b":authority", host.as_bytes());
        for (name, value) in more {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        let guard = Guard::new(&["Panel.Example".into()]);
        guard.check(&fields, Scheme::Http, path)
    }

    #[test]
    fn the_panel_has_the_names_of_the_loopback_interface_and_the_operators() {
        for host in [
            "localhost",
            "localhost:9000",
            "LOCALHOST:1",
            "localhost.",
            "a.localhost:80",
            "127.0.0.1:9000",
            "127.1.2.3",
            "[::1]:9000",
            "[::1]",
            "panel.example",
            "PANEL.example.:443",
        ] {
            assert_eq!(check(host, &[], GuardedPath::Panel), Ok(()), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:127",
            "10.0.0.1",
            "[2001:db8::1]:9000",
            "0.0.0.0",
            "[::]",
            "xpanel.example",
            "notlocalhost",
        ] {
            let refused = Err(GuardRefusal::Host);
            assert_eq!(check(host, &[], GuardedPath::Panel), refused, "{host}");
        }
    }

    #[test]
    fn a_probe_may_use_any_address_and_no_other_name() {
        for host in ["10.0.0.1:9000", "[2001:db8::1]:9000", "localhost"] {
            assert_eq!(check(host, &[], GuardedPath::Probe), Ok(()), "{host}");
        }
        let refused = Err(GuardRefusal::Host);
        assert_eq!(check("evil.example", &[], GuardedPath::Probe), refused);
    }

    #[test]
    fn requests_of_other_pages_are_refused() {
        let own = "http://localhost:9000";
        for fields in [
            &[][..],
            &[("origin", own)],
            &[("origin", own), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            let checked = check("localhost:9000", fields, GuardedPath::Panel);
            assert_eq!(checked, Ok(()), "{fields:?}");
        }
        for fields in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "https://localhost:9000")],
            &[("origin", "http://localhost:9001")],
            &[("origin", "http://localhost")],
            &[("origin", own), ("origin", "http://evil.example")],
            &[("origin", own), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "")],
        ] {
            let checked = check("localhost:9000", fields, GuardedPath::Panel);
            assert_eq!(checked, Err(GuardRefusal::Origin), "{fields:?}");
        }
    }
}
