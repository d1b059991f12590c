//! A complete head of a request, translated into [`Fields`].
//!
//! `httparse` splits the lines and checks the grammar of each; input that it is lenient about (bare
//! line feeds, empty lines) never reaches it, because [`Scan`](crate::h1::scan::Scan) went over every
//! byte.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::event::H2cUpgrade;
use super::target::Target;
use crate::h1::error::Error;
use crate::h1::fields::{ConnectionOptions, MOST_FIELDS, Name, is_named, split_lines};
use crate::h1::framing::{Framing, FramingFields};
use crate::h1::known::KnownHead;
use crate::h1::message::Version;
use crate::http::Scheme;
use crate::http::grammar::trim;
use crate::http::{Expected, Fields, is_authority};
use httparse::{EMPTY_HEADER, Header, Status};
use std::mem::MaybeUninit;

/// The head of the last request that was received by
/// [`Connection::receive_like`](super::Connection::receive_like), by any of several connections.
#[derive(Debug, Default)]
pub struct LastRequest(pub(super) KnownHead<Scheme, ParsedHead<'static>>);

#[cfg(feature = "server")]
impl LastRequest {
    /// Another number for each head that was not compared with the one before but parsed: a request behind which it has
    /// not changed is equal to the last one.
    pub(crate) fn number(&self) -> u64 {
        self.0.number()
    }
}

/// The part of a head that concerns the connection and the framing. The rest is in [`Fields`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ParsedHead<'i> {
    pub(super) version: Version,
    pub(super) framing: Framing,
    /// True if the client lets the connection be used again (RFC 9112 §9.3).
    pub(super) keeps_alive: bool,
    /// True if `100 Continue` is expected. False without a body, and in HTTP/1.0 (RFC 9110 §10.1.1).
    pub(super) expects_continue: bool,
    /// A valid offer of h2c on a request without a body.
    pub(super) upgrade: Option<H2cUpgrade<'i>>,
}

impl ParsedHead<'_> {
    /// The head, if it has no offer of h2c, which lies in the input.
    pub(super) fn without_offer(&self) -> Option<ParsedHead<'static>> {
        self.upgrade.is_none().then_some(ParsedHead {
            version: self.version,
            framing: self.framing,
            keeps_alive: self.keeps_alive,
            expects_continue: self.expects_continue,
            upgrade: None,
        })
    }
}

/// The fields that concern the connection.
#[derive(Default)]
struct Control<'i> {
    framing: FramingFields<'i>,
    host: Option<&'i [u8]>,
    expectation: Expected,
    options: ConnectionOptions,
    upgrade: Option<&'i [u8]>,
    settings: Option<&'i [u8]>,
    /// A second `Upgrade` or `HTTP2-Settings`: no valid offer (RFC 7540 §3.2.1).
    ambiguous_upgrade: bool,
    takes_trailers: bool,
    /// True if `Connection` names fields that are not known to concern it.
    names_fields: bool,
    /// A bit for each of the first lines that are passed on.
    end_to_end: u128,
}

const _: () = assert!(MOST_FIELDS <= u128::BITS as usize);

/// A request line.
struct RequestLine<'i> {
    method: &'i [u8],
    target: &'i [u8],
    version: Version,
}

/// Translates a whole head of `lines` lines, the empty line at its end included. `fields` is empty
/// before.
pub(super) fn parse_head<'i>(
    head: &'i [u8],
    lines: usize,
    scheme: Scheme,
    fields: &mut Fields,
) -> Result<ParsedHead<'i>, Error> {
    let parsed = if lines <= MOST_FIELDS {
        let mut room = [const { MaybeUninit::uninit() }; MOST_FIELDS];
        parse_into(head, &mut room, scheme, fields)
    } else {
        // Cookie crumbs: their number is bounded by the scan.
        let room = std::iter::repeat_with(MaybeUninit::uninit).take(lines);
        parse_into(head, &mut room.collect::<Vec<_>>(), scheme, fields)
    };
    match parsed {
        Err(Error::Version) if matches!(version_of(head), Some([b'1', b'.', b'2'..=b'9'])) => {
            parse_later_minor(head, lines, scheme, fields)
        }
        parsed => parsed,
    }
}

