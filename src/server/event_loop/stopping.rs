//! Orders of the operator, and the way from the order to stop to the last connection's end.
//!
//! ```text
//!          SIGTERM              drain delay over              none left, or time over
//!  Running ───────▶ Leaving ───────────────────▶ Draining ────────────────────────────▶ the end
//!                      │                             │                                    ▲
//!                      └──── SIGTERM once more ──────┴──────▶ Stopped ────────────────────┘
//! ```
//!
//! A newer process that serves on the listeners of this one (`--control`) has it drain at once.
//!
//! The listeners for metrics and of the panel stay open to the end: a probe is told 503 all the time. The end waits for
//! their connections a second at most.
//!
//! While it leaves, a server accepts and serves as before, and health checks are told 503: so balancers send it no
//! new clients by the time at which it closes its listeners.

use std::time::{Duration, Instant};

use super::{Backlog, EventLoop, Listener};
use crate::server::connection::Connection;
use crate::server::listener_role::ListenerRole;
use crate::server::reload::Renewing;
use crate::telemetry::notify::Notice;
use crate::tls::TlsContext;
use crate::world::{Signal, Succession, World};

/// Time for probes and the panel behind the last connection of a client: events of the panel come twice a second.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The stage of the loop's life.
pub(super) enum LoopState {
    Running,
    /// Told to stop: goes on as before until then.
    Leaving {
        until: Instant,
    },
    /// Accepts no connection: open requests finish.
    Draining {
        deadline: Instant,
    },
    Stopped,
}

/// The listeners that stay open while open requests finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeptListeners {
    /// None: another process serves on them.
    None,
    /// Those for metrics and for the panel, so that probes are told that the server stops.
    OfOperators,
}

impl LoopState {
    /// The time at which the state ends by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            LoopState::Leaving { until: deadline } | LoopState::Draining { deadline } => {
                Some(*deadline)
            }
            LoopState::Running | LoopState::Stopped => None,
        }
    }
}

impl<W: World + 'static> EventLoop<W> {
    pub(super) fn signal(&mut self, signal: Signal) {
        match (signal, &self.state) {
            (Signal::Stop, LoopState::Running) => self.leave(),
            (Signal::Stop, _) => self.state = LoopState::Stopped,
            (Signal::Reload, _) => self.reload(),
            (Signal::ReopenLog, _) => {
                if let Some(Err(error)) = self.services.log.as_mut().map(|log| log.reopen()) {
                    log::error!("the old log file stays: {error}");
                }
                // The new file is as private as the old one.
                self.services.routes.reload(self.services.now);
            }
        }
    }

    /// Reads again everything that the operator may have replaced.
    fn reload(&mut self) {
        let services = &mut self.services;
        services.tell_manager(Notice::Reloading);
        #[cfg(feature = "panel")]
        match services.panel.as_ref().map(|panel| panel.read_users()) {
            Some(Err(reason)) => log::error!("the old settings stay: {reason}"),
            Some(Ok(Some(users))) if self.read_settings() => {
                if let Some(panel) = &self.services.panel {
                    panel.renew_users(users);
                }
            }
            Some(Ok(Some(_))) => {}
            Some(Ok(None)) | None => {
                self.read_settings();
            }
        }
        #[cfg(not(feature = "panel"))]
        self.read_settings();
        let services = &mut self.services;
        services.routes.reload(services.now);
        services.known_answer = None;
        services.tell_manager(Notice::Ready);
    }

    /// Reads the settings and the certificates again; false if the old ones stay.
    fn read_settings(&mut self) -> bool {
        let services = &mut self.services;
        match &mut services.reloader {
            Some(reloader) => {
                let parts = Renewing {
                    routes: &mut services.routes,
                    tls: services.tls.as_mut(),
                    log: services.log.as_mut(),
                };
                let outcome = reloader.reload(parts);
                match &outcome {
                    Ok(()) => log::info!("the settings were read again, and are in force"),
                    Err(reason) => log::error!("the old settings stay: {reason}"),
                }
                outcome.is_ok()
            }
            None => match services.tls.as_mut().map(TlsContext::reload) {
                Some(Ok(_)) => {
                    log::info!("the certificate was read again");
                    true
                }
                Some(Err(error)) => {
                    log::error!("the old certificate stays: {error}");
                    false
                }
                None => true,
            },
        }
    }

    /// Tells health checks from now on that the server stops, and begins to stop after the drain delay.
    fn leave(&mut self) {
        self.services.tell_manager(Notice::Stopping);
        self.services.health.leave();
        let delay = self.services.timeouts.drain_delay;
        if !delay.is_zero() {
            log::info!("told to stop: health checks fail, draining begins in {delay:?}");
        }
        let until = self.services.now + delay;
        self.state = LoopState::Leaving { until };
    }

    /// Begins to drain, once the delay for that is over.
    pub(super) fn leave_when_due(&mut self) {
        if let LoopState::Leaving { until } = self.state
            && until <= self.services.now
        {
            self.accept_last();
            self.drain(KeptListeners::OfOperators);
        }
    }

    /// Shortens the drain once only probes and the panel are connected: these have a moment to hear of the end.
    pub(super) fn hasten_the_end(&mut self) {
        if let LoopState::Draining { deadline } = &mut self.state
            && self.connections.count() == self.scrapers
        {
            *deadline = (*deadline).min(self.services.now + LAST_WORDS);
        }
    }

    /// Reads what a newer process says. Once the newer one serves, this one drains. Waiting connections are in one
    /// queue for both processes, and stay there.
    pub(super) fn hear_control(&mut self) {
        if self.world.hear_control() == Succession::None {
            return;
        }
        log::info!("a newer process serves on the listeners of this one");
        if matches!(self.state, LoopState::Running | LoopState::Leaving { .. }) {
            self.services.tell_manager(Notice::Stopping);
            self.services.health.leave();
            self.drain(KeptListeners::None);
        }
    }

    /// Closes the listeners but those that are kept, and ends each connection after what is open on it.
    fn drain(&mut self, kept: KeptListeners) {
        let deadline = self.services.now + self.services.timeouts.drain;
        log::info!(
            "stopping: open responses have {:?} to finish",
            self.services.timeouts.drain
        );
        self.state = LoopState::Draining { deadline };
        let is_public = |listener: &Listener| listener.role == ListenerRole::Public;
        let closed = match kept {
            KeptListeners::None => self.listeners.len(),
            // Those come behind all others.
            KeptListeners::OfOperators => {
                let mut listeners = self.listeners.iter();
                listeners
                    .position(|it| !is_public(it))
                    .unwrap_or(self.listeners.len())
            }
        };
        self.world.stop_listening(closed);
        for listener in self.listeners.iter_mut().take(closed) {
            listener.backlog = Backlog::Empty;
        }
        for token in self.connections.tokens() {
            self.with(token, Connection::shutdown);
        }
    }
}
