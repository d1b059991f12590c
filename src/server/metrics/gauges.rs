//! Connections, streams and memory at the moment, as the event loop found them last.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::server::obstacle::ObstacleCounts;
#[cfg(feature = "proxy")]
use crate::server::upstream::UpstreamFigures;
use crate::telemetry::metrics::exposition::{Exposition, FamilyKind};

/// A stage of a connection's life, as far as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStage {
    /// Its handshake or its preface is incomplete.
    Opening,
    /// No request is open.
    Idle,
    /// Requests are open.
    Busy,
    /// Nothing more is read, or only to be dropped.
    Closing,
}

impl ConnectionStage {
    const ALL: [ConnectionStage; 4] = [
        ConnectionStage::Opening,
        ConnectionStage::Idle,
        ConnectionStage::Busy,
        ConnectionStage::Closing,
    ];

    /// The name for those who look.
    pub fn name(self) -> &'static str {
        match self {
            ConnectionStage::Opening => "opening",
            ConnectionStage::Idle => "idle",
            ConnectionStage::Busy => "busy",
            ConnectionStage::Closing => "closing",
        }
    }
}

/// Protocols of connections; a connection that is opening has none yet.
const PROTOCOLS: [&str; 3] = ["none", "h1", "h2"];

/// Memory of connections by its holder, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct HolderBytes {
    /// Sessions of TLS, and output that waits.
    pub socket: usize,
    /// State of HTTP/1.1 and HTTP/2, open requests among it.
    pub protocol: usize,
    /// Input that is incomplete, and lines of the log that wait.
    pub buffers: usize,
}

/// Connections, streams and memory at a moment.
#[derive(Default)]
pub struct Gauges {
    /// The time at which it was looked up.
    pub looked: Option<Instant>,
    /// Memory of all connections by their accounts, in bytes.
    pub memory: usize,
    /// Open streams of HTTP/2.
    pub streams: usize,
    /// Responses by their obstacles.
    pub(in crate::server) obstacles: ObstacleCounts,
    /// The first end of a certificate in use.
    pub certificate_end: Option<SystemTime>,
    /// Connections whose output waits for their sockets.
    pub stalled: u64,
    /// Memory of connections by its holder.
    pub held: HolderBytes,
    /// Upstreams, where there are any.
    #[cfg(feature = "proxy")]
    pub(in crate::server) upstreams: Option<UpstreamFigures>,
    connections: [[u64; ConnectionStage::ALL.len()]; PROTOCOLS.len()],
}

impl Gauges {
    /// Adds a connection; `protocol` is `None` before that is known.
    pub fn add_connection(&mut self, protocol: Option<&str>, stage: ConnectionStage) {
        let protocol = protocol.unwrap_or("none");
        let place = PROTOCOLS.iter().position(|name| *name == protocol);
        let row = place.and_then(|place| self.connections.get_mut(place));
        if let Some(count) = row.and_then(|row| row.get_mut(stage as usize)) {
            *count += 1;
        }
    }

    /// Protocol, state and number of all kinds of connections that there are.
    #[cfg(feature = "panel")]
    pub fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        let rows = PROTOCOLS.iter().zip(&self.connections);
        let rows = rows.flat_map(|(protocol, counts)| {
            let counts = ConnectionStage::ALL.iter().zip(counts);
            counts.map(|(stage, count)| (*protocol, stage.name(), *count))
        });
        rows.filter(|(_, _, count)| *count > 0).collect()
    }

    /// Writes all of it.
    pub(super) fn write(&self, text: &mut Exposition) {
        text.family(
            FamilyKind::Gauge,
            "calmd_connections",
            "Connections, by protocol and state, without those of this listener.",
        );
        for (protocol, counts) in PROTOCOLS.iter().zip(&self.connections) {
            for (stage, count) in ConnectionStage::ALL.iter().zip(counts) {
                let labels = [("protocol", *protocol), ("state", stage.name())];
                text.add(&labels, *count);
            }
        }
        text.single(
            FamilyKind::Gauge,
            "calmd_h2_streams",
            "Open streams of HTTP/2.",
            self.streams,
        );
        text.family(
            FamilyKind::Gauge,
            "calmd_responses_blocked",
            "Open responses that cannot go on, by the obstacle.",
        );
        for (obstacle, count) in self.obstacles.iter() {
            text.add(&[("by", obstacle.name())], u64::from(count));
        }
        text.single(
            FamilyKind::Gauge,
            "calmd_connections_stalled",
            "Connections whose sockets take no more of their output.",
            self.stalled,
        );
        text.family(
            FamilyKind::Gauge,
            "calmd_connections_held_bytes",
            "Memory of connections by its holder, without what each takes in any case.",
        );
        let HolderBytes {
            socket,
            protocol,
            buffers,
        } = self.held;
        for (holder, bytes) in [
            ("socket", socket),
            ("protocol", protocol),
            ("buffers", buffers),
        ] {
            text.add(&[("holder", holder)], bytes);
        }
        text.single(
            FamilyKind::Gauge,
            "calmd_connections_memory_bytes",
            "Memory of all connections by their accounts, upstream ones among them.",
            self.memory,
        );
        #[cfg(feature = "proxy")]
        if let Some(upstreams) = &self.upstreams {
            upstreams.write(text);
        }
        let end = self.certificate_end;
        if let Some(end) = end.and_then(|end| end.duration_since(UNIX_EPOCH).ok()) {
            text.single(
                FamilyKind::Gauge,
                "calmd_tls_certificate_expiry_timestamp_seconds",
                "The first end of a certificate in use, in seconds from 1970.",
                end.as_secs(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::TextFormat;

    #[test]
    fn every_connection_is_in_one_series() {
        let mut gauges = Gauges::default();
        for (index, stage) in ConnectionStage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, index);
            gauges.add_connection(Some("h2"), stage);
        }
        gauges.add_connection(None, ConnectionStage::Opening);
        gauges.add_connection(Some("h2"), ConnectionStage::Busy);
        let mut text = Exposition::new(TextFormat::Prometheus);
        gauges.write(&mut text);
        let text = text.finish();
        for line in [
            r#"calmd_connections{protocol="none",state="opening"} 1"#,
            r#"calmd_connections{protocol="h2",state="busy"} 2"#,
            r#"calmd_connections{protocol="h2",state="closing"} 1"#,
            r#"calmd_connections{protocol="h1",state="idle"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}
