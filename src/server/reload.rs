//! Reading everything again that the operator may have replaced, while connections are open.
//!
//! ```text
//! SIGHUP ─▶ Reload: settings file, certificates, roots ─▶ all of the new in force
//!               └─ a mistake, or a change that takes a restart ─▶ all of the old stays, and the reason is logged
//! ```
//!
//! Connections go on: requests that are open finish under what they began with, those to come are the new hosts'.
//! A connection keeps the certificate that it began with, and the requests that it may be used for are judged by the
//! certificates of today.

use crate::routes::Routes;
use crate::telemetry::access_log::AccessLog;
use crate::tls::TlsContext;
use crate::world::Files;

/// The parts of a running server that follow a new configuration.
pub struct Renewing<'s, F: Files> {
    /// The hosts.
    pub routes: &'s mut Routes<F>,
    /// The certificates, where there is a listener for TLS.
    pub tls: Option<&'s mut TlsContext>,
    /// The log, whose counts are by host.
    pub log: Option<&'s mut AccessLog>,
}

/// A reader of the configuration.
pub trait Reload<F: Files> {
    /// Has all of the present configuration in force, or leaves everything as it is and tells the reason in one
    /// line.
    fn reload(&mut self, parts: Renewing<'_, F>) -> Result<(), String>;
}
