//! The header of the PROXY protocol, versions 1 and 2, with which a balancer begins a connection to tell
//! whose it is.
//!
//! ```text
//! PROXY TCP4 192.0.2.1 192.0.2.9 51234 443\r\n                                            version 1
//! signature (12) │ 0x20 LOCAL or 0x21 PROXY │ family │ length (2) │ addresses │ TLVs      version 2
//! ```
//!
//! Bytes come in as one slice, which begins with the connection; nothing is kept between two calls, so a
//! header may be cut anywhere. Of the TLVs one alone is of use: that of the client's TLS. Others are
//! skipped, the one of ALPN above all, because balancers name a protocol there that they do not go on to
//! speak. A checksum is not looked at: TCP has its own.
//!
//! The specification is `doc/proxy-protocol.txt` of HAProxy.

use std::fmt;
use std::net::IpAddr;

use crate::http::Scheme;
use crate::world::Peer;

/// The longest header of version 1 in bytes, with its line end (§2.1).
const LONGEST_LINE: usize = 107;

/// The longest part of version 2 behind the first 16 bytes. Addresses take 36 bytes, or 216 of Unix sockets; HAProxy
/// adds a host name of up to 255, an identifier of up to 128, and the names of a certificate and a cipher. The
/// specification's 536 bytes are too few for all of these at their longest; four times as many are room
/// for a balancer's own TLVs, and less than one turn reads.
const LONGEST_REST: usize = 2048;

/// The bytes that version 2 begins with (§2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes that version 1 begins with.
const WORD: &[u8; 6] = b"PROXY ";

/// Number of bytes of version 2 before the addresses.
const FIXED: usize = 16;

/// Type of the TLV that tells of the client's TLS (PP2_TYPE_SSL).
const TLV_SSL: u8 = 0x20;

/// Bit of that TLV's first byte: the client's connection is over TLS (PP2_CLIENT_SSL).
const CLIENT_SSL: u8 = 0x01;

/// A header: whose connection follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The client; `None` for a connection of the balancer's own (LOCAL), or one whose client it cannot tell
    /// (UNKNOWN).
    pub client: Option<Peer>,
    /// The scheme of the client's connection to the balancer, if that was TLS.
    pub scheme: Option<Scheme>,
    /// Length of the header in bytes; what follows is the client's.
    pub len: usize,
}

/// A reason for which bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeaderError {
    /// The connection begins with something else.
    Missing,
    /// The header is longer than any that is taken.
    TooLong,
    /// A version or a command that there is not.
    Unknown,
    /// Addresses that cannot be read.
    Address,
    /// Parts that do not fit into their whole.
    Length,
}

impl ProxyHeaderError {
    /// The reason as a part of a sentence.
    pub fn reason(self) -> &'static str {
        match self {
            ProxyHeaderError::Missing => "no PROXY header came first",
            ProxyHeaderError::TooLong => "the PROXY header is too long",
            ProxyHeaderError::Unknown => "the PROXY header is of an unknown version or command",
            ProxyHeaderError::Address => "the PROXY header has no valid addresses",
            ProxyHeaderError::Length => "the PROXY header's lengths do not fit",
        }
    }
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for ProxyHeaderError {}

impl ProxyHeader {
    /// The header at the beginning of a connection's bytes; `None` while it is incomplete.
    pub fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
        if begins(bytes, SIGNATURE) {
            return parse_binary(bytes);
        }
        if begins(bytes, WORD) {
            return parse_line(bytes);
        }
        Err(ProxyHeaderError::Missing)
    }
}

/// True if the bytes, as far as they are there, are those of `start`.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    let len = bytes.len().min(start.len());
    bytes.get(..len) == start.get(..len)
}

