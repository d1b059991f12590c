//! Field lines of a head or a trailer section, as both roles read them.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::error::Error;
use super::message::Version;
use crate::http::Fields;
use crate::http::grammar::{may_be_trailer, trim};
use httparse::{EMPTY_HEADER, Header, Status};

/// The most field lines that the parser has room for: 4 KiB on the stack.
pub(super) const MOST_FIELDS: usize = 128;

/// Fields that are not passed on, or only after a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Connection,
    ContentLength,
    Expect,
    Host,
    Http2Settings,
    /// A field that concerns the connection alone and has no meaning for us.
    Hop,
    TransferEncoding,
    Upgrade,
    Other,
}

impl Name {
    pub(super) fn of(name: &str) -> Name {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let Some(first) = name.as_bytes().first() else {
            return Name::Other;
        };
        // Most names differ from all of these in length or in the first letter.
        match (name.len(), first.to_ascii_lowercase()) {
            (2, b't') if is("te") => Name::Hop,
            (4, b'h') if is("host") => Name::Host,
            (6, b'e') if is("expect") => Name::Expect,
            (7, b'u') if is("upgrade") => Name::Upgrade,
            (10, b'c') if is("connection") => Name::Connection,
            (10, b'k') if is("keep-alive") => Name::Hop,
            (14, b'c') if is("content-length") => Name::ContentLength,
            (14, b'h') if is("http2-settings") => Name::Http2Settings,
            (16, b'p') if is("proxy-connection") => Name::Hop,
            (17, b't') if is("transfer-encoding") => Name::TransferEncoding,
            _ => Name::Other,
        }
    }

    /// True if a request's field is for the receiver of the message and not for the connection.
    pub(super) fn is_end_to_end(self) -> bool {
        matches!(self, Name::Other | Name::ContentLength | Name::Expect)
    }
}

/// The options of `Connection` that have a meaning for us (RFC 9110 §7.6.1).
#[derive(Debug, Default)]
pub(super) struct ConnectionOptions {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
    pub(super) http2_settings: bool,
    /// Number of options, empty ones included.
    all: usize,
    /// Number of options that may be names of other fields.
    others: usize,
}

impl ConnectionOptions {
    /// Takes the value of a `Connection` line.
    pub(super) fn add(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            let option = trim(option);
            let is = |other: &str| option.eq_ignore_ascii_case(other.as_bytes());
            self.all = self.all.saturating_add(1);
            if is("close") {
                self.close = true;
            } else if is("keep-alive") {
                self.keep_alive = true;
            } else if is("upgrade") {
                self.upgrade = true;
            } else if is("http2-settings") {
                self.http2_settings = true;
            } else if !option.is_empty() {
                self.others = self.others.saturating_add(1);
            }
        }
    }

    /// True if fields may be named that are not known to concern the connection. All options are then
    /// looked through for each field, so more options than there can be fields are an error.
    pub(super) fn names_fields(&self) -> Result<bool, Error> {
        if self.all > MOST_FIELDS {
            return Err(Error::TooManyFields);
        }
        Ok(self.others > 0)
    }

    /// True if the connection goes on (RFC 9112 §9.3): `close` wins; without an option HTTP/1.1 goes on
    /// and HTTP/1.0 does not.
    pub(super) fn keeps_alive(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }
}

/// True if a `Connection` line names the field (RFC 9110 §7.6.1).
pub(super) fn is_named(name: &str, lines: &[Header<'_>]) -> bool {
    let is_it = |option: &[u8]| trim(option).eq_ignore_ascii_case(name.as_bytes());
    let mut options = lines
        .iter()
        .filter(|line| Name::of(line.name) == Name::Connection)
        .flat_map(|line| line.value.split(|byte| *byte == b','));
    options.any(is_it)
}

/// Splits the field lines of a section, the empty line at its end included.
pub(super) fn split_lines<'h, 'i>(
    section: &'i [u8],
    room: &'h mut [Header<'i>],
) -> Result<&'h [Header<'i>], Error> {
    match httparse::parse_headers(section, room) {
        Ok(Status::Complete((_, lines))) => Ok(lines),
        Err(httparse::Error::TooManyHeaders) => Err(Error::TooManyFields),
        Ok(Status::Partial) | Err(_) => Err(Error::FieldLine),
    }
}

/// Translates a whole trailer section. Fields that frame or route the message are dropped (RFC 9110
/// §6.5.1). `fields` is empty before.
pub(super) fn parse_trailers(section: &[u8], fields: &mut Fields) -> Result<(), Error> {
    let mut room = [EMPTY_HEADER; MOST_FIELDS];
    for header in split_lines(section, &mut room)? {
        if may_be_trailer(header.name.as_bytes()) {
            fields.push_lowercase(header.name.as_bytes(), header.value);
        }
    }
    Ok(())
}
