//! The parts of a server that count, where it has a listener for metrics.

use crate::config::{Config, NamedHost};
use crate::server::Metrics;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::{ProcessFigures, RequestCounts};
use crate::world::os::wall_clock;

/// The value of the label `host` where there is one host alone.
const ONLY_HOST: &str = "default";

/// The access log, if there is one, as one that counts requests where metrics are wanted.
pub(super) fn count_requests(config: &Config, log: Option<AccessLog>) -> Option<AccessLog> {
    if !config.wants_metrics() {
        return log;
    }
    let counts = RequestCounts::new(host_names(config));
    let log = log.unwrap_or_else(AccessLog::without_lines);
    #[cfg(feature = "panel")]
    if rests(config) {
        return Some(log.counting_later(counts));
    }
    Some(log.counting(counts))
}

/// True if counts wait until somebody asks for them: the panel's listener has them, and no other.
#[cfg(feature = "panel")]
fn rests(config: &Config) -> bool {
    config.metrics.is_empty()
}

/// The values of the label `host`, in the order of the hosts.
pub(super) fn host_names(config: &Config) -> Vec<String> {
    let name = |host: &NamedHost| host.names.first().map(ToString::to_string);
    let mut hosts: Vec<String> = config.hosts.iter().filter_map(name).collect();
    if hosts.is_empty() {
        hosts.push(ONLY_HOST.into());
    }
    hosts
}

/// Metrics of a server that begins now.
pub(super) fn open(config: &Config) -> Metrics {
    let metrics = Metrics::new(ProcessFigures::open(wall_clock()));
    #[cfg(feature = "panel")]
    if rests(config) {
        return metrics.resting();
    }
    let _ = config;
    metrics
}
