//! A complete head or trailer section, translated into [`Fields`].
//!
//! `httparse` splits the lines and checks the grammar of each; what it is lenient about (bare line
//! feeds, empty lines) never reaches it, because [`Scan`](super::scan::Scan) went over every byte.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::error::Error;
use super::event::{H2cUpgrade, Scheme, Version};
use super::framing::{Framing, FramingFields};
use super::target::Target;
use crate::http::{Expected, Fields, is_authority};
use httparse::{EMPTY_HEADER, Header, Status};
use std::mem::MaybeUninit;

/// Field lines that the parser has room for, 4 KiB on the stack.
pub(super) const MOST_FIELDS: usize = 128;

/// What a head says about the connection and the message's framing; the rest is in [`Fields`].
#[derive(Debug)]
pub(super) struct Head<'i> {
    pub(super) version: Version,
    pub(super) framing: Framing,
    /// Whether the client lets the connection be used again (RFC 9112 §9.3).
    pub(super) keeps_alive: bool,
    /// Whether `100 Continue` is expected. False without a body, and in HTTP/1.0 (RFC 9110 §10.1.1).
    pub(super) expects_continue: bool,
    /// A valid offer of h2c on a request without a body.
    pub(super) upgrade: Option<H2cUpgrade<'i>>,
}

/// The fields that are not passed on, or not without a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Connection,
    ContentLength,
    Expect,
    Host,
    Http2Settings,
    /// Concerns the connection alone and says nothing to us.
    Hop,
    TransferEncoding,
    Upgrade,
    Other,
}

impl Name {
    fn of(name: &str) -> Name {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match name.len() {
            2 if is("te") => Name::Hop,
            4 if is("host") => Name::Host,
            6 if is("expect") => Name::Expect,
            7 if is("upgrade") => Name::Upgrade,
            10 if is("connection") => Name::Connection,
            10 if is("keep-alive") => Name::Hop,
            14 if is("content-length") => Name::ContentLength,
            14 if is("http2-settings") => Name::Http2Settings,
            16 if is("proxy-connection") => Name::Hop,
            17 if is("transfer-encoding") => Name::TransferEncoding,
            _ => Name::Other,
        }
    }

    /// Whether the field is for the receiver of the message and not for the connection.
    fn is_end_to_end(self) -> bool {
        matches!(self, Name::Other | Name::ContentLength | Name::Expect)
    }
}

/// What the fields say that concern the connection.
#[derive(Default)]
struct Control<'i> {
    framing: FramingFields<'i>,
    host: Option<&'i [u8]>,
    expectation: Expected,
    options: Options,
    upgrade: Option<&'i [u8]>,
    settings: Option<&'i [u8]>,
    /// A second `Upgrade` or `HTTP2-Settings`: no valid offer (RFC 7540 §3.2.1).
    ambiguous_upgrade: bool,
    /// A bit for each of the first lines that are passed on.
    end_to_end: u128,
}

const _: () = assert!(MOST_FIELDS <= u128::BITS as usize);

/// The options of `Connection` that mean something to us (RFC 9110 §7.6.1).
#[derive(Default)]
struct Options {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    http2_settings: bool,
}

/// A request line.
struct RequestLine<'i> {
    method: &'i [u8],
    target: &'i [u8],
    version: Version,
}

/// Translates a whole head of so many lines, the empty line at its end included. `fields` is empty
/// before.
pub(super) fn parse_head<'i>(
    head: &'i [u8],
    lines: usize,
    scheme: Scheme,
    fields: &mut Fields,
) -> Result<Head<'i>, Error> {
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
) -> Result<Head<'i>, Error> {
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
) -> Result<Head<'i>, Error> {
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
    match httparse::parse_headers(rest, &mut room) {
        Ok(Status::Complete((_, lines))) => translate_head(head, &line, lines, scheme, fields),
        Ok(Status::Partial) => Err(Error::FieldLine),
        Err(error) => Err(translate(error, head)),
    }
}

fn translate_head<'i>(
    head: &'i [u8],
    line: &RequestLine<'i>,
    lines: &[Header<'i>],
    scheme: Scheme,
    fields: &mut Fields,
) -> Result<Head<'i>, Error> {
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
    let framing = control.framing.resolve(version, method)?;
    let expects_continue = control.expects_continue(version, framing)?;

    fields.push(b":method", method);
    fields.push(b":scheme", target.scheme.as_str().as_bytes());
    if let Some(authority) = target.authority.or(control.host) {
        fields.push(b":authority", authority);
    }
    fields.push(b":path", &target.path);
    for (i, header) in lines.iter().enumerate() {
        if control.is_end_to_end(i, header.name) {
            push_lowercase(fields, header);
        }
    }
    Ok(Head {
        version,
        framing,
        keeps_alive: control.keeps_alive(version),
        expects_continue,
        upgrade: control.h2c_upgrade(version, framing),
    })
}

