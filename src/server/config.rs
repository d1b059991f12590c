//! The numbers of the shell around the protocol cores, each with its reason.
//!
//! [`Limits`] bounds what a peer can make the server hold, [`Timeouts`] what it can make the server wait
//! for. Both versions of the protocol share some of them: [`Config::derived`] puts those into
//! [`h1::Config`] and [`h2::Config`], so that each is written once. The values are defaults for a public
//! server on a small device; a test at the end of this file holds what has to be true between them.

use std::time::Duration;

use super::request_ids::RequestIdUse;
#[cfg(feature = "proxy")]
use super::upstream::UpstreamLimits;
use crate::exchange::LONGEST_WAIT;
use crate::world::PeerSet;
use crate::{h1, h2};

/// Everything that the event loop and its connections are told.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// HTTP/1.1 settings and bounds.
    pub http1: h1::Config,
    /// HTTP/2 settings and bounds.
    pub http2: h2::Config,
    /// Bounds of what the shell holds.
    pub limits: Limits,
    /// Bounds of what the shell waits for.
    pub timeouts: Timeouts,
    /// Paths at which balancers ask for the server's health, each from its slash on. None by default: each
    /// hides what the site has there.
    pub health: Vec<String>,
    /// Proxies whose word on the clients of their requests is believed (`Forwarded`, `X-Forwarded-*`).
    pub trusted_proxies: PeerSet,
    /// The use that is made of identifiers of requests.
    pub request_ids: RequestIdUse,
    /// Bounds of upstream connections.
    #[cfg(feature = "proxy")]
    pub upstreams: UpstreamLimits,
}

impl Config {
    /// The configuration with every number put in that follows from another one.
    pub fn derived(&self) -> Config {
        let mut config = self.clone();
        let Config {
            http1,
            http2,
            timeouts,
            ..
        } = &mut config;
        timeouts.bound();
        // Patience that is ample is no shorter than patience that is short.
        timeouts.slow = timeouts.slow.max(timeouts.stall);
        http1.preface_timeout = timeouts.preface;
        http2.preface_timeout = timeouts.preface;
        http1.header_timeout = timeouts.header;
        http2.header_timeout = timeouts.header;
        http1.stall_timeout = timeouts.stall;
        http2.stall_timeout = timeouts.stall;
        http1.slow_timeout = timeouts.slow;
        http2.slow_timeout = timeouts.slow;
        // The site and the handlers make their fields valid, and a copy of every section would cost more than
        // sending it.
        http2.validate_outbound = false;
        http2.normalize_outbound = false;
        // No handler reads cookies, and the reverse proxy joins them itself.
        http2.join_cookies = false;
        // A slow upload is judged alike in both versions, and so are the crumbs of a cookie.
        http1.stall_bytes = http2.upload_stall_bytes;
        http1.head_crumbs = http2.budgets.cookie_crumbs;
        // One upload can use the whole window that it is promised.
        http2.connection_window_size = http2.connection_window_size.max(http2.initial_window_size);
        // A section of the promised size fits uncompressed, in both versions. What is decoded on comes in
        // frames of the least size that a peer may be bound to.
        let section = usize::try_from(http2.max_header_list_size).unwrap_or(usize::MAX);
        http2.budgets.header_block_bytes = http2.budgets.header_block_bytes.max(section);
        let frames = http2.max_header_list_size.div_ceil(LEAST_FRAME);
        http2.budgets.continuations = http2.budgets.continuations.max(frames);
        http1.head_bytes = section;
        http1.request_line_bytes = http1.request_line_bytes.min(section);
        config
    }
}

/// The smallest SETTINGS_MAX_FRAME_SIZE (RFC 9113 §6.5.2), in bytes.
const LEAST_FRAME: u32 = 16 << 10;

