//! The program as a server: opens everything that the configuration names, starts, and tells where it
//! serves.
//!
//! ```text
//! Config ─▶ helper, site, TLS, access log, listeners ─▶ EventLoop over the operating system
//! ```
//!
//! `hosts` opens the sites, and `listeners` the listeners. `check` opens the same without serving. `own_files` lists
//! the files that must never be served, and `descriptors` divides the system's limit of open files. The order of the
//! start (log, `App::open`, sandbox, `App::run`) is in `main.rs`.

mod check;
mod descriptors;
mod hosts;
mod listeners;
mod metrics;
mod own_files;
#[cfg(feature = "panel")]
mod panel;
mod passwords;
mod reload;
#[cfg(feature = "upload")]
mod uploads;
#[cfg(feature = "proxy")]
mod upstreams;

use std::error::Error;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;

use crate::config::Config;
use crate::helper::{self, HelperSandbox};
use crate::sandbox::{self, Rights};
use crate::server::{EventLoop, Services};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::notify::{ManagerConfig, ServiceManager};
use crate::tls::{CertificateOrigin, TlsContext};
#[cfg(feature = "upload")]
use crate::upload::ScratchDirectory;
use crate::world::files::{MOST_HELD, Root};
use crate::world::os::{MemoryBound, OsWorld, inherited, raise_open_files};
pub use check::check;
use descriptors::{DescriptorShares, LEAST_LIMIT};
use reload::SettingsReloader;

/// A server that listens and has not begun to serve.
pub struct App {
    event_loop: EventLoop<OsWorld<Root>>,
    /// The URLs that it serves, in the order of the listeners.
    urls: Vec<String>,
    /// The origin of the certificate, if there is a TLS listener.
    certificate: Option<CertificateOrigin>,
    /// The sockets to helper processes that descriptors are passed to.
    helpers: Vec<RawFd>,
    /// Directories of demos, which go with the server.
    #[cfg(feature = "upload")]
    scratch: Vec<ScratchDirectory>,
}

impl App {
    /// Opens everything that the configuration names: the site, the certificate, the log, the
    /// listeners. An error is one line that names what is wrong and the mend, and nothing was
    /// started.
    pub fn open(config: &mut Config) -> Result<App, Box<dyn Error>> {
        // First of all: what is opened later could get a number that was announced and not handed down.
        let inherited =
            inherited::take(config.inherited.iter().map(|socket| socket.name.as_str()))?;
        let wanted = config.server.limits.max_connections;
        keep_within_descriptors(config)?;
        keep_within_memory(config, MemoryBound::least());
        let config = &*config;
        #[cfg(feature = "proxy")]
        let upstreams = upstreams::resolve(config)?;
        let helper = start_helper(config)?;
        let mut routes = hosts::open(config)?;
        let log = config
            .access_log
            .as_ref()
            .map(AccessLog::open)
            .transpose()?;
        let log = metrics::count_requests(config, log);
        #[cfg(feature = "panel")]
        let (log, recent_requests) = panel::keep_lines(config, log);
        let (tls, certificate) = open_tls(config)?.unzip();
        let mut world = OsWorld::new()?;
        // Now that the files of the server's own are all there.
        #[cfg(feature = "upload")]
        let uploads = uploads::mount(&mut routes, config, &mut world)?;
        hosts::keep_private(routes.sites(), config);
        routes.follow_rule_files(Instant::now());
        if config.reuse_port {
            world.share_ports();
        }
        routes = routes.with_logins(passwords::start(config, &mut world)?);
        if let Some(path) = &config.control {
            world.open_control(path)?;
        }
        let helper_socket = helper.as_ref().and_then(|helper| helper.socket());
        let helpers = helper_socket.map(|socket| socket.as_raw_fd()).into_iter();
        #[cfg(feature = "upload")]
        let helpers = helpers.chain(uploads.writer);
        let helpers: Vec<_> = helpers.collect();
        if let Some(socket) = helper_socket {
            world.watch_helper(socket)?;
        }
        if let Some(helper) = helper {
            routes.site().reads().be_helped(Box::new(helper));
        }
        let opened = listeners::open(config, inherited, &mut world)?;
        let urls = opened.urls.into_iter();
        #[cfg(feature = "panel")]
        let (panel, panel_urls) = {
            let inherited = opened.for_panel;
            panel::open(config, inherited, &mut world, &routes, recent_requests)?.unzip()
        };
        #[cfg(feature = "panel")]
        let urls = urls.chain(panel_urls.into_iter().flatten());
        report_descriptors(wanted, config);
        let manager = config.manager.as_ref().and_then(open_manager);
        #[cfg(feature = "proxy")]
        let (routes, upstreams) = upstreams::mount(upstreams, routes);
        let mut services = Services::new(&world, routes, log, &config.server)
            .with_tls(tls)
            .with_manager(manager);
        #[cfg(feature = "proxy")]
        {
            services = services.with_upstreams(upstreams);
        }
        if config.wants_metrics() {
            services = services.with_metrics(metrics::open(config));
        }
        #[cfg(feature = "panel")]
        if let Some(panel) = panel {
            services = services.with_panel(panel).with_inspection();
        }
        let mut event_loop = EventLoop::new(world, services, &opened.schemes);
        event_loop.add_metrics_listeners(config.metrics.len());
        #[cfg(feature = "panel")]
        event_loop.add_panel_listeners(&panel::schemes(config));
        #[cfg(feature = "panel")]
        if let Some(trace) = &config.qlog {
            let traced = event_loop.trace_peers(trace);
            let file = trace.file.display();
            traced.map_err(|error| {
                format!("--qlog: cannot write '{file}': {error}; name another file")
            })?;
        }
        for (listener, balancers) in opened.balancers {
            event_loop.set_balancers(listener, balancers);
        }
        Ok(App {
            event_loop,
            urls: urls.collect(),
            certificate,
            helpers,
            #[cfg(feature = "upload")]
            scratch: uploads.scratch,
        })
    }

