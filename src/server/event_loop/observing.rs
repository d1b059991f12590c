//! Listeners for metrics, and the look at all connections that comes before an answer there or of the panel.

use std::time::Duration;

use super::{Backlog, EventLoop, Listener};
use crate::http::Scheme;
use crate::panics;
use crate::server::listener_role::ListenerRole;
use crate::tls::TlsContext;
use crate::world::{PeerSet, Token, World};

/// The most connections by listeners for metrics and of the panel. Two Prometheus, some probes and a browser or two
/// need a few, and clients that can reach such a listener shall not take the places of the site's clients.
const MOST_SCRAPERS: usize = 32;

/// Gauges are looked up anew after this long.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Time of one slice of a look at all connections. A turn of the loop has a few of them.
const SLICE: Duration = Duration::from_micros(50);

/// Connections, or free slots, between two looks at the clock, which are 2 µs.
const BETWEEN_LOOKS: u32 = 16;

impl<W: World + 'static> EventLoop<W> {
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

    /// Does what the panel's connections are served from, before a turn of this connection.
    #[cfg(feature = "panel")]
    pub(super) fn observe_for(&mut self, token: Token) {
        let connection = self.connections.value(token);
        if connection.is_some_and(|connection| connection.role() == ListenerRole::Panel) {
            self.observe();
            self.serve_panel();
        }
    }

    /// Looks up what the server holds, if the connection is a scraper's. False as long as that is not done: the
    /// connection then has its turn after the others.
    pub(super) fn has_observed(&mut self, token: Token) -> bool {
        let connection = self.connections.value(token);
        let is_scraper =
            connection.is_some_and(|connection| connection.role() == ListenerRole::Metrics);
        !is_scraper || self.observe()
    }

    /// True while a look at all connections is under way.
    pub(super) fn is_observing(&self) -> bool {
        let metrics = self.services.metrics.as_ref();
        metrics.is_some_and(|metrics| metrics.walk.is_some())
    }

    /// Goes on with a look that is under way.
    pub(super) fn observe_on(&mut self) {
        if self.is_observing() {
            self.observe();
        }
    }

    /// Looks up a part of what the server holds, if it was not looked up lately; true if all of it is known.
    fn observe(&mut self) -> bool {
        let now = self.services.now;
        let Some(metrics) = &mut self.services.metrics else {
            return true;
        };
        let is_fresh = |at| now.saturating_duration_since(at) < LOOK_AGAIN;
        if metrics.gauges.looked.is_some_and(is_fresh) {
            return true;
        }
        let mut walk = metrics.walk.take().unwrap_or_default();
        let end = self.world.now() + SLICE;
        let last = self.connections.end();
        #[cfg(feature = "panel")]
        let mut begun = metrics.is_beginning().then(Vec::new);
        // A handler is asked for what it holds; of one that panics then nothing more is counted.
        let walked = panics::catch(|| {
            while walk.next < last {
                for index in walk.next..walk.next + BETWEEN_LOOKS {
                    if let Some((_token, connection)) = self.connections.at(index)
                        && connection.role() == ListenerRole::Public
                    {
                        connection.show(&mut walk.gauges);
                        #[cfg(feature = "panel")]
                        begun.iter_mut().for_each(|begun| begun.push(_token));
                    }
                }
                walk.next += BETWEEN_LOOKS;
                if self.world.now() >= end {
                    break;
                }
            }
        });
        if let Err(panic) = walked {
            self.services
                .report_panic("a look at all connections", &panic);
            walk.next = last;
        }
        #[cfg(feature = "panel")]
        for token in begun.into_iter().flatten() {
            if let Some(connection) = self.connections.value(token) {
                connection.watch_again(&self.services);
            }
        }
        let Some(metrics) = &mut self.services.metrics else {
            return true;
        };
        let is_done = walk.next >= last;
        if is_done {
            metrics.gauges = walk.gauges;
            #[cfg(feature = "panel")]
            metrics.end_beginning();
            metrics.gauges.looked = Some(now);
            metrics.gauges.memory = self.ledger.total();
            let tls = self.services.tls.as_ref();
            #[cfg(feature = "proxy")]
            {
                let upstreams = self.upstreams.as_ref();
                metrics.gauges.upstreams = upstreams.map(|upstreams| upstreams.figures(now));
            }
            metrics.gauges.certificate_end = tls.and_then(TlsContext::first_end);
        } else {
            metrics.walk = Some(walk);
        }
        is_done
    }
}
