//! Every number and every choice of the server, each with its reason.
//!
//! [`Config`] is what the command line becomes. [`Limits`] bounds what a peer can make us hold,
//! [`Timeouts`] what it can make us wait for, [`Budgets`] what it can make us do. The values are
//! defaults for a public server on a small device; a test at the end of this file holds what has to be
//! true between them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that the server is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Cleartext listeners: HTTP/1.1, and HTTP/2 with prior knowledge.
    pub listen: Vec<ListenAddress>,
    /// TLS listeners: HTTP/2 and HTTP/1.1 by ALPN.
    pub listen_tls: Vec<ListenAddress>,
    /// Where certificate and key are.
    pub certificate: Certificate,
    /// What is served.
    pub site: SiteConfig,
    /// The access log.
    pub access_log: Option<AccessLogConfig>,
    /// The least important messages that reach standard error.
    pub log_level: log::LevelFilter,
    /// Whom the process becomes after listening; `None` stays who started it.
    pub user: Option<User>,
    /// Whether the process shuts itself in before it serves.
    pub sandbox: bool,
    /// Directories that the sandbox leaves readable beside those that the site needs today: where
    /// deployments will put what it needs next.
    pub sandbox_read: Vec<PathBuf>,
    /// HTTP/2 settings and bounds.
    pub http2: Http2,
    /// HTTP/1.1 settings and bounds.
    pub http1: Http1,
    /// What the shell holds at most.
    pub limits: Limits,
    /// What the shell waits for at most.
    pub timeouts: Timeouts,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: vec![ListenAddress::Tcp(SocketAddr::from(([0u16; 8], 8080)))],
            listen_tls: vec![ListenAddress::Tcp(SocketAddr::from(([0u16; 8], 8443)))],
            certificate: Certificate::SelfSigned { directory: None },
            site: SiteConfig::default(),
            access_log: None,
            log_level: log::LevelFilter::Info,
            user: None,
            sandbox: true,
            sandbox_read: Vec::new(),
            http2: Http2::default(),
            http1: Http1::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }
}

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and port; `[::]` takes IPv4 too.
    Tcp(SocketAddr),
    /// A Unix socket, written `unix:PATH[,mode=0660][,owner=USER[:GROUP]]`.
    Unix(UnixSocket),
}

/// A Unix socket that is listened on, and who may connect to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// Its name in the file system.
    pub path: PathBuf,
    /// Its permissions, of which writing is what connecting takes; none leaves them to the umask.
    pub mode: Option<u32>,
    /// Its owner and group; none leaves it ours.
    pub owner: Option<User>,
}

impl<P: Into<PathBuf>> From<P> for UnixSocket {
    fn from(path: P) -> Self {
        UnixSocket {
            path: path.into(),
            mode: None,
            owner: None,
        }
    }
}

/// Where the certificate of the TLS listeners comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Made for localhost.
    SelfSigned {
        /// Keeps `localhost.pem` and `localhost.key` from the first start on. Without it, each start
        /// makes another pair, in memory.
        directory: Option<PathBuf>,
    },
    /// Given by the operator, PEM.
    Files {
        /// The chain, leaf first.
        chain: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As the operator wrote it.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of its first group.
    pub gid: u32,
    /// All of its groups, the first one among them.
    pub groups: Vec<u32>,
}

/// Where and how requests are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// The file; `None` is standard output.
    pub file: Option<PathBuf>,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of an access log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Apache's combined format.
    #[default]
    Combined,
    /// One JSON object a line.
    Json,
}