    /// Has the settings read again when the operator asks for it. `read` makes the next configuration of the one
    /// in force; its error is one line.
    pub fn read_again(
        &mut self,
        config: &Config,
        read: impl FnMut(&Config) -> Result<Config, String> + 'static,
    ) {
        let reloader = SettingsReloader::new(config, Box::new(read));
        self.event_loop.set_reloader(Box::new(reloader));
    }

    /// The rights that serving takes, for the sandbox to leave.
    pub fn rights(&self, config: &Config) -> Rights {
        Rights {
            helpers: self.helpers.clone(),
            #[cfg(feature = "upload")]
            scratch: self.scratch.iter().map(|it| it.path().into()).collect(),
            ..config.rights()
        }
    }

    /// Warns of files in a state that the operator can hardly want, as the user finds them that the process
    /// is by now.
    pub fn warn(&mut self, config: &Config) {
        hosts::warn(self.event_loop.routes().sites(), config);
    }

    /// The addresses at which the server can be reached, for standard output. The text is for a person, so
    /// the caller sends it to standard error where the access log goes to standard output.
    pub fn announcement(&self, config: &Config) -> String {
        announcement("serves", config, &self.urls, self.certificate.as_ref())
    }

    /// Serves until the operator stops it.
    pub fn run(mut self) -> Result<(), Box<dyn Error>> {
        Ok(self.event_loop.run()?)
    }
}

/// The addresses at which a server of this configuration is reached, and its certificate.
fn announcement(
    verb: &str,
    config: &Config,
    urls: &[String],
    certificate: Option<&CertificateOrigin>,
) -> String {
    let mut lines = format!(
        "calmd {} {verb} {}\n",
        env!("CARGO_PKG_VERSION"),
        hosts::summary(config)
    );
    for line in hosts::lines(config) {
        lines.push_str(&line);
    }
    for url in urls {
        lines.push_str(&format!("  {url}\n"));
    }
    match certificate {
        Some(CertificateOrigin::Made(path)) => lines.push_str(&format!(
            "  made a self-signed certificate for localhost, {}: browsers will warn; \
                 --cert and --key take your own\n",
            path.display()
        )),
        Some(CertificateOrigin::Kept(path)) => {
            lines.push_str(&format!(
                "  with the self-signed certificate {}\n",
                path.display()
            ));
        }
        Some(CertificateOrigin::Memory) => lines.push_str(
            "  with a self-signed certificate for localhost, kept in memory until the end only; \
                 STATE_DIRECTORY names a place for it, --cert and --key take your own\n",
        ),
        Some(CertificateOrigin::Given) | None => {}
    }
    lines
}

