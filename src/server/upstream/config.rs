//! Bounds of what upstreams can make the server hold and wait for, each with its reason.

use std::sync::Arc;
use std::time::Duration;

use crate::{h1, h2};

/// Calls on one HTTP/2 connection at a time: enough that few connections are needed, and few enough that the
/// connection's window has room for the streams of all.
pub(super) const STREAMS: usize = 32;

/// The window of each stream, in bytes: what one read brings, as over HTTP/1.1.
const WINDOW: u32 = 64 << 10;

/// Bounds of upstream connections.
#[derive(Clone, Debug)]
pub struct UpstreamLimits {
    /// Time for connecting to an address, and the longest that a request waits for a free connection.
    /// A machine that answers at all does so within a retransmission of its SYN, after 1 and 3 seconds.
    pub connect_timeout: Duration,
    /// Time from the end of a request to the first byte of its response. Other proxies wait for a minute.
    pub response_timeout: Duration,
    /// The longest silence within a response, and the longest time in which an upstream takes no byte of a
    /// request. Streams of events send a comment every 30 seconds, or other proxies would close them.
    pub idle_timeout: Duration,
    /// Time after which a connection without requests is closed. gunicorn closes after two seconds: a request
    /// seldom meets a connection that is being closed.
    pub keep_alive: Duration,
    /// Connections to one server at a time, or requests where it speaks HTTP/2. Each may keep a read of 64 KiB for a
    /// client that reads slowly, so this is 16 MiB at most, and more than most applications have workers.
    pub connections: usize,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        UpstreamLimits {
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_millis(1_500),
            connections: 256,
        }
    }
}

impl UpstreamLimits {
    /// The bounds as the core of HTTP/2 takes them.
    pub(super) fn http2(&self) -> Arc<h2::Config> {
        Arc::new(h2::Config {
            initial_window_size: WINDOW,
            connection_window_size: STREAMS as u32 * WINDOW,
            // As for heads of HTTP/1.1.
            max_header_list_size: 32 << 10,
            // Responses of applications have blanks around values.
            trim_inbound: true,
            // The core of the client's side has checked all fields.
            validate_outbound: false,
            normalize_outbound: false,
            settings_timeout: self.response_timeout,
            stall_timeout: self.idle_timeout,
            slow_timeout: self.idle_timeout,
            ..h2::Config::default()
        })
    }

    /// The bounds as the core of HTTP/1.1 takes them.
    pub(super) fn http1(&self) -> Arc<h1::ClientConfig> {
        Arc::new(h1::ClientConfig {
            response_timeout: self.response_timeout,
            content_timeout: self.idle_timeout,
            idle_timeout: self.keep_alive,
            ..h1::ClientConfig::default()
        })
    }
}
