//! The panel's hold on the loop: orders that it carries out, and what it lets the panel see.
//!
//! All of it happens before a turn of one of the panel's own connections, but for the samples of the last
//! ten minutes, which a turn of the loop takes once a second. A server without a panel never comes here.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde_json::json;

use super::stopping::LoopState;
use super::{Backlog, EventLoop, Listener};
use crate::http::Scheme;
use crate::inspect::LookReply;
use crate::panel::{Action, CLASSES, OrderContent, OrderOutcome, Panel, PanelOrder, Totals};
use crate::server::connection::{Connection, Wish};
use crate::server::listener_role::ListenerRole;
use crate::server::turn::Turn;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::Histogram;
use crate::world::{Outside, Peer, PeerSet, Signal, Token, World};

/// The most addresses that are blocked at a time: a person blocks them one by one.
const MOST_BLOCKED: usize = 256;

/// The present is put together anew after this long, as the gauges are.
const SHOW_AGAIN: Duration = Duration::from_millis(100);

/// An address whose connections are refused.
#[derive(Debug)]
struct BlockedAddress {
    network: u128,
    /// The address as the operator gave it.
    address: IpAddr,
    until: Instant,
    /// Connections that were refused.
    refused: u64,
}

/// Changes that the panel has made, and the time at which it was told of the present last.
#[derive(Debug, Default)]
pub(super) struct Steering {
    blocked: Vec<BlockedAddress>,
    shown: Option<Instant>,
}

/// The network that is blocked with an address: the /64 that an IPv6 site has to itself.
fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

impl Steering {
    /// True if the peer is blocked. The connection is counted as refused.
    fn refuses(&mut self, peer: Peer, now: Instant) -> bool {
        let Peer::Ip(address) = peer else {
            return false;
        };
        let network = network(address);
        let mut blocked = self.blocked.iter_mut();
        match blocked.find(|it| it.network == network && it.until > now) {
            Some(blocked) => {
                blocked.refused += 1;
                true
            }
            None => false,
        }
    }

    /// Blocks an address; false if too many are blocked.
    fn block(&mut self, address: IpAddr, until: Instant, now: Instant) -> bool {
        self.blocked.retain(|it| it.until > now);
        self.unblock(address);
        let has_room = self.blocked.len() < MOST_BLOCKED;
        if has_room {
            self.blocked.push(BlockedAddress {
                network: network(address),
                address,
                until,
                refused: 0,
            });
        }
        has_room
    }

    /// Lets an address in again; false if it was not blocked.
    fn unblock(&mut self, address: IpAddr) -> bool {
        let before = self.blocked.len();
        let network = network(address);
        self.blocked.retain(|it| it.network != network);
        self.blocked.len() < before
    }
}

