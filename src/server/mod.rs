//! The shell around the protocol cores: one poll loop over non-blocking sockets.
//!
//! ```text
//!            ┌────────────── event_loop: poll · turns · deadlines · accept ──────────────┐
//!            │                                                                           │
//!  socket ─▶ connection ─▶ transport ─▶ protocol ─▶ h1_service │ h2_service ─▶ site ─▶ Response
//!    ▲                                                 │  active_request: Body or handler
//!    └──── write_queue ◀── transport ◀── output ◀──────┘
//! ```
//!
//! `context` holds what all connections share in a turn, the lent buffers among it, and `splices`, the
//! content that belongs into the output; `piece` is what was read of files for it. `slots`, `deadlines`
//! and `queue` are the loop's tables, `addresses` counts who has how many connections, `ledger` knows what
//! everybody holds and who goes first, `limit_log` tells which limit fired and for whom. Bytes are read
//! once into a shared buffer, answered into another, and written once; a connection keeps only what is
//! incomplete or what its socket did not take.
//!
//! [`Server`] runs all this over the operating system. [`EventLoop`] is for whoever brings a
//! [`World`](crate::world::World) of their own, as the tests do.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod access_log;
mod active_request;
mod addresses;
mod connection;
mod context;
mod deadlines;
mod descriptors;
mod event_loop;
mod h1_service;
mod h2_service;
mod ledger;
mod limit_log;
mod own_files;
mod own_time;
mod piece;
mod protocol;
mod queue;
mod slots;
mod splices;
mod trace;
mod transport;
pub(crate) mod write_queue;

use crate::config::{Config, ListenAddress};
use crate::site::Site;
use crate::tls::{Origin, TlsContext};
use crate::world::files::Root;
use crate::world::os::{OsWorld, raise_open_files};
use descriptors::Shares;
use std::error::Error;

pub use access_log::AccessLog;
pub use context::Context;
pub use event_loop::{EventLoop, Security};

/// A server that listens and has not begun to serve.
pub struct Server {
    event_loop: EventLoop<OsWorld<Root>>,
    /// The URLs that it serves, in the order of the listeners.
    pub urls: Vec<String>,
    /// Where the certificate came from, if there is a TLS listener.
    pub certificate: Option<Origin>,
}

impl Server {
    /// Opens everything that the configuration names: the site, the certificate, the log, the
    /// listeners. An error is one line that names what is wrong and the mend, and nothing was
    /// started.
    pub fn open(config: &Config) -> Result<Server, Box<dyn Error>> {
        let wanted = config;
        let config = &within_descriptors(wanted);
        let files = Root::open(&config.site.root)?;
        let mut site = Site::new(files, &config.site)?;
        let log = config
            .access_log
            .as_ref()
            .map(AccessLog::open)
            .transpose()?;
        let (tls, certificate) = if config.listen_tls.is_empty() {
            (None, None)
        } else {
            let (tls, origin) = TlsContext::open(&config.certificate)?;
            (Some(tls), Some(origin))
        };
        // Now that all of them are there.
        site.files().keep_private(own_files::own_files(config));
        let mut world = OsWorld::new()?;
        let mut urls = Vec::new();
        let mut securities = Vec::new();
        let limits = &config.limits;
        for (security, addresses, unsent_bytes) in [
            (Security::Cleartext, &config.listen, limits.unsent_bytes),
            (Security::Tls, &config.listen_tls, limits.unsent_tls_bytes),
        ] {
            for address in addresses {
                let unsent_bytes = limits.unsent(unsent_bytes);
                urls.push(url(security, &world.listen(address, unsent_bytes)?));
                securities.push(security);
            }
        }
        report_descriptors(wanted, config);
        let cx = Context::new(world, site, log, config);
        Ok(Server {
            event_loop: EventLoop::new(cx, tls, &securities),
            urls,
            certificate,
        })
    }

    /// Warns of what is in a state that the operator can hardly want, as far as the user sees it that
    /// the process is by now.
    pub fn warn(&mut self, config: &Config) {
        let site = self.event_loop.site();
        site.files().warn_of_private();
        for complaint in site.complaints(&config.site.root) {
            log::warn!("{complaint}");
        }
    }

    /// Serves until the operator stops it.
    pub fn run(mut self) -> Result<(), Box<dyn Error>> {
        Ok(self.event_loop.run()?)
    }
}

/// The configuration with as many connections and open files as the system has descriptors for.
fn within_descriptors(config: &Config) -> Config {
    let mut config = config.clone();
    let most = Shares {
        connections: config.limits.max_connections,
        files: config.site.open_files,
    };
    let shares = Shares::of(raise_open_files(most.connections), most);
    config.limits.max_connections = shares.connections;
    config.site.open_files = shares.files;
    config
}

/// Tells the operator where the limit of open files leaves room for far fewer connections than are wanted.
fn report_descriptors(wanted: &Config, granted: &Config) {
    let (wanted, connections) = (
        wanted.limits.max_connections,
        granted.limits.max_connections,
    );
    if connections < wanted - wanted / 4 {
        log::warn!(
            "the limit of open files leaves room for {connections} connections instead of {wanted}, and for \
             {} files; raise it (ulimit -n)",
            granted.site.open_files
        );
    }
}

/// The name of a listener for a browser on this machine, and who else reaches it.
fn url(security: Security, address: &ListenAddress) -> String {
    let scheme = match security {
        Security::Cleartext => "http",
        Security::Tls => "https",
    };
    match address {
        ListenAddress::Tcp(address) if address.ip().is_unspecified() => {
            let reach = match address.is_ipv4() {
                true => "all IPv4 addresses",
                false => "all addresses",
            };
            format!("{scheme}://localhost:{} ({reach})", address.port())
        }
        ListenAddress::Tcp(address) => format!("{scheme}://{address}"),
        ListenAddress::Unix(socket) => format!("{scheme} on unix:{}", socket.path.display()),
    }
}
