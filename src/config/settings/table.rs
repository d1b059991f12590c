//! The table of settings, in the order of the help.

use super::{ConfigDraft, Group, Setting, value};
use crate::world::User;

/// The name of the setting that names the settings file, which the file itself cannot have.
pub const SETTINGS_FILE: &str = "config";

/// The name of the setting that names the directory to serve. In a host its key is `root`.
pub const ROOT: &str = "dir";

/// All settings, group by group.
pub static TABLE: &[Group] = &[
    Group {
        heading: None,
        settings: &[
            Setting::path(ROOT, "DIR", "The directory to serve", |draft, path| {
                draft.site().root = path;
            })
            .essential()
            .operand()
            .per_host()
            .default("public"),
        ],
    },
    Group {
        heading: Some("Listening"),
        settings: LISTENING,
    },
    Group {
        heading: Some("Site"),
        settings: SITE,
    },
    #[cfg(feature = "proxy")]
    Group {
        heading: Some("Proxy"),
        settings: PROXY,
    },
    Group {
        heading: Some("Logs"),
        settings: LOGS,
    },
    Group {
        heading: Some("Rights"),
        settings: RIGHTS,
    },
    Group {
        heading: Some("HTTP/2"),
        settings: HTTP2,
    },
    Group {
        heading: Some("HTTP/1.1"),
        settings: HTTP1,
    },
    Group {
        heading: Some("Bounds"),
        settings: BOUNDS,
    },
];

/// Copies a value that was read to its place.
fn put<T>(place: &mut T, read: Result<T, String>) -> Result<(), String> {
    *place = read?;
    Ok(())
}

const LISTENING: &[Setting] = &[
    Setting::text(
        "listen",
        "ADDR",
        "Cleartext: HOST:PORT, PORT or unix:PATH",
        |draft, text| {
            let addresses = draft.addresses(text)?;
            ConfigDraft::add_addresses(&mut draft.listen, addresses);
            Ok(())
        },
    )
    .essential()
    .short('p')
    .repeated()
    .default(":8080"),
    Setting::text(
        "listen-tls",
        "ADDR",
        "TLS address; any replaces both defaults",
        |draft, text| {
            let addresses = draft.addresses(text)?;
            ConfigDraft::add_addresses(&mut draft.listen_tls, addresses);
            Ok(())
        },
    )
    .essential()
    .repeated()
    .default(":8443"),
    Setting::text(
        "metrics",
        "ADDR",
        "Address of /metrics, /healthz and /readyz, and nothing else",
        |draft, text| {
            let addresses = draft.addresses(text)?;
            ConfigDraft::add_addresses(&mut draft.config.metrics, addresses);
            Ok(())
        },
    )
    .repeated(),
    Setting::switch(
        "reuse-port",
        "Let other processes of this user listen on the same TCP ports; the kernel spreads connections",
        |draft, on| draft.config.reuse_port = on,
    ),
    Setting::text(
        "control",
        "unix:PATH",
        "Socket by which a newer process takes the listeners over",
        |draft, text| {
            let path = draft.control(text)?;
            draft.config.control = Some(path);
            Ok(())
        },
    ),
    Setting::path(
        "cert",
        "FILE",
        "Certificate chain, PEM [default: self-signed for localhost]",
        |draft, path| draft.cert.push(path),
    )
    .essential()
    .repeated()
    .per_host(),
    Setting::path(
        "key",
        "FILE",
        "Private key of the certificate, PEM",
        |draft, path| draft.key.push(path),
    )
    .essential()
    .repeated()
    .per_host(),
    Setting::path(
        "ticket-key",
        "FILE",
        "Key of session tickets, 80 random bytes, for several processes that resume each other's sessions",
        |draft, path| draft.config.host.ticket_key = Some(path),
    ),
    Setting::switch(
        "watch-certificates",
        "Read certificate and keys again within a minute after they have changed",
        |draft, on| draft.config.host.watch_certificates = on,
    ),
];

