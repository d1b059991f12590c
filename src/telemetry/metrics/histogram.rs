//! Histograms of durations.

use std::time::Duration;

/// The most bounds that a histogram has.
const MOST_BOUNDS: usize = 16;

/// Durations, counted by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// The upper bounds, in microseconds, smallest first.
    bounds: &'static [u64],
    /// Counts of durations up to each bound and above the one before; the last counts those above all.
    counts: [u64; MOST_BOUNDS + 1],
    sum: Duration,
}

impl Histogram {
    /// An empty histogram with these upper bounds, in microseconds.
    pub fn new(bounds: &'static [u64]) -> Self {
        debug_assert!(bounds.len() <= MOST_BOUNDS && bounds.is_sorted());
        Histogram {
            bounds,
            counts: [0; MOST_BOUNDS + 1],
            sum: Duration::ZERO,
        }
    }

    /// Adds a duration.
    pub fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let exact = duration.subsec_nanos() % 1000;
        // A duration belongs to the first bound that it does not exceed.
        let is_below = |&bound: &u64| bound < micros || (bound == micros && exact > 0);
        let place = self.bounds.partition_point(is_below);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(duration);
    }

    /// The bounds in microseconds, each with the number of durations up to it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let sums = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds.iter().copied().zip(sums)
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds the durations of another histogram with the same bounds.
    #[cfg(feature = "panel")]
    pub fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// The durations that were added since the histogram was this one.
    #[cfg(feature = "panel")]
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let mut since = self.clone();
        for (count, before) in since.counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(before);
        }
        since.sum = self.sum.saturating_sub(earlier.sum);
        since
    }

    /// The duration that this share of all does not exceed, as if those between two bounds were spread evenly;
    /// zero without any, and the last bound for those above it.
    #[cfg(feature = "panel")]
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = self.count() as f64 * share;
        let (mut below, mut bound_below) = (0.0, 0);
        for (&bound, &count) in self.bounds.iter().zip(&self.counts) {
            let count = count as f64;
            if count > 0.0 && below + count >= wanted {
                let part = (wanted - below) / count;
                let micros = bound_below as f64 + (bound - bound_below) as f64 * part;
                return Duration::from_nanos((micros * 1e3) as u64);
            }
            below += count;
            bound_below = bound;
        }
        match self.count() {
            0 => Duration::ZERO,
            _ => Duration::from_micros(bound_below),
        }
    }

    /// All durations together.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_up_to_the_bound_that_they_do_not_exceed() {
        let mut histogram = Histogram::new(&[100, 1_000]);
        for nanos in [0, 99_999, 100_000, 100_001, 1_000_000, 1_000_001] {
            histogram.add(Duration::from_nanos(nanos));
        }
        let counts: Vec<_> = histogram.cumulative().collect();
        assert_eq!(counts, [(100, 3), (1_000, 5)]);
        assert_eq!(histogram.count(), 6);
        assert_eq!(histogram.sum(), Duration::from_nanos(2_300_001));
    }

    #[cfg(feature = "panel")]
    #[test]
    fn a_quantile_lies_between_the_bounds_of_its_durations() {
        let mut histogram = Histogram::new(&[100, 1_000]);
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        (0..90).for_each(|_| histogram.add(Duration::from_micros(50)));
        (0..10).for_each(|_| histogram.add(Duration::from_micros(500)));
        assert_eq!(histogram.quantile(0.45), Duration::from_micros(50));
        assert_eq!(histogram.quantile(0.95), Duration::from_micros(550));
        let before = histogram.clone();
        histogram.add(Duration::from_secs(9));
        assert_eq!(histogram.since(&before).count(), 1);
        assert_eq!(
            histogram.since(&before).quantile(0.5),
            Duration::from_millis(1)
        );
        histogram.merge(&before);
        assert_eq!(histogram.count(), 201);
    }
}
