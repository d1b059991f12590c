//! Rules for addresses: those that may, and how often.

use std::time::{Duration, Instant};

use super::Visit;
use super::buckets::AddressBuckets;
use super::path_glob::PathGlob;
use crate::world::{Peer, PeerSet};

/// Paths, and the addresses that may have them or may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRule {
    /// The paths.
    pub path: PathGlob,
    /// The addresses.
    pub from: PeerSet,
}

/// Addresses that are let through and those that are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressRules {
    /// Each that matches a path lets its addresses through, and no others.
    pub allow: Vec<AddressRule>,
    /// Each that matches a path keeps its addresses out.
    pub deny: Vec<AddressRule>,
}

impl AddressRules {
    /// True if there is no rule.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// True if the peer may have the path: no rule keeps it out, and all that are for the path let it in.
    pub(super) fn admit(&self, path: &[u8], peer: Peer) -> bool {
        let of_path = |rule: &&AddressRule| rule.path.matches(path);
        let has_peer = |rule: &AddressRule| rule.from.contains(peer);
        let is_denied = self.deny.iter().filter(of_path).any(has_peer);
        !is_denied && self.allow.iter().filter(of_path).all(has_peer)
    }
}

/// A limit of the requests of each address.
#[derive(Clone, Debug, PartialEq)]
pub struct RateRule {
    /// The paths whose requests count.
    pub path: PathGlob,
    /// Requests in a second.
    pub per_second: f64,
    /// Requests that may come at once.
    pub burst: u32,
}

impl RateRule {
    /// Reads a rate: `50/s`, `600/m`, `1000/h`.
    pub fn parse_rate(text: &str) -> Result<f64, String> {
        let wrong = || format!("write a rate such as 50/s, 600/m or 1000/h, not '{text}'");
        let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
        let number: u32 = number.trim().parse().map_err(|_| wrong())?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        if number == 0 {
            return Err("a rate of nothing refuses all; write a 'deny' instead".into());
        }
        Ok(f64::from(number) / seconds)
    }
}

/// The limits of a host, and what each address has used of them.
#[derive(Debug, Default)]
pub(super) struct RateLimits(Vec<(PathGlob, AddressBuckets)>);

impl RateLimits {
    pub fn new(rules: &[RateRule]) -> Self {
        let buckets = |rule: &RateRule| {
            let buckets = AddressBuckets::new(rule.per_second, f64::from(rule.burst.max(1)));
            (rule.path.clone(), buckets)
        };
        RateLimits(rules.iter().map(buckets).collect())
    }

    /// The paths that are limited.
    pub fn paths(&self) -> impl Iterator<Item = &PathGlob> {
        self.0.iter().map(|(path, _)| path)
    }

    /// Goes on with the counts of limits that are the same in `former`.
    pub fn follow(&mut self, former: RateLimits) {
        let mut former = former.0;
        for (path, buckets) in &mut self.0 {
            let mut known = former.iter();
            let known = known.position(|(of, old)| of == path && old.is_alike(buckets));
            if let Some(at) = known {
                *buckets = former.swap_remove(at).1;
            }
        }
    }

    /// Counts a request against all limits of its path; tells the time to wait where one is used up.
    /// Clients of a Unix socket have no address, and are not counted.
    pub fn count(&mut self, visit: &Visit<'_>, now: Instant) -> Result<(), Duration> {
        let Peer::Ip(address) = visit.request.peer else {
            return Ok(());
        };
        for (path, buckets) in &mut self.0 {
            if path.matches(visit.path) {
                buckets.take(address, now)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, from: &[&str]) -> AddressRule {
        let mut peers = PeerSet::default();
        for text in from {
            peers.add(text).unwrap();
        }
        AddressRule {
            path: PathGlob::parse(path).unwrap(),
            from: peers,
        }
    }

    #[test]
    fn all_rules_of_a_path_have_to_let_an_address_in() {
        let rules = AddressRules {
            allow: vec![
                rule("/intern/**", &["10.0.0.0/8", "127.0.0.2"]),
                rule("/intern/pay/**", &["10.1.0.0/16"]),
            ],
            deny: vec![rule("/**", &["10.1.9.0/24"])],
        };
        for (path, peer, is_let) in [
            ("/", "1.2.3.4", true),
            ("/", "10.1.9.1", false),
            ("/intern", "1.2.3.4", false),
            ("/intern/x", "127.0.0.2", true),
            ("/intern/x", "10.2.0.1", true),
            ("/intern/pay/x", "10.2.0.1", false),
            ("/intern/pay/x", "10.1.0.1", true),
            ("/intern/pay/x", "10.1.9.1", false),
        ] {
            let peer = Peer::Ip(peer.parse().unwrap());
            assert_eq!(rules.admit(path.as_bytes(), peer), is_let, "{path} {peer}");
        }
        assert!(!rules.admit(b"/intern/x", Peer::Unix));
    }

    #[test]
    fn rates_have_a_number_and_a_unit() {
        assert_eq!(RateRule::parse_rate("50/s"), Ok(50.0));
        assert_eq!(RateRule::parse_rate("120/m"), Ok(2.0));
        assert_eq!(RateRule::parse_rate("3600 / h"), Ok(1.0));
        for text in ["", "50", "50/", "50/d", "x/s", "-1/s", "0/s", "1.5/s"] {
            assert!(RateRule::parse_rate(text).is_err(), "{text}");
        }
    }
}
