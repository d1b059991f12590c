//! The bounds of the client's role, each with its reason.

use std::time::Duration;

/// Bounds of the memory and the time that a server can take from a
/// [`ClientConnection`](super::ClientConnection).
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The largest head or trailer section in bytes. Twice what a server takes of its clients, because
    /// an application sets many cookies and long policies at once.
    pub head_bytes: usize,
    /// The most fields of a head or trailer section; more than 128 is taken as 128, the parser's room on
    /// the stack.
    pub head_fields: usize,
    /// The most informational (1xx) responses before a final one. WebDAV servers send `102` every 20
    /// seconds: 32 are ten minutes of work.
    pub informational: u16,
    /// The most bytes of chunk extensions in one body. No server in use sends them.
    pub chunk_extension_bytes: usize,
    /// Time from the end of the request, or from an informational response, to the first byte of the
    /// next response. Proxies wait a minute for an application by default.
    pub response_timeout: Duration,
    /// Time from the first byte of a head to its end.
    pub header_timeout: Duration,
    /// The longest silence within the content of a response. Event streams send a comment at least
    /// every 30 seconds, or the proxies between would close them.
    pub content_timeout: Duration,
    /// Time after which content is sent without `100 Continue`, because some servers never send one
    /// (RFC 9110 §10.1.1). curl waits a second.
    pub continue_timeout: Duration,
    /// The longest time between two requests. Less than the 75 seconds after which many servers close,
    /// so that a request seldom meets a connection that is being closed.
    pub idle_timeout: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            head_bytes: 32 << 10,
            head_fields: 100,
            informational: 32,
            chunk_extension_bytes: 4 << 10,
            response_timeout: Duration::from_secs(60),
            header_timeout: Duration::from_secs(10),
            content_timeout: Duration::from_secs(60),
            continue_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(60),
        }
    }
}
