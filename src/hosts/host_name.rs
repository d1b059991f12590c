//! Names of hosts in the one form in which they are compared.
//!
//! Lower case, without a dot at the end, without a port; an IPv6 address without brackets and in the form of
//! RFC 5952. Names in other scripts come as A-labels (`xn--…`, RFC 5890 §2.3.2.1), which are compared as
//! they are.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

/// The longest name in the DNS, in bytes. The longest address is shorter.
const LONGEST: usize = 253;

/// The host of an authority, ready to be compared. It lies on the stack, so that a request allocates
/// nothing for it.
#[derive(Clone, Copy)]
pub struct HostName {
    bytes: [u8; LONGEST],
    len: usize,
}

impl HostName {
    const EMPTY: HostName = HostName {
        bytes: [0; LONGEST],
        len: 0,
    };

    /// The host of an authority: a name or an address, with or without a port. `None` for what is longer
    /// than any name, for brackets around something else than an address, and for nothing.
    pub fn of(authority: &[u8]) -> Option<HostName> {
        if let Some(rest) = authority.strip_prefix(b"[") {
            let end = rest.iter().position(|byte| *byte == b']')?;
            let address: Ipv6Addr = str::from_utf8(rest.get(..end)?).ok()?.parse().ok()?;
            return HostName::of_address(address);
        }
        let name = authority.split(|byte| *byte == b':').next()?;
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut host = HostName::EMPTY;
        host.bytes.get_mut(..name.len())?.copy_from_slice(name);
        host.len = name.len();
        host.bytes.make_ascii_lowercase();
        (host.len > 0).then_some(host)
    }

    /// The name of an IPv6 address.
    fn of_address(address: Ipv6Addr) -> Option<HostName> {
        let mut host = HostName::EMPTY;
        write!(host, "{address}").ok()?;
        Some(host)
    }

    /// The bytes to compare.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl std::fmt::Write for HostName {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        let place = self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// The hosts that a `names` entry is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// One host: a name or an address.
    Exact(Box<[u8]>),
    /// All names beneath a name, which is kept with a dot before it: `.example.org` for `*.example.org`.
    Beneath(Box<[u8]>),
}

impl HostPattern {
    /// Reads a name, `*.NAME`, or an address. The error says what would be right.
    pub fn parse(text: &str) -> Result<HostPattern, String> {
        if !text.is_ascii() {
            return Err("write the name as it stands in the DNS, with A-labels (xn--…)".into());
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            let host = HostName::of_address(address);
            let host = host.ok_or("that is no address")?;
            return Ok(HostPattern::Exact(host.as_bytes().into()));
        }
        if text.contains(':') && !text.starts_with('[') {
            return Err("leave the port out: a host is served on all ports".into());
        }
        let name = text.strip_prefix("*.").unwrap_or(text);
        let host = HostName::of(name.as_bytes())
            .filter(|_| name.starts_with('[') || name.bytes().all(is_of_name))
            .filter(|host| !host.as_bytes().starts_with(b"."));
        let host = host.ok_or("write a name such as example.org, *.example.org, or an address")?;
        if name.len() == text.len() {
            return Ok(HostPattern::Exact(host.as_bytes().into()));
        }
        Ok(HostPattern::Beneath(
            [b".", host.as_bytes()].concat().into(),
        ))
    }
}

/// True for the bytes that names of hosts have.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HostPattern::Exact(name) => name.escape_ascii().fmt(f),
            HostPattern::Beneath(suffix) => write!(f, "*{}", suffix.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_name_however_it_is_written() {
        for (authority, expected) in [
            ("example.org", Some("example.org")),
            ("EXAMPLE.Org", Some("example.org")),
            ("example.org.", Some("example.org")),
            ("example.org:8080", Some("example.org")),
            ("example.org.:8080", Some("example.org")),
            ("example.org:", Some("example.org")),
            ("xn--BCHER-kva.example", Some("xn--bcher-kva.example")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]", Some("::1")),
            ("[0:0:0:0:0:0:0:1]:443", Some("::1")),
            ("[2001:DB8::A]", Some("2001:db8::a")),
            ("[::ffff:127.0.0.1]", Some("::ffff:127.0.0.1")),
            ("[::1", None),
            ("[a]", None),
            ("", None),
            (".", None),
            (":80", None),
        ] {
            let host = HostName::of(authority.as_bytes());
            let host = host.as_ref().map(HostName::as_bytes);
            assert_eq!(host, expected.map(str::as_bytes), "{authority}");
        }
        assert!(HostName::of(&[b'a'; LONGEST]).is_some());
        assert!(HostName::of(&[b'a'; LONGEST + 1]).is_none());
    }

    #[test]
    fn a_pattern_is_a_name_a_wildcard_or_an_address() {
        for (text, shown) in [
            ("Example.org.", "example.org"),
            ("*.Example.org", "*.example.org"),
            ("localhost", "localhost"),
            ("*.localhost", "*.localhost"),
            ("::1", "::1"),
            ("[0::1]", "::1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            let pattern = HostPattern::parse(text).map(|pattern| pattern.to_string());
            assert_eq!(pattern.as_deref(), Ok(shown), "{text}");
        }
        for (text, said) in [
            ("bücher.example", "A-labels"),
            ("a.test:80", "leave the port out"),
            ("a.*.test", "write a name"),
            ("*", "write a name"),
            ("*a.test", "write a name"),
            (".a.test", "write a name"),
            ("*..a", "write a name"),
            ("http://a.test", "leave the port out"),
            ("a/b", "write a name"),
            ("", "write a name"),
        ] {
            let error = HostPattern::parse(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