/// What is served and how.
#[derive(Clone, Debug)]
pub struct SiteConfig {
    /// The directory at `/`.
    pub root: PathBuf,
    /// Answer a directory without an index with a listing.
    pub listing: bool,
    /// Answer a path that does not exist with `/index.html`, for sites routed in the browser.
    pub spa: bool,
    /// Mount `/echo`, `/json` and `/html`.
    pub demo: bool,
    /// `Cache-Control` by pattern, first match wins.
    pub cache: Vec<CacheRule>,
    /// Fields added to every response.
    pub headers: Vec<(String, String)>,
    /// Media types by extension, first match wins, before the built-in table.
    pub types: Vec<TypeRule>,
    /// The character set of text that does not name its own.
    pub charset: Charset,
    /// Which files get a strong entity tag.
    pub entity_tags: EntityTags,
    /// Bytes of hot files (content and response fields) kept in memory. 1 MiB holds the pages and
    /// styles that most requests are for, and leaves the rest to the page cache.
    pub cache_memory: usize,
    /// Files that responses are sent from which may be open at a time; beyond it, the one that was not used
    /// for longest is closed until its reader goes on. One for each connection, of which the server takes
    /// fewer where the system's limit of open files is lower.
    pub open_files: usize,
}

impl Default for SiteConfig {
    fn default() -> Self {
        SiteConfig {
            root: PathBuf::from("public"),
            listing: false,
            spa: false,
            demo: false,
            cache: Vec::new(),
            headers: Vec::new(),
            types: Vec::new(),
            charset: Charset::default(),
            entity_tags: EntityTags::Auto,
            cache_memory: 1 << 20,
            open_files: 20_000,
        }
    }
}

/// Which files get a strong entity tag, for which all of their content must be read; the others have a
/// weak one, of what the file system says about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntityTags {
    /// Files of up to 1 MiB, and longer ones once their bytes have all passed on their way to a reader.
    #[default]
    Auto,
    /// All files, which are read for it.
    Content,
}

/// `Cache-Control` for the paths that a pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRule {
    /// A glob on the path without its leading slash, such as `assets/**`.
    pub pattern: String,
    /// The field's value, such as `max-age=31536000, immutable`.
    pub value: String,
}

/// The media type of files whose names have an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeRule {
    /// The end of a name behind a dot, in lowercase, such as `log` or `tar.gz`.
    pub extension: String,
    /// The value of `Content-Type`, such as `text/plain`. One with a parameter gets no `charset`.
    pub value: String,
}

/// The character set that text is said to have (the parameter `charset` of `Content-Type`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charset {
    /// This one.
    Name(String),
    /// None: browsers guess.
    Unsaid,
}

impl Default for Charset {
    /// UTF-8, as nearly everything that is written today is.
    fn default() -> Self {
        Charset::Name("utf-8".into())
    }
}

/// How long a peer is put up with that takes or sends too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// For [`Timeouts::slow`]: there is room for everybody.
    Ample,
    /// For [`Timeouts::stall`]: memory, descriptors or places are short, and others wait for them.
    Short,
}

