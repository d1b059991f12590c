//! The head of a request. It is checked before any of it is written, because a server must read exactly
//! what the caller means.

use super::error::Unsendable;
use crate::h1::encode;
use crate::h1::message::{BodyLength, Persistence};
use crate::http::grammar::is_token;
use crate::http::{Expected, Field, is_authority};

/// A head that can be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendableHead<'f> {
    pub(super) method: &'f [u8],
    target: &'f [u8],
    host: &'f [u8],
    length: BodyLength,
    pub(super) expected: Expected,
    pub(super) upgrade: Option<&'f [u8]>,
}

impl<'f> SendableHead<'f> {
    pub(super) fn check(
        fields: impl Iterator<Item = Field<'f>>,
        length: BodyLength,
    ) -> Result<Self, Unsendable> {
        let (mut method, mut path) = (None, None);
        let (mut authority, mut host) = (None, None);
        let mut expected = Expected::Nothing;
        let mut upgrade = None;
        for field in fields {
            let Field { name, value, .. } = field;
            let place = match name {
                b":method" => &mut method,
                b":path" => &mut path,
                b":authority" => &mut authority,
                b":scheme" => continue,
                _ if !encode::is_sendable(field) => return Err(Unsendable::Field),
                _ if name.eq_ignore_ascii_case(b"host") => &mut host,
                _ if name.eq_ignore_ascii_case(b"upgrade") => &mut upgrade,
                _ if name.eq_ignore_ascii_case(b"expect") => {
                    expected = expected.with(value);
                    continue;
                }
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(Unsendable::Field);
            }
        }
        let method = method.filter(|method| is_token(method));
        let method = method.ok_or(Unsendable::Method)?;
        let host = authority.or(host).unwrap_or_default();
        if !host.is_empty() && !is_authority(host) {
            return Err(Unsendable::Authority);
        }
        let target = target(method, path, host)?;
        if matches!(method, b"CONNECT" | b"TRACE") && length != BodyLength::None {
            return Err(Unsendable::Content);
        }
        Ok(SendableHead {
            method,
            target,
            host,
            length,
            expected,
            upgrade,
        })
    }

    pub(super) fn encode(
        &self,
        out: &mut Vec<u8>,
        fields: impl Iterator<Item = Field<'f>>,
        persistence: Persistence,
    ) {
        out.reserve(encode::HEAD_ROOM);
        for part in [self.method, b" ", self.target, b" HTTP/1.1\r\n"] {
            out.extend_from_slice(part);
        }
        // RFC 9112 §3.2: first, and empty where the target has no authority.
        encode::field(out, Field::new(b"host", self.host));
        for field in fields {
            if self.is_passed_on(field.name) {
                // All were checked with the head.
                encode::checked_field(out, field);
            }
        }
        match self.length {
            BodyLength::Known(length) => encode::content_length(out, length),
            BodyLength::Unknown => out.extend_from_slice(encode::CHUNKED),
            // RFC 9110 §8.6: a method that calls for content says that there is none.
            BodyLength::None if matches!(self.method, b"POST" | b"PUT" | b"PATCH") => {
                encode::content_length(out, 0);
            }
            BodyLength::None => {}
        }
        match (persistence, self.upgrade) {
            (Persistence::KeepAlive, None) => {}
            (Persistence::KeepAlive, Some(_)) => {
                out.extend_from_slice(b"connection: upgrade\r\n");
            }
            (Persistence::Close, None) => encode::close(out),
            (Persistence::Close, Some(_)) => {
                out.extend_from_slice(b"connection: close, upgrade\r\n");
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// True if a field of the caller is sent: none that HTTP/2 alone has, that frames the message, or
    /// that concerns the connection (RFC 9110 §7.6.1).
    fn is_passed_on(&self, name: &[u8]) -> bool {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        match name.len() {
            2 if is(b"te") => false,
            4 if is(b"host") => false,
            // RFC 9110 §10.1.1: not without content.
            6 if is(b"expect") => !matches!(self.length, BodyLength::None | BodyLength::Known(0)),
            14 if is(b"http2-settings") => false,
            7 if is(b"upgrade") => true,
            _ => encode::is_passed_on(name),
        }
    }
}

/// True if an authority has a port: CONNECT must name one, because no port is the usual one of a tunnel
/// (RFC 9110 §9.3.6). The colons of an IPv6 address have its `]` behind them.
fn has_port(authority: &[u8]) -> bool {
    let mut parts = authority.rsplitn(2, |byte| *byte == b':');
    let port = parts.next().unwrap_or_default();
    parts.next().is_some() && !port.is_empty() && port.iter().all(u8::is_ascii_digit)
}

/// The form of the target that fits the method (RFC 9112 §3.2): origin form, `*` or authority form.
fn target<'f>(
    method: &[u8],
    path: Option<&'f [u8]>,
    host: &'f [u8],
) -> Result<&'f [u8], Unsendable> {
    if method == b"CONNECT" {
        return match (path, host) {
            (Some(_), _) => Err(Unsendable::Target),
            (None, host) if has_port(host) => Ok(host),
            (None, _) => Err(Unsendable::Authority),
        };
    }
    // A fragment is never sent (RFC 9110 §7.1). UTF-8 is, as browsers and curl do.
    let is_clean = |path: &&[u8]| {
        !path
            .iter()
            .any(|byte| matches!(byte, 0..=b' ' | b'#' | 0x7f))
    };
    match path.filter(is_clean) {
        Some(path @ [b'/', ..]) => Ok(path),
        Some(b"*") if method == b"OPTIONS" => Ok(b"*"),
        _ => Err(Unsendable::Target),
    }
}
