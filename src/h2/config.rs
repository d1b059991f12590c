//! The numbers of an HTTP/2 connection, each with its reason: our settings, bounds, budgets against floods,
//! timeouts. [`Config::server`] and [`Config::client`] are careful, for programs that do not know whose fields they
//! send; their numbers fit a small device.

use std::time::Duration;

/// HTTP/2: our settings (RFC 9113 §6.5.2), and the bounds of the memory, time and work that a peer costs.
#[derive(Clone, Debug)]
pub struct Config {
    /// SETTINGS_MAX_CONCURRENT_STREAMS. 100 is the least that RFC 9113 §6.5.2 recommends and what
    /// browsers expect.
    pub max_concurrent_streams: u32,
    /// SETTINGS_INITIAL_WINDOW_SIZE, in bytes: the room of an upload. 256 KiB keeps
    /// 20 Mbit/s busy at a round trip of 100 ms, and bounds the bytes that wait for a handler which
    /// cannot pass them on.
    pub initial_window_size: u32,
    /// The receive window of the connection, in bytes: four uploads at full speed, and the bound of
    /// the content that all streams together make us hold.
    pub connection_window_size: u32,
    /// SETTINGS_MAX_FRAME_SIZE, in bytes. The protocol's minimum: it bounds the bytes of an incomplete
    /// frame that we keep, and a larger one saves nothing that can be measured.
    pub max_frame_size: u32,
    /// SETTINGS_HEADER_TABLE_SIZE, in bytes: the peer's table that our decoder keeps. RFC 7541's
    /// default; requests hardly shrink with more.
    pub header_table_size: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE, in bytes as RFC 9113 §6.5.2 counts. Browsers stay under 16 KiB
    /// with the largest cookies that they keep for a site; nothing beyond it is materialised.
    pub max_header_list_size: u32,
    /// The largest dynamic table that our encoder uses, in bytes. A peer may allow more.
    pub encoder_table_size: u32,
    /// Take pushed responses, as a client (SETTINGS_ENABLE_PUSH). Off: servers no longer send them.
    pub push: bool,
    /// Send priorities of RFC 7540 §5.3, as a client. Off, and SETTINGS_NO_RFC7540_PRIORITIES says so: RFC
    /// 9113 §5.3 deprecates them, and a `priority` field or PRIORITY_UPDATE says more (RFC 9218).
    pub rfc7540_priorities: bool,
    /// Take extended CONNECT (RFC 8441), as a server. Off: nothing here is tunnelled to.
    pub extended_connect: bool,
    /// Check received field sections against RFC 9113 §8.2 and §8.3. Off only for tests of peers.
    pub validate_inbound: bool,
    /// Strip blanks around received values first, as a client: curl and browsers take a field that
    /// ends in a blank, which RFC 9113 §8.2.1 calls malformed, and servers that send one exist. On in
    /// [`Config::client`] alone: a server has no reason to guess.
    pub trim_inbound: bool,
    /// Check sent field sections as well: a section that a peer would have to refuse is a
    /// [`Misuse`](super::Misuse), and nothing is sent. On; it costs a copy of the section, so a caller whose
    /// fields are made once and valid turns it off, and [`Config::normalize_outbound`] with it.
    pub validate_outbound: bool,
    /// Bring sent field sections into the form of RFC 9113 §8.2 before they are checked, for callers with
    /// fields of others: names become lowercase, names and values lose their blanks, fields that are about
    /// one connection of HTTP/1.1 are dropped with those that `connection` names, `te` keeps `trailers`
    /// alone, and credentials and short cookies enter no compression context (RFC 7541 §7.1.3). On.
    pub normalize_outbound: bool,
    /// Join `cookie` crumbs that come into one field (RFC 9113 §8.2.3), as anything behind that knows
    /// HTTP/1.1 alone expects. On; it costs nothing where there is one crumb.
    pub join_cookies: bool,
    /// Tell of unknown frames and of the priorities of RFC 7540. Off: a flood of them should cost
    /// no more than skipping it.
    pub report_extensions: bool,
    /// Bytes of unread request content that are taken after the response, so that a client which sends
    /// first and reads then is not cut off; beyond them, RST_STREAM NO_ERROR.
    pub drain_bytes: u32,
    /// The smallest DATA frame that is worth sending, in bytes, unless it is the last of its stream
    /// or the peer's windows are smaller altogether (CVE-2019-9511).
    pub data_frame_floor: u32,
    /// Accept `Upgrade: h2c` (RFC 7540 §3.2). Off: RFC 9113 removed it, and proxies that pass it on
    /// unseen let requests bypass their rules.
    pub h2c_upgrade: bool,
    /// Nuisance of a peer that is borne before ENHANCE_YOUR_CALM.
    pub budgets: Budgets,
    /// From the beginning of a connection to its whole preface (RFC 9113 §3.4), as a server. A
    /// connection that is silent until then is closed with NO_ERROR.
    pub preface_timeout: Duration,
    /// From a SETTINGS frame of ours, and the preface, to its acknowledgement, else SETTINGS_TIMEOUT
    /// (§6.5.3).
    pub settings_timeout: Duration,
    /// From HEADERS to its END_HEADERS. CONTINUATION frames between them do not prolong it.
    pub header_timeout: Duration,
    /// Time in which a stream that waits for the peer must move enough, else RST_STREAM CANCEL, where
    /// patience is short. A response waits for its window or for the socket
    /// ([`Config::stall_bytes`]), and, at a server, a request for its content
    /// ([`Config::upload_stall_bytes`]). A stall is seen between this time and five quarters of it.
    pub stall_timeout: Duration,
    /// Stall timeout while patience is ample; at least [`Config::stall_timeout`].
    pub slow_timeout: Duration,
    /// Longest time between the two GOAWAY frames of a graceful shutdown (RFC 9113 §6.8), where the peer
    /// does not answer the PING between them. A second is more than any round trip in use.
    pub shutdown_grace: Duration,
    /// The progress that keeps a response alive, in bytes per [`Config::stall_timeout`].
    pub stall_bytes: u32,
    /// The progress that keeps a request's content alive, in bytes per [`Config::stall_timeout`].
    pub upload_stall_bytes: u32,
}

