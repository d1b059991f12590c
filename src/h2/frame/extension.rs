//! Frames of extensions: the bytes of each, and the forms in which people and traces see them.
//!
//! All that is known of a type without any state stands here, but for its number and name ([`FrameType::KNOWN`]). To
//! add one: a constant and an entry there, its functions and an entry of the table here, its meaning in
//! `Connection::receive_extension`, and as far as there are any its event in `h2::event` and its command in
//! `h2::connection::library`.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::FrameType;
use super::decode::{Parsed, u31};
use super::encode::{begin, finish};
use crate::h2::error::ConnectionError;
use crate::http::printable;

/// The forms in which a type's payload is shown.
pub(in crate::h2) struct ShownExtension {
    kind: FrameType,
    /// In a few words, for the log and for `calmd get -v`.
    pub(in crate::h2) details: fn(&[u8]) -> Vec<String>,
    /// As members of an event of qlog.
    pub(in crate::h2) members: fn(&[u8]) -> Vec<(&'static str, Member<'_>)>,
}

/// A value of qlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::h2) enum Member<'p> {
    Number(u32),
    Text(&'p [u8]),
}

/// The types whose payloads are shown.
const SHOWN: [ShownExtension; 3] = [
    ShownExtension {
        kind: FrameType::ALTSVC,
        details: |payload| {
            altsvc(payload)
                .map(|(_, value)| printable(value))
                .into_iter()
                .collect()
        },
        members: |payload| match altsvc(payload) {
            Some((origin, value)) => vec![
                ("origin", Member::Text(origin)),
                ("alt_svc_field_value", Member::Text(value)),
            ],
            None => Vec::new(),
        },
    },
    ShownExtension {
        kind: FrameType::ORIGIN,
        details: |payload| origins(payload).map(printable).collect(),
        members: |_| Vec::new(),
    },
    ShownExtension {
        kind: FrameType::PRIORITY_UPDATE,
        details: |payload| match priority_update(payload) {
            Ok((id, value)) => vec![format!("stream {id}: {}", printable(value))],
            Err(_) => Vec::new(),
        },
        members: |payload| match priority_update(payload) {
            Ok((id, value)) => vec![
                ("prioritized_stream_id", Member::Number(id)),
                ("priority_field_value", Member::Text(value)),
            ],
            Err(_) => Vec::new(),
        },
    },
];

/// The forms in which a frame of this type is shown, if it is one of an extension that is known.
pub(in crate::h2) fn shown(kind: FrameType) -> Option<&'static ShownExtension> {
    SHOWN.iter().find(|shown| shown.kind == kind)
}

/// The payload of PRIORITY_UPDATE (RFC 9218 §7.1): the prioritized stream and a priority field value.
pub fn priority_update(payload: &[u8]) -> Parsed<(u32, &[u8])> {
    match payload.split_first_chunk() {
        Some((&prioritized, value)) => Ok((u31(prioritized), value)),
        None => Err(ConnectionError::frame_size(
            "PRIORITY_UPDATE is shorter than four bytes",
        )),
    }
}

/// Appends PRIORITY_UPDATE (RFC 9218 §7.1).
pub fn put_priority_update(out: &mut Vec<u8>, prioritized: u32, value: &[u8]) {
    let start = begin(out);
    out.extend_from_slice(&prioritized.to_be_bytes());
    out.extend_from_slice(value);
    finish(out, start, FrameType::PRIORITY_UPDATE, 0, 0);
}

/// The payload of ALTSVC (RFC 7838 §4): origin and field value; `None` is ignored, as that section
/// says of anything wrong in it.
pub fn altsvc(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = payload.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(len)))
}

/// Appends ALTSVC (RFC 7838 §4); the origin is empty on a stream, and at most 65,535 bytes long.
pub fn put_altsvc(out: &mut Vec<u8>, stream_id: u32, origin: &[u8], value: &[u8]) {
    let start = begin(out);
    out.extend_from_slice(&(origin.len() as u16).to_be_bytes());
    out.extend_from_slice(origin);
    out.extend_from_slice(value);
    finish(out, start, FrameType::ALTSVC, 0, stream_id);
}

/// The entries of ORIGIN (RFC 8336 §2.1), up to the first that is cut short.
pub fn origins(mut payload: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    std::iter::from_fn(move || {
        let (&len, rest) = payload.split_first_chunk()?;
        let (origin, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(len)))?;
        payload = rest;
        Some(origin)
    })
}

/// Appends ORIGIN (RFC 8336 §2); each origin is at most 65,535 bytes long.
pub fn put_origin<'a>(out: &mut Vec<u8>, origins: impl Iterator<Item = &'a [u8]>) {
    let start = begin(out);
    for origin in origins {
        out.extend_from_slice(&(origin.len() as u16).to_be_bytes());
        out.extend_from_slice(origin);
    }
    finish(out, start, FrameType::ORIGIN, 0, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_extension_is_shown() {
        let of_extensions = FrameType::KNOWN.into_iter().skip(10);
        let kinds: Vec<_> = of_extensions.map(|(kind, _)| kind).collect();
        assert_eq!(SHOWN.map(|shown| shown.kind).to_vec(), kinds);
        assert!(kinds.into_iter().all(|kind| shown(kind).is_some()));
        assert!(shown(FrameType::DATA).is_none());
    }

    #[test]
    fn what_is_put_is_shown_again() {
        let mut out = Vec::new();
        put_altsvc(&mut out, 0, b"a.example", b"h2=\":1\"");
        let payload = &out[super::super::HEADER_LEN..];
        let shown = shown(FrameType::ALTSVC).unwrap();
        assert_eq!((shown.details)(payload), ["h2=\":1\""]);
        assert_eq!(
            (shown.members)(payload),
            [
                ("origin", Member::Text(b"a.example")),
                ("alt_svc_field_value", Member::Text(b"h2=\":1\"")),
            ]
        );
    }
}
