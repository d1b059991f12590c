//! Proxies whose word on a client is believed: `Forwarded` (RFC 7239), `X-Forwarded-For`, `-Proto` and `-Host`.
//!
//! ```text
//!  X-Forwarded-For: 10.9.9.9, 192.0.2.7, 10.0.0.3          from the peer 10.0.0.2; 10.0.0.0/8 is trusted
//!                      │          │          └─ 10.0.0.2 says so: a trusted proxy, look further left
//!                      │          └─ 10.0.0.3 says so: not trusted, so this is the client
//!                      └─ the client says so: not looked at
//! ```
//!
//! Each proxy adds the address that it sees at the right end, so lists are read from the right. Nothing that
//! stands left of the client's address is parsed, because the client can write anything there.
//! `X-Forwarded-For` is written by nearly every proxy, which lets a client's `Forwarded` pass as it is: where
//! both are there, `X-Forwarded-For` decides.

use std::net::{IpAddr, Ipv6Addr};

use crate::http::{Fields, Scheme, is_authority, is_token};
use crate::world::{Peer, PeerSet};

/// The most elements of a list that are read. Nobody has as many proxies in a row, and reading on for as many as
/// a header section has would be work for nothing.
const MOST_HOPS: usize = 32;

/// Proxies whose word on the client of a request is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(PeerSet);

/// The client of a request, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientClaim<'a> {
    /// Its address.
    pub peer: Peer,
    /// The scheme that it used.
    pub scheme: Scheme,
    /// The host that it asked a proxy for, where a trusted proxy tells it.
    pub host: Option<&'a [u8]>,
}

/// The fault of a trusted proxy's word, as a sentence for the operator.
pub type ClaimFault = &'static str;

/// One end of a hop, as a proxy tells it (RFC 7239 §6).
enum HopNode {
    Address(IpAddr),
    /// `unknown`, or a name that only the proxy knows.
    Hidden,
}

/// The place of the client in the lists, counted from the right, and its address where that is told.
struct ClientPlace {
    peer: Peer,
    hop: usize,
}

impl TrustedProxies {
    /// Proxies of this set.
    pub fn new(peers: PeerSet) -> Self {
        TrustedProxies(peers)
    }

    /// True if no proxy is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if the peer is one of the proxies.
    pub fn contains(&self, peer: Peer) -> bool {
        self.0.contains(peer)
    }

    /// The client of a request of `peer`, which came by this scheme. With a fault, the peer itself is taken for
    /// the client.
    pub fn client<'a>(
        &self,
        fields: &'a Fields,
        peer: Peer,
        scheme: Scheme,
    ) -> (ClientClaim<'a>, Option<ClaimFault>) {
        let itself = ClientClaim {
            peer,
            scheme,
            host: None,
        };
        if !self.contains(peer) {
            return (itself, None);
        }
        let told =
            if fields.value("x-forwarded-for").is_none() && fields.value("forwarded").is_some() {
                self.standard(fields, itself)
            } else {
                self.customary(fields, itself)
            };
        match told {
            Ok(claim) => (claim, None),
            Err(fault) => (itself, Some(fault)),
        }
    }

    /// The client that `X-Forwarded-*` tell of.
    fn customary<'a>(
        &self,
        fields: &'a Fields,
        itself: ClientClaim<'a>,
    ) -> Result<ClientClaim<'a>, ClaimFault> {
        let nodes = elements(fields, "x-forwarded-for").map(HopNode::parse);
        let place = self.walk(itself.peer, nodes).ok_or(BAD_FOR)?;
        let mut claim = ClientClaim {
            peer: place.peer,
            ..itself
        };
        if let Some(value) = element_at(fields, "x-forwarded-proto", place.hop) {
            claim.scheme = scheme_of(value).ok_or(BAD_PROTO)?;
        }
        if let Some(value) = element_at(fields, "x-forwarded-host", place.hop) {
            claim.host = Some(host_of(value).ok_or(BAD_HOST)?);
        }
        Ok(claim)
    }

    /// The client that `Forwarded` tells of.
    fn standard<'a>(
        &self,
        fields: &'a Fields,
        itself: ClientClaim<'a>,
    ) -> Result<ClientClaim<'a>, ClaimFault> {
        let hops: Vec<_> = elements(fields, "forwarded")
            .take(MOST_HOPS)
            .map(ForwardedHop::parse)
            .collect();
        let nodes = hops.iter().map(|hop| match hop.as_ref()?.node {
            Some(node) => HopNode::parse(node),
            None => Some(HopNode::Hidden),
        });
        let place = self.walk(itself.peer, nodes).ok_or(BAD_FORWARDED)?;
        let mut claim = ClientClaim {
            peer: place.peer,
            ..itself
        };
        let Some(Some(hop)) = hops.get(place.hop) else {
            return Ok(claim);
        };
        if let Some(value) = hop.proto {
            claim.scheme = scheme_of(value).ok_or(BAD_FORWARDED)?;
        }
        if let Some(value) = hop.host {
            claim.host = Some(host_of(value).ok_or(BAD_FORWARDED)?);
        }
        Ok(claim)
    }

    /// Goes from the right to the first node that is not trusted; `None` where one on the way is malformed, or
    /// there are too many.
    fn walk(
        &self,
        peer: Peer,
        nodes: impl Iterator<Item = Option<HopNode>>,
    ) -> Option<ClientPlace> {
        let mut place = ClientPlace { peer, hop: 0 };
        for (hop, node) in nodes.enumerate() {
            if hop >= MOST_HOPS {
                return None;
            }
            place.hop = hop;
            match node? {
                HopNode::Hidden => break,
                HopNode::Address(address) => place.peer = Peer::Ip(address.to_canonical()),
            }
            if !self.0.contains(place.peer) {
                break;
            }
        }
        Some(place)
    }
}

