//! Settings of the two protocols, and bounds.

use super::super::{Setting, value};
use super::put;

pub(super) const HTTP2: &[Setting] = &[
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

pub(super) const HTTP1: &[Setting] = &[
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

pub(super) const BOUNDS: &[Setting] = &[
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
        "Connections at a time from one other machine; 0 is any number",
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
        "max-connection-age",
        "TIME",
        "Age at which a connection ends behind its requests, less a fifth at random; 0 is never",
        |draft, text| put(&mut draft.timeouts().connection_age, value::duration(text)),
    )
    .default("0s"),
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
        "From the handshake to the first request, over HTTP/2 to its preface",
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
        "A client that takes or sends too little, while there is room for all",
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
        "Time to serve on after SIGTERM, with health checks that fail",
        |draft, text| put(&mut draft.timeouts().drain_delay, value::duration(text)),
    )
    .default("0s"),
];
