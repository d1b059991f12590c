//! The connection as those see it who look into it.

use super::{Connection, Phase};
use crate::server::metrics::ConnectionStage;
use crate::server::obstacle::ObstacleCounts;
use crate::world::Files;

impl<K, F: Files> Connection<K, F> {
    /// The stage of its life.
    pub fn stage(&self) -> ConnectionStage {
        match &self.phase {
            Phase::Opening { .. } => ConnectionStage::Opening,
            Phase::Serving(serving) if serving.protocol.is_idle() => ConnectionStage::Idle,
            Phase::Serving(_) => ConnectionStage::Busy,
            Phase::Flushing(_) | Phase::Ending | Phase::Lingering { .. } | Phase::Closed => {
                ConnectionStage::Closing
            }
        }
    }

    /// Responses by their obstacles.
    pub(in crate::server) fn obstacles(&self) -> ObstacleCounts {
        let is_full = !self.link.unsent().is_empty();
        let protocol = self.phase.protocol();
        protocol.map_or_else(ObstacleCounts::default, |protocol| {
            protocol.obstacles(is_full)
        })
    }
}

#[cfg(feature = "panel")]
pub(super) use whole::Seen;

#[cfg(feature = "panel")]
mod whole {
    use super::*;
    use crate::h2::Budgets;
    use crate::http::Fields;
    use crate::inspect::{ConnectionSummary, ConnectionWhole, Tap, TlsFacts};
    use crate::link::Transport;
    use crate::server::connection::Wish;
    use crate::server::metrics::Traffic;
    use crate::server::protocol::Protocol;
    use crate::server::services::{Inspection, Services};
    use crate::server::turn::Turn;
    use crate::world::Outside;
    use rustls::{CommonState, HandshakeKind};
    use std::time::Instant;

    /// The longest authority that is kept: the longest name of a host (RFC 1035 §2.3.4), and a port.
    const LONGEST_HOST: usize = 255 + 6;

    /// Facts of a connection that are of use to those alone who look.
    pub struct Seen {
        accepted: Instant,
        /// Bytes through its socket.
        traffic: Traffic,
        /// The authority of the first request, where somebody may look.
        host: Option<Box<str>>,
    }

    impl Seen {
        /// Facts of a connection that was accepted now, if anybody may look.
        pub fn begin<F: Files>(services: &Services<F>) -> Option<Box<Self>> {
            let seen = || {
                Box::new(Seen {
                    accepted: services.now,
                    traffic: Traffic::default(),
                    host: None,
                })
            };
            (services.inspection == Inspection::On).then(seen)
        }

        /// The memory of facts that are kept.
        pub fn memory(seen: Option<&Seen>) -> usize {
            let host = |seen: &Seen| seen.host.as_ref().map_or(0, |host| host.len());
            seen.map_or(0, |seen| size_of::<Seen>() + host(seen))
        }

        /// The socket has brought so many bytes.
        pub fn count_received(&mut self, bytes: usize) {
            self.traffic.received += bytes as u64;
        }

        /// The socket has taken so many bytes.
        pub fn count_sent(&mut self, bytes: usize) {
            self.traffic.sent += bytes as u64;
        }
    }

    impl<K, F: Files> Connection<K, F> {
        /// Keeps the authority of the first request, whose fields may be these.
        pub(in crate::server::connection) fn note_host(&mut self, sections: &[&Fields]) {
            if let Some(seen) = &mut self.seen
                && seen.host.is_none()
                && let Some(authority) = sections.iter().find_map(|fields| fields.authority())
                && authority.len() <= LONGEST_HOST
            {
                let host = String::from_utf8_lossy(authority);
                seen.host = Some(host.into_owned().into_boxed_str());
            }
        }

        /// Has a watch told of all that passes from now on; false if there are too many.
        pub fn watch(&mut self, tap: Tap, services: &Services<F>) -> bool {
            let has_room = self.taps.add(tap);
            if let Some(protocol) = self.phase.protocol_mut() {
                protocol.tap(&self.taps, services);
            }
            has_room
        }