const BAD_FOR: ClaimFault =
    "X-Forwarded-For of a trusted proxy is malformed, its own address is taken";
const BAD_PROTO: ClaimFault =
    "X-Forwarded-Proto of a trusted proxy is neither http nor https, its own address is taken";
const BAD_HOST: ClaimFault =
    "X-Forwarded-Host of a trusted proxy is malformed, its own address is taken";
const BAD_FORWARDED: ClaimFault =
    "Forwarded of a trusted proxy is malformed, its own address is taken";

/// The elements of all fields of a name, from the right.
fn elements<'a>(fields: &'a Fields, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let lines: Vec<&[u8]> = fields.values(name).collect();
    let lines = lines.into_iter().rev();
    lines
        .flat_map(|line| Pieces {
            rest: Some(line),
            separator: b',',
        })
        .filter(|element| !element.is_empty())
}

/// The element of this place, counted from the right, or the left one where there are fewer: most proxies write
/// one value, however many addresses there are.
fn element_at<'a>(fields: &'a Fields, name: &str, hop: usize) -> Option<&'a [u8]> {
    elements(fields, name).take(hop + 1).last()
}

/// Pieces between separators that are outside of quotes, from the right, without the white space around them.
struct Pieces<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut quoted = false;
        // Nothing that a proxy tells has a quote within its quotes.
        let separator = rest.iter().rposition(|byte| {
            quoted ^= *byte == b'"';
            *byte == self.separator && !quoted
        });
        let (before, piece) = match separator {
            Some(at) => (rest.get(..at), rest.get(at + 1..)),
            None => (None, Some(rest)),
        };
        self.rest = before;
        piece.map(<[u8]>::trim_ascii)
    }
}

/// An element of `Forwarded`.
#[derive(Default)]
struct ForwardedHop<'a> {
    node: Option<&'a [u8]>,
    proto: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
}

impl<'a> ForwardedHop<'a> {
    fn parse(element: &'a [u8]) -> Option<Self> {
        let mut hop = ForwardedHop::default();
        let pairs = Pieces {
            rest: Some(element),
            separator: b';',
        };
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (pair.get(..equals)?, pair.get(equals + 1..)?);
            let value = unquoted(value)?;
            let known = match name.to_ascii_lowercase().as_slice() {
                b"for" => &mut hop.node,
                b"proto" => &mut hop.proto,
                b"host" => &mut hop.host,
                name if is_token(name) => continue,
                _ => return None,
            };
            // RFC 7239 §4: each parameter once in an element.
            if known.replace(value).is_some() {
                return None;
            }
        }
        Some(hop)
    }
}

/// A value without the quotes around it. Many write an address or a host without them.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let value = match value.strip_prefix(b"\"") {
        Some(rest) => rest.strip_suffix(b"\"")?,
        None => value,
    };
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\');
    value.iter().all(is_plain).then_some(value)
}

impl HopNode {
    /// Parses an address or a name, with or without a port.
    fn parse(node: &[u8]) -> Option<HopNode> {
        let text = std::str::from_utf8(node).ok()?;
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let is_right = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            return is_right.then_some(HopNode::Address(address.into()));
        }
        if let Ok(address) = text.parse() {
            return Some(HopNode::Address(address));
        }
        let (name, is_right) = match text.split_once(':') {
            Some((name, port)) => (name, is_port(port)),
            None => (text, true),
        };
        let is_hidden = name.eq_ignore_ascii_case("unknown") || is_obfuscated(name);
        match name.parse::<std::net::Ipv4Addr>() {
            _ if !is_right => None,
            Ok(address) => Some(HopNode::Address(address.into())),
            Err(_) => is_hidden.then_some(HopNode::Hidden),
        }
    }
}

fn is_port(port: &str) -> bool {
    let is_number = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    is_number || is_obfuscated(port)
}

/// True for a name that a proxy has made up (RFC 7239 §6.3).
fn is_obfuscated(name: &str) -> bool {
    let is_in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.len() > 1 && name.starts_with('_') && name.bytes().all(is_in_name)
}

/// The scheme that a proxy tells. Some tell that of a WebSocket's URL.
fn scheme_of(value: &[u8]) -> Option<Scheme> {
    match value.to_ascii_lowercase().as_slice() {
        b"http" | b"ws" => Some(Scheme::Http),
        b"https" | b"wss" => Some(Scheme::Https),
        _ => None,
    }
}

fn host_of(value: &[u8]) -> Option<&[u8]> {
    (!value.is_empty() && is_authority(value)).then_some(value)
}

#[cfg(test)]
mod tests;
