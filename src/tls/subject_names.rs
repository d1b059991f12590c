//! The names that a certificate is good for, read once when it is loaded.
//!
//! Each request of a connection over TLS may be for another name (RFC 9113 §9.1.1), so finding one
//! among a hundred has to cost next to nothing. Names are compared by the rules of webpki (RFC 9525
//! §6.3): whole, or with a wildcard for the leftmost label. Addresses are compared by their bytes. The
//! common name is ignored.

use std::collections::HashSet;
use std::net::IpAddr;

/// The longest name in the DNS, in bytes.
const LONGEST: usize = 253;

/// Tags of DER (X.690 §8.14): those of RFC 5280 on the way to the names of a certificate.
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// The object identifier id-ce-subjectAltName, 2.5.29.17 (RFC 5280 §4.2.1.6).
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Names and addresses of a certificate.
#[derive(Debug, Default)]
pub(super) struct SubjectNames {
    /// Names without wildcard, in lower case.
    whole: HashSet<Box<[u8]>>,
    /// Names behind a wildcard, with the dot before them, in lower case.
    behind_wildcards: HashSet<Box<[u8]>>,
    addresses: HashSet<IpAddr>,
}

impl SubjectNames {
    /// Reads the names of a certificate in DER. A certificate that cannot be parsed has none.
    pub(super) fn of(certificate: &[u8]) -> SubjectNames {
        let mut names = SubjectNames::default();
        for (tag, value) in subject_alt_names(certificate) {
            match tag {
                DNS_NAME => names.add(&value.to_ascii_lowercase()),
                IP_ADDRESS => {
                    let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
                    let v6 = <[u8; 16]>::try_from(value).map(IpAddr::from);
                    names.addresses.extend(v4.or(v6));
                }
                _ => {}
            }
        }
        names
    }

    fn add(&mut self, name: &[u8]) {
        match name.strip_prefix(b"*") {
            // A wildcard before a single label would cover a whole top-level domain.
            Some(rest) if rest.iter().filter(|byte| **byte == b'.').count() >= 2 => {
                self.behind_wildcards.insert(rest.into());
            }
            Some(_) => {}
            None => {
                self.whole.insert(name.into());
            }
        }
    }

    /// True if the certificate is good for a host: a name without a dot at its end, or an address
    /// without brackets.
    pub(super) fn covers(&self, host: &[u8]) -> bool {
        if let Some(address) = std::str::from_utf8(host)
            .ok()
            .and_then(|it| it.parse().ok())
        {
            return self.addresses.contains(&address);
        }
        let mut buffer = [0; LONGEST];
        let Some(name) = buffer.get_mut(..host.len()) else {
            return false;
        };
        name.copy_from_slice(host);
        name.make_ascii_lowercase();
        if self.whole.contains(&*name) {
            return true;
        }
        let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let dot = name.iter().position(|byte| *byte == b'.');
        dot.and_then(|dot| name.split_at_checked(dot))
            .is_some_and(|(label, rest)| {
                !label.is_empty()
                    && label.iter().all(is_label)
                    && self.behind_wildcards.contains(rest)
            })
    }
}

/// Tag and value of each of a certificate's alternative names.
fn subject_alt_names(certificate: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let inside = |bytes, tag| Elements(bytes).find(|element| element.0 == tag);
    let signed = inside(certificate, SEQUENCE).and_then(|(_, it)| inside(it, SEQUENCE));
    let extensions = signed
        .and_then(|(_, it)| inside(it, EXTENSIONS))
        .and_then(|(_, it)| inside(it, SEQUENCE));
    let extensions = Elements(extensions.map_or(&[], |(_, it)| it));
    let names = extensions.filter_map(move |(_, extension)| {
        inside(extension, OBJECT_IDENTIFIER).filter(|(_, it)| *it == SUBJECT_ALT_NAME)?;
        let (_, value) = inside(extension, OCTET_STRING)?;
        Some(inside(value, SEQUENCE)?.1)
    });
    names.flat_map(Elements)
}

/// A sequence of DER elements. Yields the tag and value of each, up to the first malformed one.
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (len, rest) = match first & 0x80 {
            0 => (usize::from(*first), rest),
            // A length of more than four bytes, longer than any certificate that is loaded.
            _ if first & 0x7f > 4 => return None,
            _ => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let len = digits
                    .iter()
                    .fold(0, |len, digit| len << 8 | u64::from(*digit));
                (usize::try_from(len).ok()?, rest)
            }
        };
        let (value, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((*tag, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustls::client::verify_server_name;
    use rustls::pki_types::ServerName;
    use rustls::server::ParsedCertificate;
    use std::time::{Duration, Instant};

    fn certificate(names: impl IntoIterator<Item = String>) -> Vec<u8> {
        let names: Vec<String> = names.into_iter().collect();
        let pair = rcgen::generate_simple_self_signed(names).expect("valid names");
        pair.cert.der().to_vec()
    }

    /// The verdict of webpki, which parses the certificate anew.
    fn webpki(certificate: &[u8], host: &str) -> bool {
        let der = certificate.into();
        let parsed = ParsedCertificate::try_from(&der).expect("a certificate");
        ServerName::try_from(host).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
    }

    #[test]
    fn names_wildcards_and_addresses_are_found_as_webpki_finds_them() {
        let names = [
            "localhost",
            "Example.COM",
            "*.wild.test",
            "*.top",
            "127.0.0.1",
            "::1",
        ];
        let der = certificate(names.map(String::from));
        let known = SubjectNames::of(&der);
        for host in [
            "localhost",
            "LOCALHOST",
            "example.com",
            "a.example.com",
            "a.wild.test",
            "A.Wild.Test",
            "a.b.wild.test",
            "wild.test",
            ".wild.test",
            "a_b.wild.test",
            "a!.wild.test",
            "x.top",
            "*.wild.test",
            "127.0.0.1",
            "127.0.0.2",
            "::1",
            "::2",
            "0:0:0:0:0:0:0:1",
            "",
            ".",
            "com",
        ] {
            let covers = known.covers(host.as_bytes());
            assert_eq!(covers, webpki(&der, host), "{host}");
        }
        assert!(known.covers(b"LocalHost") && known.covers(b"127.0.0.1"));
        assert!(!known.covers(&[b'a'; 300]) && !known.covers(b"\xff.wild.test"));
    }

    #[test]
    fn a_certificate_of_a_hundred_names_is_asked_in_less_than_a_microsecond_each_time() {
        let names = (0..100).map(|n| format!("host-{n}.example.test"));
        let known = SubjectNames::of(&certificate(names));
        let ask = || {
            let start = Instant::now();
            for n in 0..10_000 {
                let host = format!("host-{}.example.test", n % 200);
                assert_eq!(known.covers(host.as_bytes()), n % 200 < 100);
            }
            start.elapsed()
        };
        // The best of twenty runs, because other tests run beside it. Without optimisation it takes ten
        // times as long.
        let best = (0..20).map(|_| ask()).min().expect("twenty");
        let allowed = if cfg!(debug_assertions) {
            Duration::from_millis(100)
        } else {
            Duration::from_millis(10)
        };
        assert!(best < allowed, "{best:?} for ten thousand");
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_certificate_have_no_names_and_do_no_harm(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            at in any::<prop::sample::Index>(),
            byte: u8,
        ) {
            SubjectNames::of(&bytes);
            let mut der = certificate(["localhost".to_owned()]);
            let at = at.index(der.len());
            der[at] = byte;
            SubjectNames::of(&der);
            SubjectNames::of(&der[..at]);
        }
    }
}