const SITE: &[Setting] = &[
    Setting::path(
        SETTINGS_FILE,
        "FILE",
        "Settings file, TOML or JSON: its keys are names of options",
        |draft, path| draft.config.settings_file = Some(path),
    )
    .essential(),
    Setting::switch(
        "listing",
        "List directories that have no index.html",
        |draft, on| draft.site().listing = on,
    )
    .essential()
    .per_host(),
    Setting::switch(
        "spa",
        "Answer paths that do not exist with /index.html",
        |draft, on| draft.site().spa = on,
    )
    .essential()
    .per_host(),
    Setting::switch(
        "clean-urls",
        "Serve /about from about.html, and redirect /about.html there",
        |draft, on| draft.site().clean_urls = on,
    )
    .per_host(),
    Setting::text(
        "index",
        "FILE",
        "File that answers for its directory",
        |draft, text| {
            let file = value::site_file(text)?;
            if !std::mem::replace(&mut draft.has_index, true) {
                draft.site().index.clear();
            }
            draft.site().index.push(file);
            Ok(())
        },
    )
    .repeated()
    .default("index.html")
    .per_host(),
    Setting::text(
        "fallback",
        "FILE",
        "File of the site that answers for pages that do not exist",
        |draft, text| {
            draft.site().fallback = Some(value::site_file(text)?);
            Ok(())
        },
    )
    .per_host(),
    Setting::text(
        "error-page",
        "STATUS=FILE",
        "File of the site that is the page of an error, as '404=404.html'",
        |draft, text| {
            draft.site().error_pages.push(value::error_page(text)?);
            Ok(())
        },
    )
    .repeated()
    .per_host(),
    #[cfg(feature = "proxy")]
    Setting::text(
        "proxy",
        "PATH=URL",
        "Forward a path, as '/api=http://127.0.0.1:3000'",
        |draft, text| {
            let rule = draft.proxy_rule(text)?;
            draft.config.host.proxies.push(rule);
            Ok(())
        },
    )
    .essential()
    .repeated()
    .per_host(),
    Setting::switch(
        "demo",
        "Mount /echo, /json, /html, /respond",
        |draft, on| {
            draft.site().demo = on;
        },
    )
    .essential()
    .per_host(),
    Setting::text(
        "cache",
        "PATTERN=VALUE",
        "Cache-Control by pattern, as 'assets/**=1y,immutable'",
        |draft, text| {
            draft.site().cache.push(value::cache_rule(text)?);
            Ok(())
        },
    )
    .essential()
    .repeated()
    .per_host(),
    Setting::text(
        "header",
        "NAME: VALUE",
        "Field added to every response",
        |draft, text| {
            draft.site().headers.push(value::header(text)?);
            Ok(())
        },
    )
    .essential()
    .repeated()
    .per_host(),
    Setting::text(
        "type",
        "EXT=TYPE",
        "Media type of an extension, as 'log=text/plain'",
        |draft, text| {
            draft.site().types.push(value::type_rule(text)?);
            Ok(())
        },
    )
    .repeated()
    .per_host(),
    Setting::text(
        "charset",
        "NAME",
        "Character set of text that does not name its own, or none",
        |draft, text| put(&mut draft.site().charset, value::charset(text)),
    )
    .default("utf-8")
    .per_host(),
    Setting::text(
        "etag",
        "auto|content",
        "Files with a strong entity tag: auto (up to 1M, and what was sent whole) or content (all)",
        |draft, text| put(&mut draft.site().entity_tags, value::entity_tags(text)),
    )
    .default("auto")
    .per_host(),
    Setting::text(
        "cache-memory",
        "SIZE",
        "Memory for hot files; 0 keeps none",
        |draft, text| put(&mut draft.site().cache_memory, value::memory(text)),
    )
    .essential()
    .default("1M")
    .per_host(),
    Setting::text(
        "upload",
        "PATH=DIR",
        "Take uploads by PUT, POST and form, as '/incoming=/srv/incoming', and serve them as attachments",
        |draft, text| {
            let rule = draft.upload_rule(text)?;
            draft.config.uploads.push(rule);
            Ok(())
        },
    )
    .repeated(),
    Setting::text(
        "upload-limit",
        "SIZE",
        "Largest file that is uploaded",
        |draft, text| put(&mut draft.config.upload_limit, value::size(text)),
    )
    .default("1G"),
    Setting::text(
        "max-request-body",
        "SIZE",
        "Largest request body that a handler takes",
        |draft, text| put(&mut draft.limits().request_body_bytes, value::size(text)),
    )
    .default("1G"),
    Setting::text(
        "health",
        "PATH",
        "Path of health checks: 200, or 503 once the server stops; not in the access log",
        |draft, text| {
            draft.config.server.health.push(value::health_path(text)?);
            Ok(())
        },
    )
    .repeated(),
    Setting::text(
        "helper",
        "on|off",
        "A second process that waits for slow disks and hashes files: on or off",
        |draft, text| put(&mut draft.config.helper, value::on_or_off(text)),
    )
    .default("off"),
];