/// Translates a whole trailer section. Fields that frame or route the message have no business in
/// it and are dropped (RFC 9110 §6.5.1). `fields` is empty before.
pub(super) fn parse_trailers(section: &[u8], fields: &mut Fields) -> Result<(), Error> {
    let mut room = [EMPTY_HEADER; MOST_FIELDS];
    match httparse::parse_headers(section, &mut room) {
        Ok(Status::Complete((_, lines))) => {
            for header in lines {
                if Name::of(header.name) == Name::Other {
                    push_lowercase(fields, header);
                }
            }
            Ok(())
        }
        Ok(Status::Partial) => Err(Error::FieldLine),
        Err(error) => Err(translate(error, section)),
    }
}

impl<'i> Control<'i> {
    /// Goes over all field lines once.
    fn collect(head: &'i [u8], lines: &[Header<'i>]) -> Result<Self, Error> {
        let mut control = Control::default();
        for (i, Header { name, value }) in lines.iter().enumerate() {
            let name = Name::of(name);
            if i < MOST_FIELDS && name.is_end_to_end() {
                control.end_to_end |= 1 << i;
            }
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
        Ok(control)
    }

    /// Whether this line is passed on.
    fn is_end_to_end(&self, i: usize, name: &str) -> bool {
        match i < MOST_FIELDS {
            true => self.end_to_end & (1 << i) != 0,
            false => Name::of(name).is_end_to_end(),
        }
    }

    fn expects_continue(&self, version: Version, framing: Framing) -> Result<bool, Error> {
        match self.expectation {
            Expected::Nothing => Ok(false),
            _ if version == Version::Http10 => Ok(false),
            Expected::Continue => Ok(framing != Framing::Empty),
            Expected::Unknown => Err(Error::Expectation),
        }
    }

    /// RFC 9112 §9.3: `close` wins; without a word HTTP/1.1 goes on and HTTP/1.0 does not.
    fn keeps_alive(&self, version: Version) -> bool {
        !self.options.close && (version == Version::Http11 || self.options.keep_alive)
    }

    /// RFC 7540 §3.2: both fields once and named in `Connection`. With a body the offer is ignored:
    /// the whole body would have to be kept before the first frame could be read.
    fn h2c_upgrade(&self, version: Version, framing: Framing) -> Option<H2cUpgrade<'i>> {
        let named = self.options.upgrade && self.options.http2_settings && !self.ambiguous_upgrade;
        if !named || version == Version::Http10 || framing != Framing::Empty {
            return None;
        }
        let mut protocols = self.upgrade?.split(|byte| *byte == b',');
        let offered = protocols.any(|name| super::bytes::trim(name) == b"h2c");
        let settings = self.settings?;
        offered.then_some(H2cUpgrade { settings })
    }
}

impl Options {
    fn add(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            let option = super::bytes::trim(option);
            let is = |other: &str| option.eq_ignore_ascii_case(other.as_bytes());
            self.close |= is("close");
            self.keep_alive |= is("keep-alive");
            self.upgrade |= is("upgrade");
            self.http2_settings |= is("http2-settings");
        }
    }
}

/// Names are compared in lowercase everywhere else, as HTTP/2 sends them (RFC 9113 §8.2.1).
fn push_lowercase(fields: &mut Fields, header: &Header<'_>) {
    let name = header.name.as_bytes();
    // Every registered field name is shorter.
    let mut room = [0; 64];
    match room.get_mut(..name.len()) {
        Some(lowercase) => {
            lowercase.copy_from_slice(name);
            lowercase.make_ascii_lowercase();
            fields.push(lowercase, header.value);
        }
        None => fields.push(&name.to_ascii_lowercase(), header.value),
    }
}

fn translate(error: httparse::Error, head: &[u8]) -> Error {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue => Error::FieldLine,
        httparse::Error::TooManyHeaders => Error::TooManyFields,
        httparse::Error::Version if has_other_version(head) => Error::Version,
        _ => Error::RequestLine,
    }
}

/// Whether the request line is well formed but for a version that is not ours: `HTTP/2.0`, and
/// `HTTP/2` or `HTTP/3` as people write them.
fn has_other_version(head: &[u8]) -> bool {
    match version_of(head) {
        Some([b'1', b'.', b'0' | b'1']) => false,
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => true,
        Some([major]) => matches!(major, b'2'..=b'9'),
        _ => false,
    }
}

/// What stands behind `HTTP/` in a request line of three words.
fn version_of(head: &[u8]) -> Option<&[u8]> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let version = words.nth(2)?.strip_prefix(b"HTTP/")?;
    words.next().is_none().then_some(version)
}
