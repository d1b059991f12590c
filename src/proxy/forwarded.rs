//! Fields that tell an upstream about the client: `Forwarded` (RFC 7239), `X-Forwarded-*`, `Via`.

use std::net::IpAddr;

use crate::exchange::Request;
use crate::http::{Fields, is_token};
use crate::world::Peer;

/// The proxy's name in `Via` (RFC 9110 §7.6.3).
const PSEUDONYM: &str = "calmd";

/// Fields of a request that say what only the proxy can know. A client's own are not passed on, because an
/// application would believe them.
const CLAIMS: [&[u8]; 9] = [
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-forwarded-scheme",
    b"x-forwarded-ssl",
    b"x-real-ip",
];

/// True for a field that a client may not send on, in the spelling of applications too: many take an
/// underscore for a hyphen.
pub(super) fn is_claim(name: &[u8]) -> bool {
    let is = |claim: &&[u8]| {
        let alike = |(a, b): (&u8, &u8)| a == b || (*a == b'_' && *b == b'-');
        claim.len() == name.len() && name.iter().zip(claim.iter()).all(alike)
    };
    CLAIMS.iter().any(is)
}

/// Adds the fields that tell about the client of `request`.
pub(super) fn push_forwarded(fields: &mut Fields, request: &Request<'_>) {
    let scheme = request.scheme.as_str().as_bytes();
    let host = request.host();
    let mut forwarded = Vec::from(&b"for="[..]);
    match request.peer {
        Peer::Ip(address) => {
            let text = address.to_string();
            fields.push(b"x-forwarded-for", text.as_bytes());
            match address {
                IpAddr::V4(_) => forwarded.extend_from_slice(text.as_bytes()),
                IpAddr::V6(_) => forwarded.extend_from_slice(format!("\"[{text}]\"").as_bytes()),
            }
        }
        Peer::Unix => forwarded.extend_from_slice(b"unknown"),
    }
    fields.push(b"x-forwarded-proto", scheme);
    if let Some(host) = host {
        fields.push(b"x-forwarded-host", host);
        forwarded.extend_from_slice(b";host=");
        if is_token(host) {
            forwarded.extend_from_slice(host);
        } else {
            // An authority has neither quotes nor backslashes.
            forwarded.extend([&b"\""[..], host, b"\""].concat());
        }
    }
    forwarded.extend_from_slice(b";proto=");
    forwarded.extend_from_slice(scheme);
    fields.push(b"forwarded", &forwarded);
}

/// Adds `via` for a message that came in `version`, behind the proxies before.
pub(super) fn push_via(fields: &mut Fields, before: &Fields, version: &str) {
    let version = version.strip_prefix("HTTP/").unwrap_or(version);
    let version = version
        .strip_suffix(".0")
        .filter(|major| *major != "1")
        .unwrap_or(version);
    let mut via = Vec::new();
    for value in before.values("via") {
        via.extend_from_slice(value);
        via.extend_from_slice(b", ");
    }
    via.extend_from_slice(format!("{version} {PSEUDONYM}").as_bytes());
    fields.push(b"via", &via);
}