#[cfg(feature = "proxy")]
const PROXY: &[Setting] = &[
    Setting::text(
        "proxy-connect-timeout",
        "TIME",
        "Connecting to an upstream, or waiting for a free connection",
        |draft, text| put(&mut draft.upstreams().connect_timeout, value::timeout(text)),
    )
    .default("5s"),
    Setting::text(
        "proxy-timeout",
        "TIME",
        "From a request to the first byte of the upstream's response",
        |draft, text| {
            put(
                &mut draft.upstreams().response_timeout,
                value::timeout(text),
            )
        },
    )
    .default("60s"),
    Setting::text(
        "proxy-idle-timeout",
        "TIME",
        "Silence of an upstream within a response",
        |draft, text| put(&mut draft.upstreams().idle_timeout, value::timeout(text)),
    )
    .default("60s"),
    Setting::text(
        "proxy-keep-alive",
        "TIME",
        "Time for which an idle connection to an upstream is kept",
        |draft, text| put(&mut draft.upstreams().keep_alive, value::timeout(text)),
    )
    .default("1500ms"),
    Setting::text(
        "proxy-connections",
        "N",
        "Connections to one upstream server at a time",
        |draft, text| {
            let connections = value::number(text, 1, 65_535)?;
            draft.upstreams().connections = connections as usize;
            Ok(())
        },
    )
    .default("256"),
];

const LOGS: &[Setting] = &[
    Setting::path(
        "access-log",
        "FILE",
        "Log requests to FILE, or - for standard output",
        |draft, path| draft.access_log = Some(path),
    )
    .essential(),
    Setting::text(
        "log-format",
        "FORMAT",
        "Form of its lines: combined, extended or json",
        |draft, text| put(&mut draft.log_format, value::log_format(text)),
    )
    .essential()
    .default("combined"),
    Setting::text(
        "log-level",
        "LEVEL",
        "Messages: off, error, warn, info, debug, trace",
        |draft, text| put(&mut draft.config.log_level, value::log_level(text)),
    )
    .default("info"),
];

const RIGHTS: &[Setting] = &[
    Setting::text(
        "user",
        "NAME[:GROUP]",
        "User to become after listening; needs root at the start",
        |draft, text| {
            draft.config.user = Some(User::find(text)?);
            Ok(())
        },
    ),
    Setting::text(
        "sandbox",
        "on|off",
        "Give up all rights that serving does not take: on or off",
        |draft, text| put(&mut draft.config.sandbox, value::on_or_off(text)),
    )
    .default("on"),
    Setting::path(
        "sandbox-read",
        "DIR",
        "Directory that stays readable in the sandbox: where deployments put what DIR will lead to",
        |draft, path| draft.config.sandbox_read.push(path),
    )
    .repeated(),
];

const HTTP2: &[Setting] = &[
    Setting::text(
        "max-concurrent-streams",
        "N",
        "Requests at a time on one connection",
        |draft, text| {
            put(
                &mut draft.http2().max_concurrent_streams,
                value::number(text, 1, 65_535),
            )
        },
    )
    .default("100"),
    Setting::text(
        "initial-window-size",
        "SIZE",
        "Content that an upload may send ahead",
        |draft, text| {
            put(
                &mut draft.http2().initial_window_size,
                value::window_size(text),
            )
        },
    )
    .default("256K"),
    Setting::text(
        "max-frame-size",
        "SIZE",
        "Largest frame taken, up to 16777215",
        |draft, text| put(&mut draft.http2().max_frame_size, value::frame_size(text)),
    )
    .default("16K"),
    Setting::text(
        "header-table-size",
        "SIZE",
        "Compression memory for requests, up to 64K",
        |draft, text| {
            put(
                &mut draft.http2().header_table_size,
                value::table_size(text),
            )
        },
    )
    .default("4K"),
    Setting::text(
        "max-header-list-size",
        "SIZE",
        "Largest header section, up to 64K (HTTP/1.1 too)",
        |draft, text| {
            put(
                &mut draft.http2().max_header_list_size,
                value::header_list_size(text),
            )
        },
    )
    .default("16K"),
    Setting::switch(
        "h2c-upgrade",
        "Accept 'Upgrade: h2c'. Risky behind a proxy: if it lets the upgrade pass, clients can smuggle \
         requests past its rules",
        |draft, on| draft.http2().h2c_upgrade = on,
    ),
];

