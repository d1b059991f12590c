//! One connection in a line.

use serde::Serialize;

/// One connection in a line of the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConnectionSummary {
    /// Its number in the order of accepting, which the log's lines have as well.
    pub id: u32,
    /// The address of the client, or `unix:`.
    pub peer: String,
    /// The authority of its first request.
    pub host: Option<String>,
    /// `h1`, `h2`, or `none` before that is known.
    pub protocol: &'static str,
    /// The version of TLS, `TLSv1.2` or `TLSv1.3`; null in the clear.
    pub tls: Option<&'static str>,
    /// `opening`, `idle`, `busy` or `closing`.
    pub state: &'static str,
    /// Seconds since it was accepted.
    pub age_s: f64,
    /// Requests so far.
    pub requests: u32,
    /// Bytes that its socket has brought.
    pub received: u64,
    /// Bytes that its socket has taken.
    pub sent: u64,
    /// Bytes that it holds, by its account.
    pub memory: usize,
    /// Open requests: streams of HTTP/2, or the one of HTTP/1.1.
    pub streams: usize,
    /// Those of them whose responses cannot go on.
    pub blocked: usize,
    /// The obstacle that most of them have: `stream-window`, `connection-window`, `socket`, `disk`, `handler`,
    /// `upstream` or `request`.
    pub blocked_by: Option<&'static str>,
}