        /// Shows what passes from now on to all watches, among them those that were begun since the last call.
        pub fn watch_again(&mut self, services: &Services<F>) {
            if let Some(protocol) = self.phase.protocol_mut() {
                protocol.tap(&self.taps, services);
            }
        }

        /// Has the round trip measured.
        pub fn measure_round_trip(
            &mut self,
            world: &mut Outside<K, F>,
            turn: &mut Turn<'_, F>,
        ) -> Wish {
            if let Phase::Serving(serving) = &mut self.phase {
                serving.protocol.measure_round_trip(turn.services.now);
            }
            self.take_turn(world, turn)
        }

        /// Tells watches the time of what comes, and the state of the connection from time to time; lets
        /// those go that have ended, and shows frames again to those that had no room for more.
        pub(in crate::server::connection) fn tell_watches(
            &mut self,
            now: impl FnOnce() -> Instant,
            services: &Services<F>,
        ) {
            if self.taps.is_empty() {
                return;
            }
            self.taps.tell_time(now());
            let Some(protocol) = self.phase.protocol_mut() else {
                return;
            };
            protocol.tell_state(&self.taps);
            if self.taps.let_go() || self.taps.are_behind() {
                protocol.tap(&self.taps, services);
            }
        }

        /// The authority of the first request.
        pub fn host(&self) -> Option<&str> {
            self.seen.as_ref()?.host.as_deref()
        }

        /// Its line in a list, where its number is `id` and its account has `memory`.
        pub fn summary(&self, id: u32, memory: usize, now: Instant) -> ConnectionSummary {
            let seen = self.seen.as_ref();
            let served = self.phase.protocol();
            let traffic = seen.map_or(Traffic::default(), |seen| seen.traffic);
            let age = seen.map(|seen| now.saturating_duration_since(seen.accepted));
            let obstacles = self.obstacles();
            let most = obstacles.iter().max_by_key(|(_, count)| *count);
            let blocked: u32 = obstacles.iter().map(|(_, count)| count).sum();
            ConnectionSummary {
                id,
                peer: self.peer.to_string(),
                host: self.host().map(str::to_owned),
                protocol: served.map_or("none", Protocol::label),
                tls: self.link.transport().tls_version(),
                state: self.stage().name(),
                age_s: age.unwrap_or_default().as_secs_f64(),
                requests: served.map_or(0, Protocol::requests),
                received: traffic.received,
                sent: traffic.sent,
                memory,
                streams: served.map_or(0, Protocol::open_requests),
                blocked: blocked as usize,
                blocked_by: most
                    .filter(|(_, count)| *count > 0)
                    .map(|(obstacle, _)| obstacle.name()),
            }
        }

        /// The connection whole.
        pub fn whole(&self, summary: ConnectionSummary, limits: &Budgets) -> ConnectionWhole {
            let is_full = !self.link.unsent().is_empty();
            let tls = match self.link.transport() {
                Transport::Plain => None,
                Transport::Tls(tls) => Some(tls_facts(tls.common(), summary.tls)),
            };
            let whole = |served: &Protocol<F>| served.whole(is_full, limits);
            let (h2, request) = self.phase.protocol().map_or((None, None), whole);
            ConnectionWhole {
                summary,
                unsent: self.link.unsent().held(),
                kept: self.kept.len(),
                tls_facts: tls,
                h2,
                request,
            }
        }
    }

    fn tls_facts(session: &CommonState, version: Option<&'static str>) -> TlsFacts {
        let suite = session.negotiated_cipher_suite();
        let group = session.negotiated_key_exchange_group();
        let alpn = session.alpn_protocol();
        TlsFacts {
            version,
            suite: suite.map(|suite| format!("{:?}", suite.suite())),
            group: group.map(|group| format!("{:?}", group.name())),
            alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()),
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}