/// Bounds of what the shell holds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time. For one more, the most dispensable one is closed; where none is dispensable,
    /// accepting pauses. Bounded by the descriptor limit as well.
    pub max_connections: usize,
    /// Connections of one address at a time, or of one /64 of IPv6; more are closed at once. A
    /// twentieth of all, so that it takes many hosts to take every place, and still room for a
    /// thousand visitors behind one address translator. 0 is any number.
    pub connections_per_address: u32,
    /// Memory of all connections together, in bytes, as their accounts say. 128 MiB is a quarter of
    /// the smallest board that runs a Linux of today, and holds 20,000 idle TLS connections at 5 KiB,
    /// or 1,500 readers that each keep a whole output waiting. An eighth below it, dispensable connections
    /// are closed; above it, others too, the least useful first.
    pub memory_bytes: usize,
    /// Idle time after which a connection is closed when others need its place. Longer than
    /// the pauses of a client at work.
    pub idle_grace: Duration,
    /// Size of a piece of output, in bytes. A piece with content is made only when the output buffer is
    /// empty. Four TLS records, or nearly four DATA frames: with the records' own bytes it is less than
    /// 65,160 bytes, forty-five packets of an Ethernet, the most that a kernel hands down in one go
    /// (GSO). A little more would be a tiny segment of its own behind each.
    /// This is one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).
    pub output_bytes: usize,
    /// Smallest piece of output, in bytes, to which pieces shrink as all connections together near
    /// [`Limits::memory_bytes`]: a small board's downloads go on with it, more slowly. A quarter of a TLS
    /// record, whose 22 bytes are then half a percent.
    pub least_output_bytes: usize,
    /// Bytes of answers to frames that may wait beyond a piece while the socket takes nothing. With more,
    /// the connection is no longer read. A slow reader has a piece waiting most of the time, and its
    /// resets, windows and acknowledgements are still heard. The heads of a page's hundred responses take
    /// less.
    pub answer_bytes: usize,
    /// Unsent bytes that the kernel holds for a cleartext connection (TCP_NOTSENT_LOWAT). It is writable
    /// again when half of them are left, a millisecond of a line of 1 Gbit/s. Unbounded, the kernel takes
    /// 4 MiB of a large file for a peer that reads nothing. A few such peers on a small device use up the
    /// memory of all sockets (`net.ipv4.tcp_mem`), and then the kernel drops the packets of all. Less
    /// than what is spliced into one output costs a third more with files of 100 kB, as each is taken in
    /// parts.
    pub unsent_bytes: u32,
    /// Unsent bytes that the kernel holds for a TLS connection: two pieces of output. With more, large
    /// files cost a tenth more, as records have left the processor's cache by the time they are sent.
    pub unsent_tls_bytes: u32,
    /// Bytes read and processed for one connection in one turn: a full TLS record or frame with its
    /// header. Bytes that the turn's other budgets leave are kept, so this bounds memory as well. Content of
    /// requests takes no more time than its bytes tell, and is read in four times as many.
    pub turn_read_bytes: usize,
    /// Bytes written for one connection in one turn, in whole pieces: when there are as many, the turn
    /// ends. Four pieces of output, or one zero-copy piece, are a little more.
    pub turn_write_bytes: usize,
    /// Requests of one connection in one turn: as many as a client may have open, so that a page
    /// needs no second turn. More of them fit the bytes of a turn than others should wait for. While others wait, a
    /// connection that took little in its last turn makes fewer in this one, and the rest behind them.
    pub turn_requests: usize,
    /// Work on files for one connection in one turn, in bytes of
    /// [`Effort`](crate::world::effort::Effort): 150 µs, what the requests of a turn take whose files are
    /// in memory. Names that are not, opened and hashed for four requests, can take as much.
    pub turn_file_effort: usize,
    /// Connections accepted from one listener in one turn. All others wait some 10 µs for each. When
    /// there are more, the next turn follows at once.
    pub turn_accepts: usize,
    /// Bytes discarded from a peer after our last byte to it. Those that were on their way fit a socket
    /// buffer; more is a flood.
    pub linger_bytes: usize,
    /// The largest request body that a handler takes, in bytes, else 413. The demo handlers stream,
    /// so this bounds time and bandwidth, not memory.
    pub request_body_bytes: u64,
}

impl Limits {
    /// Unsent bytes that the kernel may hold for a connection, at most `most`. They are not in the
    /// connection's account, but in the memory of the same small machine: of a limit under 64 MiB, they
    /// get a share of 1/256 at most, and never less than a record.
    pub fn unsent(&self, most: u32) -> u32 {
        let share = u32::try_from(self.memory_bytes / 256).unwrap_or(u32::MAX);
        most.min(share.max(16 << 10))
    }