const HTTP1: &[Setting] = &[
    Setting::text(
        "keep-alive-timeout",
        "TIME",
        "Silence that ends a connection",
        |draft, text| put(&mut draft.http1().keep_alive_timeout, value::timeout(text)),
    )
    .default("75s"),
    Setting::text(
        "keep-alive-requests",
        "N",
        "Requests that end a connection",
        |draft, text| {
            put(
                &mut draft.http1().keep_alive_requests,
                value::number(text, 1, u32::MAX),
            )
        },
    )
    .default("1000"),
];

/// Ten million connections are more than any machine has memory for.
const MOST_CONNECTIONS: u32 = 10_000_000;

const BOUNDS: &[Setting] = &[
    Setting::switch(
        "small",
        "Bounds for hosts with little memory, 16M in all",
        // Its settings are given one by one.
        |_, _| {},
    ),
    Setting::text(
        "max-connections",
        "N",
        "Connections at a time; idle ones go first for others",
        |draft, text| {
            let connections = value::number(text, 1, MOST_CONNECTIONS)?;
            draft.limits().max_connections = usize::try_from(connections).unwrap_or(usize::MAX);
            Ok(())
        },
    )
    .default("20000"),
    Setting::text(
        "max-per-address",
        "N",
        "Of them, from one other machine; 0 is any number",
        |draft, text| {
            put(
                &mut draft.limits().connections_per_address,
                value::number(text, 0, MOST_CONNECTIONS),
            )
        },
    )
    .default("1000"),
    Setting::text(
        "memory-limit",
        "SIZE",
        "Memory of all connections; near it, idle ones go first",
        |draft, text| put(&mut draft.limits().memory_bytes, value::memory_limit(text)),
    )
    .default("128M"),
    Setting::text(
        "idle-timeout",
        "TIME",
        "An HTTP/2 connection without requests",
        |draft, text| put(&mut draft.timeouts().idle, value::timeout(text)),
    )
    .default("3m"),
    Setting::text(
        "handshake-timeout",
        "TIME",
        "From accepting to the end of the TLS handshake",
        |draft, text| put(&mut draft.timeouts().handshake, value::timeout(text)),
    )
    .default("10s"),
    Setting::text(
        "preface-timeout",
        "TIME",
        "From there to the first request, over HTTP/2 to its preface",
        |draft, text| put(&mut draft.timeouts().preface, value::timeout(text)),
    )
    .default("10s"),
    Setting::text(
        "header-timeout",
        "TIME",
        "From the first byte of a header section to its last",
        |draft, text| put(&mut draft.timeouts().header, value::timeout(text)),
    )
    .default("10s"),
    Setting::text(
        "stall-timeout",
        "TIME",
        "A client that takes or sends too little, while others need its room",
        |draft, text| put(&mut draft.timeouts().stall, value::timeout(text)),
    )
    .default("20s"),
    Setting::text(
        "slow-timeout",
        "TIME",
        "Such a client while there is room for everybody",
        |draft, text| put(&mut draft.timeouts().slow, value::timeout(text)),
    )
    .default("5m"),
    Setting::text(
        "handler-timeout",
        "TIME",
        "From a request to the head that a handler makes",
        |draft, text| put(&mut draft.timeouts().handler, value::timeout(text)),
    )
    .default("60s"),
    Setting::text(
        "drain-timeout",
        "TIME",
        "Time for open responses after SIGTERM",
        |draft, text| put(&mut draft.timeouts().drain, value::duration(text)),
    )
    .default("30s"),
    Setting::text(
        "drain-delay",
        "TIME",
        "From SIGTERM until then serve on, with health checks that fail",
        |draft, text| put(&mut draft.timeouts().drain_delay, value::duration(text)),
    )
    .default("0s"),
];
