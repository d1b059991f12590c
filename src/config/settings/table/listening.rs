//! The settings of listeners: addresses, certificates, the panel's.

use super::super::{ConfigDraft, Setting, value};
#[cfg(feature = "panel")]
use crate::panel::PanelRights;

pub(super) const LISTENING: &[Setting] = &[
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
    #[cfg(feature = "panel")]
    Setting::text(
        "admin",
        "ADDR",
        "Address of the panel, of this machine alone",
        |draft, text| {
            let addresses = draft.panel_addresses(text)?;
            ConfigDraft::add_addresses(&mut draft.config.panel.listen, addresses);
            Ok(())
        },
    )
    .repeated(),
    #[cfg(feature = "panel")]
    Setting::text(
        "admin-tls",
        "ADDR",
        "TLS address of the panel; others can reach it if there are users",
        |draft, text| {
            let addresses = draft.panel_addresses(text)?;
            ConfigDraft::add_addresses(&mut draft.config.panel.listen_tls, addresses);
            Ok(())
        },
    )
    .repeated(),
    #[cfg(feature = "panel")]
    Setting::path(
        "admin-users",
        "FILE",
        "Users of the panel, as htpasswd -B writes them [default: a token, told at the start]",
        |draft, path| draft.config.panel.users = Some(path),
    ),
    #[cfg(feature = "panel")]
    Setting::text(
        "admin-host",
        "NAME",
        "Name that browsers use for the panel, besides localhost",
        |draft, text| draft.config.panel.add_name(text),
    )
    .repeated(),
    #[cfg(feature = "panel")]
    Setting::switch(
        "admin-read-only",
        "Show everything in the panel, and carry out no action",
        |draft, on| {
            draft.config.panel.rights = if on {
                PanelRights::Look
            } else {
                PanelRights::Steer
            };
        },
    ),
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
    Setting::text(
        "client-auth",
        "WORD",
        "Certificates of clients: required, optional or off",
        |draft, text| {
            draft.client_demand = Some(value::client_demand(text)?);
            Ok(())
        },
    )
    .default("off")
    .per_host(),
    Setting::path(
        "client-ca",
        "FILE",
        "Authorities that issue certificates of clients, PEM",
        |draft, path| draft.client_ca = Some(path),
    )
    .per_host(),
    Setting::path(
        "ticket-key",
        "FILE",
        "Key of session tickets, 80 random bytes, for several processes that resume each other's sessions",
        |draft, path| draft.config.host.ticket_key = Some(path),
    ),
    Setting::path(
        "tls-key-log",
        "FILE",
        "File for the secrets of all TLS sessions (RFC 9850), for debugging: its readers can decrypt them",
        |draft, path| draft.config.host.key_log = Some(path),
    ),
    Setting::switch(
        "watch-certificates",
        "Read certificate and keys again within a minute after they have changed",
        |draft, on| draft.config.host.watch_certificates = on,
    ),
];
