//! Listeners for metrics, and the look at all connections that comes before an answer there or of the panel.

use std::time::Duration;

use super::{Backlog, EventLoop, Listener};
use crate::http::Scheme;
use crate::server::listener_role::ListenerRole;
use crate::server::metrics::Gauges;
use crate::tls::TlsContext;
use crate::world::{PeerSet, Token, World};

/// The most connections by listeners for metrics and of the panel. Two Prometheus, some probes and a browser or two need a few, and
/// whoever can reach such a listener shall not take the places of the site's clients.
const MOST_SCRAPERS: usize = 32;

/// Gauges are looked up anew after this long: a look takes a millisecond with 20,000 connections.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl<W: World> EventLoop<W> {
    /// Serves metrics and nothing else on the last `count` listeners of the world, which come behind those
    /// of the sites.
    pub fn add_metrics_listeners(&mut self, count: usize) {
        let listener = || Listener {
            scheme: Scheme::Http,
            role: ListenerRole::Metrics,
            balancers: PeerSet::default(),
            backlog: Backlog::Empty,
        };
        self.listeners.extend((0..count).map(|_| listener()));
    }

    /// Counts a newcomer by a listener of this role; false if it has to go.
    pub(super) fn admit(&mut self, role: ListenerRole) -> bool {
        match role {
            ListenerRole::Public => {
                if let Some(metrics) = &mut self.services.metrics {
                    metrics.accepted += 1;
                }
                true
            }
            _ if self.scrapers >= MOST_SCRAPERS => false,
            _ => {
                self.scrapers += 1;
                true
            }
        }
    }

    /// Looks up what the server holds, if the connection may ask for it.
    pub(super) fn observe_for(&mut self, token: Token) {
        #[cfg(feature = "panel")]
        self.record_history();
        let connection = self.connections.value(token);
        match connection.map(|connection| connection.role()) {
            Some(ListenerRole::Metrics) => self.observe(),
            #[cfg(feature = "panel")]
            Some(ListenerRole::Panel) => {
                self.observe();
                self.serve_panel();
            }
            Some(ListenerRole::Public) | None => {}
        }
    }

    /// Looks up what the server holds, if it was not looked up lately.
    fn observe(&mut self) {
        let now = self.services.now;
        let Some(metrics) = &mut self.services.metrics else {
            return;
        };
        let is_fresh = |at| now.saturating_duration_since(at) < LOOK_AGAIN;
        if metrics.gauges.looked.is_some_and(is_fresh) {
            return;
        }
        let mut gauges = Gauges::at(now);
        gauges.memory = self.ledger.total();
        let tls = self.services.tls.as_ref();
        gauges.certificate_end = tls.and_then(TlsContext::first_end);
        let connections = self.connections.iter();
        for connection in connections.filter(|it| it.role() == ListenerRole::Public) {
            connection.show(&mut gauges);
        }
        metrics.gauges = gauges;
    }
}
