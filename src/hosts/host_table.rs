//! A table by the names of hosts.
//!
//! Whole names go first, then the longest name that has the host beneath it. Finding
//! a host costs one hash of its name, and one more for each label where wildcards are configured, whatever
//! the number of hosts.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use super::host_name::{HostName, HostPattern};

/// Names of hosts, each with a value.
#[derive(Clone, Debug)]
pub struct HostTable<V> {
    exact: HashMap<Box<[u8]>, V, RandomState>,
    /// By the name that they are beneath, with a dot before it.
    beneath: HashMap<Box<[u8]>, V, RandomState>,
}

impl<V> Default for HostTable<V> {
    fn default() -> Self {
        HostTable {
            exact: HashMap::default(),
            beneath: HashMap::default(),
        }
    }
}

impl<V: Copy> HostTable<V> {
    /// Enters the value of a pattern. The first value that a pattern has stays.
    pub fn add(&mut self, pattern: &HostPattern, value: V) {
        let (table, name) = match pattern {
            HostPattern::Exact(name) => (&mut self.exact, name),
            HostPattern::Beneath(suffix) => (&mut self.beneath, suffix),
        };
        table.entry(name.clone()).or_insert(value);
    }

    /// The value of a pattern that was entered.
    pub fn value(&self, pattern: &HostPattern) -> Option<V> {
        let (table, name) = match pattern {
            HostPattern::Exact(name) => (&self.exact, name),
            HostPattern::Beneath(suffix) => (&self.beneath, suffix),
        };
        table.get(name).copied()
    }

    /// The value for the host of an authority; `None` for one that has no entry.
    pub fn find(&self, authority: &[u8]) -> Option<V> {
        let host = HostName::of(authority)?;
        let name = host.as_bytes();
        if let Some(found) = self.exact.get(name) {
            return Some(*found);
        }
        if self.beneath.is_empty() {
            return None;
        }
        // The first dot leaves the longest name.
        let dots = name.iter().enumerate().filter(|(_, byte)| **byte == b'.');
        let mut suffixes = dots.filter_map(|(at, _)| name.get(at..).filter(|_| at > 0));
        suffixes.find_map(|suffix| self.beneath.get(suffix).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[(&str, u32)]) -> HostTable<u32> {
        let mut table = HostTable::default();
        for (name, host) in names {
            table.add(&HostPattern::parse(name).unwrap(), *host);
        }
        table
    }

    #[test]
    fn hosts_are_found_as_hosts_are_compared() {
        let table = table(&[
            ("a.test", 1),
            ("*.a.test", 2),
            ("*.b.a.test", 3),
            ("c.b.a.test", 4),
            ("::1", 5),
            ("127.0.0.1", 6),
            ("xn--bcher-kva.test", 7),
            ("*.co.test", 8),
            ("localhost", 9),
        ]);
        for (authority, host) in [
            ("a.test", Some(1)),
            ("A.TEST", Some(1)),
            ("a.test.", Some(1)),
            ("a.test:8443", Some(1)),
            ("A.test.:1", Some(1)),
            ("x.a.test", Some(2)),
            ("x.y.a.test", Some(2)),
            ("X.Y.a.test.", Some(2)),
            ("b.a.test", Some(2)),
            ("x.b.a.test", Some(3)),
            ("x.y.b.a.test:80", Some(3)),
            ("c.b.a.test", Some(4)),
            ("x.c.b.a.test", Some(3)),
            ("xa.test", None),
            ("xa.test.a", None),
            ("test", None),
            (".a.test", None),
            ("co.test", None),
            ("x.co.test", Some(8)),
            ("[::1]:80", Some(5)),
            ("[0:0::1]", Some(5)),
            ("[::2]", None),
            ("::1", None),
            ("127.0.0.1:8080", Some(6)),
            ("127.0.0.2", None),
            ("XN--BCHER-KVA.test", Some(7)),
            ("localhost:1", Some(9)),
            ("localhost.localdomain", None),
            ("", None),
            ("[", None),
        ] {
            assert_eq!(table.find(authority.as_bytes()), host, "{authority}");
        }
    }

    #[test]
    fn the_first_host_keeps_a_name_that_two_have() {
        let table = table(&[("a.test", 1), ("A.test.", 2)]);
        assert_eq!(table.find(b"a.test"), Some(1));
    }
}
