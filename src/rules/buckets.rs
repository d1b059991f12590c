//! Rates by address: a bucket of tokens for each, in a table with a bound.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The most addresses of a generation. Two generations of 40 bytes an address are 640 KiB at most.
const MOST_ADDRESSES: usize = 8192;

/// Buckets that are filled at a rate.
#[derive(Debug)]
pub(crate) struct AddressBuckets {
    per_second: f64,
    burst: f64,
    buckets: AddressTable<Bucket>,
}

/// Values by network, in a table with a bound.
#[derive(Debug)]
pub(super) struct AddressTable<T> {
    /// Values that were used lately.
    young: HashMap<u128, T>,
    /// Values of the generation before. They are forgotten when the young ones fill the table: an address
    /// that is back after so many others has waited long enough.
    old: HashMap<u128, T>,
}

impl<T> Default for AddressTable<T> {
    fn default() -> Self {
        AddressTable {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }
}

impl<T: Copy> AddressTable<T> {
    /// The value of an address; a new one where it has none.
    pub fn entry(&mut self, address: IpAddr, new: T) -> &mut T {
        let network = network(address);
        if !self.young.contains_key(&network) && self.young.len() >= MOST_ADDRESSES {
            self.old = std::mem::take(&mut self.young);
        }
        let known = self.old.get(&network).copied().unwrap_or(new);
        self.young.entry(network).or_insert(known)
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl AddressBuckets {
    pub fn new(per_second: f64, burst: f64) -> Self {
        AddressBuckets {
            per_second,
            burst,
            buckets: AddressTable::default(),
        }
    }

    /// True if both are filled at one rate.
    pub fn is_alike(&self, other: &Self) -> bool {
        self.per_second == other.per_second && self.burst == other.burst
    }

    /// Takes a token of the address, or tells the time until there is one.
    pub fn take(&mut self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let (per_second, burst) = (self.per_second, self.burst);
        let bucket = self.bucket(address, now);
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * per_second).min(burst);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / per_second))
    }

    /// Gives a token back that was taken for nothing.
    pub fn give_back(&mut self, address: IpAddr, now: Instant) {
        let burst = self.burst;
        let bucket = self.bucket(address, now);
        bucket.tokens = (bucket.tokens + 1.0).min(burst);
    }

    fn bucket(&mut self, address: IpAddr, now: Instant) -> &mut Bucket {
        let full = Bucket {
            tokens: self.burst,
            at: now,
        };
        self.buckets.entry(address, full)
    }
}

/// The network that is counted as one: an IPv4 address, or the /64 that an IPv6 site has to itself.
fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_burst_and_then_its_rate() {
        let mut buckets = AddressBuckets::new(2.0, 3.0);
        let now = Instant::now();
        let a = address("10.0.0.1");
        for _ in 0..3 {
            assert_eq!(buckets.take(a, now), Ok(()));
        }
        assert_eq!(buckets.take(a, now), Err(Duration::from_millis(500)));
        // Another address has its own, a mapped one is the same.
        assert_eq!(buckets.take(address("10.0.0.2"), now), Ok(()));
        assert!(buckets.take(address("::ffff:10.0.0.1"), now).is_err());
        let later = now + Duration::from_millis(500);
        assert_eq!(buckets.take(a, later), Ok(()));
        assert!(buckets.take(a, later).is_err());
        buckets.give_back(a, later);
        assert_eq!(buckets.take(a, later), Ok(()));
        // Nobody saves up more than the burst, and a clock that stands still is no fault.
        let much_later = now + Duration::from_secs(3600);
        let taken = (0..9)
            .filter(|_| buckets.take(a, much_later).is_ok())
            .count();
        assert_eq!(taken, 3);
        assert!(buckets.take(a, now).is_err());
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_the_table_has_a_bound() {
        let mut buckets = AddressBuckets::new(1.0, 1.0);
        let now = Instant::now();
        assert!(buckets.take(address("2001:db8::1"), now).is_ok());
        assert!(buckets.take(address("2001:db8::ffff:1"), now).is_err());
        assert!(buckets.take(address("2001:db8:0:1::1"), now).is_ok());
        for n in 0..3 * MOST_ADDRESSES as u32 {
            let _ = buckets.take(IpAddr::V4(n.into()), now);
        }
        assert!(buckets.buckets.young.len() + buckets.buckets.old.len() <= 2 * MOST_ADDRESSES);
    }
}
