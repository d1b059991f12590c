//! One connection whole.

use serde::Serialize;

use super::json;
use super::summary::ConnectionSummary;

/// One connection whole. The members of its line in the list come first, in the object itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectionWhole {
    /// Its line in the list.
    #[serde(flatten)]
    pub summary: ConnectionSummary,
    /// Bytes of output that its socket did not take yet.
    pub unsent: usize,
    /// Bytes of input that wait for the rest of a frame or a head.
    pub kept: usize,
    /// The session of TLS; null in the clear.
    pub tls_facts: Option<TlsFacts>,
    /// The state of HTTP/2; null on others.
    pub h2: Option<H2Whole>,
    /// The open request of HTTP/1.1.
    pub request: Option<RequestWhole>,
}

impl ConnectionWhole {
    /// The connection as JSON.
    pub fn json(&self) -> String {
        json(self)
    }
}

/// Facts of a session of TLS.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: Option<&'static str>,
    /// The cipher suite.
    pub suite: Option<String>,
    /// The group of the key exchange.
    pub group: Option<String>,
    /// The protocol by ALPN.
    pub alpn: Option<String>,
    /// True if an earlier session was resumed.
    pub resumed: bool,
}

/// Two windows, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WindowPair {
    /// DATA that we may send. Below zero where SETTINGS took back more than was left.
    pub send: i32,
    /// DATA that the peer may send.
    pub receive: i32,
}

/// The state of HTTP/2.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct H2Whole {
    /// The windows of the connection.
    pub windows: WindowPair,
    /// Bytes of DATA that came and that no handler has released.
    pub held: u32,
    /// Streams that live, in the order of their identifiers.
    pub streams: Vec<StreamWhole>,
    /// SETTINGS of both sides.
    pub settings: SettingsOfBoth,
    /// Both tables of HPACK.
    pub hpack: HpackTables,
    /// Nuisance that the peer may still cause before its connection ends with ENHANCE_YOUR_CALM.
    pub budgets: Vec<BudgetShare>,
    /// The last round trip of a PING of ours, in milliseconds; null before one was measured.
    pub rtt_ms: Option<f64>,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamWhole {
    /// Its identifier.
    pub id: u32,
    /// `open`, `half-closed-remote`, `half-closed-local`, `reserved-local` or `reserved-remote`.
    pub state: &'static str,
    /// Its windows.
    pub windows: WindowPair,
    /// Urgency, 0 (first) to 7 (background).
    pub urgency: u8,
    /// The response is of use in parts.
    pub incremental: bool,
    /// Bytes of the response that are left, where that is known.
    pub queued: Option<u64>,
    /// Bytes of the response's content so far.
    pub sent: u64,
    /// Bytes of the request's content so far.
    pub received: u64,
    /// Bytes of the request's content that its handler holds.
    pub held: u32,
    /// The obstacle to the response, as in the list.
    pub blocked_by: Option<&'static str>,
}

/// The open request of HTTP/1.1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestWhole {
    /// Bytes of the response that are left, where that is known.
    pub queued: Option<u64>,
    /// Bytes of the response's content so far.
    pub sent: u64,
    /// Bytes of the request's content so far.
    pub received: u64,
    /// The obstacle to the response, as in the list.
    pub blocked_by: Option<&'static str>,
}

/// SETTINGS of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingsOfBoth {
    /// Ours, as far as the peer has acknowledged them.
    pub local: SideSettings,
    /// The peer's.
    pub peer: SideSettings,
}

/// SETTINGS of one side (RFC 9113 §6.5.2); null is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SideSettings {
    /// SETTINGS_HEADER_TABLE_SIZE
    pub header_table_size: u32,
    /// SETTINGS_ENABLE_PUSH
    pub enable_push: bool,
    /// SETTINGS_MAX_CONCURRENT_STREAMS
    pub max_concurrent_streams: Option<u32>,
    /// SETTINGS_INITIAL_WINDOW_SIZE
    pub initial_window_size: u32,
    /// SETTINGS_MAX_FRAME_SIZE
    pub max_frame_size: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE
    pub max_header_list_size: Option<u32>,
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL
    pub enable_connect_protocol: bool,
    /// SETTINGS_NO_RFC7540_PRIORITIES
    pub no_rfc7540_priorities: bool,
}

/// Both tables of HPACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HpackTables {
    /// Of the fields that we send.
    pub encoder: HpackTable,
    /// Of the fields that the peer sends.
    pub decoder: HpackTable,
}

/// A table of HPACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HpackTable {
    /// The size of its entries (RFC 7541 §4.1), in bytes.
    pub used: usize,
    /// The bound of that size.
    pub limit: u32,
    /// Number of entries.
    pub entries: usize,
}

/// The rest of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetShare {
    /// Its name, as [`crate::h2::Budgets`] has it.
    pub name: &'static str,
    /// The part that the peer may still cause.
    pub left: u32,
    /// All that it may cause.
    pub limit: u32,
}