/// A server's: [`Config::server`].
impl Default for Config {
    fn default() -> Self {
        Config::server()
    }
}

impl Config {
    /// The configuration of a careful client: it checks what comes and what is sent.
    pub fn client() -> Config {
        Config {
            trim_inbound: true,
            ..Config::server()
        }
    }

    /// The configuration of a careful public server: it checks what comes and what is sent.
    pub fn server() -> Config {
        Config {
            max_concurrent_streams: 100,
            initial_window_size: 256 << 10,
            connection_window_size: 1 << 20,
            max_frame_size: 16_384,
            header_table_size: 4_096,
            max_header_list_size: 16 << 10,
            encoder_table_size: 4_096,
            push: false,
            rfc7540_priorities: false,
            extended_connect: false,
            validate_inbound: true,
            trim_inbound: false,
            validate_outbound: true,
            normalize_outbound: true,
            join_cookies: true,
            report_extensions: false,
            drain_bytes: 64 << 10,
            data_frame_floor: 1_024,
            h2c_upgrade: false,
            budgets: Budgets::default(),
            preface_timeout: Duration::from_secs(10),
            settings_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
            slow_timeout: Duration::from_secs(300),
            shutdown_grace: Duration::from_secs(1),
            stall_bytes: 16 << 10,
            upload_stall_bytes: 1 << 10,
        }
    }
}

/// Nuisance that an HTTP/2 peer may cause before GOAWAY ENHANCE_YOUR_CALM.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// Fields of one field section beside cookie crumbs. Browsers send under 30.
    pub header_fields: usize,
    /// Cookie crumbs of one field section (RFC 9113 §8.2.3). A site of many products keeps a hundred
    /// cookies in a browser, and each may come as a crumb; counting them as fields locked users out
    /// elsewhere. Lines of `Cookie` in HTTP/1.1 are as many.
    pub cookie_crumbs: usize,
    /// CONTINUATION frames of one field section: with its HEADERS eight, which hold twice
    /// [`Budgets::header_block_bytes`] where they are full.
    pub continuations: u32,
    /// Encoded bytes of one field section (CVE-2024-27316): four times the list limit, so that a
    /// browser with too many cookies is told so by 431 rather than cut off.
    pub header_block_bytes: usize,
    /// Multiple of the list limit (CVE-2016-6581). A section that decodes to more, and to twice its encoded
    /// length, ends the connection; under it the request is answered with 431.
    pub header_list_overrun: usize,
    /// Requests that the peer may reset in the same write that made them (CVE-2023-44487). A reset that
    /// comes later, but before [`Config::stall_bytes`] of the response were sent, caused more work and
    /// counts three times; those right behind another reset count nothing: leaving one page after another,
    /// each with a hundred images under way, is innocent. Every answered request earns a later reset back,
    /// and a response that was mostly read costs nothing. A test suite that aborts 400 requests as it
    /// makes them goes on; a flood has caused what 500 GETs cause when it ends.
    pub peer_resets: u32,
    /// Stream errors that the peer provokes from us (CVE-2025-8671), in a connection's life.
    pub provoked_resets: u32,
    /// PINGs a second (CVE-2019-9512). A client that measures its bandwidth sends one a round trip. Those
    /// whose answers are not read cannot be told apart, so they count alike.
    pub pings_per_second: u32,
    /// SETTINGS frames a second (CVE-2019-9515).
    pub settings_per_second: u32,
    /// Entries of one SETTINGS frame (CVE-2020-11080).
    pub settings_entries: usize,
    /// Frames without use: empty DATA, HEADERS or CONTINUATION without END_STREAM or END_HEADERS
    /// (CVE-2019-9518). Useful bytes earn them back.
    pub useless_frames: u32,
    /// Bytes of unknown frames, PRIORITY and PRIORITY_UPDATE, and of frames on closed streams,
    /// without a request between them.
    pub ignored_bytes: u32,
    /// DATA frames under [`Config::data_frame_floor`] that a peer may get from us in an eighth of a second,
    /// for clients whose windows are odd rather than hostile; whole frames earn them back. With windows of
    /// one byte that is half a kilobyte a second, and less work than the requests of a busy client.
    pub small_data_frames: u32,
    /// Priorities kept for streams that are still to come (RFC 9218 §7.1). Browsers send them behind
    /// the request.
    pub early_priorities: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Budgets {
            header_fields: 100,
            cookie_crumbs: 1_000,
            continuations: 7,
            header_block_bytes: 64 << 10,
            header_list_overrun: 4,
            peer_resets: 450,
            provoked_resets: 100,
            pings_per_second: 200,
            settings_per_second: 50,
            settings_entries: 32,
            useless_frames: 100,
            ignored_bytes: 64 << 10,
            small_data_frames: 64,
            early_priorities: 8,
        }
    }
}
