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
//! While it leaves, a server accepts and serves as before, and health checks are told 503: so balancers
//! send it nobody new by the time at which it closes its listeners.

use std::time::Instant;

use super::EventLoop;
use crate::server::connection::Connection;
use crate::server::reload::Renewing;
use crate::telemetry::notify::Notice;
use crate::tls::TlsContext;
use crate::world::{Signal, Succession, World};

/// The stage of the loop's life.
pub(super) enum LoopState {
    Running,
    /// Told to stop: goes on as before until then.
    Leaving {
        until: Instant,
    },
    /// Lets nobody in: open requests finish.
    Draining {
        deadline: Instant,
    },
    Stopped,
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

impl<W: World> EventLoop<W> {
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
        match &mut services.reloader {
            Some(reloader) => {
                let parts = Renewing {
                    routes: &mut services.routes,
                    tls: services.tls.as_mut(),
                    log: services.log.as_mut(),
                };
                match reloader.reload(parts) {
                    Ok(()) => log::info!("the settings were read again, and are in force"),
                    Err(reason) => log::error!("the old settings stay: {reason}"),
                }
            }
            None => match services.tls.as_mut().map(TlsContext::reload) {
                Some(Ok(_)) => log::info!("the certificate was read again"),
                Some(Err(error)) => log::error!("the old certificate stays: {error}"),
                None => {}
            },
        }
        services.routes.reload(services.now);
        services.tell_manager(Notice::Ready);
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
            self.drain();
        }
    }

    /// Hears what a newer process says. Once that serves, this one drains. Connections that wait are in one
    /// queue for both, and stay there.
    pub(super) fn hear_control(&mut self) {
        if self.world.hear_control() == Succession::None {
            return;
        }
        log::info!("a newer process serves on the listeners of this one");
        if matches!(self.state, LoopState::Running | LoopState::Leaving { .. }) {
            self.services.tell_manager(Notice::Stopping);
            self.services.health.leave();
            self.drain();
        }
    }

    /// Closes the listeners, and ends each connection after what is open on it.
    fn drain(&mut self) {
        let deadline = self.services.now + self.services.timeouts.drain;
        log::info!(
            "stopping: open responses have {:?} to finish",
            self.services.timeouts.drain
        );
        self.state = LoopState::Draining { deadline };
        self.world.stop_listening();
        self.listeners.clear();
        for token in self.connections.tokens() {
            self.with(token, Connection::shutdown);
        }
    }
}