    /// TLS handshakes under way at a time; for one more, the oldest is closed. A quarter of all places, so
    /// that a flood of newcomers cannot take those of the connections that are established: at ten
    /// thousand a second, more than one core can answer, each still has half a second. Few places
    /// are not divided.
    pub fn handshakes(&self) -> usize {
        (self.max_connections / 4).max(64)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 20_000,
            connections_per_address: 1_000,
            memory_bytes: 128 << 20,
            idle_grace: Duration::from_secs(1),
            output_bytes: (64 << 10) - 512,
            least_output_bytes: 4 << 10,
            answer_bytes: 8 << 10,
            unsent_bytes: 256 << 10,
            unsent_tls_bytes: 128 << 10,
            turn_read_bytes: 17 << 10,
            turn_write_bytes: 248 << 10,
            turn_requests: 100,
            turn_file_effort: 200 << 10,
            turn_accepts: 16,
            linger_bytes: 256 << 10,
            request_body_bytes: 1 << 30,
        }
    }
}

/// Bounds of what the shell waits for.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// From accept to what tells the protocol, in the clear; from there to the first request of HTTP/1.1,
    /// and to the preface of HTTP/2, behind which [`Timeouts::idle`] begins.
    pub preface: Duration,
    /// From the first byte of a header section to its last, in either version.
    pub header: Duration,
    /// An HTTP/2 connection without streams. Browsers keep theirs for minutes; an idle connection
    /// costs little, and a new one a handshake.
    pub idle: Duration,
    /// Time in which a reader must take enough of its output, while patience is short: a vanished or
    /// stalled reader. The kernels' windows open in lumps of up to 64 KiB, and a line of
    /// 32 kbit/s takes 16 s for one.
    pub stall: Duration,
    /// Stall timeout while patience is ample. A socket becomes writable with room for 64 to 128 KiB, and a
    /// window opens in lumps of 64 KiB: a reader of 1 KB/s shows no progress for three minutes. A player
    /// that pauses, or a laptop whose lid is closed for a moment, wants its connection again.
    pub slow: Duration,
    /// From a request to the head of its response, while a handler waits for something else than the
    /// request's content, else 504. It is also the time between two steps behind the head, unless the
    /// handler asks for another. Load balancers give up after a minute by default.
    pub handler: Duration,
    /// Age at which a connection ends after what is open on it, less a fifth at random. Zero, the default, is
    /// never: only clients of several servers gain by connecting anew.
    pub connection_age: Duration,
    /// From SIGTERM to the end of responses that are still open.
    pub drain: Duration,
    /// From SIGTERM to the beginning of the drain: time for balancers to see failing health checks. None by
    /// default, since a server without a balancer would only end later.
    pub drain_delay: Duration,
    /// Time after our last byte in which the peer may close, so that a reset cannot overtake bytes that
    /// it has not read yet (RFC 9112 §9.6).
    pub linger: Duration,
}

impl Timeouts {
    /// The longest that a timeout can be, 30 days: far beyond any use, and far from where adding it to the
    /// clock could overflow.
    pub const LONGEST: Duration = LONGEST_WAIT;

