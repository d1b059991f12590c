//! Counts and samples of requests, besides their lines.
//!
//! ```text
//!  all requests have an entry      lines in a file, lines that somebody reads, or counts for a scraper
//!  some have one                   a panel alone: durations are sampled, so many a second
//!  none has one                    neither
//! ```
//!
//! Counts that were not asked for yet rest: a panel's listener has metrics too, and most panels never meet a
//! Prometheus.

use super::AccessLog;
use crate::telemetry::metrics::RequestCounts;
#[cfg(feature = "panel")]
use crate::telemetry::metrics::requests::new_durations;
#[cfg(feature = "panel")]
use crate::telemetry::metrics::{Histogram, requests::STATUS_CLASSES};

/// Counts of requests by their labels.
#[derive(Default)]
pub(super) enum Counting {
    /// None are wanted.
    #[default]
    Off,
    /// They were not asked for yet.
    #[cfg(feature = "panel")]
    Resting(Box<RequestCounts>),
    /// Each request is counted.
    On(Box<RequestCounts>),
}

impl Counting {
    fn counts_mut(&mut self) -> Option<&mut RequestCounts> {
        match self {
            Counting::Off => None,
            #[cfg(feature = "panel")]
            Counting::Resting(counts) => Some(counts),
            Counting::On(counts) => Some(counts),
        }
    }
}

/// Requests whose durations are measured in a second, about. The 99th percentile of ten seconds is then that of
/// 2,560 requests.
#[cfg(feature = "panel")]
const WANTED: u64 = 256;

/// The most requests whose durations are measured in a second, where there are suddenly more than in the one before.
#[cfg(feature = "panel")]
const MOST: u32 = 512;

/// Samples of requests: the durations of some, bounded by the second, and the classes of all.
#[cfg(feature = "panel")]
pub(super) struct Samples {
    /// Requests that have ended, by class of status: none, then 1xx to 5xx.
    classes: [u64; STATUS_CLASSES],
    durations: Histogram,
    /// Requests that were chosen in this second.
    chosen: u32,
    /// Requests from one that is chosen to the next, about.
    gap: u64,
    /// Chooses among them, so that no pattern of a client is met again and again.
    seed: u32,
    /// Requests up to the beginning of this second.
    before: u64,
}

#[cfg(feature = "panel")]
impl Samples {
    pub(super) fn new() -> Self {
        Samples {
            classes: [0; STATUS_CLASSES],
            durations: new_durations(),
            chosen: 0,
            gap: 1,
            seed: 1,
            before: 0,
        }
    }

    /// Counts a request that has ended with this status.
    #[inline]
    pub(super) fn count(&mut self, status: u16) {
        let place = usize::from(status / 100);
        match self.classes.get_mut(place) {
            Some(count) => *count += 1,
            None => self.classes[0] += 1,
        }
    }

    /// The number of the request that is chosen next, behind this one.
    fn next(&mut self, request: u64) -> u64 {
        self.chosen += 1;
        if self.chosen >= MOST {
            return u64::MAX;
        }
        // A generator of Knuth's: its upper bits are as good as a sample needs.
        self.seed = self
            .seed
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let spread = (u64::from(self.seed >> 8) * self.gap) >> 23;
        request + spread.max(1)
    }

    /// A second is over; returns the number of the request that is chosen next.
    fn begin_second(&mut self, requests: u64) -> u64 {
        self.gap = ((requests - self.before) / WANTED).max(1);
        self.before = requests;
        self.chosen = 0;
        self.next(requests)
    }
}

impl AccessLog {
    /// Counts requests as well.
    pub fn counting(mut self, counts: RequestCounts) -> Self {
        self.counts = Counting::On(Box::new(counts));
        self
    }

    /// Counts requests once the counts are asked for.
    #[cfg(feature = "panel")]
    pub fn counting_later(mut self, counts: RequestCounts) -> Self {
        self.counts = Counting::Resting(Box::new(counts));
        self
    }

    /// Counts each request from now on, because the counts were asked for.
    #[cfg(feature = "panel")]
    pub(crate) fn begin_counting(&mut self) {
        self.counts = match std::mem::take(&mut self.counts) {
            Counting::Resting(counts) => Counting::On(counts),
            counts => counts,
        };
    }

    /// The numbers by which requests for these hosts are counted from now on; none where nothing is counted.
    pub(crate) fn follow_hosts(&mut self, names: impl FnOnce() -> Vec<String>) -> Vec<u16> {
        let counts = self.counts.counts_mut();
        counts
            .map(|counts| counts.follow_hosts(names()))
            .unwrap_or_default()
    }

