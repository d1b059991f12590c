//! The text of metrics, in the two forms that Prometheus reads.
//!
//! ```text
//! # HELP calmd_http_requests_total Requests that have ended.      OpenMetrics 1.0 has no _total here
//! # TYPE calmd_http_requests_total counter
//! calmd_http_requests_total{protocol="h2",status="2xx"} 17
//! # EOF                                                           in OpenMetrics alone
//! ```
//!
//! Prometheus drops a whole scrape for one wrong label or line end, and keeps the first of two equal series
//! without a word. So lines end with LF alone, and debug builds refuse a series that was there before.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use super::Histogram;

/// A form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// Prometheus' own, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl TextFormat {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            TextFormat::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            TextFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The form that a client prefers by its `Accept` field: OpenMetrics where that is named and no less
    /// welcome than plain text.
    pub fn preferred(accept: &[u8]) -> TextFormat {
        let accept = String::from_utf8_lossy(accept).to_ascii_lowercase();
        let (mut open, mut plain) = (0, 0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            let (mut version, mut weight) = ("1.0.0", 1000);
            for parameter in parts {
                match parameter.split_once('=') {
                    Some(("version", value)) => version = value.trim_matches('"'),
                    Some(("q", value)) => weight = thousandths(value),
                    _ => {}
                }
            }
            match media_type {
                "application/openmetrics-text" if version == "1.0.0" => open = open.max(weight),
                "text/plain" | "text/*" | "*/*" => plain = plain.max(weight),
                _ => {}
            }
        }
        if open > 0 && open >= plain {
            TextFormat::OpenMetrics
        } else {
            TextFormat::Prometheus
        }
    }
}

/// A weight of `Accept` in thousandths; 0 for what is none.
fn thousandths(weight: &str) -> u32 {
    let weight = weight.parse::<f32>().unwrap_or(0.0);
    (weight.clamp(0.0, 1.0) * 1000.0) as u32
}

/// The kind of a family of series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// A number that only grows; the family's name has no `_total`, which its series add.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Durations by size.
    Histogram,
}

impl FamilyKind {
    fn name(self) -> &'static str {
        match self {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
        }
    }
}

/// Labels of a series: names, and values of any text.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// The value of a series.
#[derive(Clone, Copy, Debug)]
pub enum SampleValue {
    /// A whole number.
    Whole(u64),
    /// A duration, in seconds.
    Seconds(Duration),
}

impl From<u64> for SampleValue {
    fn from(value: u64) -> Self {
        SampleValue::Whole(value)
    }
}

impl From<usize> for SampleValue {
    fn from(value: usize) -> Self {
        SampleValue::Whole(value as u64)
    }
}

impl From<u32> for SampleValue {
    fn from(value: u32) -> Self {
        SampleValue::Whole(value.into())
    }
}

impl From<Duration> for SampleValue {
    fn from(value: Duration) -> Self {
        SampleValue::Seconds(value)
    }
}

impl Display for SampleValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SampleValue::Whole(value) => value.fmt(f),
            SampleValue::Seconds(value) => {
                write!(f, "{}.{:09}", value.as_secs(), value.subsec_nanos())
            }
        }
    }
}

/// The text of metrics that is being written: one family after another.
pub struct Exposition {
    format: TextFormat,
    text: String,
    name: &'static str,
    kind: FamilyKind,
    #[cfg(debug_assertions)]
    series: std::collections::HashSet<String>,
}

impl Exposition {
    /// An empty text.
    pub fn new(format: TextFormat) -> Self {
        Exposition {
            format,
            text: String::new(),
            name: "",
            kind: FamilyKind::Gauge,
            #[cfg(debug_assertions)]
            series: std::collections::HashSet::new(),
        }
    }

    /// Begins a family: the series that follow are its own. The help is one line.
    pub fn family(&mut self, kind: FamilyKind, name: &'static str, help: &str) {
        (self.name, self.kind) = (name, kind);
        let suffix = match (self.format, kind) {
            (TextFormat::Prometheus, FamilyKind::Counter) => "_total",
            _ => "",
        };
        let kind = kind.name();
        // Writing to memory cannot fail.
        let _ = write!(
            self.text,
            "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"
        );
    }

    /// A family with one series.
    pub fn single(
        &mut self,
        kind: FamilyKind,
        name: &'static str,
        help: &str,
        value: impl Into<SampleValue>,
    ) {
        self.family(kind, name, help);
        self.add(&[], value);
    }

    /// Adds a series of the family.
    pub fn add(&mut self, labels: Labels<'_>, value: impl Into<SampleValue>) {
        let suffix = match self.kind {
            FamilyKind::Counter => "_total",
            FamilyKind::Gauge | FamilyKind::Histogram => "",
        };
        self.series(suffix, labels, None, value.into());
    }

    /// Adds the series of a histogram.
    pub fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        for (bound, count) in histogram.cumulative() {
            let bound = SecondsBound(bound).to_string();
            self.series("_bucket", labels, Some(&bound), count.into());
        }
        let count = histogram.count();
        self.series("_bucket", labels, Some("+Inf"), count.into());
        self.series("_sum", labels, None, histogram.sum().into());
        self.series("_count", labels, None, count.into());
    }

    fn series(&mut self, suffix: &str, labels: Labels<'_>, le: Option<&str>, value: SampleValue) {
        let start = self.text.len();
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let bound = le.map(|bound| ("le", bound));
        let mut before = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            self.text.push(before);
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.push_escaped(value);
            self.text.push('"');
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        #[cfg(debug_assertions)]
        {
            let series = self.text.get(start..).unwrap_or_default();
            assert!(self.series.insert(series.into()), "{series} is there twice");
        }
        #[cfg(not(debug_assertions))]
        let _ = start;
        // Writing to memory cannot fail.
        let _ = writeln!(self.text, " {value}");
    }

    fn push_escaped(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        if self.format == TextFormat::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// A bound in microseconds, written in seconds as OpenMetrics has it: with a point, and no zeros behind.
struct SecondsBound(u64);

impl Display for SecondsBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let digits = format!("{micros:06}");
        let digits = digits.trim_end_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        write!(f, "{seconds}.{digits}")
    }
}

#[cfg(test)]
mod tests;