/// The certificates and the sessions of TLS, with the origin of the default host's certificate; `None` if no listener
/// takes TLS.
fn open_tls(config: &Config) -> Result<Option<(TlsContext, CertificateOrigin)>, Box<dyn Error>> {
    if !config.has_tls() {
        return Ok(None);
    }
    let mut tls = TlsContext::of_hosts(&config.hosts_certificates())?;
    tls.seed();
    let origin = tls.origin();
    if let Some(key) = &config.host.ticket_key {
        tls.share_tickets(key)?;
    }
    if let Some(path) = &config.host.key_log {
        tls.log_keys(path)?;
        log::warn!(
            "--tls-key-log: whoever reads {} can decrypt all TLS sessions",
            path.display()
        );
    }
    if config.host.watch_certificates {
        tls.watch_files();
    }
    Ok(Some((tls, origin)))
}

/// Connects to the service manager. A server that it cannot hear serves all the same.
fn open_manager(config: &ManagerConfig) -> Option<ServiceManager> {
    ServiceManager::open(config)
        .inspect_err(|error| log::warn!("{error}"))
        .ok()
}

/// Starts the helper process, if one is wanted.
fn start_helper(config: &Config) -> Result<Option<helper::HelperClient>, helper::HelperError> {
    if !config.helper {
        return Ok(None);
    }
    let sandbox = if config.sandbox {
        HelperSandbox::On
    } else {
        HelperSandbox::Off
    };
    let readable = sandbox::site_directories(&config.rights());
    let helper = helper::HelperClient::start(config.user.as_ref(), sandbox, &readable)?;
    log::info!(
        "the helper process {} opens files, reads ahead and hashes",
        helper.process()
    );
    Ok(Some(helper))
}

/// Leaves as many connections and open files as the system has descriptors for. The error is a line for the
/// operator.
fn keep_within_descriptors(config: &mut Config) -> Result<(), String> {
    let most = DescriptorShares {
        connections: config.server.limits.max_connections,
        files: config.host.site.open_files,
    };
    #[cfg(feature = "proxy")]
    let limit = {
        let wanted = most.connections + config.hosts.len() + upstreams::wanted(config) / 2;
        upstreams::left_of(raise_open_files(wanted), config)
    };
    #[cfg(not(feature = "proxy"))]
    let limit = raise_open_files(most.connections + config.hosts.len());
    if let Some(limit) = limit.filter(|limit| *limit < LEAST_LIMIT) {
        return Err(format!(
            "the limit of {limit} open files is too low, the server takes {LEAST_LIMIT} at least; raise it (ulimit -n)"
        ));
    }
    // Each host keeps its root open, and requests hold files that the helper has opened.
    let held = if config.helper { MOST_HELD } else { 0 };
    let own = (config.hosts.len() + held) as u64;
    let limit = limit.map(|limit| limit.saturating_sub(own));
    let shares = DescriptorShares::of(limit, most);
    config.server.limits.max_connections = shares.connections;
    // The first host has the descriptors of all.
    config.host.site.open_files = shares.files;
    if let Some(first) = config.hosts.first_mut() {
        first.host.site.open_files = shares.files;
    }
    Ok(())
}

/// Leaves connections half of the memory beyond which the process would be ended. The other half is for the program,
/// hot files, and what the kernel keeps for sockets, which counts against a control group as well.
fn keep_within_memory(config: &mut Config, bound: Option<MemoryBound>) {
    let memory = &mut config.server.limits.memory_bytes;
    let Some(bound) = bound else {
        return;
    };
    let share = usize::try_from(bound.bytes / 2).unwrap_or(usize::MAX);
    if share < *memory {
        log::info!(
            "{} leaves connections {} MiB instead of {} (--memory-limit)",
            bound.name,
            share >> 20,
            *memory >> 20
        );
        *memory = share;
    }
}

/// Tells the operator where the limit of open files leaves room for far fewer connections than are wanted.
fn report_descriptors(wanted: usize, granted: &Config) {
    let connections = granted.server.limits.max_connections;
    if connections < wanted - wanted / 4 {
        log::warn!(
            "the limit of open files leaves room for {connections} connections instead of {wanted}, and for \
             {} files; raise it (ulimit -n)",
            granted.host.site.open_files
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_have_half_of_the_control_groups_memory_at_most() {
        let within = |group: Option<u64>| {
            let name = "a control group";
            let bound = group.map(|bytes| MemoryBound { name, bytes });
            let mut config = Config::default();
            keep_within_memory(&mut config, bound);
            config.server.limits.memory_bytes
        };
        let own = Config::default().server.limits.memory_bytes;
        assert_eq!(within(None), own);
        assert_eq!(within(Some(16 << 20)), 8 << 20);
        assert_eq!(within(Some(2 * own as u64 - 2)), own - 1);
        assert_eq!(within(Some(2 * own as u64)), own);
        assert_eq!(within(Some(u64::MAX)), own);
    }
}
