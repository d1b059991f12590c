//! The age at which connections end, so that clients and balancers spread anew over the servers there are.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// The part of the age that is left to chance: a fifth, so that connections that were opened together, behind a
/// restart, do not all end together.
const SPREAD: u32 = 5;

/// The oldest that a connection becomes, with the chance that ends it earlier.
pub(super) struct ConnectionAge {
    most: Duration,
    random: u64,
}

impl ConnectionAge {
    /// Ends for connections of this age; none where it is zero.
    pub(super) fn new(most: Duration) -> Option<Self> {
        (!most.is_zero()).then(|| ConnectionAge {
            most,
            // Zero is the one number that the generator below cannot leave.
            random: RandomState::new().hash_one(0) | 1,
        })
    }

    /// The time at which a connection that begins now has grown old.
    pub(super) fn end(&mut self, now: Instant) -> Instant {
        // Marsaglia's xorshift: nobody gains anything by guessing it.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // The upper half of the bits is below 2^32.
        let chance = (self.random >> 32) as u32;
        let spread = self.most / SPREAD;
        let less = spread.as_secs_f64() * f64::from(chance) / f64::from(u32::MAX);
        now + self.most.saturating_sub(Duration::from_secs_f64(less))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_spread_over_the_last_fifth_of_the_age() {
        let most = Duration::from_secs(100);
        let mut age = ConnectionAge::new(most).unwrap();
        let now = Instant::now();
        let ages: Vec<_> = (0..1000).map(|_| age.end(now) - now).collect();
        let (least, greatest) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
        assert!(*least >= Duration::from_secs(80) && *greatest <= most);
        assert!(
            *greatest - *least > Duration::from_secs(15),
            "{least:?} {greatest:?}"
        );
        let early = ages
            .iter()
            .filter(|age| **age < Duration::from_secs(90))
            .count();
        assert!(
            (400..600).contains(&early),
            "{early} of 1000 in the first half"
        );
    }

    #[test]
    fn no_age_is_no_end() {
        assert!(ConnectionAge::new(Duration::ZERO).is_none());
    }
}