    /// The counts of requests that have ended.
    pub(crate) fn counts(&self) -> Option<&RequestCounts> {
        match &self.counts {
            Counting::On(counts) => Some(counts),
            _ => None,
        }
    }

    /// True if every request has an entry.
    #[cfg(feature = "panel")]
    pub(crate) fn wants_all(&self) -> bool {
        matches!(self.counts, Counting::On(_)) || self.has_lines()
    }

    /// The number of the request that has the next entry, behind this one which has one.
    pub(crate) fn next_told(&mut self, request: u64) -> u64 {
        #[cfg(feature = "panel")]
        if !self.wants_all() {
            let samples = self.samples.as_mut();
            return samples.map_or(u64::MAX, |samples| samples.next(request));
        }
        let _ = request;
        0
    }

    /// Counts a request that has no entry.
    #[inline]
    pub(crate) fn count_untold(&mut self, status: u16) {
        #[cfg(feature = "panel")]
        if let Some(samples) = &mut self.samples {
            samples.count(status);
        }
        let _ = status;
    }
}

#[cfg(feature = "panel")]
impl AccessLog {
    /// Samples requests for a panel.
    pub fn sampling(mut self) -> Self {
        self.samples = Some(Box::new(Samples::new()));
        self
    }

    /// True if requests without an entry are counted, so that answers of the server's own need a mark.
    pub(crate) fn is_sampling(&self) -> bool {
        self.samples.is_some()
    }

    /// A second with requests up to this number is over: the number of the request that has the next entry.
    pub(crate) fn begin_second(&mut self, requests: u64) -> u64 {
        let all = self.wants_all();
        let samples = self.samples.as_mut();
        let next = samples.map_or(u64::MAX, |samples| samples.begin_second(requests));
        if all { 0 } else { next }
    }

    /// Requests that have ended, by class of status: 1xx to 5xx, and those that were given up before their response
    /// began.
    pub(crate) fn classes(&self) -> [u64; STATUS_CLASSES] {
        let samples = self.samples.as_ref();
        let mut classes = samples.map_or([0; STATUS_CLASSES], |samples| samples.classes);
        classes.rotate_left(1);
        classes
    }

    /// Durations of requests: of all while all are counted, else of the samples.
    pub(crate) fn durations(&self) -> Histogram {
        let samples = self.samples.as_ref();
        let mut durations = samples.map_or_else(new_durations, |samples| samples.durations.clone());
        if let Some(counts) = self.counts() {
            durations.merge(&counts.durations());
        }
        durations
    }

    /// Counts a request of this status, with its duration where no other count has that.
    pub(super) fn sample(&mut self, status: u16, elapsed: std::time::Duration) {
        let is_counted = matches!(self.counts, Counting::On(_));
        if let Some(samples) = &mut self.samples {
            samples.count(status);
            if !is_counted {
                samples.durations.add(elapsed);
            }
        }
    }
}

#[cfg(all(test, feature = "panel"))]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_second_are_bounded_however_many_requests_it_has() {
        let mut samples = Samples::new();
        let (mut request, mut next) = (0, samples.begin_second(0));
        for (requests, most) in [(100, 100), (1_000_000, MOST), (1_000_000, MOST)] {
            let mut chosen = 0;
            for _ in 0..requests {
                request += 1;
                if request >= next {
                    chosen += 1;
                    next = samples.next(request);
                }
            }
            assert!(chosen > 0 && chosen <= most, "{chosen} of {requests}");
            next = samples.begin_second(request);
        }
        samples.begin_second(request + 10);
        assert_eq!(
            samples.gap, 1,
            "behind a second of ten requests all are looked at"
        );
    }

    #[test]
    fn of_a_steady_load_about_as_many_as_are_wanted_are_chosen_all_over_the_second() {
        let mut samples = Samples::new();
        samples.begin_second(0);
        let mut next = samples.begin_second(100_000);
        let chosen: Vec<u64> = (100_001..200_000)
            .filter(|request| {
                let is_chosen = *request >= next;
                if is_chosen {
                    next = samples.next(*request);
                }
                is_chosen
            })
            .collect();
        assert!((200..320).contains(&chosen.len()), "{}", chosen.len());
        assert!(chosen.last().is_some_and(|last| *last > 190_000));
        let streams: std::collections::HashSet<u64> = chosen.iter().map(|it| it % 32).collect();
        assert!(
            streams.len() > 28,
            "no pattern of 32 is met again and again"
        );
    }

    #[test]
    fn every_status_has_one_class() {
        let mut log = AccessLog::without_lines().sampling();
        for status in [0, 100, 204, 200, 404, 599, 999] {
            log.count_untold(status);
        }
        assert_eq!(log.classes(), [1, 2, 0, 1, 1, 2]);
    }
}
