//! Figures of upstreams, for metrics: calls and losses that are counted, and the state at the moment.

use std::time::Duration;

use super::loss::UpstreamLoss;
use crate::telemetry::metrics::Histogram;
use crate::telemetry::metrics::exposition::{Exposition, FamilyKind, Labels};

/// Bounds of response times in microseconds: an application takes from some hundred microseconds to the time
/// that it is given.
const TIMES: &[u64] = &[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000, 60_000_000,
];

/// Calls to a server since the start.
#[derive(Clone, Debug)]
pub(super) struct CallCounts {
    answered: u64,
    /// By the places of [`UpstreamLoss::REASONS`].
    lost: [u64; UpstreamLoss::REASONS.len()],
    repeated: u64,
    times: Histogram,
}

impl CallCounts {
    pub(super) fn new() -> Self {
        CallCounts {
            answered: 0,
            lost: [0; UpstreamLoss::REASONS.len()],
            repeated: 0,
            times: Histogram::new(TIMES),
        }
    }

    /// Counts a call with a whole response, whose head took so long.
    pub(super) fn add_answer(&mut self, time: Option<Duration>) {
        self.answered += 1;
        if let Some(time) = time {
            self.times.add(time);
        }
    }

    /// Counts an attempt that was lost.
    pub(super) fn add_loss(&mut self, loss: UpstreamLoss) {
        let reason = loss.reason();
        let place = UpstreamLoss::REASONS.iter().position(|it| *it == reason);
        if let Some(count) = place.and_then(|place| self.lost.get_mut(place)) {
            *count += 1;
        }
    }

    /// Counts a call that begins anew.
    pub(super) fn add_repeat(&mut self) {
        self.repeated += 1;
    }
}

/// A server at a moment.
pub(super) struct ServerFigures {
    pub(super) name: String,
    /// True unless it is spared because it failed.
    pub(super) is_up: bool,
    /// Connections.
    pub(super) open: usize,
    /// Connections without a call.
    pub(super) idle: usize,
    /// Calls that are being carried.
    pub(super) active: usize,
    pub(super) counts: CallCounts,
}

/// An upstream at a moment.
pub(super) struct PoolFigures {
    pub(super) host: String,
    pub(super) mount: String,
    /// Calls that wait for a connection.
    pub(super) waiting: usize,
    /// Calls that have waited in vain, or were too many to wait.
    pub(super) unserved: u64,
    pub(super) servers: Vec<ServerFigures>,
}

/// Memory of upstream connections by its holder, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UpstreamBytes {
    /// Sessions of TLS, output and input that wait.
    pub(super) socket: usize,
    /// The connections themselves, and the state of their protocols.
    pub(super) protocol: usize,
    /// Responses that clients have not taken, and content that is kept for another attempt.
    pub(super) calls: usize,
}

/// All upstreams at a moment.
pub(in crate::server) struct UpstreamFigures {
    pub(super) pools: Vec<PoolFigures>,
    pub(super) held: UpstreamBytes,
    /// The most connections to one server.
    pub(super) most: usize,
}

impl UpstreamFigures {
    /// Writes all of it. The labels are those of the configuration alone.
    pub(in crate::server) fn write(&self, text: &mut Exposition) {
        self.write_state(text);
        self.write_calls(text);
        let UpstreamBytes {
            socket,
            protocol,
            calls,
        } = self.held;
        let held = "Memory of upstream connections by its holder.";
        text.family(FamilyKind::Gauge, "calmd_upstream_held_bytes", held);
        for (holder, bytes) in [("socket", socket), ("protocol", protocol), ("calls", calls)] {
            text.add(&[("holder", holder)], bytes);
        }
    }

    /// All of it for the panel: an upstream for each mount, with its servers.
    #[cfg(feature = "panel")]
    pub(in crate::server) fn json(&self) -> serde_json::Value {
        let pool = |pool: &PoolFigures| {
            let servers: Vec<_> = pool.servers.iter().map(ServerFigures::json).collect();
            serde_json::json!({
                "host": pool.host,
                "mount": pool.mount,
                "waiting": pool.waiting,
                "unserved": pool.unserved,
                "servers": servers,
            })
        };
        self.pools.iter().map(pool).collect()
    }

    fn write_state(&self, text: &mut Exposition) {
        let gauge = FamilyKind::Gauge;
        let up = "1 unless the server failed and is spared.";
        text.family(gauge, "calmd_upstream_up", up);
        self.each(|labels, server| text.add(labels, u64::from(server.is_up)));
        let connections = "Connections to the server, by state.";
        text.family(gauge, "calmd_upstream_connections", connections);
        self.each(|labels, server| {
            let busy = server.open.saturating_sub(server.idle);
            for (state, count) in [("idle", server.idle), ("active", busy)] {
                text.add(&[labels, &[("state", state)]].concat(), count);
            }
        });
        let most = "The most connections to one server, or requests over HTTP/2.";
        text.single(gauge, "calmd_upstream_connections_limit", most, self.most);
        let active = "Requests that the server is answering.";
        text.family(gauge, "calmd_upstream_requests_active", active);
        self.each(|labels, server| text.add(labels, server.active));
        let waiting = "Requests that wait for a connection to the upstream.";
        text.family(gauge, "calmd_upstream_requests_waiting", waiting);
        for pool in &self.pools {
            text.add(&pool.labels(), pool.waiting);
        }
    }