    /// Shortens what is longer than [`Timeouts::LONGEST`].
    fn bound(&mut self) {
        let Timeouts {
            handshake,
            preface,
            header,
            idle,
            stall,
            slow,
            handler,
            connection_age,
            drain,
            drain_delay,
            linger,
        } = self;
        for timeout in [
            handshake,
            preface,
            header,
            idle,
            stall,
            slow,
            handler,
            connection_age,
            drain,
            drain_delay,
            linger,
        ] {
            *timeout = (*timeout).min(Timeouts::LONGEST);
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            handshake: Duration::from_secs(10),
            preface: Duration::from_secs(10),
            header: Duration::from_secs(10),
            idle: Duration::from_secs(180),
            stall: Duration::from_secs(20),
            slow: Duration::from_secs(300),
            handler: Duration::from_secs(60),
            connection_age: Duration::ZERO,
            drain: Duration::from_secs(30),
            drain_delay: Duration::ZERO,
            linger: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_what_is_derived_from_them() {
        let mut config = Config::default();
        // What the server never needs is switched off whatever it was.
        config.http2.validate_outbound = false;
        config.http2.normalize_outbound = false;
        config.http2.join_cookies = false;
        assert_eq!(format!("{:?}", config.derived()), format!("{config:?}"));
    }

    #[test]
    fn what_depends_on_an_http2_setting_follows_it() {
        let mut config = Config::default();
        config.http2.initial_window_size = 4 << 20;
        config.http2.max_header_list_size = 256 << 10;
        let derived = config.derived();
        assert_eq!(derived.http2.connection_window_size, 4 << 20);
        assert_eq!(derived.http2.budgets.header_block_bytes, 256 << 10);
        assert_eq!(derived.http2.budgets.continuations, 16);
        assert_eq!(derived.http1.head_bytes, 256 << 10);
        config.http2.max_header_list_size = 1 << 10;
        assert_eq!(config.derived().http1.request_line_bytes, 1 << 10);
    }

    #[test]
    fn shared_timeouts_reach_both_versions() {
        let mut config = Config {
            timeouts: Timeouts {
                preface: Duration::from_secs(1),
                header: Duration::from_secs(2),
                stall: Duration::from_secs(3),
                slow: Duration::from_secs(4),
                ..Timeouts::default()
            },
            ..Config::default()
        };
        let Config { http1, http2, .. } = config.derived();
        let seconds = [1, 2, 3, 4].map(Duration::from_secs);
        assert_eq!(
            [
                http1.preface_timeout,
                http1.header_timeout,
                http1.stall_timeout,
                http1.slow_timeout
            ],
            seconds
        );
        assert_eq!(
            [
                http2.preface_timeout,
                http2.header_timeout,
                http2.stall_timeout,
                http2.slow_timeout
            ],
            seconds
        );
        // Ample patience is never shorter than short patience.
        config.timeouts.stall = Duration::from_secs(9);
        assert_eq!(config.derived().timeouts.slow, Duration::from_secs(9));
    }

    #[test]
    fn timeouts_without_end_are_thirty_days() {
        let endless = Duration::MAX;
        let config = Config {
            timeouts: Timeouts {
                handshake: endless,
                preface: endless,
                header: endless,
                idle: endless,
                stall: endless,
                slow: endless,
                handler: endless,
                connection_age: endless,
                drain: endless,
                drain_delay: endless,
                linger: endless,
            },
            ..Config::default()
        };
        let config = config.derived();
        let timeouts = format!("{:?}", config.timeouts);
        assert_eq!(timeouts.matches("2592000s").count(), 11, "{timeouts}");
        assert_eq!(config.http1.slow_timeout, Timeouts::LONGEST);
        assert_eq!(config.http2.stall_timeout, Timeouts::LONGEST);
    }

    #[test]
    fn the_defaults_fit_each_other() {
        let Config {
            http1,
            http2,
            limits,
            timeouts,
            ..
        } = Config::default();
        // Grace periods under pressure are shorter than the stall timeout.
        assert!(limits.idle_grace < timeouts.stall);
        assert!(timeouts.stall < timeouts.slow);
        // The lumps in which progress shows, at 1 KB/s: half of what the kernel takes, and a window.
        let lump = u64::from(limits.unsent_bytes / 2) + (64 << 10);
        assert!(lump / 1000 < timeouts.slow.as_secs());
        assert!(http1.head_bytes >= http1.request_line_bytes);
        // What is decoded on comes in frames of the least size that a peer may be bound to.
        let frames = (http2.budgets.continuations as usize + 1) * LEAST_FRAME as usize;
        assert!(frames >= http2.budgets.header_block_bytes);
        // A turn reads a whole frame, and writes a whole piece of output.
        assert!(limits.turn_read_bytes >= http2.max_frame_size as usize);
        assert!(limits.turn_write_bytes >= limits.output_bytes);
        // A page needs no second turn.
        assert!(limits.turn_requests >= http2.max_concurrent_streams as usize);
        assert!(limits.handshakes() < limits.max_connections);
        assert!((limits.connections_per_address as usize) < limits.max_connections);
    }
}
