//! The numbers of an HTTP/1.1 connection, each with its reason. The values are defaults for a public
//! server on a small device.

use std::time::Duration;

/// HTTP/1.1: keep-alive and the bounds of a message (RFC 9112).
#[derive(Clone, Debug)]
pub struct Config {
    /// Requests on one connection before it is closed: `max` of the `Keep-Alive` field. 1,000 keeps
    /// the cost of a new connection under 1 %, and gives every connection an end.
    pub keep_alive_requests: u32,
    /// The longest request line in bytes, else 414.
    pub request_line_bytes: usize,
    /// The largest head in bytes, else 431.
    pub head_bytes: usize,
    /// The most fields of a head beside lines of `Cookie`, else 431. Browsers send under 30; more than
    /// 128 is taken as 128, the parser's room on the stack.
    pub head_fields: usize,
    /// The most lines of `Cookie`, else 431: crumbs of HTTP/2 that a proxy passed on as they were.
    /// A browser keeps a hundred cookies of a site of many products, and each may come as a crumb.
    pub head_crumbs: usize,
    /// Chunk extensions of one body in bytes, else 400.
    pub chunk_extension_bytes: usize,
    /// Bytes of an unread body that are drained so that the connection can be kept; beyond them, it is
    /// closed.
    pub drain_bytes: u64,
    /// From the beginning of a connection to the first byte of its first head.
    pub preface_timeout: Duration,
    /// From the first byte of a head to its end, else 408.
    pub header_timeout: Duration,
    /// Silence between requests before the connection is closed: `timeout` of `Keep-Alive`. Zero
    /// closes after every response. Load balancers of large hosts close an idle connection after a
    /// minute. This is longer, so that none of them sends a request into a connection that closes.
    pub keep_alive_timeout: Duration,
    /// Time in which a request body that is read must bring [`Config::stall_bytes`] or its end, else
    /// 408, where patience is short.
    pub stall_timeout: Duration,
    /// Stall timeout while patience is ample; at least [`Config::stall_timeout`].
    pub slow_timeout: Duration,
    /// The progress that keeps a request body alive, in bytes per [`Config::stall_timeout`]. A modem
    /// brings this in a second; a slower peer holds a connection for nothing.
    pub stall_bytes: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            keep_alive_requests: 1_000,
            request_line_bytes: 8 << 10,
            head_bytes: 16 << 10,
            head_fields: 100,
            head_crumbs: 1_000,
            chunk_extension_bytes: 16 << 10,
            drain_bytes: 64 << 10,
            preface_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(20),
            slow_timeout: Duration::from_secs(300),
            stall_bytes: 1 << 10,
        }
    }
}
