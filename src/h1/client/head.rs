//! A complete head of a response, translated into [`Fields`].

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::error::ResponseError;
use crate::h1::error::Error;
use crate::h1::fields::{ConnectionOptions, MOST_FIELDS, Name, is_named, split_lines};
use crate::h1::framing::{Framing, FramingFields};
use crate::h1::known::KnownHead;
use crate::h1::message::Version;
use crate::http::Fields;
use httparse::{EMPTY_HEADER, Header};

/// The head of the last response that was received by
/// [`ClientConnection::receive_like`](super::ClientConnection::receive_like), by any of several connections.
#[derive(Debug, Default)]
pub struct LastResponse(pub(super) KnownHead<(), ParsedResponse>);

/// The part of a head that concerns the connection and the framing. The rest is in [`Fields`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ParsedResponse {
    pub(super) version: Version,
    pub(super) status: u16,
    /// The framing that the fields announce; none without `Content-Length` and `Transfer-Encoding`.
    pub(super) framing: Option<Framing>,
    /// True if the server lets the connection be used again (RFC 9112 §9.3).
    pub(super) keeps_alive: bool,
}

/// The beginning of every status line that is understood (RFC 9112 §2.3).
const START: &[u8] = b"HTTP/1.";

/// Refuses input that cannot become a status line: a TLS alert or an HTTP/2 frame need not be waited
/// for to its end.
pub(super) fn check_start(input: &[u8]) -> Result<(), ResponseError> {
    let differs = input
        .iter()
        .zip(START)
        .position(|(byte, known)| byte != known);
    match differs.map(|at| (at, input.get(at))) {
        None => Ok(()),
        // The major version.
        Some((5, Some(b'0'..=b'9'))) => Err(ResponseError::Version),
        Some(_) => Err(ResponseError::StatusLine),
    }
}

/// Lines of a head for which there is a smaller room: most heads have fewer.
const FEW_LINES: usize = 24;

/// Translates a whole head of `lines` lines, the empty line at its end included. `tunnels` is true if the request was
/// CONNECT. `fields` is empty before.
pub(super) fn parse_head(
    section: &[u8],
    lines: usize,
    tunnels: bool,
    fields: &mut Fields,
) -> Result<ParsedResponse, ResponseError> {
    if lines <= FEW_LINES {
        parse_into(section, &mut [EMPTY_HEADER; FEW_LINES], tunnels, fields)
    } else {
        parse_into(section, &mut [EMPTY_HEADER; MOST_FIELDS], tunnels, fields)
    }
}

fn parse_into<'i>(
    section: &'i [u8],
    room: &mut [Header<'i>],
    tunnels: bool,
    fields: &mut Fields,
) -> Result<ParsedResponse, ResponseError> {
    let end = section.iter().position(|byte| *byte == b'\r');
    let (line, rest) = section.split_at(end.unwrap_or(section.len()));
    let (version, digits) = status_line(line).ok_or(ResponseError::StatusLine)?;
    let rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    let lines = split_lines(rest, room)?;

    fields.push(b":status", digits);
    let status = fields.status().ok_or(ResponseError::StatusLine)?;
    let control = ResponseControl::collect(section, lines, (status, tunnels))?;
    let framing = match status {
        // RFC 9112 §6.3: a tunnel has no length, whatever the fields say.
        200..=299 if tunnels => None,
        // A coding is never allowed here (RFC 9112 §6.1): another implementation may take what follows
        // for chunks.
        100..=199 | 204 if control.framing.has_coding() => {
            return Err(Error::TransferEncoding.into());
        }
        _ => control.framing.resolve(version)?,
    };
    let mut passed_on = control.passed_on;
    for header in lines {
        let is_dropped = || control.names_others && is_dropped_by_name(header.name, lines);
        if passed_on & 1 != 0 && !is_dropped() {
            fields.push_lowercase(header.name.as_bytes(), header.value);
        }
        passed_on >>= 1;
    }
    Ok(ParsedResponse {
        version,
        status,
        framing,
        keeps_alive: control.options.keeps_alive(version),
    })
}

/// Takes a status line apart (RFC 9112 §4). A later minor version is taken as HTTP/1.1, the highest that
/// we have (RFC 9110 §2.5). The space before an empty reason may be missing, as it often is.
fn status_line(line: &[u8]) -> Option<(Version, &[u8])> {
    let (minor, rest) = line.strip_prefix(START)?.split_first()?;
    let version = match minor {
        b'0' => Version::Http10,
        b'1'..=b'9' => Version::Http11,
        _ => return None,
    };
    let (digits, reason) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
    let is_status = digits.iter().all(u8::is_ascii_digit);
    (is_status && matches!(reason, [] | [b' ', ..])).then_some((version, digits))
}

/// Fields that concern the connection.
#[derive(Default)]
struct ResponseControl<'i> {
    framing: FramingFields<'i>,
    options: ConnectionOptions,
    /// True if `Connection` names fields that are not known to concern it.
    names_others: bool,
    /// A bit for each line that is passed on, unless `Connection` names it.
    passed_on: u128,
}

const _: () = assert!(MOST_FIELDS <= u128::BITS as usize);

impl<'i> ResponseControl<'i> {
    /// Goes over all field lines once, of a response of this status, to a request for a tunnel or to another one.
    fn collect(
        section: &'i [u8],
        lines: &[Header<'i>],
        (status, tunnels): (u16, bool),
    ) -> Result<Self, Error> {
        let mut control = ResponseControl::default();
        let mut bit = 1;
        for Header { name, value } in lines {
            let name = Name::of(name);
            if is_passed_on(name, status, tunnels) {
                control.passed_on |= bit;
            }
            bit <<= 1;
            match name {
                Name::ContentLength => control.framing.content_length(section, value)?,
                Name::TransferEncoding => control.framing.transfer_encoding(section, value)?,
                Name::Connection => control.options.add(value),
                _ => {}
            }
        }
        control.names_others = control.options.names_fields()?;
        Ok(control)
    }
}

/// True if a field of a response is passed on, as far as its name and the message tell.
fn is_passed_on(name: Name, status: u16, tunnels: bool) -> bool {
    match name {
        Name::Connection | Name::Hop | Name::Http2Settings | Name::TransferEncoding => false,
        // The field is the subject of the two statuses (RFC 9110 §15.2.2, §15.5.22).
        Name::Upgrade => matches!(status, 101 | 426),
        // The field is never allowed here (RFC 9110 §8.6, §9.3.6).
        Name::ContentLength => match status {
            100..=199 | 204 => false,
            200..=299 => !tunnels,
            _ => true,
        },
        Name::Expect | Name::Host | Name::Other => true,
    }
}

/// True for a field that `Connection` names and that concerns no connection otherwise: it ends here (RFC 9110 §7.6.1).
#[cold]
fn is_dropped_by_name(name: &str, lines: &[Header<'_>]) -> bool {
    matches!(Name::of(name), Name::Expect | Name::Host | Name::Other) && is_named(name, lines)
}
