//! The table of settings, in the order of the help.

mod limits;
mod listening;

use super::{Group, Setting, value};
use crate::server::RequestIdUse;
use crate::world::User;
use limits::{BOUNDS, HTTP1, HTTP2};
use listening::LISTENING;

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
    .default("1536K")
    .per_host(),
    #[cfg(feature = "upload")]
    Setting::text(
        "upload",
        "PATH=DIR",
        "Take uploads by PUT, POST and form, as '/incoming=/srv/incoming', and serve them as attachments",
        |draft, text| {
            let rule = draft.upload_rule(text)?;
            draft.config.host.uploads.push(rule);
            Ok(())
        },
    )
    .repeated()
    .per_host(),
    #[cfg(feature = "upload")]
    Setting::text(
        "upload-limit",
        "SIZE",
        "Largest file that is uploaded",
        |draft, text| put(&mut draft.config.upload_limits.file_bytes, value::size(text)),
    )
    .default("1G"),
    #[cfg(feature = "upload")]
    Setting::text(
        "upload-total",
        "SIZE",
        "Most bytes of all files of a directory for uploads",
        |draft, text| {
            let limit = value::size(text).map(Some);
            put(&mut draft.config.upload_limits.total_bytes, limit)
        },
    ),
    #[cfg(feature = "upload")]
    Setting::text(
        "upload-free",
        "SIZE",
        "Bytes of the disk that uploads leave free",
        |draft, text| put(&mut draft.config.upload_limits.free_bytes, value::size(text)),
    )
    .default("64M"),
    #[cfg(feature = "upload")]
    Setting::switch(
        "upload-sync",
        "Answer an upload when its file is on the disk, which a process of its own waits for",
        |draft, on| {
            draft.config.upload_sync = on;
        },
    ),
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
        "trusted-proxy",
        "NET[+NET]",
        "Proxies whose Forwarded and X-Forwarded-* are believed: networks, or unix",
        |draft, text| {
            let proxies = &mut draft.config.server.trusted_proxies;
            text.split('+').try_for_each(|peers| proxies.add(peers))
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
    Setting::path(
        "proxy-ca",
        "FILE",
        "Certificates that upstreams are trusted by, in PEM",
        |draft, path| draft.config.proxy_ca = Some(path),
    ),
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
    #[cfg(feature = "panel")]
    Setting::text(
        "qlog",
        "FILE",
        "Trace of all frames (qlog), without secrets and content; 'FILE,address=NET' of some clients",
        |draft, text| put(&mut draft.config.qlog, value::qlog(text).map(Some)),
    ),
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
        "Form of the access log: combined, extended or json",
        |draft, text| put(&mut draft.log_format, value::log_format(text)),
    )
    .essential()
    .default("combined"),
    Setting::text(
        "request-id",
        "WHERE",
        "Identifiers of requests: 'log' for the log and upstreams, 'response' for responses too, or 'off'",
        |draft, text| {
            draft.config.server.request_ids = match text {
                "off" => RequestIdUse::Off,
                "log" => RequestIdUse::Log,
                "response" => RequestIdUse::Response,
                _ => return Err("write off, log or response".into()),
            };
            Ok(())
        },
    )
    .default("off"),
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