    fn write_calls(&self, text: &mut Exposition) {
        let counter = FamilyKind::Counter;
        let answered = "Requests that the server has answered whole.";
        text.family(counter, "calmd_upstream_requests", answered);
        self.each(|labels, server| text.add(labels, server.counts.answered));
        let lost = "Attempts at a request that failed, by the reason.";
        text.family(counter, "calmd_upstream_failures", lost);
        self.each(|labels, server| {
            for (reason, count) in UpstreamLoss::REASONS.iter().zip(server.counts.lost) {
                text.add(&[labels, &[("reason", *reason)]].concat(), count);
            }
        });
        let repeated = "Requests that were sent once more, to this server or another.";
        text.family(counter, "calmd_upstream_repeats", repeated);
        self.each(|labels, server| text.add(labels, server.counts.repeated));
        let unserved = "Requests that no connection was free for in time.";
        text.family(counter, "calmd_upstream_unserved", unserved);
        for pool in &self.pools {
            text.add(&pool.labels(), pool.unserved);
        }
        text.family(
            FamilyKind::Histogram,
            "calmd_upstream_response_seconds",
            "Time from a request, connecting among it, to the head of its response.",
        );
        self.each(|labels, server| text.histogram(labels, &server.counts.times));
    }

    fn each(&self, mut write: impl FnMut(Labels<'_>, &ServerFigures)) {
        for pool in &self.pools {
            for server in &pool.servers {
                let of_server = [("upstream", server.name.as_str())];
                write(&[&pool.labels()[..], &of_server].concat(), server);
            }
        }
    }
}

impl ServerFigures {
    /// All of it for the panel; times are those of all calls since the start.
    #[cfg(feature = "panel")]
    fn json(&self) -> serde_json::Value {
        let CallCounts {
            answered,
            lost,
            repeated,
            times,
        } = &self.counts;
        let time = |share| {
            let is_known = times.count() > 0;
            is_known.then(|| times.quantile(share).as_secs_f64() * 1e3)
        };
        serde_json::json!({
            "name": self.name,
            "state": if self.is_up { "up" } else { "spared" },
            "connections": self.open,
            "idle": self.idle,
            "active": self.active,
            "answered": answered,
            "failed": lost.iter().sum::<u64>(),
            "repeated": repeated,
            "p50_ms": time(0.5),
            "p99_ms": time(0.99),
        })
    }
}

impl PoolFigures {
    fn labels(&self) -> [(&'static str, &str); 2] {
        [("host", &self.host), ("mount", &self.mount)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::TextFormat;
    use std::io::ErrorKind;

    #[test]
    fn servers_are_told_apart_by_host_mount_and_url() {
        let mut counts = CallCounts::new();
        counts.add_answer(Some(Duration::from_millis(2)));
        counts.add_answer(None);
        counts.add_loss(UpstreamLoss::Unreachable(ErrorKind::ConnectionRefused));
        counts.add_loss(UpstreamLoss::Unreachable(ErrorKind::TimedOut));
        counts.add_repeat();
        let server = |name: &str| ServerFigures {
            name: name.into(),
            is_up: name == "http://b:80",
            open: 3,
            idle: 1,
            active: 2,
            counts: counts.clone(),
        };
        let figures = UpstreamFigures {
            pools: vec![PoolFigures {
                host: "default".into(),
                mount: "/api".into(),
                waiting: 4,
                unserved: 5,
                servers: vec![server("http://a:80"), server("http://b:80")],
            }],
            held: UpstreamBytes {
                calls: 7,
                ..UpstreamBytes::default()
            },
            most: 256,
        };
        let mut text = Exposition::new(TextFormat::Prometheus);
        figures.write(&mut text);
        let text = text.finish();
        let of_a = r#"host="default",mount="/api",upstream="http://a:80""#;
        for line in [
            format!("calmd_upstream_up{{{of_a}}} 0"),
            format!("calmd_upstream_connections{{{of_a},state=\"idle\"}} 1"),
            format!("calmd_upstream_connections{{{of_a},state=\"active\"}} 2"),
            format!("calmd_upstream_requests_total{{{of_a}}} 2"),
            format!("calmd_upstream_failures_total{{{of_a},reason=\"unreachable\"}} 1"),
            format!("calmd_upstream_failures_total{{{of_a},reason=\"timeout\"}} 1"),
            format!("calmd_upstream_failures_total{{{of_a},reason=\"closed\"}} 0"),
            format!("calmd_upstream_repeats_total{{{of_a}}} 1"),
            format!("calmd_upstream_response_seconds_count{{{of_a}}} 1"),
            r#"calmd_upstream_requests_waiting{host="default",mount="/api"} 4"#.into(),
            r#"calmd_upstream_unserved_total{host="default",mount="/api"} 5"#.into(),
            r#"calmd_upstream_held_bytes{holder="calls"} 7"#.into(),
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
    }
}