/// Version 1, a line (§2.1).
fn parse_line(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let part = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = part.iter().position(|byte| *byte == b'\n') else {
        return match part.len() {
            LONGEST_LINE => Err(ProxyHeaderError::TooLong),
            _ => Ok(None),
        };
    };
    let line = part.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").ok_or(ProxyHeaderError::Length)?;
    let line = std::str::from_utf8(line).map_err(|_| ProxyHeaderError::Address)?;
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    let client = match family {
        // Addresses may follow, and mean nothing.
        "UNKNOWN" => None,
        "TCP4" | "TCP6" => Some(Peer::Ip(line_client(family, words)?)),
        _ => return Err(ProxyHeaderError::Unknown),
    };
    Ok(Some(ProxyHeader {
        client,
        scheme: None,
        len: end + 1,
    }))
}

/// The client's address of a line: both addresses and both ports are there, and in their form.
fn line_client<'a>(
    family: &str,
    words: impl Iterator<Item = &'a str>,
) -> Result<IpAddr, ProxyHeaderError> {
    let words: Vec<&str> = words.take(5).collect();
    let [source, target, from, to] = *words.as_slice() else {
        return Err(ProxyHeaderError::Address);
    };
    let address = |text: &str| {
        let address: Option<IpAddr> = text.parse().ok();
        address.filter(|address| address.is_ipv4() == (family == "TCP4"))
    };
    let is_port =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    let client = address(source).filter(|_| address(target).is_some());
    let client = client.filter(|_| is_port(from) && is_port(to));
    client
        .map(|client| client.to_canonical())
        .ok_or(ProxyHeaderError::Address)
}

/// Version 2 (§2.2).
fn parse_binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(None);
    };
    let [.., command, family, high, low] = *fixed;
    if !matches!(command, 0x20 | 0x21) {
        return Err(ProxyHeaderError::Unknown);
    }
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > LONGEST_REST {
        return Err(ProxyHeaderError::TooLong);
    }
    let Some(rest) = rest.get(..len) else {
        return Ok(None);
    };
    let header = ProxyHeader {
        client: None,
        scheme: None,
        len: FIXED + len,
    };
    // Whatever a LOCAL connection says of addresses means nothing.
    if command == 0x20 {
        return Ok(Some(header));
    }
    let (client, tlvs) = binary_client(family, rest)?;
    Ok(Some(ProxyHeader {
        client,
        scheme: client_scheme(tlvs)?,
        ..header
    }))
}

/// The client's address, and the TLVs behind the addresses. A client over UDP speaks HTTP/3 to its balancer.
fn binary_client(family: u8, rest: &[u8]) -> Result<(Option<Peer>, &[u8]), ProxyHeaderError> {
    const V4: usize = 12;
    const V6: usize = 36;
    const UNIX: usize = 216;
    let short = ProxyHeaderError::Length;
    let (addresses, tlvs) = match family {
        0x00 => (0, rest),
        0x11 | 0x12 => (V4, rest.get(V4..).ok_or(short)?),
        0x21 | 0x22 => (V6, rest.get(V6..).ok_or(short)?),
        0x31 | 0x32 => (UNIX, rest.get(UNIX..).ok_or(short)?),
        _ => return Err(ProxyHeaderError::Address),
    };
    let client = match addresses {
        V4 => rest
            .first_chunk::<4>()
            .map(|octets| Peer::Ip((*octets).into())),
        V6 => {
            let octets = rest.first_chunk::<16>();
            octets.map(|octets| Peer::Ip(IpAddr::from(*octets).to_canonical()))
        }
        UNIX => Some(Peer::Unix),
        _ => None,
    };
    Ok((client, tlvs))
}

/// The scheme of the client's connection, if a TLV tells that it is over TLS. All TLVs have to fit.
fn client_scheme(mut tlvs: &[u8]) -> Result<Option<Scheme>, ProxyHeaderError> {
    let mut scheme = None;
    while let Some((&[kind, high, low], rest)) = tlvs.split_first_chunk::<3>() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let (value, rest) = rest.split_at_checked(len).ok_or(ProxyHeaderError::Length)?;
        if kind == TLV_SSL && value.first().is_some_and(|bits| bits & CLIENT_SSL != 0) {
            scheme = Some(Scheme::Https);
        }
        tlvs = rest;
    }
    if !tlvs.is_empty() {
        return Err(ProxyHeaderError::Length);
    }
    Ok(scheme)
}

#[cfg(test)]
mod tests;