impl<W: World + 'static> EventLoop<W> {
    /// Serves the panel on the last listeners of the world, which have these schemes and come behind all
    /// others.
    pub fn add_panel_listeners(&mut self, schemes: &[Scheme]) {
        let listener = |scheme: &Scheme| Listener {
            scheme: *scheme,
            role: ListenerRole::Panel,
            balancers: PeerSet::default(),
            backlog: Backlog::Empty,
        };
        self.listeners.extend(schemes.iter().map(listener));
    }

    /// True if connections of this peer by a public listener are refused.
    pub(super) fn is_blocked(&mut self, peer: Peer) -> bool {
        self.steering.refuses(peer, self.services.now)
    }

    /// Adds a sample of the last second, if it is over.
    pub(super) fn record_history(&mut self) {
        let now = self.services.now;
        let is_due = |panel: &Panel| panel.history().is_due(now);
        if self.services.panel.as_deref().is_some_and(is_due) {
            let totals = self.totals();
            if let Some(panel) = &self.services.panel {
                panel.record(|history| history.add(now, totals));
            }
            self.services.begin_second();
        }
    }

    /// Carries out the orders of the panel's requests, and shows the panel the present.
    pub(super) fn serve_panel(&mut self) {
        let orders = self.services.panel.as_ref();
        for _ in 0..orders.map_or(0, |panel| panel.orders()) {
            let Some(order) = self.next_order() else {
                break;
            };
            match self.carry_out(&order.wanted) {
                Some(outcome) => order.finish(outcome),
                None => {
                    if let Some(panel) = &self.services.panel {
                        panel.put_back(order);
                    }
                }
            }
        }
        let now = self.services.now;
        let is_fresh = |at| now.saturating_duration_since(at) < SHOW_AGAIN;
        if !self.steering.shown.is_some_and(is_fresh) {
            self.steering.shown = Some(now);
            let overview = self.overview();
            if let Some(panel) = &self.services.panel {
                panel.set_overview(overview);
            }
        }
    }

    /// The outcome of an order; none if it is to go on in the next turn.
    fn carry_out(&mut self, wanted: &OrderContent) -> Option<OrderOutcome> {
        const GONE: OrderOutcome =
            OrderOutcome::Refused(404, "there is no such connection any more");
        Some(match wanted {
            OrderContent::Action(action) => {
                self.steering.shown = None;
                self.act(action)
            }
            OrderContent::Look(look) => match self.look(&mut look.borrow_mut()) {
                LookReply::Json(text) => OrderOutcome::Json(text),
                LookReply::Gone => GONE,
                LookReply::Unfinished => return None,
            },
            OrderContent::Watch(id, form) => match self.watch(*id, *form) {
                Some(watch) => OrderOutcome::Watched(Box::new(watch)),
                None => GONE,
            },
        })
    }

    fn next_order(&self) -> Option<std::rc::Rc<PanelOrder>> {
        self.services.panel.as_ref()?.next_order()
    }

    fn act(&mut self, action: &Action) -> OrderOutcome {
        let done = |text: &str| OrderOutcome::Done(text.to_owned());
        match action {
            Action::Pause | Action::Resume if !matches!(self.state, LoopState::Running) => {
                OrderOutcome::Refused(409, "the server stops")
            }
            Action::Pause => {
                self.pause_accepting();
                done("no more connections are let in; they wait")
            }
            Action::Resume => {
                self.resume_accepting();
                done("connections are let in")
            }
            Action::Reload => {
                self.signal(Signal::Reload);
                done("certificates and files are read again; the log tells what came of it")
            }
            Action::ReopenLogs => {
                self.signal(Signal::ReopenLog);
                done("the access log is opened again; the log tells what came of it")
            }
            Action::Drain if matches!(self.state, LoopState::Running) => {
                self.signal(Signal::Stop);
                done("the server stops after the open requests")
            }
            Action::Drain => OrderOutcome::Refused(409, "the server stops already"),
            Action::CloseConnection { connection } => {
                self.end_connection(*connection, Connection::close, "the connection is closed")
            }
            Action::DrainConnection { connection } => self.end_connection(
                *connection,
                Connection::shutdown,
                "the connection ends after its requests",
            ),
            Action::Block { address, seconds } => self.block(*address, *seconds),
            Action::Unblock { address } if self.steering.unblock(*address) => {
                done("the address is let in again")
            }
            Action::Unblock { .. } => OrderOutcome::Refused(404, "the address is not blocked"),
        }
    }

    /// Leaves connections in the kernel's queues.
    fn pause_accepting(&mut self) {
        for listener in &mut self.listeners {
            if listener.role == ListenerRole::Public {
                listener.backlog = Backlog::Held;
            }
        }
        self.services.health.pause();
    }

    /// Accepts connections again, those first that have waited.
    fn resume_accepting(&mut self) {
        for listener in &mut self.listeners {
            if listener.backlog == Backlog::Held {
                listener.backlog = Backlog::Waiting;
            }
        }
        self.services.health.resume();
    }

    fn end_connection(
        &mut self,
        serial: u64,
        end: impl FnOnce(
            &mut Connection<W::Socket, W::Files>,
            &mut Outside<W::Socket, W::Files>,
            &mut Turn<'_, W::Files>,
        ) -> Wish,
        done: &str,
    ) -> OrderOutcome {
        let serial = u32::try_from(serial).unwrap_or_default();
        match self.connections.named(serial) {
            Some(token) => {
                self.give_turn(token, end);
                OrderOutcome::Done(done.to_owned())
            }
            None => OrderOutcome::Refused(404, "there is no such connection any more"),
        }
    }

    fn block(&mut self, address: IpAddr, seconds: u64) -> OrderOutcome {
        if address.to_canonical().is_loopback() || address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            return OrderOutcome::Refused(409, "this machine's own addresses are not blocked");
        }
        let now = self.services.now;
        let until = now + Duration::from_secs(seconds);
        if !self.steering.block(address, until, now) {
            return OrderOutcome::Refused(409, "as many addresses are blocked as can be");
        }
        let network_of = network(address);
        let tokens = self.connections.tokens().into_iter();
        let tokens: Vec<Token> = tokens
            .filter(|token| {
                let connection = self.connections.value(*token);
                connection.is_some_and(|connection| {
                    let peer = connection.peer();
                    connection.role() == ListenerRole::Public
                        && matches!(peer, Peer::Ip(address) if network(address) == network_of)
                })
            })
            .collect();
        let count = tokens.len();
        for token in tokens {
            self.give_turn(token, Connection::close);
        }
        OrderOutcome::Done(format!(
            "the address is blocked; {count} connections were closed"
        ))
    }

    /// Everything that was counted so far.
    fn totals(&self) -> Totals {
        let services = &self.services;
        let log = services.log.as_ref();
        Totals {
            classes: log.map_or([0; CLASSES], AccessLog::classes),
            durations: log.map_or(Histogram::new(&[]), AccessLog::durations),
            received: services.traffic.received,
            sent: services.traffic.sent,
            limits: services.limit_log.fired().map(|(_, count)| count).sum(),
            busy: services
                .metrics
                .as_ref()
                .map_or(Duration::ZERO, |metrics| metrics.turns.busy()),
            connections: self.connections.count().saturating_sub(self.scrapers),
            memory: self.ledger.total(),
        }
    }

    /// The upstreams as they were looked up last.
    #[cfg(feature = "proxy")]
    fn upstreams_shown(&self) -> serde_json::Value {
        let metrics = self.services.metrics.as_ref();
        let upstreams = metrics.and_then(|metrics| metrics.gauges.upstreams.as_ref());
        upstreams.map_or_else(|| json!([]), |upstreams| upstreams.json())
    }

    /// Without a proxy there are none.
    #[cfg(not(feature = "proxy"))]
    fn upstreams_shown(&self) -> serde_json::Value {
        json!([])
    }

    /// The present, for `/api/overview`.
    fn overview(&self) -> serde_json::Value {
        let services = &self.services;
        let totals = self.totals();
        let now = services.now;
        let (p50, p99) = match &services.panel {
            Some(panel) => panel.history().latency(&totals.durations),
            None => (0.0, 0.0),
        };
        let [c1, c2, c3, c4, c5, none] = totals.classes;
        let limits = services.limit_log.fired();
        let limits: Vec<_> = limits
            .map(|(name, count)| json!({"name": name, "count": count}))
            .collect();
        let blocked = self.steering.blocked.iter().filter(|it| it.until > now);
        let blocked: Vec<_> = blocked
            .map(|it| {
                let left = it.until.saturating_duration_since(now).as_secs();
                json!({"address": it.address, "seconds": left, "refused": it.refused})
            })
            .collect();
        let (connections, resident) = match &services.metrics {
            Some(metrics) => (metrics.gauges.rows(), metrics.resident()),
            None => (Vec::new(), None),
        };
        let certificate_end = services.metrics.as_ref().and_then(|metrics| {
            let end = metrics.gauges.certificate_end?;
            Some(end.duration_since(UNIX_EPOCH).ok()?.as_secs())
        });
        let connections: Vec<_> = connections
            .into_iter()
            .map(|(protocol, state, count)| json!({"protocol": protocol, "state": state, "count": count}))
            .collect();
        let state = match self.state {
            LoopState::Running if services.health.is_paused() => "paused",
            LoopState::Running => "serving",
            LoopState::Leaving { .. } => "leaving",
            LoopState::Draining { .. } | LoopState::Stopped => "draining",
        };
        json!({
            "server": {
                "version": env!("CARGO_PKG_VERSION"),
                "state": state,
                "uptime_s": services.uptime().as_secs(),
            },
            "requests": {
                "total": totals.classes.iter().sum::<u64>(),
                "classes": {"1xx": c1, "2xx": c2, "3xx": c3, "4xx": c4, "5xx": c5, "none": none},
            },
            "latency": {"p50_ms": p50, "p99_ms": p99},
            "bytes": {"received": totals.received, "sent": totals.sent},
            "connections": {
                "total": totals.connections,
                "limit": services.limits.max_connections,
                "streams": services.metrics.as_ref().map_or(0, |metrics| metrics.gauges.streams),
                "by": connections,
            },
            "memory": {
                "process": resident,
                "connections": totals.memory,
                "limit": services.limits.memory_bytes,
                "files": services.routes.cache_bytes(),
            },
            "limits": limits,
            "certificate": {"ends": certificate_end},
            "blocked": blocked,
            "upstreams": self.upstreams_shown(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_blocked_for_its_time_and_its_network_with_it() {
        let (mut steering, now) = (Steering::default(), Instant::now());
        let until = now + Duration::from_secs(60);
        assert!(steering.block(address("192.0.2.1"), until, now));
        assert!(steering.block(address("2001:db8::1"), until, now));
        for (peer, refused) in [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8::ffff", true),
            ("2001:db8:0:1::1", false),
        ] {
            let peer = Peer::Ip(address(peer));
            assert_eq!(steering.refuses(peer, now), refused, "{peer}");
            assert!(!steering.refuses(peer, until), "{peer}");
        }
        assert!(!steering.refuses(Peer::Unix, now));
        assert_eq!(steering.blocked[0].refused, 2);
        assert!(steering.unblock(address("192.0.2.1")));
        assert!(!steering.unblock(address("192.0.2.1")));
    }

    #[test]
    fn blocked_addresses_have_a_bound_and_make_room_when_their_time_is_over() {
        let (mut steering, now) = (Steering::default(), Instant::now());
        let until = now + Duration::from_secs(60);
        let numbered = |n: usize| IpAddr::V4((n as u32).into());
        for n in 0..MOST_BLOCKED {
            assert!(steering.block(numbered(n), until, now));
        }
        assert!(!steering.block(numbered(MOST_BLOCKED), until, now));
        assert!(steering.block(numbered(0), until, now), "again");
        assert!(steering.block(numbered(MOST_BLOCKED), until, until));
    }
}
