//! The length of a message's body (RFC 9112 §6.3): the place where requests and responses are smuggled.
//!
//! Two recipients that disagree about a body's length see different messages behind it. So all framing
//! that two implementations are known to read in two ways is refused, even if the RFC would allow it.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::error::Error;
use super::message::Version;
use crate::http::grammar::{decimal, trim};

/// The body that the fields of a head announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No body.
    Empty,
    /// This many bytes, at least one.
    Length(u64),
    /// Chunks (RFC 9112 §7.1).
    Chunked,
}

/// The fields of a head that frame its body. They are gathered one by one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FramingFields<'i> {
    content_length: Occurrence<'i>,
    transfer_encoding: Occurrence<'i>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Occurrence<'i> {
    #[default]
    Absent,
    Once(&'i [u8]),
    Repeated,
}

impl<'i> Occurrence<'i> {
    fn add(&mut self, value: &'i [u8]) {
        *self = match self {
            Occurrence::Absent => Occurrence::Once(value),
            Occurrence::Once(_) | Occurrence::Repeated => Occurrence::Repeated,
        };
    }
}

impl<'i> FramingFields<'i> {
    /// Takes the value of a `Content-Length` line of this head.
    pub(super) fn content_length(&mut self, head: &[u8], value: &'i [u8]) -> Result<(), Error> {
        self.content_length.add(value);
        tab_beside(head, value).map_or(Ok(()), |()| Err(Error::ContentLength))
    }

    /// Takes the value of a `Transfer-Encoding` line of this head.
    pub(super) fn transfer_encoding(&mut self, head: &[u8], value: &'i [u8]) -> Result<(), Error> {
        self.transfer_encoding.add(value);
        tab_beside(head, value).map_or(Ok(()), |()| Err(Error::TransferEncoding))
    }

    /// The framing of a request's body (RFC 9112 §6.3).
    pub(super) fn of_request(self, version: Version, method: &[u8]) -> Result<Framing, Error> {
        match self.resolve(version)? {
            Some(framing) => Ok(framing),
            None if lacks_length(version, method) => Err(Error::LengthRequired),
            None => Ok(Framing::Empty),
        }
    }

    /// True if one of them is a `Transfer-Encoding`.
    pub(super) fn has_coding(&self) -> bool {
        !matches!(self.transfer_encoding, Occurrence::Absent)
    }

    /// The framing that the fields announce; none if there is neither of them.
    pub(super) fn resolve(self, version: Version) -> Result<Option<Framing>, Error> {
        match (self.transfer_encoding, self.content_length) {
            (Occurrence::Absent, Occurrence::Absent) => Ok(None),
            (Occurrence::Absent, Occurrence::Once(value)) => match decimal(value) {
                Some(0) => Ok(Some(Framing::Empty)),
                Some(length) => Ok(Some(Framing::Length(length))),
                None => Err(Error::ContentLength),
            },
            (Occurrence::Absent, Occurrence::Repeated) => Err(Error::ContentLength),
            // A transfer coding in HTTP/1.0 means that the framing is faulty (RFC 9112 §6.1).
            (_, Occurrence::Absent) if version == Version::Http10 => Err(Error::TransferEncoding),
            (Occurrence::Once(value), Occurrence::Absent) => {
                check_codings(value)?;
                Ok(Some(Framing::Chunked))
            }
            (Occurrence::Repeated, Occurrence::Absent) => Err(Error::TransferEncoding),
            (_, _) => Err(Error::ConflictingLengths),
        }
    }
}

/// True if a length is missing. An HTTP/1.1 request without length has no body. An HTTP/1.0 client may
/// believe that its body ends with the connection.
fn lacks_length(version: Version, method: &[u8]) -> bool {
    version == Version::Http10 && matches!(method, b"POST" | b"PUT")
}

/// Accepts `chunked` alone. Another coding before it is well framed but unknown. If another coding is
/// the last, or `chunked` comes twice or with parameters, the length is a guess (§6.1, §7).
fn check_codings(value: &[u8]) -> Result<(), Error> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value.rsplit(|byte| *byte == b',').map(trim);
    let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !codings.next().is_some_and(chunked) {
        return Err(Error::TransferEncoding);
    }
    if codings.all(|coding| !coding.is_empty() && !chunked(coding)) {
        Err(Error::TransferCoding)
    } else {
        Err(Error::TransferEncoding)
    }
}