/// HTTP/2: our settings (RFC 9113 §6.5.2) and what a peer may make a connection hold or do.
#[derive(Clone, Debug)]
pub struct Http2 {
    /// SETTINGS_MAX_CONCURRENT_STREAMS. 100 is the least that RFC 9113 §6.5.2 recommends and what
    /// browsers expect.
    pub max_concurrent_streams: u32,
    /// SETTINGS_INITIAL_WINDOW_SIZE, in bytes: what an upload may send ahead. 256 KiB keeps
    /// 20 Mbit/s busy at a round trip of 100 ms, and bounds what a handler that cannot pass bytes
    /// on makes us hold.
    pub initial_window_size: u32,
    /// The receive window of the connection, in bytes: four uploads at full speed, and the bound of
    /// what all streams together make us hold.
    pub connection_window_size: u32,
    /// SETTINGS_MAX_FRAME_SIZE, in bytes. The protocol's minimum: it bounds what an incomplete frame
    /// makes us keep, and a larger one saves nothing that can be measured.
    pub max_frame_size: u32,
    /// SETTINGS_HEADER_TABLE_SIZE, in bytes: the peer's table that our decoder keeps. RFC 7541's
    /// default; requests hardly shrink with more.
    pub header_table_size: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE, in bytes as RFC 9113 §6.5.2 counts. Browsers stay under 16 KiB
    /// with the largest cookies that they keep for a site; nothing beyond it is materialised.
    pub max_header_list_size: u32,
    /// The largest dynamic table that our encoder uses, whatever the peer allows.
    pub encoder_table_size: u32,
    /// Take pushed responses, as a client (SETTINGS_ENABLE_PUSH). Off: nobody sends them any more.
    pub push: bool,
    /// Take extended CONNECT (RFC 8441), as a server. Off: nothing here is tunnelled to.
    pub extended_connect: bool,
    /// Check received field sections against RFC 9113 §8.2 and §8.3. Off only for tests of peers.
    pub validate_inbound: bool,
    /// Strip blanks around received values first, as a client: curl and browsers take a field that
    /// ends in a blank, which RFC 9113 §8.2.1 calls malformed, and servers that send one exist. Off: a
    /// server has no reason to guess.
    pub trim_inbound: bool,
    /// Check sent field sections as well. Off: our site makes its fields once and valid, and a copy
    /// of every section would cost more than sending it.
    pub validate_outbound: bool,
    /// Lowercase the names of sent fields and trim their values, for callers with fields of others.
    pub normalize_outbound: bool,
    /// Join `cookie` crumbs into one field (RFC 9113 §8.2.3). Off: nobody here reads cookies.
    pub join_cookies: bool,
    /// Tell of unknown frames and of the priorities of RFC 7540. Off: a flood of them should cost
    /// no more than skipping it.
    pub report_extensions: bool,
    /// Content of a request that nobody reads is taken up to this many bytes after the response, so
    /// that a client which sends first and reads then is not cut off; beyond it, RST_STREAM NO_ERROR.
    pub drain_bytes: u32,
    /// The smallest DATA frame that is worth sending, in bytes, unless it is the last of its stream
    /// or the peer's windows are smaller altogether (CVE-2019-9511).
    pub data_frame_floor: u32,
    /// Accept `Upgrade: h2c` (RFC 7540 §3.2). Off: RFC 9113 removed it, and proxies that pass it on
    /// unseen let requests bypass their rules.
    pub h2c_upgrade: bool,
    /// What a peer may cause before ENHANCE_YOUR_CALM.
    pub budgets: Budgets,
    /// From the beginning of a connection to its whole preface (RFC 9113 §3.4), as a server. Who has
    /// said nothing by then is let go without blame.
    pub preface_timeout: Duration,
    /// From a SETTINGS frame of ours, and the preface, to its acknowledgement, else SETTINGS_TIMEOUT
    /// (§6.5.3).
    pub settings_timeout: Duration,
    /// From HEADERS to its END_HEADERS, however many CONTINUATION frames come between.
    pub header_timeout: Duration,
    /// Within this time a stream that waits for the peer must move enough, else RST_STREAM CANCEL, where
    /// patience is short: a response that waits for its window or for the socket
    /// ([`Http2::stall_bytes`]), and, as a server, a request whose content does not come
    /// ([`Http2::upload_stall_bytes`]). It is seen after one to five quarters of this.
    pub stall_timeout: Duration,
    /// Stall timeout while there is room for everybody; at least [`Http2::stall_timeout`].
    pub slow_timeout: Duration,
    /// Between the two GOAWAY frames of a graceful shutdown (RFC 9113 §6.8) at most, where the peer
    /// does not answer the PING between them. A second is more than any round trip in use.
    pub shutdown_grace: Duration,
    /// The progress that keeps a response alive, in bytes per [`Http2::stall_timeout`].
    pub stall_bytes: u32,
    /// The progress that keeps a request's content alive, as [`Http1::stall_bytes`] does.
    pub upload_stall_bytes: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Http2 {
            max_concurrent_streams: 100,
            initial_window_size: 256 << 10,
            connection_window_size: 1 << 20,
            max_frame_size: 16_384,
            header_table_size: 4_096,
            max_header_list_size: 16 << 10,
            encoder_table_size: 4_096,
            push: false,
            extended_connect: false,
            validate_inbound: true,
            trim_inbound: false,
            validate_outbound: false,
            normalize_outbound: false,
            join_cookies: false,
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

/// How much nuisance an HTTP/2 peer may cause before GOAWAY ENHANCE_YOUR_CALM.
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
    /// Encoded bytes of one field section (CVE-2024-27316): four times what is taken, so that whoever
    /// keeps too many cookies is told so by 431 rather than cut off.
    pub header_block_bytes: usize,
    /// A section that decodes to more than this many times the list limit, and to twice its encoded
    /// length, ends the connection; under it the request is answered with 431 (CVE-2016-6581).
    pub header_list_overrun: usize,
    /// Requests that the peer may reset in the same write that made them (CVE-2023-44487). A reset that
    /// comes later, but before [`Http2::stall_bytes`] of the response were sent, caused more work and
    /// counts three times; those right behind another reset count nothing: leaving one page after another,
    /// each with a hundred images under way, is innocent. Every answered request earns a later reset back,
    /// and a response that was mostly read costs nothing. A test suite that aborts 400 requests as it
    /// makes them goes on; a flood has caused what 500 GETs cause when it ends.
    pub peer_resets: u32,
    /// Stream errors that the peer provokes from us (CVE-2025-8671), in a connection's life.
    pub provoked_resets: u32,
    /// PINGs a second (CVE-2019-9512), whether their answers are read or not, which nobody can tell:
    /// a client that measures its bandwidth sends one a round trip.
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
    /// DATA frames under [`Http2::data_frame_floor`] that a peer may get from us in an eighth of a second,
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

/// HTTP/1.1: keep-alive and the bounds of a message (RFC 9112).
#[derive(Clone, Debug)]
pub struct Http1 {
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
    /// [`Budgets::cookie_crumbs`] says why.
    pub head_crumbs: usize,
    /// Chunk extensions of one body in bytes, else 400.
    pub chunk_extension_bytes: usize,
    /// A body that nobody reads is drained up to this many bytes, so that the connection can be
    /// kept; beyond it, closed.
    pub drain_bytes: u64,
    /// From the beginning of a connection to the first byte of its first head.
    pub preface_timeout: Duration,
    /// From the first byte of a head to its end, else 408.
    pub header_timeout: Duration,
    /// Silence between requests before the connection is closed: `timeout` of `Keep-Alive`. Zero
    /// closes after every response. Longer than the minute after which the load balancers of the large
    /// hosts let go of a connection, so that none of them sends a request into one that closes.
    pub keep_alive_timeout: Duration,
    /// Within this time a request body that is read must bring [`Http1::stall_bytes`] or its end, else
    /// 408, where patience is short. The same option sets [`Http2::stall_timeout`] and
    /// [`Timeouts::stall`].
    pub stall_timeout: Duration,
    /// Stall timeout while there is room for everybody; at least [`Http1::stall_timeout`]. The same option sets
    /// [`Http2::slow_timeout`] and [`Timeouts::slow`].
    pub slow_timeout: Duration,
    /// The progress that keeps a request body alive, in bytes per [`Http1::stall_timeout`]. A modem
    /// brings this in a second; whoever is slower holds a connection for nothing.
    pub stall_bytes: u32,
}

impl Default for Http1 {
    fn default() -> Self {
        Http1 {
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

/// What the shell holds at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time. For one more, the dispensable one that is first goes; where none is,
    /// accepting pauses. Bounded by the descriptor limit as well.
    pub max_connections: usize,
    /// Connections of one address at a time, or of one /64 of IPv6; more are closed at once. A
    /// twentieth of all, so that it takes many hosts to take every place, and still room for a
    /// thousand visitors behind one address translator. 0 is any number.
    pub connections_per_address: u32,
    /// Memory of all connections together, in bytes, as their accounts say. 128 MiB is a quarter of
    /// the smallest board that runs a Linux of today, and holds 20,000 idle TLS connections at 5 KiB,
    /// or 1,500 readers that each keep a whole output waiting. An eighth below it, connections that
    /// are dispensable go; above it, whoever is first.
    pub memory_bytes: usize,
    /// A connection that has been idle for this long goes when others need its place. Longer than
    /// the pauses of a client at work.
    pub idle_grace: Duration,
    /// Output is made in pieces of this size, and a piece with content only when nothing waits. Four TLS
    /// records, or nearly four DATA frames: with what the records add it is less than 65,160 bytes,
    /// forty-five packets of an Ethernet, the most that a kernel hands down in one go (GSO). A little
    /// more would be a tiny segment of its own behind each.
    pub output_bytes: usize,
    /// The least that a piece shrinks to while all connections together near [`Limits::memory_bytes`]: what
    /// a small board's downloads go on with, slower than else. A quarter of a TLS record, whose 22 bytes
    /// are then half a percent.
    pub least_output_bytes: usize,
    /// So many bytes beyond a piece may wait in memory on a connection before nothing is read from it
    /// any more: what its frames call for while the socket takes nothing. A reader that is slower than
    /// we are has a piece waiting most of the time, and its resets, windows and acknowledgements are
    /// heard all the same. The heads of a page's hundred responses take less.
    pub answer_bytes: usize,
    /// The kernel takes more to send for a connection only while it holds less than this that is not on
    /// its way (TCP_NOTSENT_LOWAT), and tells of room when half of it is left, a millisecond of a line of
    /// 1 Gbit/s. Unbounded, it takes 4 MiB for whoever reads nothing of a large file: a few of them on a
    /// small device use up what it has for all sockets (`net.ipv4.tcp_mem`), and then it drops everybody's
    /// packets. Less than what is spliced into one output costs a third more with files of 100 kB, as
    /// each is taken in parts.
    pub unsent_bytes: u32,
    /// The same over TLS: two pieces of output. With more, large files cost a tenth more, as records
    /// have left the processor's cache by the time they are sent.
    pub unsent_tls_bytes: u32,
    /// Bytes read and processed for one connection in one turn, before others have theirs: a full TLS
    /// record or frame and what surrounds it. What the turn's other budgets leave of them is kept, so
    /// this bounds memory as well.
    pub turn_read_bytes: usize,
    /// Bytes written for one connection in one turn, in whole pieces: when there are as many, the turn
    /// ends. Four pieces of output, or one of what is sent from where it is, are a little more.
    pub turn_write_bytes: usize,
    /// Requests of one connection in one turn: as many as a client may have open, so that a page
    /// needs no second turn. More of them fit the bytes of a turn than others should wait for.
    pub turn_requests: usize,
    /// Work on files for one connection in one turn, in bytes of
    /// [`Effort`](crate::world::effort::Effort): 150 µs, what the requests of a turn take whose files are
    /// in memory. Names that are not, opened and hashed for four requests, can take as much.
    pub turn_file_effort: usize,
    /// Connections accepted from one listener in one turn, for which everybody else waits: some 10 µs
    /// each. When there are more, the next turn follows at once.
    pub turn_accepts: usize,
    /// Bytes discarded from a peer after our last byte to it. What was on its way fits a socket
    /// buffer; more is a flood.
    pub linger_bytes: usize,
    /// The largest request body that a handler takes, in bytes, else 413. The demo handlers stream,
    /// so this bounds time and bandwidth, not memory.
    pub request_body_bytes: u64,
}

impl Limits {
    /// What the kernel holds for a connection is not in its account, but in the memory of the same small
    /// machine: of a limit under 64 MiB, it gets a share of 1/256 at most, and never less than a record.
    pub fn unsent(&self, most: u32) -> u32 {
        let share = u32::try_from(self.memory_bytes / 256).unwrap_or(u32::MAX);
        most.min(share.max(16 << 10))
    }

    /// TLS handshakes under way at a time; for one more, the oldest goes. A quarter of all places, so
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

/// What the shell waits for at most.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// From accept to what tells the protocol, in the clear. The same option sets
    /// [`Http1::preface_timeout`] and [`Http2::preface_timeout`].
    pub preface: Duration,
    /// An HTTP/2 connection without streams. Browsers keep theirs for minutes; an idle connection
    /// costs little, and a new one a handshake.
    pub idle: Duration,
    /// Output of which the peer takes too little, while others need memory, descriptors or places: a
    /// vanished or stalled reader. The kernels' windows open in lumps of up to 64 KiB, and a line of
    /// 32 kbit/s takes 16 s for one.
    pub stall: Duration,
    /// The same while there is room for everybody. The kernel tells of room for 64 to 128 KiB, and a
    /// window opens in lumps of 64 KiB: a reader of 1 KB/s shows no progress for three minutes. A player
    /// that pauses, or a laptop whose lid is closed for a moment, wants its connection again.
    pub slow: Duration,
    /// From SIGTERM until open responses are cut.
    pub drain: Duration,
    /// After our last byte, the wait for the peer to close, so that a reset cannot overtake what it
    /// has not read yet (RFC 9112 §9.6).
    pub linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            handshake: Duration::from_secs(10),
            preface: Duration::from_secs(10),
            idle: Duration::from_secs(180),
            stall: Duration::from_secs(20),
            slow: Duration::from_secs(300),
            drain: Duration::from_secs(30),
            linger: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_each_other() {
        let Config {
            http1,
            http2,
            limits,
            timeouts,
            ..
        } = Config::default();
        // One option each sets these in both versions.
        assert_eq!(http1.header_timeout, http2.header_timeout);
        assert_eq!(http1.preface_timeout, http2.preface_timeout);
        assert_eq!(timeouts.preface, http2.preface_timeout);
        assert_eq!(http1.stall_timeout, http2.stall_timeout);
        assert_eq!(timeouts.stall, http2.stall_timeout);
        assert_eq!(http1.slow_timeout, http2.slow_timeout);
        assert_eq!(timeouts.slow, http2.slow_timeout);
        // A slow upload is judged alike in both versions.
        assert_eq!(http1.stall_bytes, http2.upload_stall_bytes);
        // Who is in need does not wait as long as who is not.
        assert!(limits.idle_grace < timeouts.stall);
        assert!(timeouts.stall < timeouts.slow);
        // The lumps in which progress shows, at 1 KB/s: half of what the kernel takes, and a window.
        let lump = u64::from(limits.unsent_bytes / 2) + (64 << 10);
        assert!(lump / 1000 < timeouts.slow.as_secs());
        // A section of the promised size fits uncompressed, in both versions.
        assert!(http2.budgets.header_block_bytes >= http2.max_header_list_size as usize);
        assert!(http1.head_bytes >= http2.max_header_list_size as usize);
        // What is decoded on comes in frames of the least size that a peer may be bound to.
        let frames = (http2.budgets.continuations as usize + 1) << 14;
        assert!(frames >= http2.budgets.header_block_bytes);
        assert_eq!(http1.head_crumbs, http2.budgets.cookie_crumbs);
        assert!(http1.head_bytes >= http1.request_line_bytes);
        // One upload can use the whole window that it is promised.
        assert!(http2.connection_window_size >= http2.initial_window_size);
        // A turn reads a whole frame, and writes a whole piece of output.
        assert!(limits.turn_read_bytes >= http2.max_frame_size as usize);
        assert!(limits.turn_write_bytes >= limits.output_bytes);
        // A page needs no second turn.
        assert!(limits.turn_requests >= http2.max_concurrent_streams as usize);
        assert!(limits.handshakes() < limits.max_connections);
        assert!((limits.connections_per_address as usize) < limits.max_connections);
    }
}
