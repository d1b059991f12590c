//! HTTP/2 on a connection, as those see it who look into the connection.

use super::H2Service;
use crate::h2::{BlockedBy, Connection, Observer, StreamKey};
use crate::server::obstacle::{Obstacle, ObstacleCounts};
use crate::server::peer_name::PeerName;
use crate::server::services::Services;
use crate::server::taps::Taps;
use crate::server::trace;
use crate::world::Files;

impl<F: Files> H2Service<F> {
    /// The name of the connection in the log.
    pub(super) fn name(&self) -> PeerName {
        PeerName {
            peer: self.peer,
            id: self.id,
        }
    }

    /// Responses by their obstacles; `is_full` says that the socket takes no more.
    pub(in crate::server) fn obstacles(&self, is_full: bool) -> ObstacleCounts {
        let mut counts = ObstacleCounts::default();
        for (stream, by) in self.core.obstacles() {
            counts.add(self.obstacle(stream, by, is_full));
        }
        counts
    }

    fn obstacle(&self, stream: StreamKey, by: BlockedBy, is_full: bool) -> Option<Obstacle> {
        match by {
            BlockedBy::Ended => None,
            BlockedBy::Head | BlockedBy::User => {
                let active = self.open.get(stream);
                active.and_then(Obstacle::of)
            }
            BlockedBy::StreamWindow | BlockedBy::SmallWindow => Some(Obstacle::StreamWindow),
            BlockedBy::ConnectionWindow => Some(Obstacle::ConnectionWindow),
            BlockedBy::Turn => is_full.then_some(Obstacle::Socket),
        }
    }
}

/// The observer that has a connection's frames counted and shown, if anybody wants that.
pub(super) fn observer<F: Files>(
    core: &Connection,
    client: PeerName,
    taps: &Taps,
    services: &Services<F>,
) -> Option<Observer> {
    let counts = services.metrics.as_ref();
    let counts = counts.filter(|metrics| metrics.is_counting());
    let counts = counts.map(|metrics| metrics.frames.observer());
    if taps.is_empty() && !trace::is_on() {
        return counts;
    }
    let mut observers = taps.observers(core);
    observers.extend(counts);
    if trace::is_on() {
        observers.push(trace::observer(client, core));
    }
    Some(Box::new(move |direction, header, payload| {
        for observer in &mut observers {
            observer(direction, header, payload);
        }
    }))
}

#[cfg(feature = "panel")]
mod whole {
    use super::*;
    use crate::exchange::ActiveRequest;
    use crate::h2::{Budgets, Settings, Snapshot, StreamSnapshot};
    use crate::inspect::{
        BudgetShare, H2Whole, HpackTable, HpackTables, SettingsOfBoth, SideSettings, StreamWhole,
        WindowPair,
    };
    use std::time::Instant;

    /// The payload of a PING that measures the round trip.
    const ROUND_TRIP: [u8; 8] = *b"calmdrtt";

    impl<F: Files> H2Service<F> {
        /// All of it; `limits` are those of the peer's nuisance, of which budgets are left.
        pub(in crate::server) fn whole(&self, is_full: bool, limits: &Budgets) -> H2Whole {
            let snapshot = self.core.snapshot();
            let streams = snapshot.streams.iter();
            let table = |table: crate::h2::TableSnapshot| HpackTable {
                used: table.size,
                limit: table.max_size,
                entries: table.entries,
            };
            H2Whole {
                windows: WindowPair {
                    send: snapshot.send_window,
                    receive: snapshot.receive_window,
                },
                held: snapshot.held,
                streams: streams.map(|it| self.stream(it, is_full)).collect(),
                settings: SettingsOfBoth {
                    local: side(self.core.local_settings()),
                    peer: side(self.core.remote_settings()),
                },
                hpack: HpackTables {
                    encoder: table(snapshot.encoder_table),
                    decoder: table(snapshot.decoder_table),
                },
                budgets: budgets(&snapshot, limits, self.core.refusals_allowed()),
                rtt_ms: (self.round_trip_us > 0).then(|| f64::from(self.round_trip_us) / 1e3),
            }
        }

        /// Shows the connection's frames from now on to these taps, instead of those before.
        pub(in crate::server) fn tap(&mut self, taps: &Taps, services: &Services<F>) {
            // The observers before have been shown what is in the output.
            let shown = std::mem::take(self.core.output());
            let observer = observer(&self.core, self.name(), taps, services);
            self.core.set_observer(observer);
            *self.core.output() = shown;
        }

        /// Tells taps the state of the connection, from time to time.
        pub(in crate::server) fn tell_state(&self, taps: &Taps) {
            taps.add_state(|| self.core.snapshot());
        }

        /// Sends PING, whose answer tells the round trip.
        pub(in crate::server) fn measure_round_trip(&mut self, now: Instant) {
            self.core.ping(ROUND_TRIP, now);
        }

        fn stream(&self, stream: &StreamSnapshot, is_full: bool) -> StreamWhole {
            let key = self.core.stream(stream.id);
            let active = key.and_then(|key| self.open.get(key));
            let (received, sent) = active.map_or((0, 0), ActiveRequest::moved);
            let obstacle = key.and_then(|key| self.obstacle(key, stream.blocked_by, is_full));
            StreamWhole {
                id: stream.id,
                state: stream.state.name(),
                windows: WindowPair {
                    send: stream.send_window,
                    receive: stream.receive_window,
                },
                urgency: stream.urgency,
                incremental: stream.incremental,
                queued: stream.queued.or(active.and_then(ActiveRequest::remaining)),
                sent,
                received,
                held: stream.held,
                blocked_by: obstacle.map(Obstacle::name),
            }
        }
    }

    fn side(settings: &Settings) -> SideSettings {
        let bound = |value: u32| (value != u32::MAX).then_some(value);
        SideSettings {
            header_table_size: settings.header_table_size,
            enable_push: settings.enable_push,
            max_concurrent_streams: bound(settings.max_concurrent_streams),
            initial_window_size: settings.initial_window_size,
            max_frame_size: settings.max_frame_size,
            max_header_list_size: bound(settings.max_header_list_size),
            enable_connect_protocol: settings.enable_connect_protocol,
            no_rfc7540_priorities: settings.no_rfc7540_priorities,
        }
    }

    fn budgets(snapshot: &Snapshot, limits: &Budgets, refusals: u32) -> Vec<BudgetShare> {
        let left = &snapshot.budgets;
        [
            ("peer_resets", left.peer_resets, limits.peer_resets),
            (
                "provoked_resets",
                left.provoked_resets,
                limits.provoked_resets,
            ),
            ("refused_streams", left.refused_streams, refusals),
            ("useless_frames", left.useless_frames, limits.useless_frames),
            (
                "settings_per_second",
                left.settings,
                limits.settings_per_second,
            ),
            ("pings_per_second", left.pings, limits.pings_per_second),
            (
                "small_data_frames",
                left.small_data_frames,
                limits.small_data_frames,
            ),
            ("ignored_bytes", left.ignored_bytes, limits.ignored_bytes),
        ]
        .map(|(name, left, limit)| BudgetShare { name, left, limit })
        .to_vec()
    }
}
