//! The last ten minutes, a sample a second.
//!
//! A second in which the event loop slept needs no sample: nothing has happened. So the server is never
//! woken for one, and the seconds that are missing are put in when the next comes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::telemetry::metrics::Histogram;

/// Number of samples: ten minutes, of 64 bytes each.
const SAMPLES: usize = 600;

/// The time between two samples.
const STEP: Duration = Duration::from_secs(1);

/// Number of seconds that the present percentiles are taken of: few requests need some to show any.
const RECENT: usize = 10;

/// Classes of statuses: 1xx to 5xx, and none for requests that were given up before.
pub const CLASSES: usize = 6;

/// Everything that was counted up to a moment.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Requests that have ended, by class of status.
    pub classes: [u64; CLASSES],
    /// Their durations.
    pub durations: Histogram,
    /// Bytes from sockets.
    pub received: u64,
    /// Bytes to sockets.
    pub sent: u64,
    /// Limits that fired.
    pub limits: u64,
    /// Time in which the event loop worked.
    pub busy: Duration,
    /// Connections at the moment.
    pub connections: usize,
    /// Memory of all connections at the moment.
    pub memory: usize,
}

/// A second.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    classes: [u32; CLASSES],
    received: u64,
    sent: u64,
    limits: u32,
    p50: f32,
    p99: f32,
    busy: f32,
    connections: u32,
    memory: u64,
}

/// The samples.
#[derive(Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
    /// The number of the newest sample since the start.
    tick: u64,
    /// The time of the newest sample, and what was counted by then.
    last: Option<(Instant, Totals)>,
    /// Durations as they were counted up to each of the last seconds, the oldest first.
    recent: VecDeque<Histogram>,
}

/// Samples as columns, which are shorter than rows.
#[derive(Debug, Default, Serialize)]
pub(super) struct HistoryText {
    /// The number of the newest sample.
    tick: u64,
    step_ms: u64,
    requests: Vec<u32>,
    errors: Vec<u32>,
    received: Vec<u64>,
    sent: Vec<u64>,
    limits: Vec<u32>,
    p50_ms: Vec<f32>,
    p99_ms: Vec<f32>,
    busy: Vec<f32>,
    connections: Vec<u32>,
    memory: Vec<u64>,
}

/// The median and the 99th percentile of durations, in milliseconds.
fn latency_of(durations: &Histogram) -> (f32, f32) {
    let at = |share| durations.quantile(share).as_secs_f32() * 1e3;
    (at(0.5), at(0.99))
}

impl History {
    /// True if a sample is due.
    pub fn is_due(&self, now: Instant) -> bool {
        self.last
            .as_ref()
            .is_none_or(|(at, _)| now.saturating_duration_since(*at) >= STEP)
    }

    /// Takes a sample.
    pub fn add(&mut self, now: Instant, totals: Totals) {
        let Some((at, before)) = self.last.take() else {
            self.recent.push_back(totals.durations.clone());
            self.last = Some((now, totals));
            return;
        };
        let passed = now.saturating_duration_since(at);
        let steps = passed.as_millis() / STEP.as_millis();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        // The seconds before were slept through.
        let quiet = Sample {
            connections: u32::try_from(before.connections).unwrap_or(u32::MAX),
            memory: before.memory as u64,
            ..Sample::default()
        };
        for _ in 0..(steps.saturating_sub(1) as usize).min(SAMPLES) {
            self.push(quiet, before.durations.clone());
        }
        self.tick += u64::from(steps);
        let sample = Sample::between(&before, &totals);
        self.push(sample, totals.durations.clone());
        self.last = Some((at + STEP * steps, totals));
    }

    fn push(&mut self, sample: Sample, durations: Histogram) {
        if self.samples.len() >= SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(durations);
    }

    /// The number of the newest sample.
    pub(super) fn tick(&self) -> u64 {
        self.tick
    }

    /// The median and the 99th percentile of the last seconds, in milliseconds.
    pub fn latency(&self, present: &Histogram) -> (f32, f32) {
        match self.recent.front() {
            Some(before) => latency_of(&present.since(before)),
            None => (0.0, 0.0),
        }
    }

