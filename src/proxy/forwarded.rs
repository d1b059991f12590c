//! Fields that tell an upstream about the client: `Forwarded` (RFC 7239), `X-Forwarded-*`, `Via`.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use crate::exchange::Request;
use crate::http::{Fields, Scheme, is_token};
use crate::world::Peer;

/// The proxy's name in `Via`, behind the version (RFC 9110 §7.6.3).
const OWN_NAME: &[u8] = b" calmd";

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
    // All begin so, and few other fields do.
    matches!(name.first(), Some(b'f' | b'x')) && CLAIMS.iter().any(is)
}

/// Number of clients whose fields are remembered. Those of one that makes many requests are made once, and little
/// memory is taken.
const REMEMBERED: usize = 16;

/// Number of fields that tell about a client, and bytes of them and of a host's name that mostly are enough. Memory for
/// them is there from the start: what grew in a crowd would lie above what the crowd leaves behind.
const FIELDS: usize = 8;
const FIELD_BYTES: usize = 256;
const HOST_BYTES: usize = 64;

/// Fields that tell about clients, made of requests before.
pub(super) struct ForwardedFields {
    /// Each in the place that the client's address tells.
    places: [ClientFields; REMEMBERED],
}

/// The fields that tell about a client, and the parts of its request that they were made of.
struct ClientFields {
    peer: Peer,
    scheme: Scheme,
    version: &'static str,
    /// The host's name, where the request had one.
    host: Vec<u8>,
    has_host: bool,
    fields: Fields,
}

impl ForwardedFields {
    /// Nothing is remembered yet.
    pub(super) fn new() -> Self {
        ForwardedFields {
            places: std::array::from_fn(|_| ClientFields {
                peer: Peer::Unix,
                scheme: Scheme::Http,
                version: "",
                host: Vec::with_capacity(HOST_BYTES),
                has_host: false,
                fields: Fields::with_capacity(FIELDS, FIELD_BYTES),
            }),
        }
    }

    /// Adds the fields that tell about the client of `request`, and `via`, where no proxy was before.
    pub(super) fn push(&mut self, fields: &mut Fields, request: &Request<'_>) {
        let Some(known) = self.places.get_mut(place_of(request.peer)) else {
            return;
        };
        if !known.is_of(request) {
            // No request came in it, so nothing is remembered before all is made.
            known.version = "";
            known.fields.clear();
            push_forwarded(&mut known.fields, request);
            push_via(&mut known.fields, b"", request.version);
            known.peer = request.peer;
            known.scheme = request.scheme;
            known.version = request.version;
            known.host.clear();
            known
                .host
                .extend_from_slice(request.host().unwrap_or_default());
            known.has_host = request.host().is_some();
        }
        fields.append_regular(&known.fields);
    }
}

impl ClientFields {
    /// True if they are those of a request.
    fn is_of(&self, request: &Request<'_>) -> bool {
        self.peer == request.peer
            && self.scheme == request.scheme
            && self.version == request.version
            && self.has_host.then_some(self.host.as_slice()) == request.host()
    }
}

/// The place of a client's fields. Addresses of one network differ at their end.
fn place_of(peer: Peer) -> usize {
    let last = match peer {
        Peer::Ip(IpAddr::V4(address)) => address.octets()[3],
        Peer::Ip(IpAddr::V6(address)) => address.octets()[15],
        Peer::Unix => 0,
    };
    usize::from(last) % REMEMBERED
}

/// Adds the fields that tell about the client of `request`.
pub(super) fn push_forwarded(fields: &mut Fields, request: &Request<'_>) {
    let scheme = request.scheme.as_str().as_bytes();
    let host = request.host();
    let mut text = AddressText {
        bytes: [0; LONGEST_ADDRESS],
    };
    let node: [&[u8]; 3] = match request.peer {
        Peer::Ip(address) => {
            let text = text.write(address);
            fields.push(b"x-forwarded-for", text);
            match address {
                IpAddr::V4(_) => [b"", text, b""],
                IpAddr::V6(_) => [b"\"[", text, b"]\""],
            }
        }
        Peer::Unix => [b"", b"unknown", b""],
    };
    fields.push(b"x-forwarded-proto", scheme);
    if let Some(host) = host {
        fields.push(b"x-forwarded-host", host);
    }
    let [before, node, behind] = node;
    // An authority has neither quotes nor backslashes.
    let [name, quote]: [&[u8]; 2] = match host {
        None => [b"", b""],
        Some(host) if is_token(host) => [b";host=", b""],
        Some(_) => [b";host=", b"\""],
    };
    let host = host.unwrap_or_default();
    fields.push_parts(
        b"forwarded",
        &[
            b"for=", before, node, behind, name, quote, host, quote, b";proto=", scheme,
        ],
    );
}

/// The longest text of an address: eight groups of four digits, or six and one of version 4.
const LONGEST_ADDRESS: usize = 45;

/// The text of an address, for which nothing is allocated.
struct AddressText {
    bytes: [u8; LONGEST_ADDRESS],
}

impl AddressText {
    fn write(&mut self, address: IpAddr) -> &[u8] {
        let len = match address {
            IpAddr::V4(address) => write_version_4(&mut self.bytes, address),
            IpAddr::V6(address) => {
                let mut rest = &mut self.bytes[..];
                // It has room for any.
                let _ = write!(rest, "{address}");
                LONGEST_ADDRESS - rest.len()
            }
        };
        self.bytes.get(..len).unwrap_or_default()
    }
}

/// Writes an address of version 4, and returns the length of its text. Each request has one, and the general way takes
/// a thousand instructions.
fn write_version_4(out: &mut [u8; LONGEST_ADDRESS], address: Ipv4Addr) -> usize {
    let mut len = 0;
    let mut places = out.iter_mut();
    let mut put = |byte| {
        if let Some(place) = places.next() {
            *place = byte;
            len += 1;
        }
    };
    for (position, octet) in address.octets().into_iter().enumerate() {
        if position > 0 {
            put(b'.');
        }
        if octet >= 100 {
            put(b'0' + octet / 100);
        }
        if octet >= 10 {
            put(b'0' + octet / 10 % 10);
        }
        put(b'0' + octet % 10);
    }
    len
}

/// Adds the proxies that a value of `via` names to those before, as they stand in front of ours.
pub(super) fn push_earlier(earlier: &mut Vec<u8>, value: &[u8]) {
    earlier.extend_from_slice(value);
    earlier.extend_from_slice(b", ");
}

/// Adds `via` for a message that came in `version`, behind the proxies before.
pub(super) fn push_via(fields: &mut Fields, earlier: &[u8], version: &str) {
    let version = version.strip_prefix("HTTP/").unwrap_or(version);
    let version = version
        .strip_suffix(".0")
        .filter(|major| *major != "1")
        .unwrap_or(version);
    let parts: [&[u8]; 3] = [earlier, version.as_bytes(), OWN_NAME];
    fields.push_parts(b"via", &parts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_version_4_are_written_as_everywhere() {
        for octets in [
            [0, 9, 10, 99],
            [100, 255, 1, 0],
            [127, 0, 0, 1],
            [192, 168, 200, 13],
        ] {
            let address = Ipv4Addr::from(octets);
            let mut text = AddressText {
                bytes: [0; LONGEST_ADDRESS],
            };
            let text = text.write(IpAddr::V4(address));
            assert_eq!(text, address.to_string().as_bytes());
        }
    }
}