fn parse_into<'i>(
    head: &'i [u8],
    room: &mut [MaybeUninit<Header<'i>>],
    scheme: Scheme,
    fields: &mut Fields,
) -> Result<ParsedHead<'i>, Error> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, room) {
        Ok(Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Error::RequestLine),
        Err(error) => return Err(translate(error, head)),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(Error::RequestLine);
    };
    let line = RequestLine {
        method: method.as_bytes(),
        target: target.as_bytes(),
        version: match minor {
            0 => Version::Http10,
            _ => Version::Http11,
        },
    };
    translate_head(head, &line, request.headers, scheme, fields)
}

/// A head of HTTP/1.2 or later is taken as one of HTTP/1.1, the highest minor version that we have
/// (RFC 9110 §2.5). The parser does not know it, so it is shown a copy of the line that says 1.1.
#[cold]
fn parse_later_minor<'i>(
    head: &'i [u8],
    lines: usize,
    scheme: Scheme,
    fields: &mut Fields,
) -> Result<ParsedHead<'i>, Error> {
    let end = head.iter().position(|byte| *byte == b'\r');
    let (line, rest) = head.split_at(end.unwrap_or(head.len()));
    let mut known = line.to_vec();
    if let Some(minor) = known.last_mut() {
        *minor = b'1';
    }
    known.extend_from_slice(b"\r\n\r\n");
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse(&known);
    let (Ok(Status::Complete(_)), Some(method), Some(target)) =
        (parsed, request.method, request.path)
    else {
        return Err(Error::RequestLine);
    };
    let (method, behind) = line.split_at(method.len());
    let target = behind
        .get(1..)
        .and_then(|behind| behind.get(..target.len()));
    let line = RequestLine {
        method,
        target: target.unwrap_or_default(),
        version: Version::Http11,
    };
    let rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    let mut room = vec![EMPTY_HEADER; lines];
    let lines = split_lines(rest, &mut room)?;
    translate_head(head, &line, lines, scheme, fields)
}

fn translate_head<'i>(
    head: &'i [u8],
    line: &RequestLine<'i>,
    lines: &[Header<'i>],
    scheme: Scheme,
    fields: &mut Fields,
) -> Result<ParsedHead<'i>, Error> {
    let RequestLine {
        method,
        target,
        version,
    } = *line;
    let control = Control::collect(head, lines)?;
    let target = Target::parse(method, target, scheme)?;
    if version == Version::Http11 && control.host.is_none() {
        return Err(Error::Host);
    }
    let framing = control.framing.of_request(version, method)?;
    let expects_continue = control.expects_continue(version, framing)?;

    fields.push(b":method", method);
    fields.push(b":scheme", target.scheme.as_str().as_bytes());
    if let Some(authority) = target.authority.or(control.host) {
        fields.push(b":authority", authority);
    }
    fields.push(b":path", &target.path);
    let (first, rest) = lines.split_at(lines.len().min(MOST_FIELDS));
    let mut end_to_end = control.end_to_end;
    for header in first {
        if end_to_end & 1 != 0 {
            fields.push_lowercase(header.name.as_bytes(), header.value);
        }
        end_to_end >>= 1;
    }
    for header in rest {
        if control.is_end_to_end(header.name, lines) {
            fields.push_lowercase(header.name.as_bytes(), header.value);
        }
    }
    if control.offers_websocket(version, framing) {
        fields.push(b"upgrade", b"websocket");
    }
    // A handler may have some, and HTTP/1.0 has no place for them.
    if control.takes_trailers && version == Version::Http11 {
        fields.push(b"te", b"trailers");
    }
    Ok(ParsedHead {
        version,
        framing,
        keeps_alive: control.options.keeps_alive(version),
        expects_continue,
        upgrade: control.h2c_upgrade(version, framing),
    })
}