    /// The samples behind the one of this number, as columns.
    pub(super) fn since(&self, tick: u64) -> HistoryText {
        let wanted = usize::try_from(self.tick.saturating_sub(tick)).unwrap_or(SAMPLES);
        let skipped = self.samples.len().saturating_sub(wanted);
        let mut text = HistoryText {
            tick: self.tick,
            step_ms: STEP.as_millis() as u64,
            ..HistoryText::default()
        };
        for sample in self.samples.iter().skip(skipped) {
            text.requests.push(sample.classes.iter().sum());
            text.errors
                .push(sample.classes.get(4).copied().unwrap_or(0));
            text.received.push(sample.received);
            text.sent.push(sample.sent);
            text.limits.push(sample.limits);
            text.p50_ms.push(sample.p50);
            text.p99_ms.push(sample.p99);
            text.busy.push(sample.busy);
            text.connections.push(sample.connections);
            text.memory.push(sample.memory);
        }
        text
    }
}

impl Sample {
    /// The second between two counts.
    fn between(before: &Totals, after: &Totals) -> Self {
        let mut classes = [0; CLASSES];
        for ((count, before), after) in classes.iter_mut().zip(before.classes).zip(after.classes) {
            *count = u32::try_from(after - before).unwrap_or(u32::MAX);
        }
        let (p50, p99) = latency_of(&after.durations.since(&before.durations));
        let busy = after.busy.saturating_sub(before.busy);
        Sample {
            classes,
            received: after.received - before.received,
            sent: after.sent - before.sent,
            limits: u32::try_from(after.limits - before.limits).unwrap_or(u32::MAX),
            p50,
            p99,
            busy: busy.as_secs_f32().min(1.0),
            connections: u32::try_from(after.connections).unwrap_or(u32::MAX),
            memory: after.memory as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(requests: u64) -> Totals {
        let mut durations = Histogram::new(&[1_000, 10_000]);
        (0..requests).for_each(|_| durations.add(Duration::from_micros(500)));
        Totals {
            classes: [0, requests, 0, 0, 0, 0],
            durations,
            received: 10 * requests,
            sent: 100 * requests,
            limits: 0,
            busy: Duration::from_millis(10 * requests),
            connections: 3,
            memory: 4096,
        }
    }

    #[test]
    fn a_second_is_what_was_counted_in_it_and_quiet_ones_are_filled_in() {
        let (mut history, start) = (History::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(history.is_due(start));
        history.add(start, totals(5));
        assert_eq!(history.tick(), 0);
        assert!(!history.is_due(at(999)) && history.is_due(at(1000)));
        history.add(at(1010), totals(7));
        history.add(at(2000), totals(8));
        // It slept for three seconds, and woke up for a request.
        history.add(at(5001), totals(9));
        let text = history.since(0);
        assert_eq!(text.tick, 5);
        assert_eq!(text.requests, [2, 1, 0, 0, 1]);
        assert_eq!(text.sent, [200, 100, 0, 0, 100]);
        assert_eq!(text.connections, [3; 5]);
        assert_eq!(text.busy[0], 0.02);
        assert!(text.p99_ms[0] > 0.0 && text.p99_ms[2] == 0.0);
        let text = history.since(4);
        assert_eq!(text.requests, [1]);
        assert!(history.since(5).requests.is_empty());
    }

    #[test]
    fn ten_minutes_are_kept_however_long_it_runs_or_sleeps() {
        let (mut history, start) = (History::default(), Instant::now());
        for second in 0..2_000 {
            history.add(start + Duration::from_secs(second), totals(second));
        }
        assert_eq!(history.since(0).requests.len(), SAMPLES);
        let later = start + Duration::from_secs(1 << 30);
        history.add(later, totals(2_001));
        let text = history.since(0);
        assert_eq!(text.requests.len(), SAMPLES);
        assert_eq!(text.requests.last(), Some(&2));
        assert_eq!(text.tick, 1 << 30);
    }

    #[test]
    fn the_present_percentiles_are_those_of_the_last_seconds() {
        let (mut history, start) = (History::default(), Instant::now());
        assert_eq!(history.latency(&totals(3).durations), (0.0, 0.0));
        for second in 0..30 {
            history.add(start + Duration::from_secs(second), totals(second));
        }
        let (p50, p99) = history.latency(&totals(30).durations);
        assert!(p50 > 0.0 && p99 >= p50 && p99 <= 1.0, "{p50} {p99}");
        history.add(start + Duration::from_secs(30), totals(30));
        history.add(start + Duration::from_secs(90), totals(30));
        assert_eq!(history.latency(&totals(30).durations), (0.0, 0.0));
    }
}