/// Finds a tab beside the value in its line. It is allowed (RFC 9110 §5.6.3), but only attackers send
/// it, to make recipients disagree about the field.
fn tab_beside(head: &[u8], value: &[u8]) -> Option<()> {
    let start = value.as_ptr().addr().checked_sub(head.as_ptr().addr())?;
    let (before, rest) = head.split_at_checked(start)?;
    let after = rest.get(value.len()..)?;
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let mut beside = before
        .iter()
        .rev()
        .take_while(blank)
        .chain(after.iter().take_while(blank));
    beside.any(|byte| *byte == b'\t').then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(lengths: &[&str], codings: &[&str], version: Version) -> Result<Framing, Error> {
        let mut fields = FramingFields::default();
        for value in lengths {
            fields.content_length(value.as_bytes(), value.as_bytes())?;
        }
        for value in codings {
            fields.transfer_encoding(value.as_bytes(), value.as_bytes())?;
        }
        fields.of_request(version, b"POST")
    }

    #[test]
    fn one_decimal_number_is_a_length() {
        let length = |value: &str| resolve(&[value], &[], Version::Http11);
        assert_eq!(length("0"), Ok(Framing::Empty));
        assert_eq!(length("007"), Ok(Framing::Length(7)));
        assert_eq!(
            length("18446744073709551615"),
            Ok(Framing::Length(u64::MAX))
        );
        for value in [
            "",
            "+5",
            "-5",
            "5,5",
            "5, 6",
            "5 5",
            "0x5",
            "5.",
            "18446744073709551616",
            "٣",
        ] {
            assert_eq!(length(value), Err(Error::ContentLength), "{value}");
        }
        let repeated = resolve(&["5", "5"], &[], Version::Http11);
        assert_eq!(repeated, Err(Error::ContentLength));
    }

    #[test]
    fn chunked_is_the_only_coding() {
        let coding = |value: &str| resolve(&[], &[value], Version::Http11);
        assert_eq!(coding("chunked"), Ok(Framing::Chunked));
        assert_eq!(coding("Chunked"), Ok(Framing::Chunked));
        assert_eq!(coding("gzip, chunked"), Err(Error::TransferCoding));
        for value in [
            "",
            "xchunked",
            "chunked, chunked",
            "chunked, gzip",
            "gzip",
            "identity",
            "chunked,",
            ",chunked",
            "chunked;a=b",
            "\"chunked\"",
            "chunked\u{b}",
            "chunke",
        ] {
            assert_eq!(coding(value), Err(Error::TransferEncoding), "{value}");
        }
        let repeated = resolve(&[], &["chunked", "chunked"], Version::Http11);
        assert_eq!(repeated, Err(Error::TransferEncoding));
    }

    #[test]
    fn a_coding_excludes_a_length_and_http_1_0() {
        for version in [Version::Http10, Version::Http11] {
            let both = resolve(&["5"], &["chunked"], version);
            assert_eq!(both, Err(Error::ConflictingLengths));
        }
        let old = resolve(&[], &["chunked"], Version::Http10);
        assert_eq!(old, Err(Error::TransferEncoding));
    }

    #[test]
    fn only_http_1_0_has_to_give_a_length() {
        assert_eq!(resolve(&[], &[], Version::Http11), Ok(Framing::Empty));
        let old = resolve(&[], &[], Version::Http10);
        assert_eq!(old, Err(Error::LengthRequired));
        let get = FramingFields::default().of_request(Version::Http10, b"GET");
        assert_eq!(get, Ok(Framing::Empty));
    }
}