impl<'i> Control<'i> {
    /// Goes over all field lines once.
    fn collect(head: &'i [u8], lines: &[Header<'i>]) -> Result<Self, Error> {
        let mut control = Control::default();
        // The bit of the line; none behind the last that has one.
        let mut bit = 1;
        for Header { name, value } in lines {
            let name = Name::of(name);
            if name.is_end_to_end() {
                control.end_to_end |= bit;
            }
            bit <<= 1;
            match name {
                Name::Other | Name::Hop => {}
                Name::Host if control.host.is_some() || !is_authority(value) => {
                    return Err(Error::Host);
                }
                Name::Host => control.host = Some(value),
                Name::ContentLength => control.framing.content_length(head, value)?,
                Name::TransferEncoding => control.framing.transfer_encoding(head, value)?,
                Name::Connection => control.options.add(value),
                Name::Expect => control.expectation = control.expectation.with(value),
                Name::Upgrade => {
                    control.ambiguous_upgrade |= control.upgrade.replace(value).is_some();
                }
                Name::Http2Settings => {
                    control.ambiguous_upgrade |= control.settings.replace(value).is_some();
                }
            }
        }
        control.names_fields = control.options.names_fields()?;
        if control.names_fields {
            control.drop_named(lines);
        }
        Ok(control)
    }

    /// Drops the fields that `Connection` names, which end here (RFC 9110 §7.6.1). `te` has to be named to be
    /// meant for this server (RFC 9110 §10.1.4).
    #[cold]
    fn drop_named(&mut self, lines: &[Header<'_>]) {
        for (i, header) in lines.iter().enumerate().take(MOST_FIELDS) {
            if Name::of(header.name) == Name::Other && is_named(header.name, lines) {
                self.end_to_end &= !(1 << i);
            }
        }
        self.takes_trailers = is_named("te", lines) && takes_trailers(lines);
    }

    /// True if a field line is passed on that has no bit. Few heads have so many lines that some are looked at
    /// twice.
    #[cold]
    fn is_end_to_end(&self, name: &str, lines: &[Header<'_>]) -> bool {
        let is_dropped =
            || self.names_fields && Name::of(name) == Name::Other && is_named(name, lines);
        Name::of(name).is_end_to_end() && !is_dropped()
    }

    /// True for a valid offer of WebSocket on a request without content (RFC 6455 §4.1). It is the one offer that
    /// is passed on, because a handler can take it up.
    fn offers_websocket(&self, version: Version, framing: Framing) -> bool {
        let named = self.upgrade.unwrap_or_default();
        version == Version::Http11
            && framing == Framing::Empty
            && self.options.upgrade
            && !self.ambiguous_upgrade
            && named.eq_ignore_ascii_case(b"websocket")
    }

    fn expects_continue(&self, version: Version, framing: Framing) -> Result<bool, Error> {
        match self.expectation {
            Expected::Nothing => Ok(false),
            _ if version == Version::Http10 => Ok(false),
            Expected::Continue => Ok(framing != Framing::Empty),
            Expected::Unknown => Err(Error::Expectation),
        }
    }

    /// A valid offer of h2c: both fields, once each, and named in `Connection` (RFC 7540 §3.2). With a
    /// body the offer is ignored, because the whole body would have to be kept before the first frame
    /// could be read.
    fn h2c_upgrade(&self, version: Version, framing: Framing) -> Option<H2cUpgrade<'i>> {
        let named = self.options.upgrade && self.options.http2_settings && !self.ambiguous_upgrade;
        if !named || version == Version::Http10 || framing != Framing::Empty {
            return None;
        }
        let mut protocols = self.upgrade?.split(|byte| *byte == b',');
        let offered = protocols.any(|name| trim(name) == b"h2c");
        let settings = self.settings?;
        offered.then_some(H2cUpgrade { settings })
    }
}

/// True if the client says that it takes fields behind content (RFC 9110 §10.1.4).
fn takes_trailers(lines: &[Header<'_>]) -> bool {
    let codings = lines
        .iter()
        .filter(|line| line.name.eq_ignore_ascii_case("te"));
    let mut codings = codings.flat_map(|line| line.value.split(|byte| *byte == b','));
    codings.any(|coding| trim(coding).eq_ignore_ascii_case(b"trailers"))
}

fn translate(error: httparse::Error, head: &[u8]) -> Error {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue => Error::FieldLine,
        httparse::Error::TooManyHeaders => Error::TooManyFields,
        httparse::Error::Version if has_other_version(head) => Error::Version,
        _ => Error::RequestLine,
    }
}

/// True if the request line is well formed except for an unknown version: `HTTP/2.0`, and `HTTP/2` or
/// `HTTP/3` as people write them.
fn has_other_version(head: &[u8]) -> bool {
    match version_of(head) {
        Some([b'1', b'.', b'0' | b'1']) => false,
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => true,
        Some([major]) => matches!(major, b'2'..=b'9'),
        _ => false,
    }
}

/// The text behind `HTTP/` in a request line of three words.
fn version_of(head: &[u8]) -> Option<&[u8]> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let version = words.nth(2)?.strip_prefix(b"HTTP/")?;
    words.next().is_none().then_some(version)
}
