//! `-n COUNT -m STREAMS`: the same request many times over, and how that went.

use super::error::Error;
use super::request::Fetch;
use super::requests::{Requests, Responses};
use super::style::size;
use super::upload::Upload;
use super::{Client, Load};
use crate::http::Fields;
use crate::world::World;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

/// Repeats the request for every URL and prints a summary of each.
pub fn run<W: World>(
    client: &mut Client<'_, W>,
    load: Load,
    source: Option<&Upload>,
) -> Result<(), Error> {
    for url in &client.options.urls {
        let request = Fetch::new(client.options, url.clone(), source);
        let mut requests = Requests::new(&request, load.count, load.streams, Tally::default());
        let start = client.world.now();
        let done = client.perform(&request.url, &mut requests);
        let elapsed = client.world.now().saturating_duration_since(start);
        let tally = requests.into_responses();
        if tally.latencies.count > 0 {
            let summary = tally.summary(elapsed);
            let written = io::stdout().write_all(summary.as_bytes());
            written.map_err(|error| Error::Output(None, error))?;
        }
        done?;
        let errors = tally.errors();
        if let Some(error) = tally.last_error {
            return Err(Error::Incomplete(tally.failed, Box::new(error)));
        }
        if client.options.fail && errors > 0 {
            let count = tally.latencies.count;
            return Err(Error::Statuses(request.url.clone(), errors, count));
        }
    }
    Ok(())
}

/// Counts of the responses, without their content.
#[derive(Default)]
struct Tally {
    latencies: Latencies,
    statuses: BTreeMap<u16, u64>,
    bytes: u64,
    failed: u64,
    last_error: Option<Error>,
}

impl Tally {
    /// Responses with a status of 400 and above.
    fn errors(&self) -> u64 {
        self.statuses.range(400..).map(|(_, count)| count).sum()
    }

    fn summary(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64().max(1e-9);
        let count = self.latencies.count;
        let mut text = format!(
            "{count} requests in {seconds:.3} s: {:.0} requests/s, {} of content, {}/s\n",
            count as f64 / seconds,
            size(self.bytes as f64),
            size(self.bytes as f64 / seconds),
        );
        let latencies = &self.latencies;
        let _ = writeln!(
            text,
            "latency   min {}, median {}, p99 {}, max {}",
            milliseconds(latencies.min),
            milliseconds(latencies.quantile(0.5)),
            milliseconds(latencies.quantile(0.99)),
            milliseconds(latencies.max),
        );
        text.push_str("statuses  ");
        for (place, (status, count)) in self.statuses.iter().enumerate() {
            let separator = if place > 0 { ", " } else { "" };
            let _ = write!(text, "{separator}{status}: {count}");
        }
        if self.failed > 0 {
            let _ = write!(text, "; {} failed", self.failed);
        }
        text.push('\n');
        text
    }
}

fn milliseconds(micros: u64) -> String {
    format!("{:.3} ms", micros as f64 / 1000.0)
}

impl Responses for Tally {
    fn head(&mut self, fields: &Fields) -> Result<(), Error> {
        *self
            .statuses
            .entry(fields.status().unwrap_or(0))
            .or_default() += 1;
        Ok(())
    }

    fn data(&mut self, data: &[u8], _now: Instant) -> Result<(), Error> {
        self.bytes += data.len() as u64;
        Ok(())
    }

    fn finished(&mut self, latency: Duration) -> Result<(), Error> {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.record(micros);
        Ok(())
    }

    fn failed(&mut self, error: Error) -> Result<(), Error> {
        self.failed += 1;
        self.last_error = Some(error);
        Ok(())
    }
}

/// Buckets for each power of two: quantiles are exact to under 2 %.
const BUCKETS: u64 = 128;

/// Durations in microseconds, counted rather than kept: a million of them take no more memory than
/// ten.
#[derive(Default)]
struct Latencies {
    buckets: BTreeMap<u64, u64>,
    count: u64,
    min: u64,
    max: u64,
}

impl Latencies {
    fn record(&mut self, micros: u64) {
        self.min = match self.count {
            0 => micros,
            _ => self.min.min(micros),
        };
        self.max = self.max.max(micros);
        self.count += 1;
        *self.buckets.entry(bucket(micros)).or_default() += 1;
    }

    /// The duration that this share of all does not exceed.
    fn quantile(&self, share: f64) -> u64 {
        let rank = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        let at_rank = self.buckets.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        });
        at_rank.map_or(0, |(&micros, _)| micros.clamp(self.min, self.max))
    }
}

/// The least duration of the bucket that a duration falls into.
fn bucket(micros: u64) -> u64 {
    let step = (micros / BUCKETS).checked_next_power_of_two().unwrap_or(1);
    micros / step * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_two_percent() {
        let mut latencies = Latencies::default();
        for micros in (1..=100_000).rev() {
            latencies.record(micros);
        }
        assert_eq!((latencies.min, latencies.max), (1, 100_000));
        for (share, exact) in [(0.5, 50_000.0), (0.99, 99_000.0), (0.0001, 10.0)] {
            let found = latencies.quantile(share) as f64;
            assert!((found - exact).abs() / exact < 0.02, "{share}: {found}");
        }
        assert!(latencies.buckets.len() < 2_000);
    }
}
